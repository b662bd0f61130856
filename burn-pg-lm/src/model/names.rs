//! The names and layouts of weights at Hugging Face.

use std::collections::BTreeMap;

use burn::tensor::{DType, TensorData};
use burn_pg::storage::Tensors;

use super::shape::{Family, Shape};

/// Where weights of Hugging Face are in a [`Transformer`](super::Transformer).
enum Place {
    /// The same tensor.
    Same(String),
    /// The transposed tensor: a linear map of Hugging Face has shape `[outputs, inputs]`.
    Transposed(String),
    /// Consecutive columns of one tensor.
    Columns([String; 3]),
    /// Nowhere: a constant that older versions stored.
    Nowhere,
}

/// Why weights are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NamesError {
    /// A name that the family does not have.
    #[error("tensor `{0}` is not a part of this family of models")]
    Unknown(String),
    /// A tensor that is cut or transposed does not have the right number of dimensions or columns.
    #[error("tensor `{name}` has shape {found:?}; expected {expected}")]
    Shape {
        /// Its name.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// What is expected.
        expected: &'static str,
    },
    /// The head differs from the embedding, although the configuration says that they share their weights.
    #[error("`lm_head.weight` differs from the embedding, but the configuration has `tie_word_embeddings`")]
    Head,
}

/// The maps of a block of Llama, and ours.
pub(super) const LLAMA: [(&str, &str); 7] = [
    ("self_attn.q_proj", "attention.query"),
    ("self_attn.k_proj", "attention.key"),
    ("self_attn.v_proj", "attention.value"),
    ("self_attn.o_proj", "attention.output"),
    ("mlp.gate_proj", "mlp.gate"),
    ("mlp.up_proj", "mlp.up"),
    ("mlp.down_proj", "mlp.down"),
];

/// Other parts of a block, and ours.
const GPT2_BLOCK: [(&str, &str); 9] = [
    ("ln_1.weight", "norm_1.scale"),
    ("ln_1.bias", "norm_1.shift"),
    ("ln_2.weight", "norm_2.scale"),
    ("ln_2.bias", "norm_2.shift"),
    ("attn.c_proj.weight", "attention.output.weight"),
    ("attn.c_proj.bias", "attention.output.bias"),
    ("mlp.c_fc.weight", "mlp.up.weight"),
    ("mlp.c_fc.bias", "mlp.up.bias"),
    ("mlp.c_proj.weight", "mlp.down.weight"),
];

fn place(name: &str, family: Family) -> Option<Place> {
    let same = |ours: &str| Some(Place::Same(ours.into()));
    if name == "lm_head.weight" {
        return same("head");
    }
    match family {
        Family::Gpt2 => {
            let name = name.strip_prefix("transformer.").unwrap_or(name);
            match name {
                "wte.weight" => return same("tokens"),
                "wpe.weight" => return same("positions"),
                "ln_f.weight" => return same("norm.scale"),
                "ln_f.bias" => return same("norm.shift"),
                _ => {}
            }
            let (block, part) = name.strip_prefix("h.")?.split_once('.')?;
            let ours = |part: &str| format!("blocks.{block}.{part}");
            match part {
                "attn.bias" | "attn.masked_bias" => Some(Place::Nowhere),
                "attn.c_attn.weight" | "attn.c_attn.bias" => {
                    let kind = &part["attn.c_attn.".len()..];
                    let maps = ["query", "key", "value"];
                    Some(Place::Columns(maps.map(|map| ours(&format!("attention.{map}.{kind}")))))
                }
                "mlp.c_proj.bias" => same(&ours("mlp.down.bias")),
                _ => GPT2_BLOCK.iter().find(|(theirs, _)| *theirs == part).and_then(|(_, to)| same(&ours(to))),
            }
        }
        Family::Llama { .. } => {
            match name {
                "model.embed_tokens.weight" => return same("tokens"),
                "model.norm.weight" => return same("norm.scale"),
                _ => {}
            }
            let (block, part) = name.strip_prefix("model.layers.")?.split_once('.')?;
            let ours = |part: &str| format!("blocks.{block}.{part}");
            match part {
                "input_layernorm.weight" => same(&ours("norm_1.scale")),
                "post_attention_layernorm.weight" => same(&ours("norm_2.scale")),
                "self_attn.rotary_emb.inv_freq" => Some(Place::Nowhere),
                _ => {
                    let map = part.strip_suffix(".weight")?;
                    let (_, to) = LLAMA.iter().find(|(theirs, _)| *theirs == map)?;
                    Some(Place::Transposed(ours(&format!("{to}.weight"))))
                }
            }
        }
    }
}

/// Returns the weights of a [`Transformer`](super::Transformer) by their names there, from those of a model of Hugging Face.
///
/// # Errors
/// [`NamesError`]. Whether the tensors fit the transformer is not checked here.
pub fn from_hugging_face(tensors: Tensors, shape: &Shape) -> Result<Tensors, NamesError> {
    let mut ours = Tensors::new();
    for (name, data) in tensors {
        match place(&name, shape.family) {
            None => return Err(NamesError::Unknown(name)),
            Some(Place::Nowhere) => {}
            Some(Place::Same(to)) => {
                ours.insert(to, data);
            }
            Some(Place::Transposed(to)) => {
                let data = transposed(&name, &data)?;
                ours.insert(to, data);
            }
            Some(Place::Columns(to)) => {
                let shape = data.shape().to_vec();
                let width = shape.last().copied().unwrap_or_default();
                if !matches!(shape.len(), 1 | 2) || width % 3 != 0 {
                    return Err(NamesError::Shape {
                        name,
                        found: shape,
                        expected: "a third of the columns for each map",
                    });
                }
                let (rows, third) = (if shape.len() == 1 { 1 } else { shape[0] }, width / 3);
                for (i, to) in to.into_iter().enumerate() {
                    let part = reordered(&data, [rows, third], |row, column| row * width + i * third + column);
                    let of_shape = if shape.len() == 1 { vec![third] } else { vec![rows, third] };
                    ours.insert(to, reshaped(&part, of_shape));
                }
            }
        }
    }
    if shape.tied {
        let head = ours.remove("head");
        if head.is_some_and(|head| Some(&head) != ours.get("tokens")) {
            return Err(NamesError::Head);
        }
    }
    Ok(ours)
}

/// Returns the weights of a [`Transformer`](super::Transformer) under the names and in the layouts of Hugging Face. Needs memory for one more
/// tensor.
///
/// # Panics
/// If they are not those of a transformer of this shape.
#[must_use]
pub fn to_hugging_face(mut tensors: Tensors, shape: &Shape) -> Tensors {
    let mut theirs = BTreeMap::new();
    for name in names(shape) {
        let mut of = |ours: &str| tensors.remove(ours).unwrap_or_else(|| panic!("the transformer has `{ours}`"));
        let data = match place(&name, shape.family).expect("a name of the family") {
            Place::Nowhere => continue,
            Place::Same(ours) => of(&ours),
            Place::Transposed(ours) => transposed(&name, &of(&ours)).expect("maps are matrices"),
            Place::Columns(ours) => side_by_side(&ours.map(|ours| of(&ours))),
        };
        theirs.insert(name, data);
    }
    theirs
}

/// Returns the names of all weights of a model of this shape.
fn names(shape: &Shape) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    match shape.family {
        Family::Gpt2 => {
            names.extend(
                ["wte.weight", "wpe.weight", "ln_f.weight", "ln_f.bias"].map(|name| format!("transformer.{name}")),
            );
            let more = ["attn.c_attn.weight", "attn.c_attn.bias", "mlp.c_proj.bias"];
            for block in 0..shape.blocks {
                let parts = GPT2_BLOCK.iter().map(|(theirs, _)| *theirs).chain(more);
                names.extend(parts.map(|part| format!("transformer.h.{block}.{part}")));
            }
        }
        Family::Llama { .. } => {
            names.extend(["model.embed_tokens.weight".into(), "model.norm.weight".into()]);
            for block in 0..shape.blocks {
                let norms = ["input_layernorm", "post_attention_layernorm"];
                let parts = LLAMA.iter().map(|(theirs, _)| *theirs).chain(norms);
                names.extend(parts.map(|part| format!("model.layers.{block}.{part}.weight")));
            }
        }
    }
    names.extend((!shape.tied).then(|| "lm_head.weight".into()));
    names
}

/// Returns the transposed matrix.
///
/// # Errors
/// [`NamesError::Shape`] if the tensor is not a matrix.
pub(super) fn transposed(name: &str, data: &TensorData) -> Result<TensorData, NamesError> {
    let shape = data.shape().to_vec();
    let matrix = <[usize; 2]>::try_from(shape);
    let [rows, columns] =
        matrix.map_err(|found| NamesError::Shape { name: name.into(), found, expected: "a matrix" })?;
    Ok(reordered(data, [columns, rows], |row, column| column * columns + row))
}

/// Returns the matrix of shape `[rows, columns]` whose elements are at `from(row, column)` in `data`.
fn reordered(data: &TensorData, [rows, columns]: [usize; 2], from: impl Fn(usize, usize) -> usize) -> TensorData {
    let places = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
    let width = data.dtype().size();
    let bytes = data.as_bytes();
    let mut ordered = Vec::with_capacity(bytes.len());
    for (row, column) in places {
        let at = from(row, column) * width;
        ordered.extend_from_slice(&bytes[at..at + width]);
    }
    TensorData::from_bytes_vec(ordered, vec![rows, columns], data.dtype())
}

fn reshaped(data: &TensorData, shape: Vec<usize>) -> TensorData {
    let dtype: DType = data.dtype();
    TensorData::from_bytes_vec(data.as_bytes().to_vec(), shape, dtype)
}

/// Returns the columns of three tensors with as many rows, side by side.
fn side_by_side(parts: &[TensorData; 3]) -> TensorData {
    let shape = parts[0].shape().to_vec();
    let (rows, dtype) = (if shape.len() == 1 { 1 } else { shape[0] }, parts[0].dtype());
    let mut bytes = Vec::new();
    for row in 0..rows {
        for part in parts {
            let all = part.as_bytes();
            let width = all.len() / rows;
            bytes.extend_from_slice(&all[row * width..(row + 1) * width]);
        }
    }
    let columns = parts.iter().map(|part| part.shape().to_vec().pop().unwrap_or_default()).sum();
    let shape = if shape.len() == 1 { vec![columns] } else { vec![rows, columns] };
    TensorData::from_bytes_vec(bytes, shape, dtype)
}
