//! Formulas of loss terms for single samples.

use super::{ContextPart, KlEstimator};
use crate::kernel::{
    formula::tangent_point,
    host::{
        Real,
        loss::{self, LossRows},
    },
};

/// The formula of a loss term for one sample: a function of one output of the policy and of numbers from the rollout,
/// whose derivative is known. With it, a term can be trained without tensors and without autodiff; see
/// [`Unfused`](crate::update::Unfused). Each variant is the formula of the term of its name, at one point of training.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum ClosedForm {
    /// [`PolicyGradient`](super::PolicyGradient)
    PolicyGradient,
    /// [`Surrogate`](super::Surrogate)
    Surrogate,
    /// [`PpoClip`](super::PpoClip)
    PpoClip {
        /// The lowest and the highest ratio that are trusted, and the highest where the advantage is negative.
        bounds: [f64; 3],
    },
    /// [`KlPenalty`](super::KlPenalty)
    KlPenalty {
        /// The weight of the penalty.
        weight: f64,
    },
    /// [`KlToReference`](super::KlToReference)
    KlToReference {
        /// The estimator of the KL divergence.
        estimator: KlEstimator,
    },
    /// [`Value`](super::Value) without a limit.
    Value,
    /// [`Value`](super::Value) with [`ValueClip::Hard`](super::ValueClip::Hard).
    HardValue {
        /// How far values may move.
        range: f64,
    },
    /// [`Value`](super::Value) with [`ValueClip::Pessimistic`](super::ValueClip::Pessimistic).
    PessimisticValue {
        /// How far values may move.
        range: f64,
    },
    /// [`Entropy`](super::Entropy)
    Entropy,
}

impl ClosedForm {
    /// Returns the parts of a context that the formula reads. The first is the output of the policy with respect to
    /// which it is differentiated.
    pub(crate) fn parts(self) -> &'static [ContextPart] {
        use ContextPart::{
            Advantages, Entropies, LogProbs, OldLogProbs, OldValues, ReferenceLogProbs, Returns, Values,
        };
        match self {
            Self::PolicyGradient => &[LogProbs, Advantages],
            Self::Surrogate | Self::PpoClip { .. } | Self::KlPenalty { .. } => &[LogProbs, OldLogProbs, Advantages],
            Self::KlToReference { .. } => &[LogProbs, ReferenceLogProbs],
            Self::Value => &[Values, Returns],
            Self::HardValue { .. } | Self::PessimisticValue { .. } => &[Values, Returns, OldValues],
            Self::Entropy => &[Entropies],
        }
    }

    /// Returns the names of the numbers that the formula reports besides the loss.
    pub(crate) fn metrics(self) -> &'static [&'static str] {
        match self {
            Self::PolicyGradient | Self::Value | Self::HardValue { .. } | Self::PessimisticValue { .. } => &[],
            Self::Surrogate => &["approx_kl"],
            Self::PpoClip { .. } => &["approx_kl", "clip_fraction"],
            Self::KlPenalty { .. } => &["approx_kl", "kl_weight"],
            Self::KlToReference { .. } => &["reference_kl"],
            Self::Entropy => &["entropy"],
        }
    }

    /// Computes the losses of samples. `parts` returns a part for all of them.
    pub(crate) fn evaluate<'a, T: Real>(self, rows: LossRows<'a, T>, parts: impl Fn(ContextPart) -> &'a [T]) {
        let limit = tangent_point(T::DTYPE);
        let of = |index: usize| parts(self.parts()[index]);
        match self {
            Self::PolicyGradient => loss::policy_gradient(rows, [of(0), of(1)]),
            Self::Surrogate => loss::surrogate(rows, [of(0), of(1), of(2)], limit),
            Self::PpoClip { bounds } => {
                loss::clipped_surrogate(rows, [of(0), of(1), of(2)], limit, bounds.map(T::of));
            }
            Self::KlPenalty { weight } => loss::kl_penalty(rows, [of(0), of(1), of(2)], limit, T::of(weight)),
            Self::KlToReference { estimator } => match estimator {
                KlEstimator::K1 => loss::reference_k1(rows, [of(0), of(1)], limit),
                KlEstimator::K2 => loss::reference_k2(rows, [of(0), of(1)], limit),
                KlEstimator::K3 => loss::reference_k3(rows, [of(0), of(1)], limit),
            },
            Self::Value => loss::value_error(rows, [of(0), of(1)]),
            Self::HardValue { range } => loss::clipped_value_error(rows, [of(0), of(1), of(2)], T::of(range)),
            Self::PessimisticValue { range } => {
                loss::larger_value_error(rows, [of(0), of(1), of(2)], T::of(range));
            }
            Self::Entropy => loss::entropy_bonus(rows, [of(0)]),
        }
    }
}
