//! What is searched for, and what must be found: every query is asked once, and its answer compared with the flights that
//! were made, before any of them is measured.

use super::{
    fill::{Placed, all},
    timetable::code,
};
use crate::client::Api;
use anyhow::{Context as _, ensure};
use serde::Deserialize;
use std::collections::{HashMap, HashSet};

/// Queries for a route and a day. A busy route is asked for as often as it has flights.
const ROUTES_AND_DAYS: usize = 10_000;
/// Leads from one drawn flight to the next: a prime, so that their order has nothing to do with that of the timetable.
const STRIDE: usize = 7_919;
/// All flights by their price, as far as a page reaches.
const BY_PRICE: &str = "/v1/flights?sort=price&currency=EUR";

/// Queries that are asked in turn, and what they were answered.
#[derive(Debug, Default)]
pub(super) struct Queries {
    pub(super) paths: Vec<String>,
    rows: usize,
    bytes: usize,
    /// What was not as it must be.
    pub(super) wrong: Vec<String>,
}

/// What is looked at of an answer.
#[derive(Deserialize)]
struct Page {
    data: Vec<Flight>,
    meta: Meta,
}

#[derive(Deserialize)]
struct Flight {
    id: String,
    price: Price,
}

#[derive(Deserialize)]
struct Price {
    amount: i64,
}

#[derive(Deserialize)]
struct Meta {
    next_cursor: Option<String>,
}

impl Queries {
    /// For routes and days on which there are flights.
    pub(super) async fn by_route_and_day(api: &Api, flights: &[Placed]) -> anyhow::Result<Self> {
        let mut there: HashMap<String, HashSet<&str>> = HashMap::new();
        for flight in flights {
            there.entry(path(flight)).or_default().insert(&flight.id);
        }
        let drawn = (0..ROUTES_AND_DAYS).filter_map(|nth| flights.get(nth * STRIDE % flights.len()));
        let mut queries = Self { paths: drawn.map(path).collect(), ..Self::default() };
        let paths = &queries.paths;
        let answers = all(paths.len(), async |nth| ask(api, paths.get(nth).context("a path")?).await).await?;
        for (nth, (page, bytes)) in answers.iter().enumerate() {
            queries.count(page, *bytes);
            let path = queries.paths.get(nth).context("a path")?;
            let found: HashSet<&str> = page.data.iter().map(|flight| &*flight.id).collect();
            if there.get(path) != Some(&found) || found.len() != page.data.len() {
                queries.wrong.push(format!("{path} finds {} flights, and not those there are", found.len()));
            }
        }
        Ok(queries)
    }

    /// Every page of all flights in the order of their prices.
    pub(super) async fn by_price(api: &Api, flights: &[Placed]) -> anyhow::Result<Self> {
        let (mut queries, mut seen, mut highest) = (Self::default(), HashSet::new(), 0);
        let mut next = Some(BY_PRICE.to_owned());
        while let Some(path) = next {
            let (page, bytes) = ask(api, &path).await?;
            ensure!(
                queries.paths.len() < flights.len(),
                "by price there is a page for each flight, and no end"
            );
            queries.count(&page, bytes);
            for Flight { id, price } in page.data {
                if price.amount < highest || !seen.insert(id) {
                    queries.wrong.push(format!("{path} has a flight that should be on a page before"));
                }
                highest = price.amount;
            }
            queries.paths.push(path);
            next = page.meta.next_cursor.map(|cursor| format!("{BY_PRICE}&cursor={cursor}"));
        }
        if seen.len() != flights.len() || !flights.iter().all(|flight| seen.contains(&flight.id)) {
            queries.wrong.push(format!("by price there are {} of {} flights", seen.len(), flights.len()));
        }
        Ok(queries)
    }

    /// Flights of an answer, on average.
    pub(super) fn rows_each(&self) -> f64 {
        each(self.rows, self.paths.len())
    }

    /// Bytes of an answer's body, on average.
    pub(super) fn bytes_each(&self) -> usize {
        self.bytes / self.paths.len().max(1)
    }

    fn count(&mut self, page: &Page, bytes: usize) {
        self.rows += page.data.len();
        self.bytes += bytes;
    }
}

async fn ask(api: &Api, path: &str) -> anyhow::Result<(Page, usize)> {
    let answer = api.get(path).await?;
    let page =
        serde_json::from_str(&answer).with_context(|| format!("the answer to {path} cannot be read"))?;
    Ok((page, answer.len()))
}

fn path(Placed { from, to, day, .. }: &Placed) -> String {
    format!("/v1/flights?from={}&to={}&date={day}", code(*from), code(*to))
}

#[expect(clippy::cast_precision_loss, reason = "some hundred thousand")]
fn each(sum: usize, of: usize) -> f64 {
    sum as f64 / of.max(1) as f64
}
