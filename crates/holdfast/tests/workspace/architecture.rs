//! ARCHITECTURE.md names tests as its witnesses; a witness that was renamed or removed must be missed.

use super::workspace_file;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where our code and its tests lie.
const ROOTS: [&str; 2] = ["crates", "projections"];

/// Every Rust file of ours, with its path from the workspace's root.
fn rust_files() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = ROOTS.map(workspace_file).into();
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                files.push(path);
            }
        }
    }
    files
}

/// What stands between backticks in the table of failures.
fn witnesses(text: &str) -> Vec<&str> {
    let table = text.split("\n## Failures, and the tests").nth(1).expect("the table of failures");
    let table = table.split("\n## ").next().unwrap();
    let last_cells =
        table.lines().filter(|line| line.starts_with('|')).filter_map(|line| line.rsplit('|').nth(1));
    last_cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect()
}

/// `file: name` is a test of that name in a file whose path ends so; a path alone is there.
#[test]
fn every_test_that_the_architecture_names_exists() {
    let text = fs::read_to_string(workspace_file("ARCHITECTURE.md")).unwrap();
    let (witnesses, files) = (witnesses(&text), rust_files());
    let named: Vec<_> = witnesses.iter().filter_map(|witness| witness.split_once(": ")).collect();
    assert!(named.len() >= 5, "the table was found: {witnesses:?}");
    for (file, name) in named {
        let tells = |path: &PathBuf| {
            path.ends_with(file) && fs::read_to_string(path).unwrap().contains(&format!("fn {name}("))
        };
        assert!(files.iter().any(tells), "ARCHITECTURE.md names `{file}: {name}`, which is not there");
    }
    for path in witnesses.iter().filter(|witness| !witness.contains(": ")) {
        let is_there = |root: &str| Path::new(&workspace_file(root)).join(path).exists();
        assert!(is_there(".") || ROOTS.into_iter().any(is_there), "ARCHITECTURE.md names {path}");
    }
}
