//! A read model's rows, to compare with what a test expects.

use crate::{Positions, Projection, Projector, Source};
use serde_json::Value;
use sqlx::PgPool;
use std::collections::BTreeMap;

/// Applies all that is in the source, with a projector of its own.
pub async fn drain<P: Projection>(pool: &PgPool, source: impl Source) {
    let mut projector = Projector::<P, _>::new(pool, source, Positions::of::<P>(pool));
    while projector.run_once().await.expect("the log can be applied").events > 0 {}
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
