//! Helpers for tests that train or use a policy.

use std::ops::ControlFlow;

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::{Device, Tensor},
};
use burn_pg::{
    Config, UpdateStats,
    config::PpoConfig,
    device::{self, Backend, DeviceChoice},
    envs::EnvRng,
    loss::{LossContext, LossTerm, PerSample},
};

use crate::precision::values;

/// Opens a device of a compiled backend.
pub fn open(backend: Backend) -> Device {
    device::open(DeviceChoice::Backend(backend)).unwrap().device
}

/// Opens the device of the `flex` backend.
pub fn flex() -> Device {
    open(Backend::Flex)
}

/// Runs `work` on `threads` threads.
pub fn on_threads<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

/// A short PPO run: two updates of CartPole.
pub fn small() -> Config {
    Config::default().with(|config| {
        config.run.total_steps = 64;
        config.env.num_envs = 2;
        config.rollout.num_steps = 16;
        config.network.hidden_sizes = vec![8];
        config.algorithm = PpoConfig { num_epochs: 2, num_minibatches: 2, ..PpoConfig::default() }.into();
    })
}

/// A loss term of a user's own, which is not fused: its form is not known.
pub struct Own;

impl LossTerm for Own {
    fn name(&self) -> &'static str {
        "own_loss"
    }

    fn compute(&self, context: &LossContext<'_>) -> PerSample {
        PerSample::new(context.log_probs().square())
    }
}

/// An observer that ignores the statistics and lets the run continue.
pub fn ignore(_: &UpdateStats) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Returns the statistics with time fields of 0, so that those of two runs can be compared.
pub fn without_time(stats: &UpdateStats) -> UpdateStats {
    UpdateStats { elapsed_seconds: 0.0, steps_per_second: 0.0, ..stats.clone() }
}

/// Returns all weights of a module, in double precision.
pub fn parameters<M: Module>(module: &M) -> Vec<f64> {
    struct Values(Vec<f64>);
    impl ModuleVisitor for Values {
        fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
            self.0.extend(values(parameter.val()));
        }
    }
    let mut all = Values(Vec::new());
    module.visit(&mut all);
    all.0
}

/// Adds a random number to every weight, so that no bias is 0, no standard deviation is 1, and actions differ from state
/// to state.
pub struct AddNoise(pub EnvRng);

impl ModuleMapper for AddNoise {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        parameter.map(|old| {
            #[allow(clippy::cast_possible_truncation)]
            let noise: Vec<f32> = (0..old.shape().num_elements()).map(|_| self.0.uniform(-0.4, 0.4) as f32).collect();
            let noise: Tensor<1> = Tensor::from_floats(&noise[..], &old.device());
            old.clone() + noise.reshape(old.shape())
        })
    }
}
