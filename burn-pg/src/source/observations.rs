//! Observations on the host.

use std::{borrow::Cow, mem, ops::Range};

use burn::tensor::{DType, Device, Tensor, TensorData};
use burn_pg_envs::Space;

use crate::policy::{Input, Observation};

/// Observations of an environment on the host, row by row. Each part of the space has its own column: images are stored
/// as bytes, which take a quarter of the memory of floats, and boxes as floats.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observations {
    parts: Vec<Part>,
    /// Values of a flat row, D.
    width: usize,
}

#[derive(Debug, Clone, PartialEq)]
struct Part {
    /// Its values in a flat row.
    columns: Range<usize>,
    values: Values,
}

#[derive(Debug, Clone, PartialEq)]
enum Values {
    Floats(Vec<f32>),
    Bytes(Vec<u8>),
}

impl Observations {
    /// Creates empty storage for observations of `space`.
    #[must_use]
    pub fn new(space: &Space) -> Self {
        let mut width = 0;
        let parts = space.parts().into_iter().map(|space| {
            let start = width;
            width += space.flat_len();
            let values = match space {
                Space::Image { .. } => Values::Bytes(Vec::new()),
                _ => Values::Floats(Vec::new()),
            };
            Part { columns: start..width, values }
        });
        Self { parts: parts.collect(), width }
    }

    /// Returns empty storage for observations of the same space.
    #[must_use]
    pub fn emptied(&self) -> Self {
        let mut emptied = self.clone();
        emptied.clear();
        emptied
    }

    /// Number of observations.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.first().map_or(0, |part| part.values.len() / part.columns.len())
    }

    /// True if there are no observations.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Values of a flat observation, D.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Appends flat rows as environments write them, of shape `[rows, D]`. Values of images are stored as bytes.
    pub fn extend(&mut self, rows: &[f32]) {
        match &mut self.parts[..] {
            [Part { values: Values::Floats(values), .. }] => values.extend_from_slice(rows),
            parts => {
                for row in rows.chunks_exact(self.width) {
                    for Part { columns, values } in &mut *parts {
                        values.extend(&row[columns.clone()]);
                    }
                }
            }
        }
    }

    /// Returns all rows, flat. Shape `[rows, D]`. Nothing is copied if the space is a box.
    #[must_use]
    pub fn flat(&self) -> Cow<'_, [f32]> {
        self.flat_rows(0..self.len())
    }

    /// Returns the rows `rows`, flat. Nothing is copied if the space is a box.
    ///
    /// # Panics
    /// If `rows` is out of range.
    #[must_use]
    pub fn flat_rows(&self, rows: Range<usize>) -> Cow<'_, [f32]> {
        if let [Part { values: Values::Floats(values), .. }] = &self.parts[..] {
            return Cow::Borrowed(&values[rows.start * self.width..rows.end * self.width]);
        }
        let mut flat = Vec::with_capacity(rows.len() * self.width);
        for row in rows {
            for Part { columns, values } in &self.parts {
                let range = row * columns.len()..(row + 1) * columns.len();
                match values {
                    Values::Floats(values) => flat.extend_from_slice(&values[range]),
                    Values::Bytes(values) => flat.extend(values[range].iter().map(|&byte| f32::from(byte))),
                }
            }
        }
        Cow::Owned(flat)
    }

    /// Moves all rows to a device, which empties this storage, or copies the given `rows` in that order. Returns one
    /// input for each part of the space.
    pub(crate) fn upload(&mut self, rows: Option<&[usize]>, device: &Device) -> Vec<Input> {
        let upload = |Part { columns, values }: &mut Part| values.upload(columns.len(), rows, device);
        self.parts.iter_mut().map(upload).collect()
    }

    pub(crate) fn append(&mut self, from: &Self, rows: Range<usize>) {
        for (Part { columns, values }, other) in self.parts.iter_mut().zip(&from.parts) {
            let range = rows.start * columns.len()..rows.end * columns.len();
            match (values, &other.values) {
                (Values::Floats(values), Values::Floats(others)) => values.extend_from_slice(&others[range]),
                (Values::Bytes(values), Values::Bytes(others)) => values.extend_from_slice(&others[range]),
                _ => unreachable!("observations of one space are stored in one way"),
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        for Part { values, .. } in &mut self.parts {
            match values {
                Values::Floats(values) => values.clear(),
                Values::Bytes(values) => values.clear(),
            }
        }
    }

    pub(super) fn reserve(&mut self, rows: usize) {
        for Part { columns, values } in &mut self.parts {
            match values {
                Values::Floats(values) => values.reserve_exact(rows * columns.len()),
                Values::Bytes(values) => values.reserve_exact(rows * columns.len()),
            }
        }
    }

    /// Bytes of a row.
    pub(crate) fn row_bytes(&self) -> usize {
        let of_part = |Part { columns, values }: &Part| match values {
            Values::Floats(_) => columns.len() * size_of::<f32>(),
            Values::Bytes(_) => columns.len(),
        };
        self.parts.iter().map(of_part).sum()
    }
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::Floats(values) => values.len(),
            Self::Bytes(values) => values.len(),
        }
    }

    fn extend(&mut self, row: &[f32]) {
        match self {
            Self::Floats(values) => values.extend_from_slice(row),
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // integers from 0 to 255
            Self::Bytes(values) => values.extend(row.iter().map(|&value| value as u8)),
        }
    }

    fn upload(&mut self, width: usize, rows: Option<&[usize]>, device: &Device) -> Input {
        let total = self.len() / width;
        match self {
            Self::Floats(values) => {
                let values = picked(values, total, rows);
                let shape = [values.len() / width, width];
                Input::Floats(Tensor::from_data(TensorData::new(values, shape), device))
            }
            Self::Bytes(values) => {
                let values = picked(values, total, rows);
                let shape = [values.len() / width, width];
                // WGSL has no 8-bit integers.
                let dtype = if device.supports_dtype(DType::U8) { DType::U8 } else { DType::I32 };
                Input::Bytes(Tensor::from_data(TensorData::new(values, shape), (device, dtype)))
            }
        }
    }
}

/// Copies the given `rows` of a column of `total` rows; without `rows`, moves the whole column.
pub(super) fn picked<T: Copy>(column: &mut Vec<T>, total: usize, rows: Option<&[usize]>) -> Vec<T> {
    let Some(rows) = rows else { return mem::take(column) };
    let width = column.len() / total;
    rows.iter().flat_map(|row| &column[row * width..(row + 1) * width]).copied().collect()
}

/// Converts flat observations of `space` into the input of a policy. `action_masks` has one flag for each action of
/// each row, true if the action is possible; it is empty if the environment has no masks.
///
/// # Panics
/// If the values are not whole rows.
#[must_use]
pub fn observe(space: &Space, rows: Vec<f32>, action_masks: &[bool], device: &Device) -> Observation {
    let batch = rows.len() / space.flat_len();
    if let Space::Box { .. } = space {
        return Observation::upload(rows, action_masks, batch, device);
    }
    let mut observations = Observations::new(space);
    observations.extend(&rows);
    let inputs = observations.upload(None, device);
    Observation::from(inputs).with_masks(action_masks, batch, device)
}
