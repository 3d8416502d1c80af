//! The workspace's own rules: who may use whom, and what each dependency is for.
//!
//! Each crate exists because of one thing only it may touch. These tables are that sentence as a test; a change here
//! is a change of the architecture and belongs into ARCHITECTURE.md too.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod architecture;
mod licences;

use std::{collections::BTreeSet, path::Path, process::Command};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Which crates of ours each crate may use in what is shipped. Tests may use any; `holdfast-testkit` is in nobody's
/// list, because only tests may use it.
const OURS: &[(&str, &[&str])] = &[
    ("holdfast-ambient", &[]),
    ("holdfast-domain", &[]),
    ("holdfast-broker", &["holdfast-ambient"]),
    ("holdfast-cluster", &["holdfast-ambient"]),
    ("holdfast-event-log", &["holdfast-domain"]),
    ("holdfast-catalogue", &["holdfast-domain"]),
    ("holdfast-writer", &["holdfast-ambient", "holdfast-domain", "holdfast-event-log"]),
    ("holdfast-projector", &["holdfast-ambient", "holdfast-domain", "holdfast-event-log"]),
    ("holdfast-messaging", &["holdfast-domain", "holdfast-event-log", "holdfast-projector"]),
    ("holdfast-relay", &["holdfast-ambient", "holdfast-event-log", "holdfast-messaging"]),
    (
        "holdfast-notifier",
        &["holdfast-ambient", "holdfast-domain", "holdfast-event-log", "holdfast-projector"],
    ),
    ("holdfast-availability", &["holdfast-domain", "holdfast-event-log", "holdfast-projector"]),
    ("holdfast-booking-history", &["holdfast-domain", "holdfast-event-log", "holdfast-projector"]),
    (
        "holdfast-api",
        &[
            "holdfast-ambient",
            "holdfast-availability",
            "holdfast-booking-history",
            "holdfast-catalogue",
            "holdfast-domain",
            "holdfast-event-log",
            "holdfast-notifier",
            "holdfast-projector",
            "holdfast-writer",
        ],
    ),
    (
        "holdfast",
        &[
            "holdfast-ambient",
            "holdfast-api",
            "holdfast-availability",
            "holdfast-booking-history",
            "holdfast-broker",
            "holdfast-cluster",
            "holdfast-domain",
            "holdfast-event-log",
            "holdfast-messaging",
            "holdfast-notifier",
            "holdfast-projector",
            "holdfast-relay",
            "holdfast-writer",
        ],
    ),
    ("holdfast-testkit", &["holdfast-ambient", "holdfast-broker", "holdfast-cluster"]),
    (
        "holdfast-bench",
        &[
            "holdfast-ambient",
            "holdfast-availability",
            "holdfast-booking-history",
            "holdfast-broker",
            "holdfast-cluster",
            "holdfast-event-log",
            "holdfast-messaging",
            "holdfast-projector",
        ],
    ),
];

/// Others' crates that only some of ours may use: `(theirs, ours)`.
const RESERVED: &[(&str, &[&str])] = &[
    ("axum", &["holdfast-api", "holdfast"]),
    ("lettre", &["holdfast-notifier"]),
    ("postgres-es", &["holdfast-writer"]),
    ("rand", &["holdfast-ambient"]),
    ("rdkafka", &["holdfast-messaging"]),
    (
        "sqlx",
        &[
            "holdfast-api",
            "holdfast-availability",
            "holdfast-bench",
            "holdfast-booking-history",
            "holdfast-catalogue",
            "holdfast-cluster",
            "holdfast-event-log",
            "holdfast-notifier",
            "holdfast-projector",
            "holdfast-relay",
            "holdfast-testkit",
            "holdfast-writer",
            "holdfast",
        ],
    ),
];

/// What the rules of selling seats must never need: they do no IO and do not wait.
const NOT_IN_DOMAIN: &[&str] = &["axum", "postgres-es", "rand", "reqwest", "sqlx", "tokio"];

/// The resolved dependencies for the platform we run on; others' manifests may not even be downloaded.
fn metadata() -> Metadata {
    let version = Command::new("rustc").arg("-vV").output().expect("rustc runs").stdout;
    let version = String::from_utf8(version).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host");
    MetadataCommand::new()
        .manifest_path(workspace_file("Cargo.toml"))
        .other_options(["--locked", "--filter-platform", host].map(String::from))
        .exec()
        .expect("cargo metadata runs")
}

fn workspace_file(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

/// Names of what a package itself uses in what is shipped: normal and build dependencies.
fn uses(package: &Package) -> BTreeSet<&str> {
    let shipped = |kind| matches!(kind, DependencyKind::Normal | DependencyKind::Build);
    package.dependencies.iter().filter(|used| shipped(used.kind)).map(|used| used.name.as_str()).collect()
}

#[test]
fn our_crates_use_each_other_only_downwards() {
    let metadata = metadata();
    let members = metadata.workspace_packages();
    let names: BTreeSet<&str> = members.iter().map(|member| member.name.as_str()).collect();
    let listed: BTreeSet<&str> = OURS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, listed, "every crate of the workspace has its line in OURS, and no other does");

    for (name, allowed) in OURS {
        let package = members.iter().find(|member| member.name.as_str() == *name).unwrap();
        let used: BTreeSet<&str> = uses(package).intersection(&names).copied().collect();
        let allowed = BTreeSet::from_iter(allowed.iter().copied());
        assert!(used.is_subset(&allowed), "{name} may not use {:?}", &used - &allowed);
    }
}

#[test]
fn what_is_reserved_for_some_crates_is_used_by_no_other() {
    let metadata = metadata();
    for package in metadata.workspace_packages() {
        let (name, used) = (package.name.as_str(), uses(package));
        for (theirs, ours) in RESERVED {
            assert!(
                !used.contains(theirs) || ours.contains(&name),
                "{name} may not use {theirs}, only {ours:?} may"
            );
        }
    }
}

#[test]
fn the_rules_of_selling_seats_need_no_io() {
    let metadata = metadata();
    let domain =
        metadata.workspace_packages().into_iter().find(|p| p.name.as_str() == "holdfast-domain").unwrap();
    let used = uses(domain);
    let forbidden: Vec<_> = NOT_IN_DOMAIN.iter().filter(|name| used.contains(*name)).collect();
    assert!(forbidden.is_empty(), "holdfast-domain may not use {forbidden:?}");
}

/// The lines of the one table of versions.
fn table_of_versions(manifest: &str) -> Vec<&str> {
    let mut lines = manifest.lines();
    lines.find(|line| *line == "[workspace.dependencies]").expect("the table");
    let table: Vec<_> = lines.take_while(|line| !line.starts_with('[')).collect();
    assert!(table.len() > 20, "the table was found");
    table
}

/// A dependency is added as one would add a colleague: the line above it says what it does for us.
#[test]
fn every_dependency_says_what_it_is_for() {
    let manifest = std::fs::read_to_string(workspace_file("Cargo.toml")).unwrap();
    let lines = table_of_versions(&manifest);
    let is_entry = |line: &str| line.contains('=') && !line.starts_with('#');
    let silent: Vec<&str> = (0..lines.len())
        .filter(|n| is_entry(lines[*n]) && !(*n > 0 && lines[n - 1].starts_with("# ")))
        .map(|n| lines[n])
        .collect();
    assert!(silent.is_empty(), "without a comment line above it: {silent:#?}");
}

/// A line that nobody uses is a colleague who has left and whose name is still on the door.
#[test]
fn every_line_of_the_table_is_used_by_a_crate() {
    let (metadata, manifest) = (metadata(), std::fs::read_to_string(workspace_file("Cargo.toml")).unwrap());
    let members = metadata.workspace_packages();
    let used: BTreeSet<&str> =
        members.iter().flat_map(|member| &member.dependencies).map(|used| used.name.as_str()).collect();
    let lines = table_of_versions(&manifest);
    let names = lines.iter().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(" = "));
    let unused: Vec<&str> = names.map(|(name, _)| name).filter(|name| !used.contains(name)).collect();
    assert!(unused.is_empty(), "in the table and used by no crate: {unused:?}");
}

/// One table of versions: a crate that named a version of its own could pull in a second sqlx beside the first.
#[test]
fn versions_stand_in_one_table() {
    let metadata = metadata();
    for package in metadata.workspace_packages() {
        let manifest = std::fs::read_to_string(&package.manifest_path).unwrap();
        // A path is no version: a crate may name itself with more features for its tests.
        for used in package.dependencies.iter().filter(|used| used.path.is_none()) {
            let inherits = |line: &str| {
                let rest = line.strip_prefix(&used.name).unwrap_or_default();
                rest == ".workspace = true" || (rest.starts_with(" = {") && rest.contains("workspace = true"))
            };
            let inherited = manifest.lines().any(inherits);
            assert!(inherited, "{} should take {} from the workspace's table", package.name, used.name);
        }
    }
}
