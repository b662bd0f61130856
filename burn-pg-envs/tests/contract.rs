//! A vector environment outside the crate: `check_env` finds each break of the contract.

use burn_pg_envs::{
    Actions, Autoreset, EnvBlock, EnvError, EnvRng, EnvSpec, SavedEnvs, Space, Step, StepBatch, StepView, VecEnv,
    VectorEnv, check_env, classic, make, register,
    wrapper::{Normalize, RecordEpisodes},
};

/// One clause of the contract that [`Lines`] breaks.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Break {
    Nothing,
    Lengths,
    Space,
    SeedsAreIgnored,
    AnySeeds,
    AnyActions,
    Return,
    Length,
    TimeLimit,
    FinalIsFirst,
    FinalIsStale,
    Mask,
    Invalid,
    Save,
    SaveOfAnyName,
    ResetOfAll,
    RestartIgnoresSeed,
    Blocks,
    MisplacedBlocks,
}

/// Walkers on lines of `len` places. They start near the middle and are truncated after six steps. At the left end, the
/// action to the left is masked.
struct Lines {
    spec: EnvSpec,
    batch: StepBatch,
    places: Vec<u32>,
    rngs: Vec<EnvRng>,
    breaks: Break,
}

impl Lines {
    fn new(len: u32, num_envs: usize, breaks: Break) -> Self {
        let space = Space::Box { low: vec![0.0], high: vec![len as f32], shape: vec![1] };
        let spec = EnvSpec::new("Lines-v0", space, Space::discrete(2));
        let spec = EnvSpec { max_episode_steps: Some(6), masks_actions: true, ..spec };
        let batch = StepBatch::new(&spec, num_envs);
        Self { batch, spec, places: vec![0; num_envs], rngs: vec![EnvRng::new(0); num_envs], breaks }
    }

    fn show(&mut self, env: usize) {
        let place = if self.breaks == Break::Space { 100.0 } else { 1.0 + self.places[env] as f32 };
        self.batch.observation_mut(env)[0] = place;
        self.batch.action_mask_mut(env)[0] = self.places[env] > 0;
        if self.breaks == Break::Mask {
            self.batch.action_mask_mut(env).fill(false);
        }
    }

    fn begin(&mut self, env: usize) {
        self.places[env] = 2 + self.rngs[env].below(4);
        self.show(env);
    }

    fn begin_with(&mut self, env: usize, seed: u64) {
        self.rngs[env] = EnvRng::new(seed);
        self.batch.begin(env);
        self.begin(env);
    }
}

impl VectorEnv for Lines {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }

    fn num_envs(&self) -> usize {
        self.places.len()
    }

    fn batch(&self) -> &StepBatch {
        &self.batch
    }

    fn reset_each(&mut self, seeds: &[u64]) -> Result<&StepBatch, EnvError> {
        if self.breaks != Break::AnySeeds {
            self.batch.check_count(seeds.len())?;
        }
        for (env, &seed) in (0..self.num_envs()).zip(seeds) {
            match self.breaks {
                Break::SeedsAreIgnored => {
                    self.batch.begin(env);
                    self.begin(env);
                }
                _ => self.begin_with(env, seed),
            }
        }
        Ok(&self.batch)
    }

    fn step(&mut self, actions: Actions<'_>) -> Result<&StepBatch, EnvError> {
        if self.breaks != Break::AnyActions {
            actions.check(&self.spec.action_space, self.num_envs())?;
        }
        let Actions::Discrete(actions) = actions else { return Ok(&self.batch) };
        let limit = if self.breaks == Break::TimeLimit { Some(9) } else { self.spec.max_episode_steps };
        for (env, &action) in (0..self.num_envs()).zip(actions) {
            assert!(action == 1 || self.places[env] > 0 || self.breaks == Break::AnyActions, "an impossible action");
            self.places[env] = if action == 1 { self.places[env] + 1 } else { self.places[env].saturating_sub(1) };
            let arrived = self.places[env] == 7;
            self.show(env);
            let step = Step { reward: f64::from(self.places[env]), terminated: arrived, truncated: false };
            let held = self.batch.final_observations[env];
            if self.batch.record(env, step, limit) {
                self.begin(env);
                match self.breaks {
                    Break::FinalIsFirst => self.batch.final_observations[env] = self.batch.observations[env],
                    Break::FinalIsStale => self.batch.final_observations[env] = held,
                    _ => {}
                }
            }
            match self.breaks {
                Break::Return => self.batch.episode_returns[env] = 0.5,
                Break::Length => self.batch.episode_lengths[env] += 1,
                Break::Invalid => self.batch.valid[env] = false,
                _ => {}
            }
        }
        if self.breaks == Break::Lengths {
            self.batch.truncated = vec![false; 1];
        }
        Ok(&self.batch)
    }

    fn save(&self) -> Result<SavedEnvs, EnvError> {
        let rngs = if self.breaks == Break::Save { vec![EnvRng::new(1); self.rngs.len()] } else { self.rngs.clone() };
        SavedEnvs::new(&self.spec, &self.batch, &(&self.places, rngs))
    }

    fn load(&mut self, saved: &SavedEnvs) -> Result<(), EnvError> {
        if self.breaks == Break::SaveOfAnyName {
            return Ok(());
        }
        let ((places, rngs), batch) = saved.open(&self.spec, self.num_envs())?;
        (self.places, self.rngs, self.batch) = (places, rngs, batch);
        Ok(())
    }

    fn reset_where(&mut self, mask: &[bool]) -> Result<&StepBatch, EnvError> {
        self.batch.check_count(mask.len())?;
        let all = self.breaks == Break::ResetOfAll;
        for env in (0..mask.len()).filter(|&env| mask[env] || all) {
            self.batch.begin(env);
            self.begin(env);
        }
        Ok(&self.batch)
    }

    fn restart(&mut self, env: usize, seed: u64) -> Result<&StepBatch, EnvError> {
        self.begin_with(env, if self.breaks == Break::RestartIgnoresSeed { 3 } else { seed });
        Ok(&self.batch)
    }

    fn blocks(&mut self, size: usize) -> Option<Vec<Box<dyn EnvBlock + '_>>> {
        let wanted = matches!(self.breaks, Break::Blocks | Break::MisplacedBlocks);
        let (count, first) = (self.num_envs().div_ceil(size), usize::from(self.breaks == Break::MisplacedBlocks));
        wanted.then(|| (first..count).map(|i| Box::new(Idle(i * size, &self.batch)) as Box<dyn EnvBlock>).collect())
    }
}

/// A block that does nothing and returns the whole batch.
struct Idle<'a>(usize, &'a StepBatch);

impl EnvBlock for Idle<'_> {
    fn first(&self) -> usize {
        self.0
    }

    fn view(&self) -> StepView<'_> {
        self.1.view()
    }

    fn step(&mut self, _actions: Actions<'_>) -> Result<(), EnvError> {
        Ok(())
    }
}

#[test]
fn environments_that_keep_the_contract_pass() {
    for (len, num_envs) in [(8, 1), (8, 5)] {
        let report = check_env(|| Ok(Lines::new(len, num_envs, Break::Nothing))).unwrap();
        assert!(report.episodes > 3 && report.steps == 64, "{report:?}");
        assert!(report.saves && report.resets_some && report.restarts_one && !report.has_blocks, "{report:?}");
    }
    let report = check_env(|| Ok(RecordEpisodes::new(VecEnv::<classic::Pendulum>::new(3)?))).unwrap();
    assert!(report.episodes > 3 && report.saves && report.resets_some && report.restarts_one, "{report:?}");
    let report = check_env(|| make("MountainCarContinuous-v0", 4)).unwrap();
    assert!(report.has_blocks, "{report:?}");
}

#[test]
fn each_break_of_the_contract_is_named() {
    for (breaks, named) in [
        (Break::Lengths, "the vector `truncated` of `Lines-v0` has 1 elements; 5 environments need 5"),
        (Break::Space, "the first observation [100.0] of environment 0 is outside Box[1]"),
        (Break::SeedsAreIgnored, "`observations` differs with the same seeds, in a batch that was stepped and one"),
        (Break::AnySeeds, "`reset_each` takes 4 seeds for 5 environments"),
        (Break::AnyActions, "`step` takes more actions than environments; check them with `Actions::check`"),
        (Break::Return, "`episode_returns` of environment 0 is 0.5, but its rewards add up to"),
        (Break::Length, "in step 1, `episode_lengths` of environment 0 is 2 after 1 steps"),
        (Break::TimeLimit, "in step 6, the episode of environment 0 goes on after its time limit of 6 steps"),
        (Break::FinalIsFirst, "`final_observations` holds the first observation of the next episode"),
        (Break::FinalIsStale, "`final_observations` is not written where an episode ends"),
        (Break::Mask, "environment 0 has a mask without a possible action"),
        (Break::Invalid, "the row of environment 0 is not valid"),
        (Break::Save, "differs with the same actions, in a batch that was saved and one that was loaded"),
        (Break::SaveOfAnyName, "`load` accepts a state saved by environments with another name"),
        (Break::ResetOfAll, "`reset_where` of environment 0 changes another one"),
        (Break::RestartIgnoresSeed, "the same seed, in `restart` and in `reset_each`"),
        (Break::Blocks, "the vector `valid` of `Lines-v0` has 5 elements; 1 environments need 1"),
        (Break::MisplacedBlocks, "5 environments are in 4 blocks of 1"),
    ] {
        let error = check_env(|| Ok(Lines::new(8, 5, breaks))).expect_err(&format!("{breaks:?}")).to_string();
        assert!(error.contains(named), "{breaks:?}: {error}");
    }
}

#[test]
fn wrappers_name_a_vector_of_a_wrong_length_instead_of_panicking() {
    let broken = || Lines::new(8, 5, Break::Lengths);
    let actions = Actions::Discrete(&[1; 5]);
    let is_named =
        |error: EnvError| matches!(error, EnvError::BatchLen { vector: "truncated", given: 1, expected: 5, .. });
    assert!(is_named(RecordEpisodes::new(broken()).step(actions).unwrap_err()));
    assert!(is_named(Normalize::new(broken(), Some(0.9)).unwrap().step(actions).unwrap_err()));
}

/// Implements the five required methods only.
struct Bare(Lines);

impl VectorEnv for Bare {
    fn spec(&self) -> &EnvSpec {
        self.0.spec()
    }

    fn num_envs(&self) -> usize {
        self.0.num_envs()
    }

    fn batch(&self) -> &StepBatch {
        self.0.batch()
    }

    fn reset_each(&mut self, seeds: &[u64]) -> Result<&StepBatch, EnvError> {
        self.0.reset_each(seeds)
    }

    fn step(&mut self, actions: Actions<'_>) -> Result<&StepBatch, EnvError> {
        self.0.step(actions)
    }
}

#[test]
fn methods_that_are_not_implemented_are_refused_by_name() {
    let bare = || Bare(Lines::new(8, 3, Break::Nothing));
    let report = check_env(|| Ok(bare())).unwrap();
    assert!(!report.saves && !report.resets_some && !report.restarts_one && !report.has_blocks);
    let mut envs = bare();
    let message = "`Lines-v0` does not implement `VectorEnv::save`: a checkpoint needs it";
    assert_eq!(envs.save().unwrap_err().to_string(), message);
    let refused = [
        envs.set_autoreset(Autoreset::NextStep).unwrap_err(),
        envs.set_time_limit(None).unwrap_err(),
        envs.reset_where(&[true; 3]).unwrap_err(),
        envs.restart(0, 0).unwrap_err(),
        envs.load(&Lines::new(8, 3, Break::Nothing).save().unwrap()).unwrap_err(),
    ];
    assert!(refused.iter().all(|error| matches!(error, EnvError::Unsupported { .. })), "{refused:?}");
    assert_eq!(envs.set_autoreset(Autoreset::SameStep), Ok(()));
}

#[test]
fn a_saved_state_that_does_not_fit_is_refused() {
    let lines = |num_envs| Lines::new(8, num_envs, Break::Nothing);
    let error = lines(3).load(&lines(2).save().unwrap()).unwrap_err().to_string();
    assert!(error.contains("it does not fit 3 environments: the vector `valid`"), "{error}");
    let spec = lines(2).spec().clone();
    let other = SavedEnvs::new(&spec, lines(2).batch(), &"no places").unwrap();
    assert!(matches!(lines(2).load(&other), Err(EnvError::State { .. })));
}

#[test]
fn one_process_can_register_lines_of_several_lengths() {
    for len in [8, 9] {
        let lines = move |num_envs| {
            let mut lines = Lines::new(len, num_envs, Break::Nothing);
            lines.spec.id = format!("Lines{len}-v0");
            lines
        };
        let spec = lines(1).spec;
        register(spec.clone(), move |num_envs| Ok(lines(num_envs))).unwrap();
        assert_eq!(make(&spec.id, 2).unwrap().spec(), &spec);
        assert!(matches!(make(&spec.id, 0).err(), Some(EnvError::NoEnvs)));
    }
}
