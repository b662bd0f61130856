//! Actions of several components, with and without masks: environment, training and evaluation.

use burn::tensor::{Bool, Tensor, TensorData};
use burn_pg::{
    Config, Error,
    advantage::{AdvantageEstimator, Gae},
    algorithm::Recipe,
    distribution::{ActionTensor, Categorical, Distribution, DistributionError, MultiCategorical},
    envs::{ActionBuffer, Env, EnvRng, EnvSpec, Space, Step, VecEnv},
    evaluate,
    optim::Schedule,
    policy::{ActorCritic, NetworkSpec, Policy},
    source::{Batch, Collector, RolloutLength},
};

use crate::helpers::{flex, ignore};
use crate::{
    categorical::{ABOUT_ONE, assert_near_within},
    golden::Number,
    policy_with_learner::shuffled,
    precision::{Precision, values},
};

/// Trains PPO, and returns the mean return of its greedy policy.
fn trained<E: Env + Default + 'static>() -> f64 {
    let config = Config::default().with(|config| {
        config.run.total_steps = 8_192;
        config.env.num_envs = 8;
        config.rollout.num_steps = 32;
        config.optimiser.learning_rate = Schedule::Linear { start: 0.01, end: 0.0 }.into();
        config.network.hidden_sizes = vec![16];
    });
    let config = config.validate().unwrap();
    let envs = || Box::new(VecEnv::<E>::new(8).unwrap());
    let mut trainer = Recipe::of(&config).unwrap().build(envs(), &config, &flex()).unwrap();
    trainer.run(&mut ignore).unwrap();
    evaluate(&trainer.agent().unwrap(), envs(), 1, false).unwrap().return_mean()
}

/// A dial with three positions and a switch with two. The reward is 1 for turning the dial to the observed position, and 1
/// for setting the switch to the sign of the second element. The last position of the dial is masked.
#[derive(Default)]
pub struct Panel {
    wanted: u32,
    up: bool,
    blocked: u32,
    /// True if every position is blocked.
    stuck: bool,
}

impl Panel {
    fn draw(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
        self.wanted = (self.blocked + 1 + rng.below(2)) % 3;
        self.up = rng.below(2) == 1;
        observation.fill(0.0);
        observation[self.wanted as usize] = 1.0;
        observation[3] = if self.up { 1.0 } else { -1.0 };
    }
}

impl Env for Panel {
    type Action = [u32; 2];
    type State = (u32, bool, u32);

    fn spec(&self) -> EnvSpec {
        EnvSpec {
            max_episode_steps: Some(10),
            masks_actions: true,
            ..EnvSpec::new("Panel", Space::symmetric(&[1.0; 4]), Space::MultiDiscrete { sizes: vec![3, 2] })
        }
    }

    fn reset(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
        self.blocked = rng.below(3);
        self.draw(rng, observation);
    }

    fn step(&mut self, [dial, switch]: [u32; 2], rng: &mut EnvRng, observation: &mut [f32]) -> Step {
        assert_ne!(dial, self.blocked, "impossible");
        let reward = f64::from(u8::from(dial == self.wanted) + u8::from((switch == 1) == self.up));
        self.blocked = dial;
        self.draw(rng, observation);
        Step { reward, terminated: false, truncated: false }
    }

    fn action_mask(&self, mask: &mut [bool]) {
        for (dial, possible) in (0..3).zip(mask.iter_mut()) {
            *possible = dial != self.blocked && !self.stuck;
        }
        mask[3..].fill(true);
    }

    fn state(&self) -> (u32, bool, u32) {
        (self.wanted, self.up, self.blocked)
    }

    fn set_state(&mut self, (wanted, up, blocked): (u32, bool, u32)) {
        (self.wanted, self.up, self.blocked) = (wanted, up, blocked);
    }
}

/// Three lamps. The reward is 1 for each lamp that is on where the observation is positive, or off where it is negative.
#[derive(Default)]
pub struct Lamps([bool; 3]);

impl Lamps {
    fn draw(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
        self.0 = std::array::from_fn(|_| rng.below(2) == 1);
        for (number, lit) in observation.iter_mut().zip(self.0) {
            *number = if lit { 1.0 } else { -1.0 };
        }
    }
}

impl Env for Lamps {
    type Action = [bool; 3];
    type State = [bool; 3];

    fn spec(&self) -> EnvSpec {
        EnvSpec {
            id: "Lamps".into(),
            observation_space: Space::symmetric(&[1.0; 3]),
            action_space: Space::MultiBinary { n: 3 },
            masks_actions: false,
            ..Panel::default().spec()
        }
    }

    fn reset(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
        self.draw(rng, observation);
    }

    fn step(&mut self, action: [bool; 3], rng: &mut EnvRng, observation: &mut [f32]) -> Step {
        let right = action.iter().zip(self.0).filter(|&(&lit, wanted)| lit == wanted).count();
        self.draw(rng, observation);
        Step { reward: right as f64, terminated: false, truncated: false }
    }

    fn state(&self) -> [bool; 3] {
        self.0
    }

    fn set_state(&mut self, state: [bool; 3]) {
        self.0 = state;
    }
}

#[test]
fn ppo_learns_masked_multi_discrete_actions() {
    // The maximum is 20; random actions reach half of it.
    let return_mean = trained::<Panel>();
    assert!(return_mean > 18.0, "{return_mean}");
}

#[test]
fn ppo_learns_multi_binary_actions() {
    // The maximum is 30; random actions reach half of it.
    let return_mean = trained::<Lamps>();
    assert!(return_mean > 27.0, "{return_mean}");
}

fn policy(spec: &EnvSpec) -> ActorCritic {
    let shape = NetworkSpec { hidden_sizes: vec![8], ..NetworkSpec::default() };
    ActorCritic::new(spec, &shape, &mut EnvRng::new(0), &flex()).unwrap()
}

#[test]
fn masks_of_multi_discrete_actions_reach_the_minibatches() {
    let envs = Box::new(VecEnv::<Panel>::new(4).unwrap());
    let (policy, rng) = (policy(&Panel::default().spec()), &mut EnvRng::new(1));
    let mut collector = Collector::new(envs, RolloutLength::Steps(50), 0, &flex()).unwrap();
    let rollout = collector.collect(&policy).unwrap();
    let ActionBuffer::MultiDiscrete(actions) = &rollout.actions else { panic!() };
    assert_eq!((rollout.action_masks.len(), actions.len()), (4 * 50 * 5, 4 * 50 * 2));
    // Two positions of the dial and two of the switch are possible, and the initial policy is nearly uniform.
    assert!(rollout.log_probs.iter().all(|log_prob| (log_prob + 4.0_f32.ln()).abs() < 0.1));

    let targets = Gae { gamma: 0.9, lambda: 0.9 }.estimate(&rollout.trajectory());
    rollout.set_targets(&targets);
    for minibatch in shuffled(&Batch::upload(rollout, &flex()), rng).minibatches(64) {
        let log_probs = policy.forward(minibatch.observations.clone()).distribution.log_prob(&minibatch.actions);
        let difference = (log_probs - minibatch.log_probs).abs().max().into_scalar::<f32>();
        assert!(difference < 1e-5, "{difference}");
    }
}

#[test]
fn a_fully_masked_component_is_an_error_of_its_environment() {
    let envs = vec![Panel::default(), Panel { stuck: true, ..Panel::default() }];
    let envs = Box::new(VecEnv::from_envs(envs).unwrap());
    let mut collector = Collector::new(envs, RolloutLength::Steps(5), 0, &flex()).unwrap();
    let error = collector.collect(&policy(&Panel::default().spec())).unwrap_err();
    let Error::Policy { source: DistributionError::NothingPossible { row: 1 }, env_steps: 0, .. } = error else {
        panic!("{error}");
    };
}

#[test]
fn a_masked_multi_categorical_equals_independent_masked_categoricals() {
    let sizes = [3, 2, 4];
    let masks = [[true, false, true, true, true, false, true, true, false], [true; 9]];
    let actions = [[2, 0, 1], [1, 1, 3]];
    let rng = &mut EnvRng::new(5);
    let [logits, others] = [0, 1].map(|_| (0..18).map(|_| rng.uniform(-3.0, 3.0)).collect::<Vec<_>>());
    for precision in Precision::all() {
        let mask = |from: usize, len: usize| {
            let flags: Vec<bool> = masks.iter().flat_map(|mask| mask[from..from + len].to_vec()).collect();
            Tensor::<2, Bool>::from_data(TensorData::new(flags, [2, len]), &precision.device)
        };
        let leaf = |logits: &[f64]| precision.tensor(logits.to_vec(), [2, 9]).require_grad();
        let (logits, others) = (leaf(&logits), leaf(&others));
        let whole = |logits: &Tensor<2>| MultiCategorical::masked(logits.clone(), &sizes, mask(0, 9));
        let parts = |logits: &Tensor<2>| {
            [(0, 3), (3, 2), (5, 4)]
                .map(|(from, len)| Categorical::masked(logits.clone().narrow(1, from, len), mask(from, len)))
        };
        let of_part = |k: usize| ActionTensor::Discrete(precision.indices(&actions.map(|action| action[k])));
        let data = TensorData::new(actions.concat(), [2, 3]);
        let all = ActionTensor::MultiDiscrete(Tensor::from_data(data, &precision.device));

        let sum = |numbers: Vec<Tensor<1>>| numbers.into_iter().reduce(Tensor::add).unwrap();
        // A graph allows one backward pass, so each output has its own components.
        let (ours, theirs) = (|| parts(&logits).into_iter(), || parts(&others).into_iter());
        let outputs = [
            (
                "log-probability",
                whole(&logits).log_prob(&all),
                sum(ours().enumerate().map(|(k, part)| part.log_prob(&of_part(k))).collect()),
            ),
            ("entropy", whole(&logits).entropy(), sum(ours().map(|part| part.entropy()).collect())),
            (
                "KL divergence",
                whole(&logits).kl(&whole(&others)),
                sum(ours().zip(theirs()).map(|(p, q)| p.kl(&q)).collect()),
            ),
        ];
        for (what, together, apart) in outputs {
            let near = |ours: Vec<f64>, expected: Vec<f64>, what: &str| {
                let expected: Vec<Number> = expected.into_iter().map(Number).collect();
                assert_near_within(&precision, ABOUT_ONE, &ours, &expected, what);
            };
            near(values(together.clone()), values(apart.clone()), what);
            let derivative = |output: Tensor<1>| values(logits.grad(&output.sum().backward()).unwrap());
            near(derivative(together), derivative(apart), &format!("gradient of the {what}"));
        }
        let drawn = whole(&logits);
        #[allow(clippy::cast_possible_truncation)] // read back in single precision
        let parameters: Vec<f32> = values(drawn.parameters()).into_iter().map(|number| number as f32).collect();
        for seed in 0..100 {
            let mut streams = [EnvRng::new(seed).into(), EnvRng::new(seed + 100).into()];
            let (mut buffer, mut log_probs) = (ActionBuffer::MultiDiscrete(Vec::new()), Vec::new());
            drawn.sample(&parameters, &mut streams, &mut buffer, &mut log_probs).unwrap();
            let ActionBuffer::MultiDiscrete(taken) = &buffer else { panic!() };
            // The first row.
            assert!(taken[0] != 1 && [1, 2].contains(&taken[2]), "{taken:?}");
            let again = values(drawn.log_prob(&ActionTensor::upload(&buffer, 2, &precision.device)));
            let near = |(drawn, computed): (&f32, &f64)| (f64::from(*drawn) - computed).abs() < 1e-5;
            assert!(log_probs.iter().zip(&again).all(near), "{log_probs:?} {again:?}");
        }
    }
}
