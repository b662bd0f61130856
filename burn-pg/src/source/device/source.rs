//! A source of samples on a GPU.

use std::collections::BTreeMap;

use burn::tensor::{DType, Device, Tensor, TensorData};
use burn_pg_envs::{EnvSpec, Space, wrapper::EpisodeStats};
use serde::{Deserialize, Serialize};

use super::{DeviceEnvs, rollout::DeviceRollout};
use crate::{
    Error, StepQuantity,
    advantage::Gae,
    device::readback::read,
    kernel::cube::{
        BOOKS, Buffer, Client, DeviceHead, DeviceNetwork, ESTIMATED, RolloutPlan, SUMMARY, Steps, Tile, client,
        estimate, fit, summarise, values,
    },
    loss::ContextPart,
    optim::flatten_all,
    policy::{Observation, Policy, reason},
    profile::{Phase, during},
    source::{Batch, CollectContext, Experience, OffDevice, Origins, Source, streams},
    storage::{
        Misfit, Saved,
        tensors::{Tensors, check_fit, read as read_tensor},
    },
};

/// Steps of one launch, so that none takes so long that a watchdog of the system ends it.
const STEPS_OF_LAUNCH: usize = 32;

/// A source of samples from environments on a GPU: rollouts, values, advantages and statistics of episodes are computed
/// there, and only a few numbers are read back. See [`OffDevice`] for what it serves.
pub struct DeviceSource {
    envs: DeviceEnvs,
    num_envs: usize,
    num_steps: usize,
    seed: u64,
    gae: Gae,
    device: Device,
    client: Client,
    /// What the kernels are compiled for.
    plan: RolloutPlan,
    critic: DeviceNetwork,
    tile_of_critic: Tile,
    /// State and books of each environment. Shape `[(S + BOOKS) * N]`.
    states: Tensor<1>,
    /// Number of steps that each environment has taken.
    steps: u64,
    episodes: EpisodeStats,
    restarts: u32,
}

/// The saved state of a [`DeviceSource`], except tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct State {
    place: OnGpu,
    steps: u64,
    episodes: EpisodeStats,
    restarts: u32,
}

/// Marks the state of environments on a GPU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OnGpu {
    Gpu,
}

/// The name of the saved states.
const STATES: &str = "states";

impl DeviceSource {
    /// Creates a source of rollouts of `num_steps` steps of `num_envs` environments, for policies that are built as `policy`
    /// is.
    ///
    /// # Errors
    /// [`OffDevice`] if the policy or the device is not served.
    pub fn new<P: Policy>(
        envs: DeviceEnvs,
        [num_envs, num_steps]: [usize; 2],
        gae: Gae,
        policy: &P,
        seed: u64,
        device: &Device,
    ) -> Result<Self, OffDevice> {
        let device = device.clone().without_autodiff();
        let client = client(&Tensor::empty([1], &device)).ok_or(OffDevice::NoGpu)?;
        let networks = policy.perceptrons().map_err(OffDevice::Policy)?;
        let parameters = flatten_all(&policy.valid());
        if parameters.dims() != [networks.len] {
            return Err(OffDevice::Policy("some parameters of the policy are not trained"));
        }
        if Buffer::of(parameters).is_none() {
            return Err(OffDevice::Policy("the policy is not on this GPU in single precision"));
        }
        let place = networks.critic.as_ref().ok_or(OffDevice::Policy(reason::NO_CRITIC))?;
        let head = DeviceHead::new(&networks.head, networks.actor.outputs());
        let fitted = |place| {
            let network = |rows| DeviceNetwork::new(networks.trunk.as_ref(), place, networks.activation, rows);
            fit(&client, network)
        };
        let ((actor, tile), (critic, tile_of_critic)) = (fitted(&networks.actor)?, fitted(place)?);
        let spec = &envs.spec;
        let misfit = actor.inputs() != spec.observation_space.flat_len() || !head.fits(&spec.action_space);
        if misfit || critic.inputs() != actor.inputs() {
            return Err(OffDevice::Policy("the policy has other spaces than the environment"));
        }
        if spec.masks_actions {
            return Err(OffDevice::Policy(reason::MASKED));
        }
        let rows = num_envs as u64 * num_steps as u64;
        let memory = &client.properties().memory;
        check_memory(rows, [actor.inputs(), head.components()], memory.max_page_size, memory.max_memory())?;
        let plan = RolloutPlan {
            actor,
            head,
            tile,
            state: envs.state,
            bounds: bounds(&spec.action_space),
            integers: matches!(spec.action_space, Space::Discrete { .. } | Space::MultiDiscrete { .. }),
            limit: spec.max_episode_steps.unwrap_or(0),
        };
        let states = Tensor::empty([(envs.state + BOOKS) * num_envs], (&device, DType::F32));
        envs.kernels.reset(&client, &Buffer::of(states.clone()).ok_or(OffDevice::NoGpu)?, num_envs, seed);
        Ok(Self {
            envs,
            num_envs,
            num_steps,
            seed,
            gae,
            device,
            client,
            plan,
            critic,
            tile_of_critic,
            states,
            steps: 0,
            episodes: EpisodeStats::default(),
            restarts: 0,
        })
    }

    /// Says how rollouts run: how many environments a workgroup of threads takes, and where the weights are.
    #[must_use]
    pub fn layout(&self) -> String {
        let Tile { rows, staged, .. } = self.plan.tile;
        let weights = if staged { "weights in its memory" } else { "weights in the memory of the device" };
        format!("{rows} to a workgroup, {weights}")
    }

    /// Plays a rollout, and computes values and targets. Returns the summary for the host.
    fn play<P: Policy>(&mut self, policy: &P) -> Result<(DeviceRollout, Vec<f32>), Error> {
        let all = Steps {
            num_envs: self.num_envs,
            first: 0,
            count: self.num_steps,
            total: self.num_steps,
            seed: self.seed,
            before: self.steps,
        };
        let rollout = DeviceRollout::new(all, self.plan.actor.inputs(), &self.envs.spec.action_space, &self.device);
        let [sums, summary]: [Tensor<1>; 2] =
            [ESTIMATED * self.num_envs, SUMMARY].map(|len| Tensor::empty([len], (&self.device, DType::F32)));
        let on_gpu = "the tensors of a device source are on its GPU";
        let buffer = |tensor: &Tensor<1>| Buffer::of(tensor.clone()).expect(on_gpu);
        let (recorded, parameters) = (rollout.recorded(&self.states).expect(on_gpu), flatten_all(policy));
        let (parameters, client) = (buffer(&parameters), &self.client);
        for first in (0..self.num_steps).step_by(STEPS_OF_LAUNCH) {
            let steps = Steps { first, count: STEPS_OF_LAUNCH.min(self.num_steps - first), ..all };
            self.envs.kernels.play(client, &parameters, &recorded, steps, &self.plan);
        }
        self.steps += self.num_steps as u64;
        let of_values = [&rollout.values, &rollout.next_values].map(&buffer);
        let of_values = of_values.each_ref();
        values(client, &parameters, &recorded, of_values, all, &self.critic, self.tile_of_critic);
        let targets = [&rollout.advantages, &rollout.returns, &sums].map(&buffer);
        let [_, _, sums] = targets.each_ref();
        estimate(client, &recorded, of_values, targets.each_ref(), all, [self.gae.gamma, self.gae.lambda]);
        summarise(client, &recorded.states, sums, &buffer(&summary), [self.num_envs, self.num_steps], self.envs.state);
        let [summary] = read([summary])?;
        Ok((rollout, summary))
    }

    /// Returns the error for the first number of a rollout that is not finite.
    fn fault(&self, rollout: DeviceRollout, update: u64) -> Result<Error, Error> {
        let (rows, env_steps) = (self.num_envs * self.num_steps, self.env_steps_before());
        let place = |row: usize| (row % self.num_envs, row / self.num_envs);
        let [outcomes, log_probs, values, advantages, returns] =
            read([rollout.outcomes, rollout.log_probs, rollout.values, rollout.advantages, rollout.returns])?;
        if let Some(row) = outcomes[..rows].iter().position(|reward| !reward.is_finite()) {
            let (env, step) = place(row);
            return Ok(Error::Reward { update, env, step, env_steps, reward: outcomes[row] });
        }
        let columns = [
            (StepQuantity::LogProb, log_probs),
            (StepQuantity::Value, values),
            (StepQuantity::Advantage, advantages),
            (StepQuantity::Return, returns),
        ];
        let first = columns.iter().find_map(|(quantity, column)| {
            let row = column.iter().position(|value| !value.is_finite())?;
            Some((*quantity, row, column[row]))
        });
        let (quantity, row, value) = first.expect("a kernel has found a number that is not finite");
        let (env, step) = place(row);
        Ok(Error::Step { update, quantity, env, step, value: value.into() })
    }

    /// Goes on after `env_steps` steps of environments on the host, with new episodes.
    pub(in crate::source) fn go_on(&mut self, env_steps: u64, episodes: EpisodeStats) {
        self.steps = env_steps / self.num_envs as u64;
        self.episodes = episodes;
        self.states = self.fresh(streams::episodes_seed(self.seed, env_steps, self.restarts));
    }

    /// Returns first states.
    fn fresh(&self, seed: u64) -> Tensor<1> {
        let states = Tensor::empty(self.states.dims(), (&self.device, DType::F32));
        let buffer = Buffer::of(states.clone()).expect("the tensors of a device source are on its GPU");
        self.envs.kernels.reset(&self.client, &buffer, self.num_envs, seed);
        states
    }

    fn env_steps_before(&self) -> u64 {
        (self.steps - self.num_steps as u64) * self.num_envs as u64
    }
}

/// Refuses a rollout of `rows` rows that the device cannot hold, before anything is allocated.
fn check_memory(
    rows: u64,
    [inputs, components]: [usize; 2],
    largest_buffer: u64,
    total: Option<u64>,
) -> Result<(), OffDevice> {
    // Observations, actions, or rewards and flags. Kernels count elements with 32 bits.
    let widest = inputs.max(components).max(2);
    let (needed, available) = (rows.saturating_mul(4 * widest as u64), largest_buffer.min(4 * u64::from(u32::MAX)));
    if needed > available {
        return Err(OffDevice::Buffer { needed, available });
    }
    // Observations twice, actions, and seven numbers for each row.
    let needed = rows.saturating_mul(4 * (2 * inputs + components + 7) as u64);
    match total {
        Some(available) if needed > available => Err(OffDevice::DeviceMemory { needed, available }),
        _ => Ok(()),
    }
}

/// Returns the bits of the bounds of each component of an action. Without a bound, it is the largest number.
fn bounds(space: &Space) -> Vec<[u32; 2]> {
    let Space::Box { low, high, .. } = space else { return Vec::new() };
    low.iter().zip(high).map(|(low, high)| [low.max(f32::MIN).to_bits(), high.min(f32::MAX).to_bits()]).collect()
}

impl<P: Policy<Observation = Observation>> Source<P> for DeviceSource {
    type Samples = Batch;

    fn check(&self, _policy: &P) -> Result<Vec<ContextPart>, Error> {
        Ok([&ContextPart::ALWAYS[..], &[ContextPart::Returns, ContextPart::Values, ContextPart::OldValues]].concat())
    }

    fn collect(&mut self, policy: &P, context: &CollectContext<'_>) -> Result<Experience<Batch>, Error> {
        let (rollout, summary) = during(Phase::Environment, || self.play(policy))?;
        let summary: Vec<f64> = summary.into_iter().map(f64::from).collect();
        let [episodes, returns, lengths, of_returns, of_errors, unusable] = summary[..] else {
            unreachable!("a summary has {SUMMARY} numbers")
        };
        if unusable != 0.0 {
            return Err(self.fault(rollout, context.update)?);
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a count
        self.episodes.push_many(episodes as u64, returns, lengths);
        let explained = 1.0 - of_errors / of_returns;
        let explained_variance = (of_returns > 0.0 && explained.is_finite()).then_some(explained);
        let (observations, actions) = (rollout.observations(), rollout.actions(&self.envs.spec.action_space));
        let DeviceRollout { log_probs, values, advantages, returns, .. } = rollout;
        let [log_probs, values, advantages, returns] = [log_probs, values, advantages, returns].map(Tensor::from_inner);
        let observations = Observation::from(Tensor::from_inner(observations));
        let samples = Batch {
            values: Some(values),
            advantages: Some(advantages),
            returns: Some(returns),
            progress: context.progress,
            origins: Origins::InTurn(self.num_envs),
            ..Batch::new(observations, actions.with_autodiff(), log_probs)
        };
        Ok(Experience { samples, explained_variance, metrics: Vec::new() })
    }

    fn env_steps(&self) -> u64 {
        self.steps * self.num_envs as u64
    }

    fn longest_rollout(&self) -> Option<u64> {
        Some((self.num_envs * self.num_steps) as u64)
    }

    fn name(&self) -> String {
        self.envs.spec.id.clone()
    }

    fn episodes(&self) -> &EpisodeStats {
        &self.episodes
    }

    fn environment(&self) -> Option<&EnvSpec> {
        Some(&self.envs.spec)
    }

    fn restart(&mut self, env: usize) {
        self.restarts += 1;
        let fresh = self.fresh(streams::restart_seed(self.seed, self.restarts));
        // One column of the matrix that the vector is.
        let shape = [self.states.dims()[0] / self.num_envs, self.num_envs];
        let fresh = fresh.reshape(shape).narrow(1, env, 1);
        let states = self.states.clone().reshape(shape).slice_assign([0..shape[0], env..env + 1], fresh);
        self.states = states.reshape([shape[0] * shape[1]]);
    }

    fn save(&self) -> Result<Saved, Misfit> {
        let state =
            State { place: OnGpu::Gpu, steps: self.steps, episodes: self.episodes.clone(), restarts: self.restarts };
        Saved::new(&state, BTreeMap::from([(STATES.to_owned(), read_tensor(&self.states)?)]))
    }

    fn load(&mut self, saved: Saved, _policy: &P) -> Result<(), Misfit> {
        let State { steps, episodes, restarts, .. } = saved.state()?;
        if steps.checked_mul(self.num_envs as u64).is_none_or(|steps| steps >> 53 > 0) {
            return Err(Misfit::Counter { what: "environment steps", value: steps });
        }
        let mut tensors: Tensors = saved.tensors;
        let shape = TensorData::zeros::<f32, _>(self.states.dims());
        check_fit(&tensors, &BTreeMap::from([(STATES.to_owned(), shape)]))?;
        let states = tensors.remove(STATES).expect("it was checked");
        self.states = Tensor::from_data(states, (&self.device, DType::F32));
        (self.steps, self.episodes, self.restarts) = (steps, episodes, restarts);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollout_beyond_a_buffer_or_the_memory_of_the_device_is_refused_with_both_numbers() {
        // Observations of 4 numbers are the widest; all columns together have 2 * 4 + 1 + 7.
        let check = |largest_buffer, total| check_memory(1_000, [4, 1], largest_buffer, total);
        assert_eq!(check(16_000, Some(64_000)), Ok(()));
        assert_eq!(check(16_000, None), Ok(()));
        assert_eq!(check(15_999, None), Err(OffDevice::Buffer { needed: 16_000, available: 15_999 }));
        assert_eq!(check(16_000, Some(63_999)), Err(OffDevice::DeviceMemory { needed: 64_000, available: 63_999 }));
        // Kernels count elements with 32 bits.
        let available = 4 * u64::from(u32::MAX);
        let needed = 16 << 40;
        assert_eq!(check_memory(1 << 40, [4, 1], u64::MAX, None), Err(OffDevice::Buffer { needed, available }));
    }
}
