//! A language model as a policy.

use burn::{
    module::{Module, Param},
    tensor::{Int, Tensor},
};
use burn_pg::{
    distribution::Categorical,
    policy::{Policy, Prediction, Rows},
    storage::tensors::TensorsError,
};

use crate::{Texts, generate::Writer, kernel, model::Transformer};

/// A language model that chooses the next token, and, with a value head, predicts the reward that is still to come.
#[derive(Module, Debug)]
pub struct TextPolicy {
    pub(crate) model: Transformer,
    /// Shape `[C, 1]`.
    pub(crate) value: Option<Param<Tensor<2>>>,
}

impl TextPolicy {
    /// Creates a policy without a value head.
    #[must_use]
    pub fn new(model: Transformer) -> Self {
        Self { model, value: None }
    }

    /// Adds a value head of zeros: every value is 0 at first.
    #[must_use]
    pub fn with_value_head(self) -> Self {
        let (device, width) = ((&self.model.device(), self.model.dtype()), self.model.shape().width);
        Self { value: Some(Param::from_tensor(Tensor::zeros([width, 1], device))), ..self }
    }

    /// Returns the language model.
    #[must_use]
    pub fn model(&self) -> &Transformer {
        &self.model
    }

    /// Returns what writes as the policy does, with its value head if it has one.
    ///
    /// # Errors
    /// [`TensorsError::Device`] if the device fails.
    pub fn writer(&self) -> Result<Writer<f32>, TensorsError> {
        let writer = Writer::new(&self.model)?;
        let Some(head) = &self.value else { return Ok(writer) };
        let head = head.val().try_into_data().map_err(|error| TensorsError::Device { reason: error.to_string() })?;
        Ok(writer.with_value_head(&head.iter::<f32>().collect::<Vec<_>>()))
    }

    /// Returns the values after hidden states, if there is a value head. Shapes: `hidden` `[T, C]`, result `[T]`.
    #[must_use]
    pub fn values(&self, hidden: Tensor<2>) -> Option<Tensor<1>> {
        let head = self.value.as_ref()?;
        Some(kernel::linear(hidden, head.val(), None).squeeze_dim(1))
    }
}

impl Policy for TextPolicy {
    type Observation = TextRows;
    type Dist = Categorical;

    /// Returns the distribution of the token after each token of the texts.
    fn forward(&self, TextRows(texts): TextRows) -> Prediction<Categorical> {
        let hidden = self.model.hidden(&texts);
        let prediction = Prediction::new(Categorical::new(self.model.logits(hidden.clone())));
        match self.values(hidden) {
            Some(values) => prediction.with_values(values),
            None => prediction,
        }
    }
}

/// Texts as observations: each text is a row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TextRows(pub Texts);

impl Rows for TextRows {
    fn select_rows(&self, indices: &Tensor<1, Int>) -> Self {
        let indices: Vec<i64> = indices.to_data().iter::<i64>().collect();
        let text = |index: &i64| &self.0.tokens()[self.0.range(usize::try_from(*index).expect("an index"))];
        Self(indices.iter().map(text).collect())
    }

    fn narrow_rows(&self, start: usize, length: usize) -> Self {
        Self(self.0.iter().skip(start).take(length).collect())
    }
}
