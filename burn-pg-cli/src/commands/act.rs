//! `burn-pg act`

use std::io::BufRead;

use anyhow::{Context, Result, bail};
use burn_pg::{
    Agent, Decision, DeviceChoice, device,
    envs::{ActionBuffer, Space},
};
use serde_json::{Value, json};

use crate::{commands::agent::AgentArgs, failure::Failure, output::print_line};

/// Read observations from stdin, and print what the agent of a run directory does in each
///
/// Each line of stdin is an observation as the environment gives it: a JSON array of numbers. Each is answered at once with
/// a line of JSON: the most probable `action` as the environment takes it, `logits` or `mean` and `log_std`, and the
/// `value` if there is a critic. To a recurrent agent, lines are the steps of an episode, and an empty line begins the
/// next one.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  echo '[0.1, 0.2, 0.3, 0.4]' | burn-pg act runs/CartPole-v1-ppo-seed1")]
pub struct Args {
    #[command(flatten)]
    agent: AgentArgs,
    /// Run the networks on this device; `burn-pg devices` lists them [default: auto]
    #[arg(long, default_value = "auto", hide_default_value = true)]
    device: DeviceChoice,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let agent = open(args).map_err(Failure::refused)?;
    let mut state = None;
    for (number, line) in (1..).zip(std::io::stdin().lock().lines()) {
        let line = line.map_err(Failure::run)?;
        if line.trim().is_empty() {
            state = None;
            continue;
        }
        let called = || format!("line {number}");
        let observation = read(&line, &agent).with_context(called).map_err(Failure::Usage)?;
        let decision = agent.decide(&observation, &[], state.as_deref()).with_context(called).map_err(Failure::of)?;
        print_line(answer(&decision, &agent))?;
        state = decision.state;
    }
    Ok(())
}

fn open(args: &Args) -> Result<Agent> {
    let device = device::open(args.device)?;
    Ok(args.agent.open(&device.device)?.1)
}

#[allow(clippy::cast_possible_truncation)] // observations are single precision
fn read(line: &str, agent: &Agent) -> Result<Vec<f32>> {
    let len = agent.spec().observation_space.flat_len();
    let Ok(numbers) = serde_json::from_str::<Vec<f64>>(line) else {
        bail!("{}; expected a JSON array of {len} numbers, such as [0.1, -0.2, ...]", why_no_numbers(line));
    };
    if numbers.len() != len {
        bail!("{} numbers, but an observation of {} has {len}", numbers.len(), agent.spec().id);
    }
    let observation: Vec<f32> = numbers.iter().map(|&number| number as f32).collect();
    match observation.iter().position(|number| !number.is_finite()) {
        None => Ok(observation),
        Some(at) => bail!("{} is too large for single precision", numbers[at]),
    }
}

/// Says why a line is not a JSON array of numbers.
fn why_no_numbers(line: &str) -> String {
    match serde_json::from_str(line) {
        Err(error) => format!("not valid JSON at column {}", error.column()),
        Ok(Value::Array(elements)) => match elements.iter().position(|element| !element.is_number()) {
            Some(at) => format!("element {} is {}, not a number", at + 1, elements[at]),
            None => "a number is too large".into(),
        },
        Ok(other) => format!("{other} is not an array"),
    }
}

fn answer(decision: &Decision, agent: &Agent) -> Value {
    let Decision { actions, parameters, values, .. } = decision;
    let action = match (&agent.spec().action_space, actions) {
        (Space::Discrete { .. }, ActionBuffer::Discrete(actions)) => json!(actions[0]),
        (_, ActionBuffer::Discrete(actions) | ActionBuffer::MultiDiscrete(actions)) => json!(actions),
        (_, ActionBuffer::MultiBinary(actions)) => json!(actions),
        (_, ActionBuffer::Continuous(actions)) => json!(actions),
    };
    let mut answer = match &agent.spec().action_space {
        Space::Box { low, .. } => {
            let (mean, rest) = parameters.split_at(low.len());
            json!({ "action": action, "mean": mean, "log_std": rest[..low.len()] })
        }
        _ => json!({ "action": action, "logits": parameters }),
    };
    if let Some(values) = values {
        answer["value"] = json!(values[0]);
    }
    answer
}
