//! A model that scores texts.

use std::ops::Range;

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};

use burn_pg::{
    distribution::Categorical,
    policy::{Policy, Prediction},
};

use crate::{Texts, kernel, learning::TextRows, model::Transformer};

/// A transformer with a scalar head, which is read at the last token of a text. There is no padding, so that no other token can
/// be taken for the last one; but where the end token is also that for padding, `transformers` reads the score before it, and so does a scorer
/// [with such a token](Self::with_pad).
#[derive(Module, Debug)]
pub struct Scorer {
    pub(crate) body: Transformer,
    /// Shape `[C, 1]`.
    pub(crate) score: Param<Tensor<2>>,
    #[module(skip)]
    pad: Option<u32>,
}

impl Scorer {
    /// Creates a scorer with a head of zeros: every score is 0.
    #[must_use]
    pub fn new(body: Transformer) -> Self {
        let score = Param::from_tensor(Tensor::zeros([body.shape().width, 1], (&body.device(), body.dtype())));
        Self { body, score, pad: None }
    }

    /// Sets the weights of the head. Shape `[C, 1]`.
    ///
    /// # Panics
    /// If the shape is another one.
    #[must_use]
    pub fn with_score(mut self, score: Tensor<2>) -> Self {
        assert_eq!(score.dims(), self.score.dims());
        self.score = Param::from_tensor(score);
        self
    }

    /// Reads scores at the last token that is not this one.
    #[must_use]
    pub fn with_pad(self, pad: Option<u32>) -> Self {
        Self { pad, ..self }
    }

    /// Returns the score of each text, after its last token. Shape `[texts]`.
    ///
    /// # Panics
    /// If a text is empty or longer than the context, or a token is not in the vocabulary.
    #[must_use]
    pub fn scores(&self, texts: &Texts) -> Tensor<1> {
        assert!(texts.ranges().all(|range| !range.is_empty()), "an empty text has no last token");
        let last_of = |range: Range<usize>| {
            let text = &texts.tokens()[range];
            text.iter().rposition(|token| Some(*token) != self.pad).unwrap_or(0)
        };
        let last: Vec<Range<usize>> = texts.ranges().map(last_of).map(|last| last..last + 1).collect();
        let hidden = self.body.hidden_at(texts, &last);
        kernel::linear(hidden, self.score.val(), None).squeeze_dim(1)
    }
}

/// As a policy, a scorer has one thing to do with a text, and its score as a logit. Only the gradient of an objective is used.
impl Policy for Scorer {
    type Observation = TextRows;
    type Dist = Categorical;

    fn forward(&self, TextRows(texts): TextRows) -> Prediction<Categorical> {
        Prediction::new(Categorical::new(self.scores(&texts).unsqueeze_dim(1)))
    }
}
