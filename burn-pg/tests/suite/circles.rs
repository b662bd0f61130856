//! The files of the library import each other in one direction.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

type Name = Vec<String>;

/// Collects the source of each file by its module path, without comments and tests.
fn files(folder: &Path, module: &[String], into: &mut BTreeMap<Name, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        let name = if matches!(stem, "lib" | "mod") { module.to_vec() } else { [module, &[stem.into()]].concat() };
        if path.is_dir() {
            files(&path, &name, into);
        } else {
            let text = fs::read_to_string(path).unwrap();
            let code: String = text.lines().map(|line| line.split("//").next().unwrap().to_owned() + "\n").collect();
            into.insert(name, code.split("#[cfg(test)]\nmod tests {").next().unwrap().into());
        }
    }
}

/// Returns the paths of an import: `a::{b, c::d}` has `a::b` and `a::c::d`.
fn paths(import: &str) -> Vec<String> {
    let Some((prefix, rest)) = import.split_once('{') else {
        return vec![import.split(" as ").next().unwrap().trim().into()];
    };
    let inside = rest.trim_end().strip_suffix('}').unwrap();
    let mut depth = 0;
    let parts = inside.split(|character| {
        depth += i32::from(character == '{') - i32::from(character == '}');
        character == ',' && depth == 0
    });
    let parts = parts.map(str::trim).filter(|part| !part.is_empty());
    parts.flat_map(|part| paths(&format!("{}{part}", prefix.trim()))).collect()
}

/// Returns the full name of a path in a file of the library; `None` for paths into other crates.
fn full(path: &str, module: &Name, files: &BTreeMap<Name, String>) -> Option<Name> {
    let parts: Name = path.split("::").map(Into::into).filter(|part: &String| part != "self" && part != "*").collect();
    let supers = parts.iter().take_while(|part| *part == "super").count();
    match parts.first()?.as_str() {
        "crate" => Some(parts[1..].to_vec()),
        "super" => Some([&module[..module.len() - supers], &parts[supers..]].concat()),
        first if files.contains_key(&[&module[..], &[first.into()]].concat()) => Some([&module[..], &parts].concat()),
        _ => None,
    }
}

/// Returns the public imports (re-exports) of a file, or the others.
fn imports(code: &str, public: bool) -> Vec<String> {
    let statements = code.split(';').filter_map(|statement| {
        let (before, import) = statement.rsplit_once("use ").filter(|(_, import)| !import.contains('('))?;
        let line = before.rsplit('\n').next().unwrap().trim();
        (line.is_empty() || line.starts_with("pub")).then(|| (line.starts_with("pub"), import))
    });
    statements.filter(|(is_public, _)| *is_public == public).flat_map(|(_, import)| paths(import)).collect()
}

/// Returns the file that defines the item with this name.
fn file_of(name: &[String], files: &BTreeMap<Name, String>, passed_on: &BTreeMap<Name, Name>) -> Name {
    let len = (0..=name.len()).rev().find(|&len| files.contains_key(&name[..len])).unwrap();
    match name.get(..=len).and_then(|item| passed_on.get(item).filter(|from| from[..] != *item)) {
        Some(from) => file_of(from, files, passed_on),
        None => name[..len].to_vec(),
    }
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut all = BTreeMap::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &[], &mut all);
    let mut passed_on = BTreeMap::new();
    for (module, code) in &all {
        for name in imports(code, true).iter().filter_map(|path| full(path, module, &all)) {
            passed_on.insert([&module[..], &name[name.len() - 1..]].concat(), name);
        }
    }
    let mut imported: BTreeMap<Name, BTreeSet<Name>> = BTreeMap::new();
    for (module, code) in &all {
        let in_code = code.split(|c: char| !c.is_alphanumeric() && !"_:".contains(c));
        let in_code = in_code.filter(|word| word.starts_with("crate::") || word.starts_with("super::"));
        let in_code = in_code.filter(|word| !word.ends_with(':')).map(Into::into);
        let found = imports(code, false).into_iter().chain(in_code);
        let found = found.filter_map(|path| full(&path, module, &all)).map(|name| file_of(&name, &all, &passed_on));
        imported.insert(module.clone(), found.filter(|file| file != module).collect());
    }
    assert!(imported.values().map(BTreeSet::len).sum::<usize>() > 500, "the imports were not found");
    // In a circle, each file imports another one and is imported.
    let is_outside = |file: &Name, all: &BTreeMap<Name, BTreeSet<Name>>| {
        all[file].is_empty() || !all.values().any(|from| from.contains(file))
    };
    while let Some(outside) = imported.keys().find(|file| is_outside(file, &imported)).cloned() {
        imported.remove(&outside);
        for from in imported.values_mut() {
            from.remove(&outside);
        }
    }
    assert!(imported.is_empty(), "these files import each other: {imported:#?}");
}
