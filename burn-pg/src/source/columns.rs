//! The columns of rollouts and batches: the values that belong to each step.
//!
//! Each column is defined by one line below. This line makes the column a field of a [`Rollout`] on the host and, if
//! the policy learns from it, of a [`Batch`] on the device. It also defines how the column is cleared, joined from
//! blocks, uploaded, selected, cut and counted in the memory plan. `as` names the part of a [`LossContext`] through
//! which loss terms use the column.

use std::ops::Range;

use burn::tensor::{Device, Int, Tensor, TensorData};
use burn_pg_envs::{ActionBuffer, EnvSpec};

use super::{
    History, Origins,
    observations::{Observations, picked},
};
use crate::{
    distribution::ActionTensor,
    loss::{ContextPart, LossContext},
    policy::{Observation, Rows},
};

/// Defines the structs and the methods that treat all columns alike.
macro_rules! columns {
    (
        required { $($(#[$required_doc:meta])* $required:ident: $from:ty => $to:ty $(, as $old:ident)?;)* }
        optional { $($(#[$optional_doc:meta])* $optional:ident: $on_host:ty => $on_device:ty, as $part:ident;)* }
        host { $($(#[$host_doc:meta])* $host:ident: $kind:ty;)* }
    ) => {
        /// T steps of N environments on the host, time-major: row `t * N + n` is step `t` of environment `n`.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Rollout {
            /// Number of environments, N.
            pub num_envs: usize,
            /// Recurrent states and the steps before the rollout, if the policy is recurrent.
            pub history: Option<History>,
            $($(#[$required_doc])* pub $required: $from,)*
            $($(#[$optional_doc])* pub $optional: $on_host,)*
            $($(#[$host_doc])* pub $host: $kind,)*
        }

        impl Rollout {
            /// Creates an empty rollout of `num_envs` environments.
            #[must_use]
            pub fn new(num_envs: usize, observations: Observations, actions: ActionBuffer) -> Self {
                let mut empty = Self {
                    num_envs,
                    history: None,
                    $($required: Default::default(),)*
                    $($optional: Default::default(),)*
                    $($host: Default::default(),)*
                };
                (empty.observations, empty.actions) = (observations, actions);
                empty
            }

            /// Empties every column, but keeps its memory.
            pub(super) fn clear_columns(&mut self) {
                $(self.$required.clear();)*
                $(self.$optional.clear();)*
                $(self.$host.clear();)*
            }

            /// Reserves memory for `rows` rows in each column that is not empty in `like`.
            pub(super) fn reserve_as(&mut self, like: &Self, rows: usize) {
                $(self.$required.reserve_as(&like.$required, rows, like.len());)*
                $(self.$optional.reserve_as(&like.$optional, rows, like.len());)*
                $(self.$host.reserve_as(&like.$host, rows, like.len());)*
            }

            /// Appends the rows `rows` of every column of `from`.
            pub(super) fn append_rows(&mut self, from: &Self, rows: Range<usize>) {
                $(Column::append(&mut self.$required, &from.$required, rows.clone(), from.len());)*
                $(Column::append(&mut self.$optional, &from.$optional, rows.clone(), from.len());)*
                $(Column::append(&mut self.$host, &from.$host, rows.clone(), from.len());)*
            }

            /// Returns a rollout of one environment with one row of zeros in the columns that every rollout has.
            pub(crate) fn one_row(spec: &EnvSpec) -> Self {
                let mut row = Self::of_spec(1, spec);
                $(row.$required.push_zeros(spec);)*
                $(row.$host.push_zeros(spec);)*
                row
            }

            /// Bytes of a row on the device in all columns that are uploaded, except the observations.
            pub(crate) fn uploaded_row_bytes(&self) -> usize {
                0 $(+ Upload::row_bytes(&self.$required, self.len()))*
                    $(+ Upload::row_bytes(&self.$optional, self.len()))*
            }

            /// Bytes of a row in all columns that are not empty.
            pub(crate) fn row_bytes(&self) -> usize {
                0 $(+ Column::row_bytes(&self.$required, self.len()))*
                    $(+ Column::row_bytes(&self.$optional, self.len()))*
                    $(+ Column::row_bytes(&self.$host, self.len()))*
            }

            /// Moves the columns to learn from to a device: all rows, or the given `rows` in that order. The caller
            /// uploads the observations.
            pub(super) fn upload<O: Rows>(
                &mut self,
                observations: O,
                rows: Option<&[usize]>,
                device: &Device,
            ) -> Batch<O> {
                let total = self.len();
                Batch {
                    $($optional: (!self.$optional.is_empty()).then(|| self.$optional.upload(rows, total, device)),)*
                    ..Batch::new(observations, $(self.$required.upload(rows, total, device)),*)
                }
            }
        }

        /// B samples on a device; for a recurrent policy, B steps of whole sequences, which are never split.
        ///
        /// A column with one value per sample is a vector. A matrix of shape `[B, 1]` in its place would broadcast to
        /// `[B, B]`, so it does not compile:
        ///
        /// ```compile_fail,E0308
        /// # use burn_pg::{burn::tensor::Tensor, source::Batch};
        /// fn with_returns(batch: Batch, returns: Tensor<2>) -> Batch {
        ///     Batch { returns: Some(returns), ..batch }
        /// }
        /// ```
        #[derive(Debug, Clone)]
        pub struct Batch<O = Observation> {
            /// Observations.
            pub observations: O,
            $($(#[$required_doc])* pub $required: $to,)*
            $($(#[$optional_doc])* pub $optional: Option<$on_device>,)*
            /// Share of training that was over when the samples were collected, 0 to 1; see
            /// [`CollectContext::progress`](super::CollectContext::progress). [Schedules](crate::optim::Schedule) in
            /// loss terms are evaluated there. 0 unless the source sets it.
            pub progress: f64,
            /// The share of the [mass](super::Samples::mass) that each row to learn from contributes. Default 1: losses
            /// are averaged over the rows. See [`averaged`](Self::averaged).
            pub mass_per_row: f64,
            /// True for the samples to learn from; `None` for all samples. Length B.
            pub valid: Option<Vec<bool>>,
            /// The environments that the samples come from, if the samples are in the order of collection.
            pub origins: Origins,
        }

        impl<O: Rows> Batch<O> {
            /// Creates a batch with the columns that every batch has.
            #[must_use]
            pub fn new(observations: O, $($required: $to),*) -> Self {
                Self {
                    observations,
                    $($required,)*
                    $($optional: None,)*
                    progress: 0.0,
                    mass_per_row: 1.0,
                    valid: None,
                    origins: Origins::Unknown,
                }
            }

            /// Returns the rows `indices` of every column, in that order.
            pub(super) fn select_columns(&self, indices: &Tensor<1, Int>) -> Self {
                Self {
                    $($optional: self.$optional.select_rows(indices),)*
                    progress: self.progress,
                    mass_per_row: self.mass_per_row,
                    ..Self::new(self.observations.select_rows(indices), $(self.$required.select_rows(indices)),*)
                }
            }

            /// True if the column of `part` is optional and absent.
            pub(super) fn lacks_column(&self, part: ContextPart) -> bool {
                match part {
                    $(ContextPart::$part => self.$optional.is_none(),)*
                    _ => false,
                }
            }

            /// Adds the columns that loss terms may use.
            pub(super) fn add_columns_to<'a>(&self, context: LossContext<'a>) -> LossContext<'a> {
                $($(let context = context.with_tensor(ContextPart::$old, self.$required.clone());)?)*
                $(let context = match &self.$optional {
                    None => context,
                    Some(column) => context.with_tensor(ContextPart::$part, column.clone()),
                };)*
                context
            }

            /// Returns the rows `start..start + length` of every column.
            pub(super) fn narrow_columns(&self, start: usize, length: usize) -> Self {
                Self {
                    $($optional: self.$optional.narrow_rows(start, length),)*
                    progress: self.progress,
                    mass_per_row: self.mass_per_row,
                    ..Self::new(
                        self.observations.narrow_rows(start, length),
                        $(self.$required.narrow_rows(start, length)),*
                    )
                }
            }
        }
    };
}

columns! {
    required {
        /// Actions taken. One per row.
        actions: ActionBuffer => ActionTensor;
        /// Log-probabilities of the actions under the policy that took them. One per row.
        log_probs: Vec<f32> => Tensor<1>, as OldLogProbs;
    }
    optional {
        /// Values of the observations when the actions were taken. One per row; none without a critic.
        values: Vec<f32> => Tensor<1>, as OldValues;
        /// Log-probabilities of the actions under the reference policy. One per row; none without a reference.
        reference_log_probs: Vec<f32> => Tensor<1>, as ReferenceLogProbs;
        /// Advantages. One per row; none before they are estimated.
        advantages: Vec<f32> => Tensor<1>, as Advantages;
        /// Returns. One per row; none before they are estimated.
        returns: Vec<f32> => Tensor<1>, as Returns;
        /// Weight of each row in the loss, for example an importance weight. One per row; none if all weights are
        /// equal.
        weights: Vec<f32> => Tensor<1>, as Weights;
    }
    host {
        /// Observations in which the actions were taken. One per row.
        observations: Observations;
        /// True for the actions that were possible. M flags per row; none if the environment has no masks.
        action_masks: Vec<bool>;
        /// Rewards. One per row.
        rewards: Vec<f32>;
        /// True if this step ended its episode in a terminal state. One per row.
        terminated: Vec<bool>;
        /// True if the episode was truncated after this step. One per row.
        truncated: Vec<bool>;
        /// True if this step began an episode. One per row.
        begins: Vec<bool>;
        /// True if the policy learns from this step. False for rows without a transition
        /// ([`StepBatch::valid`](burn_pg_envs::StepBatch::valid)) and, in rollouts of whole
        /// [`Episodes`](super::RolloutLength::Episodes), after the first episode of an environment. One per row.
        valid: Vec<bool>;
        /// Values of the next observations: after a truncation, the value of the episode's final observation; after a
        /// termination, 0. One per row; none without a critic.
        next_values: Vec<f32>;
    }
}

/// A column on the host. It is empty, or has the same number of elements for each row.
trait Column {
    /// Appends a row of zeros.
    fn push_zeros(&mut self, spec: &EnvSpec);
    /// Reserves memory for `rows` rows like those of `like`, which has `total` rows.
    fn reserve_as(&mut self, like: &Self, rows: usize, total: usize);
    /// Appends the rows `rows` of `from`, which has `total` rows.
    fn append(&mut self, from: &Self, rows: Range<usize>, total: usize);
    /// Bytes of a row, if the column has `total` rows.
    fn row_bytes(&self, total: usize) -> usize;
}

/// A column that can be moved to a device.
pub(super) trait Upload<T> {
    /// Uploads all `total` rows, or the given `rows`.
    fn upload(&mut self, rows: Option<&[usize]>, total: usize, device: &Device) -> T;
    /// Bytes of a row on the device, if the column has `total` rows.
    fn row_bytes(&self, total: usize) -> usize;
}

impl<T: Copy + Default> Column for Vec<T> {
    fn push_zeros(&mut self, _: &EnvSpec) {
        self.push(T::default());
    }

    fn reserve_as(&mut self, like: &Self, rows: usize, total: usize) {
        self.reserve_exact(rows * like.len().checked_div(total).unwrap_or(0));
    }

    fn append(&mut self, from: &Self, rows: Range<usize>, total: usize) {
        let width = from.len().checked_div(total).unwrap_or(0);
        self.extend_from_slice(&from[rows.start * width..rows.end * width]);
    }

    fn row_bytes(&self, total: usize) -> usize {
        size_of::<T>() * self.len().checked_div(total).unwrap_or(0)
    }
}

impl Column for ActionBuffer {
    fn push_zeros(&mut self, spec: &EnvSpec) {
        let len = spec.action_space.flat_len();
        match self {
            Self::Discrete(actions) | Self::MultiDiscrete(actions) => actions.extend(vec![0; len]),
            Self::MultiBinary(actions) => actions.extend(vec![false; len]),
            Self::Continuous(actions) => actions.extend(vec![0.0; len]),
        }
    }

    fn reserve_as(&mut self, like: &Self, rows: usize, total: usize) {
        let len = rows * like.len().checked_div(total).unwrap_or(0);
        match self {
            Self::Discrete(actions) | Self::MultiDiscrete(actions) => actions.reserve_exact(len),
            Self::MultiBinary(actions) => actions.reserve_exact(len),
            Self::Continuous(actions) => actions.reserve_exact(len),
        }
    }

    fn append(&mut self, from: &Self, rows: Range<usize>, total: usize) {
        let width = from.len().checked_div(total).unwrap_or(0);
        self.extend_from(from, rows.start * width..rows.end * width);
    }

    fn row_bytes(&self, total: usize) -> usize {
        let each = if matches!(self, Self::MultiBinary(_)) { 1 } else { 4 };
        each * self.len().checked_div(total).unwrap_or(0)
    }
}

impl Column for Observations {
    fn push_zeros(&mut self, spec: &EnvSpec) {
        self.extend(&vec![0.0; spec.observation_space.flat_len()]);
    }

    fn reserve_as(&mut self, _: &Self, rows: usize, _: usize) {
        self.reserve(rows);
    }

    fn append(&mut self, from: &Self, rows: Range<usize>, _: usize) {
        self.append(from, rows);
    }

    fn row_bytes(&self, _: usize) -> usize {
        Self::row_bytes(self)
    }
}

impl Upload<Tensor<1>> for Vec<f32> {
    fn upload(&mut self, rows: Option<&[usize]>, total: usize, device: &Device) -> Tensor<1> {
        let values = picked(self, total, rows);
        let len = values.len();
        Tensor::from_data(TensorData::new(values, [len]), device)
    }

    fn row_bytes(&self, total: usize) -> usize {
        Column::row_bytes(self, total)
    }
}

impl Upload<ActionTensor> for ActionBuffer {
    fn upload(&mut self, rows: Option<&[usize]>, total: usize, device: &Device) -> ActionTensor {
        let Some(rows) = rows else { return ActionTensor::upload(self, total, device) };
        let width = self.len() / total;
        let mut picked = self.clone();
        picked.clear();
        for row in rows {
            picked.extend_from(self, row * width..(row + 1) * width);
        }
        ActionTensor::upload(&picked, rows.len(), device)
    }

    fn row_bytes(&self, total: usize) -> usize {
        4 * self.len().checked_div(total).unwrap_or(0)
    }
}

impl Rollout {
    /// Number of recorded steps of all environments, T * N.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rewards.len()
    }

    /// True if no step is recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
