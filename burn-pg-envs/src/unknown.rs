//! Names that nothing answers to.

/// A name that was asked for and does not exist, with what a user may have meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} `{name}`{}; known are: {}", self.hint(), .known.join(", "))]
pub struct UnknownName {
    /// What was asked for: "environment", "preset".
    pub what: &'static str,
    /// The name asked for.
    pub name: String,
    /// Every name there is.
    pub known: Vec<String>,
    /// The existing name that is most like the one asked for, unless there is none at all.
    pub nearest: Option<String>,
}

impl UnknownName {
    /// The name asked for, and those there are.
    pub fn new<S: Into<String>>(what: &'static str, name: &str, known: impl IntoIterator<Item = S>) -> Self {
        let known: Vec<String> = known.into_iter().map(Into::into).collect();
        let similarity = |known: &str| strsim::jaro_winkler(&name.to_lowercase(), &known.to_lowercase());
        let nearest = known.iter().max_by(|a, b| similarity(a).total_cmp(&similarity(b))).cloned();
        Self { what, name: name.into(), known, nearest }
    }

    /// The same, if it is known better what the user means.
    #[must_use]
    pub fn meaning(self, name: &str) -> Self {
        Self { nearest: Some(name.into()), ..self }
    }

    fn hint(&self) -> String {
        self.nearest.as_ref().map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"))
    }
}
