//! How the losses of a minibatch are averaged.

/// How the losses of the tokens or steps of sequences are averaged.
///
/// | variant | loss | where it is used |
/// | --- | --- | --- |
/// | [`Token`](Self::Token) | `sum_i sum_t l_it / sum_i T_i` | PPO, DAPO |
/// | [`Sequence`](Self::Sequence) | `sum_i (1 / T_i) sum_t l_it / N` | GRPO as it was published |
/// | [`Constant`](Self::Constant) | `sum_i sum_t l_it / (N c)` | Dr. GRPO |
///
/// with N sequences of lengths `T_i`. With `Token` a long sequence weighs more than a short one, with `Sequence` both
/// weigh the same, and with `Constant` the weight of a token does not depend on the lengths of the sequences.
///
/// ```
/// use burn_pg::loss::Averaging;
///
/// let (weights, mass) = Averaging::Sequence.weigh(&[1, 3]);
/// assert_eq!((weights, mass), (Some(vec![1.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0]), 2.0));
/// ```
///
/// Sources: Z. Shao and others, *DeepSeekMath* (2024); Q. Yu and others, *DAPO* (2025); Z. Liu and others, *Understanding
/// R1-Zero-like training* (2025).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Averaging {
    /// Every token or step has the same weight.
    #[default]
    Token,
    /// Every sequence has the same weight.
    Sequence,
    /// Every token has the same weight, and the sum is divided by the number of sequences times this constant, which
    /// must be more than 0.
    Constant(f64),
}

impl Averaging {
    /// Returns the weights of the tokens of sequences of these lengths, one sequence after the other (`None` if all
    /// weights are 1), and the mass by which sums are divided.
    #[must_use]
    #[allow(clippy::cast_possible_truncation)] // weights are single precision
    pub fn weigh(self, lengths: &[usize]) -> (Option<Vec<f32>>, f64) {
        match self {
            Self::Token => (None, lengths.iter().sum::<usize>() as f64),
            Self::Sequence => {
                let weights = lengths.iter().flat_map(|&len| std::iter::repeat_n((1.0 / len as f64) as f32, len));
                (Some(weights.collect()), lengths.len() as f64)
            }
            Self::Constant(tokens) => (None, tokens * lengths.len() as f64),
        }
    }
}
