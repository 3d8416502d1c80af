//! `holdfast user`: what an operator does to accounts.

use crate::config::Access;
use crate::system::System;
use holdfast_api::users::{self, Role};

pub(crate) async fn grant(email: &str, role: Role, access: &Access) -> anyhow::Result<()> {
    let system = System::open(access).await?;
    let outcome = users::set_role(&system.pool, email, role).await;
    system.close().await?;
    outcome?;
    println!("{email} is {role} now");
    Ok(())
}
