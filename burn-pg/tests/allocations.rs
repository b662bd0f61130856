//! Acting on the host allocates nothing.
#![cfg(feature = "flex")]

use burn::tensor::Device;
use burn_pg::{
    envs::{EnvRng, make},
    policy::{ActorCritic, Exploration, HostWorkspace, MlpActorCritic, MlpShape},
};

#[test]
fn no_action_after_the_first_allocates() {
    for (id, squash, rows) in [("CartPole-v1", false, 1), ("Pendulum-v1", true, 1), ("Acrobot-v1", false, 64)] {
        let mut envs = make(id, rows).unwrap();
        let shape = MlpShape { exploration: Exploration { squash, ..Exploration::default() }, ..MlpShape::default() };
        let policy = MlpActorCritic::new(envs.spec(), &shape, &mut EnvRng::new(0), &Device::flex()).unwrap();
        let policy = policy.on_host().unwrap();
        let mut workspace = HostWorkspace::new(&envs.spec().action_space);
        let observations = envs.reset(1).unwrap().observations.clone();
        policy.act(&observations, &[], &mut workspace).unwrap();
        let counted = allocation_counter::measure(|| {
            for _ in 0..100 {
                policy.act(&observations, &[], &mut workspace).unwrap();
            }
        });
        assert_eq!(counted.count_total, 0, "{id}");
    }
}
