//! The metrics of an update, on the device until it is over.

use std::collections::BTreeMap;

use burn::tensor::Tensor;

use crate::{Error, loss::Metric, readback::read};

/// Collects the metrics of the minibatches of one update on the device, to be read back once.
#[derive(Default)]
pub(crate) struct MetricLog {
    names: Vec<&'static str>,
    rows: Vec<Tensor<1>>,
}

impl MetricLog {
    /// Adds the metrics of a minibatch; each minibatch has the same ones.
    pub(crate) fn push(&mut self, metrics: Vec<Metric>) {
        let (names, values): (_, Vec<_>) = metrics.into_iter().unzip();
        self.names = names;
        self.rows.push(Tensor::cat(values, 0));
    }

    /// A metric of the last minibatch, if there is one of that name. Waits for the device.
    pub(crate) fn last(&self, name: &str) -> Result<Option<f64>, Error> {
        let Some(column) = self.names.iter().position(|&known| known == name) else { return Ok(None) };
        let row = self.rows.last().map(|row| read([row.clone()])).transpose()?;
        Ok(row.map(|[numbers]| f64::from(numbers[column])))
    }

    /// The mean of each metric over the minibatches, if they and the `weights` that came of them (shape `[P]`) are finite.
    /// Waits for the device.
    pub(crate) fn read_means(self, update: u64, weights: Tensor<1>) -> Result<BTreeMap<String, f64>, Error> {
        let rows = self.rows.len() as f64;
        // 0 unless one of them is not finite: then NaN.
        let spoilt = weights.mul_scalar(0.0).sum();
        let [numbers, spoilt] = read([Tensor::cat(self.rows, 0), spoilt])?;
        // Row by row, for in the minibatches after it one number that is not finite has spoilt the others.
        if let Some(i) = numbers.iter().position(|number| !number.is_finite()) {
            let (metric, value) = (self.names[i % self.names.len()], f64::from(numbers[i]));
            return Err(Error::NonFinite { update, metric, value, env: None });
        }
        if !spoilt[0].is_finite() {
            return Err(Error::NonFinite { update, metric: "weights", value: f64::from(spoilt[0]), env: None });
        }
        let mut means = BTreeMap::new();
        for (i, &metric) in self.names.iter().enumerate() {
            let column = numbers.iter().skip(i).step_by(self.names.len());
            let mean = column.map(|&number| f64::from(number)).sum::<f64>() / rows;
            means.insert(metric.to_owned(), mean);
        }
        Ok(means)
    }
}
