//! Passes over stored examples.

use burn_pg::{envs::EnvRng, storage::Misfit};
use serde::{Deserialize, Serialize};

/// Takes examples in a random order, pass after pass.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Passes {
    /// The examples that are still to come in this pass, the next one last.
    left: Vec<u32>,
    order: EnvRng,
}

impl Passes {
    pub fn new(order: EnvRng) -> Self {
        Self { left: Vec::new(), order }
    }

    /// Returns the next `count` of `examples` examples.
    pub fn next(&mut self, count: usize, examples: usize) -> Vec<usize> {
        let mut next = Vec::with_capacity(count);
        while next.len() < count {
            if self.left.is_empty() {
                self.left = (0..u32::try_from(examples).expect("fewer than 2^32 examples")).collect();
                self.order.shuffle(&mut self.left);
            }
            next.push(self.left.pop().expect("examples are left") as usize);
        }
        next
    }

    /// Checks that a saved state fits `examples` examples.
    ///
    /// # Errors
    /// [`Misfit::State`]
    pub fn check(&self, examples: usize) -> Result<(), Misfit> {
        match self.left.iter().any(|&example| example as usize >= examples) {
            true => Err(Misfit::State { reason: "it has examples that this run does not have".into() }),
            false => Ok(()),
        }
    }
}
