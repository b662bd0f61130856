//! A world so small that everything can be enumerated: vocabulary of five letters and an end token, at most four tokens, 781 texts.
//! The optimum of the reward less `beta` times the KL divergence from a reference is known: `reference(y) exp(reward(y) / beta) / Z`,
//! with the value `beta log Z`.

use burn_pg::{
    Config, Parts, Trainer, UpdateStats,
    advantage::GrpoScale,
    burn::{
        module::Module,
        tensor::{Device, Tensor, TensorData},
    },
    device::Backend,
    envs::EnvRng,
    loss::{Averaging, LossTerm, Objective, PolicyGradient, PpoClip},
    optim::{OptimiserSpec, Schedule},
    run::checkpoint::Checkpoint,
    update::{Epochs, Learner},
};
use burn_pg_lm::{
    Texts,
    generate::Limit,
    learning::{GroupAdvantage, TextPolicy, TextSource, TextSourceSpec, Written},
    model::{Family, Shape, Transformer},
};

use crate::{folder::Random, helpers::devices, models::values};

const END: u32 = 5;
const LONGEST: usize = 4;
const BETA: f64 = 0.5;

const SHAPE: Shape = Shape {
    family: Family::Llama { rope_theta: 100.0 },
    vocabulary: 6,
    context: 1 + LONGEST,
    width: 16,
    hidden: 32,
    blocks: 1,
    heads: 2,
    groups: 1,
    head: 8,
    epsilon: 1e-5,
    tied: false,
};

/// Returns all completions: with an end token, or cut after four letters.
fn all() -> Vec<Vec<u32>> {
    let (mut done, mut open) = (Vec::new(), vec![Vec::new()]);
    for length in 0..LONGEST {
        let mut longer = Vec::new();
        for text in open {
            done.push([&text[..], &[END]].concat());
            longer.extend((0..END).map(|letter| [&text[..], &[letter]].concat()));
        }
        open = longer;
        assert_eq!(open.len(), 5_usize.pow(u32::try_from(length).unwrap() + 1));
    }
    done.extend(open);
    done
}

/// Ended texts with many letters 0 are good, and palindromes are better.
fn reward(completion: &[u32], ended: bool) -> f64 {
    let letters = if ended { &completion[..completion.len() - 1] } else { completion };
    let zeros = letters.iter().filter(|&&letter| letter == 0).count() as f64;
    let is_palindrome = letters.iter().eq(letters.iter().rev());
    0.3 * zeros + if is_palindrome { 0.5 } else { 0.0 } + if ended { 0.3 } else { 0.0 }
}

/// Returns the logarithms of the probabilities of all completions.
fn log_probs(model: &Transformer, completions: &[Vec<u32>]) -> Vec<f64> {
    let texts: Texts = completions.iter().map(|completion| [&[END], &completion[..]].concat()).collect();
    let rows: Vec<i64> =
        texts.ranges().flat_map(|range| range.start..range.end - 1).map(|row| i64::try_from(row).unwrap()).collect();
    let hidden = model.hidden(&texts);
    let device = hidden.device();
    let hidden = hidden.select(0, Tensor::from_data(TensorData::from(&rows[..]), &device));
    let each = values(model.log_probs(hidden, &completions.concat()));
    let mut each = each.into_iter();
    completions.iter().map(|completion| each.by_ref().take(completion.len()).sum()).collect()
}

fn flex() -> Device {
    devices().into_iter().find(|(backend, _)| *backend == Backend::Flex).unwrap().1
}

fn trainer(
    seed: u64,
    advantage: GroupAdvantage,
    term: impl LossTerm + 'static,
    updates: u64,
) -> (Trainer<TextPolicy, TextSource>, Transformer) {
    let device = flex();
    let model = Transformer::zeros(&SHAPE, &device.clone().autodiff()).map(&mut Random(EnvRng::new(100 + seed)));
    let reference = model.valid();
    let spec = TextSourceSpec {
        prompts: 16,
        group_size: 16,
        limit: Limit { tokens: LONGEST, end: Some(END) },
        advantage,
        kl_in_reward: BETA,
        // The gradient of the expected reward adds up the tokens of a text.
        averaging: Averaging::Constant(1.0),
        seed,
    };
    let score = |text: &Written<'_>| reward(text.completion, text.ended);
    let source = TextSource::new(spec, [[END]].into_iter().collect(), score, Some(reference.clone()));
    let learner = Learner::new(Objective::new().with(1.0, term), OptimiserSpec::default().build());
    let update = Box::new(Epochs::once(learner, Schedule::Linear { start: 0.01, end: 0.0 }));
    let steps = 16 * 16 * LONGEST as u64 * updates;
    let config = Config::default().with(|config| config.run.total_steps = steps).validate().unwrap();
    let parts = Parts { policy: TextPolicy::new(model), source, update };
    (Trainer::new(parts, &config, &device).unwrap(), reference)
}

/// Returns the gap to the optimum, relative to it, and the KL divergence from the optimal policy.
fn gap(model: &Transformer, reference: &Transformer) -> [f64; 2] {
    let completions = all();
    assert_eq!(completions.len(), 781);
    let [ours, theirs] = [model, reference].map(|model| log_probs(model, &completions));
    let total: f64 = ours.iter().map(|log_prob| log_prob.exp()).sum();
    assert!((total - 1.0).abs() < 1e-5, "{total}");
    let rewards: Vec<f64> =
        completions.iter().map(|completion| reward(completion, completion.last() == Some(&END))).collect();
    let optimum =
        BETA * theirs.iter().zip(&rewards).map(|(log_prob, reward)| (log_prob + reward / BETA).exp()).sum::<f64>().ln();
    let of_text = |((ours, theirs), reward): ((&f64, &f64), &f64)| ours.exp() * (reward - BETA * (ours - theirs));
    let value: f64 = ours.iter().zip(&theirs).zip(&rewards).map(of_text).sum();
    [(optimum - value) / optimum, (optimum - value) / BETA]
}

#[test]
fn every_objective_reaches_the_optimum_that_is_known() {
    let clip = || PpoClip { clip_range: 0.2.into() };
    for seed in 0..2 {
        let runs = [
            trainer(seed, GroupAdvantage::Rloo, PolicyGradient, 400),
            trainer(seed, GroupAdvantage::Rloo, clip(), 400),
            trainer(seed, GroupAdvantage::Grpo(GrpoScale::Unscaled), PolicyGradient, 400),
        ];
        for (i, (mut trainer, reference)) in runs.into_iter().enumerate() {
            let [before, _] = gap(&trainer.policy().model().valid(), &reference);
            trainer.run(&mut |_: &UpdateStats| std::ops::ControlFlow::Continue(())).unwrap();
            let [left, divergence] = gap(&trainer.policy().model().valid(), &reference);
            println!(
                "seed {seed}, objective {i}: a gap of {before:.4} and then {left:.4}, {divergence:.4} nats from the optimum"
            );
            assert!(before > 0.1, "{before}");
            assert!(left < 0.01 && divergence < 0.02, "seed {seed}, objective {i}: {left} {divergence}");
        }
    }
}

#[test]
fn a_run_on_texts_resumes_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("after-two");
    let new = || trainer(1, GroupAdvantage::Rloo, PpoClip { clip_range: 0.2.into() }, 5).0;
    let mut whole = new();
    whole.update().unwrap();
    whole.update().unwrap();
    whole.checkpoint().unwrap().write(&path).unwrap();
    let mut restored = new();
    restored.restore(Checkpoint::read(&path).unwrap()).unwrap();
    for _ in 0..2 {
        assert_eq!(whole.update().unwrap(), restored.update().unwrap());
    }
    let weights =
        |trainer: &Trainer<TextPolicy, TextSource>| values(burn_pg::optim::flatten_parameters(trainer.policy()));
    assert_eq!(weights(&whole), weights(&restored));
}
