//! How fast this read model is fed: `cargo run --release -p holdfast-availability --example availability_rates -- [EVENTS]`.
#![allow(clippy::expect_used, reason = "a measurement that cannot begin has nothing else to do")]

use holdfast_availability::Availability;
use holdfast_projector::testing::rates;

#[tokio::main]
async fn main() {
    let events = std::env::args().nth(1).map_or(500_000, |n| n.parse().expect("a number of events"));
    // A server of its own: transactions in other databases keep Postgres from tidying up behind updates.
    let server = holdfast_testkit::cluster().await;
    for holds in [false, true] {
        println!("bookings {}", if holds { "held, then confirmed" } else { "confirmed at once" });
        let database = server.database().await;
        rates::<Availability>(&database.pool(), events, holds).await;
    }
}
