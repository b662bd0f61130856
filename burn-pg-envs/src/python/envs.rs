//! A batch of environments of Python.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread::{available_parallelism, scope},
};

use super::{
    host::Host,
    maker::WorkerMaker,
    reason::of_lost,
    rows::{Failures, Phase, Rows, State},
    setup::Together,
    shared::Layout,
    worker::{Todo, Worker},
};
use crate::{
    Actions, Autoreset, EnvError, EnvOptions, EnvSpec, SavedEnvs, SeedSequence, StepBatch, VectorEnv,
    render::{Scene, Shape},
};

/// Environments of Python, which worker processes step.
///
/// Every environment is seeded once and then continues its own random stream. Final observations and both flags are
/// exactly those of the environment, in each [`Autoreset`]: an environment is reset right after its last observation has
/// been kept. Those that Python steps as one in Gymnasium's mode `NextStep`, of `envpool:` and `ale:`, begin in
/// [`Autoreset::NextStep`], because they reset themselves in a step faster than in a call of its own.
///
/// The environments cannot be saved: [`save`](VectorEnv::save) keeps their seeds only, and after
/// [`load`](VectorEnv::load) they begin new episodes ([`SavedEnvs::begins_anew`]).
pub struct PythonEnvs {
    spec: EnvSpec,
    batch: StepBatch,
    /// Dropped before the log, so that all is in it.
    workers: Vec<Worker>,
    /// What is known of each environment.
    states: Vec<State>,
    autoreset: Autoreset,
    /// What they can do, if Python steps them as one.
    together: Option<Together>,
    maker: WorkerMaker,
    /// Why the last picture could not be made.
    render_error: Mutex<Option<String>>,
}

impl PythonEnvs {
    /// Makes `num_envs` environments called `name`, such as `gym:LunarLander-v3`, and starts their workers.
    ///
    /// # Errors
    /// [`EnvError::NoEnvs`]; [`EnvError::Python`] says why a worker or an environment cannot be made and, where that is
    /// known, how to install what is missing; [`EnvError::Spec`] if a space contradicts itself, or if the environments
    /// of two workers differ.
    pub fn new(name: &str, num_envs: usize, options: &EnvOptions) -> Result<Self, EnvError> {
        Self::made_by(WorkerMaker::new(name, options, None)?, num_envs)
    }

    /// Makes `num_envs` environments that `host` runs, for a specification called `name`.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn hosted(name: &str, num_envs: usize, host: Arc<dyn Host>) -> Result<Self, EnvError> {
        Self::made_by(WorkerMaker::new(name, &EnvOptions::default(), Some(host))?, num_envs)
    }

    fn made_by(maker: WorkerMaker, num_envs: usize) -> Result<Self, EnvError> {
        if num_envs == 0 {
            return Err(EnvError::NoEnvs);
        }
        let cores = available_parallelism().map_or(1, usize::from);
        let count = maker.options.workers.unwrap_or(cores).clamp(1, maker.most_workers(num_envs));
        // The first workers have one environment more, if they cannot all have as many.
        let bounds: Vec<usize> = (0..=count).map(|i| i * (num_envs / count) + i.min(num_envs % count)).collect();
        let rows = |i: usize| bounds[i + 1] - bounds[i];
        let started: Vec<_> = scope(|scope| {
            let threads: Vec<_> = (0..count)
                .map(|i| {
                    scope.spawn({
                        let maker = &maker;
                        move || maker.start(rows(i))
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("starting a worker does not panic")).collect()
        });
        let (mut spec, mut together): (Option<EnvSpec>, Option<Together>) = (None, None);
        let mut workers = Vec::with_capacity(count);
        for (i, started) in started.into_iter().enumerate() {
            let (mut process, own, as_one) = started?;
            together = as_one;
            if let Some((what, first, other)) = spec.get_or_insert_with(|| own.clone()).difference(&own) {
                let reason = format!("its {what} is {first} in one worker and {other} in another");
                return Err(EnvError::Spec { id: maker.name.clone(), reason });
            }
            let layout = Layout::new(&own, rows(i));
            process.share(&layout).map_err(|trouble| maker.not_started(&trouble))?;
            workers.push(Worker::new(bounds[i], layout, process));
        }
        let spec = spec.expect("there is at least one worker");
        // Environments that are reset without a seed must not all have the same one.
        let unseeded = |env| State { phase: Phase::MustBeReset, seed: env as u64, steps: 0 };
        Ok(Self {
            batch: StepBatch::new(&spec, num_envs),
            states: (0..num_envs).map(unseeded).collect(),
            autoreset: together.map_or(Autoreset::SameStep, Together::first_autoreset),
            together,
            spec,
            workers,
            maker,
            render_error: Mutex::default(),
        })
    }

    /// Returns the specification of the environments called `name`: a worker is started and ended for it.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn describe(name: &str, options: &EnvOptions) -> Result<EnvSpec, EnvError> {
        Ok(WorkerMaker::new(name, options, None)?.start(1)?.1)
    }

    /// Returns the number of worker processes.
    #[must_use]
    pub fn num_workers(&self) -> usize {
        self.workers.len()
    }

    /// Resets environments: `seed` gives the seed of those that are to be reset and seeded, `reset` says whether one is
    /// to be reset at all.
    fn reset_some(
        &mut self,
        todo: impl Fn(usize) -> Todo,
        seed: impl Fn(usize) -> u64,
    ) -> Result<&StepBatch, EnvError> {
        let mut failures = Failures::default();
        for i in 0..self.workers.len() {
            let rows = self.rows_of(i);
            if rows.clone().all(|env| todo(env) == Todo::Nothing) {
                self.workers[i].todo.fill(Todo::Nothing);
                continue;
            }
            let is_new = self.workers[i].is_lost();
            if is_new {
                self.start_again(i)?;
            }
            let worker = &mut self.workers[i];
            for (row, env) in rows.clone().enumerate() {
                let state = &mut self.states[env];
                let todo = match todo(env) {
                    // A new process has none of the old random streams.
                    Todo::Reset | Todo::Nothing if is_new || state.phase == Phase::MustBeReset && state.steps == 0 => {
                        (state.seed, state.steps) = (mix(state.seed, state.steps) % SEEDS, 0);
                        Todo::ResetSeeded
                    }
                    seeded @ (Todo::ResetSeeded | Todo::MakeAnew) => {
                        (state.seed, state.steps) = (seed(env) % SEEDS, 0);
                        seeded
                    }
                    other => other,
                };
                worker.todo[row] = todo;
            }
            let seeds: Vec<u64> = rows.map(|env| self.states[env].seed).collect();
            if let Err(trouble) = worker.ask_for_each(None, &seeds) {
                failures.add(i, trouble);
            }
        }
        self.take_answers(failures, false)
    }

    /// True if some environments can be reset while others run.
    fn resets_rows(&self) -> bool {
        self.together.is_none_or(Together::resets_rows)
    }

    #[cold]
    fn unsupported(&self, method: &'static str, needed_for: &'static str) -> EnvError {
        EnvError::Unsupported { id: self.spec.id.clone(), method, needed_for }
    }

    /// The environments of worker `i`.
    fn rows_of(&self, i: usize) -> std::ops::Range<usize> {
        let worker = &self.workers[i];
        worker.first..worker.first + worker.rows()
    }

    /// Starts the process of worker `i` once more.
    fn start_again(&mut self, i: usize) -> Result<(), EnvError> {
        let layout = self.workers[i].layout;
        let (mut process, spec, _) = self.maker.start(layout.rows)?;
        if let Some((what, first, other)) = self.spec.difference(&spec) {
            let reason = format!("its {what} was {first} and is {other} after a worker was started once more");
            return Err(EnvError::Spec { id: self.spec.id.clone(), reason });
        }
        process.share(&layout).map_err(|trouble| self.maker.not_started(&trouble))?;
        self.workers[i].replace(process);
        Ok(())
    }

    /// Waits for all workers and writes their rows. `failures` are those of the requests, for a step or for resets.
    fn take_answers(&mut self, mut failures: Failures, is_step: bool) -> Result<&StepBatch, EnvError> {
        let Self { spec, batch, workers, states, .. } = self;
        let mut rows = Rows { spec, batch, states, is_step, first_failure: None };
        for (i, worker) in workers.iter_mut().enumerate() {
            if worker.todo.iter().all(|&todo| todo == Todo::Nothing) {
                continue;
            }
            let answer = failures.take(i).map_or_else(|| worker.answer(), Err);
            rows.take(worker, answer);
        }
        match rows.first_failure {
            Some(error) => Err(error),
            None => Ok(&self.batch),
        }
    }
}

/// Seeds are below this number, because many environments pass theirs on to generators that take no larger one.
const SEEDS: u64 = 1 << 31;

/// Returns the seed of new episodes after `steps` steps of an environment that was seeded with `seed`.
#[allow(clippy::cast_possible_truncation)] // both halves are used
fn mix(seed: u64, steps: u64) -> u64 {
    let [mixed] = SeedSequence::stream(seed, &[steps as u32, (steps >> 32) as u32]).generate();
    mixed
}

impl VectorEnv for PythonEnvs {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn num_envs(&self) -> usize {
        self.states.len()
    }

    fn batch(&self) -> &StepBatch {
        &self.batch
    }

    fn reset_each(&mut self, seeds: &[u64]) -> Result<&StepBatch, EnvError> {
        self.batch.check_count(seeds.len())?;
        self.reset_some(|_| Todo::ResetSeeded, |env| seeds[env])
    }

    fn step(&mut self, actions: Actions<'_>) -> Result<&StepBatch, EnvError> {
        actions.check(&self.spec.action_space, self.num_envs())?;
        let (mut awaits, mut refused) = (false, None);
        for (env, state) in self.states.iter().enumerate() {
            match state.phase {
                Phase::Running => {}
                Phase::AwaitsReset if self.autoreset != Autoreset::Disabled => awaits = true,
                Phase::AwaitsReset | Phase::MustBeReset => refused = refused.or(Some(env)),
            }
        }
        if let Some(env) = refused {
            return Err(EnvError::NeedsReset { env });
        }
        let mut failures = Failures::default();
        let step = if self.autoreset == Autoreset::SameStep { Todo::StepAndReset } else { Todo::Step };
        for (i, worker) in self.workers.iter_mut().enumerate() {
            let asked = match (step, awaits) {
                (Todo::StepAndReset, false) => worker.ask_for_steps(actions),
                _ => {
                    let states = &self.states[worker.first..worker.first + worker.rows()];
                    for (todo, state) in worker.todo.iter_mut().zip(states) {
                        *todo = if state.phase == Phase::AwaitsReset { Todo::Reset } else { step };
                    }
                    worker.ask_for_each(Some(actions), &[])
                }
            };
            if let Err(trouble) = asked {
                failures.add(i, trouble);
            }
        }
        self.take_answers(failures, true)
    }

    fn save(&self) -> Result<SavedEnvs, EnvError> {
        let seeds: Vec<(u64, u64)> = self.states.iter().map(|state| (state.seed, state.steps)).collect();
        SavedEnvs::beginning_anew(&self.spec, &seeds)
    }

    fn load(&mut self, saved: &SavedEnvs) -> Result<(), EnvError> {
        let (seeds, _): (Vec<(u64, u64)>, _) = saved.open(&self.spec, self.num_envs())?;
        let seeds: Vec<u64> = seeds.into_iter().map(|(seed, steps)| mix(seed, steps)).collect();
        self.reset_each(&seeds).map(|_| ())
    }

    fn reset_where(&mut self, mask: &[bool]) -> Result<&StepBatch, EnvError> {
        self.batch.check_count(mask.len())?;
        if mask.contains(&false) && !self.resets_rows() {
            return Err(self.unsupported("reset_where", "a reset of some environments"));
        }
        self.reset_some(|env| if mask[env] { Todo::Reset } else { Todo::Nothing }, |_| 0)
    }

    fn restart(&mut self, env: usize, seed: u64) -> Result<&StepBatch, EnvError> {
        assert!(env < self.num_envs(), "there is no environment {env}");
        if !self.resets_rows() {
            return Err(self.unsupported("restart", "a restart of one environment"));
        }
        self.reset_some(|other| if other == env { Todo::MakeAnew } else { Todo::Nothing }, |_| seed)
    }

    fn set_autoreset(&mut self, autoreset: Autoreset) -> Result<(), EnvError> {
        if self.together.is_some_and(|together| !together.supports(autoreset)) {
            if autoreset == Autoreset::SameStep {
                let reason = "evaluation and normalised observations need resets of single environments (`reset_mask`), which this \
                              batch cannot do: make it with AutoresetMode.SAME_STEP, or give a function that makes one environment";
                return Err(EnvError::Python { id: self.spec.id.clone(), reason: reason.into() });
            }
            return Err(self.unsupported("set_autoreset", "another mode than that of a batch of Python"));
        }
        self.autoreset = autoreset;
        Ok(())
    }

    fn render(&self, env: usize) -> Option<Scene> {
        let worker = self.workers.iter().find(|worker| env < worker.first + worker.rows());
        let worker = worker.unwrap_or_else(|| panic!("there is no environment {env}"));
        let picture = worker.picture(env - worker.first);
        let error = picture.as_ref().err().map(of_lost);
        *self.render_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
        let (height, width, rgb) = picture.ok()??;
        let size = [width as f32, height as f32];
        Some(Scene::new(size[0], size[1], vec![Shape::Pixels { width, height, rgb: rgb.into() }]))
    }

    fn render_error(&self) -> Option<String> {
        self.render_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
