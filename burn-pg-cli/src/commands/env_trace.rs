//! `burn-pg env-trace`

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use burn_pg::envs::{ActionBuffer, EnvError, EnvRng, Space, VectorEnv, make};
use clap::ValueEnum;
use serde_json::{Value, json};

use crate::{failure::Failure, numbers::whole, output::print_line, registry::listed};

/// Play one environment and print every step as a line of JSON, to compare it with Gymnasium
///
/// The first line is the reset: step 0, with `reward` null. The time limit truncates as in Gymnasium, and the trace ends
/// with the episode.
#[derive(clap::Args)]
pub struct Args {
    /// Play this environment; `envs` lists them
    env: String,
    /// Seed the reset and the random actions with this number
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true, value_parser = whole::<u64>(0..=u64::MAX, 7))]
    seed: u64,
    /// Play at most this number of steps [default: 1000, or as many as the file of actions has]
    #[arg(long, value_name = "K", allow_negative_numbers = true, value_parser = whole::<usize>(0..=u64::MAX, 200))]
    steps: Option<usize>,
    /// Take actions from a JSON file: an array with one element for each step, such as [0, 1, 1] or [[0.5], [-0.5]]
    #[arg(long, value_name = "FILE.json", conflicts_with = "policy")]
    actions: Option<PathBuf>,
    /// Choose actions by this policy, unless --actions gives them
    #[arg(long, default_value = "random")]
    policy: Policy,
}

#[derive(Clone, Copy, ValueEnum)]
enum Policy {
    /// Uniform in the action space, from a stream of the seed
    Random,
}

pub fn run(args: &Args) -> Result<(), Failure> {
    let (mut envs, mut script) = prepare(args).map_err(Failure::Usage)?;
    envs.reset(args.seed).map_err(Failure::run)?;
    print_line(line(&*envs, 0, None).map_err(Failure::Run)?)?;
    for step in 1..=args.steps.unwrap_or(script.len()) {
        let action = script.next(&envs.spec().action_space).with_context(|| format!("step {step}"));
        let Some(action) = action.map_err(Failure::Usage)? else { break };
        let batch = envs.step(action.as_actions()).map_err(|error| match error {
            EnvError::Failed { .. } => Failure::run(error),
            refused => Failure::usage(refused),
        })?;
        let ended = batch.ended().next().is_some();
        print_line(line(&*envs, step, Some(&action)).map_err(Failure::Run)?)?;
        if ended {
            break;
        }
    }
    Ok(())
}

fn prepare(args: &Args) -> Result<(Box<dyn VectorEnv>, Script)> {
    let mut envs = make(&args.env, 1).map_err(listed)?;
    // The trace ends with the episode, and its last observation must not be replaced by that of a reset.
    envs.set_autoreset(burn_pg::envs::Autoreset::Disabled)?;
    let Some(path) = &args.actions else {
        let Policy::Random = args.policy;
        return Ok((envs, Script::Random(EnvRng::stream(args.seed, &[0]))));
    };
    // Reading a pipe or a device might never end.
    if path.exists() && !path.is_file() {
        bail!("{} cannot be read: it is not a regular file", path.display());
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let expected = "expected an array with an action for each step, such as [0, 1, 1]";
    match serde_json::from_str(&text) {
        Ok(Value::Array(actions)) => Ok((envs, Script::Recorded(actions.into_iter()))),
        Ok(_) => bail!("{} is not a JSON array; {expected}", path.display()),
        Err(error) => {
            let (path, line, column) = (path.display(), error.line(), error.column());
            bail!("{path} is not valid JSON at line {line}, column {column}; {expected}")
        }
    }
}

fn line(envs: &dyn VectorEnv, step: usize, action: Option<&ActionBuffer>) -> Result<Value> {
    let batch = envs.batch();
    Ok(json!({
        "step": step,
        "action": action.map(|action| to_json(&envs.spec().action_space, action)),
        "observation": batch.observations,
        "reward": action.map(|_| batch.rewards[0]),
        "terminated": batch.terminated[0],
        "truncated": batch.truncated[0],
        "state": state(envs)?,
    }))
}

/// Returns the state of the environment; `None` if it cannot be saved, or is not in a `VecEnv`.
fn state(envs: &dyn VectorEnv) -> Result<Option<Value>, EnvError> {
    match envs.save() {
        Err(EnvError::Unsupported { .. }) => Ok(None),
        saved => Ok(saved?.state(0).cloned()),
    }
}

/// The source of actions.
enum Script {
    Random(EnvRng),
    Recorded(std::vec::IntoIter<Value>),
}

impl Script {
    /// Returns the number of recorded actions, or the default number of random ones.
    fn len(&self) -> usize {
        match self {
            Self::Random(_) => 1000,
            Self::Recorded(actions) => actions.len(),
        }
    }

    /// Returns the next action, if there is one.
    fn next(&mut self, space: &Space) -> Result<Option<ActionBuffer>> {
        match self {
            Self::Random(rng) => Ok(Some(ActionBuffer::random(space, 1, rng))),
            Self::Recorded(actions) => actions.next().map(|action| read(space, &action)).transpose(),
        }
    }
}

/// Returns one action as JSON. Discrete actions count from the `start` of their space.
fn to_json(space: &Space, action: &ActionBuffer) -> Value {
    match (space, action) {
        (Space::Discrete { start, .. }, ActionBuffer::Discrete(actions)) => {
            json!(i64::from(actions[0]) + i64::from(*start))
        }
        (_, ActionBuffer::Discrete(numbers) | ActionBuffer::MultiDiscrete(numbers)) => json!(numbers),
        (_, ActionBuffer::MultiBinary(numbers)) => json!(numbers),
        (_, ActionBuffer::Continuous(numbers)) => json!(numbers),
    }
}

#[allow(clippy::cast_possible_truncation)] // actions are single precision
fn read(space: &Space, action: &Value) -> Result<ActionBuffer> {
    let outside = || format!("action {action} is outside {space}");
    let elements = action.as_array().map_or(std::slice::from_ref(action), Vec::as_slice);
    let natural = |number: i64| u32::try_from(number).ok();
    Ok(match space {
        Space::Discrete { n, start } => {
            let index = action.as_i64().and_then(|element| element.checked_sub(i64::from(*start))).and_then(natural);
            ActionBuffer::Discrete(vec![index.filter(|index| index < n).with_context(outside)?])
        }
        Space::MultiDiscrete { .. } => {
            let numbers: Option<_> = elements.iter().map(|number| number.as_i64().and_then(natural)).collect();
            ActionBuffer::MultiDiscrete(numbers.with_context(outside)?)
        }
        Space::MultiBinary { .. } => {
            let flag = |flag: &Value| match (flag.as_bool(), flag.as_i64()) {
                (Some(flag), _) => Some(flag),
                (None, Some(number @ 0..=1)) => Some(number == 1),
                _ => None,
            };
            ActionBuffer::MultiBinary(elements.iter().map(flag).collect::<Option<_>>().with_context(outside)?)
        }
        Space::Box { .. } => {
            let numbers: Option<_> = elements.iter().map(|number| number.as_f64().map(|n| n as f32)).collect();
            ActionBuffer::Continuous(numbers.with_context(outside)?)
        }
        Space::Image { .. } | Space::Dict { .. } => bail!("{space} is not an action space"),
    })
}
