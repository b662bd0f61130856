//! The metrics of an update, kept on the device until the update ends.

use std::collections::BTreeMap;

use burn::tensor::Tensor;

use crate::{Error, device::readback::read, loss::Metric};

/// The metrics of the steps of one update: their names and values. Values on the device are read back once.
#[derive(Default)]
pub(super) struct MetricLog {
    steps: Vec<(Vec<&'static str>, Values)>,
    /// True if the new weights were checked already.
    weights_checked: bool,
}

enum Values {
    OnDevice(Box<Tensor<1>>),
    OnHost(Vec<f64>),
}

impl MetricLog {
    /// Adds the metrics of a step.
    pub(super) fn push(&mut self, metrics: Vec<Metric>) {
        let (names, values): (Vec<_>, Vec<_>) = metrics.into_iter().unzip();
        self.steps.push((names, Values::OnDevice(Box::new(Tensor::cat(values, 0)))));
    }

    /// Adds the metrics of a step that were computed on the host.
    pub(super) fn push_from_host(&mut self, metrics: Vec<(&'static str, f64)>) {
        let (names, values) = metrics.into_iter().unzip();
        self.steps.push((names, Values::OnHost(values)));
    }

    /// Says that the new weights need no check.
    pub(super) fn set_weights_checked(&mut self) {
        self.weights_checked = true;
    }

    /// Number of steps.
    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    /// Returns the mean of a metric over the steps from `first` on that have it, or `None` if there are none. Waits for the
    /// device.
    pub(super) fn mean_from(&self, name: &str, first: usize) -> Result<Option<f64>, Error> {
        let (mut values, mut on_device) = (Vec::new(), Vec::new());
        for (names, of_step) in &self.steps[first..] {
            let Some(column) = names.iter().position(|&known| known == name) else { continue };
            match of_step {
                Values::OnHost(of_step) => values.push(of_step[column]),
                Values::OnDevice(of_step) => on_device.push((**of_step).clone().narrow(0, column, 1)),
            }
        }
        if !on_device.is_empty() {
            values.extend(read([Tensor::cat(on_device, 0)])?[0].iter().copied().map(f64::from));
        }
        Ok((!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64))
    }

    /// Returns a metric of the last step, or `None` if it has none of that name. Waits for the device.
    pub(super) fn last(&self, name: &str) -> Result<Option<f64>, Error> {
        let Some((names, values)) = self.steps.last() else { return Ok(None) };
        let Some(column) = names.iter().position(|&known| known == name) else { return Ok(None) };
        Ok(Some(match values {
            Values::OnHost(values) => values[column],
            Values::OnDevice(values) => f64::from(read([(**values).clone()])?[0][column]),
        }))
    }

    /// Returns the mean of each metric over the steps that have it. Gives an error if a metric or one of the new
    /// `weights` (shape `[P]`) is not finite, or if a step has two metrics of the same name. Waits for the device.
    pub(super) fn read_means(self, update: u64, weights: Tensor<1>) -> Result<BTreeMap<String, f64>, Error> {
        for (names, _) in &self.steps {
            if let Some((_, name)) = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)) {
                return Err(Error::MetricName { name: (*name).to_owned() });
            }
        }
        let (names, values): (Vec<Vec<&str>>, Vec<_>) = self.steps.into_iter().unzip();
        let on_device: Vec<Tensor<1>> = values.iter().filter_map(Values::on_device).cloned().collect();
        // Counted with `is_finite`, which tests bits: shading languages may compile arithmetic and comparisons as if
        // there were no NaN and no infinity.
        let non_finite = || weights.is_finite().bool_not().float().sum();
        let [mut on_device, non_finite] = match (on_device.is_empty(), self.weights_checked) {
            (true, true) => [Vec::new(), vec![0.0]],
            (true, false) => [Vec::new(), read([non_finite()])?[0].clone()],
            (false, _) => read([Tensor::cat(on_device, 0), non_finite()])?,
        };
        let values: Vec<f64> = values
            .into_iter()
            .flat_map(|values| match values {
                Values::OnHost(values) => values,
                Values::OnDevice(tensor) => on_device.drain(..tensor.dims()[0]).map(f64::from).collect(),
            })
            .collect();
        // The first non-finite value is reported, because it makes the metrics of all later steps non-finite.
        let metrics = names.iter().flatten().copied().zip(values);
        let weights = (non_finite[0] != 0.0).then_some(("weights", f64::NAN));
        if let Some((metric, value)) = metrics.clone().find(|(_, value)| !value.is_finite()).or(weights) {
            return Err(Error::NonFinite { update, metric, value, term: None, env: None });
        }
        let mut sums: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
        for (name, value) in metrics {
            let (sum, count) = sums.entry(name).or_default();
            *sum += value;
            *count += 1.0;
        }
        Ok(sums.into_iter().map(|(name, (sum, count))| (name.to_owned(), sum / count)).collect())
    }
}

impl Values {
    fn on_device(&self) -> Option<&Tensor<1>> {
        match self {
            Self::OnDevice(values) => Some(values),
            Self::OnHost(_) => None,
        }
    }
}
