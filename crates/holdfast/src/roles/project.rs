//! `holdfast project NAME`: one read model's projector as a process of its own.

use crate::config::{Access, Model};
use crate::models::WhenStopped;
use crate::out;
use crate::system::System;
use holdfast_projector::LogSource;
use tokio_util::sync::CancellationToken;

pub(crate) async fn run(model: Model, access: &Access) -> anyhow::Result<()> {
    let projected = System::with(access, async |system| {
        let positions = model.positions(&system.pool);
        let projector = model.projector(&system.pool, LogSource::new(&system.pool), positions);
        out::line(format_args!("holdfast projects {} from the log", model.name()));
        // Ending in the middle of a statement is safe: it commits whole or not at all.
        Ok(projector.run(None, CancellationToken::new(), WhenStopped::End).await?)
    });
    projected.await.map(|_| ())
}
