//! Customers without an account, for whom agents book: the only code that writes `guests`.
//!
//! Guarantees: a request makes one guest, however often it is sent; after [`erase`] nothing is left of a guest but its id,
//! which names no person any more.
//! A guest's address counts as confirmed: the agent has it from the customer.

use crate::{problem::StoreError, store::bounded};
use chrono::{DateTime, Utc};
use holdfast_domain::UserId;
use sqlx::{PgPool, Row, postgres::PgRow};
use uuid::Uuid;

/// A customer without an account. No `Debug`: it must not get into a log.
pub(crate) struct Guest {
    /// As bookings name it.
    pub(crate) guest_id: UserId,
    /// Where it is written to.
    pub(crate) email: String,
    pub(crate) name: String,
    pub(crate) created_at: DateTime<Utc>,
}

/// Keeps a guest. False: there is one of this id already.
pub(crate) async fn insert(pool: &PgPool, guest: &Guest, fingerprint: Uuid) -> Result<bool, StoreError> {
    let insert = sqlx::query(
        "INSERT INTO guests (guest_id, fingerprint, email, name, created_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (guest_id) DO NOTHING",
    )
    .bind(guest.guest_id.0)
    .bind(fingerprint)
    .bind(&guest.email)
    .bind(&guest.name)
    .bind(guest.created_at)
    .execute(pool);
    Ok(bounded(insert).await?.rows_affected() == 1)
}

/// A guest that was not erased, with the fingerprint of the request that made it.
pub(crate) async fn find(pool: &PgPool, guest_id: UserId) -> Result<Option<(Guest, Uuid)>, StoreError> {
    let query = sqlx::query(
        "SELECT email, name, created_at, fingerprint FROM guests WHERE guest_id = $1 AND email IS NOT NULL",
    )
    .bind(guest_id.0)
    .try_map(|row: PgRow| {
        let (email, name) = (row.try_get("email")?, row.try_get("name")?);
        let guest = Guest { guest_id, email, name, created_at: row.try_get("created_at")? };
        Ok((guest, row.try_get("fingerprint")?))
    })
    .fetch_optional(pool);
    bounded(query).await
}

/// Erases what is known of a guest. False: there is none of this id, or it was erased before.
pub(crate) async fn erase(pool: &PgPool, guest_id: UserId) -> Result<bool, StoreError> {
    let erase = sqlx::query(
        "UPDATE guests SET email = NULL, name = NULL, fingerprint = NULL
         WHERE guest_id = $1 AND email IS NOT NULL",
    )
    .bind(guest_id.0)
    .execute(pool);
    Ok(bounded(erase).await?.rows_affected() == 1)
}
