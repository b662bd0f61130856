//! A user's own sources: what is refused, and a run with a source that cannot be saved.

use std::ops::ControlFlow;

use burn_pg::{
    Config, DeviceChoice, Error, Parts, Trainer, UpdateStats,
    config::PpoConfig,
    device,
    distribution::ActionTensor,
    envs::{ActionBuffer, EnvRng, EnvSpec, Space},
    loss::{ContextPart, LossTerm, Objective, ObjectiveError, PolicyGradient, Value},
    optim::OptimiserSpec,
    policy::{ActorCritic, NetworkSpec, Observation},
    run::{EarlierRun, Observer, RunDir, Session},
    source::{Batch, CollectContext, Experience, Source},
    update::{Epochs, Learner},
};

const ROWS: usize = 4;

/// A source that returns the same four samples in every rollout.
struct Constant {
    steps: u64,
    longest: u64,
    metrics: Vec<(&'static str, f64)>,
    /// The number of samples of a rollout; an error if it is too large.
    rows: usize,
    forgets_advantages: bool,
}

impl Source<ActorCritic> for Constant {
    type Samples = Batch;

    fn collect(&mut self, _: &ActorCritic, context: &CollectContext<'_>) -> Result<Experience<Batch>, Error> {
        if self.rows > ROWS {
            let source = format!("{} samples are too many", self.rows).into();
            return Err(Error::Source { name: "Constant".into(), source });
        }
        self.steps += ROWS as u64;
        let device = context.device;
        let observations = Observation::upload(vec![0.5; ROWS], &[], ROWS, device);
        let actions = ActionTensor::upload(&ActionBuffer::Discrete(vec![1; ROWS]), ROWS, device);
        let vector = |value: f32| burn::tensor::Tensor::from_floats([value; ROWS], device);
        let advantages = (!self.forgets_advantages).then(|| vector(1.0));
        let batch = Batch { advantages, ..Batch::new(observations, actions, vector(-0.7)) };
        let batch = batch.minibatches(self.rows.max(1)).next().unwrap();
        let batch = if self.rows == 0 { batch.select(&[]) } else { batch };
        Ok(Experience { metrics: self.metrics.clone(), ..Experience::new(batch) })
    }

    fn env_steps(&self) -> u64 {
        self.steps
    }

    fn longest_rollout(&self) -> Option<u64> {
        Some(self.longest)
    }
}

fn trainer(longest: u64, metrics: &[(&'static str, f64)]) -> Result<Trainer<ActorCritic, Constant>, Error> {
    build(
        Constant { steps: 0, longest, metrics: metrics.to_vec(), rows: ROWS, forgets_advantages: false },
        PolicyGradient,
    )
}

fn build(source: Constant, term: impl LossTerm + 'static) -> Result<Trainer<ActorCritic, Constant>, Error> {
    let device = device::open(DeviceChoice::Auto).unwrap().device;
    let mut config = Config::default().with(|config| {
        config.run.total_steps = 40;
        config.env.num_envs = 1;
        config.rollout.num_steps = 4;
        config.algorithm = PpoConfig { num_minibatches: 1, ..PpoConfig::default() }.into();
    });
    config.checkpoint.interval = Some(2);
    let config = config.validate().unwrap();
    let spec = EnvSpec::new("Constant-v0", Space::symmetric(&[1.0]), Space::discrete(2));
    let shape = NetworkSpec { critic: false, ..NetworkSpec::default() };
    let policy = ActorCritic::new(&spec, &shape, &mut EnvRng::new(0), &device.clone().autodiff()).unwrap();
    let learner = Learner::new(Objective::new().with(1.0, term), OptimiserSpec::default().build());
    let update = Box::new(Epochs::once(learner, 1e-3));
    Trainer::new(Parts { policy, source, update }, &config, &device)
}

#[test]
fn metrics_with_taken_names_or_impossible_values_are_refused() {
    let stats = trainer(4, &[("length", 3.0)]).unwrap().update().unwrap();
    assert_eq!(stats.losses["length"], 3.0);
    for name in ["loss", "policy_loss", "grad_norm", "update", "steps_per_second"] {
        let error = trainer(4, &[(name, 3.0)]).unwrap().update().unwrap_err();
        assert!(matches!(&error, Error::MetricName { name: taken } if taken == name), "{error}");
    }
    let error = trainer(4, &[("length", f64::NAN)]).unwrap().update().unwrap_err();
    assert!(matches!(error, Error::NonFinite { metric: "length", .. }), "{error}");
}

#[test]
fn rollouts_without_steps_are_refused() {
    let error = trainer(0, &[]).map(drop).unwrap_err();
    assert!(matches!(&error, Error::EmptyRollouts { name } if name == "Constant"), "{error}");
}

#[test]
fn a_rollout_without_samples_is_refused() {
    let source = Constant { steps: 0, longest: 4, metrics: Vec::new(), rows: 0, forgets_advantages: false };
    let error = build(source, PolicyGradient).unwrap().update().unwrap_err();
    assert!(matches!(&error, Error::NoSamples { update: 1, rows: 0, .. }), "{error}");
}

#[test]
fn a_failure_of_the_source_is_passed_on() {
    let source = Constant { steps: 0, longest: 4, metrics: Vec::new(), rows: 5, forgets_advantages: false };
    let error = build(source, PolicyGradient).unwrap().update().unwrap_err();
    assert_eq!(error.to_string(), "the source `Constant` failed: 5 samples are too many");
}

#[test]
fn terms_that_need_what_the_samples_lack_are_refused_before_training() {
    let source = Constant { steps: 0, longest: 4, metrics: Vec::new(), rows: 4, forgets_advantages: false };
    let error = build(source, Value::default()).map(drop).unwrap_err();
    let missing = ObjectiveError::Missing { term: "value_loss", part: ContextPart::Values };
    assert!(matches!(&error, Error::Objective(error) if *error == missing), "{error}");
}

#[test]
fn samples_without_an_announced_part_are_refused() {
    let source = Constant { steps: 0, longest: 4, metrics: Vec::new(), rows: 4, forgets_advantages: true };
    let mut trainer = build(source, PolicyGradient).unwrap();
    let missing = ObjectiveError::Missing { term: "policy_loss", part: ContextPart::Advantages };
    let error = trainer.update().unwrap_err();
    assert!(matches!(&error, Error::Objective(error) if *error == missing), "{error}");
}

/// An observer that keeps the warnings.
#[derive(Default)]
struct Warnings {
    warnings: Vec<String>,
    checkpoints: usize,
}

impl Observer for Warnings {
    fn on_update(&mut self, _: &UpdateStats) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn on_checkpoint(&mut self, _: u64) {
        self.checkpoints += 1;
    }

    fn on_warning(&mut self, warning: &str) {
        self.warnings.push(warning.to_owned());
    }
}

#[test]
fn a_source_that_cannot_be_saved_trains_to_its_end_without_checkpoints() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let mut session = Session::begin(trainer(4, &[]).unwrap(), RunDir::create(&path).unwrap()).unwrap();
    let mut observer = Warnings::default();
    session.train(&mut observer).unwrap();
    assert_eq!((session.trainer().updates(), observer.checkpoints), (10, 0));
    let [warning] = &observer.warnings[..] else { panic!("{:?}", observer.warnings) };
    assert!(warning.contains("cannot be resumed") && warning.contains("`Constant`"), "{warning}");
    drop(session);
    assert!(RunDir::open(&path).policy_path().exists());
    assert!(EarlierRun::open(&path, None).is_err());

    // A killed run cannot be resumed, because it would begin again and lose its metrics.
    std::fs::remove_file(RunDir::open(&path).policy_path()).unwrap();
    let metrics = || std::fs::read(path.join("metrics.jsonl")).unwrap();
    let before = metrics();
    let earlier = EarlierRun::open(&path, None).unwrap();
    let error = earlier.resume(trainer(4, &[]).unwrap()).map(drop).unwrap_err();
    assert!(error.to_string().contains("`Constant` cannot be saved"), "{error}");
    assert!(!before.is_empty() && metrics() == before);
}
