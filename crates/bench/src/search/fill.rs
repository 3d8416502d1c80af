//! The flights of the timetable, made through the API by an admin, as an airline would.

use super::timetable::{AIRPORTS, Leg, Timetable, code, zone};
use crate::{
    client::{Api, text},
    holdfast::{Holdfast, Server},
};
use futures::stream::{StreamExt as _, TryStreamExt as _, iter};
use serde_json::{Value, json};
use std::future::Future;

/// Seats of every flight.
pub(super) const SEATS: usize = 20;
/// Airplanes, which fly in turn: openings that share one wait for each other in Postgres.
const AIRPLANES: usize = 400;
/// Requests under way at once: many commands share a commit.
const AT_ONCE: usize = 128;

/// A flight that is there.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) id: String,
    /// Which airport it leaves.
    pub(super) from: usize,
    /// Where it goes.
    pub(super) to: usize,
    /// The day on which it leaves, by the clocks there.
    pub(super) day: String,
}

/// Makes that many flights and all they are made of.
pub(super) async fn fill(
    holdfast: &Holdfast,
    server: &Server,
    flights: usize,
) -> anyhow::Result<Vec<Placed>> {
    let api = Api::of(server)?;
    let admin = &*api.sign_in_admin(holdfast).await?;
    let make = |path: &'static str, nth: usize, body: Value| {
        api.post(path, Some((admin, format!("search-{nth}"))), body)
    };
    let airplanes = &all(AIRPLANES, async |nth| {
        text(&make("/v1/airplanes", nth, json!({"model": "A20", "capacity": SEATS})).await?, "id")
    })
    .await?;
    let airports = &all(AIRPORTS, async |nth| {
        let city = make("/v1/cities", nth, json!({"name": format!("City {}", code(nth))})).await?;
        let airport =
            json!({"code": code(nth), "name": code(nth), "city_id": text(&city, "id")?, "zone": zone(nth)});
        text(&make("/v1/airports", nth, airport).await?, "id")
    })
    .await?;
    let timetable = Timetable::new();
    all(flights, async |nth| {
        let leg = timetable.leg(nth);
        let flight = make("/v1/flights", nth, asked(nth, &leg, airports, airplanes)).await?;
        let Leg { from, to, .. } = leg;
        Ok(Placed { id: text(&flight, "id")?, from, to, day: text(&flight, "departure_day")? })
    })
    .await
}

fn asked(nth: usize, leg: &Leg, airports: &[String], airplanes: &[String]) -> Value {
    json!({
        "number": leg.number, "airplane_id": airplanes.get(nth % AIRPLANES),
        "departure_airport_id": airports.get(leg.from), "arrival_airport_id": airports.get(leg.to),
        "departs_at": leg.departs_at, "arrives_at": leg.arrives_at,
        "price": {"amount": leg.cents, "currency": "EUR"},
    })
}

/// Does something for each of `count` numbers, so many at once, and returns what came of it in their order.
pub(super) async fn all<T, F: Future<Output = anyhow::Result<T>>>(
    count: usize,
    each: impl Fn(usize) -> F,
) -> anyhow::Result<Vec<T>> {
    iter((0..count).map(each)).buffered(AT_ONCE).try_collect().await
}
