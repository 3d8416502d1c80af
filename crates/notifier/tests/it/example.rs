//! The receiver that we show to others does what it says.

use crate::rig::{Rig, config};
use holdfast_ambient::{Ambient as _, Machine};
use holdfast_notifier::{Deliverer, DeliveryState, EventKind, NewEndpoint, create, redeliver};
use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::Arc,
};

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// A free port, taken before the secret is known, which depends on the endpoint and not on its URL.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_receiver_verifies_and_drops_what_comes_twice() {
    let (rig, folder) = (Rig::new().await, tempfile::tempdir().unwrap());
    let port = free_port();
    let new = NewEndpoint {
        endpoint_id: Machine.new_id(),
        url: format!("http://127.0.0.1:{port}/"),
        event_types: vec![EventKind::BookingConfirmed],
    };
    let (endpoint, secret, _) = create(&rig.pool, &rig.key, &new, Machine.now()).await.unwrap();
    let receiver = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/receiver.py");
    let child = Command::new("python3")
        .args([receiver, folder.path().join("seen.db").to_str().unwrap(), &port.to_string()])
        .env("WEBHOOK_SECRET", secret.tell())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 runs");
    let mut running = Running(child);
    let mut said = BufReader::new(running.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(said.next().unwrap(), format!("listening {port}"));

    // The receiver looks at the machine's clock, so the sender does too.
    let deliverer = |key| Deliverer::new(rig.pool.clone(), Arc::new(Machine), key, config()).unwrap();
    rig.sell(1).await;
    rig.queue().await;
    assert_eq!(deliverer(rig.key.clone()).run_once().await.unwrap(), 1);
    let delivered = async || {
        let all =
            holdfast_notifier::deliveries(&rig.pool, endpoint.endpoint_id, None, None, 9).await.unwrap();
        all.into_iter().next().unwrap()
    };
    let delivery = delivered().await;
    assert_eq!(delivery.state, DeliveryState::Delivered);
    assert_eq!(said.next().unwrap(), format!("received {} booking.confirmed.v1", delivery.event_id));

    redeliver(&rig.pool, endpoint.endpoint_id, delivery.delivery_id, Machine.now()).await.unwrap();
    assert_eq!(deliverer(rig.key.clone()).run_once().await.unwrap(), 1);
    assert_eq!(said.next().unwrap(), format!("duplicate {}", delivery.event_id));

    // What was recorded an hour ago, and what somebody else signed, is not believed.
    let old = holdfast_ambient::StoppedClock::at(Machine.now() - chrono::TimeDelta::hours(1));
    redeliver(&rig.pool, endpoint.endpoint_id, delivery.delivery_id, old.now()).await.unwrap();
    let late = Deliverer::new(rig.pool.clone(), Arc::new(old), rig.key.clone(), config()).unwrap();
    assert_eq!(late.run_once().await.unwrap(), 1);
    assert_eq!(said.next().unwrap(), "not genuine");
    let forged = reqwest::Client::new()
        .post(&new.url)
        .header("webhook-id", "evt")
        .header("webhook-timestamp", Machine.now().timestamp())
        .header("webhook-signature", "v1,AAAA v1,")
        .body("{}");
    assert_eq!(forged.send().await.unwrap().status(), 401);
    assert_eq!(said.next().unwrap(), "not genuine");
}
