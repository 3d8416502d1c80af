//! `holdfast migrate`: brings the tables that cannot be recomputed up to date.

use crate::config::Access;
use crate::out;
use crate::system::System;

pub(crate) async fn run(access: &Access, partitions: Option<u16>) -> anyhow::Result<()> {
    let partitions = System::with_all_of(access, async |system| system.migrate(partitions).await).await?;
    out::line(format_args!("the database is up to date; its log has {partitions} partitions"));
    Ok(())
}
