//! The table, its indexes, and how changes become rows.

use crate::{BookingHistory, Changes};
use holdfast_event_log::Recorded;
use holdfast_projector::{IN_MOVED, PgQuery, Projection, Table};

/// Users that are known by a number (`UserId::from_number`) and no others: they have bookings through the
/// compatibility interface, whose history is over all users. Written as constants, because only then does
/// Postgres know that the partial index serves the query.
pub(crate) const USER_HAS_NUMBER: &str = "user_id BETWEEN '00000000-0000-8003-8000-000000000000'
                                          AND '00000000-0000-8003-bfff-ffffffffffff'";

impl Projection for BookingHistory {
    const NAME: &'static str = "booking-history";
    const TABLES: &'static [Table] = &[Table { name: "bookings", key: &["booking_id"] }];
    type Changes = Changes;

    fn tables_sql(schema: &str) -> String {
        format!(
            "CREATE TABLE {schema}.bookings (
                 booking_id    uuid PRIMARY KEY,      -- serves: a later event of the booking
                 user_id       uuid NOT NULL,         -- who holds it
                 inventory_id  uuid NOT NULL,         -- whose seats
                 quantity      integer NOT NULL,      -- how many
                 status        text NOT NULL,         -- held, confirmed, cancelled or expired
                 total_amount  bigint NOT NULL,       -- of all seats, in minor units
                 currency      text NOT NULL,
                 reserved_at   timestamptz NOT NULL,
                 expires_at    timestamptz,           -- when the hold ends; null: confirmed at once
                 confirmed_at  timestamptz,
                 ended_at      timestamptz,           -- when it was cancelled or expired
                 reason        text,                  -- of the cancellation
                 log_partition smallint NOT NULL,     -- of all its events
                 position      bigint NOT NULL        -- of the event that made it
             )"
        )
    }

    fn indexes_sql(schema: &str) -> String {
        format!(
            "-- Serves: a user's bookings, the latest first, page by page.
             CREATE INDEX bookings_of_user ON {schema}.bookings (user_id, reserved_at, booking_id);
             -- Serves: an inventory's bookings, the latest first, page by page: of one status, or of all of them merged.
             CREATE INDEX bookings_of_inventory ON {schema}.bookings (inventory_id, status, reserved_at, booking_id);
             -- Serves: the history over all users that are known by a number, and its count.
             CREATE INDEX bookings_numbered ON {schema}.bookings (reserved_at) WHERE {USER_HAS_NUMBER};
             -- Serves: holds that have ended but are not recorded as expired.
             CREATE INDEX bookings_held ON {schema}.bookings (expires_at) WHERE status = 'held'"
        )
    }

    fn fold(events: &[Recorded]) -> Changes {
        Changes::of(events)
    }

    fn write_sql(schema: &str) -> String {
        format!(
            "made AS (
                 INSERT INTO {schema}.bookings (
                     booking_id, user_id, inventory_id, quantity, status, total_amount, currency, reserved_at,
                     expires_at, confirmed_at, ended_at, reason, log_partition, position)
                 SELECT * FROM unnest(
                     $4::uuid[], $5::uuid[], $6::uuid[], $7::integer[], $8::text[], $9::bigint[], $10::text[],
                     $11::timestamptz[], $12::timestamptz[], $13::timestamptz[], $14::timestamptz[],
                     $15::text[], $16::smallint[], $17::bigint[])
                     AS n (booking_id, user_id, inventory_id, quantity, status, total_amount, currency,
                           reserved_at, expires_at, confirmed_at, ended_at, reason, log_partition, position)
                 WHERE n.log_partition {IN_MOVED}
             ), changed AS (
                 UPDATE {schema}.bookings b
                 SET status = n.status, confirmed_at = coalesce(n.confirmed_at, b.confirmed_at),
                     ended_at = n.ended_at, reason = n.reason
                 FROM unnest(
                     $18::uuid[], $19::text[], $20::timestamptz[], $21::timestamptz[], $22::text[],
                     $23::smallint[])
                     AS n (booking_id, status, confirmed_at, ended_at, reason, log_partition)
                 WHERE b.booking_id = n.booking_id AND n.log_partition {IN_MOVED}
             )"
        )
    }

    fn bind<'q>(query: PgQuery<'q>, changes: &'q Changes) -> PgQuery<'q> {
        let Changes { made, changed } = changes;
        let query = query
            .bind(column(made, |n| n.booking_id.0))
            .bind(column(made, |n| n.user_id.0))
            .bind(column(made, |n| n.inventory_id.0))
            .bind(column(made, |n| n.quantity.cast_signed()))
            .bind(column(made, |n| n.state.status.as_str()))
            .bind(column(made, |n| n.total.amount))
            .bind(column(made, |n| n.total.currency.code()))
            .bind(column(made, |n| n.reserved_at))
            .bind(column(made, |n| n.expires_at))
            .bind(column(made, |n| n.state.confirmed_at))
            .bind(column(made, |n| n.state.ended_at))
            .bind(column(made, |n| n.state.reason.as_deref()))
            .bind(column(made, |n| n.at.log_partition.cast_signed()))
            .bind(column(made, |n| n.at.position));
        query
            .bind(column(changed, |(id, _)| id.0))
            .bind(column(changed, |(_, c)| c.status.as_str()))
            .bind(column(changed, |(_, c)| c.confirmed_at))
            .bind(column(changed, |(_, c)| c.ended_at))
            .bind(column(changed, |(_, c)| c.reason.as_deref()))
            .bind(column(changed, |(_, c)| c.log_partition.cast_signed()))
    }
}

fn column<'q, R, T>(rows: &'q [R], value: impl Fn(&'q R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}
