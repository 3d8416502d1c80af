//! What a load needs before it begins: customers with tokens, and inventories that never sell out.
//!
//! Everything is made through the API, as its users do it.

use crate::{
    client::{Api, text},
    holdfast::{Holdfast, Server},
};
use anyhow::Context as _;
use serde_json::json;
use std::{fmt::Write as _, path::Path};

/// Password of the customers.
const PASSWORD: &str = "a password for the bench";
/// Customers: each costs two password hashes to make; the server remembers tokens, so more would not cost it more.
const CUSTOMERS: usize = 32;
/// Inventories of a load that is spread.
const INVENTORIES: usize = 200;
/// Seats of each: as many as an inventory may have, more than any run can book, so that nothing is refused.
const CAPACITY: u32 = 10_000_000;
/// Every booking is a hold with a timer, as with real customers; none of them ends while the run lasts.
pub(crate) const HOLD_SECONDS: u32 = 3_600;

/// Customers and inventories.
#[derive(Clone, Debug)]
pub(crate) struct Market {
    /// Tokens of the customers.
    pub(crate) tokens: Vec<String>,
    /// Ids of the inventories.
    pub(crate) inventories: Vec<String>,
}

impl Market {
    /// Makes them on a server that `up` runs.
    pub(crate) async fn open(holdfast: &Holdfast, server: &Server) -> anyhow::Result<Self> {
        let api = Api::of(server)?;
        let admin = api.sign_in_admin(holdfast).await?;
        let mut tokens = Vec::new();
        for nth in 0..CUSTOMERS {
            let email = format!("customer-{nth}@bench.example");
            api.post("/v1/users", None, json!({"email": email, "password": PASSWORD})).await?;
            tokens.push(api.sign_in(&email, PASSWORD).await?);
        }
        let inventories = open_shows(&api, &admin, HOLD_SECONDS).await?;
        Ok(Self { tokens, inventories })
    }

    /// The same customers with other inventories, whose bookings are confirmed at once.
    pub(crate) async fn sold_at_once(&self, holdfast: &Holdfast, server: &Server) -> anyhow::Result<Self> {
        let api = Api::of(server)?;
        let admin = api.sign_in_admin(holdfast).await?;
        Ok(Self { tokens: self.tokens.clone(), inventories: open_shows(&api, &admin, 0).await? })
    }

    /// The same customers with one inventory.
    pub(crate) fn hot(&self) -> Self {
        Self { tokens: self.tokens.clone(), inventories: self.inventories.iter().take(1).cloned().collect() }
    }

    /// Writes what `bookings.lua` reads.
    pub(crate) fn write(&self, file: &Path) -> anyhow::Result<()> {
        let mut text = String::new();
        for token in &self.tokens {
            writeln!(text, "token {token}")?;
        }
        for inventory in &self.inventories {
            writeln!(text, "inventory {inventory}")?;
        }
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }
}

async fn open_shows(api: &Api, admin: &str, hold_seconds: u32) -> anyhow::Result<Vec<String>> {
    let mut inventories = Vec::new();
    for nth in 0..INVENTORIES {
        inventories.push(open_show(api, admin, hold_seconds, nth).await?);
    }
    Ok(inventories)
}

async fn open_show(api: &Api, admin: &str, hold_seconds: u32, nth: usize) -> anyhow::Result<String> {
    let show = json!({
        "name": format!("Night {nth}"), "starts_at": "2040-01-01T20:00:00Z", "zone": "Europe/Berlin",
        "capacity": CAPACITY, "price": {"amount": 2_000, "currency": "EUR"},
        "policy": {"seats_per_booking": 10, "live_bookings_per_user": 0, "hold_seconds": hold_seconds,
                   "overbooking_allowance": 0, "seats_per_user": 0, "holds_per_user": 0},
    });
    let show = api.post("/v1/shows", Some((admin, format!("bench-show-{hold_seconds}-{nth}"))), show).await?;
    text(&show, "id")
}
