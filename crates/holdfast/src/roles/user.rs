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

pub(crate) async fn delete(email: &str, access: &Access) -> anyhow::Result<()> {
    let system = System::open(access).await?;
    let outcome = users::delete(&system.pool, email).await;
    system.close().await?;
    outcome?;
    println!("{email} is deleted; its bookings stay, under an id that leads to nobody");
    Ok(())
}
