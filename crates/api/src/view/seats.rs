//! The seats of an inventory, counted.

use holdfast_availability::{InventoryRow, level};
use holdfast_domain::{Counts, InventoryId, SalesState};
use holdfast_event_log::LogPosition;
use holdfast_writer::{Accepted, InventoryView};
use serde::Serialize;
use utoipa::ToSchema;

/// The seats of an inventory, counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Availability)]
pub(crate) struct SeatsView {
    /// Whose seats.
    #[schema(value_type = Uuid)]
    inventory_id: InventoryId,
    /// Number of seats.
    #[schema(example = 100)]
    capacity: u32,
    /// Seats that may be sold beyond the capacity.
    #[schema(example = 0)]
    overbooking_allowance: u32,
    /// Seats on hold.
    #[schema(example = 2)]
    held: u32,
    /// Seats sold.
    #[schema(example = 40)]
    confirmed: u32,
    /// Seats taken out of the sale.
    #[schema(example = 0)]
    blocked: u32,
    /// Seats that can still be reserved.
    #[schema(example = 58)]
    available: u32,
    /// Seats taken beyond what there is: more than 0 only after the capacity shrank.
    #[schema(example = 0)]
    oversold_by: u32,
    /// Whether seats can be reserved: `open`, `closed`, or `cancelled` with the flight.
    #[schema(value_type = String, example = "open")]
    sales: SalesState,
    /// How full it is: `ok`, `low` (at most a tenth left), `held` (nothing left, but holds may end),
    /// `sold_out`, `closed` or `cancelled`.
    #[schema(example = "ok")]
    level: &'static str,
    /// The position of the log this is true for.
    #[schema(example = "7-1234")]
    position: String,
    /// It may lack what the request's `Consistency-Token` stands for.
    stale: bool,
}

impl SeatsView {
    pub(crate) fn new(inventory_id: InventoryId, counts: &Counts, at: LogPosition) -> Self {
        Self {
            inventory_id,
            capacity: counts.capacity,
            overbooking_allowance: counts.overbooking_allowance,
            held: counts.held,
            confirmed: counts.confirmed,
            blocked: counts.blocked,
            available: counts.available(),
            oversold_by: counts.oversold_by(),
            sales: counts.sales,
            level: level(counts).as_str(),
            position: at.to_string(),
            stale: false,
        }
    }

    pub(crate) fn stale(self, stale: bool) -> Self {
        Self { stale, ..self }
    }
}

impl From<&InventoryRow> for SeatsView {
    fn from(row: &InventoryRow) -> Self {
        Self::new(row.inventory_id, &row.counts, row.as_of)
    }
}

impl From<&InventoryView> for SeatsView {
    fn from(view: &InventoryView) -> Self {
        Self::new(view.inventory_id, &view.counts, view.at)
    }
}

impl From<&Accepted> for SeatsView {
    fn from(accepted: &Accepted) -> Self {
        Self::new(accepted.inventory_id, &accepted.counts, accepted.at)
    }
}
