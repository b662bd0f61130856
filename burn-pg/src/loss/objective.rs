//! The sum of loss terms.

use std::collections::BTreeMap;

use burn::tensor::Tensor;

use super::{
    ContextPart, LossContext, LossTerm, Metric, ObjectiveError, ObjectiveOutput, PartialOutput, Reported, TermState,
    error::check_names,
};
use crate::{
    kernel::{weighted_sums, weighted_total},
    optim::Schedule,
};

/// What the terms of an objective remember, by [`LossTerm::name`]; a term that remembers nothing is left out.
pub type ObjectiveState = BTreeMap<String, TermState>;

type WeightedTerm = (Schedule, Box<dyn LossTerm>);

/// A weighted sum of loss terms,
///
/// ```text
/// L = sum_k c_k sum_i w_i l_ki / mass
/// ```
///
/// with the loss `l_ki` of term k for sample i, the weight `c_k` of the term, the
/// [weight](LossContext::weights) `w_i` of the sample (1 if there are none) and the [mass](LossContext::mass) of the
/// minibatch. The losses that are reported add up to L in the same way; other metrics `m` of terms are means whatever the
/// mass is, `sum_i w_i m_i / sum_i w_i`. A weight of 0 hides a sample, even one whose loss is not finite.
#[derive(Default)]
pub struct Objective {
    terms: Vec<WeightedTerm>,
}

impl Objective {
    /// An objective without terms.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `weight` times `term`; the weight may be a [`Schedule`]. A term of weight 0 is reported, but trains
    /// nothing, even if its gradient is not finite.
    ///
    /// # Panics
    /// Where [`try_with`](Self::try_with) gives an error.
    #[must_use]
    pub fn with(self, weight: impl Into<Schedule>, term: impl LossTerm + 'static) -> Self {
        self.try_with(weight, term).unwrap_or_else(|error| panic!("{error}"))
    }

    /// [`with`](Self::with), for weights and terms that come from outside the program.
    ///
    /// # Errors
    /// [`ObjectiveError::Weight`], [`ObjectiveError::Duplicate`] or [`ObjectiveError::OutOfRange`].
    pub fn try_with(
        mut self,
        weight: impl Into<Schedule>,
        term: impl LossTerm + 'static,
    ) -> Result<Self, ObjectiveError> {
        let (weight, name) = (weight.into(), term.name());
        if let Some(weight) = weight.ends().into_iter().find(|end| !(end.is_finite() && *end >= 0.0)) {
            return Err(ObjectiveError::Weight { term: name, weight });
        }
        if self.terms().any(|other| other == name) {
            return Err(ObjectiveError::Duplicate { term: name });
        }
        term.validate()?;
        self.terms.push((weight, Box::new(term)));
        Ok(self)
    }

    /// The names of the terms, in the order in which they were added.
    pub fn terms(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.terms.iter().map(|(_, term)| term.name())
    }

    /// Does a term need this part of a context?
    #[must_use]
    pub fn needs(&self, part: ContextPart) -> bool {
        self.terms.iter().any(|(_, term)| term.needs().contains(&part))
    }

    /// Checks that the terms can do with contexts in which, of the parts that may be absent, only `given` are there.
    ///
    /// # Errors
    /// [`ObjectiveError::Missing`] for the first term that cannot.
    pub fn check_needs(&self, given: &[ContextPart]) -> Result<(), ObjectiveError> {
        for (_, term) in &self.terms {
            if let Some(&part) = term.needs().iter().find(|part| !given.contains(part)) {
                return Err(ObjectiveError::Missing { term: term.name(), part });
            }
        }
        Ok(())
    }

    /// The weighted sum of all terms but those whose weight is 0. The metrics are those of the terms, the loss of each term
    /// (before the weight of the term) under its name, and the sum itself as `loss`.
    ///
    /// # Panics
    /// If the objective has no terms, or a term [needs](Self::check_needs) what the context lacks.
    #[must_use]
    pub fn compute(&self, context: &LossContext<'_>) -> ObjectiveOutput {
        self.compute_part(context).into()
    }

    /// [`compute`](Self::compute) for a part of a minibatch; the mass of the context is that of the minibatch.
    pub(crate) fn compute_part(&self, context: &LossContext<'_>) -> PartialOutput {
        sum(&self.terms, context)
    }

    /// [`compute`](Self::compute) with this term alone.
    pub(crate) fn compute_only(&self, name: &str, context: &LossContext<'_>) -> ObjectiveOutput {
        sum(self.terms.iter().filter(|(_, term)| term.name() == name), context).into()
    }

    /// Lets each term adapt; see [`LossTerm::after_update`].
    pub fn after_update(&mut self, measured: &BTreeMap<String, f64>) {
        for (_, term) in &mut self.terms {
            term.after_update(measured);
        }
    }

    /// What the terms have to remember to go on after a break.
    #[must_use]
    pub fn state(&self) -> ObjectiveState {
        let states = self.terms.iter().map(|(_, term)| (term.name().to_owned(), term.state()));
        states.filter(|(_, state)| !state.is_empty()).collect()
    }

    /// Lets the terms go on from a state.
    ///
    /// # Errors
    /// [`ObjectiveError::State`] or [`ObjectiveError::OutOfRange`] if it is not one of these terms. Nothing has changed
    /// then.
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

/// Computes terms, and sums them up with the weights of terms and of samples.
fn sum<'a>(terms: impl IntoIterator<Item = &'a WeightedTerm>, context: &LossContext<'_>) -> PartialOutput {
    let (mut losses, mut metrics, mut summands) = (Vec::new(), Vec::new(), Vec::new());
    for (weight, term) in terms {
        let output = term.compute(context);
        losses.push((term.name(), output.loss.clone().inner()));
        metrics.extend(output.metrics);
        let weight = weight.at(context.progress());
        // Selected, not multiplied: 0 times a loss or a gradient that is not finite would be NaN.
        if weight > 0.0 {
            summands.push((weight, output.loss));
        }
    }
    assert!(!losses.is_empty(), "an objective needs at least one term");
    if summands.is_empty() {
        summands.push((0.0, context.log_probs()));
    }
    let (weights, mass) = (context.get(ContextPart::Weights), context.mass());
    let loss = weighted_total(&summands, weights.as_ref(), mass);
    let weights = weights.map(Tensor::inner);
    let samples = losses[0].1.dims()[0];
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
