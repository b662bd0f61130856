//! The columns of experience: what belongs to each step, all in one place.
//!
//! A column is one line below. From it follow its place in a [`Rollout`] on the host and, if it is learnt from, in a
//! [`Batch`] on the device, and how it is cleared, put together from blocks, uploaded, selected, cut and planned for.
//! `as` names the part of a [`LossContext`] under which loss terms see it.

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

/// Writes the structs and what is done to all of their columns.
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
            /// What belongs to it if the policy is recurrent.
            pub history: Option<History>,
            $($(#[$required_doc])* pub $required: $from,)*
            $($(#[$optional_doc])* pub $optional: $on_host,)*
            $($(#[$host_doc])* pub $host: $kind,)*
        }

        impl Rollout {
            /// An empty rollout of `num_envs` environments.
            #[must_use]
            pub fn new(num_envs: usize, observations: Observations, actions: ActionBuffer) -> Self {
                Self {
                    num_envs,
                    history: None,
                    $($required: Default::default(),)*
                    $($optional: Default::default(),)*
                    $($host: Default::default(),)*
                }
                .with_kinds(observations, actions)
            }

            /// Empties every column. Their memory is kept.
            pub(super) fn clear_columns(&mut self) {
                $(self.$required.clear();)*
                $(self.$optional.clear();)*
                $(self.$host.clear();)*
            }

            /// Makes room for so many rows in the columns that `like` has.
            pub(super) fn reserve_as(&mut self, like: &Self, rows: usize) {
                $(self.$required.reserve_as(&like.$required, rows, like.len());)*
                $(self.$optional.reserve_as(&like.$optional, rows, like.len());)*
                $(self.$host.reserve_as(&like.$host, rows, like.len());)*
            }

            /// Appends the rows `rows` of every column of another rollout.
            pub(super) fn append_rows(&mut self, from: &Self, rows: Range<usize>) {
                $(Column::append(&mut self.$required, &from.$required, rows.clone(), from.len());)*
                $(Column::append(&mut self.$optional, &from.$optional, rows.clone(), from.len());)*
                $(Column::append(&mut self.$host, &from.$host, rows.clone(), from.len());)*
            }

            /// One row of zeros, for environments of a specification, in the columns that every rollout has.
            pub(crate) fn one_row(spec: &EnvSpec) -> Self {
                let mut row = Self::of_spec(1, spec);
                $(row.$required.push_zeros(spec);)*
                $(row.$host.push_zeros(spec);)*
                row
            }

            /// Bytes that a row takes in all columns that are moved to a device, but for the observations; and those of
            /// them that are still here afterwards, because their elements are of another type there.
            pub(crate) fn uploaded_row_bytes(&self) -> [usize; 2] {
                let columns = [
                    $(Upload::row_bytes(&self.$required, self.len()),)*
                    $(Upload::row_bytes(&self.$optional, self.len()),)*
                ];
                columns.into_iter().fold([0, 0], |sum, of| [sum[0] + of[0], sum[1] + of[1]])
            }

            /// Bytes that a row takes in all columns that there are.
            pub(crate) fn row_bytes(&self) -> usize {
                0 $(+ Column::row_bytes(&self.$required, self.len()))*
                    $(+ Column::row_bytes(&self.$optional, self.len()))*
                    $(+ Column::row_bytes(&self.$host, self.len()))*
            }

            /// Moves the columns to be learnt from to a device: all rows, or those that `rows` names, in that order.
            /// The observations are uploaded by the caller.
            pub(super) fn upload<O: Rows>(
                &mut self,
                observations: O,
                rows: Option<&[usize]>,
                device: &Device,
            ) -> Batch<O> {
                let total = self.len();
                Batch {
                    observations,
                    $($required: self.$required.upload(rows, total, device),)*
                    $($optional: (!self.$optional.is_empty()).then(|| self.$optional.upload(rows, total, device)),)*
                    progress: 0.0,
                    valid: None,
                    origins: Origins::Unknown,
                }
            }
        }

        /// B samples on a device; for a recurrent policy, B steps of whole sequences, which are never taken apart.
        ///
        /// What belongs to a sample is a vector. A column `[B, 1]` in its place would broadcast to a square; it does not
        /// compile:
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
            /// Share of training that was over when they were collected, 0 to 1.
            pub progress: f64,
            /// Samples to learn from, if not all of them are. Length B.
            pub valid: Option<Vec<bool>>,
            /// The environments that the samples come from, if they are in the order in which they were collected.
            pub origins: Origins,
        }

        impl<O: Rows> Batch<O> {
            /// A batch with the columns that every batch has.
            #[must_use]
            pub fn new(observations: O, $($required: $to),*) -> Self {
                Self {
                    observations,
                    $($required,)*
                    $($optional: None,)*
                    progress: 0.0,
                    valid: None,
                    origins: Origins::Unknown,
                }
            }

            /// The rows that `indices` names, in that order, of every column.
            pub(super) fn select_columns(&self, indices: &Tensor<1, Int>) -> Self {
                Self {
                    observations: self.observations.select_rows(indices),
                    $($required: self.$required.select_rows(indices),)*
                    $($optional: self.$optional.select_rows(indices),)*
                    progress: self.progress,
                    valid: None,
                    origins: Origins::Unknown,
                }
            }

            /// Adds the columns that loss terms may look at.
            pub(super) fn add_columns_to<'a>(&self, context: LossContext<'a>) -> LossContext<'a> {
                $($(let context = context.with_tensor(ContextPart::$old, self.$required.clone());)?)*
                $(let context = match &self.$optional {
                    None => context,
                    Some(column) => context.with_tensor(ContextPart::$part, column.clone()),
                };)*
                context
            }

            /// The rows `start..start + length` of every column.
            pub(super) fn narrow_columns(&self, start: usize, length: usize) -> Self {
                Self {
                    observations: self.observations.narrow_rows(start, length),
                    $($required: self.$required.narrow_rows(start, length),)*
                    $($optional: self.$optional.narrow_rows(start, length),)*
                    progress: self.progress,
                    valid: None,
                    origins: Origins::Unknown,
                }
            }
        }
    };
}

columns! {
    required {
        /// Actions taken. One a row.
        actions: ActionBuffer => ActionTensor;
        /// Log-probabilities of the actions under the policy that took them. One a row.
        log_probs: Vec<f32> => Tensor<1>, as OldLogProbs;
    }
    optional {
        /// Values of the observations when the actions were taken. One a row; none without a critic.
        values: Vec<f32> => Tensor<1>, as OldValues;
        /// Log-probabilities of the actions under a policy that is not trained. One a row; none without a reference.
        reference_log_probs: Vec<f32> => Tensor<1>, as ReferenceLogProbs;
        /// Advantages. One a row; none before they are estimated.
        advantages: Vec<f32> => Tensor<1>, as Advantages;
        /// Returns. One a row; none before they are estimated.
        returns: Vec<f32> => Tensor<1>, as Returns;
        /// What each row counts with in the loss: an importance weight, say. One a row; none if all count alike.
        weights: Vec<f32> => Tensor<1>, as Weights;
    }
    host {
        /// Observations acted on. One a row.
        observations: Observations;
        /// Actions that were possible, M flags a row; none if the environment has no masks.
        action_masks: Vec<bool>;
        /// Rewards. One a row.
        rewards: Vec<f32>;
        /// Episodes that ended in a terminal state with this step. One a row.
        terminated: Vec<bool>;
        /// Episodes that were cut off after this step. One a row.
        truncated: Vec<bool>;
        /// Steps with which an episode began. One a row.
        begins: Vec<bool>;
        /// Steps to learn from: all of them, unless rollouts are of whole
        /// [`Episodes`](super::RolloutLength::Episodes). One a row.
        valid: Vec<bool>;
        /// Values of the observations that followed; of the final observation at a truncation, 0 at a termination. One
        /// a row; none without a critic.
        next_values: Vec<f32>;
    }
}

/// What every column on the host can do. A column is empty, or has the same number of elements for each row.
trait Column {
    /// Appends a row of zeros.
    fn push_zeros(&mut self, spec: &EnvSpec);
    /// Makes room for `rows` rows like those of another column, which has `of` of them.
    fn reserve_as(&mut self, like: &Self, rows: usize, of: usize);
    /// Appends rows of another column, which has `of` of them.
    fn append(&mut self, from: &Self, rows: Range<usize>, of: usize);
    /// Bytes of one of its `of` rows.
    fn row_bytes(&self, of: usize) -> usize;
}

/// A column that can be moved to a device.
pub(super) trait Upload<T> {
    /// All rows, of which there are `of`, or those that `rows` names.
    fn upload(&mut self, rows: Option<&[usize]>, of: usize, device: &Device) -> T;
    /// Bytes of one of its `of` rows on the device, and of those that stay here if all are uploaded.
    fn row_bytes(&self, of: usize) -> [usize; 2];
}

impl<T: Copy + Default> Column for Vec<T> {
    fn push_zeros(&mut self, _: &EnvSpec) {
        self.push(T::default());
    }

    fn reserve_as(&mut self, like: &Self, rows: usize, of: usize) {
        self.reserve_exact(rows * like.len().checked_div(of).unwrap_or(0));
    }

    fn append(&mut self, from: &Self, rows: Range<usize>, of: usize) {
        let width = from.len().checked_div(of).unwrap_or(0);
        self.extend_from_slice(&from[rows.start * width..rows.end * width]);
    }

    fn row_bytes(&self, of: usize) -> usize {
        size_of::<T>() * self.len().checked_div(of).unwrap_or(0)
    }
}

impl Column for ActionBuffer {
    fn push_zeros(&mut self, spec: &EnvSpec) {
        let numbers = spec.action_space.flat_len();
        match self {
            Self::Discrete(actions) | Self::MultiDiscrete(actions) => actions.extend(vec![0; numbers]),
            Self::MultiBinary(actions) => actions.extend(vec![false; numbers]),
            Self::Continuous(actions) => actions.extend(vec![0.0; numbers]),
        }
    }

    fn reserve_as(&mut self, _: &Self, _: usize, _: usize) {}

    fn append(&mut self, from: &Self, rows: Range<usize>, of: usize) {
        let width = from.len().checked_div(of).unwrap_or(0);
        self.extend_from(from, rows.start * width..rows.end * width);
    }

    fn row_bytes(&self, of: usize) -> usize {
        let each = if matches!(self, Self::MultiBinary(_)) { 1 } else { 4 };
        each * self.len().checked_div(of).unwrap_or(0)
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
    fn upload(&mut self, rows: Option<&[usize]>, of: usize, device: &Device) -> Tensor<1> {
        let values = picked(self, of, rows);
        let len = values.len();
        Tensor::from_data(TensorData::new(values, [len]), device)
    }

    fn row_bytes(&self, of: usize) -> [usize; 2] {
        [Column::row_bytes(self, of), 0]
    }
}

impl Upload<ActionTensor> for ActionBuffer {
    fn upload(&mut self, rows: Option<&[usize]>, of: usize, device: &Device) -> ActionTensor {
        let Some(rows) = rows else { return ActionTensor::upload(self, of, device) };
        let width = self.len() / of;
        let mut picked = self.clone();
        picked.clear();
        for row in rows {
            picked.extend_from(self, row * width..(row + 1) * width);
        }
        ActionTensor::upload(&picked, rows.len(), device)
    }

    fn row_bytes(&self, of: usize) -> [usize; 2] {
        [4 * self.len().checked_div(of).unwrap_or(0), Column::row_bytes(self, of)]
    }
}

impl Rollout {
    fn with_kinds(self, observations: Observations, actions: ActionBuffer) -> Self {
        Self { actions, observations, ..self }
    }

    /// Number of recorded steps of all environments together, T * N.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rewards.len()
    }

    /// Is nothing recorded?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
