//! How a policy gets better from samples.

pub(crate) mod blame;
pub(crate) mod learner;
pub(crate) mod metric_log;
pub(crate) mod minibatch;
pub(crate) mod trust_region;

pub use learner::Learner;
pub use trust_region::{Fisher, TrustRegion, TrustRegionSpec};
