//! Who is told: the registered endpoints.
//!
//! Guarantee: an endpoint is owed every event of its types that is recorded after it was answered for, and none that was
//! recorded before, however far behind the notifier is: it keeps where each log partition ended when it was made, and the
//! notifier's checkpoints are there before it is.

use crate::{
    address::{is_public, literal},
    kind::EventKind,
    notices::Notices,
    secret::{Secret, WebhookKey},
};
use chrono::TimeDelta;
use holdfast_domain::Timestamp;
use holdfast_event_log::{LogPosition, heads};
use holdfast_projector::{Failure, stand_by};
use reqwest::Url;
use sqlx::{PgConnection, PgExecutor, PgPool, Row, postgres::PgRow};
use uuid::Uuid;

/// Endpoints of one installation: bounds the attempts under way, and what an event costs to queue.
pub const ENDPOINTS_MAX: usize = 50;
/// Longest URL of an endpoint.
pub const URL_CHARS_MAX: usize = 2_000;
/// Rotations of a day whose secrets sign too: bounds the header. More than that are no rotations, but a mistake.
const ROTATIONS_KEPT_MAX: i64 = 8;
/// How long the secret before a rotation signs too.
pub(crate) const SECRET_OVERLAP: TimeDelta = TimeDelta::hours(24);
/// Of whoever counts the endpoints to add one: the letters "hook".
const CREATE_LOCK: i64 = 0x686f_6f6b;

const COLUMNS: &str =
    "endpoint_id, url, event_types, state, stopped_reason, stopped_at, stopped_after, failing_since,
                       secret_generation, secret_rotated_at, created_at";

/// Whether an endpoint is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointState {
    /// It is.
    Active,
    /// It is sent what waits for it, which is too much; nothing more is queued until that has drained.
    Full,
    /// It failed for days.
    Paused,
    /// It answered 410.
    Disabled,
}

/// An endpoint, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Names it for ever.
    pub endpoint_id: Uuid,
    /// Where webhooks are sent to.
    pub url: String,
    /// Which events are sent.
    pub event_types: Vec<String>,
    /// Whether it is sent to.
    pub state: EndpointState,
    /// Why it is not: `failing`, `queue_full` or `gone`.
    pub stopped_reason: Option<String>,
    /// Since when it is not.
    pub stopped_at: Option<Timestamp>,
    /// The first event of each log partition that was not queued any more, since a replay last began so early: what the next
    /// one can begin with.
    pub resume_from: Vec<LogPosition>,
    /// The first failure after the last success.
    pub failing_since: Option<Timestamp>,
    /// When its secret was rotated last.
    pub secret_rotated_at: Option<Timestamp>,
    /// Since when it exists.
    pub created_at: Timestamp,
    secret_generation: i32,
}

/// An endpoint that is to be made.
#[derive(Clone, Debug)]
pub struct NewEndpoint {
    /// Its id: derived from the client's idempotency key.
    pub endpoint_id: Uuid,
    /// Where webhooks are sent to.
    pub url: String,
    /// Which events are sent.
    pub event_types: Vec<EventKind>,
}

/// Why an endpoint was not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// There are as many as there may be.
    #[error("there are {ENDPOINTS_MAX} webhook endpoints already; delete one that is not used any more")]
    TooMany,
    /// Another endpoint was made with this id.
    #[error("another endpoint was made with this key")]
    Differs,
    /// There is none.
    #[error("there is no such webhook endpoint")]
    Unknown,
    /// The notifier cannot begin.
    #[error("the notifier has no place in the log to begin at")]
    Notifier(#[source] Failure),
    /// Postgres did not do it.
    #[error("the webhook endpoints could not be read or written")]
    Database(#[from] sqlx::Error),
}

/// Why a URL cannot be an endpoint's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It is none.
    #[error("must be a URL with the name of a host on the internet, such as https://example.com/webhooks")]
    NotAUrl,
    /// It is too long, in its ASCII form.
    #[error("must have at most {URL_CHARS_MAX} characters, international ones written as in xn-- and %C3")]
    TooLong,
    /// Anybody on the way could read it.
    #[error("must begin with https://")]
    NotHttps,
    /// It would be kept, and shown.
    #[error("must have no user, password or fragment in it; webhooks are signed")]
    Userinfo,
    /// It leads into a network that is not the public internet.
    #[error("must lead to a public address; private, loopback and link-local ones are refused")]
    Private,
}

/// Checks a URL's form, and returns it in ASCII: an international host as `xn--…`, other characters as `%C3…`.
/// Where its name leads is looked at with every connection.
///
/// # Errors
/// What must be changed.
pub fn check_url(text: &str, allow_private: bool) -> Result<String, UrlError> {
    // The parser would drop line breaks and tabs without a word.
    if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(UrlError::NotAUrl);
    }
    let url = Url::parse(text).map_err(|_| UrlError::NotAUrl)?;
    let ascii = if text.is_ascii() { text.to_owned() } else { url.to_string() };
    if ascii.len() > URL_CHARS_MAX {
        return Err(UrlError::TooLong);
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(UrlError::NotAUrl);
    }
    match url.scheme() {
        "https" => {}
        "http" if allow_private => {}
        _ => return Err(UrlError::NotHttps),
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(UrlError::Userinfo);
    }
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    let is_local =
        host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost");
    if !allow_private && (is_local || literal(&url).is_some_and(|address| !is_public(address))) {
        return Err(UrlError::Private);
    }
    Ok(ascii)
}

/// Makes an endpoint, and tells its secret. Asked again with the same id it tells the same, as long as the secret is the
/// first; the flag says that it was there.
///
/// # Errors
/// `TooMany`, `Differs`, or what failed.
pub async fn create(
    pool: &PgPool,
    key: &WebhookKey,
    new: &NewEndpoint,
    now: Timestamp,
) -> Result<(Endpoint, Secret, bool), EndpointError> {
    stand_by::<Notices>(&mut *pool.acquire().await?).await.map_err(EndpointError::Notifier)?;
    let words: Vec<_> = new.event_types.iter().map(|kind| kind.as_str()).collect();
    let mut tx = pool.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(CREATE_LOCK).execute(&mut *tx).await?;
    if let Some(there) = find(&mut *tx, new.endpoint_id).await? {
        if there.url != new.url || there.event_types != words || there.secret_generation != 1 {
            return Err(EndpointError::Differs);
        }
        let secret = key.secret(there.endpoint_id, there.secret_generation);
        return Ok((there, secret, true));
    }
    let sql = "SELECT count(*) FILTER (WHERE state <> 'deleted'), count(*) FILTER (WHERE endpoint_id = $1)
               FROM webhook_endpoints";
    let (count, used): (i64, i64) = sqlx::query_as(sql).bind(new.endpoint_id).fetch_one(&mut *tx).await?;
    if used > 0 {
        return Err(EndpointError::Differs); // it was deleted meanwhile
    }
    if usize::try_from(count).is_ok_and(|count| count >= ENDPOINTS_MAX) {
        return Err(EndpointError::TooMany);
    }
    let after: Vec<_> = heads(&mut *tx).await?.into_iter().map(|head| head.position).collect();
    let sql = format!(
        "INSERT INTO webhook_endpoints (endpoint_id, url, event_types, after_positions, key_id, created_at)
         VALUES ($1, $2, $3, $4, $5, $6) RETURNING {COLUMNS}"
    );
    let made = sqlx::query(&sql)
        .bind(new.endpoint_id)
        .bind(&new.url)
        .bind(words)
        .bind(after)
        .bind(key.id())
        .bind(now)
        .try_map(|row: PgRow| from_row(&row))
        .fetch_one(&mut *tx)
        .await?;
    tx.commit().await?;
    let secret = key.secret(made.endpoint_id, made.secret_generation);
    Ok((made, secret, false))
}

/// All endpoints, the oldest first: there are few.
///
/// # Errors
/// If Postgres does not answer.
pub async fn endpoints(pool: &PgPool) -> Result<Vec<Endpoint>, EndpointError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM webhook_endpoints WHERE state <> 'deleted' ORDER BY created_at, endpoint_id"
    );
    Ok(sqlx::query(&sql).try_map(|row: PgRow| from_row(&row)).fetch_all(pool).await?)
}

/// One endpoint.
///
/// # Errors
/// `Unknown`, or what failed.
pub async fn endpoint(pool: &PgPool, endpoint_id: Uuid) -> Result<Endpoint, EndpointError> {
    find(pool, endpoint_id).await?.ok_or(EndpointError::Unknown)
}

/// Deletes an endpoint: nothing more is sent to it. Its deliveries are swept later.
///
/// # Errors
/// `Unknown`, or what failed.
pub async fn delete(pool: &PgPool, endpoint_id: Uuid, now: Timestamp) -> Result<(), EndpointError> {
    let sql = "WITH replays AS (DELETE FROM webhook_replays WHERE endpoint_id = $1)
               UPDATE webhook_endpoints SET state = 'deleted', stopped_at = $2, url = ''
               WHERE endpoint_id = $1 AND state <> 'deleted'";
    let deleted = sqlx::query(sql).bind(endpoint_id).bind(now).execute(pool).await?;
    if deleted.rows_affected() == 0 { Err(EndpointError::Unknown) } else { Ok(()) }
}

/// Gives an endpoint another secret, and tells it. The one before signs beside it for 24 hours, also if there is another
/// rotation in between: asked twice, because an answer was lost, nothing breaks.
///
/// # Errors
/// `Unknown`, or what failed.
pub async fn rotate_secret(
    pool: &PgPool,
    key: &WebhookKey,
    endpoint_id: Uuid,
    now: Timestamp,
) -> Result<(Endpoint, Secret), EndpointError> {
    let sql = format!(
        "UPDATE webhook_endpoints SET secret_generation = secret_generation + 1, secret_rotated_at = $2, key_id = $3,
             secret_rotations = $2 || ARRAY(
                 SELECT at FROM unnest(secret_rotations) AS at WHERE at > $4 ORDER BY at DESC LIMIT $5)
         WHERE endpoint_id = $1 AND state <> 'deleted' RETURNING {COLUMNS}"
    );
    let rotated = sqlx::query(&sql)
        .bind(endpoint_id)
        .bind(now)
        .bind(key.id())
        .bind(now - SECRET_OVERLAP)
        .bind(ROTATIONS_KEPT_MAX - 1)
        .try_map(|row: PgRow| from_row(&row))
        .fetch_optional(pool)
        .await?
        .ok_or(EndpointError::Unknown)?;
    let secret = key.secret(endpoint_id, rotated.secret_generation);
    Ok((rotated, secret))
}

/// Sends to an endpoint again that was paused or disabled. What was queued before goes on; what happened in between was
/// not queued, and can be replayed from `resume_from`. One whose queue is full goes on by itself.
///
/// # Errors
/// `Unknown`, or what failed.
pub async fn enable(pool: &PgPool, endpoint_id: Uuid) -> Result<Endpoint, EndpointError> {
    let sql = format!(
        "UPDATE webhook_endpoints SET state = CASE state WHEN 'full' THEN state ELSE 'active' END, failing_since = NULL
         WHERE endpoint_id = $1 AND state <> 'deleted' RETURNING {COLUMNS}"
    );
    let enabled =
        sqlx::query(&sql).bind(endpoint_id).try_map(|row: PgRow| from_row(&row)).fetch_optional(pool);
    enabled.await?.ok_or(EndpointError::Unknown)
}

/// Lets every endpoint have what stands after these positions, of the log partitions that are given.
pub(crate) async fn have_from(conn: &mut PgConnection, checkpoints: &[i64]) -> Result<(), sqlx::Error> {
    let sql = "UPDATE webhook_endpoints SET after_positions = (
                   SELECT array_agg(least(mine, yours) ORDER BY n)
                   FROM unnest(after_positions, $1::bigint[]) WITH ORDINALITY AS p (mine, yours, n))";
    sqlx::query(sql).bind(checkpoints).execute(conn).await.map(|_| ())
}

async fn find(db: impl PgExecutor<'_>, endpoint_id: Uuid) -> Result<Option<Endpoint>, sqlx::Error> {
    let sql =
        format!("SELECT {COLUMNS} FROM webhook_endpoints WHERE endpoint_id = $1 AND state <> 'deleted'");
    sqlx::query(&sql).bind(endpoint_id).try_map(|row: PgRow| from_row(&row)).fetch_optional(db).await
}

fn from_row(row: &PgRow) -> Result<Endpoint, sqlx::Error> {
    let state = match row.try_get::<&str, _>("state")? {
        "active" => EndpointState::Active,
        "full" => EndpointState::Full,
        "paused" => EndpointState::Paused,
        _ => EndpointState::Disabled,
    };
    let stopped_after: Option<Vec<i64>> = row.try_get("stopped_after")?;
    let resume_from = (0u16..).zip(stopped_after.unwrap_or_default());
    let resume_from =
        resume_from.map(|(log_partition, last)| LogPosition { log_partition, position: last + 1 });
    Ok(Endpoint {
        endpoint_id: row.try_get("endpoint_id")?,
        url: row.try_get("url")?,
        event_types: row.try_get("event_types")?,
        state,
        stopped_reason: row.try_get("stopped_reason")?,
        stopped_at: row.try_get("stopped_at")?,
        resume_from: resume_from.collect(),
        failing_since: row.try_get("failing_since")?,
        secret_rotated_at: row.try_get("secret_rotated_at")?,
        created_at: row.try_get("created_at")?,
        secret_generation: row.try_get("secret_generation")?,
    })
}

impl EndpointState {
    /// The word used in the table and in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Full => "full",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_https_public_and_without_a_password() {
        let long = format!("https://example.org/{}", "x".repeat(URL_CHARS_MAX));
        for (url, why) in [
            ("", UrlError::NotAUrl),
            ("example.org", UrlError::NotAUrl),
            ("https://", UrlError::NotAUrl),
            ("https://exa mple.org/", UrlError::NotAUrl),
            ("https://exämple.org/\n", UrlError::NotAUrl),
            ("https://xn--a.example/", UrlError::NotAUrl),
            ("https://１２７.０.０.１/", UrlError::Private),
            ("https://example.org:99999/", UrlError::NotAUrl),
            (&long, UrlError::TooLong),
            ("http://example.org/", UrlError::NotHttps),
            ("ftp://example.org/", UrlError::NotHttps),
            ("file:///etc/passwd", UrlError::NotAUrl),
            ("https://ada:secret@example.org/", UrlError::Userinfo),
            ("https://example.org/#x", UrlError::Userinfo),
            ("https://127.0.0.1/", UrlError::Private),
            ("https://2130706433/", UrlError::Private),
            ("https://[::1]/", UrlError::Private),
            ("https://[::ffff:10.0.0.1]/", UrlError::Private),
            ("https://169.254.169.254/latest", UrlError::Private),
            ("https://localhost/", UrlError::Private),
            ("https://a.localhost./", UrlError::Private),
        ] {
            assert_eq!(check_url(url, false), Err(why), "{url}");
        }
        for (url, ascii) in [
            ("https://example.org:8443/hooks?a=b", "https://example.org:8443/hooks?a=b"),
            ("https://bücher.example/höks", "https://xn--bcher-kva.example/h%C3%B6ks"),
            ("https://bu\u{308}cher.example/", "https://xn--bcher-kva.example/"),
        ] {
            assert_eq!(check_url(url, false).as_deref(), Ok(ascii), "{url}");
        }
        assert_eq!(check_url("http://127.0.0.1:9000/", true).as_deref(), Ok("http://127.0.0.1:9000/"));
        assert_eq!(check_url("gopher://127.0.0.1/", true), Err(UrlError::NotHttps));
    }
}
