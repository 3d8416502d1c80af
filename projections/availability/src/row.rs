//! An inventory as the queries return it.

use holdfast_domain::{
    AirplaneId, AirportId, Counts, Currency, Flight, InventoryId, Money, Policy, SalesState, Subject,
    Timestamp,
};
use holdfast_event_log::LogPosition;
use sqlx::{Row, postgres::PgRow};

/// One inventory, true for all events up to `as_of`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InventoryRow {
    /// The inventory.
    pub inventory_id: InventoryId,
    /// What the seats belong to.
    pub subject: Subject,
    /// Price of one seat now.
    pub price: Money,
    /// The limits of the sale.
    pub policy: Policy,
    /// The seats, counted.
    pub counts: Counts,
    /// Sequence of the last event that changed what is sold.
    pub terms_version: u64,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Its last event.
    pub last_event: LogPosition,
    /// The last event of its partition that the read model had seen, and of this inventory applied.
    pub as_of: LogPosition,
    /// Whether later events of it are set aside until somebody looks: the seats are older than the log.
    pub is_parked: bool,
}

/// What all queries select; `i` is the inventory, `c` the checkpoint of its partition.
pub(crate) const COLUMNS: &str = "i.inventory_id, i.kind, i.name, i.starts_at, i.zone, i.sales_end_at, i.number, i.airplane_id,
    i.departure_airport_id, i.arrival_airport_id, i.departure_zone, i.arrival_zone, i.departs_at, i.arrives_at,
    i.gate, i.capacity,
    i.overbooking_allowance, i.held, i.confirmed, i.blocked, i.sales, i.price_amount, i.currency,
    i.seats_per_booking, i.live_bookings_per_user, i.hold_seconds, i.seats_per_user, i.holds_per_user, i.version, i.terms_version, i.opened_at, i.log_partition,
    i.position,
    (SELECT min(p.position) - 1 FROM availability.parked p WHERE p.stream = i.inventory_id::text) AS parked_after,
    c.position AS as_of";

impl InventoryRow {
    pub(crate) fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let log_partition = row.try_get::<i16, _>("log_partition")?.cast_unsigned();
        let place =
            |column| Ok::<_, sqlx::Error>(LogPosition { log_partition, position: row.try_get(column)? });
        let count = |column| u32::try_from(row.try_get::<i32, _>(column)?).map_err(|e| unreadable(column, e));
        let currency = row.try_get("currency")?;
        let currency = Currency::from_code(currency)
            .ok_or_else(|| unreadable("currency", format!("there is no currency {currency}")))?;
        let parked_after: Option<i64> = row.try_get("parked_after")?;
        let as_of = match parked_after {
            Some(position) => LogPosition { log_partition, position },
            None => place("as_of")?,
        };
        Ok(Self {
            inventory_id: InventoryId(row.try_get("inventory_id")?),
            subject: subject(row)?,
            price: Money { amount: row.try_get("price_amount")?, currency },
            policy: Policy {
                seats_per_booking: count("seats_per_booking")?,
                live_bookings_per_user: count("live_bookings_per_user")?,
                hold_seconds: count("hold_seconds")?,
                overbooking_allowance: count("overbooking_allowance")?,
                seats_per_user: count("seats_per_user")?,
                holds_per_user: count("holds_per_user")?,
            },
            counts: Counts {
                capacity: count("capacity")?,
                overbooking_allowance: count("overbooking_allowance")?,
                held: count("held")?,
                confirmed: count("confirmed")?,
                blocked: count("blocked")?,
                sales: sales(row.try_get("sales")?)?,
                version: row.try_get::<i64, _>("version")?.cast_unsigned(),
            },
            terms_version: row.try_get::<i64, _>("terms_version")?.cast_unsigned(),
            opened_at: row.try_get("opened_at")?,
            last_event: place("position")?,
            as_of,
            is_parked: parked_after.is_some(),
        })
    }
}

fn subject(row: &PgRow) -> Result<Subject, sqlx::Error> {
    match row.try_get("kind")? {
        "show" => Ok(Subject::Show {
            name: row.try_get("name")?,
            starts_at: row.try_get("starts_at")?,
            zone: row.try_get("zone")?,
            sales_end_at: row.try_get("sales_end_at")?,
        }),
        "flight" => Ok(Subject::Flight(Box::new(Flight {
            number: row.try_get("number")?,
            airplane_id: AirplaneId(row.try_get("airplane_id")?),
            departure_airport_id: AirportId(row.try_get("departure_airport_id")?),
            arrival_airport_id: AirportId(row.try_get("arrival_airport_id")?),
            departure_zone: row.try_get("departure_zone")?,
            arrival_zone: row.try_get("arrival_zone")?,
            departs_at: row.try_get("departs_at")?,
            arrives_at: row.try_get("arrives_at")?,
            gate: row.try_get("gate")?,
        }))),
        other => Err(unreadable("kind", format!("there is no kind {other}"))),
    }
}

fn sales(word: &str) -> Result<SalesState, sqlx::Error> {
    match word {
        "open" => Ok(SalesState::Open),
        "closed" => Ok(SalesState::Closed),
        "cancelled" => Ok(SalesState::Cancelled),
        other => Err(unreadable("sales", format!("sales are never {other}"))),
    }
}

/// A value that no fold writes.
fn unreadable(column: &str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: source.into() }
}
