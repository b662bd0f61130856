//! A seed repeats a run.

use burn::{
    module::{Module, ModuleMapper, Param},
    nn::Initializer,
    tensor::Tensor,
};
use burn_pg::{
    algorithm::{Recipe, seeded},
    device::Backend,
    envs::EnvRng,
    policy::{ActorCritic, UnsupportedSpace},
};

use super::{metrics, trainer};
use crate::helpers::{flex, on_threads, parameters, small};
use crate::precision::open_devices;
use crate::settings::ppo_of;

#[test]
fn a_seed_repeats_a_run_with_any_number_of_threads() {
    // Enough environments that they are stepped in parallel.
    let config = small().with(|config| {
        config.env.num_envs = 512;
        config.rollout.num_steps = 4;
        config.run.total_steps = 8_192;
        ppo_of(config).num_minibatches = 4;
    });
    let run = |threads: usize, seed: u64| {
        on_threads(threads, || {
            let mut trainer = trainer(config.clone().with(|config| config.run.seed = seed), Backend::Flex);
            (metrics(&mut trainer), parameters(trainer.policy()))
        })
    };
    let once = run(1, 5);
    assert_eq!(once, run(1, 5));
    assert_eq!(once, run(4, 5));
    assert_ne!(once, run(1, 6));
    for backend in open_devices().into_iter().map(|open| open.backend) {
        let run = || metrics(&mut trainer(small(), backend));
        assert_eq!(run(), run(), "{backend}");
    }
}

/// Burn initialises these layers from its own generator, when they are first used.
#[test]
fn a_seed_repeats_the_weights_of_burns_initialisers_while_others_draw_theirs() {
    let weights = |seed: u64| {
        let config = small().with(|config| config.run.seed = seed).validate().unwrap();
        let device = flex();
        let envs = burn_pg::envs::make(&config.env.name, config.env.num_envs).unwrap();
        let recipe = Recipe::of(&config).unwrap();
        let trainer = recipe.build_with(envs, &config, &device, |spec, rng, device| {
            Ok(ActorCritic::new(spec, &config.network()?, rng, device)?.map(&mut DrawnByBurn))
        });
        parameters(trainer.unwrap().policy())
    };
    let expected = [1, 2].map(weights);
    assert_ne!(expected[0], expected[1]);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let expected = &expected;
            scope.spawn(move || {
                for round in 0..20 {
                    let i = (thread + round) % 2;
                    assert_eq!(weights([1, 2][i]), expected[i]);
                }
            });
        }
    });
}

#[test]
fn a_seed_repeats_the_weights_of_a_policy_that_no_recipe_creates() {
    let config = small().validate().unwrap();
    let device = flex();
    let spec = burn_pg::envs::spec(&config.env.name).unwrap();
    let weights = |seed: u64| {
        let policy = seeded(seed, &device, || {
            let policy =
                ActorCritic::new(&spec, &config.network().unwrap(), &mut EnvRng::new(1), &device.clone().autodiff())?;
            Ok::<_, UnsupportedSpace>(policy.map(&mut DrawnByBurn))
        });
        parameters(&policy.unwrap())
    };
    assert_eq!(weights(1), weights(1));
    assert_ne!(weights(1), weights(2));
}

/// Replaces the weights of a policy with weights that Burn draws.
struct DrawnByBurn;

impl ModuleMapper for DrawnByBurn {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (shape, device) = (param.shape(), param.device());
        Initializer::Normal { mean: 0.0, std: 1.0 }.init(shape, &device)
    }
}
