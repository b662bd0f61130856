//! Lesson 3: REINFORCE in one file. The loop is written out, from sampled episodes to the step of the optimiser.
//!
//! Sections 1 to 5 of `docs/policy-gradients.md` explain what each line computes, and why.
//!
//! `cargo run --release -p burn-pg-examples --example 03_reinforce`
#![forbid(unsafe_code)]

use burn_pg::{
    Agent, DeviceChoice, Error,
    advantage::{AdvantageEstimator, Bootstrap, RewardToGo},
    burn::module::Module,
    device,
    envs::{EnvRng, make},
    evaluate,
    loss::{LossTerm, PolicyGradient},
    optim::{Adam, AdamSpec, Optimiser, flatten_gradients, flatten_parameters, replace_parameters},
    policy::{ActorCritic, NetworkSpec},
    source::{Batch, Collector, RolloutLength, Samples},
};

const ENV: &str = "CartPole-v1";
const SEED: u64 = 1;

fn main() -> Result<(), Error> {
    println!("greedy: mean return {:.1} over 20 episodes", train()?);
    Ok(())
}

/// Trains a policy and returns its mean return in fresh episodes.
///
/// # Errors
/// If the device is unavailable, or training fails.
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
        // Sample: one whole episode in each environment, without an autodiff graph.
        let rollout = collector.collect(&policy.valid())?;

        // Estimate: the discounted rewards that followed each action.
        rollout.set_targets(&estimator.estimate(&rollout.trajectory()));
        let batch = Batch::upload(rollout, &autodiff);

        // Improve: the log-probabilities of the same actions, now with a graph. Every reward of CartPole is 1, so all
        // returns are positive; shifted to mean 0, they make actions with less than the average return less likely.
        let batch = Samples::<ActorCritic>::with_normalized_advantages(batch);
        let losses = PolicyGradient.compute(&batch.context(&policy)).loss;
        let gradient = flatten_gradients(&policy, &losses.mean().backward());
        let parameters = optimiser.step(1e-2, flatten_parameters(&policy), gradient);
        policy = replace_parameters(policy, parameters);

        let return_mean = collector.episodes().return_mean().unwrap_or(f64::NAN);
        println!("update {update:2}, {:6} steps: mean return {return_mean:.1}", collector.env_steps());
    }

    let agent = Agent::new(policy, collector.spec().clone(), None)?;
    let evaluation = evaluate(&agent, make(ENV, 20)?, SEED, false)?;
    Ok(evaluation.return_mean())
}
