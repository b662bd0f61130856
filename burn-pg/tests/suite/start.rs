//! Training that starts with the weights of a trained policy.

use burn_pg::{
    Agent, CheckedConfig, Config, Error, Trainer,
    algorithm::{Recipe, StartMisfit},
    config::{Algo, Recurrence, RecurrentSpec},
    envs::make,
    policy::{Activation, ActorCritic},
    run::{EarlierRun, RunDir, Session},
};

use crate::helpers::{flex, ignore, parameters, small};
use crate::{precision::assert_close, settings::ppo_of};

/// Returns an agent after two updates.
fn trained(config: &Config) -> Agent {
    let mut trainer = Trainer::of(&config.clone().validate().unwrap(), &flex()).unwrap();
    (0..2).for_each(|_| drop(trainer.update().unwrap()));
    trainer.agent().unwrap()
}

fn start(agent: &Agent, config: Config) -> Result<Trainer<ActorCritic>, Error> {
    let config: CheckedConfig = config.validate().unwrap();
    let envs = make(&config.env.name, config.env.num_envs)?;
    Recipe::of(&config)?.build_from(agent, "somewhere", envs, &config, &flex())
}

#[test]
fn the_first_rollout_and_the_reference_use_the_policy_to_start_from() {
    let recurrence = Recurrence::Lstm(RecurrentSpec { size: 4, ..RecurrentSpec::default() });
    for recurrence in [Recurrence::default(), recurrence] {
        let config = small().with(|config| config.network.recurrence = recurrence);
        let agent = trained(&config);
        let config = config.with(|config| {
            config.run.seed = 9;
            ppo_of(config).kl_in_reward = 0.1;
        });
        let mut trainer = start(&agent, config).unwrap();
        assert_eq!(parameters(trainer.policy()), parameters(agent.policy()));
        assert_eq!(trainer.init_from(), Some("somewhere"));
        let [first, second] = [(); 2].map(|()| trainer.update().unwrap().losses["kl_in_reward"]);
        assert_close(&[first], &[0.0], 1e-6, "the policy is the reference at first");
        assert!(second.abs() > 1e-6, "{second}");
    }
}

#[test]
fn observation_statistics_are_continued() {
    let config = small().with(|config| config.env.normalize_observations = true);
    let agent = trained(&config);
    let trainer = start(&agent, config.clone()).unwrap();
    let [before, after] = [agent.normalizer(), trainer.observation_normalizer()].map(|of| &of.unwrap().moments);
    // The first observations are those of a reset.
    assert_eq!(after.count, before.count + 2.0);
    assert_close(&after.mean, &before.mean, 0.2, "mean");

    let misfit = start(&agent, config.with(|config| config.env.normalize_observations = false)).err().unwrap();
    let message = "`env.normalize_observations` is false; it must be true, as for the policy to start from";
    assert_eq!(misfit.to_string(), message);
}

#[test]
fn a_missing_critic_is_created_and_an_unneeded_one_is_left_out() {
    let without = small().with(|config| {
        config.run.total_steps = 1_000;
        config.algorithm = Algo::Reinforce.into();
    });
    let (actor, both) = (trained(&without), trained(&small()));
    assert!(!actor.policy().has_critic() && both.policy().has_critic());

    let started = start(&actor, small()).unwrap();
    let fresh = Trainer::of(&small().validate().unwrap(), &flex()).unwrap();
    let [actors, started, fresh] = [actor.policy(), started.policy(), fresh.policy()].map(parameters);
    assert_eq!(started[..actors.len()], actors);
    assert_eq!(started[actors.len()..], fresh[actors.len()..]);

    let started = start(&both, without).unwrap();
    assert!(!started.policy().has_critic());
    assert_eq!(parameters(started.policy())[..], parameters(both.policy())[..actors.len()]);
}

#[test]
fn a_policy_that_does_not_fit_is_refused_with_the_tensor_or_the_setting() {
    let agent = trained(&small());
    let refused = |agent: &Agent, config: Config, part: &str| {
        let error = start(agent, config).err().unwrap();
        assert!(error.to_string().contains(part), "`{part}` is missing in: {error}");
        error
    };
    let wide = refused(
        &agent,
        small().with(|config| config.network.hidden_sizes = vec![9]),
        "tensor `actor.layers.0.bias` is F32[8], but the network needs F32[9]",
    );
    assert!(matches!(wide, Error::Start(StartMisfit::Networks(_))));
    let deep = small().with(|config| config.network.hidden_sizes = vec![8, 8]);
    refused(&agent, deep, "missing [actor.layers.2.bias, actor.layers.2.weight, critic.layers.2.bias");
    let other = small().with(|config| config.network.activation = Activation::Silu);
    refused(&agent, other, "`network.activation` is silu; it must be tanh, as for the policy to start from");
    let elsewhere = small().with(|config| config.env.name = "Acrobot-v1".into());
    let elsewhere = refused(&agent, elsewhere, "`CartPole-v1` with the observation space Box[4]");
    assert!(matches!(elsewhere, Error::EnvMisfit(_)));

    let pendulum = small().with(|config| config.env.name = "Pendulum-v1".into());
    let agent = trained(&pendulum);
    let squashed = pendulum.clone().with(|config| config.network.exploration.squash = true);
    refused(
        &agent,
        squashed,
        "`network.exploration.squash` is true; it must be false, as for the policy to start from",
    );
    // Weights replace the initial standard deviations.
    start(&agent, pendulum.with(|config| config.network.exploration.log_std = -1.0)).unwrap();
}

#[test]
fn a_run_that_stops_before_its_first_update_resumes_with_the_weights_that_it_started_with() {
    let agent = trained(&small());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    drop(Session::begin(start(&agent, small()).unwrap(), RunDir::create(&path).unwrap()).unwrap());
    let resumed = || {
        let earlier = EarlierRun::open(&path, None).unwrap();
        let trainer = Trainer::of(&earlier.config().unwrap().validate().unwrap(), &flex()).unwrap();
        assert_ne!(parameters(trainer.policy()), parameters(agent.policy()));
        earlier.resume(trainer).unwrap()
    };
    let mut session = resumed();
    assert_eq!(parameters(session.trainer().policy()), parameters(agent.policy()));
    session.train(&mut ignore).unwrap();
    drop(session);
    let session = resumed();
    assert_eq!((session.trainer().updates(), session.trainer().init_from()), (2, Some("somewhere")));
}
