//! Lesson 9: a source of your own. It writes texts, and subtracts the KL divergence from a reference from their reward.
//! The optimum is `beta log sum_y reference(y) exp(score(y) / beta)`; the trained policy comes within 1 % of it.
//!
//! `cargo run --release -p burn-pg-examples --example 09_text_source`
#![forbid(unsafe_code)]

use burn_pg::burn::{self, module::Module, module::Param, tensor::Int, tensor::Tensor, tensor::TensorData};
use burn_pg::distribution::{ActionStream, ActionTensor, Categorical, Distribution};
use burn_pg::source::{Batch, CollectContext, Experience, Reference, Source};
use burn_pg::{Config, DeviceChoice, Error, Parts, Trainer, UpdateStats, advantage, device, loss, optim, update};
use burn_pg::{envs::ActionBuffer, envs::EnvRng, policy::Policy, policy::Prediction};

pub(crate) const BETA: f64 = 0.5; // weight of the KL divergence, per nat
const TEXTS: usize = 64; // per update

/// Logits of the next letter after each text. Row 0 is the empty text; letter k after row r leads to row `5 r + 1 + k`.
#[derive(Module, Debug)]
pub(crate) struct Writer {
    pub(crate) logits: Param<Tensor<2>>,
}

impl Policy for Writer {
    type Observation = Tensor<1, Int>;
    type Dist = Categorical;

    fn forward(&self, texts: Tensor<1, Int>) -> Prediction<Categorical> {
        Prediction::new(Categorical::new(self.logits.val().select(0, texts)))
    }
}

/// The score of a text of 3 letters: the number of letters 0, plus 1 if it reads the same backwards.
pub(crate) fn score(text: &[u32]) -> f64 {
    text.iter().filter(|&&letter| letter == 0).count() as f64 + f64::from(u8::from(text[0] == text[2]))
}

struct Texts {
    streams: Vec<ActionStream>,
    reference: Reference<Writer>,
    written: u64,
}

impl Source<Writer> for Texts {
    type Samples = Batch<Tensor<1, Int>>;

    fn collect(&mut self, writer: &Writer, at: &CollectContext<'_>) -> Result<Experience<Self::Samples>, Error> {
        let (mut now, mut seen, mut letters, mut log_probs) = (vec![0_i64; TEXTS], Vec::new(), Vec::new(), Vec::new());
        for _ in 0..3 {
            let next = writer.distribution(Tensor::from_ints(&now[..], &writer.logits.device()));
            let logits: Vec<f32> = next.parameters().into_data().try_into_vec().expect("logits are f32");
            let mut drawn = ActionBuffer::default();
            next.sample(&logits, &mut self.streams, &mut drawn, &mut log_probs).expect("logits are finite");
            let ActionBuffer::Discrete(drawn) = drawn else { unreachable!("letters are discrete") };
            seen.append(&mut now);
            now.extend(seen[letters.len()..].iter().zip(&drawn).map(|(row, &k)| 5 * row + 1 + i64::from(k)));
            letters.extend_from_slice(&drawn);
        }
        let seen = Tensor::from_ints(&seen[..], at.device);
        let actions = ActionTensor::upload(&ActionBuffer::Discrete(letters.clone()), letters.len(), at.device);
        let reference = self.reference.log_probs(&seen, &actions)?;
        let reward = |text: usize| {
            let steps = [text, text + TEXTS, text + 2 * TEXTS];
            let divergence = steps.map(|i| f64::from(log_probs[i] - reference[i])).iter().sum::<f64>();
            score(&steps.map(|i| letters[i])) - BETA * divergence
        };
        let advantages = advantage::rloo(&(0..TEXTS).map(reward).collect::<Vec<_>>(), TEXTS).repeat(3);
        self.written += letters.len() as u64;
        let advantages = Some(Tensor::from_floats(&advantages[..], at.device));
        let batch = Batch::new(seen, actions, Tensor::from_floats(&log_probs[..], at.device));
        Ok(Experience::new(Batch { advantages, progress: at.progress, ..batch }))
    }

    fn env_steps(&self) -> u64 {
        self.written
    }

    fn longest_rollout(&self) -> Option<u64> {
        Some(192)
    }
}

/// Trains a writer. Returns it as it was before and after training.
pub(crate) fn train() -> Result<[Writer; 2], Error> {
    let device = device::open(DeviceChoice::Auto)?.device.autodiff();
    let config = Config::default().with(|config| config.run.total_steps = 150_000).validate()?;
    let mut rng = EnvRng::new(config.run.seed);
    let logits: Vec<f64> = (0..31 * 5).map(|_| rng.normal()).collect();
    let writer = Writer { logits: Param::from_data(TensorData::new(logits, [31, 5]), &device) };
    let objective = loss::Objective::new().with(1.0, loss::PolicyGradient);
    let learner = update::Learner::new(objective, optim::OptimiserSpec::default().build());
    let update = update::Epochs::once(learner, optim::Schedule::Linear { start: 0.1, end: 0.0 });
    let streams = (0..TEXTS).map(|_| EnvRng::new(rng.next_u64()).into()).collect();
    let (reference, source) = (writer.valid(), Texts { streams, reference: Reference::new(&writer), written: 0 });
    let mut trainer = Trainer::new(Parts { policy: writer, source, update: Box::new(update) }, &config, &device)?;
    trainer.run(&mut |_: &UpdateStats| std::ops::ControlFlow::Continue(()))?;
    Ok([reference, trainer.policy().valid()])
}

fn main() -> Result<(), Error> {
    train().map(|[first, trained]| println!("logits before and after: {} {}", first.logits.val(), trained.logits.val()))
}
