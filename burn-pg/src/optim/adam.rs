//! Adam.

use burn::tensor::Tensor;

/// Adam, as PyTorch defines it:
///
/// ```text
/// m = beta_1 m + (1 - beta_1) g           v = beta_2 v + (1 - beta_2) g^2
/// x = x - lr m' / (sqrt(v') + epsilon)    m' = m / (1 - beta_1^t),  v' = v / (1 - beta_2^t)
/// ```
///
/// Source: D. Kingma, J. Ba, *Adam: a method for stochastic optimization* (2015).
#[derive(Debug, Clone)]
pub struct Adam {
    /// Decay of the mean of gradients, in `0..1`.
    pub beta_1: f64,
    /// Decay of the mean of squared gradients, in `0..1`.
    pub beta_2: f64,
    /// Added to the denominator; positive.
    pub epsilon: f64,
    /// Steps taken so far, t.
    pub steps: u32,
    /// The two moments m and v, each of shape `[P]`; `None` before the first step.
    pub moments: Option<(Tensor<1>, Tensor<1>)>,
}

impl Adam {
    /// Adam with betas 0.9 and 0.999, before its first step.
    #[must_use]
    pub fn new(epsilon: f64) -> Self {
        Self { beta_1: 0.9, beta_2: 0.999, epsilon, steps: 0, moments: None }
    }

    /// The parameters (shape `[P]`) after a step along `gradient` (shape `[P]`).
    ///
    /// # Panics
    /// After 2^31 steps.
    #[must_use]
    pub fn step(&mut self, learning_rate: f64, parameters: Tensor<1>, gradient: Tensor<1>) -> Tensor<1> {
        let first = gradient.clone().mul_scalar(1.0 - self.beta_1);
        let second = gradient.square().mul_scalar(1.0 - self.beta_2);
        let (first, second) = match self.moments.take() {
            None => (first, second),
            Some((old_first, old_second)) => {
                (old_first.mul_scalar(self.beta_1) + first, old_second.mul_scalar(self.beta_2) + second)
            }
        };
        self.steps += 1;
        self.moments = Some((first.clone(), second.clone()));

        let steps = i32::try_from(self.steps).expect("fewer than 2^31 steps");
        let step_size = learning_rate / (1.0 - self.beta_1.powi(steps));
        let correction = (1.0 - self.beta_2.powi(steps)).sqrt();
        let denominator = second.sqrt().div_scalar(correction).add_scalar(self.epsilon);
        parameters - (first / denominator).mul_scalar(step_size)
    }
}
