//! The names and layouts of adapters in files of PEFT.

use burn_pg::storage::Tensors;

use super::super::{
    NamesError, Target,
    names::{LLAMA, transposed},
};

/// What the names of all weights begin with.
const BASE: &str = "base_model.model.model.layers.";
/// The two matrices, and ours.
const MATRICES: [(&str, &str); 2] = [(".lora_A.weight", ".adapter.a"), (".lora_B.weight", ".adapter.b")];

/// Returns the adapters of a Llama under our names, from those of a file of PEFT (`adapter_model.safetensors`).
///
/// # Errors
/// [`NamesError`]. Whether the tensors fit a model is not checked here.
pub fn adapters_from_peft(tensors: &Tensors) -> Result<Tensors, NamesError> {
    let ours = tensors.iter().map(|(name, data)| {
        let ours = ours(name).ok_or_else(|| NamesError::Unknown(name.clone()))?;
        Ok((ours, transposed(name, data)?))
    });
    ours.collect()
}

/// Returns the adapters of a Llama under the names and in the layouts of PEFT.
///
/// # Errors
/// [`NamesError::Unknown`] for a tensor that is not a part of an adapter of Llama: PEFT has one adapter for queries, keys and values
/// of GPT-2 together.
pub fn adapters_to_peft(tensors: &Tensors) -> Result<Tensors, NamesError> {
    let theirs = tensors.iter().map(|(name, data)| {
        let theirs = theirs(name).ok_or_else(|| NamesError::Unknown(name.clone()))?;
        Ok((theirs, transposed(name, data)?))
    });
    theirs.collect()
}

fn ours(name: &str) -> Option<String> {
    let (theirs, matrix) = MATRICES.iter().find(|(theirs, _)| name.ends_with(theirs))?;
    let (block, map) = name.strip_prefix(BASE)?.strip_suffix(theirs)?.split_once('.')?;
    let (_, map) = LLAMA.iter().find(|(theirs, _)| *theirs == map)?;
    Some(format!("blocks.{block}.{map}{matrix}"))
}

fn theirs(name: &str) -> Option<String> {
    let (matrix, ours) = MATRICES.iter().find(|(_, ours)| name.ends_with(ours))?;
    let (block, map) = name.strip_prefix("blocks.")?.strip_suffix(ours)?.split_once('.')?;
    let (map, _) = LLAMA.iter().find(|(_, ours)| *ours == map)?;
    Some(format!("{BASE}{block}.{map}{matrix}"))
}

/// The maps of a block of Llama at Hugging Face.
pub(super) fn their_name(target: Target) -> &'static str {
    let ours = match target {
        Target::Query => "attention.query",
        Target::Key => "attention.key",
        Target::Value => "attention.value",
        Target::Output => "attention.output",
        Target::Gate => "mlp.gate",
        Target::Up => "mlp.up",
        Target::Down => "mlp.down",
    };
    let (theirs, _) = LLAMA.iter().find(|(_, name)| *name == ours).expect("every map has a name");
    theirs.rsplit('.').next().expect("a name has a last part")
}
