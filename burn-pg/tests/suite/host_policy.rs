//! Policies on the host, and rollouts in blocks of environments.

use burn::tensor::{Tensor, TensorData};
use burn_pg::{
    Error,
    distribution::Distribution,
    envs::{ActionBuffer, Env, EnvError, EnvRng, EnvSpec, Space, Step, VecEnv, VectorEnv, make},
    policy::{
        ActionDistribution, Activation, ActorCritic, CellKind, Exploration, HostWorkspace, NetworkSpec, Policy,
        Prediction,
    },
    source::{Collector, Rollout, RolloutLength},
};

use crate::helpers::{flex, on_threads};
use crate::{component_actions::Panel, precision::assert_close};

fn policy(spec: &EnvSpec, shape: &NetworkSpec) -> ActorCritic {
    ActorCritic::new(spec, shape, &mut EnvRng::new(3), &flex()).unwrap()
}

fn shapes() -> Vec<NetworkSpec> {
    let exploration =
        |squash, state_dependent| Exploration { squash, state_dependent, log_std: -0.3, ..Exploration::default() };
    vec![
        NetworkSpec::default(),
        NetworkSpec { activation: Activation::Relu, shared: true, ..NetworkSpec::default() },
        NetworkSpec { activation: Activation::Silu, hidden_sizes: vec![17, 5, 40], ..NetworkSpec::default() },
        NetworkSpec { exploration: exploration(false, true), hidden_sizes: vec![], ..NetworkSpec::default() },
        NetworkSpec { exploration: exploration(true, false), critic: false, ..NetworkSpec::default() },
        NetworkSpec {
            exploration: Exploration { distribution: ActionDistribution::Beta, ..Exploration::default() },
            ..NetworkSpec::default()
        },
    ]
}

/// Asserts that a policy with tensors and its copy on the host give the same outputs.
fn check_alike(spec: &EnvSpec, shape: &NetworkSpec, observations: &[f32], masks: &[bool]) {
    let policy = policy(spec, shape);
    let on_host = policy.on_host().unwrap();
    let mut workspace = HostWorkspace::new(&spec.action_space);
    let width = spec.observation_space.flat_len();
    let rows = observations.len() / width;
    let what = format!("{} {shape:?}", spec.id);

    let upload = Tensor::from_data(TensorData::new(observations.to_vec(), [rows, width]), &flex());
    let mut observation: burn_pg::policy::Observation = upload.into();
    if !masks.is_empty() {
        let shape = [rows, masks.len() / rows];
        observation.action_mask = Some(Tensor::from_data(TensorData::new(masks.to_vec(), shape), &flex()));
    }
    let Prediction { distribution, .. } = policy.forward(observation);
    let parameters: Vec<f32> = distribution.parameters().into_data().try_into_vec().unwrap();

    let mut expected = ActionBuffer::new(&spec.action_space);
    distribution.mode(&parameters, &mut expected).unwrap();
    distribution.to_env(&mut expected);
    assert_alike(on_host.act(observations, masks, &mut workspace).unwrap(), &expected, &what);

    let streams = || (0..rows).map(|i| EnvRng::new(i as u64).into()).collect::<Vec<_>>();
    let (mut actions, mut log_probs) = (ActionBuffer::new(&spec.action_space), Vec::new());
    let (mut expected, mut expected_log_probs) = (actions.clone(), Vec::new());
    distribution.sample(&parameters, &mut streams(), &mut expected, &mut expected_log_probs).unwrap();
    let taken =
        on_host.sample(observations, masks, &mut streams(), &mut actions, &mut log_probs, &mut workspace).unwrap();
    assert_alike(&actions, &expected, &what);
    distribution.to_env(&mut expected);
    assert_alike(taken, &expected, &what);
    let wide = |numbers: &[f32]| numbers.iter().map(|&number| f64::from(number)).collect::<Vec<_>>();
    assert_close(&wide(&log_probs), &wide(&expected_log_probs), 1e-5, &what);
}

fn assert_alike(ours: &ActionBuffer, expected: &ActionBuffer, what: &str) {
    match (ours, expected) {
        (ActionBuffer::Continuous(ours), ActionBuffer::Continuous(expected)) => {
            let wide = |numbers: &[f32]| numbers.iter().map(|&number| f64::from(number)).collect::<Vec<_>>();
            assert_close(&wide(ours), &wide(expected), 1e-5, what);
        }
        _ => assert_eq!(ours, expected, "{what}"),
    }
}

#[test]
fn a_policy_on_the_host_decides_as_with_tensors() {
    for id in ["CartPole-v1", "Pendulum-v1"] {
        let mut envs = make(id, 37).unwrap();
        let observations = envs.reset(5).unwrap().observations.clone();
        for shape in shapes() {
            for rows in [1, 4, 37] {
                let width = envs.spec().observation_space.flat_len();
                check_alike(envs.spec(), &shape, &observations[..rows * width], &[]);
            }
        }
    }
    let mut envs = VecEnv::<Panel>::new(6).unwrap();
    let batch = envs.reset(5).unwrap().clone();
    assert!(batch.action_masks.contains(&false));
    check_alike(envs.spec(), &NetworkSpec::default(), &batch.observations, &batch.action_masks);
}

#[test]
fn policies_that_need_tensors_have_no_copy_on_the_host() {
    let spec = make("Pendulum-v1", 1).unwrap().spec().clone();
    let recurrent = NetworkSpec { recurrence: Some((CellKind::Gru, 8)), ..NetworkSpec::default() };
    let exploration = Exploration { sde: Some(burn_pg::policy::GsdeNoise::default()), ..Exploration::default() };
    let holds_noise = NetworkSpec { exploration, ..NetworkSpec::default() };
    for shape in [recurrent, holds_noise] {
        assert!(policy(&spec, &shape).on_host().is_none(), "{shape:?}");
    }
}

fn rollouts(id: &str, length: RolloutLength, size: Option<usize>, threads: usize) -> [Rollout; 2] {
    let envs = make(id, 21).unwrap();
    let policy = policy(envs.spec(), &NetworkSpec::default());
    let mut collector = Collector::new(envs, length, 7, &flex()).unwrap();
    if let Some(size) = size {
        collector = collector.with_block_size(size);
    }
    on_threads(threads, || [(); 2].map(|()| collector.collect(&policy).unwrap().clone()))
}

#[test]
fn rollouts_depend_neither_on_blocks_nor_on_threads() {
    for (id, length) in [
        ("CartPole-v1", RolloutLength::Steps(40)),
        ("MountainCarContinuous-v0", RolloutLength::Steps(9)),
        ("CartPole-v1", RolloutLength::Episodes),
    ] {
        let expected = rollouts(id, length, Some(21), 1);
        assert!(!expected[0].is_empty() && expected[0] != expected[1]);
        if id == "CartPole-v1" {
            assert!(expected[1].terminated.contains(&true));
        }
        for (size, threads) in [(Some(1), 1), (Some(4), 3), (Some(8), 2), (Some(100), 2), (None, 1), (None, 5)] {
            assert_eq!(rollouts(id, length, size, threads), expected, "{id} {length:?} {size:?} {threads}");
        }
    }
}

/// Counts its steps, is truncated after every third, and panics in step `panics_in`.
struct Fuse {
    steps: u32,
    panics_in: u32,
}

impl Env for Fuse {
    type Action = u32;
    type State = u32;

    fn spec(&self) -> EnvSpec {
        EnvSpec { max_episode_steps: Some(3), ..EnvSpec::new("Fuse", Space::symmetric(&[1e6]), Space::discrete(2)) }
    }

    fn reset(&mut self, _: &mut EnvRng, observation: &mut [f32]) {
        observation[0] = self.steps as f32;
    }

    fn step(&mut self, _: u32, _: &mut EnvRng, observation: &mut [f32]) -> Step {
        self.steps += 1;
        assert_ne!(self.steps, self.panics_in, "burnt through");
        observation[0] = self.steps as f32;
        Step { reward: 1.0, terminated: false, truncated: false }
    }

    fn state(&self) -> u32 {
        self.steps
    }

    fn set_state(&mut self, steps: u32) {
        self.steps = steps;
    }
}

#[test]
fn the_first_of_several_failures_is_named_and_the_next_rollout_begins_anew() {
    let never = u32::MAX;
    // The blocks are environments 0 to 3, 4 to 7, and 8 and 9.
    let panics_in = [never, 9, never, never, never, never, 7, 7, 8, never];
    let envs = panics_in.map(|panics_in| Fuse { steps: 0, panics_in });
    let envs = VecEnv::from_envs(envs.into()).unwrap();
    let policy = policy(&Fuse { steps: 0, panics_in: 0 }.spec(), &NetworkSpec::default());
    let mut collector =
        Collector::new(Box::new(envs), RolloutLength::Steps(20), 0, &flex()).unwrap().with_block_size(4);
    match collector.collect(&policy) {
        Err(Error::Env(EnvError::Failed { env: 6, steps: 7, fault, .. })) => {
            assert!(fault.to_string().contains("burnt through"), "{fault}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(collector.env_steps(), 60, "six steps of ten environments");
    assert_eq!(collector.episodes().count(), 20, "each was truncated twice");
    // Each environment is past the step in which it panics.
    let rollout = collector.collect(&policy).unwrap();
    assert_eq!(rollout.len(), 200);
    assert!(rollout.begins[..10].iter().all(|&begins| begins));
    // Truncated after every third step: the next value is that of the final observation.
    assert!(rollout.truncated[20..30].iter().all(|&cut_off| cut_off));
    assert_eq!(rollout.next_values[..10], rollout.values[10..20]);
    assert_eq!(rollout.next_values[20..30], rollout.values[30..40], "a reset does not change what it counts");
    assert_eq!(collector.episodes().count(), 80);
}

#[test]
fn inputs_of_a_wrong_length_make_a_policy_on_the_host_panic() {
    let spec = make("CartPole-v1", 1).unwrap().spec().clone();
    let policy = policy(&spec, &NetworkSpec::default()).on_host().unwrap();
    let cases: [(&[f32], &[bool]); 3] = [(&[0.0; 5], &[]), (&[0.0; 3], &[]), (&[0.0; 8], &[true; 2])];
    for (observations, masks) in cases {
        let act = || policy.act(observations, masks, &mut HostWorkspace::new(&spec.action_space)).is_ok();
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(act)).is_err(), "{observations:?} {masks:?}");
    }
}
