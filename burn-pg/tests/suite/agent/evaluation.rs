//! Evaluations of agents, and the environments that they refuse.

use burn::module::Module;
use burn_pg::{
    Agent, Config, Error, Trainer,
    agent::EnvMisfit,
    envs::{
        EnvRng, SeedSequence, VectorEnv, make, spec,
        wrapper::{ActionTransform, Normalize, ObservationNormalizer, TransformActions},
    },
    evaluate, evaluate_episodes,
    policy::{ActorCritic, Exploration, HostWorkspace, NetworkSpec, Policy},
};

use super::pendulum;
use crate::helpers::flex;

/// Returns environments like those of an evaluation of the pendulum, wrapped by hand.
fn wrapped(num_envs: usize, normalizer: ObservationNormalizer) -> Normalize<Box<dyn VectorEnv>> {
    let transform = ActionTransform::rescale(&spec("Pendulum-v1").unwrap().action_space).unwrap();
    let envs = TransformActions::new(make("Pendulum-v1", num_envs).unwrap(), transform).unwrap();
    Normalize::with_normalizers(Box::new(envs) as Box<dyn VectorEnv>, Some(normalizer), None).unwrap()
}

/// Returns the returns of `policy` in the episodes of an evaluation with `seed`, in environments wrapped by hand.
fn returns_when_wrapped(policy: &ActorCritic, normalizer: ObservationNormalizer, seed: u64) -> Vec<f64> {
    let mut envs = wrapped(3, normalizer);
    let [seed] = SeedSequence::stream(seed, &[4]).generate();
    envs.reset(seed).unwrap();
    let policy = policy.on_host().unwrap();
    let mut workspace = HostWorkspace::new(&envs.spec().action_space);
    // All episodes are truncated after 200 steps.
    for _ in 0..200 {
        let actions = policy.act(&envs.batch().observations, &[], &mut workspace).unwrap();
        envs.step(actions.as_actions()).unwrap();
    }
    assert_eq!(envs.batch().truncated, [true; 3]);
    envs.batch().episode_returns.clone()
}

#[test]
fn an_evaluation_on_raw_environments_equals_one_on_wrapped_environments() {
    let (policy, normalizer) = pendulum();
    let expected = returns_when_wrapped(&policy, normalizer.clone(), 5);
    let spec = spec("Pendulum-v1").unwrap();
    let agent = Agent::new(policy.clone(), spec.clone(), Some(normalizer)).unwrap();
    let evaluation = evaluate(&agent, make("Pendulum-v1", 3).unwrap(), 5, false).unwrap();
    assert_eq!(evaluation.returns, expected);
    // Without the normaliser the returns differ.
    let without = Agent::new(policy, spec, None).unwrap();
    let without = evaluate(&without, make("Pendulum-v1", 3).unwrap(), 5, false).unwrap();
    assert_ne!(without.returns, expected);
}

#[test]
fn an_evaluation_says_after_each_step_how_many_episodes_have_ended() {
    let spec = spec("CartPole-v1").unwrap();
    let policy = ActorCritic::new(&spec, &NetworkSpec::default(), &mut EnvRng::new(2), &flex()).unwrap();
    let agent = Agent::new(policy, spec, None).unwrap();
    let mut seen = Vec::new();
    let envs = || make("CartPole-v1", 5).unwrap();
    let evaluation = evaluate_episodes(&agent, envs(), envs().num_envs(), 3, false, |ended| seen.push(ended)).unwrap();
    let ended_by = |step: usize| evaluation.lengths.iter().filter(|&&length| length as usize <= step).count();
    let longest = *evaluation.lengths.iter().max().unwrap() as usize;
    assert!(seen.into_iter().eq((1..=longest).map(ended_by)));
    assert_eq!(evaluation, evaluate(&agent, envs(), 3, false).unwrap());
}

#[test]
fn the_agent_of_a_trainer_is_evaluated_as_it_was_trained() {
    let exploration = Exploration { squash: true, ..Exploration::default() };
    let config = Config::default().with(|config| {
        config.env.name = "Pendulum-v1".into();
        config.env.num_envs = 8;
        config.rollout.num_steps = 32;
        config.run.total_steps = 1024;
        config.env.normalize_observations = true;
        config.env.normalize_rewards = true;
        config.network.exploration = exploration;
    });
    let config = config.validate().unwrap();
    let mut trainer = Trainer::of(&config, &flex()).unwrap();
    for _ in 0..3 {
        trainer.update().unwrap();
    }
    let normalizer = trainer.observation_normalizer().cloned().unwrap();
    let expected = returns_when_wrapped(&trainer.policy().valid(), normalizer, 5);
    let agent = trainer.agent().unwrap();
    assert_eq!(evaluate(&agent, agent.make_envs(3).unwrap(), 5, false).unwrap().returns, expected);
}

#[test]
fn wrapped_or_different_environments_are_refused() {
    let (policy, normalizer) = pendulum();
    let agent = Agent::new(policy, spec("Pendulum-v1").unwrap(), Some(normalizer.clone())).unwrap();
    let refused = |envs: Box<dyn VectorEnv>| match evaluate(&agent, envs, 0, false) {
        Err(Error::EnvMisfit(misfit)) => misfit,
        other => panic!("{other:?}"),
    };
    let envs = Normalize::with_normalizers(make("Pendulum-v1", 1).unwrap(), Some(normalizer.clone()), None).unwrap();
    assert!(matches!(refused(Box::new(envs)), EnvMisfit::Normalized { .. }));
    assert!(matches!(refused(Box::new(wrapped(1, normalizer))), EnvMisfit::Space { what: "action", .. }));
    let other = refused(make("CartPole-v1", 1).unwrap());
    assert!(matches!(other, EnvMisfit::Space { what: "observation", .. }));
    let message = other.to_string();
    for part in ["`Pendulum-v1`", "Box[3]", "`CartPole-v1`", "Box[4]", "without wrappers"] {
        assert!(message.contains(part), "{message}");
    }
}
