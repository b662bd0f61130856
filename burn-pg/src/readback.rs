//! Reading results back from a device.

use std::fmt::Debug;

use burn::tensor::{Tensor, Transaction};

use crate::Error;

/// Reads vectors back, with one synchronisation.
pub(crate) fn read<const K: usize>(tensors: [Tensor<1>; K]) -> Result<[Vec<f32>; K], Error> {
    let data = tensors.into_iter().fold(Transaction::default(), Transaction::register).try_execute().map_err(failed)?;
    let vectors: Result<Vec<Vec<f32>>, _> =
        data.into_iter().map(|data| data.convert::<f32>().try_into_vec().map_err(failed)).collect();
    vectors?.try_into().map_err(failed)
}

fn failed(error: impl Debug) -> Error {
    Error::Execution(format!("{error:?}"))
}
