//! Rollouts on a GPU: what is recorded, time limits, bootstraps and advantages.

use burn::{
    module::Module,
    tensor::{Device, Tensor, TensorData},
};
use burn_pg::{
    Error,
    advantage::{AdvantageEstimator, Gae, Trajectory},
    distribution::{ActionTensor, Distribution},
    envs::{
        EnvRng, EnvSpec, Space,
        device::{
            DeviceEnv, DeviceStep, DeviceTask, Random,
            cubecl::{self, prelude::*},
        },
    },
    policy::{ActorCritic, NetworkSpec, Observation, Policy},
    source::{Batch, CollectContext, DeviceEnvs, DeviceSource, Experience, OffDevice, Source},
};

use super::gpus;
use crate::precision::{assert_close, values};

/// Counts steps. The reward is the count. From a count of 4 on, action 1 ends the episode; after 7 steps it is cut off.
struct Count;

const LIMIT: u32 = 7;
const FROM: f32 = 4.0;

#[cube]
impl DeviceEnv for Count {
    fn reset(state: &mut Array<f32>, random: &mut Random) {
        state[0] = 0.0f32;
        state[1] = random.uniform(-1.0, 1.0);
    }

    fn step(state: &mut Array<f32>, action: &Array<f32>, _random: &mut Random) -> DeviceStep {
        let count = state[0];
        state[0] = count + 1.0f32;
        DeviceStep { reward: count, terminated: action[0] == 1.0f32 && count >= FROM, truncated: false.runtime() }
    }

    fn observe(state: &Array<f32>, observation: &mut Array<f32>) {
        observation[0] = state[0];
        observation[1] = state[1];
    }
}

impl DeviceTask for Count {
    const STATE: usize = 2;

    fn specification() -> EnvSpec {
        let spec = EnvSpec::new("Count-v0", Space::symmetric(&[10.0, 1.0]), Space::discrete(2));
        EnvSpec { max_episode_steps: Some(LIMIT), ..spec }
    }
}

/// As [`Count`], but the reward of the fourth step is NaN in environments whose second element is positive.
struct Bad;

#[cube]
impl DeviceEnv for Bad {
    fn reset(state: &mut Array<f32>, random: &mut Random) {
        Count::reset(state, random);
    }

    fn step(state: &mut Array<f32>, action: &Array<f32>, random: &mut Random) -> DeviceStep {
        let is_bad = state[0] == 3.0f32 && state[1] > 0.0f32;
        let outcome = Count::step(state, action, random);
        let nan = f32::reinterpret(select(is_bad, 0x7FC0_0000u32, u32::reinterpret(outcome.reward)));
        DeviceStep { reward: nan, terminated: outcome.terminated, truncated: outcome.truncated }
    }

    fn observe(state: &Array<f32>, observation: &mut Array<f32>) {
        Count::observe(state, observation);
    }
}

impl DeviceTask for Bad {
    const STATE: usize = 2;

    fn specification() -> EnvSpec {
        EnvSpec { id: "Bad-v0".into(), ..Count::specification() }
    }
}

const GAE: Gae = Gae { gamma: 0.9, lambda: 0.8 };

/// Environments and steps; more than a tile has rows, and no multiple of them.
const SHAPE: [usize; 2] = [41, 10];

fn policy(device: &Device) -> ActorCritic {
    let network = NetworkSpec { hidden_sizes: vec![6, 5], ..NetworkSpec::default() };
    ActorCritic::new(&Count::specification(), &network, &mut EnvRng::new(3), &device.clone().autodiff()).unwrap()
}

fn source(device: &Device, policy: &ActorCritic, seed: u64) -> DeviceSource {
    DeviceSource::new(DeviceEnvs::of::<Count>(), SHAPE, GAE, policy, seed, device).unwrap()
}

fn collect(source: &mut DeviceSource, policy: &ActorCritic, device: &Device) -> Experience<Batch> {
    let context = CollectContext { update: 1, progress: 0.25, device: &device.clone().autodiff() };
    source.collect(&policy.valid(), &context).unwrap()
}

/// Observations, actions, log-probabilities, values, advantages and returns.
fn columns(batch: &Batch) -> [Vec<f64>; 6] {
    let ActionTensor::Discrete(actions) = &batch.actions else { panic!("actions are discrete") };
    let optional = |column: &Option<Tensor<1>>| values(column.clone().unwrap());
    [
        values(batch.observations.vector()),
        actions.to_data().convert::<f64>().try_into_vec().unwrap(),
        values(batch.log_probs.clone()),
        optional(&batch.values),
        optional(&batch.advantages),
        optional(&batch.returns),
    ]
}

/// Returns the value of an observation.
fn value(policy: &ActorCritic, observation: [f64; 2], device: &Device) -> f64 {
    let data = TensorData::new(observation.to_vec(), [1, 2]).convert::<f32>();
    let prediction = policy.valid().forward(Observation::from(Tensor::from_data(data, device)));
    values(prediction.values.unwrap())[0]
}

#[test]
#[allow(clippy::cast_possible_truncation)] // rewards are single precision
fn a_rollout_on_a_gpu_is_that_of_the_definitions() {
    let [num_envs, steps] = SHAPE;
    for device in gpus() {
        let policy = policy(&device);
        let mut source = source(&device, &policy, 7);
        let (mut counts, mut ended, mut cut_off) = (vec![0.0; num_envs], 0, 0);
        for round in 0..3 {
            let Experience { samples, explained_variance, .. } = collect(&mut source, &policy, &device);
            let [observations, actions, log_probs, of_values, advantages, returns] = columns(&samples);
            let prediction = policy.forward(samples.observations.clone());
            assert_close(
                &log_probs,
                &values(prediction.distribution.log_prob(&samples.actions)),
                1e-5,
                "log-probability",
            );
            assert_close(&of_values, &values(prediction.values.unwrap()), 1e-5, "value");

            let (mut rewards, mut next_values) = (Vec::new(), Vec::new());
            let (mut terminated, mut truncated) = (Vec::new(), Vec::new());
            for row in 0..num_envs * steps {
                let (env, is_last) = (row % num_envs, row + num_envs >= num_envs * steps);
                let [count, of_episode] = [observations[2 * row], observations[2 * row + 1]];
                assert_eq!(count, counts[env], "round {round}, row {row}");
                rewards.push(count as f32);
                terminated.push(actions[row] == 1.0 && count >= f64::from(FROM));
                truncated.push(count + 1.0 >= f64::from(LIMIT));
                let over = terminated[row] || truncated[row];
                ended += usize::from(over);
                cut_off += usize::from(truncated[row] && !terminated[row]);
                counts[env] = if over { 0.0 } else { count + 1.0 };
                if !over && !is_last {
                    // The second element is drawn at the reset, and stays.
                    assert_eq!(observations[2 * (row + num_envs) + 1], of_episode);
                }
                let follows = value(&policy, [count + 1.0, of_episode], &device);
                next_values.push(if terminated[row] { 0.0 } else { follows as f32 });
            }
            let single = |numbers: &[f64]| numbers.iter().map(|&number| number as f32).collect::<Vec<_>>();
            let targets = GAE.estimate(&Trajectory {
                num_envs,
                rewards: &rewards,
                values: &single(&of_values),
                next_values: &next_values,
                terminated: &terminated,
                truncated: &truncated,
                log_ratios: &[],
            });
            assert_close(&advantages, &targets.advantages, 1e-5, "advantage");
            assert_close(&returns, &targets.returns, 1e-5, "return");
            let expected = burn_pg::advantage::explained_variance(&single(&of_values), &targets.returns).unwrap();
            assert!((explained_variance.unwrap() - expected).abs() < 1e-4, "{explained_variance:?}, {expected}");
            assert_eq!(samples.progress, 0.25);
        }
        // Both ends have happened, and the statistics have all of them.
        assert!(cut_off > 5 && ended > cut_off + 5, "{ended} episodes, {cut_off} cut off");
        let episodes = Source::<ActorCritic>::episodes(&source);
        assert_eq!(episodes.count(), ended as u64);
        let (length, episode_return) = (episodes.length_mean().unwrap(), episodes.return_mean().unwrap());
        assert!((5.0..=7.0).contains(&length) && (10.0..=21.0).contains(&episode_return), "{length}, {episode_return}");
        assert_eq!(Source::<ActorCritic>::env_steps(&source), (3 * num_envs * steps) as u64);
    }
}

#[test]
fn actions_are_drawn_with_their_probabilities() {
    for device in gpus() {
        let policy = policy(&device);
        let mut source = source(&device, &policy, 1);
        let (mut difference, mut variance) = (0.0, 0.0);
        for _ in 0..20 {
            let batch = collect(&mut source, &policy, &device).samples;
            let [_, actions, log_probs, ..] = columns(&batch);
            for (action, log_prob) in actions.into_iter().zip(log_probs) {
                let of_one = if action == 1.0 { log_prob.exp() } else { 1.0 - log_prob.exp() };
                difference += action - of_one;
                variance += of_one * (1.0 - of_one);
            }
        }
        // 8,200 actions; 4 standard errors.
        assert!(difference.abs() < 4.0 * variance.sqrt(), "{difference}, standard error {}", variance.sqrt());
    }
}

#[test]
fn rollouts_depend_on_the_seed_alone_and_go_on_after_a_restore() {
    for device in gpus() {
        let policy = policy(&device);
        let all = |source: &mut DeviceSource| columns(&collect(source, &policy, &device).samples);
        let (mut one, mut same, mut other) =
            (source(&device, &policy, 5), source(&device, &policy, 5), source(&device, &policy, 6));
        let first = all(&mut one);
        assert_eq!(first, all(&mut same));
        assert_ne!(first, all(&mut other));
        let second = all(&mut one);
        assert_ne!(first, second);

        let saved = Source::<ActorCritic>::save(&same).unwrap();
        let mut restored = source(&device, &policy, 5);
        Source::<ActorCritic>::load(&mut restored, saved, &policy).unwrap();
        assert_eq!(second, all(&mut restored));
        let [mut one, restored] = [&one, &restored].map(|source| Source::<ActorCritic>::episodes(source).clone());
        one.push(0.0, 1);
        assert_ne!(one, restored);
    }
}

#[test]
fn a_reward_that_is_not_finite_is_attributed_to_environment_and_step() {
    let [num_envs, _] = SHAPE;
    for device in gpus() {
        let policy = policy(&device);
        // The same random numbers as in `Count`, whose observations show which environment is the first.
        let mut count = source(&device, &policy, 7);
        let [observations, ..] = columns(&collect(&mut count, &policy, &device).samples);
        let first = (0..num_envs).find(|env| observations[2 * env + 1] > 0.0).unwrap();
        let mut bad = DeviceSource::new(DeviceEnvs::of::<Bad>(), SHAPE, GAE, &policy, 7, &device).unwrap();
        let context = CollectContext { update: 4, progress: 0.0, device: &device.clone().autodiff() };
        let error = bad.collect(&policy.valid(), &context).unwrap_err();
        let Error::Reward { update: 4, env, step: 3, env_steps: 0, reward } = error else { panic!("{error}") };
        assert_eq!(env, first);
        assert!(reward.is_nan());
        // A restart gives that environment a new episode.
        Source::<ActorCritic>::restart(&mut bad, env);
        let saved = Source::<ActorCritic>::save(&bad).unwrap();
        let states: Vec<f32> = saved.tensors()["states"].clone().try_into_vec().unwrap();
        assert_eq!(states[env], 0.0);
    }
}

#[test]
fn policies_and_networks_that_kernels_do_not_serve_are_refused_with_the_reason() {
    for device in gpus() {
        let made = |network: NetworkSpec| {
            let spec = Count::specification();
            let policy = ActorCritic::new(&spec, &network, &mut EnvRng::new(3), &device.clone().autodiff()).unwrap();
            let source = DeviceSource::new(DeviceEnvs::of::<Count>(), SHAPE, GAE, &policy, 1, &device);
            source.err().map(|reason| reason.to_string())
        };
        let hidden = |sizes: &[usize]| NetworkSpec { hidden_sizes: sizes.to_vec(), ..NetworkSpec::default() };
        assert_eq!(made(hidden(&[8])), None);
        assert_eq!(made(NetworkSpec { shared: true, ..hidden(&[8]) }), None);
        let without = NetworkSpec { critic: false, ..hidden(&[8]) };
        assert_eq!(made(without).as_deref(), Some("the policy has no critic"));
        // 4 rows of 16,384 values in 4 bytes each.
        let wide = made(hidden(&[16_384])).unwrap();
        assert!(wide.starts_with("a network needs 262") && wide.contains("for 4 rows, but the adapter has "), "{wide}");
        let policy = policy(&device);
        let huge = DeviceSource::new(DeviceEnvs::of::<Count>(), [1 << 24, 1 << 12], GAE, &policy, 1, &device);
        // 2^36 rows of two elements in 4 bytes each.
        let message = huge.err().unwrap().to_string();
        assert!(message.starts_with("a rollout needs a buffer of 549755813888 bytes"), "{message}");
        let other = ActorCritic::new(
            &EnvSpec { observation_space: Space::symmetric(&[1.0; 3]), ..Count::specification() },
            &hidden(&[8]),
            &mut EnvRng::new(3),
            &device.clone().autodiff(),
        );
        let source = DeviceSource::new(DeviceEnvs::of::<Count>(), SHAPE, GAE, &other.unwrap(), 1, &device);
        assert_eq!(source.err().unwrap().to_string(), "the policy has other spaces than the environment");
    }
}

/// An environment with action masks.
struct Masked;

#[cube]
impl DeviceEnv for Masked {
    fn reset(state: &mut Array<f32>, _random: &mut Random) {
        state[0] = 0.0f32;
    }

    fn step(_state: &mut Array<f32>, _action: &Array<f32>, _random: &mut Random) -> DeviceStep {
        DeviceStep { reward: 0.0f32.runtime(), terminated: false.runtime(), truncated: false.runtime() }
    }

    fn observe(state: &Array<f32>, observation: &mut Array<f32>) {
        observation[0] = state[0];
        observation[1] = state[0];
    }
}

impl DeviceTask for Masked {
    const STATE: usize = 1;

    fn specification() -> EnvSpec {
        EnvSpec { id: "Masked-v0".into(), masks_actions: true, ..Count::specification() }
    }
}

#[test]
fn environments_with_action_masks_stay_on_the_host() {
    for device in gpus() {
        let refused = DeviceSource::new(DeviceEnvs::of::<Masked>(), SHAPE, GAE, &policy(&device), 0, &device);
        assert_eq!(refused.err(), Some(OffDevice::Policy("actions are masked")));
    }
}
