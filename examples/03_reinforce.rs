//! Lesson 3: REINFORCE in one file. The loop is written out, from sampled episodes to the step of the optimiser.
//!
//! What each line of it computes, and why: `docs/policy-gradients.md`, sections 1 to 5.
//!
//! `cargo run --release -p burn-pg-examples --example 03_reinforce`
#![forbid(unsafe_code)]

use burn_pg::{
    DeviceChoice, Error,
    advantage::{AdvantageEstimator, Bootstrap, RewardToGo},
    burn::module::Module,
    device,
    distribution::Distribution,
    envs::{EnvRng, make},
    evaluate,
    loss::{LossContext, LossTerm, PolicyGradient, normalize},
    optim::{Adam, AdamSpec, Optimiser, flatten_gradients, flatten_parameters, replace_parameters},
    policy::{ActorCritic, NetworkSpec, Policy, Prediction},
    source::{Batch, Collector, RolloutLength},
};

const ENV: &str = "CartPole-v1";
const SEED: u64 = 1;

fn main() -> Result<(), Error> {
    println!("greedy: mean return {:.1} over 20 episodes", train()?);
    Ok(())
}

/// Trains a policy, and returns its mean return in fresh episodes.
///
/// # Errors
/// If the device cannot be had, or training fails.
pub fn train() -> Result<f64, Error> {
    let device = device::open(DeviceChoice::Auto)?.device;
    let autodiff = device.clone().autodiff();
    let envs = make(ENV, 8)?;
    let shape = NetworkSpec { critic: false, ..NetworkSpec::default() };
    let mut policy = ActorCritic::new(envs.spec(), &shape, &mut EnvRng::new(SEED), &autodiff)?;
    let mut collector = Collector::new(envs, RolloutLength::Episodes, SEED, &device)?;
    let estimator = RewardToGo { gamma: 0.99, baseline: false, bootstrap: Bootstrap::Zero };
    let mut optimiser = Adam::new(AdamSpec::default());

    for update in 1..=40 {
        // Sample: one whole episode in each environment, without a graph.
        let rollout = collector.collect(&policy.valid())?;

        // Estimate: the discounted rewards that followed each action.
        let targets = estimator.estimate(&rollout.trajectory());
        let batch = Batch::new(rollout, &targets, &autodiff);

        // Climb: the same actions once more, this time with a graph. Every reward of CartPole is 1 and so every return is
        // positive; shifted to mean 0, they make an action of less than the average less likely.
        let Prediction { distribution, values, .. } = policy.forward(batch.observations);
        let loss = PolicyGradient.compute(&LossContext {
            log_probs: distribution.log_prob(&batch.actions),
            entropies: distribution.entropy(),
            values,
            old_log_probs: batch.log_probs,
            old_values: batch.values,
            advantages: normalize(batch.advantages),
            returns: batch.returns,
            reference_log_probs: None,
            progress: 0.0,
        });
        let gradient = flatten_gradients(&policy, &loss.loss.backward());
        let parameters = optimiser.step(1e-2, flatten_parameters(&policy), gradient);
        policy = replace_parameters(policy, parameters);

        let return_mean = collector.episodes().return_mean().unwrap_or(f64::NAN);
        println!("update {update:2}, {:6} steps: mean return {return_mean:.1}", collector.env_steps());
    }

    let evaluation = evaluate(&policy.valid(), make(ENV, 20)?, SEED, false, &device)?;
    Ok(evaluation.return_mean())
}
