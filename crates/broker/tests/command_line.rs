//! The executable as `scripts/kafka` runs it: what it prints, and how it ends.

#[expect(dead_code, reason = "what runs is asked of the executable here")]
mod common;

use std::{path::Path, process::Command};

use common::{Result, options};
use holdfast_broker::{Broker, Nodes};
use tempfile::tempdir;

/// Exit code, standard output, standard error.
fn run(arguments: &[&str], folder: &Path) -> Result<(Option<i32>, String, String)> {
    let mut broker = Command::new(env!("CARGO_BIN_EXE_holdfast-broker"));
    let done = broker.args(arguments).arg("--data").arg(folder).output()?;
    Ok((done.status.code(), String::from_utf8(done.stdout)?, String::from_utf8(done.stderr)?))
}

#[tokio::test]
async fn it_starts_in_the_background_says_how_to_reach_it_and_ends_it() -> Result {
    let folder = tempdir()?;
    options(Nodes::One)?;
    let (code, address, errors) = run(&["start", "--heap-mib", "192"], folder.path())?;
    assert_eq!(code, Some(0), "{errors}");
    let address = address.trim().strip_prefix("KAFKA_BROKERS=").ok_or("the address")?;

    let (code, nodes, _) = run(&["status", "--nodes", "1"], folder.path())?;
    assert_eq!(code, Some(0), "{nodes}");
    for part in ["node 1: running, process ", address, " MiB"] {
        assert!(nodes.contains(part), "{nodes}");
    }
    let (code, _, errors) = run(&["start", "--nodes", "3"], folder.path())?;
    assert_eq!(code, Some(1));
    assert!(errors.contains("was made with 1 node(s)"), "{errors}");

    assert_eq!(run(&["stop"], folder.path())?, (Some(0), "stopped\n".into(), String::new()));
    assert_eq!(run(&["stop"], folder.path())?.1, "not running\n");
    let (code, nodes, _) = run(&["status"], folder.path())?;
    assert_eq!(code, Some(1), "nothing runs");
    assert!(nodes.starts_with("node 1: not running"), "{nodes}");
    // Whatever failed above: nothing is left behind.
    Broker::stop_whatever_runs(folder.path()).await?;
    Ok(())
}

#[test]
fn wrong_usage_is_told_what_is_right() -> Result {
    let folder = tempdir()?;
    let (code, _, errors) = run(&["start", "--nodes", "2"], folder.path())?;
    assert_eq!(code, Some(2));
    assert!(errors.contains("a broker has 1 node or 3"), "{errors}");
    let (code, _, errors) = run(&["status"], folder.path())?;
    assert_eq!(code, Some(1));
    assert!(errors.contains("there is no broker in"), "{errors}");
    Ok(())
}
