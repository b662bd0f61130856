//! Lesson 7: a vector environment of your own, with a size from the command line, action masks, saving and resuming.
//!
//! Walkers look for the last room of a corridor. A step costs 0.1, arriving gives 1; the first room has no left door.
//!
//! `cargo run --release -p burn-pg-examples --example 07_vector_env -- 12`
#![forbid(unsafe_code)]

use burn_pg::envs::{Actions, EnvError, EnvRng, EnvSpec, SavedEnvs, Space, Step, StepBatch, VectorEnv};
use burn_pg::{Config, DeviceChoice, Error, UpdateStats, algorithm::Recipe, device};

pub(crate) struct Corridor {
    spec: EnvSpec,
    batch: StepBatch,
    walkers: Vec<(u32, EnvRng)>, // the room and the random stream of each
}

impl Corridor {
    pub(crate) fn new(rooms: u32, num_envs: usize) -> Self {
        let one_hot = Space::symmetric(&vec![1.0; rooms as usize]);
        let spec = EnvSpec::new("Corridor-v0", one_hot, Space::discrete(2));
        let spec = EnvSpec { max_episode_steps: Some(10 * rooms), masks_actions: true, ..spec };
        Self { batch: StepBatch::new(&spec, num_envs), spec, walkers: vec![(0, EnvRng::new(0)); num_envs] }
    }

    /// Puts walker `env` into `room`, or into a random room, and writes its observation and action mask.
    fn enter(&mut self, env: usize, room: Option<u32>) {
        let (place, rng) = &mut self.walkers[env];
        let seen = self.batch.observation_mut(env);
        *place = room.unwrap_or_else(|| rng.below(u32::try_from(seen.len() - 1).expect("a short corridor")));
        seen.fill(0.0);
        seen[*place as usize] = 1.0;
        self.batch.action_mask_mut(env)[0] = *place > 0;
    }
}

impl VectorEnv for Corridor {
    fn spec(&self) -> &EnvSpec {
        &self.spec
    }
    fn num_envs(&self) -> usize {
        self.walkers.len()
    }
    fn batch(&self) -> &StepBatch {
        &self.batch
    }

    fn reset_each(&mut self, seeds: &[u64]) -> Result<&StepBatch, EnvError> {
        self.batch.check_count(seeds.len())?;
        for (env, &seed) in seeds.iter().enumerate() {
            self.walkers[env].1 = EnvRng::new(seed);
            self.batch.begin(env);
            self.enter(env, None);
        }
        Ok(&self.batch)
    }

    fn step(&mut self, actions: Actions<'_>) -> Result<&StepBatch, EnvError> {
        actions.check(&self.spec.action_space, self.num_envs())?;
        let Actions::Discrete(actions) = actions else { unreachable!("they were checked") };
        for (env, &action) in actions.iter().enumerate() {
            self.enter(env, Some((self.walkers[env].0 + 2 * action).saturating_sub(1)));
            let arrived = self.batch.observation_mut(env).last() == Some(&1.0);
            let step = Step { reward: if arrived { 1.0 } else { -0.1 }, terminated: arrived, truncated: false };
            if self.batch.record(env, step, self.spec.max_episode_steps) {
                self.enter(env, None);
            }
        }
        Ok(&self.batch)
    }

    fn save(&self) -> Result<SavedEnvs, EnvError> {
        SavedEnvs::new(&self.spec, &self.batch, &self.walkers)
    }

    fn load(&mut self, saved: &SavedEnvs) -> Result<(), EnvError> {
        (self.walkers, self.batch) = saved.open(&self.spec, self.num_envs())?;
        Ok(())
    }
}

fn main() -> Result<(), Error> {
    let rooms = std::env::args().nth(1).map_or(Some(8), |rooms| rooms.parse().ok().filter(|&rooms| rooms > 1));
    train(rooms.expect("a number of rooms, 2 or more"), Some(5)).map(|history| println!("{:#?}", history.last()))
}

/// Trains in a corridor of 2 rooms or more. After `stop` updates, a new trainer continues from a checkpoint.
pub(crate) fn train(rooms: u32, stop: Option<u64>) -> Result<Vec<UpdateStats>, Error> {
    let set = |config: &mut Config| (config.env.name, config.run.total_steps) = ("Corridor-v0".into(), 20_000);
    let (config, device) = (Config::default().with(set).validate()?, device::open(DeviceChoice::Auto)?.device);
    let begin = || Recipe::of(&config)?.build(Box::new(Corridor::new(rooms, config.env.num_envs)), &config, &device);
    let (mut trainer, mut history) = (begin()?, Vec::new());
    while !trainer.is_over() {
        history.push(trainer.update()?);
        if stop == Some(trainer.updates()) {
            let stopped = std::mem::replace(&mut trainer, begin()?);
            trainer.restore(stopped.checkpoint()?)?;
        }
    }
    Ok(history)
}
