//! The table, its indexes, and how changes become rows.

use crate::{Availability, Change, Changes, shows::vector};
use holdfast_domain::{Flight, InventoryOpened, SalesState, ShowSchedule, Subject, Timestamp, words};
use holdfast_event_log::Recorded;
use holdfast_projector::{IN_MOVED, PgQuery, Projection, Table};

/// Flights that may be found, sold out and closed ones with them; the condition that their indexes and the queries share.
pub(crate) const NOT_CANCELLED: &str = "kind = 'flight' AND sales <> 'cancelled'";

/// Shows that may be found, past ones with them; the condition that their indexes and the query share.
pub(crate) const SHOW_NOT_CANCELLED: &str = "kind = 'show' AND sales <> 'cancelled'";

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
                 kind                   text NOT NULL,     -- of what the seats belong to: show or flight
                 name                   text,              -- of a show
                 name_words             tsvector,          -- the words of its name, as they are searched
                 starts_at              timestamptz,       -- of a show
                 begins_at              timestamptz GENERATED ALWAYS AS ( -- orders shows: those without a start are last
                     coalesce(starts_at, 'infinity')) STORED,
                 zone                   text,              -- IANA zone of the venue of a show
                 sales_end_at           timestamptz,       -- of a show whose opening says it
                 number                 text,              -- of a flight, as are all up to the gate
                 airplane_id            uuid,
                 departure_airport_id   uuid,
                 arrival_airport_id     uuid,
                 departure_zone         text,              -- IANA zone of the departure airport
                 arrival_zone           text,              -- IANA zone of the arrival airport
                 departs_at             timestamptz,
                 arrives_at             timestamptz,
                 departure_day          date,              -- of the departure, by the clocks of its airport
                 duration_seconds       bigint GENERATED ALWAYS AS (
                     floor(extract(epoch FROM arrives_at - departs_at))::bigint) STORED,
                 gate                   text,
                 capacity               integer NOT NULL,
                 overbooking_allowance  integer NOT NULL,
                 held                   integer NOT NULL,
                 confirmed              integer NOT NULL,
                 blocked                integer NOT NULL,
                 available              integer NOT NULL GENERATED ALWAYS AS (
                     greatest(0, capacity + overbooking_allowance - held - confirmed - blocked)) STORED,
                 sales                  text NOT NULL,     -- open, closed or cancelled
                 is_bookable            boolean NOT NULL GENERATED ALWAYS AS ( -- a seat is left, and on sale
                     sales = 'open' AND capacity + overbooking_allowance - held - confirmed - blocked > 0) STORED,
                 is_ending              boolean NOT NULL GENERATED ALWAYS AS ( -- has bookings that are to end
                     sales = 'cancelled' AND held + confirmed > 0) STORED,
                 price_amount           bigint NOT NULL,   -- of one seat, in minor units
                 currency               text NOT NULL,
                 seats_per_booking      integer NOT NULL,
                 live_bookings_per_user integer NOT NULL,
                 hold_seconds           integer NOT NULL,
                 seats_per_user         integer NOT NULL,
                 holds_per_user         integer NOT NULL,
                 version                bigint NOT NULL,   -- events so far
                 terms_version          bigint NOT NULL,   -- of them, the last that changed what is sold
                 opened_at              timestamptz NOT NULL,
                 log_partition          smallint NOT NULL, -- of all its events
                 position               bigint NOT NULL    -- of its last event
             ) WITH (fillfactor = 50)"
        )
    }

    fn indexes_sql(schema: &str) -> String {
        format!(
            "-- Serves: the list of shows, the first to begin first, page by page.
             CREATE INDEX shows_by_start ON {schema}.inventories (begins_at, inventory_id) WHERE {SHOW_NOT_CANCELLED};
             -- Serves: the same by words that few names have. Without a list of pending entries, which every search would read.
             CREATE INDEX shows_by_word ON {schema}.inventories USING gin (name_words) WITH (fastupdate = off)
                 WHERE {SHOW_NOT_CANCELLED};
             -- Serves: cancelled flights and shows whose bookings have not all ended. On a column of its own, because one
             -- on the counts would have to be moved with every booking.
             CREATE INDEX inventories_ending ON {schema}.inventories (inventory_id) WHERE is_ending;
             -- Serve: search by route and day, by one airport and by none in the order of departure; by price; by duration. What is
             -- compared and not in the order comes last: it is looked at without going to the row, so that a search over
             -- all flights which finds none of them costs an index and not a table. Whether there are seats is among it, so
             -- that the last one's booking moves it; how many there are is not, which each would have to move.
             CREATE INDEX flights_of_route ON {schema}.inventories
                 (departure_airport_id, arrival_airport_id, departure_day, departs_at, inventory_id) WHERE {NOT_CANCELLED};
             CREATE INDEX flights_from ON {schema}.inventories
                 (departure_airport_id, departs_at, inventory_id) WHERE {NOT_CANCELLED};
             CREATE INDEX flights_to ON {schema}.inventories
                 (arrival_airport_id, departs_at, inventory_id) WHERE {NOT_CANCELLED};
             CREATE INDEX flights_by_departure ON {schema}.inventories
                 (departs_at, inventory_id, departure_day, price_amount, currency, seats_per_booking, is_bookable) WHERE {NOT_CANCELLED};
             CREATE INDEX flights_by_price ON {schema}.inventories
                 (price_amount, departs_at, inventory_id, departure_day, currency, seats_per_booking, is_bookable) WHERE {NOT_CANCELLED};
             CREATE INDEX flights_by_duration ON {schema}.inventories
                 (duration_seconds, departs_at, inventory_id, departure_day, price_amount, currency, seats_per_booking, is_bookable)
                 WHERE {NOT_CANCELLED}"
        )
    }

    fn fold(events: &[Recorded]) -> Changes {
        Changes::of(events)
    }

    fn write_sql(schema: &str) -> String {
        format!(
            "opened AS (
                 INSERT INTO {schema}.inventories (
                     inventory_id, kind, name, starts_at, zone, sales_end_at, number, airplane_id, departure_airport_id,
                     arrival_airport_id, departure_zone, arrival_zone, departs_at, arrives_at, departure_day,
                     gate, capacity, overbooking_allowance, held, confirmed, blocked, sales, price_amount,
                     currency, seats_per_booking, live_bookings_per_user, hold_seconds, seats_per_user, holds_per_user, version, terms_version,
                     opened_at, log_partition, position, name_words)
                 SELECT * FROM unnest(
                     $4::uuid[], $5::text[], $6::text[], $7::timestamptz[], $8::text[], $9::timestamptz[], $10::text[], $11::uuid[],
                     $12::uuid[], $13::uuid[], $14::text[], $15::text[], $16::timestamptz[], $17::timestamptz[],
                     $18::date[], $19::text[], $20::integer[], $21::integer[], $22::integer[], $23::integer[],
                     $24::integer[], $25::text[], $26::bigint[], $27::text[], $28::integer[], $29::integer[],
                     $30::integer[], $31::integer[], $32::integer[], $33::bigint[], $34::bigint[], $35::timestamptz[], $36::smallint[],
                     $37::bigint[], $53::tsvector[])
                     AS n (
                         inventory_id, kind, name, starts_at, zone, sales_end_at, number, airplane_id, departure_airport_id,
                         arrival_airport_id, departure_zone, arrival_zone, departs_at, arrives_at,
                         departure_day, gate, capacity, overbooking_allowance, held, confirmed, blocked, sales,
                         price_amount, currency, seats_per_booking, live_bookings_per_user, hold_seconds, seats_per_user, holds_per_user,
                         version, terms_version, opened_at, log_partition, position, name_words)
                 WHERE n.log_partition {IN_MOVED}
             ), counted AS (
                 UPDATE {schema}.inventories i
                 SET capacity = coalesce(n.capacity, i.capacity), sales = coalesce(n.sales, i.sales),
                     price_amount = coalesce(n.price_amount, i.price_amount),
                     departs_at = coalesce(n.departs_at, i.departs_at),
                     arrives_at = coalesce(n.arrives_at, i.arrives_at),
                     departure_day = coalesce(n.departure_day, i.departure_day),
                     gate = CASE WHEN n.departs_at IS NULL THEN i.gate ELSE n.gate END,
                     starts_at = CASE WHEN n.show_moved THEN n.starts_at ELSE i.starts_at END,
                     zone = CASE WHEN n.show_moved THEN n.zone ELSE i.zone END,
                     sales_end_at = CASE WHEN n.show_moved THEN n.sales_end_at ELSE i.sales_end_at END,
                     terms_version = coalesce(n.terms_version, i.terms_version),
                     held = i.held + n.held, confirmed = i.confirmed + n.confirmed,
                     blocked = i.blocked + n.blocked, version = n.version, position = n.position
                 FROM unnest(
                     $38::uuid[], $39::integer[], $40::text[], $41::bigint[], $42::timestamptz[],
                     $43::timestamptz[], $44::date[], $45::text[], $46::bigint[], $47::integer[],
                     $48::integer[], $49::integer[], $50::bigint[], $51::smallint[], $52::bigint[],
                     $54::boolean[], $55::timestamptz[], $56::text[], $57::timestamptz[])
                     AS n (
                         inventory_id, capacity, sales, price_amount, departs_at, arrives_at, departure_day,
                         gate, terms_version, held, confirmed, blocked, version, log_partition, position,
                         show_moved, starts_at, zone, sales_end_at)
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
            .bind(column(subjects(), |s| s.kind().as_str()))
            .bind(column(subjects(), |s| show(s).map(|(name, ..)| name)))
            .bind(column(subjects(), |s| show(s).and(s.begins_at())))
            .bind(column(subjects(), |s| show(s).and_then(|(_, zone, _)| zone)))
            .bind(column(subjects(), |s| show(s).and_then(|(.., sales_end_at)| sales_end_at)))
            .bind(column(subjects(), |s| s.flight().map(|f| f.number.as_str())))
            .bind(column(subjects(), |s| s.flight().map(|f| f.airplane_id.0)))
            .bind(column(subjects(), |s| s.flight().map(|f| f.departure_airport_id.0)))
            .bind(column(subjects(), |s| s.flight().map(|f| f.arrival_airport_id.0)))
            .bind(column(subjects(), |s| s.flight().map(|f| f.departure_zone.as_str())))
            .bind(column(subjects(), |s| s.flight().map(|f| f.arrival_zone.as_str())))
            .bind(column(subjects(), |s| s.flight().map(|f| f.departs_at)))
            .bind(column(subjects(), |s| s.flight().map(|f| f.arrives_at)))
            .bind(column(subjects(), |s| s.flight().map(Flight::departure_day)))
            .bind(column(subjects(), |s| s.flight().and_then(|f| f.gate.as_deref())))
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
            .bind(column(policies(), |p| p.seats_per_user.cast_signed()))
            .bind(column(policies(), |p| p.holds_per_user.cast_signed()))
            .bind(column(new(), |c| c.version))
            .bind(column(new(), |c| c.terms_version))
            .bind(column(opened.iter(), |(_, _, opened_at, _)| *opened_at))
            .bind(column(new(), |c| c.at.log_partition.cast_signed()))
            .bind(column(new(), |c| c.at.position));
        let old = || changed.iter().map(|(_, change)| change);
        query
            .bind(column(changed.iter(), |(id, _)| id.0))
            .bind(column(old(), |c| c.capacity.map(u32::cast_signed)))
            .bind(column(old(), sales))
            .bind(column(old(), |c| c.price.map(|price| price.amount)))
            .bind(column(old(), |c| c.moved.as_ref().map(|(schedule, _)| schedule.departs_at)))
            .bind(column(old(), |c| c.moved.as_ref().map(|(schedule, _)| schedule.arrives_at)))
            .bind(column(old(), |c| c.moved.as_ref().map(|(_, day)| *day)))
            .bind(column(old(), |c| c.moved.as_ref().and_then(|(schedule, _)| schedule.gate.as_deref())))
            .bind(column(old(), |c| c.terms_version))
            .bind(column(old(), |c| seats(c.held)))
            .bind(column(old(), |c| seats(c.confirmed)))
            .bind(column(old(), |c| seats(c.blocked)))
            .bind(column(old(), |c| c.version))
            .bind(column(old(), |c| c.at.log_partition.cast_signed()))
            .bind(column(old(), |c| c.at.position))
            .bind(column(subjects(), |s| show(s).map(|(name, ..)| vector(&words(name)))))
            .bind(column(old(), |c| c.show_moved.is_some()))
            .bind(column(old(), |c| moved(c).and_then(|to| to.starts_at)))
            .bind(column(old(), |c| moved(c).and_then(|to| to.zone.as_deref())))
            .bind(column(old(), |c| moved(c).and_then(|to| to.sales_end_at)))
    }
}

/// Name, zone and the end of the sale, if it is a show.
fn show(subject: &Subject) -> Option<(&str, Option<&str>, Option<Timestamp>)> {
    match subject {
        Subject::Show { name, zone, sales_end_at, .. } => Some((name, zone.as_deref(), *sales_end_at)),
        Subject::Flight(_) => None,
    }
}

/// The times of a show that moved in this batch.
fn moved(change: &Change) -> Option<&ShowSchedule> {
    change.show_moved.as_ref()
}

fn sales(change: &Change) -> Option<&'static str> {
    change.sales.map(SalesState::as_str)
}

/// A difference as the column takes it. One beyond its range becomes null, which the column refuses: rows
/// that contradict the log stop the projector.
fn seats(difference: i64) -> Option<i32> {
    i32::try_from(difference).ok()
}

fn column<R, T>(rows: impl Iterator<Item = R>, value: impl Fn(R) -> T) -> Vec<T> {
    rows.map(value).collect()
}
