//! Samples as arrays on the host.

use burn::tensor::{Bool, Element, Tensor};

use crate::{
    distribution::ActionTensor,
    kernel::host::Real,
    loss::ContextPart,
    policy::{FlatHead, LogStd, Perceptrons},
    source::FlatSamples,
};

/// The columns of samples: one array for each part of a context, empty if it is absent.
pub(super) type Columns<T> = [Vec<T>; ContextPart::COUNT];

/// All samples of an update.
pub(super) struct HostSamples<T> {
    /// Shape `[B, D]`.
    observations: Vec<T>,
    /// Number of values of an observation, D.
    width: usize,
    /// Shape `[B, M]`; empty if all actions are possible.
    action_mask: Vec<bool>,
    actions: Actions<T>,
    columns: Columns<T>,
    /// The share of the mass that each sample has.
    pub mass_per_row: f64,
}

/// Actions of shape `[B, K]`.
#[derive(Debug, Clone)]
pub(super) enum Actions<T> {
    /// Elements of discrete components.
    Indices(Vec<u32>),
    /// Points of a box, or 0 and 1 for components that are false or true.
    Numbers(Vec<T>),
}

/// Some of the samples, one after the other. Their memory is reused.
#[derive(Debug, Clone, Default)]
pub(super) struct SampleRows<T> {
    pub count: usize,
    pub observations: Vec<T>,
    pub action_mask: Vec<bool>,
    pub indices: Vec<u32>,
    pub numbers: Vec<T>,
    pub columns: Columns<T>,
}

impl<T: Copy> SampleRows<T> {
    /// Sets a column.
    pub fn set(&mut self, part: ContextPart, values: &[T]) {
        let column = &mut self.columns[part as usize];
        column.clear();
        column.extend_from_slice(values);
    }
}

impl<T: Real + Element> HostSamples<T> {
    /// Copies samples, with the columns that `wanted` is true for. `None` if a tensor is of another float type.
    pub fn new(samples: FlatSamples, wanted: impl Fn(ContextPart) -> bool) -> Option<Self> {
        let FlatSamples { observations, action_mask, actions, columns } = samples;
        let [rows, width] = observations.dims();
        let mut copied = Columns::default();
        for part in ContextPart::ALL {
            if wanted(part)
                && let Some(values) = columns.get(part)
            {
                copied[part as usize] = floats(values)?;
            }
        }
        let actions = match actions {
            ActionTensor::Discrete(actions) => {
                Actions::Indices(actions.into_data().convert::<u32>().try_into_vec().ok()?)
            }
            ActionTensor::MultiDiscrete(actions) => {
                Actions::Indices(actions.into_data().convert::<u32>().try_into_vec().ok()?)
            }
            ActionTensor::MultiBinary(actions) | ActionTensor::Continuous(actions) => {
                Actions::Numbers(floats(actions)?)
            }
        };
        Some(Self {
            observations: floats(observations)?,
            width,
            action_mask: flags(action_mask)?,
            actions,
            columns: copied,
            mass_per_row: columns.mass() / rows as f64,
        })
    }

    /// True if observations, actions and masks are those that a policy takes.
    pub fn fit(&self, policy: &Perceptrons) -> bool {
        let count = self.observations.len() / self.width;
        let (first, outputs) = (policy.trunk.as_ref().unwrap_or(&policy.actor), policy.actor.outputs());
        let actions = match (&policy.head, &self.actions) {
            (FlatHead::Logits(sizes), Actions::Indices(actions)) => {
                let in_range = |(&action, &size): (&u32, &usize)| (action as usize) < size;
                actions.len() == sizes.len() * count && actions.iter().zip(sizes.iter().cycle()).all(in_range)
            }
            (FlatHead::Bernoulli, Actions::Numbers(actions)) => actions.len() == outputs * count,
            (FlatHead::Gaussian { log_std, .. }, Actions::Numbers(actions)) => {
                let width = if matches!(log_std, LogStd::Outputs { .. }) { outputs / 2 } else { outputs };
                actions.len() == width * count
            }
            _ => false,
        };
        let mask = self.action_mask.is_empty() || self.action_mask.len() == outputs * count;
        first.sizes[0][0] == self.width && actions && mask
    }

    /// Returns a column; empty if it is absent.
    pub fn column(&self, part: ContextPart) -> &[T] {
        &self.columns[part as usize]
    }

    /// Copies the samples with the indices `rows` to `to`, without their advantages.
    pub fn gather(&self, rows: &[u32], to: &mut SampleRows<T>) {
        to.count = rows.len();
        gather_rows(&self.observations, self.width, rows, &mut to.observations);
        let total = self.observations.len() / self.width;
        let each = |len: usize| len.checked_div(total).unwrap_or(0);
        gather_rows(&self.action_mask, each(self.action_mask.len()), rows, &mut to.action_mask);
        match &self.actions {
            Actions::Indices(actions) => gather_rows(actions, each(actions.len()), rows, &mut to.indices),
            Actions::Numbers(actions) => gather_rows(actions, each(actions.len()), rows, &mut to.numbers),
        }
        for part in ContextPart::ALL.into_iter().filter(|&part| part != ContextPart::Advantages) {
            let column = self.column(part);
            if !column.is_empty() {
                gather_rows(column, 1, rows, &mut to.columns[part as usize]);
            }
        }
    }
}

/// Copies the rows `rows` of an array of shape `[B, width]`.
pub(super) fn gather_rows<E: Copy>(from: &[E], width: usize, rows: &[u32], to: &mut Vec<E>) {
    to.clear();
    if width == 1 {
        to.extend(rows.iter().map(|&row| from[row as usize]));
        return;
    }
    for &row in rows {
        to.extend_from_slice(&from[row as usize * width..][..width]);
    }
}

/// Copies action masks to the host; empty if there are none.
pub(super) fn flags(mask: Option<Tensor<2, Bool>>) -> Option<Vec<bool>> {
    mask.map_or_else(|| Some(Vec::new()), |mask| mask.into_data().try_into_vec().ok())
}

/// Copies a tensor to the host. `None` if it is of another float type.
pub(super) fn floats<T: Real + Element, const D: usize>(tensor: Tensor<D>) -> Option<Vec<T>> {
    let data = tensor.into_data();
    if data.dtype() == T::DTYPE { data.try_into_vec().ok() } else { None }
}
