//! What the memory of a run depends on, read without loading weights.

use std::path::Path;

use super::{
    Encoder, TaskError,
    new_model::{new_config, train_tokenizer},
    settings::{FamilyName, NewModel, Pretrain, RewardKind, RewardModelling, Settings, Task},
};
use crate::{
    ChatTemplate, ModelConfig, Texts, Tokenizer, data,
    learning::{StoredTexts, TokenPair},
    model::{
        Family, LoadError, Shape,
        peft::{has_adapters_alone, lora_in},
    },
    plan::{Bytes, Lengths, RewardShape, Shapes},
};

impl Settings {
    /// Returns the sizes of the models, and the lengths of texts. Texts are read if the settings name their file; without one, they are as long as
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
        let rewards = match &self.task {
            Task::Rl(task) => task.rewards.iter().filter_map(|spec| reward_shape(&spec.kind).transpose()).collect(),
            _ => Ok(Vec::new()),
        };
        let Data { prompts, texts, completions, bytes } = self.data(&policy)?;
        Ok(Shapes { policy, rewards: rewards?, prompts, texts, completions, data: Bytes(bytes as u64) })
    }

    /// Returns what is known of the data.
    fn data(&self, policy: &Shape) -> Result<Data, TaskError> {
        let (Some(folder), false) = (self.task.model(), self.task.data().as_os_str().is_empty()) else {
            return match &self.task {
                Task::Pretrain(task) if !task.data.as_os_str().is_empty() => of_new_model(task),
                Task::Rl(task) => Ok(Data {
                    prompts: Lengths::all(policy.context.saturating_sub(task.tokens).max(1)),
                    ..Data::default()
                }),
                _ => Ok(Data::of_wholes(Lengths::all(policy.context))),
            };
        };
        let config = config_in(folder)?;
        let failed = |error: LoadError| TaskError::Model { folder: folder.clone(), error };
        let tokenizer = Tokenizer::load(folder).map_err(|error| failed(error.into()))?;
        let template = ChatTemplate::load(folder).map_err(|error| failed(error.into()))?;
        let encoder = Encoder::new(&config, &tokenizer, template.as_ref())?;
        Ok(match &self.task {
            Task::Pretrain(task) => Data::of_texts(&encoder.documents(&data::documents(&task.data)?)),
            Task::Sft(task) => Data::of_texts(&encoder.demonstrations(&data::demonstrations(&task.data)?)?),
            Task::Reward(RewardModelling { pairs: Some(pairs), data, held_out, .. }) => {
                let lengths = encoder.rated_lengths(&data::ratings(data)?)?;
                // Pairs of texts that are held out, too.
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a share of texts
                let held_out = (10.0 * held_out * lengths.len() as f64) as usize;
                let pairs = pairs + held_out.min(*pairs);
                let mean = lengths.iter().sum::<usize>() / lengths.len().max(1);
                let bytes = pairs * (size_of::<TokenPair>() + 2 * mean * TOKEN);
                Data { bytes, ..Data::of_wholes(lengths.into_iter().collect()) }
            }
            Task::Reward(task) => Data::of_pairs(&encoder.for_scores().pairs(&data::pairs(&task.data)?)?),
            Task::Dpo(task) => Data::of_pairs(&encoder.pairs(&data::pairs(&task.data)?)?),
            Task::Rl(task) => {
                let prompts = encoder.prompts(&data::prompts(&task.data)?, task.tokens)?;
                let lengths = prompts.iter().map(<[u32]>::len).collect();
                Data { prompts: lengths, bytes: bytes_of(&prompts), ..Data::default() }
            }
        })
    }
}

/// Bytes of a token.
const TOKEN: usize = size_of::<u32>();
/// Documents whose lengths stand for those of all, before there is a tokenizer.
const SAMPLE: usize = 1000;
/// Fewer documents are enough if they have more bytes than this.
const SAMPLED_BYTES: usize = 4 << 20;

/// Returns what is known of the documents of a model that has no tokenizer yet. One that is trained on a sample of them shows how long they are.
fn of_new_model(task: &Pretrain) -> Result<Data, TaskError> {
    let all = data::documents(&task.data)?;
    let mut bytes = 0;
    let is_needed = |document: &&String| {
        let before = bytes;
        bytes += document.len();
        before < SAMPLED_BYTES
    };
    let sample: Vec<String> = all.iter().step_by(all.len().div_ceil(SAMPLE)).take_while(is_needed).cloned().collect();
    let tokenizer = train_tokenizer(&sample, task.new.vocabulary)?;
    let config = new_config(&task.new, &tokenizer)?;
    let data = Data::of_texts(&Encoder::new(&config, &tokenizer, None)?.documents(&sample));
    Ok(Data { bytes: data.bytes * all.len() / sample.len(), ..data })
}

/// What is known of the data of a run: the lengths of texts, empty where a task has no such parts, and the memory of their tokens.
#[derive(Default)]
struct Data {
    prompts: Lengths,
    texts: Lengths,
    completions: Lengths,
    bytes: usize,
}

impl Data {
    /// Texts without prompts.
    fn of_wholes(texts: Lengths) -> Self {
        Self { completions: texts.clone(), texts, ..Self::default() }
    }

    fn of_texts(stored: &StoredTexts) -> Self {
        Self {
            prompts: Lengths::default(),
            texts: stored.texts.iter().map(<[u32]>::len).collect(),
            completions: stored.lengths.iter().copied().collect(),
            bytes: bytes_of(&stored.texts),
        }
    }

    fn of_pairs(pairs: &[TokenPair]) -> Self {
        let of_completions = |prompt: fn(&TokenPair) -> usize| {
            pairs.iter().flat_map(move |pair| [&pair.chosen, &pair.rejected].map(|text| prompt(pair) + text.len()))
        };
        let tokens = |pair: &TokenPair| pair.prompt.len() + pair.chosen.len() + pair.rejected.len();
        Self {
            prompts: Lengths::default(),
            texts: of_completions(|pair| pair.prompt.len()).collect(),
            completions: of_completions(|_| 0).collect(),
            bytes: pairs.iter().map(|pair| size_of::<TokenPair>() + tokens(pair) * TOKEN).sum(),
        }
    }
}

/// Returns the memory of texts: of their tokens, and of where each ends.
fn bytes_of(texts: &Texts) -> usize {
    texts.tokens().len() * TOKEN + texts.len() * size_of::<usize>()
}

fn config_in(folder: &Path) -> Result<ModelConfig, TaskError> {
    ModelConfig::load(folder).map_err(|error| TaskError::Model { folder: folder.into(), error: error.into() })
}

fn shape_in(folder: &Path) -> Result<Shape, TaskError> {
    Ok(Shape::from(&config_in(folder)?))
}

/// Returns what a reward takes, if it is a model.
fn reward_shape(kind: &RewardKind) -> Result<Option<RewardShape>, TaskError> {
    let RewardKind::Model { folder } = kind else { return Ok(None) };
    if !has_adapters_alone(folder) {
        return Ok(Some(RewardShape::Own(shape_in(folder)?)));
    }
    let lora = lora_in(folder, true).map_err(|error| TaskError::Model { folder: folder.clone(), error })?;
    Ok(Some(RewardShape::Adapters(lora)))
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
