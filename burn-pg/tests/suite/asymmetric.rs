//! Actors and critics that see different parts of an observation.

use burn::tensor::Tensor;
use burn_pg::{
    Agent, MemoryPlan, Trainer,
    algorithm::Recipe,
    distribution::Distribution,
    envs::{Env, EnvRng, EnvSpec, Space, Step, VecEnv},
    policy::{ActorCritic, CellKind, Input, NetworkSpec, Observation, Policy, Sequences, UnsupportedSpace},
    update::Unfused,
};

use crate::{
    helpers::{flex, ignore},
    precision::values,
    settings::{settings, valid},
};

/// A point on a line is pushed by a force that only a simulator knows, and that lasts for an episode.
#[derive(Default)]
struct Pushed {
    at: f32,
    force: f32,
}

impl Pushed {
    fn observe(&self, observation: &mut [f32]) {
        observation.copy_from_slice(&[self.force, self.at]);
    }
}

impl Env for Pushed {
    type Action = u32;
    type State = (f32, f32);

    fn spec(&self) -> EnvSpec {
        let space = Space::dict([("force", Space::symmetric(&[1.0])), ("position", Space::symmetric(&[9.0]))]);
        EnvSpec { max_episode_steps: Some(16), ..EnvSpec::new("Pushed", space, Space::discrete(2)) }
    }

    #[allow(clippy::cast_possible_truncation)]
    fn reset(&mut self, rng: &mut EnvRng, observation: &mut [f32]) {
        (self.at, self.force) = (rng.uniform(-1.0, 1.0) as f32, rng.uniform(-1.0, 1.0) as f32);
        self.observe(observation);
    }

    fn step(&mut self, action: u32, _: &mut EnvRng, observation: &mut [f32]) -> Step {
        self.at += if action == 1 { 0.2 } else { -0.2 };
        self.observe(observation);
        let reward = f64::from(self.force) - 0.1 * f64::from(self.at).powi(2);
        Step { reward, terminated: false, truncated: false }
    }

    fn state(&self) -> (f32, f32) {
        (self.at, self.force)
    }

    fn set_state(&mut self, (at, force): (f32, f32)) {
        (self.at, self.force) = (at, force);
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// Returns the parameters of the distribution and the values for one observation.
fn outputs(policy: &ActorCritic, [force, position]: [f32; 2]) -> [Vec<f64>; 2] {
    let part = |value: f32| Input::Floats(Tensor::from_floats([[value]], &flex()));
    let sequences = (policy.state_len() > 0).then(|| Sequences {
        state: Tensor::zeros([1, policy.state_len()], &flex()),
        begins: Tensor::from_data([[true]], &flex()),
    });
    let observation = Observation { sequences, ..vec![part(force), part(position)].into() };
    let alone = values(policy.distribution(observation.clone()).parameters());
    let prediction = policy.forward(observation);
    let of_both = values(prediction.distribution.parameters());
    assert_eq!(alone, of_both, "the distribution alone is that of the prediction");
    [of_both, values(prediction.values.unwrap())]
}

#[test]
fn each_network_depends_on_its_own_parts_alone() {
    for recurrence in [None, Some((CellKind::Gru, 3))] {
        for (actor, critic) in [
            (&["position"][..], &[][..]),
            (&["position"], &["force"]),
            (&["force"], &["position", "force"]),
            (&[], &["position"]),
        ] {
            let network = NetworkSpec {
                actor_inputs: names(actor),
                critic_inputs: names(critic),
                recurrence,
                hidden_sizes: vec![5],
                ..NetworkSpec::default()
            };
            let spec = Pushed::default().spec();
            let policy = ActorCritic::new(&spec, &network, &mut EnvRng::new(2), &flex()).unwrap();
            let sees = |names: &[&str], name| names.is_empty() || names.contains(&name);
            let before = outputs(&policy, [0.25, -0.5]);
            for (name, moved) in [("force", [0.75, -0.5]), ("position", [0.25, 0.5])] {
                let after = outputs(&policy, moved);
                assert_eq!(before[0] != after[0], sees(actor, name), "actor {actor:?}, {name}");
                assert_eq!(before[1] != after[1], sees(critic, name), "critic {critic:?}, {name}");
            }
        }
    }
}

/// Parts that are named in another order are concatenated as in the observation.
#[test]
fn all_parts_by_name_are_the_parts_of_a_policy_without_names() {
    let policy = |actor: &[&str], critic: &[&str]| {
        let (actor_inputs, critic_inputs) = (names(actor), names(critic));
        let network = NetworkSpec { actor_inputs, critic_inputs, hidden_sizes: vec![5], ..NetworkSpec::default() };
        ActorCritic::new(&Pushed::default().spec(), &network, &mut EnvRng::new(2), &flex()).unwrap()
    };
    let expected = outputs(&policy(&[], &[]), [0.25, -0.5]);
    assert_eq!(outputs(&policy(&["position", "force"], &[]), [0.25, -0.5]), expected);
}

fn trained(inputs: &str, algorithm: &str) -> (Trainer<ActorCritic>, f64) {
    let config = valid(&format!(
        "total_steps = 16384\nnum_envs = 16\nnum_steps = 32\nhidden_sizes = [16]\nlearning_rate = 1e-2\ngamma = 0.5\n{algorithm}\n{inputs}"
    ));
    let envs = || Box::new(VecEnv::from_envs((0..16).map(|_| Pushed::default()).collect()).unwrap());
    let mut trainer = Recipe::of(&config).unwrap().build(envs(), &config, &flex()).unwrap();
    trainer.run(&mut ignore).unwrap();
    let plan = MemoryPlan::of(&config, &Pushed::default().spec());
    assert_eq!(trainer.unfused(), plan.unfused, "{inputs}");
    assert!(plan.host_peak().0 > 0);
    let explained = trainer.update().unwrap().explained_variance.unwrap();
    (trainer, explained)
}

#[test]
fn a_critic_that_sees_more_than_the_actor_explains_more() {
    for algorithm in ["algorithm.kind = 'ppo'", "algorithm.kind = 'trpo'", "recurrence = { cell = 'gru', size = 4 }"] {
        let (trainer, privileged) = trained("actor_inputs = ['position']", algorithm);
        let agent: Agent = trainer.agent().unwrap();
        let [one, other] = [-1.0, 1.0].map(|force| {
            let state = (agent.state_len() > 0).then(|| vec![0.0; agent.state_len()]);
            agent.decide(&[force, 0.3], &[], state.as_deref()).unwrap().parameters
        });
        assert_eq!(one, other, "the actor does not see the force");
        assert!(privileged > 0.9, "{algorithm}: {privileged}");
    }
    let (trainer, blind) =
        trained("actor_inputs = ['position']\ncritic_inputs = ['position']", "algorithm.kind = 'ppo'");
    assert!(blind < 0.5, "{blind}");
    assert_eq!(trainer.unfused(), Some(Unfused::Policy("the policy sees parts of the observations only")));
}

#[test]
fn parts_that_do_not_exist_are_refused_with_the_space() {
    let pushed = Pushed::default().spec();
    let flat = EnvSpec::new("Flat", Space::symmetric(&[1.0]), Space::discrete(2));
    for (spec, actor, critic, name) in [
        (&pushed, &["velocity"][..], &[][..], "velocity"),
        (&pushed, &[], &["position", "Force"], "Force"),
        (&flat, &["position"], &[], "position"),
    ] {
        let network =
            NetworkSpec { actor_inputs: names(actor), critic_inputs: names(critic), ..NetworkSpec::default() };
        let error = ActorCritic::new(spec, &network, &mut EnvRng::new(2), &flex()).err().unwrap();
        assert!(matches!(&error, UnsupportedSpace::Input { name: of, .. } if of == name), "{error}");
        let text = error.to_string();
        assert!(
            text.contains(&format!("names `{name}`")) && text.contains(&spec.observation_space.to_string()),
            "{text}"
        );
    }
}

#[test]
fn inputs_are_read_and_written_and_shared_layers_see_the_same() {
    let config = valid("actor_inputs = ['position']\ncritic_inputs = ['position', 'force']");
    assert_eq!(config.network.critic_inputs, ["position", "force"]);
    assert_eq!(*valid(&config.to_toml()), *config);
    valid("shared_layers = true\nactor_inputs = ['position']\ncritic_inputs = ['position']");
    for (text, message) in [
        (
            "shared_layers = true\nactor_inputs = ['position']",
            "`network.shared_layers` is true; it must be false, unless `network.actor_inputs` and `network.critic_inputs` are \
             the same",
        ),
        (
            "critic_inputs = ['a', 'b', 'a']",
            "`network.critic_inputs` is [\"a\", \"b\", \"a\"]; it must be a list of different names",
        ),
    ] {
        assert_eq!(settings(text).unwrap().validate().unwrap_err().to_string(), message);
    }
    let error = settings("actor_inputs = 'position'").unwrap_err().to_string();
    assert!(error.contains("`network.actor_inputs`"), "{error}");
}
