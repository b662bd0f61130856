//! Environments whose spaces are known only at run time: images, dictionaries, and actions with any number of components.

use burn_pg_envs::{
    ActionBuffer, Actions, Env, EnvError, EnvRng, EnvSpec, Part, Space, Step, VecEnv, VectorEnv, check_env, make,
    register_env,
    wrapper::{ActionTransform, Normalize, RecordEpisodes, TimeLimit, TransformActions},
};

/// A dot in an image of `[channels, size, size]`, moved along the diagonal.
#[derive(Debug, Clone)]
struct Dot {
    channels: usize,
    size: usize,
    place: usize,
}

impl Default for Dot {
    fn default() -> Self {
        Self { channels: 4, size: 10, place: 0 }
    }
}

impl Dot {
    fn draw(&self, observation: &mut [f32]) {
        observation.fill(0.0);
        observation[self.place * (self.size + 1)] = 1.0;
    }
}

impl Env for Dot {
    type Action = u32;
    type State = usize;

    fn spec(&self) -> EnvSpec {
        let image = Space::Image { shape: [self.channels, self.size, self.size], high: 1 };
        EnvSpec { max_episode_steps: Some(20), ..EnvSpec::new("Dot-v0", image, Space::discrete(2)) }
    }

    #[allow(clippy::cast_possible_truncation)] // images are small
    fn reset(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
        self.place = rng.below(self.size as u32) as usize;
        self.draw(observation);
    }

    fn step(&mut self, action: u32, _rng: &mut EnvRng, observation: &mut [f32]) -> Step {
        self.place = (self.place + action as usize) % self.size;
        self.draw(observation);
        Step { reward: 1.0, terminated: self.place == 0, truncated: false }
    }

    fn state(&self) -> usize {
        self.place
    }

    fn set_state(&mut self, place: usize) {
        self.place = place;
    }
}

/// Observes an image and its last action, with as many components as it has joints.
struct Arm {
    joints: usize,
    last: Vec<f32>,
}

impl Arm {
    fn new(joints: usize) -> Self {
        Self { joints, last: vec![0.0; joints] }
    }
}

impl Env for Arm {
    type Action = [f32];
    type State = Vec<f32>;

    fn spec(&self) -> EnvSpec {
        let joints = Space::symmetric(&vec![1.0; self.joints]);
        let camera = Space::Image { shape: [1, 2, 2], high: 255 };
        let observation = Space::dict([("camera", camera), ("joints", joints.clone())]);
        EnvSpec { max_episode_steps: Some(5), ..EnvSpec::new("Arm-v0", observation, joints) }
    }

    fn reset(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
        self.last.fill(0.0);
        observation.fill(0.0);
        observation[0] = rng.below(256) as f32;
    }

    fn step(&mut self, action: &[f32], rng: &mut EnvRng, observation: &mut [f32]) -> Step {
        assert_eq!(action.len(), self.joints);
        self.last.copy_from_slice(action);
        observation[0] = rng.below(256) as f32;
        for (shown, joint) in observation[4..].iter_mut().zip(action) {
            *shown = joint.clamp(-1.0, 1.0);
        }
        Step { reward: f64::from(action[0]), terminated: false, truncated: false }
    }

    fn state(&self) -> Vec<f32> {
        self.last.clone()
    }

    fn set_state(&mut self, last: Vec<f32>) {
        self.last = last;
    }
}

#[test]
fn one_process_can_have_images_of_several_sizes() {
    for (channels, size) in [(4, 10), (1, 3)] {
        let dots = || VecEnv::from_fn(3, |_| Dot { channels, size, place: 0 });
        let report = check_env(dots).unwrap();
        assert!(report.episodes > 0 && report.saves && report.has_blocks, "{report:?}");
        let envs = dots().unwrap();
        assert_eq!(envs.batch().observations.len(), 3 * channels * size * size);
        assert_eq!(envs.spec().observation_space.shape(), [channels, size, size]);
    }
    register_env::<Dot>().unwrap();
    assert_eq!(make("Dot-v0", 2).unwrap().batch().observations.len(), 2 * 400);
}

#[test]
fn wrappers_take_dictionaries_and_any_number_of_joints() {
    for joints in [1, 7] {
        let arms = || VecEnv::from_fn(3, |_| TimeLimit::new(Arm::new(joints), 4));
        let report = check_env(arms).unwrap();
        assert!(report.episodes > 0 && report.saves && report.has_blocks, "{report:?}");
        let clip = || ActionTransform::clip(&arms()?.spec().action_space);
        check_env(|| Ok(RecordEpisodes::new(TransformActions::new(arms()?, clip()?)?))).unwrap();
        let mut envs = TransformActions::new(arms().unwrap(), clip().unwrap()).unwrap();
        let actions: Vec<f32> = (0..3 * joints).map(|i| i as f32 / 10.0 - 3.0).collect();
        let batch = envs.step(Actions::Continuous(&actions)).unwrap();
        assert_eq!(batch.observations[4], -1.0);
        let error = envs.step(Actions::Continuous(&actions[1..])).unwrap_err();
        assert_eq!(error, EnvError::BatchSize { numbers: 3 * joints - 1, envs: 3, width: joints });
    }
}

#[test]
fn each_environment_reads_its_own_slice_in_parallel() {
    let (joints, num_envs) = (3, 500);
    let mut envs = VecEnv::from_fn(num_envs, |_| Arm::new(joints)).unwrap();
    let actions = ActionBuffer::random(&envs.spec().action_space.clone(), num_envs, &mut EnvRng::new(0));
    let ActionBuffer::Continuous(numbers) = &actions else { panic!("joints are continuous") };
    for _ in 0..4 {
        let batch = envs.step(actions.as_actions()).unwrap();
        let shown = batch.observations.chunks_exact(4 + joints).flat_map(|row| &row[4..]);
        assert!(shown.eq(numbers));
    }
}

#[test]
fn images_and_dictionaries_are_not_normalised() {
    let refused = Normalize::new(VecEnv::<Dot>::new(2).unwrap(), None).err().unwrap();
    assert_eq!(
        refused.to_string(),
        "normalised observations need a box or a discrete space (the bytes of an image are scaled by the network, not \
         normalised), but the observation space is Image[4, 10, 10] of 0..=1"
    );
    let arms = || VecEnv::from_fn(2, |_| Arm::new(1)).unwrap();
    assert!(matches!(Normalize::new(arms(), Some(0.9)).err(), Some(EnvError::Unsuited { of: "observation", .. })));
    let rewards = burn_pg_envs::wrapper::RewardNormalizer::new(2, 0.9);
    assert!(Normalize::with_normalizers(arms(), None, Some(rewards)).is_ok(), "rewards alone");
}

#[test]
fn environments_of_a_batch_must_share_one_specification() {
    let error = VecEnv::from_fn(3, |i| Dot { channels: 1, size: 3 + i / 2, place: 0 }).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the specification of `Dot-v0` is wrong: its observation space is Image[1, 3, 3] of 0..=1 in environment 0, but \
         Image[1, 4, 4] of 0..=1 in environment 2"
    );
    assert!(matches!(VecEnv::<Dot>::from_fn(0, |_| Dot::default()), Err(EnvError::NoEnvs)));
    let spec = Dot::default().spec();
    let masked = EnvSpec { masks_actions: true, action_space: Space::symmetric(&[1.0]), ..spec.clone() };
    assert!(masked.check().unwrap_err().to_string().contains("the action space has no masks"));
    let image = EnvSpec { action_space: spec.observation_space.clone(), ..spec.clone() };
    assert!(image.check().unwrap_err().to_string().contains("is one for observations only"));
    let part = |name: &str| Part { name: name.into(), space: Space::symmetric(&[1.0]) };
    let twice = EnvSpec { observation_space: Space::Dict { parts: vec![part("a"), part("a")] }, ..spec };
    assert!(twice.check().unwrap_err().to_string().contains("two parts of one name"));
}
