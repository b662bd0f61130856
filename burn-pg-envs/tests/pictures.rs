//! Pictures as lists of shapes.

use burn_pg_envs::{
    Actions, Env, EnvError, EnvRng, EnvSpec, Space, Step, VecEnv, VectorEnv,
    classic::{CartPole, Pendulum},
    make,
    render::{Colour, Scene, Shape},
    specs,
    wrapper::{ActionTransform, Normalize, RecordEpisodes, TimeLimit, TransformActions},
};

/// A lamp that draws itself; action 2 breaks it.
#[derive(Default)]
struct Lamp(bool);

impl Env for Lamp {
    type Action = u32;
    type State = bool;

    fn spec(&self) -> EnvSpec {
        EnvSpec::new("Lamp-v0", Space::symmetric(&[1.0]), Space::discrete(3))
    }

    fn reset(&mut self, _: &mut EnvRng, observation: &mut [f32]) {
        (self.0, observation[0]) = (false, 0.0);
    }

    fn step(&mut self, action: u32, _: &mut EnvRng, observation: &mut [f32]) -> Step {
        assert!(action < 2, "broken");
        self.0 = action == 1;
        observation[0] = action as f32;
        Step { reward: 0.0, terminated: false, truncated: false }
    }

    fn state(&self) -> bool {
        self.0
    }

    fn set_state(&mut self, state: bool) {
        self.0 = state;
    }

    fn render(&self) -> Option<Scene> {
        let colour = if self.0 { Colour([255, 220, 0]) } else { Colour::BLACK };
        Some(Scene::new(100.0, 50.0, vec![Shape::Circle { centre: [50.0, 25.0], radius: 20.0, colour }]))
    }
}

/// An environment without a picture.
#[derive(Default)]
struct Dark(Lamp);

impl Env for Dark {
    type Action = u32;
    type State = bool;

    fn spec(&self) -> EnvSpec {
        self.0.spec()
    }

    fn reset(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
        self.0.reset(rng, observation);
    }

    fn step(&mut self, action: u32, rng: &mut EnvRng, observation: &mut [f32]) -> Step {
        self.0.step(action, rng, observation)
    }

    fn state(&self) -> bool {
        self.0.state()
    }

    fn set_state(&mut self, state: bool) {
        self.0.set_state(state);
    }
}

fn light(scene: Option<Scene>) -> Colour {
    match &scene.unwrap().shapes[..] {
        [Shape::Circle { colour, .. }] => *colour,
        shapes => panic!("{shapes:?}"),
    }
}

#[test]
fn an_environment_of_a_user_draws_its_own_state() {
    let mut envs = VecEnv::<Lamp>::new(2).unwrap();
    envs.step(Actions::Discrete(&[0, 1])).unwrap();
    assert_eq!([0, 1].map(|env| light(envs.render(env))), [Colour::BLACK, Colour([255, 220, 0])]);
    envs.reset(0).unwrap();
    assert_eq!(light(envs.render(1)), Colour::BLACK);
}

#[test]
fn an_environment_has_no_picture_by_default_or_after_a_failure() {
    assert_eq!(VecEnv::<Dark>::new(1).unwrap().render(0), None);
    let mut envs = VecEnv::<Lamp>::new(2).unwrap();
    assert!(matches!(envs.step(Actions::Discrete(&[1, 2])), Err(EnvError::Failed { env: 1, .. })));
    assert_eq!((light(envs.render(0)), envs.render(1)), (Colour([255, 220, 0]), None));
    envs.restart(1, 5).unwrap();
    assert!(envs.render(1).is_some());
}

#[test]
#[should_panic(expected = "index out of bounds")]
fn a_picture_of_an_environment_that_does_not_exist_panics() {
    let _ = VecEnv::<Lamp>::new(2).unwrap().render(2);
}

#[test]
fn every_wrapper_forwards_the_picture_of_each_environment() {
    let plain = || VecEnv::<Pendulum>::new(2).unwrap();
    let transform = ActionTransform::clip(&plain().spec().action_space).unwrap();
    let limited = VecEnv::from_fn(2, |_| TimeLimit::new(Pendulum::default(), 9)).unwrap();
    let wrapped: [(&str, Box<dyn VectorEnv>); 5] = [
        ("Box", Box::new(make("Pendulum-v1", 2).unwrap())),
        ("TimeLimit", Box::new(limited)),
        ("Normalize", Box::new(Normalize::new(plain(), Some(0.99)).unwrap())),
        ("RecordEpisodes", Box::new(RecordEpisodes::new(plain()))),
        ("TransformActions", Box::new(TransformActions::new(plain(), transform).unwrap())),
    ];
    let mut expected = plain();
    expected.reset(3).unwrap();
    expected.step(Actions::Continuous(&[0.5, -2.0])).unwrap();
    assert_ne!(expected.render(0), expected.render(1));
    for (name, mut envs) in wrapped {
        envs.reset(3).unwrap();
        envs.step(Actions::Continuous(&[0.5, -2.0])).unwrap();
        for env in 0..2 {
            assert!(envs.render(env).is_some(), "{name}");
            assert_eq!(envs.render(env), expected.render(env), "{name}");
        }
    }
}

#[test]
fn every_registered_task_has_a_picture_in_the_size_of_its_window() {
    for spec in specs() {
        let scene = make(&spec.id, 1).unwrap().render(0).unwrap();
        let size = match spec.id.as_str() {
            "Acrobot-v1" | "Pendulum-v1" => (500.0, 500.0),
            _ => (600.0, 400.0),
        };
        assert_eq!((scene.width, scene.height), size, "{}", spec.id);
    }
}

#[test]
fn a_picture_shows_the_state_that_was_set() {
    let upright = CartPole::default();
    let moved = CartPole { state: [1.0, 0.0, 0.1, 0.0], ..upright };
    let turning = CartPole { state: [0.0, 1.0, 0.0, 1.0], ..upright };
    assert_ne!(upright.render(), moved.render());
    assert_eq!(upright.render(), turning.render(), "velocities are not shown");
}

#[test]
fn the_pendulum_shows_the_torque_of_its_last_step_only() {
    let (mut pendulum, mut rng, mut observation) = (Pendulum::default(), EnvRng::new(0), [0.0; 3]);
    let shapes = |pendulum: &Pendulum| pendulum.render().unwrap().shapes.len();
    let without = shapes(&pendulum);
    pendulum.step([5.0], &mut rng, &mut observation);
    assert_eq!((pendulum.last_torque, shapes(&pendulum)), (Some(2.0), without + 2));
    pendulum.step_double(-0.5, &mut observation);
    assert_eq!(pendulum.last_torque, Some(-0.5));

    // It is not part of the state.
    pendulum.set_state(pendulum.state());
    assert_eq!((pendulum.last_torque, shapes(&pendulum)), (None, without));
    pendulum.step([1.0], &mut rng, &mut observation);
    pendulum.reset(&mut rng, &mut observation);
    assert_eq!((pendulum.last_torque, shapes(&pendulum)), (None, without));
}

#[test]
fn the_arrow_of_the_pendulum_turns_in_the_direction_of_the_torque() {
    let tip = |torque: f32| {
        let scene = Pendulum { last_torque: Some(torque), ..Pendulum::default() }.render().unwrap();
        let Shape::Line { points, .. } = &scene.shapes[3] else { panic!() };
        *points.last().unwrap()
    };
    let ([left, level], [right, same]) = (tip(-2.0), tip(2.0));
    assert!(left < 200.0 && right > 300.0, "clockwise ends on the left, counter-clockwise on the right");
    assert!((level - 250.0).abs() < 0.01 && (same - 250.0).abs() < 0.01);
    assert!(tip(1.0)[0] < right, "a smaller torque has a smaller arrow");
}
