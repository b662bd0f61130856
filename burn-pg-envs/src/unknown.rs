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
}

impl UnknownName {
    /// The name asked for, and those there are.
    pub fn new<S: Into<String>>(what: &'static str, name: &str, known: impl IntoIterator<Item = S>) -> Self {
        Self { what, name: name.into(), known: known.into_iter().map(Into::into).collect() }
    }

    /// The existing name most like the one asked for, if one is close.
    #[must_use]
    pub fn nearest(&self) -> Option<&str> {
        let name = self.name.to_lowercase();
        let similarity = |known: &str| strsim::jaro_winkler(&name, &known.to_lowercase());
        self.known
            .iter()
            .map(|known| (similarity(known), known.as_str()))
            .filter(|(similarity, _)| *similarity > 0.8)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, known)| known)
    }

    fn hint(&self) -> String {
        self.nearest().map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"))
    }
}
