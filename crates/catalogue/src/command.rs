//! Making a thing once: the statement that makes it also notes the request's key.
//!
//! The key's row goes in first and the thing is made from it, so a second request with the key waits for the
//! first to end, makes nothing, and is answered with what the first made.

use crate::CatalogueError;
use sqlx::{FromRow, PgPool, Postgres, postgres::PgRow, query::QueryAs};
use uuid::Uuid;

/// A request with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// Names the request for ever.
    pub command_id: Uuid,
    /// The same for the same request.
    pub fingerprint: Uuid,
}

/// What a request made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made<T> {
    /// The thing; as it is now, if it was made before.
    pub thing: T,
    /// It was made by the same request before.
    pub replayed: bool,
}

/// Begins a statement that makes a thing from `command` (`made_id`): $1 is the thing's id, $2 and $3 are the
/// command's, null where it has no key.
pub(crate) const COMMAND: &str = "WITH keyed AS (
        INSERT INTO catalogue_commands (command_id, fingerprint, made_id)
        SELECT $2, $3, $1 WHERE $2 IS NOT NULL ON CONFLICT (command_id) DO NOTHING RETURNING made_id
    ), command AS (SELECT made_id FROM keyed UNION ALL SELECT $1 WHERE $2 IS NULL)";

type Query<'q, T> = QueryAs<'q, Postgres, T, sqlx::postgres::PgArguments>;

/// Gives a thing the next number of `sequence`, and makes it by `sql`, which begins with [`COMMAND`].
pub(crate) async fn make<'q, T>(
    pool: &PgPool,
    table: Table,
    command: Option<Command>,
    sql: &'q str,
    bind: impl FnOnce(Query<'q, T>) -> Query<'q, T>,
) -> Result<Made<T>, CatalogueError>
where
    T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
{
    let number: i64 =
        sqlx::query_scalar("SELECT nextval($1::regclass)").bind(table.sequence).fetch_one(pool).await?;
    let id = (table.id)(number).ok_or(CatalogueError::NumbersExhausted)?;
    let query = sqlx::query_as(sql)
        .bind(id)
        .bind(command.map(|command| command.command_id))
        .bind(command.map(|command| command.fingerprint));
    let made = bind(query).fetch_optional(pool).await?;
    if let Some(thing) = made {
        return Ok(Made { thing, replayed: false });
    }
    let command = command.ok_or(CatalogueError::Unknown)?;
    let thing = made_by(pool, table, command).await?.ok_or(CatalogueError::KeyReused)?;
    Ok(Made { thing, replayed: true })
}

/// Whether a city, an airport or an airplane was made by a request with a key. It reads all keys: for rare questions only.
///
/// # Errors
/// Whatever Postgres says.
pub async fn is_made_with_key(pool: &PgPool, id: Uuid) -> Result<bool, sqlx::Error> {
    let there = "SELECT EXISTS (SELECT 1 FROM catalogue_commands WHERE made_id = $1)";
    sqlx::query_scalar(there).bind(id).fetch_one(pool).await
}

/// Where things of one kind are.
#[derive(Clone, Copy)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) key: &'static str,
    pub(crate) sequence: &'static str,
    pub(crate) id: fn(i64) -> Option<Uuid>,
}

async fn made_by<T>(pool: &PgPool, table: Table, command: Command) -> Result<Option<T>, sqlx::Error>
where
    T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
{
    let Table { name, key, .. } = table;
    let sql = format!(
        "SELECT t.* FROM catalogue_commands c JOIN {name} t ON t.{key} = c.made_id
         WHERE c.command_id = $1 AND c.fingerprint = $2"
    );
    sqlx::query_as(&sql).bind(command.command_id).bind(command.fingerprint).fetch_optional(pool).await
}
