//! Receivers that fail, each in its own way.

use crate::{
    receiver::{Receiver, Reply},
    rig::{Rig, config},
};
use chrono::TimeDelta;
use holdfast_ambient::{Ambient, Machine};
use holdfast_notifier::{
    DeliverConfig, Deliverer, DeliveryState, EndpointState, EventKind, WebhookKey, delete, enable, ping,
    queue_replays, redeliver, replay,
};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const SOLD: &[EventKind] = &[EventKind::BookingConfirmed];

impl Rig {
    /// What came of the one attempt on the one delivery of an endpoint that was sent one event.
    async fn one_failure(&self, url: &str, config: DeliverConfig) -> (Option<u16>, Option<String>) {
        let endpoint = self.register_url(url, SOLD).await;
        self.sell(1).await;
        self.queue().await;
        assert_eq!(self.deliverer_with(config).run_once().await.unwrap(), 1);
        let [delivery] = self.deliveries(&endpoint, None).await.try_into().unwrap();
        delete(&self.pool, endpoint.id, self.clock.now()).await.unwrap();
        let [attempt] = delivery.log.try_into().unwrap();
        assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Pending, 1));
        (attempt.status, attempt.error)
    }
}

fn hasty() -> DeliverConfig {
    DeliverConfig { answer_max: Duration::from_millis(200), ..config() }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let rig = Rig::new().await;
    let elsewhere = Receiver::good().await;
    let to: &'static str = elsewhere.url.clone().leak();
    let moved = Receiver::answering([Reply::Also(301, "location", to)]).await;
    assert_eq!(rig.one_failure(&moved.url, config()).await, (Some(301), None));
    assert!(moved.got().len() == 1 && elsewhere.got().is_empty());
}

#[tokio::test]
async fn a_receiver_that_hangs_is_given_up_for_now() {
    let rig = Rig::new().await;
    let hangs = Receiver::answering([Reply::Hang]).await;
    assert_eq!(rig.one_failure(&hangs.url, hasty()).await, (None, Some("timeout".to_owned())));
}

/// A receiver that speaks until here and closes.
async fn saying(words: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            stream.write_all(words).await.unwrap();
        }
    });
    url
}

#[tokio::test]
async fn a_receiver_that_closes_half_way_has_not_got_it() {
    let rig = Rig::new().await;
    let url = saying(b"HTTP/1.1 200 OK\r\nContent-Le").await;
    assert_eq!(rig.one_failure(&url, config()).await, (None, Some("broken".to_owned())));
    let url = saying(b"SSH-2.0-OpenSSH_9.2\r\n\r\n").await;
    assert_eq!(rig.one_failure(&url, config()).await, (None, Some("broken".to_owned())));
}

/// It said that it has it; what it meant to say besides is nobody's concern.
#[tokio::test]
async fn a_body_that_breaks_off_after_a_good_status_changes_nothing() {
    let rig = Rig::new().await;
    let url = saying(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhal").await;
    let endpoint = rig.register_url(&url, SOLD).await;
    rig.sell(1).await;
    rig.deliver().await;
    assert_eq!(rig.deliveries(&endpoint, Some(DeliveryState::Delivered)).await.len(), 1);
}

#[tokio::test]
async fn a_receiver_that_is_not_there_is_tried_again() {
    let rig = Rig::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    assert_eq!(rig.one_failure(&url, config()).await, (None, Some("connect".to_owned())));
    let nowhere = rig.one_failure("http://nowhere.invalid/", config()).await;
    assert_eq!(nowhere.0, None);
}

/// Written as an address in whatever way, or as a name that leads there: nobody connects.
#[tokio::test]
async fn a_private_address_is_not_connected_to() {
    let rig = Rig::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let strict = DeliverConfig { allow_private: false, ..config() };
    for host in ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"] {
        let url = format!("https://{host}:{port}/");
        let refused = rig.one_failure(&url, strict.clone()).await;
        assert_eq!(refused, (None, Some("private_address".to_owned())), "{host}");
    }
    let plain = rig.one_failure(&format!("http://localhost:{port}/"), strict).await;
    assert_eq!(plain, (None, Some("url".to_owned())), "and nothing goes over plain HTTP");
    let connected = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(connected.is_err(), "somebody connected");
}

#[tokio::test]
async fn an_endpoint_of_another_key_is_not_signed_wrong() {
    let rig = Rig::new().await;
    let receiver = Receiver::good().await;
    let endpoint = rig.register(&receiver, SOLD).await;
    rig.sell(1).await;
    rig.queue().await;
    let key = WebhookKey::new([8; 32]).unwrap();
    let other = Deliverer::new(rig.pool.clone(), Arc::new(rig.clock.clone()), key, config()).unwrap();
    assert_eq!(other.run_once().await.unwrap(), 1);
    assert!(receiver.got().is_empty());
    let waits = rig.deliveries(&endpoint, None).await.remove(0);
    assert_eq!(
        (waits.state, waits.attempts),
        (DeliveryState::Pending, 0),
        "the receiver has done nothing wrong"
    );
    assert_eq!(waits.log[0].error.as_deref(), Some("other_key"));
    assert_eq!(rig.endpoint(endpoint.id).await.failing_since, None);
    rig.later(TimeDelta::minutes(1));
    assert_eq!((rig.send_due().await, receiver.got().len()), (1, 1), "whoever has the key sends it");
}

#[tokio::test]
async fn an_answer_of_410_disables_the_endpoint_until_somebody_enables_it() {
    let rig = Rig::new().await;
    let receiver = Receiver::answering([Reply::Status(410), Reply::Status(200)]).await;
    let endpoint = rig.register(&receiver, SOLD).await;
    rig.sell(1).await;
    rig.deliver().await;
    let disabled = rig.endpoint(endpoint.id).await;
    assert_eq!((disabled.state, disabled.stopped_reason.as_deref()), (EndpointState::Disabled, Some("gone")));
    rig.sell(1).await;
    assert_eq!(rig.deliver().await, 0);
    assert_eq!(rig.deliveries(&endpoint, None).await.len(), 1, "what happens meanwhile is not owed");

    let refused = rig.deliveries(&endpoint, None).await.remove(0);
    assert_eq!(
        (refused.state, refused.attempts),
        (DeliveryState::Pending, 1),
        "what it refused is owed still"
    );

    enable(&rig.pool, endpoint.id).await.unwrap();
    assert_eq!((rig.deliver().await, receiver.ids().len()), (1, 1), "and goes out");
    // The gap can be had: it begins where the endpoint says.
    replay(&rig.pool, endpoint.id, &disabled.resume_from, None).await.unwrap();
    while queue_replays(&rig.pool, rig.clock.now()).await.unwrap() {}
    assert_eq!(rig.deliver().await, 1);
    assert_eq!((receiver.got().len(), receiver.ids().len()), (3, 2));
    assert_eq!(rig.endpoint(endpoint.id).await.resume_from, [], "there is no gap any more");
}

/// Twelve attempts over about three days; and what was given up can be asked for again.
#[tokio::test]
async fn what_fails_for_three_days_is_given_up_and_can_be_sent_again() {
    let rig = Rig::new().await;
    let receiver = Receiver::answering([Reply::Status(500)]).await;
    let endpoint = rig.register(&receiver, SOLD).await;
    rig.sell(1).await;
    let mut attempts = rig.deliver().await;
    while rig.deliveries(&endpoint, Some(DeliveryState::Dead)).await.is_empty() {
        // Others succeed meanwhile, so the endpoint is not paused.
        receiver.now_answers(Reply::Status(200));
        ping(&rig.pool, endpoint.id, Machine.new_id(), rig.clock.now()).await.unwrap();
        assert_eq!(rig.send_due().await, 1);
        receiver.now_answers(Reply::Status(500));
        rig.later(TimeDelta::hours(27));
        attempts += rig.send_due().await;
        assert!(attempts < 20, "it ends");
    }
    assert_eq!(attempts, 12);
    receiver.now_answers(Reply::Status(200));
    rig.later(TimeDelta::hours(27));
    assert_eq!(rig.send_due().await, 0);
    let dead = rig.deliveries(&endpoint, Some(DeliveryState::Dead)).await.remove(0);
    redeliver(&rig.pool, endpoint.id, dead.delivery_id, rig.clock.now()).await.unwrap();
    assert_eq!(rig.send_due().await, 1);
    let sold: Vec<_> = receiver.got().into_iter().filter(|got| got.kind() != "webhook.ping.v1").collect();
    assert_eq!(sold.len(), 13);
    assert!(sold.iter().all(|got| got.id() == sold[0].id() && got.body == sold[0].body));
    assert_eq!(rig.deliveries(&endpoint, Some(DeliveryState::Dead)).await.len(), 0);
}

#[tokio::test]
async fn an_endpoint_that_fails_for_three_days_is_paused_and_goes_on_when_it_is_enabled() {
    let rig = Rig::new().await;
    let receiver = Receiver::answering([Reply::Status(500)]).await;
    let endpoint = rig.register(&receiver, SOLD).await;
    rig.sell(3).await;
    rig.deliver().await;
    rig.later(TimeDelta::hours(71));
    rig.send_due().await;
    assert_eq!(rig.endpoint(endpoint.id).await.state, EndpointState::Active);
    rig.later(TimeDelta::hours(2));
    rig.send_due().await;
    let paused = rig.endpoint(endpoint.id).await;
    assert_eq!((paused.state, paused.stopped_reason.as_deref()), (EndpointState::Paused, Some("failing")));
    let got = receiver.got().len();
    rig.later(TimeDelta::hours(5));
    rig.sell(1).await;
    assert_eq!((rig.deliver().await, receiver.got().len()), (0, got), "nothing is sent to it");

    receiver.now_answers(Reply::Status(200));
    assert_eq!(enable(&rig.pool, endpoint.id).await.unwrap().state, EndpointState::Active);
    assert_eq!(rig.deliver().await, 3, "what was owed is owed still");
}

/// An event that cannot be understood any more waits until it can, and takes no other with it, nor the endpoint.
#[tokio::test]
async fn an_event_that_cannot_be_read_loses_no_other() {
    let rig = Rig::new().await;
    let receiver = Receiver::good().await;
    let endpoint = rig.register(&receiver, SOLD).await;
    rig.sell(3).await;
    rig.queue().await;
    let change = "UPDATE events SET event_type = 'SeatsTeleported' WHERE position = (
                      SELECT max(position) FROM events WHERE event_type = 'SeatsReserved')";
    assert_eq!(sqlx::query(change).execute(&rig.pool).await.unwrap().rows_affected(), 1);
    assert_eq!(rig.send_due().await, 3);
    assert_eq!(receiver.ids().len(), 2);
    let pending = rig.deliveries(&endpoint, Some(DeliveryState::Pending)).await;
    assert_eq!(pending[0].log[0].error.as_deref(), Some("unreadable"));
    for _ in 0..15 {
        rig.later(TimeDelta::hours(10));
        assert_eq!(rig.send_due().await, 1);
    }
    assert_eq!(
        rig.endpoint(endpoint.id).await.state,
        EndpointState::Active,
        "it is not the receiver's fault"
    );
    let change = "UPDATE events SET event_type = 'SeatsReserved' WHERE event_type = 'SeatsTeleported'";
    sqlx::query(change).execute(&rig.pool).await.unwrap();
    rig.later(TimeDelta::minutes(11));
    assert_eq!((rig.send_due().await, receiver.ids().len()), (1, 3));
}
