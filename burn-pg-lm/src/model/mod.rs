//! Transformers that read texts.

mod adapter;
mod block;
mod fingerprint;
mod folder;
mod layers;
mod names;
pub(crate) mod peft;
mod random;
mod shape;
mod transformer;
mod weight;

pub use adapter::{Lora, Target};
pub use fingerprint::fingerprint;
pub use folder::{LanguageModel, LoadError};
pub(crate) use folder::{WEIGHTS, check_vocabulary, read_weights};
pub use names::{NamesError, from_hugging_face, to_hugging_face};
pub use peft::{adapters_from_peft, adapters_to_peft, load_adapters, save_adapters};
pub use shape::{Family, Shape};
pub use transformer::Transformer;
