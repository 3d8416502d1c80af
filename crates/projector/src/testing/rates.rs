//! Measures how fast a read model is fed: live from an empty one, rebuilt, verified.

use super::{Happened, TestLog, cpu::Cpu};
use crate::{LogSource, Positions, Projection, Projector, rebuild, verify_model};
use holdfast_domain::{
    BookingConfirmed, BookingId, Currency, InventoryId, InventoryOpened, Money, Policy, SeatsReserved,
    Subject, Timestamp, UserId,
};
use sqlx::PgPool;
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// As many inventories and users as the load tests have.
const INVENTORIES: u64 = 200;
const USERS: u64 = 10_000;
/// Events of one append: what gathers in 10 ms at 25,000 events a second.
const APPEND_EVENTS: usize = 250;

/// Fills a log with `events` events and prints what `P` makes of them, and what that costs. With `holds`,
/// bookings are held first and confirmed a little later; without, they are confirmed at once.
pub async fn rates<P: Projection>(pool: &PgPool, events: u64, holds: bool) {
    let mut log = TestLog::create(pool, 16).await;
    let history: Vec<_> = (0..events).map(|nth| happened(nth, holds)).collect();
    let (arriving, waiting) = history.split_at(history.len() / 2);
    let mut projector = Projector::<P, _>::new(pool, LogSource::new(pool), Positions::of::<P>(pool));

    // The first half arrives batch by batch, as under load; the second is there already.
    let mut live = Cost::default();
    for part in arriving.chunks(APPEND_EVENTS) {
        log.append(part).await;
        let before = Meter::read(pool, log.backend()).await;
        projector.run_once().await.expect("the log can be applied");
        live.add(pool, before).await;
    }
    live.print::<P>("live", arriving.len());
    for part in waiting.chunks(APPEND_EVENTS) {
        log.append(part).await;
    }
    let (mut behind, before) = (Cost::default(), Meter::read(pool, log.backend()).await);
    while projector.run_once().await.expect("the log can be applied").events > 0 {}
    behind.add(pool, before).await;
    behind.print::<P>("catching up", waiting.len());

    let (began, all) = (Instant::now(), history.len() as f64);
    let rebuilt = rebuild::<P>(pool, false, |_| ()).await.expect("it can be rebuilt");
    println!(
        "{} rebuild: {:.0} events/s (building alone {:.0}); {} rows, {} differences, switched {}",
        P::NAME,
        all / began.elapsed().as_secs_f64(),
        all / rebuilt.build_seconds,
        rebuilt.rows,
        rebuilt.differences.len(),
        rebuilt.switched,
    );
    let began = Instant::now();
    let verified = verify_model::<P>(pool, |_| ()).await.expect("it can be verified");
    let rate = all / began.elapsed().as_secs_f64();
    println!("{} verify: {rate:.0} events/s; {} differences", P::NAME, verified.differences.len());
}

/// The clock and the processors at one moment, and who is left out.
struct Meter {
    at: Instant,
    cpu: Cpu,
    but: i32,
}

impl Meter {
    async fn read(pool: &PgPool, but: i32) -> Self {
        let cpu = Cpu::used(pool, but).await;
        Self { at: Instant::now(), cpu, but }
    }
}

#[derive(Default)]
struct Cost {
    wall: Duration,
    cpu: Cpu,
}

impl Cost {
    async fn add(&mut self, pool: &PgPool, before: Meter) {
        self.wall += before.at.elapsed();
        self.cpu += Cpu::used(pool, before.but).await.since(before.cpu);
    }

    fn print<P: Projection>(&self, what: &str, events: usize) {
        let each = |time: Duration| time.as_secs_f64() * 1e6 / events as f64;
        println!(
            "{} {what}: {:.0} events/s; of processors {:.1} µs an event in Postgres, {:.1} µs here",
            P::NAME,
            1e6 / each(self.wall),
            each(self.cpu.postgres),
            each(self.cpu.here),
        );
    }
}

fn happened(nth: u64, holds: bool) -> Happened {
    // The low 64 bits choose the partition, so inventories spread evenly.
    let inventory = |nth: u64| InventoryId(Uuid::from_u64_pair(0x0193_0000_0000_7000, nth % INVENTORIES));
    let at = Timestamp::from_timestamp(1_800_000_000, 0).expect("a time in 2027")
        + chrono::TimeDelta::microseconds(nth.cast_signed() * 40);
    let price = Money { amount: 2_500, currency: Currency::from_code("EUR").expect("the euro exists") };
    if nth < INVENTORIES {
        let subject =
            Subject::Show { name: format!("Show {nth}"), starts_at: None, zone: None, sales_end_at: None };
        let policy = Policy {
            seats_per_booking: 10,
            live_bookings_per_user: 0,
            hold_seconds: if holds { 900 } else { 0 },
            overbooking_allowance: 0,
            seats_per_user: 0,
            holds_per_user: 0,
        };
        let opened = InventoryOpened { subject, capacity: 10_000_000, price, policy };
        return Happened { inventory_id: inventory(nth), event: opened.into(), at };
    }
    // With holds, every second event confirms the booking of a thousand events ago.
    let confirms = holds && nth % 2 == 1 && nth > INVENTORIES + 1_000;
    let booking = if confirms { nth - 1_001 } else { nth };
    let booking_id = BookingId(Uuid::from_u64_pair(mix(booking), mix(!booking)));
    let event = if confirms {
        BookingConfirmed { booking_id, quantity: 2 }.into()
    } else {
        let user_id = UserId(Uuid::from_u64_pair(mix(nth % USERS), mix(!(nth % USERS))));
        let expires_at = holds.then(|| at + chrono::TimeDelta::seconds(900));
        let total = Money { amount: price.amount * 2, ..price };
        SeatsReserved { booking_id, user_id, quantity: 2, total, expires_at }.into()
    };
    Happened { inventory_id: inventory(booking), event, at }
}

/// Spreads a number over 64 bits (the finalizer of splitmix64), as random ids are spread.
fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}
