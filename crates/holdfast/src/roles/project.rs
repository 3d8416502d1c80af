//! `holdfast project NAME`: one read model's projector as a process of its own.

use crate::config::{Access, Model};
use crate::models::WhenStopped;
use crate::signals;
use crate::system::System;
use holdfast_projector::LogSource;

pub(crate) async fn run(model: Model, access: &Access) -> anyhow::Result<()> {
    let system = System::open(access).await?;
    let positions = model.positions(&system.pool);
    let projector = model.projector(&system.pool, LogSource::new(&system.pool), positions);
    println!("holdfast projects {} from the log", model.name());
    let outcome = projector.run(None, signals::asked_to_stop()?.token(), WhenStopped::End).await;
    system.close().await?;
    Ok(outcome?)
}
