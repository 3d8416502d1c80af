//! What a receiver gets, and what makes it get it again.

use crate::{
    receiver::{Receiver, Reply},
    rig::{ADA, Rig, config},
};
use chrono::TimeDelta;
use holdfast_domain::{BlockSeats, CloseSales, InventoryCommand};
use holdfast_notifier::{DeliveryState, EventKind, rotate_secret};
use holdfast_testkit::eventually;
use serde_json::json;
use std::collections::BTreeSet;

use crate::rig::PATIENCE;

#[tokio::test]
async fn a_booking_is_told_step_by_step_as_it_was_after_each() {
    let rig = Rig::new().await;
    let receiver = Receiver::good().await;
    rig.register(&receiver, &[]).await;
    let show = rig.open(900).await;
    let booking = rig.reserve(show, 2).await;
    rig.later(TimeDelta::seconds(1));
    rig.confirm(show, booking).await;
    rig.later(TimeDelta::seconds(1));
    rig.cancel(show, booking).await;
    assert_eq!(rig.deliver().await, 4);
    let mut got = receiver.got();
    got.sort_by_key(|got| got.json()["sequence"].as_i64());
    let kinds: Vec<_> = got.iter().map(|got| got.kind()).collect();
    assert_eq!(
        kinds,
        ["inventory.opened.v1", "booking.held.v1", "booking.confirmed.v1", "booking.cancelled.v1"]
    );
    let object = json!({
        "id": booking, "inventory_id": show, "user_id": ADA, "quantity": 2,
        "total": {"amount": 4000, "currency": "EUR"}, "status": "cancelled", "reserved_at": "2026-05-01T12:00:00Z",
        "expires_at": "2026-05-01T12:15:00Z", "reason": "by_customer"
    });
    let cancelled = got[3].json();
    assert_eq!(cancelled["data"], json!({"object": object, "previous_attributes": {"status": "confirmed"}}));
    assert_eq!(cancelled["id"], got[3].id());
    assert_eq!(
        (&cancelled["api_version"], &cancelled["livemode"], &cancelled["sequence"], &cancelled["created_at"]),
        (&json!("1"), &json!(true), &json!(4), &json!("2026-05-01T12:00:02Z"))
    );
    let id: String =
        sqlx::query_scalar("SELECT event_id::text FROM events WHERE event_type = 'BookingCancelled'")
            .fetch_one(&rig.pool)
            .await
            .unwrap();
    assert_eq!(got[3].id(), id, "the webhook's id is the event's");
    assert_eq!(got[0].json()["data"]["object"]["capacity"], 10_000);
    assert_eq!(got[1].json()["data"]["previous_attributes"], json!(null));
}

#[tokio::test]
async fn a_booking_without_a_hold_is_confirmed_from_the_start_and_a_hold_that_ran_out_is_expired() {
    let rig = Rig::new().await;
    let receiver = Receiver::good().await;
    rig.register(&receiver, &[EventKind::BookingConfirmed, EventKind::BookingExpired]).await;
    rig.sell(1).await;
    let show = rig.open(60).await;
    rig.reserve(show, 1).await;
    rig.later(TimeDelta::seconds(61));
    rig.writer.wake(show);
    let kinds = BTreeSet::from(["booking.confirmed.v1".to_owned(), "booking.expired.v1".to_owned()]);
    eventually(PATIENCE, "both are told", async || {
        rig.deliver().await;
        receiver.kinds().into_iter().collect::<BTreeSet<_>>() == kinds
    })
    .await;
    assert_eq!(receiver.got().len(), 2, "a hold is not told to whom did not ask");
}

#[tokio::test]
async fn what_happens_to_an_inventory_is_told_too() {
    let rig = Rig::new().await;
    let receiver = Receiver::good().await;
    rig.register(&receiver, &[EventKind::SalesClosed, EventKind::SeatsBlocked]).await;
    let show = rig.open(0).await;
    let block = BlockSeats { quantity: 3, reason: "sound_desk".to_owned() };
    rig.ask(show, InventoryCommand::BlockSeats(block)).await;
    rig.ask(show, InventoryCommand::CloseSales(CloseSales)).await;
    rig.deliver().await;
    let mut data: Vec<_> = receiver.got().iter().map(|got| got.json()["data"].clone()).collect();
    data.sort_by_key(|data| data["object"]["sales"].is_string());
    let blocked = json!({"id": show, "quantity": 3, "reason": "sound_desk"});
    assert_eq!(data[0], json!({"object": blocked, "previous_attributes": null}));
    let closed = json!({"id": show, "sales": "closed"});
    assert_eq!(data[1], json!({"object": closed, "previous_attributes": {"sales": "open"}}));
}

/// By another implementation of the signature than ours.
#[tokio::test]
async fn every_attempt_is_signed_and_after_a_rotation_for_a_day_twice() {
    let rig = Rig::new().await;
    let receiver = Receiver::good().await;
    let endpoint = rig.register(&receiver, &[]).await;
    rig.sell(1).await;
    rig.deliver().await;
    let last = || receiver.got().pop().unwrap();
    assert!(last().is_signed_by(&endpoint.secret));
    assert_eq!(last().header("webhook-timestamp"), rig_seconds(&rig));

    let (_, second) = rotate_secret(&rig.pool, &rig.key, endpoint.id, now(&rig)).await.unwrap();
    rig.later(TimeDelta::hours(23));
    rig.sell(1).await;
    rig.deliver().await;
    assert!(last().is_signed_by(&endpoint.secret) && last().is_signed_by(&second.tell()));
    rig.later(TimeDelta::hours(2));
    rig.sell(1).await;
    rig.deliver().await;
    assert!(!last().is_signed_by(&endpoint.secret) && last().is_signed_by(&second.tell()));

    // Asked twice, because an answer was lost: the receiver knows neither yet.
    rig.later(TimeDelta::hours(1));
    let (_, third) = rotate_secret(&rig.pool, &rig.key, endpoint.id, now(&rig)).await.unwrap();
    rig.later(TimeDelta::hours(1));
    let (_, fourth) = rotate_secret(&rig.pool, &rig.key, endpoint.id, now(&rig)).await.unwrap();
    rig.sell(1).await;
    rig.deliver().await;
    assert!([&second, &third, &fourth].iter().all(|secret| last().is_signed_by(&secret.tell())));
    rig.later(TimeDelta::minutes(23 * 60 + 30));
    rig.sell(1).await;
    rig.deliver().await;
    assert!(!last().is_signed_by(&second.tell()) && last().is_signed_by(&third.tell()));
    assert_eq!(last().header("content-type"), "application/json");
}

fn now(rig: &Rig) -> chrono::DateTime<chrono::Utc> {
    holdfast_ambient::Ambient::now(&rig.clock)
}

fn rig_seconds(rig: &Rig) -> String {
    now(rig).timestamp().to_string()
}

#[tokio::test]
async fn an_answer_of_500_is_tried_again_with_the_same_id_and_bytes_and_a_signature_of_its_time() {
    let rig = Rig::new().await;
    let receiver = Receiver::answering([Reply::Status(500), Reply::Status(200)]).await;
    let endpoint = rig.register(&receiver, &[EventKind::BookingConfirmed]).await;
    rig.sell(1).await;
    assert_eq!(rig.deliver().await, 1);
    let pending = rig.deliveries(&endpoint, Some(DeliveryState::Pending)).await;
    assert_eq!((pending.len(), pending[0].attempts), (1, 1));
    assert_eq!(rig.send_due().await, 0, "not yet");
    rig.later(TimeDelta::seconds(6));
    assert_eq!(rig.send_due().await, 1);
    let [first, second] = receiver.got().try_into().unwrap();
    assert_eq!((first.id(), &first.body), (second.id(), &second.body));
    assert_ne!(first.header("webhook-signature"), second.header("webhook-signature"));
    assert!(second.is_signed_by(&endpoint.secret));
    let delivered = rig.deliveries(&endpoint, Some(DeliveryState::Delivered)).await;
    let statuses: Vec<_> = delivered[0].log.iter().map(|attempt| attempt.status).collect();
    assert_eq!(statuses, [Some(500), Some(200)]);
    assert_eq!(rig.endpoint(endpoint.id).await.failing_since, None);
}

#[tokio::test]
async fn a_receiver_that_asks_for_time_gets_it() {
    let rig = Rig::new().await;
    let receiver = Receiver::answering([Reply::Also(503, "retry-after", "600"), Reply::Status(204)]).await;
    rig.register(&receiver, &[EventKind::BookingConfirmed]).await;
    rig.sell(1).await;
    assert_eq!(rig.deliver().await, 1);
    rig.later(TimeDelta::seconds(590));
    assert_eq!(rig.send_due().await, 0);
    rig.later(TimeDelta::seconds(11));
    assert_eq!(rig.send_due().await, 1);
}

/// It has five attempts under way, and no more; the other gets everything meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_hangs_delays_nobody() {
    let rig = Rig::new().await;
    let (hangs, good) = (Receiver::answering([Reply::Hang]).await, Receiver::good().await);
    rig.register(&hangs, &[EventKind::BookingConfirmed]).await;
    rig.register(&good, &[EventKind::BookingConfirmed]).await;
    rig.sell(40).await;
    rig.queue().await;
    let stop = tokio_util::sync::CancellationToken::new();
    let (_wake, woken) = tokio::sync::watch::channel(());
    let running = tokio::spawn(rig.deliverer_with(config()).run(woken, stop.clone()));
    good.gets(40).await;
    hangs.gets(5).await;
    assert_eq!((hangs.got().len(), good.ids().len()), (5, 40));
    assert!(good.most_under_way() <= 5);
    running.abort();
}
