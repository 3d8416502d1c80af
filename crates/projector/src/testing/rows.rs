//! A read model's rows, to compare with what a test expects.

use crate::{Positions, Projection, Projector, Source};
use serde_json::Value;
use sqlx::PgPool;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::timeout;

/// Tests drain some thousand events; a projector that goes on for so long makes no progress.
const DRAIN_MAX: Duration = Duration::from_secs(120);

/// Applies all that is in the source, with a projector of its own.
pub async fn drain<P: Projection>(pool: &PgPool, source: impl Source) {
    let mut projector = Projector::<P, _>::new(pool, source, Positions::of::<P>(pool));
    let applied = async { while projector.run_once().await.expect("the log can be applied").events > 0 {} };
    timeout(DRAIN_MAX, applied).await.expect("an end of what is to be applied");
}

/// All rows of the live read model by table, each table in the order of its key.
pub async fn rows<P: Projection>(pool: &PgPool) -> BTreeMap<String, Vec<Value>> {
    let mut tables = BTreeMap::new();
    for table in P::TABLES {
        let key = table.key.join(", ");
        let sql = format!("SELECT to_jsonb(t) FROM {}.{} t ORDER BY {key}", P::schema(), table.name);
        let rows = sqlx::query_scalar(&sql).fetch_all(pool).await.expect("the read model can be read");
        tables.insert(table.name.to_owned(), rows);
    }
    tables
}
