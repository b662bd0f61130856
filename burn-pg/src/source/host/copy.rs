//! A copy of a policy that acts on the host.

use crate::policy::Policy;

/// Returns a copy of a policy on a GPU whose weights are on the host, to act in environments on the host without tensors: a step
/// on a GPU costs more than the arithmetic of a perceptron. All weights are read at once. `None` if the policy is not on a GPU, or
/// does not act without tensors on the `flex` backend.
#[cfg(all(feature = "cube", feature = "flex"))]
pub(crate) fn copy_on_host<P: Policy>(policy: &P) -> Option<P> {
    use std::vec::IntoIter;

    use burn::{
        module::{ModuleMapper, Param},
        tensor::{Device, Tensor, TensorData},
    };

    use crate::{device::readback::read, kernel::cube::is_gpu, optim::flatten_all};

    /// Replaces each parameter by the next values, on the host.
    struct OnHost(IntoIter<f32>);

    impl ModuleMapper for OnHost {
        fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let (id, old, mapper) = parameter.consume();
            let shape = old.shape();
            let values: Vec<f32> = self.0.by_ref().take(shape.num_elements()).collect();
            Param::from_mapped_value(id, Tensor::from_data(TensorData::new(values, shape), &Device::flex()), mapper)
        }
    }

    let parameters = flatten_all(policy);
    if !is_gpu(&parameters.device()) {
        return None;
    }
    let [values] = read([parameters]).ok()?;
    let copy = policy.clone().map(&mut OnHost(values.into_iter()));
    copy.on_host().is_some().then_some(copy)
}

#[cfg(not(all(feature = "cube", feature = "flex")))]
pub(crate) fn copy_on_host<P: Policy>(_policy: &P) -> Option<P> {
    None
}
