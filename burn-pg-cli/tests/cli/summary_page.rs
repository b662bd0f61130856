//! `docs/metrics.md` lists the fields of `summary.json`.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::{Map, Value};

use super::{burn_pg, export::save_state_dict, success, train_small};

const PAGE: &str = include_str!("../../../docs/metrics.md");

#[test]
fn the_page_lists_every_field_of_a_trained_and_an_imported_summary_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    train_small(folder.path(), "trained", &[]);
    save_state_dict(&folder.path().join("sb3.safetensors"), 4, 2);
    success(&burn_pg(folder.path(), ["import", "sb3.safetensors", "--env", "CartPole-v1", "--out", "imported"]));
    for (run, table) in ["trained", "imported"].into_iter().zip(tables()) {
        assert_eq!(table, fields(&folder.path().join(run)), "{run}");
    }
}

/// Returns the names in the first column of each of the two tables below the heading.
fn tables() -> [BTreeSet<String>; 2] {
    let (_, section) = PAGE.split_once("\n## `summary.json`\n").unwrap();
    let mut lines = section.lines();
    [(); 2].map(|()| {
        let table = lines.by_ref().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
        let cells: Vec<&str> = table.filter_map(|row| row.split('|').nth(1)).collect();
        cells.into_iter().flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
    })
}

/// Returns the fields of the summary of a run.
fn fields(run: &Path) -> BTreeSet<String> {
    let summary = fs::read(run.join("summary.json")).unwrap();
    let summary: Map<String, Value> = serde_json::from_slice(&summary).unwrap();
    summary.into_iter().map(|(field, _)| field).collect()
}
