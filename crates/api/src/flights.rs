//! Opening, moving and cancelling flights: the claim to a number and a day, then the event, then what it frees.
//!
//! Guarantee: of two flights of one number on one day (by the clocks of the departure airport) one is opened or moved there.
//! Whoever dies between claim and event leaves a claim that the log does not bear out, and no flight; it is void after
//! a minute. A request that is sent again finds its own claim, and its own event.
//! Not here: the rules (`domain`), and who may ask (the handlers).

use crate::{
    command::{Actor, CommandName},
    commands::AnswerLost,
    compat::next_inventory_number,
    extract::Trace,
    problem::{Code, Problem},
    state::Api,
    store::{bounded, bounded_work},
};
use holdfast_catalogue::claims::{self, Claim, Claimed};
use holdfast_domain::{
    CancelFlight, ChangeFlight, Flight, InventoryCommand, InventoryId, OpenInventory, Refused, SalesState,
};
use holdfast_event_log::find_commands;
use holdfast_writer::{Accepted, ExecuteError};
use tracing::warn;

/// Opens a flight.
pub(crate) async fn open<T>(
    api: &Api,
    actor: Actor,
    trace: &Trace,
    name: CommandName,
    flight: &Flight,
    open: OpenInventory,
    answer: impl AsyncFnOnce(Accepted) -> Result<T, AnswerLost>,
) -> Result<T, Problem> {
    let claimed = match asked_before(api, name).await? {
        Some(inventory_id) => (inventory_id, false),
        None => {
            let number = next_inventory_number(&api.pools.commands).await?;
            let inventory_id = InventoryId::from_number(number).ok_or_else(Problem::internal)?;
            claim(api, &Claim { flight, inventory_id, command_id: name.command_id }).await?
        }
    };
    let (inventory_id, is_new) = claimed;
    let ask = name.ask(actor, trace, inventory_id, InventoryCommand::OpenInventory(open));
    let opened = api.writer.execute(ask, answer).await;
    if is_new && let Err(ExecuteError::Refused(_) | ExecuteError::KeyReused) = &opened {
        give_up(api, inventory_id, flight).await;
    }
    Ok(opened?)
}

/// Changes a flight. Those that may move one to another day go one after the other: each gives up the day that it leaves.
pub(crate) async fn change<T>(
    api: &Api,
    actor: Actor,
    trace: &Trace,
    name: CommandName,
    inventory_id: InventoryId,
    change: ChangeFlight,
    answer: impl AsyncFnOnce(Accepted) -> Result<T, AnswerLost>,
) -> Result<T, Problem> {
    let _one_at_a_time = match change.departs_at {
        Some(_) => Some(api.flight_moves.lock().await),
        None => None,
    };
    let moves = match change.departs_at {
        Some(departs_at) if asked_before(api, name).await?.is_none() => {
            let before = flight(api, inventory_id).await?;
            let after = Flight { departs_at, ..before.clone() };
            (before.departure_day() != after.departure_day()).then_some((before, after))
        }
        _ => None,
    };
    let mut is_new = false;
    if let Some((_, after)) = &moves {
        let wanted = Claim { flight: after, inventory_id, command_id: name.command_id };
        (_, is_new) = claim(api, &wanted).await?;
    }
    let ask = name.ask(actor, trace, inventory_id, InventoryCommand::ChangeFlight(change));
    let changed = api.writer.execute(ask, async |accepted| {
        if let Some((before, _)) = &moves {
            give_up(api, inventory_id, before).await;
        }
        answer(accepted).await
    });
    let changed = changed.await;
    match (&changed, &moves) {
        (Err(ExecuteError::Refused(_) | ExecuteError::KeyReused), Some((_, after))) if is_new => {
            give_up(api, inventory_id, after).await;
        }
        // It was done, or whether it was is not known, or it moved to no other day: what is void ends by itself.
        _ => {}
    }
    Ok(changed?)
}

/// Cancels a flight; its number is free again.
pub(crate) async fn cancel<T>(
    api: &Api,
    actor: Actor,
    trace: &Trace,
    name: CommandName,
    inventory_id: InventoryId,
    reason: String,
    answer: impl AsyncFnOnce(Accepted) -> Result<T, AnswerLost>,
) -> Result<T, Problem> {
    let cancel = InventoryCommand::CancelFlight(CancelFlight { reason });
    let cancelled = api.writer.execute(name.ask(actor, trace, inventory_id, cancel), async |accepted| {
        if let Err(problem) = bounded_work(claims::give_up_all(&api.pools.commands, inventory_id)).await {
            warn!(code = problem.code().as_str(), flight = %inventory_id, "a cancelled flight keeps its number until another wants it");
        }
        answer(accepted).await
    });
    Ok(cancelled.await?)
}

async fn flight(api: &Api, id: InventoryId) -> Result<Flight, Problem> {
    api.writer.inventory(id).await?.terms.subject.flight().cloned().ok_or_else(Problem::not_found)
}

/// Whose inventory a command of this name was accepted for, if it was: its claim was taken then.
async fn asked_before(api: &Api, name: CommandName) -> Result<Option<InventoryId>, Problem> {
    if !name.is_keyed() {
        return Ok(None);
    }
    let found = bounded(find_commands(&api.pools.commands, &[name.command_id])).await?;
    Ok(found.first().map(|command| command.answer.inventory_id))
}

/// Claims number and day; a claim that the log does not bear out is taken over. Whether it is new with us.
async fn claim(api: &Api, wanted: &Claim<'_>) -> Result<(InventoryId, bool), Problem> {
    let now = api.ambient.now();
    let holder = match bounded_work(claims::claim(&api.pools.commands, wanted, now)).await? {
        Claimed::Ours { inventory_id, is_new } => return Ok((inventory_id, is_new)),
        Claimed::Theirs(holder) => holder,
    };
    if !holder.is_fresh
        && !has(api, holder.inventory_id, wanted.flight).await?
        && bounded_work(claims::take(&api.pools.commands, wanted, &holder, now)).await?
    {
        return Ok((wanted.inventory_id, true));
    }
    let Flight { number, .. } = wanted.flight;
    let day = wanted.flight.departure_day();
    Err(Problem::new(Code::FlightExists, format!("{number} leaves on {day} already")))
}

/// Whether a flight has number and day of `wanted`, by the log.
async fn has(api: &Api, id: InventoryId, wanted: &Flight) -> Result<bool, Problem> {
    match api.writer.inventory(id).await {
        Ok(view) => Ok(view.terms.subject.flight().is_some_and(|flight| {
            view.counts.sales != SalesState::Cancelled
                && flight.number == wanted.number
                && flight.departure_day() == wanted.departure_day()
        })),
        Err(ExecuteError::Refused(Refused::UnknownInventory)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Best effort: a claim that stays is void, and is taken by whoever wants it.
async fn give_up(api: &Api, id: InventoryId, flight: &Flight) {
    let given_up = claims::give_up(&api.pools.commands, id, &flight.number, flight.departure_day());
    if let Err(problem) = bounded_work(given_up).await {
        warn!(code = problem.code().as_str(), flight = %id, "a day that a flight has left is kept until another wants it");
    }
}
