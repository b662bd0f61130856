//! Agents with a user's own network.

use burn::{
    module::Module,
    nn::{Linear, LinearConfig},
    tensor::Device,
};
use burn_pg::{
    Agent, Config,
    algorithm::Recipe,
    config::{Algo, CheckedConfig},
    distribution::SquashedGaussian,
    envs::{ActionBuffer, EnvSpec, Space, make, spec},
    policy::{Exploration, Observation, Policy, Prediction},
    run::directory::RunDir,
};

use super::pendulum;
use crate::helpers::flex;

/// A user's own network with squashed actions.
#[derive(Module, Debug)]
struct OneLayer {
    layer: Linear,
}

impl OneLayer {
    fn new(environment: &EnvSpec, device: &Device) -> Self {
        let [inputs, outputs] = [&environment.observation_space, &environment.action_space].map(Space::flat_len);
        Self { layer: LinearConfig::new(inputs, outputs).init(device) }
    }
}

impl Policy for OneLayer {
    type Observation = Observation;
    type Dist = SquashedGaussian;

    fn forward(&self, observation: Observation) -> Prediction<SquashedGaussian> {
        let mean = self.layer.forward(observation.vector());
        Prediction::new(SquashedGaussian::new(mean.clone(), mean.zeros_like()))
    }
}

#[test]
fn a_users_own_network_is_saved_and_opened_as_an_agent() {
    let spec = spec("Pendulum-v1").unwrap();
    let (_, normalizer) = pendulum();
    let agent = Agent::new(OneLayer::new(&spec, &flex()), spec, Some(normalizer)).unwrap();
    let rows = [0.6, 0.8, 1.0, -1.0, 0.0, -8.0];
    let decision = agent.decide(&rows, &[], None).unwrap();
    // The distribution is squashed, so actions are rescaled from ±1 to the bounds ±2.
    let ActionBuffer::Continuous(actions) = &decision.actions else { panic!("{decision:?}") };
    for (action, parameters) in actions.iter().zip(decision.parameters.chunks_exact(2)) {
        assert!((action - 2.0 * parameters[0].tanh()).abs() < 1e-6, "{decision:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let dir = RunDir::create(&folder.path().join("run")).unwrap();
    dir.write_config(&Config::default().with(|config| config.env.normalize_observations = true)).unwrap();
    agent.save(&dir).unwrap();
    let opened = Agent::open_with(&dir, |spec, _| Ok(OneLayer::new(spec, &flex()))).unwrap();
    assert_eq!(opened.decide(&rows, &[], None).unwrap(), decision);
    assert_eq!(agent.player(2).act(&rows, &[]).unwrap(), &decision.actions);
}

#[test]
fn a_users_own_network_is_loaded_from_a_checkpoint_as_an_agent() {
    let exploration = Exploration { squash: true, ..Exploration::default() };
    let config = Config::default().with(|config| {
        config.env.name = "Pendulum-v1".into();
        config.env.num_envs = 1;
        config.run.total_steps = 400;
        config.algorithm = Algo::Reinforce.into();
        config.network.exploration = exploration;
    });
    let config = config.validate().unwrap();
    let recipe = Recipe::of(&config).unwrap();
    let envs = make("Pendulum-v1", 1).unwrap();
    let mut trainer =
        recipe.build_with(envs, &config, &flex(), |spec, _, device| Ok(OneLayer::new(spec, device))).unwrap();
    trainer.update().unwrap();
    let checkpoint = trainer.checkpoint().unwrap();
    let blank = |spec: &EnvSpec, _: &CheckedConfig| Ok(OneLayer::new(spec, &flex()));
    let loaded = Agent::of_checkpoint_with(&checkpoint, blank).unwrap();
    let decided = |agent: &Agent<OneLayer>| agent.decide(&[0.6, 0.8, 1.0], &[], None).unwrap();
    assert_eq!(decided(&loaded), decided(&trainer.agent().unwrap()));
}
