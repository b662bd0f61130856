//! Policies that see images, and dictionaries of images and vectors.

use burn::{
    module::Module,
    tensor::{Tensor, TensorData},
};
use burn_pg::{
    CheckedConfig, Config, Error, Trainer,
    agent::export::{Format, bytes},
    algorithm::Recipe,
    config::{Recurrence, RecurrentSpec},
    envs::{Env, EnvRng, EnvSpec, Space, Step, VecEnv, VectorEnv, spec},
    evaluate,
    optim::Schedule,
    policy::{ActorCritic, ConvSpec, EncoderSpec, Exploration, Input, NetworkSpec, Observation, Rows},
    source::{Collector, Observations, RolloutLength, observe},
};

use crate::helpers::{flex, ignore, parameters};
use crate::precision::{assert_close, open_devices, values};

pub const SHAPE: [usize; 3] = [4, 10, 10];

/// A dot in the left or the right half of an image of 10x10x4: action 1 is correct for the right half. With `DICT`, a
/// positive number beside the image swaps the halves.
#[derive(Default)]
pub struct Dot<const DICT: bool> {
    at: u32,
    turned: bool,
}

impl<const DICT: bool> Dot<DICT> {
    fn draw(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
        observation.fill(0.0);
        self.at = rng.below(400);
        observation[self.at as usize] = 1.0;
        self.turned = DICT && rng.below(2) == 1;
        if DICT {
            observation[400] = if self.turned { 1.0 } else { -1.0 };
        }
    }
}

impl<const DICT: bool> Env for Dot<DICT> {
    type Action = u32;
    type State = (u32, bool);

    fn spec(&self) -> EnvSpec {
        let image = Space::Image { shape: SHAPE, high: 1 };
        let parts = [("image", image.clone()), ("turned", Space::symmetric(&[1.0]))];
        EnvSpec {
            max_episode_steps: Some(8),
            ..EnvSpec::new(
                if DICT { "DotDict-v0" } else { "Dot-v0" },
                if DICT { Space::dict(parts) } else { image },
                Space::discrete(2),
            )
        }
    }

    fn reset(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
        self.draw(rng, observation);
    }

    fn step(&mut self, action: u32, rng: &mut EnvRng, observation: &mut [f32]) -> Step {
        let right = self.at % 10 >= 5;
        let reward = f64::from(u8::from((action == 1) == (right || self.turned)));
        self.draw(rng, observation);
        Step { reward, terminated: false, truncated: false }
    }

    fn state(&self) -> (u32, bool) {
        (self.at, self.turned)
    }

    fn set_state(&mut self, (at, turned): (u32, bool)) {
        (self.at, self.turned) = (at, turned);
    }
}

fn cnn() -> EncoderSpec {
    EncoderSpec::Cnn { layers: vec![ConvSpec { channels: 8, kernel: 3, stride: 2 }] }
}

fn config(change: impl FnOnce(&mut Config)) -> CheckedConfig {
    let mut config = Config::default().with(|config| {
        config.run.total_steps = 8_192;
        config.env.num_envs = 8;
        config.rollout.num_steps = 32;
        config.optimiser.learning_rate = Schedule::Linear { start: 3e-3, end: 0.0 }.into();
        config.network.hidden_sizes = vec![32];
        config.network.encoder = cnn();
        config.network.shared_layers = true;
    });
    change(&mut config);
    config.validate().unwrap()
}

fn trainer<const DICT: bool>(config: &CheckedConfig) -> Trainer<ActorCritic> {
    let envs = Box::new(VecEnv::<Dot<DICT>>::new(config.env.num_envs).unwrap());
    Recipe::of(config).unwrap().build(envs, config, &flex()).unwrap()
}

#[test]
fn images_and_dictionaries_are_learnt() {
    for (return_mean, what) in [(trained::<false>(), "an image"), (trained::<true>(), "an image and a vector")] {
        assert!(return_mean > 7.0, "{what}: {return_mean} of 8");
    }
}

fn trained<const DICT: bool>() -> f64 {
    let config = config(|config| config.run.total_steps = 40_960);
    let mut trainer = trainer::<DICT>(&config);
    trainer.run(&mut ignore).unwrap();
    let envs: Box<dyn VectorEnv> = Box::new(VecEnv::<Dot<DICT>>::new(50).unwrap());
    evaluate(&trainer.agent().unwrap(), envs, 1, false).unwrap().return_mean()
}

#[test]
fn a_resumed_run_equals_the_uninterrupted_one_to_the_bit() {
    let recurrent = Recurrence::Gru(RecurrentSpec { size: 8, sequence_steps: 8, burn_in: 3 });
    check_resumed::<false>(&config(|config| config.run.total_steps = 1_024));
    check_resumed::<false>(&config(|config| (config.run.total_steps, config.network.shared_layers) = (1_024, false)));
    check_resumed::<false>(&config(|config| (config.run.total_steps, config.network.recurrence) = (1_024, recurrent)));
    check_resumed::<true>(&config(|config| (config.run.total_steps, config.network.recurrence) = (1_024, recurrent)));
    check_resumed::<true>(&config(|config| {
        config.run.total_steps = 1_024;
        config.algorithm.set_micro_batch_size(Some(7));
    }));
}

fn check_resumed<const DICT: bool>(config: &CheckedConfig) {
    let mut whole = trainer::<DICT>(config);
    whole.update().unwrap();
    let checkpoint = whole.checkpoint().unwrap();
    let mut resumed = trainer::<DICT>(config);
    resumed.restore(checkpoint).unwrap();
    for _ in 0..3 {
        assert_eq!(resumed.update().unwrap(), whole.update().unwrap());
    }
    let weights = |trainer: &Trainer<ActorCritic>| parameters(trainer.policy());
    assert_eq!(weights(&resumed), weights(&whole));
}

#[test]
fn images_stay_bytes_in_batches_and_minibatches_on_every_device() {
    let space = Space::dict([("image", Space::Image { shape: [1, 1, 3], high: 255 }), ("v", Space::symmetric(&[9.0]))]);
    let rows: Vec<f32> = (0..5).flat_map(|row| [0.0, 50.0 * row as f32, 255.0, 0.5 - row as f32]).collect();
    let mut kept = Observations::new(&space);
    kept.extend(&rows);
    assert_eq!((kept.len(), &kept.flat()[..]), (5, &rows[..]));
    for open in open_devices() {
        let whole = observe(&space, rows.clone(), &[], &open.device);
        let [Input::Bytes(_), Input::Floats(_)] = &whole.inputs[..] else { panic!("{whole:?}") };
        let indices = Tensor::from_data(TensorData::from([3_i64, 0, 4]), &open.device);
        let some = whole.select_rows(&indices).narrow_rows(1, 2);
        let expected = [&rows[..4], &rows[16..]].concat();
        assert_eq!(values(some.vector()), expected.iter().copied().map(f64::from).collect::<Vec<_>>());
    }
    let envs = Box::new(VecEnv::<Dot<false>>::new(2).unwrap());
    let mut collector = Collector::new(envs, RolloutLength::Steps(4), 0, &flex()).unwrap();
    let network = NetworkSpec { encoder: cnn(), ..NetworkSpec::default() };
    let policy = ActorCritic::new(&Dot::<false>::default().spec(), &network, &mut EnvRng::new(0), &flex()).unwrap();
    let rollout = collector.collect(&policy).unwrap();
    let flat = rollout.observations.flat().into_owned();
    assert_eq!((rollout.observations.len(), flat.iter().sum::<f32>()), (8, 8.0), "a dot in each");
}

/// `sum_c sum_i sum_j weight[c, i, j] image[c, y + i, x + j] + bias`
fn convolved(
    image: &[f64],
    weight: &[f64],
    bias: f64,
    [channels, height, width]: [usize; 3],
    kernel: usize,
) -> Vec<f64> {
    let at = |y: usize, x: usize| {
        let of = |c: usize, i: usize, j: usize| {
            weight[(c * kernel + i) * kernel + j] * image[(c * height + y + i) * width + x + j]
        };
        let patch = (0..channels).flat_map(|c| (0..kernel).flat_map(move |i| (0..kernel).map(move |j| (c, i, j))));
        patch.map(|(c, i, j)| of(c, i, j)).sum::<f64>() + bias
    };
    let (rows, columns) = (height - kernel + 1, width - kernel + 1);
    (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x))).map(|(y, x)| at(y, x)).collect()
}

#[test]
fn an_encoder_is_a_convolution_of_the_scaled_image_beside_the_vector() {
    let spec = EnvSpec {
        observation_space: Space::dict([
            ("image", Space::Image { shape: [2, 4, 5], high: 100 }),
            ("vector", Space::symmetric(&[1.0, 1.0])),
        ]),
        ..spec("CartPole-v1").unwrap()
    };
    let network = NetworkSpec {
        encoder: EncoderSpec::Cnn { layers: vec![ConvSpec { channels: 1, kernel: 3, stride: 1 }] },
        hidden_sizes: Vec::new(),
        activation: burn_pg::policy::Activation::Relu,
        shared: true,
        ..NetworkSpec::default()
    };
    for open in open_devices() {
        let policy = ActorCritic::new(&spec, &network, &mut EnvRng::new(3), &open.device.clone().autodiff()).unwrap();
        let weights = parameters(&policy);
        // The convolution comes first: 2 x 3 x 3 weights, and a bias.
        let (weight, rest) = weights.split_at(18);
        let pixels: Vec<f64> = (0..40).map(|i| f64::from(i * 7 % 101)).collect();
        let scaled: Vec<f64> = pixels.iter().map(|pixel| pixel / 100.0).collect();
        let features = convolved(&scaled, weight, rest[0], [2, 4, 5], 3).into_iter().map(|x| x.max(0.0));
        let features: Vec<f64> = features.chain([0.25, -0.5]).collect();
        // Then the actor, of 8 inputs and 2 outputs, and the critic.
        let (actor, critic) = rest[1..].split_at(8 * 2 + 2);
        let value: f64 = features.iter().zip(critic).map(|(x, w)| x * w).sum::<f64>() + critic[8];
        let logit =
            |k: usize| features.iter().enumerate().map(|(i, x)| x * actor[2 * i + k]).sum::<f64>() + actor[16 + k];

        #[allow(clippy::cast_possible_truncation)]
        let row: Vec<f32> = pixels.iter().map(|&pixel| pixel as f32).chain([0.25, -0.5]).collect();
        let observation = observe(&spec.observation_space, row, &[], &open.device.clone().autodiff());
        let prediction = burn_pg::policy::Policy::forward(&policy, observation);
        let parameters = burn_pg::distribution::Distribution::parameters(&prediction.distribution);
        assert_close(&values(parameters), &[logit(0), logit(1)], 1e-5, "logits");
        let value_of = prediction.values.unwrap();
        assert_close(&values(value_of.clone()), &[value], 1e-5, "value");

        // The gradient of the value by the weights of the convolution: where the ReLU is open, the patch times the weight
        // of the critic.
        let gradient = values(burn_pg::optim::flatten_gradients(&policy, &value_of.backward()));
        let open_at: Vec<bool> = features[..6].iter().map(|&x| x > 0.0).collect();
        let expected = |c: usize, i: usize, j: usize| -> f64 {
            let places = (0..2).flat_map(|y| (0..3).map(move |x| (y, x))).zip(&open_at).zip(critic);
            places.filter(|((_, open), _)| **open).map(|(((y, x), _), w)| w * scaled[(c * 4 + y + i) * 5 + x + j]).sum()
        };
        let patch = (0..2).flat_map(|c| (0..3).flat_map(move |i| (0..3).map(move |j| (c, i, j))));
        let expected: Vec<f64> = patch.map(|(c, i, j)| expected(c, i, j)).collect();
        assert_close(&gradient[..18], &expected, 1e-5, "gradient of the convolution");
    }
}

#[test]
fn networks_that_do_not_fit_the_observations_are_refused_with_a_fix() {
    let refused = |space: Space, encoder: EncoderSpec| {
        let spec = EnvSpec { observation_space: space, ..spec("CartPole-v1").unwrap() };
        let network = NetworkSpec { encoder, ..NetworkSpec::default() };
        ActorCritic::new(&spec, &network, &mut EnvRng::new(0), &flex()).unwrap_err().to_string()
    };
    let image = |side| Space::Image { shape: [4, side, side], high: 255 };
    let error = refused(Space::symmetric(&[1.0; 4]), cnn());
    assert!(error.contains("observes Box[4], which has no image") && error.contains("set it to \"mlp\""), "{error}");
    let error = refused(image(84), EncoderSpec::default());
    assert!(error.contains("set `network = { kind = \"cnn\", layers"), "{error}");
    let error = refused(image(20), EncoderSpec::nature());
    let expected =
        "layer 3 of `network.layers` has a kernel of 3x3, but 1x1 pixels arrive there (environment `CartPole-v1`)";
    assert!(error.starts_with(expected), "{error}");
    let config = Config::default()
        .with(|config| {
            config.network.encoder = cnn();
            config.run.total_steps = 1024;
        })
        .validate()
        .unwrap();
    let error = burn_pg::Trainer::of(&config, &flex()).map(drop).unwrap_err();
    assert!(matches!(error, Error::Space(_)), "{error}");
    let vectors = Space::dict([("a", Space::symmetric(&[1.0; 2])), ("b", Space::symmetric(&[1.0]))]);
    let spec = EnvSpec { observation_space: vectors.clone(), ..spec("CartPole-v1").unwrap() };
    let policy = ActorCritic::new(&spec, &NetworkSpec::default(), &mut EnvRng::new(0), &flex()).unwrap();
    let observation: Observation = observe(&vectors, vec![0.5; 6], &[], &flex());
    assert_eq!(burn_pg::policy::Policy::forward(&policy, observation).values.unwrap().dims(), [2]);
    let layers = vec![ConvSpec { channels: 0, kernel: 3, stride: 1 }];
    let error =
        Config::default().with(|config| config.network.encoder = EncoderSpec::Cnn { layers }).validate().unwrap_err();
    assert!(error.to_string().contains("`network.layers` is"), "{error}");
}

#[test]
fn convolutions_are_exported_with_every_kind_of_actions() {
    for action_space in [
        Space::discrete(3),
        Space::MultiDiscrete { sizes: vec![2, 3] },
        Space::MultiBinary { n: 2 },
        Space::symmetric(&[2.0, 1.0]),
    ] {
        let spec = EnvSpec { action_space, ..Dot::<true>::default().spec() };
        for (shared, recurrence) in [(true, None), (false, Some((burn_pg::policy::CellKind::Lstm, 5)))] {
            let exploration = Exploration::default();
            let network = NetworkSpec {
                encoder: cnn(),
                shared,
                recurrence,
                exploration,
                hidden_sizes: vec![7],
                ..NetworkSpec::default()
            };
            let policy = ActorCritic::new(&spec, &network, &mut EnvRng::new(1), &flex()).unwrap();
            let agent = burn_pg::Agent::new(policy.no_grad(), spec.clone(), None).unwrap();
            crate::export::graph::check_parts(&agent);
            let state = bytes(&agent, Format::Safetensors).unwrap();
            let tensors = safetensors::SafeTensors::deserialize(&state).unwrap();
            assert_eq!(tensors.tensor("encoder.image.0.weight").unwrap().shape(), [8, 4, 3, 3]);
            assert_eq!(tensors.names().iter().any(|name| name.starts_with("value_encoder.")), !shared);
        }
    }
}

/// Writes `value` into an image whose values are 0 and 1, in the second step.
struct Painter<const VALUE: u32> {
    steps: u32,
}

impl<const VALUE: u32> Default for Painter<VALUE> {
    fn default() -> Self {
        Self { steps: 0 }
    }
}

impl<const VALUE: u32> Env for Painter<VALUE> {
    type Action = u32;
    type State = u32;

    fn spec(&self) -> EnvSpec {
        EnvSpec { id: "Painter-v0".into(), ..Dot::<false>::default().spec() }
    }

    fn reset(&mut self, _: &mut EnvRng, observation: &mut [f32]) {
        observation.fill(0.0);
    }

    fn step(&mut self, _: u32, _: &mut EnvRng, observation: &mut [f32]) -> Step {
        self.steps += 1;
        // In quarters, because const generics are integers.
        observation[7] = if self.steps == 2 { VALUE as f32 / 4.0 } else { 1.0 };
        Step { reward: 0.0, terminated: false, truncated: false }
    }

    fn state(&self) -> u32 {
        self.steps
    }

    fn set_state(&mut self, steps: u32) {
        self.steps = steps;
    }
}

#[test]
fn image_values_out_of_range_are_refused() {
    fn error<const VALUE: u32>() -> Option<String> {
        let config = config(|config| config.env.num_envs = 1);
        let envs = Box::new(VecEnv::<Painter<VALUE>>::new(1).unwrap());
        let error = Recipe::of(&config).unwrap().build(envs, &config, &flex()).unwrap().update().err()?;
        assert!(matches!(error, Error::ImageValue { env: 0, index: 7, high: 1, .. }), "{error}");
        Some(error.to_string())
    }
    assert_eq!(error::<0>(), None);
    assert_eq!(error::<4>(), None);
    let message = error::<2>().unwrap();
    assert!(message.contains("0.5") && message.contains("from 0 to 1"), "{message}");
    assert!(error::<1020>().unwrap().contains("255"));
}
