//! The input of loss terms.

use std::{cell::OnceCell, fmt};

use burn::tensor::{Int, Tensor};

/// A minibatch of M samples, with the log-probabilities, entropies and values of the current policy.
///
/// A part is computed when a term first asks for it: without an entropy term, no entropies are computed. Every part is
/// a vector of shape `[M]`. A column `[M, 1]`, as a network returns it, would broadcast `values - returns` to shape
/// `[M, M]`; it does not compile:
///
/// ```compile_fail,E0308
/// # use burn_pg::{burn::tensor::Tensor, loss::{ContextPart, LossContext}};
/// fn with_values<'a>(context: LossContext<'a>, values: Tensor<2>) -> LossContext<'a> {
///     context.with_tensor(ContextPart::Values, values)
/// }
/// ```
///
/// ```
/// # use burn_pg::{burn::tensor::Tensor, loss::{ContextPart, LossContext}};
/// fn with_values<'a>(context: LossContext<'a>, values: Tensor<1>) -> LossContext<'a> {
///     context.with_tensor(ContextPart::Values, values)
/// }
/// ```
pub struct LossContext<'a> {
    parts: [Option<Part<'a>>; ContextPart::COUNT],
    rows: Option<Tensor<1, Int>>,
    mass: f64,
    progress: f64,
}

/// A vector that is computed on first use.
struct Part<'a> {
    compute: Box<dyn Fn() -> Tensor<1> + 'a>,
    computed: OnceCell<Tensor<1>>,
}

/// Defines the parts. Each entry has the documentation, the method that returns the part, its variant, and its name in
/// messages.
macro_rules! parts {
    ($($(#[$doc:meta])* $method:ident: $part:ident = $words:literal,)*) => {
        /// A part of a [`LossContext`].
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum ContextPart {
            $($(#[$doc])* $part,)*
        }

        impl ContextPart {
            /// All parts, in their order.
            pub(crate) const ALL: [Self; Self::COUNT] = [$(Self::$part),*];
            pub(crate) const COUNT: usize = [$(Self::$part),*].len();
        }

        impl fmt::Display for ContextPart {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$part => $words,)*
                })
            }
        }

        /// The parts by name. Each method panics if its part is absent, which
        /// [`Objective::check_needs`](super::Objective::check_needs) reports before training.
        impl LossContext<'_> {
            $(
                $(#[$doc])*
                #[doc = "Shape `[M]`."]
                #[must_use]
                pub fn $method(&self) -> Tensor<1> {
                    self.get(ContextPart::$part).unwrap_or_else(|| panic!("a loss term needs {}", ContextPart::$part))
                }
            )*
        }
    };
}

parts! {
    /// Log-probabilities of the actions under the current policy. Carries gradients.
    log_probs: LogProbs = "log-probabilities of the actions",
    /// Entropies of the current policy, in nats. Carries gradients.
    entropies: Entropies = "entropies of the policy",
    /// Current values of a critic. Carries gradients.
    values: Values = "the values of a critic",
    /// Log-probabilities of the actions under the policy that took them.
    old_log_probs: OldLogProbs = "log-probabilities under the policy that acted",
    /// Values of a critic when the actions were taken.
    old_values: OldValues = "the values of a critic at the time of acting",
    /// Advantages, normalised if the algorithm says so.
    advantages: Advantages = "advantages",
    /// Returns to fit the values to.
    returns: Returns = "returns",
    /// Log-probabilities of the actions under a reference policy that is not trained.
    reference_log_probs: ReferenceLogProbs = "log-probabilities under a reference policy",
    /// KL divergences of the current policy from a reference policy that is not trained, over all actions, in nats. Carries
    /// gradients.
    reference_kls: ReferenceKls = "KL divergences from a reference policy over all actions",
    /// Weights of the samples in sums and means: a mask, importance weights, or 1 / length. Absent if all samples count alike.
    weights: Weights = "weights of the samples",
}

impl ContextPart {
    /// The parts that the samples of every source have.
    pub const ALWAYS: [Self; 4] = [Self::LogProbs, Self::Entropies, Self::OldLogProbs, Self::Advantages];
}

impl<'a> LossContext<'a> {
    /// Creates a context without parts. Sums over samples are divided by `mass`, usually the number of samples (see
    /// [`Samples::mass`](crate::source::Samples::mass)). `progress` is the share of training that was over when the
    /// samples were collected, 0 to 1; [schedules](crate::optim::Schedule) are evaluated there.
    #[must_use]
    pub fn new(mass: f64, progress: f64) -> Self {
        Self { parts: [const { None }; ContextPart::COUNT], rows: None, mass, progress }
    }

    /// Adds a part that is computed on demand, of shape `[M]`.
    #[must_use]
    pub fn with(mut self, part: ContextPart, compute: impl Fn() -> Tensor<1> + 'a) -> Self {
        self.parts[part as usize] = Some(Part { compute: Box::new(compute), computed: OnceCell::new() });
        self
    }

    /// Adds a part that is already computed, of shape `[M]`.
    #[must_use]
    pub fn with_tensor(self, part: ContextPart, values: Tensor<1>) -> Self {
        self.with(part, move || values.clone())
    }

    /// Selects the samples with the indices `rows`, in that order, in all parts. `None` selects all samples.
    #[must_use]
    pub fn of_rows(self, rows: Option<Tensor<1, Int>>) -> Self {
        Self { rows, ..self }
    }

    /// Sets the mass by which sums over samples are divided. For a part of a minibatch, it is the mass of the whole
    /// minibatch.
    #[must_use]
    pub fn with_mass(self, mass: f64) -> Self {
        Self { mass, ..self }
    }

    /// Sets the share of training that was over when the samples were collected, 0 to 1.
    #[must_use]
    pub fn with_progress(self, progress: f64) -> Self {
        Self { progress, ..self }
    }

    /// Returns a part, or `None` if it is absent. Shape `[M]`.
    #[must_use]
    pub fn get(&self, part: ContextPart) -> Option<Tensor<1>> {
        let Part { compute, computed } = self.parts[part as usize].as_ref()?;
        let select = || match &self.rows {
            None => compute(),
            Some(rows) => compute().select(0, rows.clone()),
        };
        Some(computed.get_or_init(select).clone())
    }

    /// Returns the number of samples, M, if a part was computed already.
    pub(super) fn samples(&self) -> Option<usize> {
        self.parts.iter().flatten().find_map(|part| Some(part.computed.get()?.dims()[0]))
    }

    /// Returns the mass, by which sums over samples are divided.
    #[must_use]
    pub fn mass(&self) -> f64 {
        self.mass
    }

    /// Returns the share of training that was over when the samples were collected, 0 to 1.
    #[must_use]
    pub fn progress(&self) -> f64 {
        self.progress
    }
}
