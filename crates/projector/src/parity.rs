//! Compares two builds of one read model, row by row and column by column.

use crate::Table;
use sqlx::{PgConnection, Row};

/// Rows named in a report, per table: enough to begin looking, however many differ.
const EXAMPLES_MAX: i64 = 5;

/// What differs in one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The table.
    pub table: &'static str,
    /// Rows that only the live read model has.
    pub only_live: i64,
    /// Rows that only the fresh fold of the log has.
    pub only_fresh: i64,
    /// Rows that both have, with other values.
    pub changed: i64,
    /// Keys of some of these rows.
    pub examples: Vec<String>,
}

/// Rows of one table, and what differs if anything does.
#[derive(Debug)]
pub(crate) struct Compared {
    pub(crate) rows: i64,
    pub(crate) difference: Option<Difference>,
}

/// Compares a table of schema `live` with that of schema `fresh`, as this connection sees them.
pub(crate) async fn compare(
    conn: &mut PgConnection,
    live: &str,
    fresh: &str,
    table: &'static Table,
) -> Result<Compared, sqlx::Error> {
    let Table { name, key } = table;
    let columns = |of: &str| key.iter().map(|column| format!("{of}.{column}")).collect::<Vec<_>>().join(", ");
    let (a, b) = (columns("a"), columns("b"));
    let first = key.first().copied().unwrap_or("ctid");
    // One pass over both: a key column is never null, so it tells on which side a row is missing.
    let sql = format!(
        "WITH differing AS MATERIALIZED (
             SELECT a.{first} IS NULL AS only_fresh, b.{first} IS NULL AS only_live,
                    CASE WHEN a.{first} IS NULL THEN concat_ws(' ', {b}) ELSE concat_ws(' ', {a}) END AS key
             FROM {live}.{name} a FULL JOIN {fresh}.{name} b ON ({a}) = ({b})
             WHERE a IS DISTINCT FROM b)
         SELECT (SELECT count(*) FROM {fresh}.{name}) AS rows,
                count(*) FILTER (WHERE only_live) AS only_live,
                count(*) FILTER (WHERE only_fresh) AS only_fresh,
                count(*) FILTER (WHERE NOT only_live AND NOT only_fresh) AS changed,
                coalesce((SELECT array_agg(key) FROM (SELECT key FROM differing ORDER BY key LIMIT $1) e), '{{}}')
                    AS examples
         FROM differing"
    );
    let row = sqlx::query(&sql).bind(EXAMPLES_MAX).fetch_one(conn).await?;
    let difference = Difference {
        table: name,
        only_live: row.try_get("only_live")?,
        only_fresh: row.try_get("only_fresh")?,
        changed: row.try_get("changed")?,
        examples: row.try_get("examples")?,
    };
    let differs = difference.only_live + difference.only_fresh + difference.changed > 0;
    Ok(Compared { rows: row.try_get("rows")?, difference: differs.then_some(difference) })
}
