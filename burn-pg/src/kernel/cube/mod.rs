//! Kernels for GPUs, written with [CubeCL](cubecl): a whole rollout, the advantages, and a minibatch, without a read-back.
//!
//! A workgroup takes a [`Tile`] of rows through a perceptron with the activations in workgroup memory. All kernels use
//! single precision, and add up in a fixed order, so that results repeat to the bit.

// In functions for devices: `usize` has 32 bits; constants of compilation are arguments by value; loops over them have an index.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::needless_pass_by_value,
    clippy::needless_range_loop,
    clippy::too_many_lines,
    clippy::trivially_copy_pass_by_ref
)]

mod advantages;
mod buffer;
mod dense;
mod head;
mod minibatch;
mod network;
mod number;
mod order;
mod pieces;
mod rollout;
mod rule;
mod statistics;
mod step;
mod summary;
mod terms;
mod trace;
mod values;

pub(crate) use cubecl::client::Client;

pub(crate) use advantages::{ESTIMATED, estimate};
pub(crate) use buffer::{Buffer, client, is_gpu};
pub(crate) use head::DeviceHead;
pub(crate) use minibatch::{MOST_WORKGROUPS, MinibatchPlan, SampleBuffers, fit_minibatch, minibatch, workgroups_of};
pub(crate) use network::{DeviceNetwork, Tile, fit};
pub(crate) use order::{Pass, half_bits};
pub(crate) use pieces::{join, split};
pub(crate) use rollout::{BOOKS, Recorded, RolloutKernel, RolloutPlan, Steps, kernels_of};
pub(crate) use rule::{RulePlan, sizes_of};
pub(crate) use statistics::{PARTS, advantage_statistics};
pub(crate) use step::{DeviceStep, StepBuffers, norms_of, reduce, take_step};
pub(crate) use summary::{SUMMARY, summarise};
pub(crate) use terms::{COEFFICIENTS, DeviceTerm};
pub(crate) use trace::trace;
pub(crate) use values::values;
