//! The short form of `scripts/fuzz`.

use crate::server::program;
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// Some twenty for each operation.
const CASES: &str = "1200";

/// What schemathesis invents from the OpenAPI document, real ids and every role's credentials among it, is answered as the document
/// says: never by a server error, and each operation has a success.
#[tokio::test]
async fn what_the_document_allows_and_what_it_does_not_is_answered_as_it_says() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), PathBuf::from);
    let python = target.join("python/bin/python");
    assert!(python.exists(), "{} is missing; `scripts/test` sets it up", python.display());
    let mut fuzz = Command::new(python);
    fuzz.arg(workspace.join("scripts/fuzz.py")).args(["--program", program(), "--cases", CASES]);
    let output = fuzz.kill_on_drop(true).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}
