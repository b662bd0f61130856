//! Convolutional encoders: their weights and gradients, and every algorithm with one.

use burn::tensor::{DType, Device, Tensor};
use burn_pg::{
    CheckedConfig, Config,
    algorithm::Recipe,
    config::{Algo, PpoConfig, Recurrence, RecurrentSpec, TrpoConfig},
    device::Backend,
    distribution::Distribution,
    envs::{Env, EnvRng, EnvSpec, Space, Step, VecEnv},
    optim::{flatten_gradients, flatten_parameters, replace_parameters},
    policy::{
        Activation, ActorCritic, CellKind, ConvSpec, EncoderSpec, Input, NetworkSpec, Observation, Policy, Sequences,
    },
};

use crate::helpers::{flex, parameters};
use crate::precision::{Precision, assert_relative, values};

/// Returns a device with autodiff.
fn training_device() -> Device {
    flex().autodiff()
}

fn cnn<const N: usize>(layers: [[usize; 3]; N]) -> EncoderSpec {
    let layer = |[channels, kernel, stride]: [usize; 3]| ConvSpec { channels, kernel, stride };
    EncoderSpec::Cnn { layers: layers.map(layer).to_vec() }
}

fn unbounded(shape: &[usize]) -> Space {
    let len = shape.iter().product();
    Space::Box { low: vec![f32::NEG_INFINITY; len], high: vec![f32::INFINITY; len], shape: shape.to_vec() }
}

fn tiny(observation_space: Space) -> EnvSpec {
    EnvSpec::new("tiny", observation_space, Space::discrete(3))
}

/// Returns a weighted sum of all logits and values, for images of 2 x 7 x 6 and vectors of 2.
struct Weighed {
    images: Vec<f64>,
    vectors: Vec<f64>,
    weights: Vec<f64>,
}

const ROWS: usize = 4;

impl Weighed {
    fn random(rng: &mut EnvRng) -> Self {
        let mut draw = |len: usize| (0..len).map(|_| rng.uniform(-1.0, 1.0)).collect();
        Self { images: draw(ROWS * 84), vectors: draw(ROWS * 2), weights: draw(ROWS * 4) }
    }

    fn observation(&self, policy: &ActorCritic, precision: &Precision) -> Observation {
        let image = precision.tensor(self.images.clone(), [ROWS, 84]);
        let vector = precision.tensor(self.vectors.clone(), [ROWS, 2]);
        let inputs = vec![Input::Floats(image), Input::Floats(vector)];
        let sequences = (policy.state_len() > 0).then(|| Sequences {
            state: precision.tensor(vec![0.3; 2 * policy.state_len()], [2, policy.state_len()]),
            begins: Tensor::from_data([[false, false], [false, true]], &precision.device),
        });
        Observation { sequences, ..inputs.into() }
    }

    fn of(&self, policy: &ActorCritic, precision: &Precision) -> Tensor<1> {
        let prediction = policy.forward(self.observation(policy, precision));
        let values = prediction.values.unwrap().unsqueeze_dim::<2>(1);
        let outputs = Tensor::cat(vec![prediction.distribution.parameters(), values], 1);
        (outputs * precision.tensor(self.weights.clone(), [ROWS, 4])).sum()
    }
}

#[test]
fn the_distribution_alone_is_that_of_the_prediction() {
    let space = Space::dict([("image", unbounded(&[2, 7, 6])), ("vector", unbounded(&[2]))]);
    let precision = &Precision::all()[0];
    for (shared, recurrence) in [true, false].into_iter().flat_map(|s| [(s, None), (s, Some((CellKind::Gru, 2)))]) {
        let (encoder, rng) = (cnn([[3, 3, 2], [2, 2, 1]]), &mut EnvRng::new(2));
        let network = NetworkSpec { encoder, hidden_sizes: vec![3, 3], shared, recurrence, ..NetworkSpec::default() };
        let policy = ActorCritic::new(&tiny(space.clone()), &network, rng, &precision.device).unwrap();
        let observation = Weighed::random(rng).observation(&policy, precision);
        let expected = values(policy.forward(observation.clone()).distribution.parameters());
        let ours = values(policy.distribution(observation).parameters());
        assert_eq!(ours, expected, "{network:?}");
    }
}

#[test]
fn gradients_of_encoders_equal_finite_differences() {
    let space = Space::dict([("image", unbounded(&[2, 7, 6])), ("vector", unbounded(&[2]))]);
    for precision in Precision::all().into_iter().filter(|precision| precision.dtype == DType::F64) {
        // Burn computes a sigmoid in single precision unless a backend has its own, too coarse for differences of 1e-5.
        let activations = match precision.backend {
            Backend::NdArray => &[Activation::Tanh][..],
            _ => &[Activation::Tanh, Activation::Silu],
        };
        for (shared, recurrence) in [(true, None), (false, None), (false, Some((CellKind::Gru, 2)))] {
            for &activation in activations {
                let network = NetworkSpec {
                    encoder: cnn([[3, 3, 2], [2, 2, 1]]),
                    hidden_sizes: vec![3],
                    activation,
                    shared,
                    recurrence,
                    ..NetworkSpec::default()
                };
                let rng = &mut EnvRng::new(2);
                let policy = ActorCritic::new(&tiny(space.clone()), &network, rng, &precision.device).unwrap();
                let [len] = flatten_parameters(&policy).dims();
                let at: Vec<f64> = (0..len).map(|_| rng.uniform(-0.7, 0.7)).collect();
                let with = |numbers: &[f64]| replace_parameters(policy.clone(), precision.vector(numbers).inner());
                let weighed = Weighed::random(rng);
                let moved = |i: usize, by: f64| {
                    let mut numbers = at.clone();
                    numbers[i] += by;
                    values(weighed.of(&with(&numbers), &precision))[0]
                };
                let expected: Vec<f64> = (0..len).map(|i| (moved(i, 1e-5) - moved(i, -1e-5)) / 2e-5).collect();
                let policy = with(&at);
                let ours = values(flatten_gradients(&policy, &weighed.of(&policy, &precision).backward()));
                let what = format!("{:?} {activation:?} shared {shared} {recurrence:?}", precision.backend);
                assert_relative(&ours, &expected, 1e-7, &what);
                // Two convolutions of an encoder: 3 of 2 x 3 x 3, and 2 of 3 x 2 x 2.
                assert!(ours[..54 + 3 + 24 + 2].iter().all(|gradient| *gradient != 0.0), "{what}");
            }
        }
    }
}

#[test]
fn kernels_are_orthogonal_and_follow_from_the_seed() {
    let spec = tiny(Space::Image { shape: [4, 9, 9], high: 1 });
    let network = NetworkSpec { encoder: cnn([[6, 3, 1], [8, 2, 1]]), shared: true, ..NetworkSpec::default() };
    let weights = |seed: u64| {
        let policy = ActorCritic::new(&spec, &network, &mut EnvRng::new(seed), &training_device()).unwrap();
        parameters(&policy)
    };
    let drawn = weights(5);
    assert_eq!(drawn, weights(5));
    assert_ne!(drawn, weights(6));
    let (first, rest) = drawn.split_at(6 * 36);
    assert_eq!(rest[..6], [0.0; 6], "biases");
    for (kernels, len) in [(first, 36), (&rest[6..6 + 8 * 24], 24)] {
        for (i, a) in kernels.chunks_exact(len).enumerate() {
            for (j, b) in kernels.chunks_exact(len).enumerate() {
                let product: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                assert!((product - if i == j { 2.0 } else { 0.0 }).abs() < 1e-5, "{i}, {j}: {product}");
            }
        }
    }
}

#[test]
fn an_image_of_floats_needs_an_encoder_too_and_is_not_scaled() {
    let spec = tiny(unbounded(&[1, 3, 3]));
    let made = |encoder: EncoderSpec| {
        let network = NetworkSpec {
            encoder,
            hidden_sizes: vec![],
            activation: Activation::Relu,
            shared: true,
            ..NetworkSpec::default()
        };
        ActorCritic::new(&spec, &network, &mut EnvRng::new(0), &training_device())
    };
    let error = made(EncoderSpec::default()).unwrap_err().to_string();
    assert!(error.contains("observes Box[1, 3, 3], and an image needs convolutions"), "{error}");
    let policy = made(cnn([[1, 3, 1]])).unwrap();
    // A kernel that selects the middle, two biases, and a weight of 1 for the critic's only feature.
    let [len] = flatten_parameters(&policy).dims();
    let mut numbers = vec![0.0_f32; len];
    (numbers[4], numbers[len - 2]) = (1.0, 1.0);
    let policy = replace_parameters(policy, Tensor::from_data(&numbers[..], &flex()));
    let seen = [0.0, 0.0, 0.0, 0.0, 300.5, 0.0, 0.0, 0.0, 0.0];
    let prediction = policy.forward(Tensor::<2>::from_data([seen], &training_device()).into());
    assert_eq!(values(prediction.values.unwrap()), [300.5]);
}

/// Rewards choosing the column of a bright pixel, out of three of which one is always masked.
#[derive(Default)]
struct Beacon {
    at: u32,
}

impl Beacon {
    fn draw(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
        self.at = rng.below(12);
        observation.fill(0.0);
        observation[self.at as usize] = 200.0;
        observation[12] = f32::from(u8::from(self.at < 6));
    }
}

impl Env for Beacon {
    type Action = u32;
    type State = u32;

    fn spec(&self) -> EnvSpec {
        let image = Space::Image { shape: [1, 4, 3], high: 255 };
        EnvSpec {
            max_episode_steps: Some(4),
            masks_actions: true,
            ..EnvSpec::new(
                "Beacon",
                Space::dict([("image", image), ("upper", Space::symmetric(&[1.0]))]),
                Space::discrete(3),
            )
        }
    }

    fn reset(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
        self.draw(rng, observation);
    }

    fn step(&mut self, action: u32, rng: &mut EnvRng, observation: &mut [f32]) -> Step {
        assert_ne!(action, (self.at + 1) % 3, "impossible");
        let reward = f64::from(u8::from(action == self.at % 3));
        self.draw(rng, observation);
        Step { reward, terminated: false, truncated: false }
    }

    fn action_mask(&self, mask: &mut [bool]) {
        mask.fill(true);
        mask[(self.at as usize + 1) % 3] = false;
    }

    fn state(&self) -> u32 {
        self.at
    }

    fn set_state(&mut self, at: u32) {
        self.at = at;
    }
}

fn config(algo: Algo, recurrence: Recurrence) -> CheckedConfig {
    let config = Config::default().with(|config| {
        config.network.recurrence = recurrence;
        config.network.encoder = cnn([[4, 2, 1]]);
        config.network.hidden_sizes = vec![8];
        config.env.num_envs = 4;
        config.rollout.num_steps = 8;
        config.run.total_steps = 256;
        config.algorithm = match algo {
            Algo::Ppo => PpoConfig { num_epochs: 2, num_minibatches: 2, ..PpoConfig::default() }.into(),
            Algo::Trpo => TrpoConfig { num_epochs: 2, num_minibatches: 2, ..TrpoConfig::default() }.into(),
            other => other.into(),
        };
    });
    config.validate().unwrap()
}

#[test]
fn every_algorithm_trains_masked_policies_over_dictionaries() {
    let gru = Recurrence::Gru(RecurrentSpec { size: 4, sequence_steps: 4, burn_in: 2 });
    for algo in [Algo::Reinforce, Algo::A2c, Algo::Trpo, Algo::Ppo] {
        for recurrence in [Recurrence::default(), gru] {
            let config = config(algo, recurrence);
            let envs = Box::new(VecEnv::<Beacon>::new(config.env.num_envs).unwrap());
            let mut trainer = Recipe::of(&config).unwrap().build(envs, &config, &flex()).unwrap();
            let before = parameters(trainer.policy());
            for _ in 0..2 {
                trainer.update().unwrap_or_else(|error| panic!("{algo} {recurrence:?}: {error}"));
            }
            let after = parameters(trainer.policy());
            // The first weights are the kernels: 4 of 1 x 2 x 2.
            let moved = |range: std::ops::Range<usize>| before[range.clone()] != after[range];
            assert!(moved(0..16) && after.iter().all(|number| number.is_finite()), "{algo} {recurrence:?}");
        }
    }
}
