//! Measured allocations of runs, compared with their plans.
//!
//! Each run has its own process: Burn keeps the graphs of all threads in one place, so a thread may free memory that
//! another one has allocated, which would be counted wrongly.
#![cfg(feature = "flex")]

use std::{env, ffi::OsStr, process::Command};

use burn::tensor::Device;
use burn_pg::{
    CheckedConfig, Config, MemoryPlan, Trainer,
    config::Layer,
    envs::{self, Env, EnvRng, EnvSpec, Space, Step},
    evaluate,
};
use rayon::ThreadPoolBuilder;

/// Names the shape that the process measures.
const SHAPE: &str = "BURN_PG_MEASURED_SHAPE";
/// The number of updates that the process trains.
const UPDATES: &str = "BURN_PG_MEASURED_UPDATES";
/// Set if the backward pass computes activations again. Then there is only one step, because the weights lose this
/// strategy in a step.
const CHECKPOINTING: &str = "BURN_PG_MEASURED_CHECKPOINTING";

/// Where the process writes a checkpoint after its updates, if set.
const CHECKPOINT: &str = "BURN_PG_MEASURED_CHECKPOINT";
/// Set if the process evaluates the policy after its updates.
const EVALUATION: &str = "BURN_PG_MEASURED_EVALUATION";

/// Name and settings.
const SHAPES: [(&str, &str); 21] = [
    ("ppo, 8 x 128", ""),
    ("ppo, 2048 x 128", "num_envs = 2048\nnum_minibatches = 8"),
    ("ppo, 2048 x 128, parts of 4096", "num_envs = 2048\nnum_minibatches = 8\nmicro_batch_size = 4096"),
    ("ppo, 64 x 128, parts of 1000", "num_envs = 64\nmicro_batch_size = 1000"),
    ("ppo, 256 x 256", "hidden_sizes = [256, 256]"),
    ("ppo, 256 x 256, 256 x 128", "hidden_sizes = [256, 256]\nnum_envs = 256"),
    ("ppo, 1024 x 1024", "hidden_sizes = [1024, 1024]\noptimiser = { kind = 'sgd' }"),
    ("ppo, shared layers", "shared_layers = true\nnum_envs = 64"),
    ("ppo, Pendulum", "name = 'Pendulum-v1'\nnum_envs = 64\nnum_steps = 256"),
    ("ppo, gSDE noise", "name = 'Pendulum-v1'\nnum_envs = 64\nnum_steps = 256\nexploration = { sde = {} }"),
    ("ppo, Beta", "name = 'Pendulum-v1'\nnum_envs = 64\nnum_steps = 256\nexploration = { distribution = 'beta' }"),
    ("ppo, Acrobot", "name = 'Acrobot-v1'\nnum_envs = 64\nactivation = 'silu'\nnormalize_observations = true"),
    ("a2c", "algorithm.kind = 'a2c'\nnum_envs = 512\nnum_steps = 5"),
    ("trpo", "algorithm.kind = 'trpo'\nnum_envs = 64"),
    ("trpo, Pendulum", "algorithm.kind = 'trpo'\nname = 'Pendulum-v1'\nnum_envs = 256"),
    ("trpo, Acrobot", "algorithm.kind = 'trpo'\nname = 'Acrobot-v1'\nnum_envs = 64"),
    ("gru", "recurrence = { cell = 'gru', size = 32, sequence_steps = 16 }\nnum_envs = 16\nnum_steps = 64"),
    ("lstm", "recurrence = { cell = 'lstm', burn_in = 8 }\nnum_envs = 64\nnum_steps = 32\nhidden_sizes = [32]"),
    ("ppo, KL in the reward", "num_envs = 64\nkl_in_reward = 0.1"),
    (
        "gru, KL in the reward",
        "recurrence = { cell = 'gru', size = 32 }\nnum_envs = 16\nnum_steps = 64\nkl_in_reward = 0.1",
    ),
    ("nine layers", "hidden_sizes = [32, 32, 32, 32, 32, 32, 32, 32]\nnum_envs = 64"),
];

/// Shapes with whole episodes: name, updates until the episodes are as long as possible, and settings.
const WHOLE_EPISODES: [(&str, usize, &str); 6] = [
    ("reinforce, 64 x 500, after learning", 20, "num_envs = 64\nlearning_rate = 0.01"),
    ("reinforce, Pendulum, 8 x 200", 3, "name = 'Pendulum-v1'"),
    ("reinforce, Pendulum, 64 x 200", 3, "name = 'Pendulum-v1'\nnum_envs = 64"),
    ("reinforce, Pendulum, GRU", 3, "name = 'Pendulum-v1'\nrecurrence = { cell = 'gru', size = 32 }"),
    ("reinforce, MountainCar, normalised", 3, "name = 'MountainCar-v0'\nnum_envs = 32\nnormalize_observations = true"),
    ("reinforce, Acrobot, 256 x 256", 3, "name = 'Acrobot-v1'\nhidden_sizes = [256, 256]"),
];

/// Shapes with images: name and settings.
const IMAGES: [(&str, &str); 4] = [
    (
        "cnn, 10x10x4, 64 x 128",
        "name = 'Dot10-v0'\nnum_envs = 64\nhidden_sizes = [128]\nactivation = 'relu'\nnetwork = { kind = 'cnn', layers = [{ channels = 16, kernel = 3 }] }",
    ),
    (
        "cnn, 10x10x4, shared",
        "name = 'Dot10-v0'\nnum_envs = 16\nshared_layers = true\nnetwork = { kind = 'cnn', layers = [{ channels = 16, kernel = 3 }] }",
    ),
    (
        "cnn, 84x84x4, 8 x 128",
        "name = 'Dot84-v0'\nshared_layers = true\nhidden_sizes = [512]\nactivation = 'relu'\nnetwork = { kind = 'cnn', layers = [{ channels = 32, kernel = 8, stride = 4 }, { channels = 64, kernel = 4, stride = 2 }, { channels = 64, kernel = 3 }] }",
    ),
    (
        "cnn, 84x84x4, parts of 32",
        "name = 'Dot84-v0'\nmicro_batch_size = 32\nhidden_sizes = [512]\nactivation = 'relu'\nnetwork = { kind = 'cnn', layers = [{ channels = 32, kernel = 8, stride = 4 }, { channels = 64, kernel = 4, stride = 2 }, { channels = 64, kernel = 3 }] }",
    ),
];

/// A dot in an image of four channels, with this many pixels a side.
#[derive(Default)]
struct Dot<const SIDE: usize> {
    at: u32,
}

impl<const SIDE: usize> Dot<SIDE> {
    fn draw(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
        observation.fill(0.0);
        self.at = rng.below(u32::try_from(observation.len()).unwrap());
        observation[self.at as usize] = 1.0;
    }
}

impl<const SIDE: usize> Env for Dot<SIDE> {
    type Action = u32;
    type State = u32;

    fn spec(&self) -> EnvSpec {
        EnvSpec {
            max_episode_steps: Some(100),
            ..EnvSpec::new(
                format!("Dot{SIDE}-v0"),
                Space::Image { shape: [4, SIDE, SIDE], high: 1 },
                Space::discrete(4),
            )
        }
    }

    fn reset(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
        self.draw(rng, observation);
    }

    fn step(&mut self, action: u32, rng: &mut EnvRng, observation: &mut [f32]) -> Step {
        let reward = f64::from(u8::from(action == self.at % 4));
        self.draw(rng, observation);
        Step { reward, terminated: false, truncated: false }
    }

    fn state(&self) -> u32 {
        self.at
    }

    fn set_state(&mut self, at: u32) {
        self.at = at;
    }
}

/// Registers the environments with images.
fn register_images() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        envs::register_env::<Dot<10>>().unwrap();
        envs::register_env::<Dot<84>>().unwrap();
    });
}

/// The accuracy that `docs/memory.md` promises.
const TOLERANCE: f64 = 0.15;

fn config(settings: &str) -> CheckedConfig {
    let settings = format!("total_steps = 10000000\ndevice = 'flex'\n{settings}");
    Config::from_table(Layer::from_short_keys("", settings.parse().unwrap()).unwrap().settings)
        .unwrap()
        .validate()
        .unwrap()
}

/// Returns the largest number of bytes that are allocated at once while a trainer is created and trains for `updates`
/// updates.
fn measured(config: &CheckedConfig, device: &Device, updates: usize) -> u64 {
    // The counter counts this thread only, so this thread does all the work.
    let one = ThreadPoolBuilder::new().num_threads(1).use_current_thread().build().unwrap();
    let counted = one.install(|| {
        allocation_counter::measure(|| {
            let mut trainer = Trainer::of(config, device).unwrap();
            let fresh =
                env::var_os(EVALUATION).map(|_| envs::make(&config.env.name, config.evaluation.episodes).unwrap());
            for _ in 0..updates {
                trainer.update().unwrap();
            }
            if let Some(folder) = env::var_os(CHECKPOINT) {
                trainer.checkpoint().unwrap().write(folder.as_ref()).unwrap();
            }
            if let Some(fresh) = fresh {
                evaluate(&trainer.agent().unwrap(), fresh, 0, false).unwrap();
            }
        })
    });
    counted.bytes_max
}

/// [`measured`] in its own process, with additional environment variables.
fn measured_apart<'a>(settings: &str, updates: usize, more: impl IntoIterator<Item = (&'a str, &'a OsStr)>) -> u64 {
    let mut process = Command::new(env::current_exe().unwrap());
    process.args(["--exact", "measures_the_shape_of_the_environment_variable", "--nocapture"]);
    process.env(SHAPE, settings).env(UPDATES, updates.to_string()).envs(more);
    let output = process.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().find_map(|line| line.strip_prefix("measured: ")).expect(&text).parse().unwrap()
}

/// Planned and measured bytes of runs. `far` has the runs in which they are too far apart.
#[derive(Default)]
struct Comparison {
    far: Vec<(String, u64, u64)>,
}

impl Comparison {
    fn add(&mut self, name: &str, plan: &MemoryPlan, measured: u64) {
        let (planned, peak) = (plan.peak().total().0, plan.peak().name);
        let ratio = planned as f64 / measured as f64;
        println!("| {name} | {peak} | {planned} | {measured} | {:+.1} % |", 100.0 * (ratio - 1.0));
        if (ratio - 1.0).abs() > TOLERANCE {
            self.far.push((name.into(), planned, measured));
        }
    }

    #[track_caller]
    fn check(&self) {
        assert!(self.far.is_empty(), "{:?}", self.far);
    }
}

#[test]
fn plans_match_measurements() {
    let shapes = SHAPES.map(|(name, settings)| (name, 3, settings.to_owned()));
    let whole = |settings| format!("algorithm.kind = 'reinforce'\n{settings}");
    let shapes = shapes.into_iter().chain(WHOLE_EPISODES.map(|(name, updates, more)| (name, updates, whole(more))));
    let mut comparison = Comparison::default();
    for (name, updates, settings) in shapes {
        let config = config(&settings);
        let plan = MemoryPlan::of(&config, &envs::spec(&config.env.name).unwrap());
        comparison.add(name, &plan, measured_apart(&settings, updates, []));
    }
    comparison.check();
}

#[test]
fn plans_for_images_match_measurements() {
    register_images();
    let mut comparison = Comparison::default();
    for (name, settings) in IMAGES {
        let config = config(settings);
        let plan = MemoryPlan::of(&config, &envs::spec(&config.env.name).unwrap());
        comparison.add(name, &plan, measured_apart(settings, 2, []));
    }
    comparison.check();
}

#[test]
fn plans_for_checkpoints_match_measurements() {
    let folder = tempfile::tempdir().unwrap();
    let many = "num_envs = 5000\nnum_steps = 2\nnum_minibatches = 1\nhidden_sizes = []";
    let normalized = "normalize_observations = true\nnormalize_rewards = true";
    let mut comparison = Comparison::default();
    for settings in [
        "hidden_sizes = [1024, 1024]\nnum_envs = 2\nnum_steps = 16".into(),
        "num_envs = 4096\nnum_steps = 2\nhidden_sizes = []".into(),
        many.into(),
        format!("{many}\n{normalized}"),
        format!("{many}\n{normalized}\nname = 'Acrobot-v1'"),
        format!("{many}\nname = 'Pendulum-v1'"),
        "name = 'Pendulum-v1'\nnum_envs = 5000\nnum_steps = 2\nexploration = { sde = {} }".into(),
        format!("{many}\nrecurrence = {{ cell = 'gru', size = 32, burn_in = 2, sequence_steps = 2 }}"),
    ] {
        let config = config(&settings);
        let spec = envs::spec(&config.env.name).unwrap();
        let plan = MemoryPlan::of(&config, &spec).with_checkpoints(&config, &spec);
        let path = folder.path().join("checkpoint");
        let measured = measured_apart(&settings, 3, [(CHECKPOINT, path.as_os_str())]);
        comparison.add(&format!("{settings:?}"), &plan, measured);
    }
    comparison.check();
}

#[test]
fn plans_for_evaluations_match_measurements() {
    let few = "num_envs = 2\nnum_steps = 4\nnum_minibatches = 1\nhidden_sizes = [16]\nevaluation.episodes = 20000";
    let mut comparison = Comparison::default();
    for more in
        ["", "normalize_observations = true", "name = 'Pendulum-v1'", "recurrence = { cell = 'gru', size = 16 }"]
    {
        let settings = format!("{few}\n{more}");
        let config = config(&settings);
        let spec = envs::spec(&config.env.name).unwrap();
        let plan = MemoryPlan::of(&config, &spec).with_evaluation(&config, &spec);
        let measured = measured_apart(&settings, 1, [(EVALUATION, OsStr::new("yes"))]);
        comparison.add(&format!("evaluation, {more:?}"), &plan, measured);
    }
    comparison.check();
}

/// The reason why gradient checkpointing is not offered, see `docs/memory.md`.
#[test]
fn kernels_take_less_than_checkpointing_would() {
    // gSDE noise: other policies do not use autodiff.
    let once =
        "name = 'Pendulum-v1'\nalgorithm.kind = 'a2c'\nactivation = 'relu'\nnum_envs = 64\nexploration = { sde = {} }";
    for hidden in ["[64, 64]", "[256, 256]"] {
        let settings = format!("{once}\nhidden_sizes = {hidden}");
        let [kernels, again] =
            ["false", "true"].map(|again| measured_apart(&settings, 1, [(CHECKPOINTING, OsStr::new(again))]));
        println!("{hidden}: kernels {kernels}, checkpointing {again}");
        assert!(kernels < again, "{hidden}: {kernels}, {again}");
    }
}

/// Does nothing unless the environment variable names a shape.
#[test]
fn measures_the_shape_of_the_environment_variable() {
    let Ok(settings) = env::var(SHAPE) else { return };
    register_images();
    let device = Device::flex();
    let device = match env::var(CHECKPOINTING).as_deref() {
        Ok("true") => device.autodiff().gradient_checkpointing(),
        _ => device,
    };
    let updates = env::var(UPDATES).unwrap().parse().unwrap();
    println!("\nmeasured: {}", measured(&config(&settings), &device, updates));
}
