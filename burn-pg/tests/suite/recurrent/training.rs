//! Training of recurrent policies, and configurations that are refused for them.

use burn::module::Module;
use burn_pg::{
    Config, Learner,
    algorithm::Recipe,
    config::{Algo, Recurrence, RecurrentSpec},
    distribution::Distribution,
    envs::{Env, EnvRng, EnvSpec, Space, Step, VecEnv},
    evaluate,
    loss::{Objective, PpoClip, Value},
    optim::{Schedule, Sgd, SgdSpec},
    policy::{ActorCritic, CellKind, NetworkSpec, Policy, Rows},
    source::{Collector, RolloutLength, SequenceSpec},
};

use super::batch;
use crate::helpers::{flex, ignore};
use crate::precision::{assert_close, values};
use crate::settings::ppo_of;

/// Observes -1 or 1 at first, then zeros; the reward is 1 if the last action is the one that was shown. A third action is
/// always masked.
struct Cue {
    length: u32,
    shown: u32,
    step: u32,
}

impl Env for Cue {
    type Action = u32;
    type State = (u32, u32);

    fn spec(&self) -> EnvSpec {
        EnvSpec {
            max_episode_steps: Some(20),
            masks_actions: true,
            ..EnvSpec::new("Cue", Space::symmetric(&[1.0]), Space::discrete(3))
        }
    }

    fn reset(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
        (self.shown, self.step) = (u32::from(rng.next_f64() < 0.5), 0);
        observation[0] = if self.shown == 1 { 1.0 } else { -1.0 };
    }

    fn step(&mut self, action: u32, _: &mut EnvRng, observation: &mut [f32]) -> Step {
        assert!(action < 2, "a masked action");
        self.step += 1;
        observation[0] = 0.0;
        let last = self.step == self.length;
        Step { reward: f64::from(u8::from(last && action == self.shown)), terminated: last, truncated: false }
    }

    fn action_mask(&self, mask: &mut [bool]) {
        mask.copy_from_slice(&[true, true, false]);
    }

    fn state(&self) -> (u32, u32) {
        (self.shown, self.step)
    }

    fn set_state(&mut self, (shown, step): (u32, u32)) {
        (self.shown, self.step) = (shown, step);
    }
}

fn cues_of(lengths: &[u32]) -> Box<VecEnv<Cue>> {
    Box::new(VecEnv::from_envs(lengths.iter().map(|&length| Cue { length, shown: 0, step: 0 }).collect()).unwrap())
}

fn cues(count: usize) -> Box<VecEnv<Cue>> {
    cues_of(&vec![6; count])
}

fn recurrent(cell: fn(RecurrentSpec) -> Recurrence, sequence_steps: usize, burn_in: usize) -> Config {
    Config::default().with(|config| {
        config.run.total_steps = 20_480;
        config.env.num_envs = 16;
        config.rollout.num_steps = 32;
        config.optimiser.learning_rate = Schedule::Linear { start: 5e-3, end: 0.0 }.into();
        config.network.hidden_sizes = vec![16];
        config.network.recurrence = cell(RecurrentSpec { size: 16, sequence_steps, burn_in });
    })
}

/// Trains a policy and returns its mean greedy return. A policy without recurrent state wins half of the episodes.
fn trained(config: Config) -> f64 {
    let config = config.validate().unwrap();
    let mut trainer = Recipe::of(&config).unwrap().build(cues(config.env.num_envs), &config, &flex()).unwrap();
    trainer.run(&mut ignore).unwrap();
    evaluate(&trainer.agent().unwrap(), cues(100), 7, false).unwrap().return_mean()
}

#[test]
fn a_recurrent_policy_solves_what_a_feed_forward_one_cannot() {
    assert!(trained(recurrent(Recurrence::Gru, 0, 0)) > 0.95);
    assert!(trained(recurrent(Recurrence::Lstm, 16, 8)) > 0.95);
    assert!(trained(recurrent(Recurrence::Gru, 8, 6).with(|config| config.network.shared_layers = true)) > 0.95);
    let forgetful =
        trained(recurrent(Recurrence::Gru, 0, 0).with(|config| config.network.recurrence = Recurrence::default()));
    assert!((0.3..0.7).contains(&forgetful), "{forgetful}");
}

#[test]
fn the_first_ratio_is_one_for_every_sample_of_whole_episodes_too() {
    let shape = NetworkSpec { recurrence: Some((CellKind::Gru, 8)), hidden_sizes: vec![8], ..NetworkSpec::default() };
    for (length, sequences) in [
        (RolloutLength::Episodes, SequenceSpec { steps: 0, burn_in: 0 }),
        (RolloutLength::Steps(16), SequenceSpec { steps: 4, burn_in: 6 }),
    ] {
        let envs = cues_of(&[9, 2, 3]);
        let mut collector = Collector::new(envs, length, 0, &flex()).unwrap().with_sequences(sequences);
        let policy = ActorCritic::new(
            &Cue { length: 2, shown: 0, step: 0 }.spec(),
            &shape,
            &mut EnvRng::new(5),
            &flex().autodiff(),
        )
        .unwrap();
        for _ in 0..2 {
            let rollout = collector.collect(&policy.valid()).unwrap().clone();
            let batch = batch(&rollout);
            assert_eq!(batch.len(), rollout.valid.iter().filter(|&&valid| valid).count());
            assert_eq!(batch.len() < batch.num_rows(), length == RolloutLength::Episodes);
            let ours = policy.forward(batch.observations.shown_to(&policy)).distribution.log_prob(&batch.actions);
            assert_close(&values(ours), &values(batch.log_probs.clone()), 1e-6, "log-probabilities");

            // The metrics are those of the valid samples: at ratio 1 the surrogate is the mean of the normalised
            // advantages, which is 0.
            let mut learner = Learner {
                max_grad_norm: 0.5,
                normalize_advantages: true,
                ..Learner::new(
                    Objective::new().with(1.0, PpoClip::new(0.2)).with(0.5, Value::default()),
                    Box::new(Sgd::new(SgdSpec::default())),
                )
            };
            let (_, metrics) = learner.step(&policy, batch, 0.0);
            for name in ["policy_loss", "approx_kl", "clip_fraction"] {
                let metric = metrics.iter().find(|metric| metric.0 == name).unwrap().1.clone();
                assert_close(&values(metric), &[0.0], 1e-6, name);
            }
        }
    }
}

#[test]
fn reinforce_trains_recurrent_policies() {
    // REINFORCE ignores the length of sequences and the burn-in; neither would fit `num_steps`.
    let config = recurrent(Recurrence::Gru, 5, 40).with(|config| {
        config.algorithm = Algo::Reinforce.into();
        config.run.total_steps = 2_000;
    });
    let config = config.validate().unwrap();
    let mut trainer = Recipe::of(&config).unwrap().build(cues(config.env.num_envs), &config, &flex()).unwrap();
    trainer.run(&mut ignore).unwrap();
    assert!(trainer.episodes().count() > 0);
}

#[test]
fn sequences_that_do_not_fit_a_rollout_are_refused() {
    for (sequence_steps, burn_in, num_minibatches, message) in [
        (5, 0, 4, "`network.recurrence.sequence_steps` is 5; it must be a divisor of `rollout.num_steps`, or 0"),
        (8, 33, 4, "`network.recurrence.burn_in` is 33; it must be at most `rollout.num_steps`"),
        (
            0,
            0,
            32,
            "`algorithm.num_minibatches` is 32; it must be a divisor of the sequences of a rollout, which stay whole",
        ),
    ] {
        let config = recurrent(Recurrence::Lstm, sequence_steps, burn_in)
            .with(|config| ppo_of(config).num_minibatches = num_minibatches);
        assert_eq!(config.validate().unwrap_err().to_string(), message);
    }
}
