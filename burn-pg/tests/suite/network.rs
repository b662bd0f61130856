//! Conversion of recorded weights to our networks, and of our weights and gradients to PyTorch's names.

use std::collections::BTreeMap;

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::{Gradients, Tensor},
};
use burn_pg::{
    distribution::ActionTensor,
    envs::{ActionBuffer, EnvRng, EnvSpec, Space},
    policy::{ActorCritic, NetworkSpec},
};
use serde::Deserialize;

use crate::{
    golden::Array,
    precision::{Precision, values},
};

/// Tensors with PyTorch's names and shapes: `actor.0.weight`, `[outputs, inputs]`.
pub type Weights = BTreeMap<String, Array>;

/// Recorded actions.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum RecordedActions {
    Discrete(Vec<i64>),
    Continuous(Vec<Vec<f64>>),
}

impl RecordedActions {
    pub fn tensor(&self, precision: &Precision) -> ActionTensor {
        match self {
            Self::Discrete(actions) => ActionTensor::Discrete(precision.indices(actions)),
            Self::Continuous(rows) => ActionTensor::Continuous(precision.matrix(rows)),
        }
    }

    #[allow(clippy::cast_possible_truncation)] // rollouts are in single precision
    pub fn buffer(&self) -> ActionBuffer {
        match self {
            Self::Discrete(actions) => {
                ActionBuffer::Discrete(actions.iter().map(|&action| action.try_into().unwrap()).collect())
            }
            Self::Continuous(rows) => ActionBuffer::Continuous(rows.iter().flatten().map(|&n| n as f32).collect()),
        }
    }

    /// Concatenates actions of one kind.
    pub fn concat(parts: &[Self]) -> Self {
        let mut parts = parts.iter().cloned();
        let first = parts.next().expect("there are actions");
        parts.fold(first, |all, part| match (all, part) {
            (Self::Discrete(all), Self::Discrete(part)) => Self::Discrete([all, part].concat()),
            (Self::Continuous(all), Self::Continuous(part)) => Self::Continuous([all, part].concat()),
            _ => panic!("actions of two kinds"),
        })
    }
}

/// Builds an actor and a critic with tanh from recorded weights; for continuous actions if they contain a log-std.
pub fn actor_critic(weights: &Weights, precision: &Precision) -> ActorCritic {
    let continuous = weights.contains_key("actor_logstd");
    let actor = if continuous { "actor_mean" } else { "actor" };
    // Every other layer is an activation.
    let layers = (0..).step_by(2).map_while(|layer: usize| weights.get(&format!("{actor}.{layer}.bias")));
    let mut hidden_sizes: Vec<usize> = layers.map(|bias| bias.shape()[0]).collect();
    let outputs = hidden_sizes.pop().expect("there is an output layer");
    let spec = EnvSpec::new(
        "recorded",
        Space::symmetric(&vec![1.0; weights[&format!("{actor}.0.weight")].shape()[1]]),
        match continuous {
            true => Space::symmetric(&vec![1.0; outputs]),
            false => Space::discrete(outputs.try_into().unwrap()),
        },
    );
    let rng = &mut EnvRng::new(0);
    let shape = NetworkSpec { hidden_sizes, ..NetworkSpec::default() };
    let model = ActorCritic::new(&spec, &shape, rng, &precision.device).unwrap();
    model.map(&mut Fill { path: Vec::new(), weights, precision, actor })
}

/// Returns PyTorch's name of a parameter: `actor.layers.1.weight` is `actor.2.weight`, because every other layer is an
/// activation. The actor of continuous actions is called `actor_mean`.
fn recorded_name(path: &[String], actor: &str) -> String {
    match path.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["head", "log_std"] => "actor_logstd".into(),
        [network, _, layer, kind] => {
            let network = if network == "actor" { actor } else { network };
            format!("{network}.{}.{kind}", 2 * layer.parse::<usize>().unwrap())
        }
        _ => panic!("{path:?}"),
    }
}

struct Fill<'a> {
    path: Vec<String>,
    weights: &'a Weights,
    precision: &'a Precision,
    actor: &'static str,
}

impl ModuleMapper for Fill<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let array = self.weights[&recorded_name(&self.path, self.actor)].transposed();
        parameter.map(|old| {
            // A log-std is recorded as a row.
            assert!(old.dims().to_vec() == array.shape() || D == 1, "{:?}", self.path);
            self.precision.tensor(array.flat(), old.dims()).require_grad()
        })
    }
}

/// Returns the parameters of a module, or their gradients, under PyTorch's names, in visiting order.
pub fn recorded<M: Module>(module: &M, gradients: Option<&Gradients>) -> Vec<(String, Vec<f64>)> {
    let mut read = Read { path: Vec::new(), gradients, found: Vec::new() };
    module.visit(&mut read);
    let actor = if read.found.iter().any(|(path, _)| path[0] == "head") { "actor_mean" } else { "actor" };
    read.found.into_iter().map(|(path, values)| (recorded_name(&path, actor), values)).collect()
}

/// Concatenates arrays that have the names and shapes of a module's parameters, in visiting order.
pub fn flat<M: Module>(module: &M, arrays: &Weights) -> Vec<f64> {
    let order = recorded(module, None);
    assert_eq!(order.len(), arrays.len());
    order.iter().flat_map(|(name, _)| arrays[name].transposed().flat()).collect()
}

struct Read<'a> {
    path: Vec<String>,
    gradients: Option<&'a Gradients>,
    found: Vec<(Vec<String>, Vec<f64>)>,
}

impl ModuleVisitor for Read<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
        let tensor = parameter.val();
        let tensor = match self.gradients {
            None => tensor.inner(),
            Some(gradients) => tensor.grad(gradients).unwrap_or_else(|| tensor.inner().zeros_like()),
        };
        self.found.push((self.path.clone(), values(tensor)));
    }
}
