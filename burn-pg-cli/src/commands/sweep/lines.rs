//! The lines of the sweep file on which settings stand.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

/// The tables with settings of runs.
const TABLES: [&str; 3] = ["set", "grid", "random.settings"];

/// Returns the place of each setting by its name: `[grid], line 9`. `text` is valid TOML.
pub fn places(text: &str) -> BTreeMap<String, String> {
    let mut places = BTreeMap::new();
    let line = |at: usize| 1 + text.bytes().take(at).filter(|&byte| byte == b'\n').count();
    if let Ok(table) = DeTable::parse(text) {
        visit(table.get_ref(), "", &mut |path, at| {
            let in_table = |table: &'static str| Some((table, path.strip_prefix(table)?.strip_prefix('.')?));
            if let Some((table, name)) = TABLES.into_iter().find_map(in_table) {
                places.insert(name.to_owned(), format!("[{table}], line {}", line(at)));
            }
        });
    }
    places
}

/// Calls a function with each key and the place where it stands.
fn visit(table: &DeTable<'_>, path: &str, found: &mut impl FnMut(&str, usize)) {
    for (name, value) in table {
        let path = if path.is_empty() { name.get_ref().to_string() } else { format!("{path}.{}", name.get_ref()) };
        found(&path, name.span().start);
        if let DeValue::Table(inner) = value.get_ref() {
            visit(inner, &path, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_the_table_and_the_line_that_they_stand_on() {
        let text =
            "seeds = 3\nset = { num_envs = 4 }\n\n[grid]\ngamma = [\n  0.9,\n]\n[grid.checkpoint]\ninterval = [1]";
        let places = places(text);
        assert_eq!(places["num_envs"], "[set], line 2");
        assert_eq!(places["gamma"], "[grid], line 5");
        assert_eq!(places["checkpoint.interval"], "[grid], line 9");
        let places = super::places("[random.settings]\nalgorithm.gamma = { uniform = [0.8, 1] }");
        assert_eq!(places["algorithm.gamma"], "[random.settings], line 2");
    }
}
