//! A check of the whole contract of a vector environment, for tests.

mod books;
mod options;
mod script;

use crate::{ActionBuffer, Autoreset, EnvError, EnvRng, EnvSpec, Space, StepBatch, VectorEnv};

use books::Finals;

/// The parts that [`check_env`] has checked. A test should assert those that it relies on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // one answer for each optional part
pub struct CheckReport {
    /// Steps of each environment whose flags, lengths and observations were checked.
    pub steps: usize,
    /// Episodes that ended in these steps. With none, final observations were not checked.
    pub episodes: usize,
    /// True if the environments can be saved and loaded without new episodes.
    pub saves: bool,
    /// True if they can be stepped in blocks.
    pub has_blocks: bool,
    /// True if some of them can be reset, each continuing its random stream.
    pub resets_some: bool,
    /// True if one of them can be restarted with a seed.
    pub restarts_one: bool,
}

/// Checks the contract of [`VectorEnv`] with random possible actions: lengths of vectors, observations within their
/// space, both flags, episode statistics, final observations, masks, seeds that repeat, refusals of bad input, and
/// those optional parts that are implemented, all under [`Autoreset::SameStep`]. `make` must create the same environments
/// each time.
///
/// Check environments without [`Normalize`](crate::wrapper::Normalize): normalised observations lie outside their
/// space.
///
/// ```
/// use burn_pg_envs::{VecEnv, check_env, classic::CartPole};
///
/// let report = check_env(|| VecEnv::<CartPole>::new(5))?;
/// assert!(report.episodes > 0 && report.saves && report.has_blocks);
/// # Ok::<(), burn_pg_envs::EnvError>(())
/// ```
///
/// # Errors
/// [`EnvError::Contract`] or [`EnvError::BatchLen`] with the fault and its place; any error that the environments
/// return.
pub fn check_env<V: VectorEnv>(make: impl Fn() -> Result<V, EnvError>) -> Result<CheckReport, EnvError> {
    let make = || {
        let mut envs = make()?;
        envs.set_autoreset(Autoreset::SameStep)?;
        Ok::<_, EnvError>(envs)
    };
    let (mut envs, mut twin) = (make()?, make()?);
    let check = Check { spec: envs.spec().clone(), num_envs: envs.num_envs() };
    check.spec.check()?;
    if check.num_envs == 0 {
        return Err(EnvError::NoEnvs);
    }
    envs.checked_batch()?;
    check.reset_twice(&mut envs, &mut twin, "two batches that were just made")?;
    check.refusals(&mut envs)?;
    let (steps, episodes) = check.play(&mut envs, &mut twin)?;
    let (mut fresh, what) = (make()?, "a batch that was stepped and one that was just made");
    check.reset_twice(&mut envs, &mut fresh, what)?;
    check.steps_alike(&mut envs, &mut fresh, what)?;
    Ok(CheckReport {
        steps,
        episodes,
        saves: check.saving(&mut envs, &mut make()?)?,
        has_blocks: check.blocks(&mut make()?, &mut make()?)?,
        resets_some: check.reset_some(&mut envs)?,
        restarts_one: check.restart_one(&mut envs, &mut make()?)?,
    })
}

/// Seed of the environments in most checks.
const SEED: u64 = 7;

/// Specification and number of the environments right after they were made.
struct Check {
    spec: EnvSpec,
    num_envs: usize,
}

impl Check {
    fn broken(&self, reason: impl Into<String>) -> EnvError {
        EnvError::Contract { id: self.spec.id.clone(), reason: reason.into() }
    }

    /// Checks that `reset` and `reset_each` with the same seeds give the same batch.
    fn reset_twice(&self, envs: &mut impl VectorEnv, other: &mut impl VectorEnv, what: &str) -> Result<(), EnvError> {
        envs.reset(SEED)?;
        let seeds: Vec<u64> = (SEED..).take(self.num_envs).collect();
        other.reset_each(&seeds)?;
        self.begun(envs.checked_batch()?)?;
        self.alike(envs.checked_batch()?, other.checked_batch()?, &format!("the same seeds, in {what}"))
    }

    /// Checks that seeds and actions that do not fit are refused and change nothing.
    fn refusals(&self, envs: &mut impl VectorEnv) -> Result<(), EnvError> {
        let n = self.num_envs;
        let before = envs.batch().clone();
        for given in [n - 1, n + 1] {
            if envs.reset_each(&vec![SEED; given]).is_ok() {
                return Err(self.broken(format!("`reset_each` takes {given} seeds for {n} environments")));
            }
        }
        let space = &self.spec.action_space;
        let too_many = ActionBuffer::random(space, n + 1, &mut EnvRng::new(SEED));
        let numbers = n * space.flat_len();
        let other_kind = match space {
            Space::Box { .. } => ActionBuffer::Discrete(vec![0; numbers]),
            _ => ActionBuffer::Continuous(vec![0.0; numbers]),
        };
        let outside = match space {
            Space::Box { .. } => ActionBuffer::Continuous(vec![f32::NAN; numbers]),
            Space::MultiDiscrete { .. } => ActionBuffer::MultiDiscrete(vec![u32::MAX; numbers]),
            Space::Discrete { .. } => ActionBuffer::Discrete(vec![u32::MAX; numbers]),
            _ => too_many.clone(),
        };
        let refused = [("more actions than environments", too_many), ("actions of another kind", other_kind)];
        for (what, actions) in refused.into_iter().chain([("actions outside the space", outside)]) {
            if envs.step(actions.as_actions()).is_ok() {
                return Err(self.broken(format!("`step` takes {what}; check them with `Actions::check`")));
            }
            self.alike(&before, envs.checked_batch()?, &format!("before and after `step` has refused {what}"))?;
        }
        Ok(())
    }

    /// Takes the same actions in both batches and checks every step of `envs`. Returns the number of steps, and of
    /// episodes that ended.
    fn play(&self, envs: &mut impl VectorEnv, twin: &mut impl VectorEnv) -> Result<(usize, usize), EnvError> {
        let steps = self.spec.max_episode_steps.map_or(300, |limit| limit.saturating_mul(3).clamp(64, 1000)) as usize;
        let (mut rng, mut finals) = (EnvRng::new(SEED), Finals::default());
        for step in 1..=steps {
            let before = envs.batch().clone();
            let actions = self.draw(&before, &mut rng)?;
            envs.step(actions.as_actions())?;
            twin.step(actions.as_actions())?;
            let after = envs.checked_batch()?;
            books::check(&self.spec, &before, after)
                .map_err(|reason| self.broken(format!("in step {step}, {reason}")))?;
            finals.see(&before, after);
            self.alike(after, twin.checked_batch()?, "the same seeds and actions")?;
        }
        match finals.fault() {
            Some(fault) => Err(self.broken(fault)),
            None => Ok((steps, finals.ends)),
        }
    }

    /// Checks that the same actions give the same steps in both batches.
    fn steps_alike(&self, envs: &mut impl VectorEnv, other: &mut impl VectorEnv, what: &str) -> Result<(), EnvError> {
        let mut rng = EnvRng::new(SEED + 1);
        for _ in 0..50 {
            let actions = self.draw(envs.batch(), &mut rng)?;
            envs.step(actions.as_actions())?;
            other.step(actions.as_actions())?;
            self.alike(envs.checked_batch()?, other.checked_batch()?, &format!("the same actions, in {what}"))?;
        }
        Ok(())
    }

    /// Checks a batch right after a reset of all environments.
    fn begun(&self, batch: &StepBatch) -> Result<(), EnvError> {
        let ended = batch.ended().next().is_some() || batch.valid.contains(&false);
        if ended || batch.episode_lengths.iter().any(|&length| length > 0) {
            return Err(self.broken("after a reset, a row has a flag or a length of the episode before"));
        }
        let observations = batch.observations.chunks_exact(self.spec.observation_space.flat_len());
        match observations.enumerate().find(|(_, row)| !self.spec.observation_space.contains(row)) {
            None => Ok(()),
            Some((env, row)) => Err(self.broken(books::outside(&self.spec, env, "first observation", row))),
        }
    }

    /// Checks that two batches are equal in everything that may be read.
    fn alike(&self, one: &StepBatch, other: &StepBatch, what: &str) -> Result<(), EnvError> {
        match books::difference(one, other) {
            None => Ok(()),
            Some(vector) => Err(self.broken(format!("`{vector}` differs with {what}"))),
        }
    }
}

/// Returns the actions of `envs` environments from index `first` on.
fn part(actions: &ActionBuffer, space: &Space, first: usize, envs: usize) -> ActionBuffer {
    let len = space.flat_len();
    let mut part = ActionBuffer::new(space);
    part.extend_from(actions, first * len..(first + envs) * len);
    part
}
