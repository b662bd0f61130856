//! Curves of over-optimisation: the optimised reward (the proxy) and the intended one (the gold standard) against the KL divergence from the
//! reference.
//!
//! Source: L. Gao, J. Schulman, J. Hilton, *Scaling laws for reward model overoptimization* (2022).

mod best_of;
mod fit;
mod window;

pub use best_of::{best_of, kl_of_best};
pub use fit::{Fit, Form};
pub use window::{Point, fall, windows};
