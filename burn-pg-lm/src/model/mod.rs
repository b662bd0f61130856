//! Transformers that read texts.

mod block;
mod folder;
mod layers;
mod names;
mod shape;
mod transformer;

pub use folder::{LanguageModel, LoadError};
pub use names::{NamesError, from_hugging_face, to_hugging_face};
pub use shape::{Family, Shape};
pub use transformer::Transformer;
