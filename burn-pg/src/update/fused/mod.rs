//! Minibatches without tensors: each goes through everything in one parallel region.

mod curvature;
mod form;
mod head;
mod minibatch;
mod networks;
mod pieces;
mod samples;
mod terms;
mod unfused;

use burn::tensor::DType;

use super::Learner;
use crate::{kernel::has_kernels, optim::flatten_parameters, policy::Policy, source::Samples};
pub(super) use curvature::{Curvature, curvature};
use form::Fused;
pub(super) use form::Step;
use minibatch::Minibatches;
pub use unfused::Unfused;

impl Learner {
    /// Returns why `policy` would be trained on minibatches of `samples` by autodiff; `None` if it would not.
    #[must_use]
    pub fn unfused<P: Policy, S: Samples<P>>(&self, policy: &P, samples: &S) -> Option<Unfused> {
        self.fuse(policy, samples).err()
    }

    /// Returns what trains `policy` on minibatches of `samples` without tensors, or why there is nothing.
    pub(super) fn fuse<P: Policy, S: Samples<P>>(&self, policy: &P, samples: &S) -> Result<Box<dyn Fused>, Unfused> {
        let parameters = flatten_parameters(policy);
        if !has_kernels(&parameters.device()) {
            return Err(Unfused::Device);
        }
        match parameters.dtype() {
            DType::F32 => Ok(Box::new(Minibatches::<f32>::new(self, policy, samples, parameters)?)),
            DType::F64 => Ok(Box::new(Minibatches::<f64>::new(self, policy, samples, parameters)?)),
            _ => Err(Unfused::Device),
        }
    }
}
