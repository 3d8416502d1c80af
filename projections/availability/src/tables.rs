//! The table, its indexes, and how changes become rows.

use crate::{Availability, Change, Changes};
use holdfast_domain::{InventoryOpened, SalesState, Subject};
use holdfast_event_log::Recorded;
use holdfast_projector::{IN_MOVED, PgQuery, Projection, Table};

impl Projection for Availability {
    const NAME: &'static str = "availability";
    const TABLES: &'static [Table] = &[Table { name: "inventories", key: &["inventory_id"] }];
    type Changes = Changes;

    fn tables_sql(schema: &str) -> String {
        format!(
            "-- fillfactor: a batch updates the row of every inventory that sells, in place while the page has
             -- room.
             CREATE TABLE {schema}.inventories (
                 inventory_id           uuid PRIMARY KEY,  -- serves: one inventory, and its later events
                 kind                   text NOT NULL,     -- of what the seats belong to: show
                 name                   text NOT NULL,
                 starts_at              timestamptz,
                 zone                   text,              -- IANA zone of the venue
                 capacity               integer NOT NULL,
                 overbooking_allowance  integer NOT NULL,
                 held                   integer NOT NULL,
                 confirmed              integer NOT NULL,
                 blocked                integer NOT NULL,
                 available              integer NOT NULL GENERATED ALWAYS AS (
                     greatest(0, capacity + overbooking_allowance - held - confirmed - blocked)) STORED,
                 sales                  text NOT NULL,     -- open or closed
                 price_amount           bigint NOT NULL,   -- of one seat, in minor units
                 currency               text NOT NULL,
                 seats_per_booking      integer NOT NULL,
                 live_bookings_per_user integer NOT NULL,
                 hold_seconds           integer NOT NULL,
                 version                bigint NOT NULL,   -- events so far
                 opened_at              timestamptz NOT NULL,
                 log_partition          smallint NOT NULL, -- of all its events
                 position               bigint NOT NULL    -- of its last event
             ) WITH (fillfactor = 50)"
        )
    }

    fn indexes_sql(schema: &str) -> String {
        format!(
            "-- Serves: the list of shows, the latest first, page by page.
             CREATE INDEX inventories_opened ON {schema}.inventories (kind, opened_at, inventory_id)"
        )
    }

    fn fold(events: &[Recorded]) -> Changes {
        Changes::of(events)
    }

    fn write_sql(schema: &str) -> String {
        format!(
            "opened AS (
                 INSERT INTO {schema}.inventories (
                     inventory_id, kind, name, starts_at, zone, capacity, overbooking_allowance, held, confirmed,
                     blocked, sales, price_amount, currency, seats_per_booking, live_bookings_per_user,
                     hold_seconds, version, opened_at, log_partition, position)
                 SELECT * FROM unnest(
                     $4::uuid[], $5::text[], $6::text[], $7::timestamptz[], $8::text[], $9::integer[],
                     $10::integer[], $11::integer[], $12::integer[], $13::integer[], $14::text[],
                     $15::bigint[], $16::text[], $17::integer[], $18::integer[], $19::integer[],
                     $20::bigint[], $21::timestamptz[], $22::smallint[], $23::bigint[])
                     AS n (inventory_id, kind, name, starts_at, zone, capacity, overbooking_allowance, held,
                           confirmed, blocked, sales, price_amount, currency, seats_per_booking,
                           live_bookings_per_user, hold_seconds, version, opened_at, log_partition, position)
                 WHERE n.log_partition {IN_MOVED}
             ), counted AS (
                 UPDATE {schema}.inventories i
                 SET capacity = coalesce(n.capacity, i.capacity), sales = coalesce(n.sales, i.sales),
                     held = i.held + n.held, confirmed = i.confirmed + n.confirmed,
                     blocked = i.blocked + n.blocked, version = n.version, position = n.position
                 FROM unnest(
                     $24::uuid[], $25::integer[], $26::text[], $27::integer[], $28::integer[], $29::integer[],
                     $30::bigint[], $31::smallint[], $32::bigint[])
                     AS n (inventory_id, capacity, sales, held, confirmed, blocked, version, log_partition,
                           position)
                 WHERE i.inventory_id = n.inventory_id AND n.log_partition {IN_MOVED}
             )"
        )
    }

    fn bind<'q>(query: PgQuery<'q>, changes: &'q Changes) -> PgQuery<'q> {
        let Changes { opened, changed } = changes;
        let terms = opened.iter().map(|(_, terms, ..)| terms);
        let subjects = || terms.clone().map(|InventoryOpened { subject, .. }| subject);
        let policies = || terms.clone().map(|InventoryOpened { policy, .. }| policy);
        let prices = || terms.clone().map(|InventoryOpened { price, .. }| price);
        let new = || opened.iter().map(|(.., change)| change);
        let query = query
            .bind(column(opened.iter(), |(id, ..)| id.0))
            .bind(column(subjects(), |Subject::Show { .. }| "show"))
            .bind(column(subjects(), |Subject::Show { name, .. }| name.as_str()))
            .bind(column(subjects(), |Subject::Show { starts_at, .. }| *starts_at))
            .bind(column(subjects(), |Subject::Show { zone, .. }| zone.as_deref()))
            .bind(column(new(), |c| c.capacity.map(u32::cast_signed)))
            .bind(column(policies(), |p| p.overbooking_allowance.cast_signed()))
            .bind(column(new(), |c| seats(c.held)))
            .bind(column(new(), |c| seats(c.confirmed)))
            .bind(column(new(), |c| seats(c.blocked)))
            .bind(column(new(), sales))
            .bind(column(prices(), |p| p.amount))
            .bind(column(prices(), |p| p.currency.code()))
            .bind(column(policies(), |p| p.seats_per_booking.cast_signed()))
            .bind(column(policies(), |p| p.live_bookings_per_user.cast_signed()))
            .bind(column(policies(), |p| p.hold_seconds.cast_signed()))
            .bind(column(new(), |c| c.version))
            .bind(column(opened.iter(), |(_, _, opened_at, _)| *opened_at))
            .bind(column(new(), |c| c.at.log_partition.cast_signed()))
            .bind(column(new(), |c| c.at.position));
        let old = || changed.iter().map(|(_, change)| change);
        query
            .bind(column(changed.iter(), |(id, _)| id.0))
            .bind(column(old(), |c| c.capacity.map(u32::cast_signed)))
            .bind(column(old(), sales))
            .bind(column(old(), |c| seats(c.held)))
            .bind(column(old(), |c| seats(c.confirmed)))
            .bind(column(old(), |c| seats(c.blocked)))
            .bind(column(old(), |c| c.version))
            .bind(column(old(), |c| c.at.log_partition.cast_signed()))
            .bind(column(old(), |c| c.at.position))
    }
}

fn sales(change: &Change) -> Option<&'static str> {
    change.sales.map(|sales| match sales {
        SalesState::Open => "open",
        SalesState::Closed => "closed",
    })
}

/// A difference as the column takes it. One beyond its range becomes null, which the column refuses: rows
/// that contradict the log stop the projector.
fn seats(difference: i64) -> Option<i32> {
    i32::try_from(difference).ok()
}

fn column<R, T>(rows: impl Iterator<Item = R>, value: impl Fn(R) -> T) -> Vec<T> {
    rows.map(value).collect()
}
