//! What optimising against a reward model does: the reward that is optimised (the proxy) and the one that is meant (the gold standard)
//! against the KL divergence from the reference.
//!
//! Source: L. Gao, J. Schulman, J. Hilton, *Scaling laws for reward model overoptimization* (2022).

mod best_of;
mod fit;
mod window;

pub use best_of::{best_of, kl_of_best};
pub use fit::{Fit, Form};
pub use window::{Point, fall, windows};
