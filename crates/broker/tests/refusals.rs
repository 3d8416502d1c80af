//! What cannot be started is refused by name, before anything is written, with what to do about it.

#[expect(dead_code, reason = "nothing starts here, so nothing is waited for")]
mod common;

use std::{fs, path::Path};

use common::{Result, options};
use holdfast_ambient::Machine;
use holdfast_broker::{Broker, BrokerError, BrokerOptions, Nodes, made_for, status};
use tempfile::tempdir;

async fn refused(folder: &Path, options: &BrokerOptions) -> Result<BrokerError> {
    match Broker::start(folder, options, &Machine).await {
        Err(error) => Ok(error),
        Ok(_) => Err("it started".into()),
    }
}

/// The files below a folder, to show that a refusal has left it as it was.
fn files(folder: &Path) -> Result<usize> {
    Ok(fs::read_dir(folder)?.count())
}

#[tokio::test]
async fn a_folder_without_kafka_is_no_folder_of_jars() -> Result {
    let (folder, libs) = (tempdir()?, tempdir()?);
    let options = BrokerOptions { libs: Some(libs.path().into()), ..BrokerOptions::default() };
    let error = refused(folder.path(), &options).await?;
    assert!(matches!(&error, BrokerError::LibsMissing { folder } if folder == libs.path()), "{error}");
    assert!(error.to_string().contains("scripts/kafka"), "{error}");
    assert_eq!(files(folder.path())?, 0);
    Ok(())
}

#[tokio::test]
async fn without_java_it_says_what_to_install() -> Result {
    let folder = tempdir()?;
    let java =
        |program: &str| Result::Ok(BrokerOptions { java: Some(program.into()), ..options(Nodes::One)? });
    let missing = refused(folder.path(), &java("/nowhere/java")?).await?;
    assert!(matches!(missing, BrokerError::JavaMissing { .. }), "{missing}");
    assert!(missing.to_string().contains("openjdk-17-jre-headless"), "{missing}");
    let unfit = refused(folder.path(), &java("true")?).await?;
    assert!(matches!(unfit, BrokerError::JavaUnfit { .. }), "{unfit}");
    assert_eq!(files(folder.path())?, 0);
    Ok(())
}

#[tokio::test]
async fn a_folder_with_other_files_is_left_alone() -> Result {
    let folder = tempdir()?;
    fs::write(folder.path().join("thesis.txt"), "irreplaceable")?;
    let error = refused(folder.path(), &options(Nodes::One)?).await?;
    assert!(matches!(error, BrokerError::ForeignFolder { .. }), "{error}");
    assert!(matches!(status(folder.path()), Err(BrokerError::ForeignFolder { .. })));
    assert!(matches!(
        Broker::stop_whatever_runs(folder.path()).await,
        Err(BrokerError::ForeignFolder { .. })
    ));
    assert_eq!(files(folder.path())?, 1);
    Ok(())
}

#[tokio::test]
async fn a_folder_made_for_one_node_is_refused_for_three() -> Result {
    let folder = tempdir()?;
    // What the first start writes before it starts anything.
    fs::write(folder.path().join("nodes"), "1\n")?;
    fs::write(folder.path().join("cluster-id"), "AAAAAAAAAAAAAAAAAAAAXQ\n")?;
    assert_eq!(made_for(folder.path())?, Some(Nodes::One));
    let error = refused(folder.path(), &options(Nodes::Three)?).await?;
    assert!(matches!(error, BrokerError::OtherNodes { made_for: 1, wanted: 3, .. }), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_changed_cluster_id_is_noticed() -> Result {
    let folder = tempdir()?;
    fs::write(folder.path().join("cluster-id"), "too short\n")?;
    let error = refused(folder.path(), &options(Nodes::One)?).await?;
    assert!(matches!(error, BrokerError::FileBroken { .. }), "{error}");
    Ok(())
}

#[tokio::test]
async fn where_there_is_no_broker_nothing_is_stopped_and_nothing_made() -> Result {
    let folder = tempdir()?;
    let nowhere = folder.path().join("nowhere");
    assert!(matches!(status(&nowhere), Err(BrokerError::NoBroker { .. })));
    assert!(matches!(Broker::stop_whatever_runs(&nowhere).await, Err(BrokerError::NoBroker { .. })));
    assert!(!nowhere.exists());
    Ok(())
}
