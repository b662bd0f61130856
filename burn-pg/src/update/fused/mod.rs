//! Minibatches without tensors: each goes through everything in one parallel region.

mod curvature;
#[cfg(feature = "cube")]
mod device;
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
#[cfg(feature = "cube")]
use crate::kernel::cube::is_gpu;
use crate::{kernel::has_kernels, optim::flatten_parameters, policy::Policy, source::Samples};
pub(super) use curvature::{Curvature, curvature};
#[cfg(feature = "cube")]
use device::DeviceMinibatches;
pub(super) use form::{DevicePasses, Form, HostMetrics, Step, Trained};
use minibatch::Minibatches;
pub use unfused::Unfused;

impl Learner {
    /// Returns why `policy` would be trained on minibatches of `samples` by autodiff; `None` if it would not.
    #[must_use]
    pub fn unfused<P: Policy, S: Samples<P>>(&self, policy: &P, samples: &S) -> Option<Unfused> {
        self.fuse(policy, samples).err()
    }

    /// Returns what trains `policy` on minibatches of `samples` without tensors, or why there is nothing.
    pub(super) fn fuse<P: Policy, S: Samples<P>>(&self, policy: &P, samples: &S) -> Result<Form, Unfused> {
        let parameters = flatten_parameters(policy);
        #[cfg(feature = "cube")]
        if is_gpu(&parameters.device()) {
            if !self.ranks.is_alone() {
                return Err(Unfused::RanksOnGpu);
            }
            return Ok(Form::Device(Box::new(DeviceMinibatches::new(self, policy, samples, parameters)?)));
        }
        if !has_kernels(&parameters.device()) {
            return Err(Unfused::Device);
        }
        Ok(Form::Host(match parameters.dtype() {
            DType::F32 => Box::new(Minibatches::<f32>::new(self, policy, samples, parameters)?),
            DType::F64 => Box::new(Minibatches::<f64>::new(self, policy, samples, parameters)?),
            _ => return Err(Unfused::Device),
        }))
    }
}
