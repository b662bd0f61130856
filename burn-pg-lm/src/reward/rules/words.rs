//! The words of a text.

/// Returns the words of a text in lower case: its runs of letters and digits, with apostrophes within them.
pub(super) fn words(text: &str) -> impl Iterator<Item = String> {
    let outside = |c: char| !c.is_alphanumeric() && !is_apostrophe(c);
    text.split(outside).map(|word| word.trim_matches(is_apostrophe)).filter(|word| !word.is_empty()).map(lower_case)
}

/// Returns a text in lower case, with all apostrophes as they are on a typewriter.
pub(super) fn lower_case(text: &str) -> String {
    text.to_lowercase().replace('\u{2019}', "'")
}

fn is_apostrophe(c: char) -> bool {
    c == '\'' || c == '\u{2019}'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_runs_of_letters_and_digits_with_apostrophes_within() {
        let found: Vec<_> = words("It\u{2019}s ÉTÉ-2024, 'quoted' (dogs')... don't_know — ' ok").collect();
        assert_eq!(found, ["it's", "été", "2024", "quoted", "dogs", "don't", "know", "ok"]);
        assert_eq!(words(" ... '' \n").count(), 0);
    }
}
