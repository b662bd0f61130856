//! Numbers for each sample of texts.

use burn::tensor::{DType, Device, Tensor, TensorData};
use burn_pg::loss::{ContextPart, LossContext};

/// The parts of a context that are known when samples are collected: a column of numbers for each.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Columns(Vec<(ContextPart, Vec<f32>)>);

impl Columns {
    /// Sets a column.
    pub fn set(&mut self, part: ContextPart, values: Vec<f32>) {
        match self.0.iter_mut().find(|(known, _)| *known == part) {
            Some((_, old)) => *old = values,
            None => self.0.push((part, values)),
        }
    }

    /// Returns a column, if it is there.
    #[must_use]
    pub fn get(&self, part: ContextPart) -> Option<&[f32]> {
        self.0.iter().find(|(known, _)| *known == part).map(|(_, values)| &values[..])
    }

    /// Returns a column to change, if it is there.
    pub fn get_mut(&mut self, part: ContextPart) -> Option<&mut Vec<f32>> {
        self.0.iter_mut().find(|(known, _)| *known == part).map(|(_, values)| values)
    }

    /// Adds numbers of other samples behind the columns, which are the same ones.
    pub(super) fn extend(&mut self, other: &Self, rows: std::ops::Range<usize>) {
        for (part, values) in &other.0 {
            let values = &values[rows.clone()];
            match self.get_mut(*part) {
                Some(ours) => ours.extend_from_slice(values),
                None => self.0.push((*part, values.to_vec())),
            }
        }
    }

    /// Adds all columns to a context.
    pub(super) fn add_to<'a>(&self, context: LossContext<'a>, device: &Device, dtype: DType) -> LossContext<'a> {
        self.0
            .iter()
            .fold(context, |context, (part, values)| context.with_tensor(*part, on_device(values, device, dtype)))
    }
}

/// Returns numbers as a tensor.
pub(super) fn on_device(values: &[f32], device: &Device, dtype: DType) -> Tensor<1> {
    Tensor::from_data(TensorData::from(values).convert_dtype(dtype), (device, dtype))
}
