//! Learning on texts: sources of experience, samples and loss terms for [`burn_pg`], for reinforcement learning and for stored examples.

mod batch;
mod columns;
mod credit;
mod decoded;
mod pairs;
mod passes;
mod policy;
mod reward;
mod source;
mod stored;
mod terms;

pub use batch::{Sample, TextBatch, whiten};
pub use columns::Columns;
pub use credit::{Credit, KlPlace, KlWeight, token_advantages, token_rewards};
pub use decoded::{Decoded, Line, Scored, scores};
pub use pairs::{PairBatch, TokenPair};
pub use policy::{TextPolicy, TextRows};
pub use reward::{Reward, WeightedRewards, Written};
pub use source::{TextSource, TextSourceSpec};
pub use stored::{Examples, StoredPairs, StoredSource, StoredTexts};
pub use terms::{Centring, Likelihood, Preference, PreferenceLoss};
