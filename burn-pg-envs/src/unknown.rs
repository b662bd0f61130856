//! The error for unknown names.

/// A name that does not exist, with the existing name that the user may have meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} `{name}`{}; known are: {}", self.hint(), .known.join(", "))]
pub struct UnknownName {
    /// The kind of name, such as "environment" or "preset".
    pub what: &'static str,
    /// The name asked for.
    pub name: String,
    /// All existing names.
    pub known: Vec<String>,
    /// The existing name that is most similar to `name`; `None` if no name exists.
    pub nearest: Option<String>,
}

impl UnknownName {
    /// Creates the error for `name` and finds the most similar of the `known` names.
    pub fn new<S: Into<String>>(what: &'static str, name: &str, known: impl IntoIterator<Item = S>) -> Self {
        let known: Vec<String> = known.into_iter().map(Into::into).collect();
        let similarity = |known: &str| strsim::jaro_winkler(&name.to_lowercase(), &known.to_lowercase());
        let nearest = known.iter().max_by(|a, b| similarity(a).total_cmp(&similarity(b))).cloned();
        Self { what, name: name.into(), known, nearest }
    }

    /// Sets the existing name that the user may have meant.
    #[must_use]
    pub fn meaning(self, name: &str) -> Self {
        Self { nearest: Some(name.into()), ..self }
    }

    fn hint(&self) -> String {
        self.nearest.as_ref().map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"))
    }
}
