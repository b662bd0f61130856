//! Reinforcement learning on texts: the loop, the objectives and the updates of [`burn_pg`], with texts as the source of
//! experience.

mod batch;
mod policy;
mod reward;
mod source;

pub use batch::TextBatch;
pub use policy::{TextPolicy, TextRows};
pub use reward::{Reward, Written};
pub use source::{GroupAdvantage, TextSource, TextSourceSpec};
