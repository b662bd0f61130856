//! What a rollout records, especially at the ends of episodes.

use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor},
};
use burn_pg::{
    Agent, Config,
    advantage::{AdvantageEstimator, Bootstrap, Gae, RewardToGo},
    algorithm::Recipe,
    config::PpoConfig,
    distribution::{Categorical, Distribution},
    envs::{ActionBuffer, Autoreset, Env, EnvRng, EnvSpec, Space, Step, VecEnv, VectorEnv, classic::CartPole},
    evaluate,
    loss::{Objective, PolicyGradient},
    policy::{ActorCritic, NetworkSpec, Observation, Policy, Prediction},
    ranks::Ranks,
    source::{Batch, Collector, Rollout, RolloutLength},
};

use crate::helpers::flex;
use crate::policy_with_learner::shuffled;

/// A policy whose value is the observation and whose action is always 1.
#[derive(Module, Debug)]
struct Probe {
    logits: Param<Tensor<1>>,
}

impl Policy for Probe {
    type Observation = Observation;
    type Dist = Categorical;

    fn forward(&self, observation: Observation) -> Prediction<Categorical> {
        let logits = self.logits.val().unsqueeze::<2>().repeat_dim(0, observation.len());
        Prediction::new(Categorical::new(logits)).with_values(observation.vector().squeeze_dim(1))
    }
}

/// Observes `100 * (episode + 1) + step`. Episodes are truncated after 3 steps and terminate after `lifetime`.
pub struct Clock {
    lifetime: u8,
    episode: u8,
    step: u8,
}

impl Clock {
    /// Creates an environment that terminates after `lifetime` steps, unless it is truncated before.
    pub fn new(lifetime: u8) -> Self {
        Self { lifetime, episode: 0, step: 0 }
    }

    fn observe(&self, observation: &mut [f32]) {
        observation[0] = 100.0 * f32::from(self.episode) + f32::from(self.step);
    }
}

impl Env for Clock {
    type Action = u32;
    type State = (u8, u8);

    fn spec(&self) -> EnvSpec {
        EnvSpec { max_episode_steps: Some(3), ..EnvSpec::new("Clock", Space::symmetric(&[1000.0]), Space::discrete(2)) }
    }

    fn reset(&mut self, _: &mut EnvRng, observation: &mut [f32]) {
        self.episode += 1;
        self.step = 0;
        self.observe(observation);
    }

    fn step(&mut self, action: u32, _: &mut EnvRng, observation: &mut [f32]) -> Step {
        assert_eq!(action, 1);
        self.step += 1;
        self.observe(observation);
        Step { reward: f64::from(self.step), terminated: self.step == self.lifetime, truncated: false }
    }

    fn state(&self) -> (u8, u8) {
        (self.episode, self.step)
    }

    fn set_state(&mut self, (episode, step): (u8, u8)) {
        (self.episode, self.step) = (episode, step);
    }
}

/// A collector of rollouts of 4 steps of three environments: truncated after 3 steps, terminated after 2, both after 3.
fn collector() -> Collector {
    // Creation resets them once, so the first episode of the run is their second and observes 200.
    let envs = [9, 2, 3].map(Clock::new);
    let envs = VecEnv::from_envs(envs.into()).unwrap();
    Collector::new(Box::new(envs), RolloutLength::Steps(4), 0, &flex()).unwrap()
}

fn probe() -> Probe {
    Probe { logits: Param::from_tensor(Tensor::from_floats([-50.0, 50.0], &flex())) }
}

/// Returns column `env` of a time-major array.
fn column<T: Copy>(numbers: &[T], env: usize) -> Vec<T> {
    numbers.iter().skip(env).step_by(3).copied().collect()
}

fn check_flags(rollout: &Rollout, env: usize, terminated: [u8; 4], truncated: [u8; 4]) {
    assert_eq!(column(&rollout.terminated, env), terminated.map(|flag| flag == 1), "environment {env}");
    assert_eq!(column(&rollout.truncated, env), truncated.map(|flag| flag == 1), "environment {env}");
}

#[test]
fn truncation_bootstraps_from_the_final_observation_and_termination_does_not() {
    let mut collector = collector();
    let policy = probe();
    let rollout = collector.collect(&policy).unwrap();
    assert_eq!(rollout.len(), 12);
    assert_eq!(rollout.actions, ActionBuffer::Discrete(vec![1; 12]));
    assert!(rollout.log_probs.iter().all(|&log_prob| log_prob.abs() < 1e-6));
    assert_eq!(rollout.observations.flat(), rollout.values, "the value is the observation");

    // Truncated after 3 steps: the next value is that of 203, not of 300, where the next episode begins.
    assert_eq!(column(&rollout.values, 0), [200.0, 201.0, 202.0, 300.0]);
    assert_eq!(column(&rollout.next_values, 0), [201.0, 202.0, 203.0, 301.0]);
    assert_eq!(column(&rollout.rewards, 0), [1.0, 2.0, 3.0, 1.0]);
    check_flags(rollout, 0, [0, 0, 0, 0], [0, 0, 1, 0]);

    // Terminates after 2 steps; the second episode ends with the last step of the rollout.
    assert_eq!(column(&rollout.values, 1), [200.0, 201.0, 300.0, 301.0]);
    assert_eq!(column(&rollout.next_values, 1), [201.0, 0.0, 301.0, 0.0]);
    check_flags(rollout, 1, [0, 1, 0, 1], [0, 0, 0, 0]);

    // Terminates when the time limit is reached: both flags, and no bootstrap.
    assert_eq!(column(&rollout.values, 2), [200.0, 201.0, 202.0, 300.0]);
    assert_eq!(column(&rollout.next_values, 2), [201.0, 202.0, 0.0, 301.0]);
    check_flags(rollout, 2, [0, 0, 1, 0], [0, 0, 1, 0]);
}

#[test]
fn episodes_continue_in_the_next_rollout_and_are_counted() {
    let mut collector = collector();
    let policy = probe();
    collector.collect(&policy).unwrap();
    assert_eq!(collector.episodes().count(), 4);
    // The returns are 1 + 2 + 3 in two environments, and 1 + 2 twice.
    assert_eq!(collector.episodes().return_mean(), Some((6.0 + 6.0 + 3.0 + 3.0) / 4.0));
    assert_eq!(collector.episodes().length_mean(), Some((3.0 + 3.0 + 2.0 + 2.0) / 4.0));

    let rollout = collector.collect(&policy).unwrap();
    assert_eq!(column(&rollout.values, 0), [301.0, 302.0, 400.0, 401.0]);
    assert_eq!(column(&rollout.next_values, 0), [302.0, 303.0, 401.0, 402.0]);
    check_flags(rollout, 0, [0, 0, 0, 0], [0, 1, 0, 0]);
    assert_eq!(collector.env_steps(), 24);
}

#[test]
fn a_rollout_of_episodes_holds_one_per_environment() {
    let envs = [9, 2, 3].map(Clock::new);
    let envs = VecEnv::from_envs(envs.into()).unwrap();
    let mut collector = Collector::new(Box::new(envs), RolloutLength::Episodes, 0, &flex()).unwrap();
    for _ in 0..2 {
        let rollout = collector.collect(&probe()).unwrap();
        let whole: Vec<f32> = rollout.observations.flat().iter().map(|o| o % 100.0).collect();
        // The episode of the second environment ends after two steps; its third step is of another episode.
        assert_eq!(whole, [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 2.0, 0.0, 2.0]);
        assert_eq!(rollout.valid, [true, true, true, true, true, true, true, false, true]);
    }
    assert_eq!(collector.env_steps(), 18);
}

#[test]
fn a_reset_in_place_of_a_step_is_recorded_and_not_learnt_from() {
    let mut envs = VecEnv::from_envs([9, 2, 3].map(Clock::new).into()).unwrap();
    envs.set_autoreset(Autoreset::NextStep).unwrap();
    let mut collector = Collector::new(Box::new(envs), RolloutLength::Steps(5), 0, &flex()).unwrap();
    let rollout = collector.collect(&probe()).unwrap();

    // Truncated after 3 steps: the fourth row has the final observation and resets the environment.
    assert_eq!(column(&rollout.values, 0), [200.0, 201.0, 202.0, 203.0, 300.0]);
    assert_eq!(column(&rollout.next_values, 0), [201.0, 202.0, 203.0, 300.0, 301.0]);
    assert_eq!(column(&rollout.rewards, 0), [1.0, 2.0, 3.0, 0.0, 1.0]);
    assert_eq!(column(&rollout.truncated, 0), [false, false, true, false, false]);
    assert_eq!(column(&rollout.valid, 0), [true, true, true, false, true]);
    assert_eq!(column(&rollout.begins, 0), [true, false, false, true, true]);
    // Terminates after 2 steps.
    assert_eq!(column(&rollout.values, 1), [200.0, 201.0, 202.0, 300.0, 301.0]);
    assert_eq!(column(&rollout.next_values, 1), [201.0, 0.0, 300.0, 301.0, 0.0]);
    assert_eq!(column(&rollout.valid, 1), [true, true, false, true, true]);

    // The advantages of the other rows are those of rollouts without such rows.
    let estimator = Gae { gamma: 0.9, lambda: 0.5 };
    let targets = estimator.estimate(&rollout.trajectory());
    let mut same_step = self::collector();
    let expected = estimator.estimate(&same_step.collect(&probe()).unwrap().trajectory());
    let learnt: Vec<f64> = (0..15).filter(|&row| rollout.valid[row]).map(|row| targets.advantages[row]).collect();
    let [ours, expected] = [learnt, expected.advantages].map(|mut advantages| {
        advantages.sort_by(f64::total_cmp);
        advantages
    });
    assert_eq!(ours, expected);
    rollout.set_targets(&targets);
    let batch = Batch::upload(rollout, &flex());
    assert_eq!(batch.len(), 12);
    assert_eq!(collector.episodes().count(), 4);
}

#[test]
fn blocks_of_environments_also_record_resets_in_place_of_steps() {
    let mut envs = VecEnv::<CartPole>::new(300).unwrap();
    envs.set_autoreset(Autoreset::NextStep).unwrap();
    let policy = ActorCritic::new(envs.spec(), &NetworkSpec::default(), &mut EnvRng::new(0), &flex()).unwrap();
    let mut collector = Collector::new(Box::new(envs), RolloutLength::Steps(60), 0, &flex()).unwrap();
    let rollout = collector.collect(&policy).unwrap();
    assert_eq!(rollout.valid.len(), rollout.len());
    let (mut resets, before) = (0, rollout.len() - 300);
    for row in 0..before {
        let ended = rollout.terminated[row] || rollout.truncated[row];
        assert_eq!(rollout.valid[row + 300], !ended, "row {row}");
        assert_eq!(rollout.begins[row + 300], ended || !rollout.valid[row], "row {row}");
        resets += usize::from(ended);
    }
    assert!(resets > 300, "{resets}");
    // A rollout of whole episodes ends with them.
    let mut envs = VecEnv::<CartPole>::new(3).unwrap();
    envs.set_autoreset(Autoreset::NextStep).unwrap();
    let mut collector = Collector::new(Box::new(envs), RolloutLength::Episodes, 0, &flex()).unwrap();
    let rollout = collector.collect(&policy).unwrap();
    let learnt = rollout.valid.iter().filter(|&&valid| valid).count();
    let lengths = collector.episodes().length_mean().unwrap() * collector.episodes().count() as f64;
    assert!(learnt > 20 && learnt as f64 <= lengths, "{learnt} of {lengths}");
}

/// Three actions, of which another one is masked in each step; a masked action panics.
#[derive(Default)]
struct Turns(u32);

impl Env for Turns {
    type Action = u32;
    type State = u32;

    fn spec(&self) -> EnvSpec {
        EnvSpec {
            id: "Turns".into(),
            action_space: Space::discrete(3),
            max_episode_steps: Some(5),
            masks_actions: true,
            ..Clock::new(0).spec()
        }
    }

    fn reset(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
        self.0 = rng.below(3);
        observation[0] = 0.0;
    }

    fn step(&mut self, action: u32, _: &mut EnvRng, _: &mut [f32]) -> Step {
        assert_ne!(action, self.0, "impossible");
        self.0 = (self.0 + 1) % 3;
        Step { reward: 0.0, terminated: false, truncated: false }
    }

    fn action_mask(&self, mask: &mut [bool]) {
        for (action, possible) in (0..).zip(mask) {
            *possible = action != self.0;
        }
    }

    fn state(&self) -> u32 {
        self.0
    }

    fn set_state(&mut self, state: u32) {
        self.0 = state;
    }
}

#[test]
fn masked_actions_are_never_taken_and_masks_reach_the_minibatches() {
    let envs = VecEnv::<Turns>::new(4).unwrap();
    let rng = &mut EnvRng::new(0);
    let policy = ActorCritic::new(&Turns::default().spec(), &NetworkSpec::default(), rng, &flex()).unwrap();
    let mut collector = Collector::new(Box::new(envs), RolloutLength::Steps(50), 0, &flex()).unwrap();
    let rollout = collector.collect(&policy).unwrap();
    assert_eq!(rollout.action_masks.len(), 4 * 50 * 3);
    assert!(rollout.action_masks.chunks_exact(3).all(|mask| mask.iter().filter(|&&possible| possible).count() == 2));
    // Two actions are possible, and the initial policy is nearly uniform.
    assert!(rollout.log_probs.iter().all(|log_prob| (log_prob + 2.0_f32.ln()).abs() < 0.05));

    let targets = Gae { gamma: 0.9, lambda: 0.9 }.estimate(&rollout.trajectory());
    rollout.set_targets(&targets);
    let batch = shuffled(&Batch::upload(rollout, &flex()), rng);
    for minibatch in batch.minibatches(64) {
        let log_probs = policy.forward(minibatch.observations.clone()).distribution.log_prob(&minibatch.actions);
        let difference = (log_probs - minibatch.log_probs).abs().max().into_scalar::<f32>();
        assert!(difference < 1e-5, "{difference}");
    }
    let envs = Box::new(VecEnv::<Turns>::new(4).unwrap());
    let agent = Agent::new(policy, Turns::default().spec(), None).unwrap();
    assert_eq!(evaluate(&agent, envs, 0, false).unwrap().lengths, [5; 4]);
}

#[test]
fn invalid_steps_do_not_count_in_explained_variance() {
    let envs = [9, 2, 3].map(Clock::new);
    let envs = VecEnv::from_envs(envs.into()).unwrap();
    let config = Config::default().with(|config| {
        config.env.num_envs = 3;
        config.rollout.num_steps = 3;
        config.run.total_steps = 9;
        config.algorithm = PpoConfig { num_minibatches: 1, ..PpoConfig::default() }.into();
    });
    let config = config.validate().unwrap();
    let recipe = Recipe {
        length: RolloutLength::Episodes,
        estimator: Box::new(RewardToGo { gamma: 1.0, baseline: true, bootstrap: Bootstrap::Zero }),
        objective: Objective::new().with(1.0, PolicyGradient),
        trust_region: None,
        ranks: Ranks::default(),
    };
    let policy = |_: &EnvSpec, _: &mut EnvRng, device: &Device| {
        Ok(Probe { logits: Param::from_tensor(Tensor::from_floats([-50.0, 50.0], device)) })
    };
    let mut trainer = recipe.build_with(Box::new(envs), &config, &flex(), policy).unwrap();
    // Rewards are 1, 2 and 3. Returns are 6, 5 and 3 in the two episodes of three steps, and 3 and 2 in the one of two, whose
    // environment takes its third step in another episode. Values grow by 1 each step.
    let variance = |numbers: [f64; 8]| {
        let mean = numbers.iter().sum::<f64>() / 8.0;
        numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / 8.0
    };
    let returns = [6.0, 5.0, 3.0, 3.0, 2.0, 6.0, 5.0, 3.0];
    let steps = [0.0, 1.0, 2.0, 0.0, 1.0, 0.0, 1.0, 2.0];
    let errors = std::array::from_fn(|i| returns[i] - steps[i]);
    let explained = trainer.update().unwrap().explained_variance.unwrap();
    assert!((explained - (1.0 - variance(errors) / variance(returns))).abs() < 1e-9, "{explained}");
}
