//! Shows that are not cancelled, by their start and by words of their names, the first to begin first.
//!
//! Guarantees
//! - A page begins after the last show of the page before: none is shown twice or left out, unless its start was moved.
//! - Without words a page reads an index in its order and no more of it than it shows, however many shows there are. With
//!   words that few names have, those names alone are read and sorted; words that many have are compared along the first
//!   index. Postgres chooses by the words themselves, so a statement with words is planned for each search.

use crate::{InventoryRow, row::COLUMNS, tables::SHOW_NOT_CANCELLED};
use holdfast_domain::{InventoryId, Subject, Timestamp};
use sqlx::{PgExecutor, Postgres, QueryBuilder, Row as _, postgres::PgRow};

/// Most shows of one page: bounds the answer's size.
pub const SHOWS_LIMIT_MAX: u32 = 200;

/// Which shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShowSearch {
    /// Those that begin then or later; none: those that have not begun.
    pub from: Option<Timestamp>,
    /// Those that begin before.
    pub to: Option<Timestamp>,
    /// Those whose name has, for each of these, a word that begins with it (`domain::words`).
    pub words: Vec<String>,
    /// Where the page before ended.
    pub after: Option<ShowPlace>,
    /// Most shows of the page; never more than [`SHOWS_LIMIT_MAX`].
    pub limit: u32,
}

/// Where a show stands in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShowPlace {
    /// When it begins; those whose start is not known are last.
    pub starts_at: Option<Timestamp>,
    /// The show.
    pub inventory_id: InventoryId,
}

impl ShowPlace {
    /// The place of a show. None: it is no show.
    #[must_use]
    pub fn of(row: &InventoryRow) -> Option<Self> {
        let Subject::Show { starts_at, .. } = row.subject else { return None };
        Some(Self { starts_at, inventory_id: row.inventory_id })
    }

    fn begins_before(self, at: Timestamp) -> bool {
        self.starts_at.is_some_and(|starts_at| starts_at < at)
    }
}

/// A page of the shows that are found at `now`.
///
/// # Errors
/// Whatever Postgres says.
pub async fn search_shows(
    db: impl PgExecutor<'_>,
    search: &ShowSearch,
    now: Timestamp,
) -> Result<Vec<InventoryRow>, sqlx::Error> {
    let mut sql = statement("", search, now);
    let query = sql.build().persistent(search.words.is_empty());
    query.try_map(|row: PgRow| InventoryRow::from_row(&row)).fetch_all(db).await
}

/// How Postgres would make that page, a line for each node of its plan: for tests.
///
/// # Errors
/// Whatever Postgres says.
pub async fn explain_shows(
    db: impl PgExecutor<'_>,
    search: &ShowSearch,
    now: Timestamp,
) -> Result<Vec<String>, sqlx::Error> {
    let mut sql = statement("EXPLAIN (COSTS OFF) ", search, now);
    sql.build().persistent(false).try_map(|row: PgRow| row.try_get(0)).fetch_all(db).await
}

/// Only what is asked for stands in the statement, so that its index can serve it.
fn statement<'a>(before: &str, search: &'a ShowSearch, now: Timestamp) -> QueryBuilder<'a, Postgres> {
    let mut sql = QueryBuilder::new(format!(
        "{before}SELECT {COLUMNS} FROM (SELECT * FROM (
             SELECT * FROM availability.inventories i WHERE {SHOW_NOT_CANCELLED}"
    ));
    push_lower_bound(&mut sql, search, now);
    if let Some(to) = search.to {
        sql.push(" AND i.begins_at < ").push_bind(to);
    }
    if !search.words.is_empty() {
        sql.push(" AND i.name_words @@ ").push_bind(prefixes(&search.words)).push("::tsquery");
    }
    sql.push(format!(" ORDER BY i.begins_at, i.inventory_id LIMIT {SHOWS_LIMIT_MAX}) i LIMIT "));
    sql.push_bind(i64::from(search.limit));
    sql.push(
        ") i JOIN availability.checkpoints c USING (log_partition) ORDER BY i.begins_at, i.inventory_id",
    );
    sql
}

/// Where the index is entered: one condition, the one that is further on.
fn push_lower_bound(sql: &mut QueryBuilder<'_, Postgres>, search: &ShowSearch, now: Timestamp) {
    let bound = search.from.unwrap_or(now);
    match search.after.filter(|after| !after.begins_before(bound)) {
        Some(ShowPlace { starts_at, inventory_id }) => {
            sql.push(" AND (i.begins_at, i.inventory_id) > (coalesce(").push_bind(starts_at);
            sql.push(", 'infinity'), ").push_bind(inventory_id.0).push(")");
        }
        None => {
            let comparison = if search.from.is_some() { ">=" } else { ">" };
            sql.push(format!(" AND i.begins_at {comparison} ")).push_bind(bound);
        }
    }
}

/// The words of a name, as Postgres reads a `tsvector`.
pub(crate) fn vector(words: &[String]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// What is searched, as Postgres reads a `tsquery`: each word is the beginning of one.
fn prefixes(words: &[String]) -> String {
    words.iter().map(|word| quoted(word) + ":*").collect::<Vec<_>>().join(" & ")
}

/// A word, whatever is in it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\\', "\\\\").replace('\'', "''"))
}
