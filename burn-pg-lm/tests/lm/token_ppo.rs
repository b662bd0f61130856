//! PPO for the tokens of completions, with a critic, compared with that of TRL.

use burn_pg::{
    advantage::Gae,
    burn::tensor::{Tensor, TensorData, activation::log_softmax},
    device::Backend,
    loss::{ContextPart, LossContext, Objective, PpoClip, Value, ValueClip},
};
use burn_pg_lm::learning::{token_advantages, token_rewards, whiten};
use serde_json::Value as Json;

use crate::{
    helpers::{assert_close, devices, golden, numbers},
    models::values,
};

/// Returns the first elements of each row.
fn rows(of: &Json, lengths: &[usize]) -> Vec<f64> {
    let rows = of.as_array().unwrap().iter().zip(lengths);
    rows.flat_map(|(row, &length)| numbers(row).0.into_iter().take(length)).collect()
}

#[allow(clippy::cast_possible_truncation)]
fn narrow(numbers: &[f64]) -> Vec<f32> {
    numbers.iter().map(|&number| number as f32).collect()
}

fn times(lengths: &[usize], width: usize) -> Vec<usize> {
    lengths.iter().map(|length| length * width).collect()
}

#[test]
fn rewards_advantages_and_losses_of_tokens_are_those_of_trl() {
    let data = golden("token_ppo_trl");
    let (_, device) = devices().into_iter().find(|(backend, _)| *backend == Backend::Flex).unwrap();
    let device = device.autodiff();
    for case in data["cases"].as_array().unwrap() {
        let (what, hyper, expected) = (case["name"].as_str().unwrap(), &case["hyper"], &case["expected"]);
        let number = |key: &str| hyper[key].as_f64().unwrap();
        let width = usize::try_from(case["T"].as_u64().unwrap()).unwrap();
        let lengths: Vec<usize> = serde_json::from_value(case["response_lengths"].clone()).unwrap();
        // TRL gives the score one token after the last one, if there is room, and values that too.
        let longer: Vec<usize> = lengths.iter().map(|&length| width.min(length + 1)).collect();
        let divergences = rows(&expected["kl_per_token"], &longer);
        let scores = numbers(&case["scores"]).0;
        let mut rewards = narrow(&token_rewards(&scores, &divergences, &longer, number("kl_coef")));
        if hyper["whiten_rewards"].as_bool().unwrap() {
            whiten(&mut rewards, false);
        }
        let found: Vec<f64> = rewards.iter().copied().map(f64::from).collect();
        // Rewards, values and advantages are in single precision.
        assert_close(&found, &rows(&expected["rewards"], &longer), 1e-6, what);
        let old_values = rows(&case["old_values"], &longer);
        let gae = Gae { gamma: number("gamma"), lambda: number("lam") };
        let targets = token_advantages(gae, &rewards, &narrow(&old_values), &longer);
        let shortened = |of: &[f64]| -> Vec<f64> {
            let mut rest = of;
            let rows = lengths.iter().zip(&longer).flat_map(|(&length, &longer)| {
                let (row, after) = rest.split_at(longer);
                rest = after;
                row[..length].to_vec()
            });
            rows.collect()
        };
        assert_close(&targets.returns, &rows(&expected["returns"], &longer), 1e-6, what);
        let mut advantages = narrow(&shortened(&targets.advantages));
        whiten(&mut advantages, true);
        let found: Vec<f64> = advantages.iter().copied().map(f64::from).collect();
        assert_close(&found, &rows(&expected["advantages_whitened"], &lengths), 1e-5, what);

        // The losses: of the policy over tokens, of the critic over what it values.
        let leaf = |key: &str, lengths: &[usize], width: usize| {
            let all = rows(&case[key], &times(lengths, width));
            let shape = [all.len() / width, width];
            Tensor::<2>::from_data(TensorData::new(narrow(&all), shape), &device).require_grad()
        };
        let vocabulary = usize::try_from(case["V"].as_u64().unwrap()).unwrap();
        let logits = leaf("new_logits", &lengths, vocabulary);
        let of_values = leaf("new_values", &longer, 1);
        let tokens = rows(&case["tokens"], &lengths);
        #[allow(clippy::cast_possible_truncation)]
        let tokens: Vec<i64> = tokens.iter().map(|&token| token as i64).collect();
        let tokens = Tensor::<2, burn_pg::burn::tensor::Int>::from_data(
            TensorData::new(tokens.clone(), [tokens.len(), 1]),
            &device,
        );
        let temperature = case["temperature"].as_f64().unwrap() + 1e-7;
        let log_probs: Tensor<1> = log_softmax(logits.clone() / temperature, 1).gather(1, tokens).squeeze_dim(1);
        let vector = |numbers: &[f32]| Tensor::<1>::from_data(TensorData::from(numbers), &device);
        let policy = LossContext::new(advantages.len() as f64, 0.0)
            .with_tensor(ContextPart::LogProbs, log_probs)
            .with_tensor(ContextPart::OldLogProbs, vector(&narrow(&rows(&expected["old_logp"], &lengths))))
            .with_tensor(ContextPart::Advantages, vector(&advantages));
        let policy = Objective::new().with(1.0, PpoClip::new(number("cliprange"))).compute(&policy);
        assert_close(&values(policy.loss.clone()), &[expected["policy_loss"].as_f64().unwrap()], 1e-5, what);
        let critic = LossContext::new(old_values.len() as f64, 0.0)
            .with_tensor(ContextPart::Values, of_values.clone().squeeze_dim(1))
            .with_tensor(ContextPart::OldValues, vector(&narrow(&old_values)))
            .with_tensor(ContextPart::Returns, vector(&narrow(&targets.returns)));
        let clip = ValueClip::Pessimistic { range: number("cliprange_value").into() };
        let critic = Objective::new().with(1.0, Value { clip }).compute(&critic);
        assert_close(&values(critic.loss.clone()), &[expected["value_loss"].as_f64().unwrap()], 1e-5, what);
        let loss = policy.loss + critic.loss * number("vf_coef");
        assert_close(&values(loss.clone()), &[expected["loss"].as_f64().unwrap()], 1e-5, what);
        let gradients = loss.backward();
        let found = values(logits.grad(&gradients).unwrap());
        assert_close(&found, &rows(&expected["grad_new_logits"], &times(&lengths, vocabulary)), 1e-5, what);
        let found = values(of_values.grad(&gradients).unwrap());
        assert_close(&found, &rows(&expected["grad_new_values"], &longer), 1e-5, what);
    }
}
