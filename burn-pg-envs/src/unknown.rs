//! The error for unknown names.

use std::fmt;

/// The Jaro-Winkler similarity from which an existing name is suggested. Typos of our names have 0.87 and more, names of
/// other environments and algorithms up to 0.83.
const NEAR: f64 = 0.85;

/// The largest number of names that are listed in the message.
const LISTED: usize = 9;

/// A name that does not exist, with the existing name that the user may have meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownName {
    /// The kind of name, such as "environment" or "preset".
    pub what: &'static str,
    /// The name asked for.
    pub name: String,
    /// All existing names.
    pub known: Vec<String>,
    /// The existing name that is most similar to `name`; `None` if none is similar enough to suggest.
    pub nearest: Option<String>,
}

impl UnknownName {
    /// Creates the error for `name` and finds the one of the `known` names that the user may have meant.
    pub fn new<S: Into<String>>(what: &'static str, name: &str, known: impl IntoIterator<Item = S>) -> Self {
        let known: Vec<String> = known.into_iter().map(Into::into).collect();
        let nearest = known.iter().max_by(|a, b| similarity(name, a).total_cmp(&similarity(name, b)));
        let nearest = nearest.filter(|nearest| similarity(name, nearest) >= NEAR).cloned();
        Self { what, name: name.into(), known, nearest }
    }

    /// Sorts the existing names, so that those that contain the name, and then those that are most similar to it, are listed first.
    #[must_use]
    pub fn nearest_first(mut self) -> Self {
        let name = &self.name;
        let contains = |known: &str| known.to_lowercase().contains(&name.to_lowercase());
        let order = |a: &String, b: &String| {
            let by_similarity = similarity(name, b).total_cmp(&similarity(name, a));
            contains(b).cmp(&contains(a)).then(by_similarity)
        };
        self.known.sort_by(order);
        self
    }

    /// Returns the message with `command`, such as `burn-pg envs`, in place of a long list of names.
    #[must_use]
    pub fn listed_by(&self, command: &str) -> String {
        self.message(Some(command))
    }

    fn message(&self, command: Option<&str>) -> String {
        let Self { what, name, known, nearest } = self;
        let meant = nearest.as_ref().map_or_else(String::new, |nearest| format!(" (did you mean `{nearest}`?)"));
        let list = match (command, known.len().saturating_sub(LISTED)) {
            (_, 0) => format!("known are: {}", known.join(", ")),
            (Some(command), _) => format!("`{command}` lists those that exist"),
            (None, more) => format!("known are: {} and {more} more", known[..LISTED].join(", ")),
        };
        let hint = match *what == "environment" && nearest.is_none() {
            true if name.starts_with("python:") => {
                ". It is an object of the Python program that trained with it: give it to `burn_pg.Agent.load(run, env=...)` there"
                    .into()
            }
            true => format!(
                ". It is not built in: if Gymnasium has it, its name is `gym:{name}`; one of your own is passed to \
                 `burn_pg_cli::main_with`, or `register`ed in your program (see docs/environments.md)"
            ),
            false => String::new(),
        };
        format!("unknown {what} `{name}`{meant}; {list}{hint}")
    }
}

/// Returns 1 for equal names, and less for others. Letters in another order are a typo also where the name is short: `evn`.
fn similarity(name: &str, known: &str) -> f64 {
    let [name, known] = [name, known].map(str::to_lowercase);
    let [letters, of_known] = [&name, &known].map(|name| {
        let mut letters: Vec<char> = name.chars().collect();
        letters.sort_unstable();
        letters
    });
    let similarity = strsim::jaro_winkler(&name, &known);
    if letters == of_known { similarity.max(NEAR) } else { similarity }
}

impl fmt::Display for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message(None))
    }
}

impl std::error::Error for UnknownName {}

#[cfg(test)]
mod tests {
    use super::*;

    const ENVIRONMENTS: &[&str] =
        &["Acrobot-v1", "CartPole-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1"];
    const KEYS: &[&str] =
        &["gamma", "learning_rate", "num_envs", "num_steps", "num_epochs", "target_kl", "total_steps"];
    const ALGORITHMS: &[&str] = &["reinforce", "a2c", "trpo", "ppo"];

    #[test]
    fn a_typo_is_answered_with_the_intended_name() {
        for (name, known, meant) in [
            ("cartpole-v1", ENVIRONMENTS, "CartPole-v1"),
            ("CartPole-v0", ENVIRONMENTS, "CartPole-v1"),
            ("Cartpole", ENVIRONMENTS, "CartPole-v1"),
            ("Acrobat", ENVIRONMENTS, "Acrobot-v1"),
            ("Pendulm-v1", ENVIRONMENTS, "Pendulum-v1"),
            ("MountianCar", ENVIRONMENTS, "MountainCar-v0"),
            ("gama", KEYS, "gamma"),
            ("lerning_rate", KEYS, "learning_rate"),
            ("num_env", KEYS, "num_envs"),
            ("n_steps", KEYS, "num_steps"),
            ("epochs", KEYS, "num_epochs"),
            ("pppo", ALGORITHMS, "ppo"),
            ("tpro", ALGORITHMS, "trpo"),
            ("evn", &["env", "seeds"], "env"),
            ("reinfroce", ALGORITHMS, "reinforce"),
        ] {
            let error = UnknownName::new("name", name, known.iter().copied());
            assert_eq!(error.nearest.as_deref(), Some(meant), "{name}");
        }
    }

    #[test]
    fn a_strange_name_is_answered_without_a_suggestion() {
        for (name, known) in [
            ("LunarLander-v3", ENVIRONMENTS),
            ("LunarLanderContinuous-v3", ENVIRONMENTS),
            ("HalfCheetah-v5", ENVIRONMENTS),
            ("InvertedPendulum-v5", ENVIRONMENTS),
            ("CarRacing-v3", ENVIRONMENTS),
            ("ALE/Pong-v5", ENVIRONMENTS),
            ("foo", ENVIRONMENTS),
            ("foo", KEYS),
            ("batch_size", KEYS),
            ("foo", ALGORITHMS),
            ("sac", ALGORITHMS),
            ("grpo", ALGORITHMS),
        ] {
            assert_eq!(UnknownName::new("name", name, known.iter().copied()).nearest, None, "{name}");
        }
    }

    #[test]
    fn a_long_list_is_cut_or_replaced_by_the_command_that_prints_it() {
        let unknown = |count| UnknownName::new("preset", "foo", (0..count).map(|number| format!("name-{number}")));
        let listed = |count| unknown(count).listed_by("coins presets");
        let short = "unknown preset `foo`; known are: name-0, name-1, name-2";
        assert_eq!([unknown(3).to_string(), listed(3)], [short, short]);
        assert_eq!(listed(12), "unknown preset `foo`; `coins presets` lists those that exist");
        assert!(unknown(12).to_string().ends_with("name-7, name-8 and 3 more"), "{}", unknown(12));
    }

    #[test]
    fn the_nearest_names_can_be_listed_first() {
        let known = ["entropy", "approx_kl", "loss", "kl_mean", "value_loss"];
        let unknown = UnknownName::new("metric", "kl", known).nearest_first();
        assert_eq!(unknown.known[..2], ["kl_mean", "approx_kl"]);
        assert!(unknown.to_string().starts_with("unknown metric `kl`"), "{unknown}");
        assert_eq!(UnknownName::new("metric", "los", known).nearest_first().known[..2], ["loss", "value_loss"]);
    }

    #[test]
    fn an_environment_from_elsewhere_is_answered_with_how_to_add_it() {
        let message = |name| UnknownName::new("environment", name, ENVIRONMENTS.iter().copied()).to_string();
        let stranger = message("LunarLander-v3");
        for part in
            ["not built in", "`gym:LunarLander-v3`", "`register`ed", "`burn_pg_cli::main_with`", "docs/environments.md"]
        {
            assert!(stranger.contains(part), "{part}: {stranger}");
        }
        assert!(!message("CartPole-v0").contains("not built in"));
    }
}
