//! A world so small that everything can be enumerated: vocabulary of five letters and an end token, at most four tokens, 781 texts.
//! The optimum of the reward less `beta` times the KL divergence from a reference is known: `reference(y) exp(reward(y) / beta) / Z`,
//! with the value `beta log Z`.

use burn_pg::{
    Config, Parts, Trainer, UpdateStats,
    advantage::{Gae, GrpoScale},
    burn::{
        module::Module,
        tensor::{Device, Tensor, TensorData},
    },
    device::Backend,
    envs::EnvRng,
    loss::{Averaging, CorrectedKl, ExactKl, KlEstimator, KlToReference, Objective, PolicyGradient, PpoClip, Value},
    optim::{OptimiserSpec, Schedule, flatten_gradients},
    run::{EarlierRun, RunDir, Session, checkpoint::Checkpoint},
    source::{CollectContext, Source},
    storage::tensors::{into_module, of_module},
    update::{Epochs, Learner},
};
use burn_pg_lm::{
    Texts,
    generate::Limit,
    learning::{Credit, KlPlace, KlWeight, Sample, TextPolicy, TextSource, TextSourceSpec, Written},
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
    values(log_prob_tensor(model, completions))
}

fn log_prob_tensor(model: &Transformer, completions: &[Vec<u32>]) -> Tensor<1> {
    let texts: Texts = completions.iter().map(|completion| [&[END], &completion[..]].concat()).collect();
    let rows: Vec<i64> =
        texts.ranges().flat_map(|range| range.start..range.end - 1).map(|row| i64::try_from(row).unwrap()).collect();
    let hidden = model.hidden(&texts);
    let device = hidden.device();
    let hidden = hidden.select(0, Tensor::from_data(TensorData::from(&rows[..]), &device));
    let each = model.log_probs(hidden, &completions.concat());
    let mut start = 0;
    let of_text = completions.iter().map(|completion| {
        start += completion.len();
        each.clone().narrow(0, start - completion.len(), completion.len()).sum()
    });
    Tensor::cat(of_text.collect(), 0)
}

fn flex() -> Device {
    devices().into_iter().find(|(backend, _)| *backend == Backend::Flex).unwrap().1
}

/// How the KL divergence is estimated. All forms have the right gradient.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    Reward,
    K2,
    CorrectedK3,
    Exact,
}

/// How the world is learned.
#[derive(Debug, Clone, Copy)]
struct Way {
    credit: Credit,
    form: Form,
    sample: Sample,
    /// True if a critic learns.
    learns_values: bool,
    /// The terms of the objective besides a KL divergence and the values.
    surrogate: fn() -> Objective,
}

const GROUPS: Credit = Credit::Rloo { normalize: false };
const UNSCALED: Credit = Credit::Grpo(GrpoScale::Unscaled);
const CRITIC: Credit = Credit::Gae(Gae { gamma: 1.0, lambda: 0.95 });

fn clipped() -> Objective {
    Objective::new().with(1.0, PpoClip::new(0.2))
}

/// Every algorithm with every form of the KL divergence, and variants.
fn ways() -> Vec<(String, Way)> {
    let gradient = || Objective::new().with(1.0, PolicyGradient);
    let algorithms: [(_, _, fn() -> Objective); 4] = [
        ("RLOO", GROUPS, gradient),
        ("GRPO without scaling", UNSCALED, gradient),
        ("REINFORCE with a baseline", Credit::Mean, gradient),
        ("PPO with a critic", CRITIC, clipped),
    ];
    let forms = [
        ("k1 in the reward", Form::Reward),
        ("k2 in a term", Form::K2),
        ("corrected k3 in a term", Form::CorrectedK3),
        ("exact KL in a term", Form::Exact),
    ];
    let mut ways = Vec::new();
    for (algorithm, credit, surrogate) in algorithms {
        for (name, form) in forms {
            let learns_values = credit.needs_values();
            let way = Way { credit, form, sample: Sample::Token, learns_values, surrogate };
            ways.push((format!("{algorithm}, {name}"), way));
        }
    }
    let rloo =
        Way { credit: GROUPS, form: Form::Reward, sample: Sample::Token, learns_values: false, surrogate: clipped };
    let whole = Way { sample: Sample::Completion, ..rloo };
    let twice_clipped = || {
        let clip = PpoClip { upper: Some(0.28.into()), dual: Some(3.0), ..PpoClip::new(0.2) };
        Objective::new().with(1.0, clip)
    };
    ways.extend([
        ("RLOO with PPO's clip".into(), rloo),
        ("RLOO of whole completions".into(), whole),
        ("RLOO of whole completions, k2 in a term".into(), Way { form: Form::K2, surrogate: gradient, ..whole }),
        ("GRPO, clip above and below, dual clip".into(), Way { credit: UNSCALED, surrogate: twice_clipped, ..rloo }),
    ]);
    ways
}

fn way(name: &str) -> Way {
    ways().into_iter().find(|(other, _)| other == name).unwrap().1
}

impl Way {
    fn objective(&self) -> Objective {
        let objective = (self.surrogate)();
        let objective = match self.form {
            Form::Reward => objective,
            Form::K2 => objective.with(BETA, KlToReference { estimator: KlEstimator::K2 }),
            Form::CorrectedK3 => objective.with(BETA, CorrectedKl),
            Form::Exact => objective.with(BETA, ExactKl),
        };
        if self.learns_values { objective.with(0.5, Value::default()) } else { objective }
    }

    fn place(&self) -> KlPlace {
        if self.form == Form::Reward { KlPlace::Reward } else { KlPlace::Term }
    }
}

fn start(seed: u64, device: &Device) -> Transformer {
    Transformer::zeros(&SHAPE, &device.clone().autodiff()).map(&mut Random(EnvRng::new(100 + seed)))
}

fn spec(way: Way, seed: u64) -> TextSourceSpec {
    TextSourceSpec {
        kl_weight: KlWeight::Fixed(BETA),
        kl_place: way.place(),
        sample: way.sample,
        // The gradient of the expected reward adds up the tokens of a text.
        averaging: Averaging::Constant(1.0),
        seed,
        ..TextSourceSpec::new(16, 16, Limit { tokens: LONGEST, ends: vec![END] }, way.credit)
    }
}

fn source(way: Way, seed: u64, reference: Transformer) -> TextSource {
    source_of(spec(way, seed), reference)
}

fn source_of(spec: TextSourceSpec, reference: Transformer) -> TextSource {
    let score = |text: &Written<'_>| reward(text.completion, text.ended);
    TextSource::new(spec, [[END]].into_iter().collect(), score, Some(reference))
}

fn trainer(seed: u64, way: Way, updates: u64) -> (Trainer<TextPolicy, TextSource>, Transformer) {
    let device = flex();
    let model = start(seed, &device);
    let reference = model.valid();
    let source = source(way, seed, reference.clone());
    let learner = Learner::new(way.objective(), OptimiserSpec::default().build());
    let update = Box::new(Epochs::once(learner, Schedule::Linear { start: 0.01, end: 0.0 }));
    let steps = 16 * 16 * updates;
    let config = Config::default().with(|config| {
        config.run.total_steps = steps;
        config.run.source = Some("texts".into());
    });
    let config = config.validate().unwrap();
    let policy = TextPolicy::new(model);
    let policy = if way.credit.needs_values() { policy.with_value_head() } else { policy };
    (Trainer::new(Parts { policy, source, update }, &config, &device).unwrap(), reference)
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

/// With the variable `BURN_PG_SEEDS`, that many seeds.
#[test]
#[cfg_attr(feature = "wgpu", ignore = "it runs on flex, and has run in the build without wgpu")]
fn every_way_reaches_the_optimum_that_is_known() {
    let seeds = std::env::var("BURN_PG_SEEDS").map_or(1, |seeds| seeds.parse().unwrap());
    for (name, way) in ways() {
        for seed in 0..seeds {
            // With the divergence in the reward, all texts have the same reward at the optimum, and the gradient has no noise there. In a term
            // it has, and the average over that noise takes longer.
            let updates = if way.place() == KlPlace::Term { 2000 } else { 1000 };
            let (mut trainer, reference) = trainer(seed, way, updates);
            let [before, _] = gap(&trainer.policy().model().valid(), &reference);
            trainer.run(&mut |_: &UpdateStats| std::ops::ControlFlow::Continue(())).unwrap();
            let [left, divergence] = gap(&trainer.policy().model().valid(), &reference);
            println!(
                "{name}, seed {seed}: a gap of {before:.4} and then {left:.4}, {divergence:.4} nats from the optimum"
            );
            assert!(before > 0.1, "{before}");
            assert!(left < 0.01 && divergence < 0.02, "{name}, seed {seed}: {left} {divergence}");
        }
    }
}

/// Returns the gradient of the value, the expected reward less `BETA` times the KL divergence, from all texts.
fn enumerated(model: &Transformer, reference: &Transformer) -> Vec<f64> {
    let completions = all();
    let [ours, theirs] = [model, reference].map(|model| log_prob_tensor(model, &completions));
    let rewards: Vec<f64> =
        completions.iter().map(|completion| reward(completion, completion.last() == Some(&END))).collect();
    let rewards = TensorData::new(rewards, [completions.len()]).convert_dtype(ours.dtype());
    let rewards = Tensor::<1>::from_data(rewards, (&ours.device(), ours.dtype()));
    let theirs = Tensor::from_inner(theirs);
    let value = (ours.clone().exp() * (rewards - (ours - theirs) * BETA)).sum();
    values(flatten_gradients(model, &value.backward()))
}

/// Adds a value head of random weights.
fn with_any_values(policy: TextPolicy) -> TextPolicy {
    let policy = policy.with_value_head();
    let expected = of_module(&policy).unwrap();
    let mut tensors = expected.clone();
    let mut rng = EnvRng::new(7);
    #[allow(clippy::cast_possible_truncation)] // to single precision
    let weights: Vec<f32> = (0..SHAPE.width).map(|_| rng.normal() as f32).collect();
    tensors.insert("value".into(), TensorData::new(weights, [SHAPE.width, 1]));
    into_module(policy, tensors, &expected).unwrap()
}

#[test]
#[cfg_attr(feature = "wgpu", ignore = "it runs on flex, and has run in the build without wgpu")]
fn sampled_gradients_are_those_of_enumeration() {
    const BATCHES: usize = 150;
    let device = flex();
    // The policy has moved away from the reference.
    let reference = start(1, &device).valid();
    let model = start(2, &device);
    let exact = enumerated(&model, &reference);
    // Only with lambda = 1 is the gradient exact whatever the critic says. The loss of the values has a gradient of its own, and is left out.
    let exact_critic = |(name, way): (String, Way)| {
        let credit = Credit::Gae(Gae { gamma: 1.0, lambda: 1.0 });
        (name, if way.learns_values { Way { credit, learns_values: false, ..way } } else { way })
    };
    for (name, way) in ways().into_iter().map(exact_critic) {
        let mut source = source(way, 3, reference.clone());
        let policy = TextPolicy::new(model.clone());
        let policy = if way.credit.needs_values() { with_any_values(policy) } else { policy };
        let learner = Learner::new(way.objective(), OptimiserSpec::default().build());
        let (mut sums, mut squares) = (vec![0.0; exact.len()], vec![0.0; exact.len()]);
        for update in 1..=BATCHES as u64 {
            let context = CollectContext { update, progress: 0.0, device: &device };
            let samples = source.collect(&policy.valid(), &context).unwrap().samples;
            let (gradient, _) = learner.gradient(&policy, samples);
            for (i, loss) in values(gradient).into_iter().take(exact.len()).enumerate() {
                sums[i] -= loss;
                squares[i] += loss * loss;
            }
        }
        // The mean of a group contains the completion that is compared with it, which shortens the gradient.
        let shortened = if matches!(way.credit, Credit::Grpo(_)) { 15.0 / 16.0 } else { 1.0 };
        let count = BATCHES as f64;
        let mut worst: f64 = 0.0;
        for ((exact, sum), square) in exact.iter().zip(&sums).zip(&squares) {
            let mean = sum / count;
            let error = ((square / count - mean * mean).max(0.0) / (count - 1.0)).sqrt();
            // Parts of the rounding of single precision stay, where nothing else is.
            worst = worst.max((mean - exact * shortened).abs() / (error + 1e-6));
        }
        println!("{name}: at most {worst:.2} standard errors from the gradient of enumeration");
        assert!(worst < 5.0, "{name}: {worst}");
    }
}

#[test]
fn a_divergence_that_is_measured_is_that_of_enumeration() {
    const BATCHES: u64 = 40;
    let device = flex();
    let (reference, model) = (start(1, &device).valid(), start(2, &device).valid());
    let completions = all();
    let [ours, theirs] = [&model, &reference].map(|model| log_probs(model, &completions));
    let exact: f64 = ours.iter().zip(&theirs).map(|(ours, theirs)| ours.exp() * (ours - theirs)).sum();
    let spec =
        TextSourceSpec { kl_weight: KlWeight::Fixed(0.0), measure_kl: true, ..spec(way("RLOO, k1 in the reward"), 5) };
    let mut source = source_of(spec, reference);
    let policy = TextPolicy::new(model);
    let mut measured: [Vec<f64>; 2] = Default::default();
    for update in 1..=BATCHES {
        let context = CollectContext { update, progress: 0.0, device: &device };
        let metrics = source.collect(&policy, &context).unwrap().metrics;
        for (name, values) in ["kl_exact", "kl_per_text"].into_iter().zip(&mut measured) {
            values.push(metrics.iter().find(|(metric, _)| *metric == name).unwrap().1);
        }
    }
    let [of_vocabulary, of_samples] = measured.map(|values| {
        let mean = values.iter().sum::<f64>() / BATCHES as f64;
        let square = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        [mean, (square / (BATCHES - 1) as f64 / BATCHES as f64).sqrt()]
    });
    for [mean, error] in [of_vocabulary, of_samples] {
        assert!((mean - exact).abs() < 4.0 * error, "{mean} ± {error}, by enumeration {exact}");
    }
    // That is why it is measured over the vocabulary.
    assert!(of_vocabulary[1] < 0.5 * of_samples[1], "{of_vocabulary:?} {of_samples:?}");
}

#[test]
fn a_weight_that_adapts_brings_the_divergence_to_its_target() {
    let adaptive = KlWeight::Adaptive { start: 0.1, target: 2.0, horizon: 100.0 };
    assert!((adaptive.next(0.1, 4.0, 10) - 0.1 * 1.02).abs() < 1e-12);
    assert!((adaptive.next(0.1, 1.9, 10) - 0.1 * 0.995).abs() < 1e-12);
    assert_eq!(KlWeight::Fixed(0.3).next(0.3, 9.0, 10), 0.3);
}

#[test]
fn a_run_on_texts_resumes_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("after-two");
    let new = || trainer(1, way("PPO with a critic, k1 in the reward"), 5).0;
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

#[test]
fn a_run_that_has_no_checkpoint_yet_begins_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let new = || {
        let (trainer, _) = trainer(1, way("RLOO, k1 in the reward"), 3);
        trainer
    };
    drop(Session::begin(new(), RunDir::create(&path).unwrap()).unwrap());
    let earlier = EarlierRun::open(&path, None).unwrap();
    assert_eq!(earlier.config().unwrap().run.source.as_deref(), Some("texts"));
    let mut session = earlier.resume(new()).unwrap();
    session.train(&mut |_: &UpdateStats| std::ops::ControlFlow::Continue(())).unwrap();
    assert_eq!(session.trainer().updates(), 3);
}
