//! The sum of loss terms.

use std::collections::BTreeMap;

use burn::tensor::Tensor;

use super::{
    ClosedForm, ContextPart, LossContext, LossTerm, Metric, ObjectiveError, ObjectiveOutput, PartialOutput, Reported,
    TermState, error::check_names,
};
use crate::{
    kernel::{weighted_sums, weighted_total},
    optim::Schedule,
};

/// The states of the terms of an objective, by [`LossTerm::name`]; a term without state is left out.
pub type ObjectiveState = BTreeMap<String, TermState>;

/// A term in closed form, at one point of training.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClosedTerm {
    pub name: &'static str,
    pub weight: f64,
    pub form: ClosedForm,
}

type WeightedTerm = (Schedule, Box<dyn LossTerm>);

/// A weighted sum of loss terms,
///
/// ```text
/// L = sum_k c_k sum_i w_i l_ki / mass
/// ```
///
/// with the loss `l_ki` of term k for sample i, the weight `c_k` of the term, the [weight](LossContext::weights) `w_i`
/// of the sample (1 if there are none) and the [mass](LossContext::mass) of the minibatch. The reported loss of a term
/// is `sum_i w_i l_ki / mass`, so that L is the weighted sum of the reported losses. Other metrics `m` of terms are
/// means, independent of the mass: `sum_i w_i m_i / sum_i w_i`. A sample of weight 0 has no effect, as long as its loss
/// is finite.
#[derive(Default)]
pub struct Objective {
    terms: Vec<WeightedTerm>,
}

impl Objective {
    /// Creates an objective without terms.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `weight` times `term`; the weight may be a [`Schedule`]. A term of weight 0 is reported, but trains
    /// nothing, even if its gradient is not finite.
    ///
    /// # Panics
    /// If [`try_with`](Self::try_with) would return an error.
    #[must_use]
    pub fn with(self, weight: impl Into<Schedule>, term: impl LossTerm + 'static) -> Self {
        self.try_with(weight, term).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Like [`with`](Self::with), but returns an error. For weights and terms that come from outside the program.
    ///
    /// # Errors
    /// [`ObjectiveError::Weight`], [`ObjectiveError::Duplicate`] or [`ObjectiveError::OutOfRange`].
    pub fn try_with(self, weight: impl Into<Schedule>, term: impl LossTerm + 'static) -> Result<Self, ObjectiveError> {
        self.try_push(weight.into(), Box::new(term))
    }

    /// [`try_with`](Self::try_with) for a boxed term.
    pub(super) fn try_push(mut self, weight: Schedule, term: Box<dyn LossTerm>) -> Result<Self, ObjectiveError> {
        let name = term.name();
        if let Some(weight) = weight.ends().into_iter().find(|end| !(end.is_finite() && *end >= 0.0)) {
            return Err(ObjectiveError::Weight { term: name, weight });
        }
        if self.terms().any(|other| other == name) {
            return Err(ObjectiveError::Duplicate { term: name });
        }
        term.validate()?;
        self.terms.push((weight, term));
        Ok(self)
    }

    /// Returns the names of the terms, in the order in which they were added.
    pub fn terms(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.terms.iter().map(|(_, term)| term.name())
    }

    /// True if a term needs this part of a context.
    #[must_use]
    pub fn needs(&self, part: ContextPart) -> bool {
        self.terms.iter().any(|(_, term)| term.needs().contains(&part))
    }

    /// Checks that the terms need no optional part of a context other than those in `given`.
    ///
    /// # Errors
    /// [`ObjectiveError::Missing`] for the first term that needs another part.
    pub fn check_needs(&self, given: &[ContextPart]) -> Result<(), ObjectiveError> {
        for (_, term) in &self.terms {
            if let Some(&part) = term.needs().iter().find(|part| !given.contains(part)) {
                return Err(ObjectiveError::Missing { term: term.name(), part });
            }
        }
        Ok(())
    }

    /// Computes the weighted sum of the terms, without those of weight 0. Returns the metrics of the terms, the loss of
    /// each term (without its weight) under its name, and the sum as `loss`.
    ///
    /// # Panics
    /// If the objective has no terms, a term [needs](Self::check_needs) a part that the context lacks, or a term
    /// returns a loss or a metric that does not have one value per sample (for example a mean).
    #[must_use]
    pub fn compute(&self, context: &LossContext<'_>) -> ObjectiveOutput {
        self.compute_part(context).into()
    }

    /// Like [`compute`](Self::compute), for a part of a minibatch. The mass of `context` must be that of the whole
    /// minibatch.
    pub(crate) fn compute_part(&self, context: &LossContext<'_>) -> PartialOutput {
        sum(&self.terms, context)
    }

    /// Like [`compute`](Self::compute), with the term `name` alone.
    pub(crate) fn compute_only(&self, name: &str, context: &LossContext<'_>) -> ObjectiveOutput {
        sum(self.terms.iter().filter(|(_, term)| term.name() == name), context).into()
    }

    /// Returns the terms in closed form, or the name of the first that has none.
    pub(crate) fn closed_forms(&self, progress: f64) -> Result<Vec<ClosedTerm>, &'static str> {
        let closed = |(weight, term): &WeightedTerm| match term.closed_form(progress) {
            None => Err(term.name()),
            Some(form) => Ok(ClosedTerm { name: term.name(), weight: weight.at(progress), form }),
        };
        self.terms.iter().map(closed).collect()
    }

    /// Lets each term adapt; see [`LossTerm::after_update`].
    pub fn after_update(&mut self, measured: &BTreeMap<String, f64>) {
        for (_, term) in &mut self.terms {
            term.after_update(measured);
        }
    }

    /// Returns the states that the terms need to resume a run.
    #[must_use]
    pub fn state(&self) -> ObjectiveState {
        let states = self.terms.iter().map(|(_, term)| (term.name().to_owned(), term.state()));
        states.filter(|(_, state)| !state.is_empty()).collect()
    }

    /// Restores the states of the terms.
    ///
    /// # Errors
    /// [`ObjectiveError::State`] or [`ObjectiveError::OutOfRange`] if it is not a state of these terms. The terms are
    /// then unchanged.
    pub fn set_state(&mut self, state: &ObjectiveState) -> Result<(), ObjectiveError> {
        let before = self.state();
        check_names("the objective", before.keys(), state.keys())?;
        let result = self.set_states(state);
        if result.is_err() {
            self.set_states(&before)?;
        }
        result
    }

    fn set_states(&mut self, state: &ObjectiveState) -> Result<(), ObjectiveError> {
        self.terms.iter_mut().try_for_each(|(_, term)| match state.get(term.name()) {
            Some(state) => term.set_state(state),
            None => Ok(()),
        })
    }
}

/// Computes terms and sums them, with the weights of the terms and of the samples.
fn sum<'a>(terms: impl IntoIterator<Item = &'a WeightedTerm>, context: &LossContext<'_>) -> PartialOutput {
    let (mut losses, mut metrics, mut summands) = (Vec::new(), Vec::new(), Vec::new());
    for (weight, term) in terms {
        let output = term.compute(context);
        losses.push((term.name(), output.loss.clone().inner()));
        metrics.extend(output.metrics);
        let weight = weight.at(context.progress());
        // Not multiplied by 0, because 0 times a loss or a gradient that is not finite would be NaN.
        if weight > 0.0 {
            summands.push((weight, output.loss));
        }
    }
    assert!(!losses.is_empty(), "an objective needs at least one term");
    if summands.is_empty() {
        summands.push((0.0, context.log_probs()));
    }
    let (weights, mass) = (context.get(ContextPart::Weights).map(Tensor::detach), context.mass());
    let samples = context.samples().unwrap_or_else(|| losses[0].1.dims()[0]);
    for (name, values) in losses.iter().chain(&metrics) {
        let given = values.dims()[0];
        assert_eq!(given, samples, "`{name}` has {given} values for {samples} samples: a term gives one per sample");
    }
    let loss = weighted_total(&summands, weights.as_ref(), mass);
    let weights = weights.map(Tensor::inner);
    let mut losses = summed(losses, weights.as_ref(), mass);
    losses.push(("loss", loss.clone().inner()));
    let sums = summed(metrics, weights.as_ref(), 1.0);
    let reported = Reported { losses, sums, samples, weight: weights.map(Tensor::sum) };
    PartialOutput { loss, reported }
}

fn summed(vectors: Vec<Metric>, weights: Option<&Tensor<1>>, mass: f64) -> Vec<Metric> {
    let (names, vectors): (Vec<_>, Vec<_>) = vectors.into_iter().unzip();
    names.into_iter().zip(weighted_sums(&vectors, weights, mass)).collect()
}
