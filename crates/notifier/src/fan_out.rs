//! Whom to write to when a flight or show moves: every booking of it that was live at that moment.
//!
//! Shape: the event's row is taken → a page of the inventory's own events is read from the log → a mail is queued for each
//! booking they made whose user has an account or is a guest, and taken back for each they ended → how far it came is kept, in the
//! same transaction. The mails are
//! withheld until its events have been read up to the one that moved it; then they are let go, page by page.
//! Guarantee: a page is done once, whatever crashes; a mail's id is made of the event and the booking, so none is queued
//! twice. What is cancelled needs none of this: each of its bookings is ended by an event of its own.

use crate::notices::addressee_sql;
use holdfast_domain::{BookingId, InventoryEvent};
use holdfast_event_log::{LogPosition, ReadError, read_at, read_sequences};
use sqlx::{PgConnection, PgPool, Row};
use uuid::Uuid;

/// Events of the inventory that one step looks at, and mails that one lets go: bounds its locks and its memory.
const STEP_MAX: i64 = 500;
/// Namespace of the ids of mails that are made of an event and a booking. Frozen: it keeps a mail from being sent twice.
const FLIGHT_MAILS: Uuid = Uuid::from_u128(0x5d1e_7c34_90ab_4f27_8a65_1bb2_c07f_6e19);

/// The id of the mail that tells a booking's owner that its flight or show moved.
pub(crate) fn mail_id(event_id: Uuid, booking_id: BookingId) -> Uuid {
    let both = [event_id.as_bytes().as_slice(), booking_id.0.as_bytes()].concat();
    Uuid::new_v5(&FLIGHT_MAILS, &both)
}

/// Goes one step on with one of the flights and shows that moved. False: there is none, or others are at work on it.
pub(crate) async fn step(pool: &PgPool) -> Result<bool, ReadError> {
    let mut tx = pool.begin().await?;
    let next = "SELECT * FROM mail_fan_outs ORDER BY recorded_at LIMIT 1 FOR UPDATE SKIP LOCKED";
    let Some(row) = sqlx::query(next).fetch_optional(&mut *tx).await? else { return Ok(false) };
    let (event_id, done): (Uuid, i64) = (row.try_get("event_id")?, row.try_get("done_sequence")?);
    let log_partition: i16 = row.try_get("log_partition")?;
    let at = LogPosition { log_partition: log_partition.cast_unsigned(), position: row.try_get("position")? };
    match read_at(&mut *tx, at).await? {
        Some(event) if done < event.sequence => {
            let until = event.sequence.min(done + STEP_MAX);
            let sequences: Vec<_> = (done + 1..=until).collect();
            let page = read_sequences(&mut *tx, event.inventory_id, &sequences).await?;
            look_at(&mut tx, event_id, page.iter().map(|recorded| &recorded.event)).await?;
            let sql = "UPDATE mail_fan_outs SET done_sequence = $2 WHERE event_id = $1";
            sqlx::query(sql).bind(event_id).bind(until).execute(&mut *tx).await?;
        }
        Some(_) if let_go(&mut tx, at).await? => {}
        Some(_) | None => {
            let sql = "DELETE FROM mail_fan_outs WHERE event_id = $1";
            sqlx::query(sql).bind(event_id).execute(&mut *tx).await?;
        }
    }
    tx.commit().await?;
    Ok(true)
}

/// Queues a mail for each booking that begins on this page and does not end on it, and takes back those that end.
async fn look_at<'e>(
    conn: &mut PgConnection,
    event_id: Uuid,
    page: impl Iterator<Item = &'e InventoryEvent>,
) -> Result<(), sqlx::Error> {
    let (mut begun, mut ended): (Vec<(BookingId, Uuid)>, Vec<BookingId>) = (vec![], vec![]);
    for event in page {
        match event {
            InventoryEvent::SeatsReserved(made) => begun.push((made.booking_id, made.user_id.0)),
            InventoryEvent::BookingCancelled(e) => ended.push(e.booking_id),
            InventoryEvent::BookingExpired(e) => ended.push(e.booking_id),
            InventoryEvent::BookingConfirmed(_)
            | InventoryEvent::InventoryOpened(_)
            | InventoryEvent::CapacityChanged(_)
            | InventoryEvent::SalesClosed(_)
            | InventoryEvent::SalesReopened(_)
            | InventoryEvent::SeatsBlocked(_)
            | InventoryEvent::SeatsUnblocked(_)
            | InventoryEvent::PriceChanged(_)
            | InventoryEvent::FlightRescheduled(_)
            | InventoryEvent::FlightCancelled(_)
            | InventoryEvent::ShowRescheduled(_)
            | InventoryEvent::ShowCancelled(_) => {}
        }
    }
    let addressee = addressee_sql("m.user_id");
    let queue = format!(
        "INSERT INTO mails (event_id, booking_id, user_id, log_partition, position, recorded_at, next_attempt_at)
                 SELECT m.mail_id, m.booking_id, u.user_id, f.log_partition, f.position, f.recorded_at, 'infinity'
                 FROM mail_fan_outs f, unnest($2::uuid[], $3::uuid[], $4::uuid[]) AS m (mail_id, booking_id, user_id)
                 CROSS JOIN {addressee} u
                 WHERE f.event_id = $1 ON CONFLICT (event_id) DO NOTHING"
    );
    let begun_ids: Vec<_> = begun.iter().map(|(id, _)| mail_id(event_id, *id)).collect();
    let bookings: Vec<_> = begun.iter().map(|(id, _)| id.0).collect();
    let users: Vec<_> = begun.iter().map(|(_, user)| *user).collect();
    let queue = sqlx::query(&queue).bind(event_id).bind(begun_ids).bind(bookings).bind(users);
    queue.execute(&mut *conn).await?;
    let ended: Vec<_> = ended.iter().map(|id| mail_id(event_id, *id)).collect();
    let take_back = "DELETE FROM mails WHERE event_id = ANY ($1) AND next_attempt_at = 'infinity'";
    sqlx::query(take_back).bind(ended).execute(conn).await.map(|_| ())
}

/// Lets mails go that were withheld. False: there are none left.
async fn let_go(conn: &mut PgConnection, at: LogPosition) -> Result<bool, sqlx::Error> {
    let sql = "UPDATE mails SET next_attempt_at = least(recorded_at, now()) WHERE event_id = ANY (ARRAY(
                   SELECT event_id FROM mails
                   WHERE log_partition = $1 AND position = $2 AND next_attempt_at = 'infinity' LIMIT $3))";
    let gone = sqlx::query(sql).bind(at.log_partition.cast_signed()).bind(at.position).bind(STEP_MAX);
    Ok(gone.execute(conn).await?.rows_affected() > 0)
}
