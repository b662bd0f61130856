//! Names of environments of Python.

/// The makers of environments in Python, by the prefix of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    /// `gymnasium.make`; each environment is stepped by itself.
    Gym,
    /// `envpool.make_gymnasium`: all environments are stepped by EnvPool's threads.
    EnvPool,
    /// `ale_py.vector_env.AtariVectorEnv`: the same for Atari.
    Ale,
}

impl Maker {
    /// All of them, with their prefixes.
    pub const ALL: [(Self, &'static str); 3] = [(Self::Gym, "gym"), (Self::EnvPool, "envpool"), (Self::Ale, "ale")];

    /// Splits a name such as `gym:LunarLander-v3`. `None` if it has no prefix of Python.
    #[must_use]
    pub fn of(name: &str) -> Option<(Self, &str)> {
        let (prefix, id) = name.split_once(':')?;
        let (maker, _) = Self::ALL.into_iter().find(|(_, known)| *known == prefix)?;
        Some((maker, id))
    }

    /// Returns the prefix.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        let of_this = Self::ALL.into_iter().find(|(maker, _)| *maker == self);
        of_this.map(|(_, prefix)| prefix).expect("all makers have a prefix")
    }

    /// True if all environments are made and stepped as one.
    #[must_use]
    pub fn is_vectorised(self) -> bool {
        self != Self::Gym
    }
}
