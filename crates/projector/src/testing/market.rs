//! Random histories that the rules could have made, with the aggregates they lead to: what a read model of
//! them must agree with.

use super::Happened;
use holdfast_domain::{
    AirplaneId, AirportId, BlockSeats, BookingId, CancelBooking, CancelFlight, CancelShow, ChangeCapacity,
    ChangeFlight, ChangeShow, CloseSales, ConfirmBooking, Currency, Flight, Inventory, InventoryCommand,
    InventoryId, Money, OpenInventory, Policy, ReopenSales, ReserveSeats, SalesState, Subject, SubjectKind,
    Timestamp, UnblockSeats, UserId,
};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Zones of the airports, whose days differ.
const ZONES: [&str; 4] = ["Europe/Berlin", "America/New_York", "Asia/Tokyo", "Pacific/Kiritimati"];
/// Users who buy; every third is known by a number.
const USERS: u64 = 50;

/// Inventories that sell, seen through their commands. The same seed makes the same history.
#[derive(Debug)]
pub struct Market {
    inventories: BTreeMap<InventoryId, Inventory>,
    bookings: Vec<(InventoryId, BookingId)>,
    now: Timestamp,
    seed: u64,
}

impl Market {
    /// A market that has not opened yet.
    #[must_use]
    pub fn new(seed: u64, inventories: usize) -> Self {
        let mut market = Self {
            inventories: BTreeMap::new(),
            bookings: vec![],
            now: Timestamp::from_timestamp(1_800_000_000, 0).expect("a time in 2027"),
            seed: seed.wrapping_mul(2).wrapping_add(1),
        };
        for _ in 0..inventories {
            let id = InventoryId(market.id());
            market.inventories.insert(id, Inventory::default());
        }
        market
    }

    /// At least `events` further events, in the order in which they happened.
    pub fn history(&mut self, events: usize) -> Vec<Happened> {
        let mut history = vec![];
        while history.len() < events {
            let pause = self.below(2_000).cast_signed();
            self.now += chrono::TimeDelta::milliseconds(pause);
            let nth = self.below(self.inventories.len() as u64);
            let id = *self.inventories.keys().nth(nth as usize).expect("one of them");
            let command = self.command(id);
            let inventory = self.inventories.get_mut(&id).expect("one of them");
            let Ok(decided) = inventory.decide(&command, self.now) else { continue };
            for event in decided {
                inventory.apply(&event);
                history.push(Happened { inventory_id: id, event, at: self.now });
            }
        }
        history
    }

    /// The aggregates after all of it.
    #[must_use]
    pub fn inventories(&self) -> &BTreeMap<InventoryId, Inventory> {
        &self.inventories
    }

    /// The time of the last event.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    fn command(&mut self, id: InventoryId) -> InventoryCommand {
        let Some(kind) = self.inventories[&id].terms().map(|terms| terms.subject.kind()) else {
            return InventoryCommand::OpenInventory(self.open());
        };
        let quantity = 1 + self.below(4) as u32;
        match self.below(24) {
            0 => InventoryCommand::EndDueBookings,
            1 => InventoryCommand::ChangeCapacity(ChangeCapacity { capacity: 50 + self.below(500) as u32 }),
            2 => InventoryCommand::CloseSales(CloseSales),
            3 | 4 => InventoryCommand::ReopenSales(ReopenSales),
            5 => InventoryCommand::BlockSeats(BlockSeats { quantity, reason: "stage".to_owned() }),
            6 => InventoryCommand::UnblockSeats(UnblockSeats { quantity }),
            7..=9 => self.with_booking(|booking_id| {
                InventoryCommand::ConfirmBooking(ConfirmBooking {
                    booking_id,
                    owner: None,
                    accept_departed: false,
                })
            }),
            10 | 11 => self.with_booking(|booking_id| {
                let reason = "customer".to_owned();
                InventoryCommand::CancelBooking(CancelBooking { booking_id, owner: None, reason })
            }),
            12..=14 if kind == SubjectKind::Show => InventoryCommand::ChangeShow(self.change_show()),
            12..=14 => InventoryCommand::ChangeFlight(self.change()),
            // Rarely, and not the most of them: what is cancelled makes no history any more.
            15 if self.below(8) == 0 && (self.cancelled() + 1) * 2 <= self.inventories.len() => {
                let reason = "weather".to_owned();
                match kind {
                    SubjectKind::Flight => InventoryCommand::CancelFlight(CancelFlight { reason }),
                    SubjectKind::Show => InventoryCommand::CancelShow(CancelShow { reason }),
                }
            }
            _ => {
                let (booking_id, user_id) = (BookingId(self.id()), self.user());
                let ask = ReserveSeats { booking_id, user_id, quantity, accept_departed: false };
                self.bookings.push((id, ask.booking_id));
                InventoryCommand::ReserveSeats(ask)
            }
        }
    }

    fn cancelled(&self) -> usize {
        self.inventories.values().filter(|i| i.counts().sales == SalesState::Cancelled).count()
    }

    fn open(&mut self) -> OpenInventory {
        OpenInventory {
            subject: if self.below(2) == 0 { self.show() } else { Subject::Flight(Box::new(self.flight())) },
            accept_departed: false,
            capacity: 100 + self.below(400) as u32,
            price: self.price(),
            policy: Policy {
                seats_per_booking: 4,
                live_bookings_per_user: 0,
                hold_seconds: if self.below(3) == 0 { 0 } else { 120 },
                overbooking_allowance: self.below(3) as u32,
                seats_per_user: 0,
                holds_per_user: 0,
            },
        }
    }

    fn show(&mut self) -> Subject {
        Subject::Show {
            name: format!("Show {}", self.below(1_000)),
            starts_at: (self.below(2) == 0).then_some(self.now + chrono::TimeDelta::days(1)),
            zone: Some("Europe/Berlin".to_owned()),
            sales_end_at: (self.below(2) == 0).then_some(self.now + chrono::TimeDelta::hours(20)),
        }
    }

    fn flight(&mut self) -> Flight {
        let from = self.below(ZONES.len() as u64);
        let to = (from + 1 + self.below(ZONES.len() as u64 - 1)) % ZONES.len() as u64;
        let airport = |nth: u64| AirportId::from_number(nth.cast_signed()).expect("a small number");
        let departs_at = self.departure();
        Flight {
            number: format!("HF{}", self.below(10_000)),
            airplane_id: AirplaneId::from_number(self.below(20).cast_signed()).expect("a small number"),
            departure_airport_id: airport(from),
            arrival_airport_id: airport(to),
            departure_zone: ZONES[from as usize].to_owned(),
            arrival_zone: ZONES[to as usize].to_owned(),
            departs_at,
            arrives_at: departs_at + chrono::TimeDelta::minutes(60 + self.below(900).cast_signed()),
            gate: self.gate(),
        }
    }

    fn change(&mut self) -> ChangeFlight {
        let moves = self.below(2) == 0;
        let departs_at = self.departure();
        ChangeFlight {
            price: (self.below(2) == 0).then(|| self.price()),
            departs_at: moves.then_some(departs_at),
            arrives_at: moves.then_some(departs_at + chrono::TimeDelta::hours(2)),
            gate: (self.below(2) == 0).then(|| self.gate()),
            ..ChangeFlight::default()
        }
    }

    fn change_show(&mut self) -> ChangeShow {
        let starts_at = (self.below(3) > 0).then(|| self.departure() + chrono::TimeDelta::days(1));
        ChangeShow {
            price: (self.below(2) == 0).then(|| self.price()),
            starts_at: (self.below(2) == 0).then_some(starts_at),
            zone: (self.below(4) == 0).then(|| Some("Europe/Vienna".to_owned())),
            sales_end_at: (self.below(4) == 0).then_some(None),
            ..ChangeShow::default()
        }
    }

    /// Within the next days, so that few leave while the history lasts.
    fn departure(&mut self) -> Timestamp {
        self.now + chrono::TimeDelta::minutes(1 + self.below(10_000).cast_signed())
    }

    fn gate(&mut self) -> Option<String> {
        (self.below(2) == 0).then(|| format!("B{}", self.below(30)))
    }

    fn price(&mut self) -> Money {
        let currency = Currency::from_code("EUR").expect("the euro exists");
        Money { amount: self.below(10_000).cast_signed(), currency }
    }

    /// A command about one of the latest bookings, which are the ones most likely to be on hold.
    fn with_booking(&mut self, command: impl Fn(BookingId) -> InventoryCommand) -> InventoryCommand {
        let back = self.below(30) as usize;
        match self.bookings.iter().rev().nth(back) {
            Some((_, id)) => command(*id),
            None => InventoryCommand::EndDueBookings,
        }
    }

    fn user(&mut self) -> UserId {
        match self.below(USERS) {
            nth if nth % 3 == 0 => UserId::from_number(nth.cast_signed()).expect("a small number"),
            nth => UserId(Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0000 + u128::from(nth))),
        }
    }

    fn id(&mut self) -> Uuid {
        let (high, low) = (self.random(), self.random());
        uuid::Builder::from_u128(u128::from(high) << 64 | u128::from(low))
            .with_version(uuid::Version::SortRand)
            .with_variant(uuid::Variant::RFC4122)
            .into_uuid()
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.random() % limit.max(1)
    }

    /// Xorshift: not random enough for anything but tests, and the same everywhere.
    fn random(&mut self) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }
}
