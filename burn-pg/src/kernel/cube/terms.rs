//! Loss terms, one thread a row.

use burn::tensor::DType;
use cubecl::prelude::*;

use super::number::Emitted;
use crate::{
    kernel::formula::{self, Dual, tangent_point},
    loss::{ClosedForm, ContextPart, KlEstimator},
};

/// A loss term as a constant of kernels. Its weight and its coefficients are in a buffer, because they change in training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct DeviceTerm {
    kind: Kind,
    /// Where its weight is in the buffer; three coefficients follow.
    pub at: usize,
    /// Where its loss is in the reports, and where its metrics begin.
    pub loss_at: usize,
    pub metrics_at: usize,
    /// Number of metrics.
    pub metrics: usize,
}

/// Numbers of a term in the buffer: its weight and three coefficients.
pub(crate) const COEFFICIENTS: usize = 4;

/// The variants of [`ClosedForm`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    PolicyGradient,
    Surrogate,
    PpoClip,
    KlPenalty,
    KlToReference(KlEstimator),
    Value,
    HardValue,
    PessimisticValue,
    Entropy,
}

impl DeviceTerm {
    /// Returns the term, and its coefficients.
    pub fn new(form: ClosedForm, at: usize, [loss_at, metrics_at]: [usize; 2]) -> (Self, [f64; 3]) {
        let (kind, coefficients) = match form {
            ClosedForm::PolicyGradient => (Kind::PolicyGradient, [0.0; 3]),
            ClosedForm::Surrogate => (Kind::Surrogate, [0.0; 3]),
            ClosedForm::PpoClip { bounds } => (Kind::PpoClip, bounds.map(|bound| bound.min(f64::from(f32::MAX)))),
            ClosedForm::KlPenalty { weight } => (Kind::KlPenalty, [weight, 0.0, 0.0]),
            ClosedForm::KlToReference { estimator } => (Kind::KlToReference(estimator), [0.0; 3]),
            ClosedForm::Value => (Kind::Value, [0.0; 3]),
            ClosedForm::HardValue { range } => (Kind::HardValue, [range, 0.0, 0.0]),
            ClosedForm::PessimisticValue { range } => (Kind::PessimisticValue, [range, 0.0, 0.0]),
            ClosedForm::Entropy => (Kind::Entropy, [0.0; 3]),
        };
        (Self { kind, at, loss_at, metrics_at, metrics: form.metrics().len() }, coefficients)
    }

    /// The parts that the term reads. The first is the one with respect to which it is differentiated.
    fn parts(self) -> &'static [ContextPart] {
        let form = match self.kind {
            Kind::PolicyGradient => ClosedForm::PolicyGradient,
            Kind::Surrogate => ClosedForm::Surrogate,
            Kind::PpoClip => ClosedForm::PpoClip { bounds: [0.0; 3] },
            Kind::KlPenalty => ClosedForm::KlPenalty { weight: 0.0 },
            Kind::KlToReference(estimator) => ClosedForm::KlToReference { estimator },
            Kind::Value => ClosedForm::Value,
            Kind::HardValue => ClosedForm::HardValue { range: 0.0 },
            Kind::PessimisticValue => ClosedForm::PessimisticValue { range: 0.0 },
            Kind::Entropy => ClosedForm::Entropy,
        };
        form.parts()
    }

    fn part(self, index: usize) -> Option<ContextPart> {
        self.parts().get(index).copied()
    }

    /// True if the term depends on the entropy.
    pub fn is_of_entropy(self) -> bool {
        self.parts()[0] == ContextPart::Entropies
    }

    /// True if the term depends on the value.
    pub fn is_of_critic(self) -> bool {
        self.parts()[0] == ContextPart::Values
    }
}

/// The numbers of a sample that terms read.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Sample {
    pub log_prob: f32,
    pub entropy: f32,
    pub value: f32,
    pub old_log_prob: f32,
    pub advantage: f32,
    pub target: f32,
    pub old_value: f32,
    pub reference: f32,
}

/// A term for a sample.
#[derive(CubeType, Clone, Copy)]
struct Term {
    loss: f32,
    derivative: f32,
    metric_0: f32,
    metric_1: f32,
}

/// The derivatives of the weighted sum of terms with respect to each output of the policy, per unit of mass.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Derivatives {
    pub log_prob: f32,
    pub entropy: f32,
    pub value: f32,
}

/// Evaluates the terms that depend on the value (`of_critic`), or the others. Writes losses and metrics of row `row` to
/// `reports`, of shape `[reports, rows]`.
#[cube]
pub(super) fn evaluate_terms(
    sample: &Sample,
    coefficients: &[f32],
    reports: &mut [f32],
    row: usize,
    #[comptime] terms: Vec<DeviceTerm>,
    #[comptime] of_critic: bool,
    #[comptime] rows: usize,
) -> Derivatives {
    let mut of_log_prob = f32::new(0.0);
    let mut of_entropy = f32::new(0.0);
    let mut of_value = f32::new(0.0);
    #[unroll]
    for i in 0..comptime!(terms.len()) {
        let term = comptime!(terms[i]);
        if comptime!(term.is_of_critic() == of_critic) {
            let weight = coefficients[comptime!(term.at)];
            let (first, second) = (coefficients[comptime!(term.at + 1)], coefficients[comptime!(term.at + 2)]);
            let third = coefficients[comptime!(term.at + 3)];
            let x = part(sample, comptime!(term.part(0)));
            let y = part(sample, comptime!(term.part(1)));
            let z = part(sample, comptime!(term.part(2)));
            let result = term_of(x, y, z, first, second, third, term);
            reports[comptime!(term.loss_at * rows) + row] = result.loss;
            if comptime!(term.metrics > 0) {
                reports[comptime!(term.metrics_at * rows) + row] = result.metric_0;
            }
            if comptime!(term.metrics > 1) {
                reports[comptime!((term.metrics_at + 1) * rows) + row] = result.metric_1;
            }
            // A term of weight 0 is left out, because 0 times a derivative that is not finite would be NaN.
            let scaled = select(weight > 0.0f32, weight * result.derivative, 0.0f32);
            match comptime!(term.parts()[0]) {
                ContextPart::Values => of_value += scaled,
                ContextPart::Entropies => of_entropy += scaled,
                _ => of_log_prob += scaled,
            }
        }
    }
    Derivatives { log_prob: of_log_prob, entropy: of_entropy, value: of_value }
}

/// Returns a part of a sample; 0 for none.
#[cube]
fn part(sample: &Sample, #[comptime] part: Option<ContextPart>) -> f32 {
    match comptime!(part) {
        Some(ContextPart::LogProbs) => sample.log_prob,
        Some(ContextPart::Entropies) => sample.entropy,
        Some(ContextPart::Values) => sample.value,
        Some(ContextPart::OldLogProbs) => sample.old_log_prob,
        Some(ContextPart::Advantages) => sample.advantage,
        Some(ContextPart::Returns) => sample.target,
        Some(ContextPart::OldValues) => sample.old_value,
        Some(ContextPart::ReferenceLogProbs) => sample.reference,
        _ => f32::new(0.0),
    }
}

/// Writes the formula of a term into the kernel.
#[cube]
#[allow(unused_variables)]
#[allow(clippy::too_many_arguments)]
fn term_of(x: f32, y: f32, z: f32, first: f32, second: f32, third: f32, #[comptime] term: DeviceTerm) -> Term {
    intrinsic!(|scope| {
        let [x, y, z, first, second, third] = [x, y, z, first, second, third].map(|value| Emitted::Value(scope, value));
        let (x, y, z) = (Dual::<_, 1>::variable(x, 0), Dual::constant(y), Dual::constant(z));
        let limit = tangent_point(DType::F32);
        let results: Vec<Dual<Emitted<'_>>> = match term.kind {
            Kind::PolicyGradient => formula::policy_gradient_term(&[x, y]).into(),
            Kind::Surrogate => formula::surrogate_term(&[x, y, z], limit).into(),
            Kind::PpoClip => formula::clipped_surrogate_term(&[x, y, z], limit, [first, second, third]).into(),
            Kind::KlPenalty => {
                let [loss, kl] = formula::kl_penalty_term(&[x, y, z], limit, first);
                vec![loss, kl, Dual::constant(first)]
            }
            Kind::KlToReference(KlEstimator::K1) => formula::reference_k1_term(&[x, y], limit).into(),
            Kind::KlToReference(KlEstimator::K2) => formula::reference_k2_term(&[x, y], limit).into(),
            Kind::KlToReference(KlEstimator::K3) => formula::reference_k3_term(&[x, y], limit).into(),
            Kind::Value => formula::value_term(&[x, y]).into(),
            Kind::HardValue => formula::clipped_value_term(&[x, y, z], first).into(),
            Kind::PessimisticValue => formula::larger_value_term(&[x, y, z], first).into(),
            Kind::Entropy => formula::entropy_term(&[x]).into(),
        };
        let metric = |index: usize| results.get(1 + index).map_or(Emitted::Constant(0.0), |metric| metric.value);
        TermExpand {
            loss: results[0].value.value(scope),
            derivative: results[0].derivatives[0].value(scope),
            metric_0: metric(0).value(scope),
            metric_1: metric(1).value(scope),
        }
    })
}
