//! `holdfast migrate`: brings the tables that cannot be recomputed up to date.

use crate::config::Access;
use crate::system::System;

pub(crate) async fn run(access: &Access, partitions: Option<u16>) -> anyhow::Result<()> {
    let system = System::open(access).await?;
    let outcome = system.migrate(partitions).await;
    system.close().await?;
    println!("the database is up to date; its log has {} partitions", outcome?);
    Ok(())
}
