//! Recorded weights into our networks, and our gradients out of them.

use std::collections::BTreeMap;

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::{Gradients, Tensor},
};
use burn_pg::{
    envs::{EnvRng, EnvSpec, Space},
    policy::{Activation, MlpActorCritic},
};

use crate::{
    golden::Array,
    precision::{Precision, values},
};

/// Tensors as PyTorch names and shapes them: `actor.0.weight`, `[outputs, inputs]`.
pub type Weights = BTreeMap<String, Array>;

/// An actor and a critic with tanh, of recorded weights.
pub fn actor_critic(weights: &Weights, precision: &Precision) -> MlpActorCritic {
    let hidden: Vec<usize> = ["actor.0.bias", "actor.2.bias"].iter().map(|name| weights[*name].shape()[0]).collect();
    let spec = EnvSpec {
        id: "recorded".into(),
        observation_space: Space::symmetric(&vec![1.0; weights["actor.0.weight"].shape()[1]]),
        action_space: Space::discrete(weights["actor.4.bias"].shape()[0].try_into().unwrap()),
        max_episode_steps: None,
        reward_threshold: None,
    };
    let rng = &mut EnvRng::new(0);
    let model = MlpActorCritic::new(&spec, &hidden, Activation::Tanh, rng, &precision.device).unwrap();
    model.map(&mut Fill { path: Vec::new(), weights, precision })
}

/// `actor.layers.1.weight` is `actor.2.weight` there: every other layer is an activation.
fn recorded_name(path: &[String]) -> String {
    let [network, _, layer, kind] = path else { panic!("{path:?}") };
    format!("{network}.{}.{kind}", 2 * layer.parse::<usize>().unwrap())
}

struct Fill<'a> {
    path: Vec<String>,
    weights: &'a Weights,
    precision: &'a Precision,
}

impl ModuleMapper for Fill<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let array = self.weights[&recorded_name(&self.path)].transposed();
        parameter.map(|old| {
            assert_eq!(old.dims().to_vec(), array.shape());
            self.precision.tensor(array.flat(), old.dims()).require_grad()
        })
    }
}

/// The parameters of a module, or their gradients, under PyTorch's names, in the order of a visit.
pub fn recorded<M: Module>(module: &M, gradients: Option<&Gradients>) -> Vec<(String, Vec<f64>)> {
    let mut read = Read { path: Vec::new(), gradients, found: Vec::new() };
    module.visit(&mut read);
    read.found
}

struct Read<'a> {
    path: Vec<String>,
    gradients: Option<&'a Gradients>,
    found: Vec<(String, Vec<f64>)>,
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
        self.found.push((recorded_name(&self.path), values(tensor)));
    }
}
