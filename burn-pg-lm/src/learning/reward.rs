//! Rewards of texts.

use burn_pg::Error;

/// A completion that is to be scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written<'a> {
    /// The index of the prompt among those of the source.
    pub index: usize,
    /// The tokens of the prompt.
    pub prompt: &'a [u32],
    /// The tokens of the completion, with the end token if it has ended.
    pub completion: &'a [u32],
    /// True if the completion has ended; false if it was cut off.
    pub ended: bool,
}

/// A reward for each text: a function of one text, or an implementation of your own for all of them at once.
pub trait Reward: Send {
    /// Returns a score for each text. A score that is not finite says that a text cannot be scored: it is not learned from, and
    /// counted.
    ///
    /// # Errors
    /// Any [`Error`]; [`Error::Source`] for one of your own.
    fn score(&mut self, texts: &[Written<'_>]) -> Result<Vec<f64>, Error>;

    /// Returns numbers to report about the last texts, by name. Default: none.
    fn metrics(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }
}

impl<F: FnMut(&Written<'_>) -> f64 + Send> Reward for F {
    fn score(&mut self, texts: &[Written<'_>]) -> Result<Vec<f64>, Error> {
        Ok(texts.iter().map(self).collect())
    }
}

/// A weighted sum of rewards, each of which is reported as `reward_` and its name. If one of them cannot score a text, the text has no score,
/// unless its weight is 0: then it is only reported.
#[derive(Default)]
pub struct WeightedRewards {
    parts: Vec<Part>,
}

struct Part {
    /// The name in metrics.
    name: &'static str,
    weight: f64,
    reward: Box<dyn Reward>,
    /// The mean of the last scores.
    mean: f64,
}

impl WeightedRewards {
    /// Creates a sum without parts, which is 0.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a reward. Its name is kept until the program ends.
    #[must_use]
    pub fn with(mut self, name: &str, weight: f64, reward: Box<dyn Reward>) -> Self {
        let name = format!("reward_{name}").leak();
        self.parts.push(Part { name, weight, reward, mean: 0.0 });
        self
    }
}

impl WeightedRewards {
    /// Returns the sums, and the scores of each reward in the order in which they were added, without their weights.
    ///
    /// # Errors
    /// Those of the rewards.
    pub fn score_each(&mut self, texts: &[Written<'_>]) -> Result<(Vec<f64>, Vec<Vec<f64>>), Error> {
        let mut sums = vec![0.0; texts.len()];
        let mut each = Vec::with_capacity(self.parts.len());
        for Part { weight, reward, mean, .. } in &mut self.parts {
            let scores = reward.score(texts)?;
            let finite = scores.iter().copied().filter(|score| score.is_finite());
            *mean = finite.clone().sum::<f64>() / (finite.count() as f64).max(1.0);
            if *weight != 0.0 {
                sums.iter_mut().zip(&scores).for_each(|(sum, score)| *sum += *weight * score);
            }
            each.push(scores);
        }
        Ok((sums, each))
    }
}

impl Reward for WeightedRewards {
    fn score(&mut self, texts: &[Written<'_>]) -> Result<Vec<f64>, Error> {
        Ok(self.score_each(texts)?.0)
    }

    fn metrics(&self) -> Vec<(&'static str, f64)> {
        let of_part = |part: &Part| [(part.name, part.mean)].into_iter().chain(part.reward.metrics());
        self.parts.iter().flat_map(of_part).collect()
    }
}
