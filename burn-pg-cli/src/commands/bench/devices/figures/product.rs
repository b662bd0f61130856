//! Matrix products with the shapes of small networks.

use burn_pg::burn::tensor::{Tensor, TensorData};

use super::{Grid, Kind, Method, Planned, random, repeated};
use crate::numbers::grouped;

/// Inputs and outputs of a layer.
const LAYERS: [(usize, usize); 3] = [(4, 64), (64, 64), (256, 256)];

pub fn figures(grid: &Grid) -> Vec<Planned> {
    let planned = |(inputs, outputs): (usize, usize), rows: usize| {
        let operations = (2 * rows * inputs * outputs) as f64;
        Planned {
            kind: Kind::Product,
            name: format!("[{}, {inputs}] x [{inputs}, {outputs}]", grouped(rows)),
            size: None,
            amount: operations,
            cost: operations,
            method: Method::Measure(Box::new(move |device| {
                let matrix = |shape: [usize; 2]| {
                    Tensor::<2>::from_data(TensorData::new(random(shape[0] * shape[1]), shape), device)
                };
                let (input, weight, device) = (matrix([rows, inputs]), matrix([inputs, outputs]), device.clone());
                Ok(repeated(&device.clone(), move || {
                    let product = input.clone().matmul(weight.clone());
                    // A product that is dropped before it is computed may never be computed.
                    device.flush()?;
                    drop(product);
                    Ok(())
                }))
            })),
        }
    };
    LAYERS.into_iter().flat_map(|layer| grid.rows.iter().map(move |&rows| planned(layer, rows))).collect()
}
