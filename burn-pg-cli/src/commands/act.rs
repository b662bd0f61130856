//! `burn-pg act`

mod lines;
mod observation;

use std::io::stdin;

use anyhow::{Context, Error, Result, anyhow};
use burn_pg::{
    Decision, DeviceChoice, device,
    envs::{ActionBuffer, EnvSpec, Space},
};
use serde_json::{Value, json};

use crate::{
    commands::agent::{AgentArgs, AnyAgent},
    failure::{Failure, message},
    output::print_while_read,
    program,
    registry::Registry,
};
use lines::{Lines, TooLong};

/// Read observations from stdin, and print the action of the agent of a run directory for each
///
/// Each line of stdin is an observation as the environment gives it: a JSON array of numbers. Each is answered at once with
/// a line of JSON: the most probable `action` as the environment takes it, `logits` or `mean` and `log_std`, and the
/// `value` if there is a critic. For a recurrent agent, lines are the steps of an episode, and an empty line starts
/// the next one.
///
/// A line that is not an observation ends the command with exit code 2 and "line N: reason", or is answered with the
/// reason (see --keep-going). The state of a recurrent agent stays as it is.
#[derive(clap::Args)]
#[command(after_help = format!("Example:\n  echo '[0.1, 0.2, 0.3, 0.4]' | {}", program::command("act runs/CartPole-v1-ppo-seed1")))]
pub struct Args {
    #[command(flatten)]
    agent: AgentArgs,
    /// Run the networks on this device; `devices` lists them [default: auto]
    #[arg(long, default_value = "auto", hide_default_value = true)]
    device: DeviceChoice,
    /// Answer a bad line with {"error": "...", "line": N} on stdout, and go on with the next one
    #[arg(long)]
    keep_going: bool,
}

/// Most empty lines in a row.
const MOST_EMPTY: u32 = 10_000;

pub fn run(args: &Args, registry: &Registry) -> Result<(), Failure> {
    let agent = open(args, registry).map_err(Failure::refused)?;
    let mut lines = Lines::new(stdin().lock(), observation::longest_line(agent.spec()));
    let (mut state, mut empty) = (None, 0);
    for number in 1_u64.. {
        let line = lines.next().context("stdin cannot be read").map_err(Failure::Run)?;
        let Some(line) = line else { break };
        if matches!(line, Ok(line) if line.trim_ascii().is_empty()) {
            (state, empty) = (None, empty + 1);
            // Nothing is written for these lines, so nothing would show that the reader of the answers is gone.
            if empty > MOST_EMPTY {
                return Err(Failure::Usage(anyhow!("line {number}: more than {MOST_EMPTY} empty lines in a row")));
            }
            continue;
        }
        empty = 0;
        let reply = match decide(line, &*agent, state.as_deref()) {
            Ok(decision) => {
                let answer = answer(&decision, agent.spec());
                state = decision.state;
                answer
            }
            Err(error) => bad_line(number, error, args.keep_going)?,
        };
        if print_while_read(reply)?.is_break() {
            break;
        }
    }
    Ok(())
}

fn open(args: &Args, registry: &Registry) -> Result<Box<dyn AnyAgent>> {
    let device = device::open(args.device)?;
    Ok(args.agent.open(registry, &device.device)?.1)
}

/// Reads an observation and decides what to do.
fn decide(line: Result<&[u8], TooLong>, agent: &dyn AnyAgent, state: Option<&[f32]>) -> Result<Decision> {
    let observation = observation::read(line, agent.spec())?;
    agent.decide(&observation, state).map_err(|error| match error {
        burn_pg::Error::ImageValue { index, value, high, .. } => {
            anyhow!("number {} is {value}, but the values of an image are whole numbers from 0 to {high}", index + 1)
        }
        other => other.into(),
    })
}

/// Returns the answer to a bad line, if the command goes on.
fn bad_line(number: u64, error: Error, keep_going: bool) -> Result<Value, Failure> {
    match Failure::refused(error) {
        Failure::Usage(error) if keep_going => Ok(json!({ "error": message(&error), "line": number })),
        Failure::Usage(error) => Err(Failure::Usage(error.context(format!("line {number}")))),
        of_device => Err(of_device),
    }
}

fn answer(decision: &Decision, spec: &EnvSpec) -> Value {
    let Decision { actions, parameters, values, .. } = decision;
    let action = match (&spec.action_space, actions) {
        (Space::Discrete { start, .. }, ActionBuffer::Discrete(actions)) => {
            json!(i64::from(*start) + i64::from(actions[0]))
        }
        (_, ActionBuffer::Discrete(actions) | ActionBuffer::MultiDiscrete(actions)) => json!(actions),
        (_, ActionBuffer::MultiBinary(actions)) => json!(actions),
        (_, ActionBuffer::Continuous(actions)) => json!(actions),
    };
    let mut answer = match &spec.action_space {
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
