//! The gradients of all loss terms: compared with finite differences, and where ratios overflow.

use burn::tensor::DType;
use burn_pg::{
    envs::EnvRng,
    loss::{
        ContextPart, Entropy, KlEstimator, KlPenalty, KlToReference, LossTerm, PolicyGradient, PpoClip, Surrogate,
        Value, ValueClip, normalize,
    },
};
use proptest::prelude::*;

use crate::{
    precision::{Precision, assert_close},
    samples::{Samples, mean},
};

const CLIP: f64 = 0.2;

fn terms() -> Vec<(&'static str, Box<dyn LossTerm>)> {
    let reference = |estimator| Box::new(KlToReference { estimator });
    vec![
        ("policy gradient", Box::new(PolicyGradient)),
        ("surrogate", Box::new(Surrogate)),
        ("ppo clip", Box::new(PpoClip::new(CLIP))),
        ("value", Box::new(Value { clip: ValueClip::Off })),
        ("value, pessimistic", Box::new(Value { clip: ValueClip::Pessimistic { range: CLIP.into() } })),
        ("value, hard", Box::new(Value { clip: ValueClip::Hard { range: CLIP.into() } })),
        ("entropy", Box::new(Entropy)),
        ("kl penalty", Box::new(KlPenalty { target: 0.01, weight: 1.7 })),
        ("k1", reference(KlEstimator::K1)),
        ("k2", reference(KlEstimator::K2)),
        ("k3", reference(KlEstimator::K3)),
    ]
}

/// True if no sample is so near a kink of a term that a step of [`STEP`] could cross it.
fn smooth(samples: &Samples) -> bool {
    let off = |number: f64, kink: f64| (number - kink).abs() > 1e-3;
    (0..samples.log_probs.len()).all(|i| {
        let ratio = (samples.log_probs[i] - samples.old_log_probs[i]).exp();
        let (value, old, target) = (samples.values[i], samples.old_values[i], samples.returns[i]);
        let clipped = old + (value - old).clamp(-CLIP, CLIP);
        let one_error = clipped == value || off((value - target).powi(2), (clipped - target).powi(2));
        off(ratio, 1.0 - CLIP) && off(ratio, 1.0 + CLIP) && off((value - old).abs(), CLIP) && one_error
    })
}

const STEP: f64 = 1e-5;

/// Selects a vector of a minibatch.
type Column = fn(&mut Samples) -> &mut Vec<f64>;

#[test]
fn gradients_equal_finite_differences() {
    let rng = &mut EnvRng::new(3);
    let minibatches: Vec<Samples> = std::iter::repeat_with(|| Samples::random(6, rng)).filter(smooth).take(4).collect();
    // The error of a central difference of a function of order 1 with third derivatives of order 10.
    let tolerance = 1e-8;
    for precision in Precision::all().iter().filter(|precision| precision.is_double()) {
        for ((name, term), samples) in terms().iter().flat_map(|term| minibatches.iter().map(move |s| (term, s))) {
            let ours = samples.derivatives(term.as_ref(), precision);
            let columns: [(&str, &[f64], Column); 3] = [
                ("log-probabilities", &ours.log_probs, |samples| &mut samples.log_probs),
                ("entropies", &ours.entropies, |samples| &mut samples.entropies),
                ("values", &ours.values, |samples| &mut samples.values),
            ];
            for (column, ours, of) in columns {
                let differences: Vec<f64> = (0..ours.len())
                    .map(|i| {
                        let moved = |step: f64| {
                            let mut moved = samples.clone();
                            of(&mut moved)[i] += step;
                            moved.loss(term.as_ref(), precision)
                        };
                        (moved(STEP) - moved(-STEP)) / (2.0 * STEP)
                    })
                    .collect();
                assert_close(ours, &differences, tolerance, &format!("{:?} {name}, {column}", precision.backend));
            }
        }
    }
}

#[test]
fn random_minibatches_lie_on_both_sides_of_every_clip() {
    let rng = &mut EnvRng::new(3);
    let samples = Samples::random(200, rng);
    let precision = &Precision::all()[0];
    let (clip, off) = (ValueClip::Hard { range: CLIP.into() }, ValueClip::Off);
    let [hard, free] = [clip, off].map(|clip| samples.derivatives(&Value { clip }, precision).values);
    let clipped = hard.iter().zip(&free).filter(|(hard, free)| hard != free).count();
    assert!((20..180).contains(&clipped), "{clipped}");
    let ratios = samples.derivatives(&PpoClip::new(CLIP), precision).log_probs;
    let clipped = ratios.iter().filter(|&&derivative| derivative == 0.0).count();
    assert!((20..180).contains(&clipped), "{clipped}");
}

proptest! {
    #[test]
    fn a_shift_of_all_advantages_does_not_change_the_normalised_loss(seed: u64, shift in -100.0..100.0) {
        let mut samples = Samples::random(8, &mut EnvRng::new(seed));
        let term = PpoClip::new(CLIP);
        for precision in Precision::all().iter().filter(|precision| precision.is_double()) {
            let loss = |samples: &Samples| {
                let context = samples.context(precision);
                let advantages = normalize(context.advantages());
                vec![mean(term.compute(&context.with_tensor(ContextPart::Advantages, advantages)).loss)]
            };
            let before = loss(&samples);
            samples.advantages.iter_mut().for_each(|advantage| *advantage += shift);
            assert_close(&loss(&samples), &before, 1e-9, "loss");
        }
    }

    #[test]
    fn a_clipped_sample_has_no_gradient_even_where_its_ratio_overflows(
        above in (1.0 + CLIP).ln() + 1e-3..800.0,
        below in -800.0..(1.0 - CLIP).ln() - 1e-3,
        advantage in 0.0..10.0,
    ) {
        let samples = Samples::with_log_ratios(&[above, below, 0.0], &[advantage, -advantage, 1.0]);
        for precision in Precision::all() {
            let term = PpoClip::new(CLIP);
            let derivatives = samples.derivatives(&term, &precision).log_probs;
            prop_assert_eq!(&derivatives[..2], &[0.0, 0.0]);
            assert_close(&derivatives[2..], &[-1.0 / 3.0], 1e-6, "gradient");
            let output = term.compute(&samples.context(&precision));
            let expected = -(advantage * (1.0 + CLIP) - advantage * (1.0 - CLIP) + 1.0) / 3.0;
            assert_close(&[mean(output.loss)], &[expected], 1e-6, "loss");
            for (name, metric) in output.metrics {
                prop_assert!(mean(metric).is_finite(), "{} {:?}", name, precision);
            }
        }
    }

    #[test]
    fn a_ratio_that_overflows_unclipped_is_pushed_back_by_a_finite_gradient(
        log_ratio in 100.0_f64..1e4,
        advantage in -10.0_f64..-0.1,
    ) {
        for precision in Precision::all() {
            // Double precision overflows beyond 709 only, single precision much earlier.
            let log_ratio = if precision.is_double() { 10.0 * log_ratio } else { log_ratio };
            let (ppo, penalty) = (PpoClip::new(CLIP), KlPenalty::default());
            let k3 = KlToReference { estimator: KlEstimator::K3 };
            // The ratio to the old policy is large. The exponential of k3 is the ratio of the reference to the policy.
            for (term, log_ratio, advantage) in [
                (&ppo as &dyn LossTerm, log_ratio, advantage),
                (&Surrogate, log_ratio, advantage),
                (&penalty, log_ratio, advantage),
                (&penalty, log_ratio, 0.0),
                (&k3, -log_ratio, 0.0),
            ] {
                let samples = Samples::with_log_ratios(&[log_ratio, 0.0], &[advantage, 0.0]);
                let derivatives = samples.derivatives(term, &precision).log_probs;
                // Its square must be finite too, for the norm.
                let largest = if precision.dtype == DType::F32 { f64::from(f32::MAX) } else { f64::MAX };
                prop_assert!(derivatives[0].abs() > 1e10 && derivatives[0].abs() < largest.sqrt(), "{:?}", derivatives);
                prop_assert_eq!(derivatives[0].signum(), log_ratio.signum());
                prop_assert!(derivatives[1].abs() < 1e-6, "{:?}", derivatives);
                prop_assert!(samples.loss(term, &precision).is_finite());
            }
        }
    }
}

#[test]
fn nan_log_probabilities_make_the_loss_nan() {
    for (precision, (name, term)) in Precision::all().iter().flat_map(|p| terms().into_iter().map(move |t| (p, t))) {
        let samples = Samples::with_log_ratios(&[f64::NAN, 0.0], &[1.0, 1.0]);
        let looks_at_them = !matches!(name, "entropy" | "value" | "value, pessimistic" | "value, hard");
        assert_eq!(samples.loss(term.as_ref(), precision).is_nan(), looks_at_them, "{name} {precision:?}");
    }
}

#[test]
fn each_kind_of_value_clipping_has_its_loss_and_gradient() {
    // Returns are 0. The values moved by 0.5 towards the return, by 0.5 away from it, and by less than the range.
    let mut samples = Samples::with_log_ratios(&[0.0; 3], &[0.0; 3]);
    samples.old_values = vec![1.0, 1.0, 1.0];
    samples.values = vec![0.5, 1.5, 1.1];
    for precision in Precision::all() {
        let check = |clip: ValueClip, loss: f64, derivatives: [f64; 3]| {
            let term = Value { clip };
            assert_close(&[samples.loss(&term, &precision)], &[loss / 6.0], 1e-6, &format!("{clip:?}"));
            let derivatives = derivatives.map(|derivative| derivative / 3.0);
            assert_close(&samples.derivatives(&term, &precision).values, &derivatives, 1e-6, &format!("{clip:?}"));
        };
        check(ValueClip::Off, 0.25 + 2.25 + 1.21, [0.5, 1.5, 1.1]);
        check(ValueClip::Pessimistic { range: CLIP.into() }, 0.64 + 2.25 + 1.21, [0.0, 1.5, 1.1]);
        check(ValueClip::Hard { range: CLIP.into() }, 0.64 + 1.44 + 1.21, [0.0, 0.0, 1.1]);
    }
}
