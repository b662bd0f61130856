//! What the memory of a run depends on, read without loading weights.

use std::path::Path;

use super::{
    Encoder, TaskError,
    settings::{FamilyName, NewModel, RewardKind, Settings, Task},
};
use crate::{
    ChatTemplate, ModelConfig, Texts, Tokenizer, data,
    learning::{StoredTexts, TokenPair},
    model::{Family, LoadError, Shape},
    plan::Shapes,
};

impl Settings {
    /// Returns the sizes of the models, and the longest texts. Texts are read if the settings name their file; without one, they are as long as
    /// the context allows.
    ///
    /// # Errors
    /// Any [`TaskError`] of files.
    pub fn shapes(&self) -> Result<Shapes, TaskError> {
        let policy = match (&self.task, self.task.model()) {
            (Task::Pretrain(task), None) => new_shape(&task.new),
            (_, Some(folder)) => shape_in(folder)?,
            (_, None) => unreachable!("only pretraining begins without a model"),
        };
        self.check_targets(&policy)?;
        let mut reward: Option<Shape> = None;
        if let Task::Rl(task) = &self.task {
            for spec in &task.rewards {
                let RewardKind::Model { folder } = &spec.kind else { continue };
                // A reward model has no head for tokens.
                let shape = Shape { tied: true, ..shape_in(folder)? };
                reward = reward.filter(|largest| largest.parameters() >= shape.parameters()).or(Some(shape));
            }
        }
        let [longest_prompt, longest_text, longest_completion] = self.longest(&policy)?;
        Ok(Shapes { policy, reward, longest_prompt, longest_text, longest_completion })
    }

    /// Returns the lengths of the longest prompt, of the longest text, and of the longest completion.
    fn longest(&self, policy: &Shape) -> Result<[usize; 3], TaskError> {
        let unknown = match &self.task {
            Task::Rl(task) => [policy.context.saturating_sub(task.tokens).max(1), 0, 0],
            _ => [0, policy.context, policy.context],
        };
        let (Some(folder), false) = (self.task.model(), self.task.data().as_os_str().is_empty()) else {
            return Ok(unknown);
        };
        let config = config_in(folder)?;
        let failed = |error: LoadError| TaskError::Model { folder: folder.clone(), error };
        let tokenizer = Tokenizer::load(folder).map_err(|error| failed(error.into()))?;
        let template = ChatTemplate::load(folder).map_err(|error| failed(error.into()))?;
        let encoder = Encoder::new(&config, &tokenizer, template.as_ref())?;
        let of_pairs = |pairs: Vec<TokenPair>| {
            let completion = |pair: &TokenPair| pair.chosen.len().max(pair.rejected.len());
            let longest = |length: &dyn Fn(&TokenPair) -> usize| pairs.iter().map(length).max().unwrap_or_default();
            [0, longest(&|pair| pair.prompt.len() + completion(pair)), longest(&completion)]
        };
        let of_texts =
            |texts: StoredTexts| [0, texts.texts.longest(), texts.lengths.iter().copied().max().unwrap_or_default()];
        Ok(match &self.task {
            Task::Pretrain(task) => of_texts(encoder.documents(&data::documents(&task.data)?)),
            Task::Sft(task) => of_texts(encoder.demonstrations(&data::demonstrations(&task.data)?)?),
            Task::Reward(task) if task.pairs.is_some() => {
                let texts: Texts = data::ratings(&task.data)?.iter().map(|rated| encoder.text(&rated.text)).collect();
                // Each begins and ends with the end token.
                [0, texts.longest() + 2, texts.longest() + 2]
            }
            Task::Reward(task) => of_pairs(encoder.pairs(&data::pairs(&task.data)?)?),
            Task::Dpo(task) => of_pairs(encoder.pairs(&data::pairs(&task.data)?)?),
            Task::Rl(task) => [encoder.prompts(&data::prompts(&task.data)?, task.tokens)?.longest(), 0, 0],
        })
    }
}

fn config_in(folder: &Path) -> Result<ModelConfig, TaskError> {
    ModelConfig::load(folder).map_err(|error| TaskError::Model { folder: folder.into(), error: error.into() })
}

fn shape_in(folder: &Path) -> Result<Shape, TaskError> {
    Ok(Shape::from(&config_in(folder)?))
}

/// Returns the shape of a new model, whose vocabulary has the size that is asked for.
fn new_shape(new: &NewModel) -> Shape {
    let NewModel { family, vocabulary, context, width, hidden, blocks, heads, groups } = *new;
    Shape {
        family: match family {
            FamilyName::Gpt2 => Family::Gpt2,
            FamilyName::Llama => Family::Llama { rope_theta: 10_000.0 },
        },
        vocabulary,
        context,
        width,
        hidden,
        blocks,
        heads,
        groups,
        head: width / heads,
        epsilon: 1e-5,
        tied: true,
    }
}
