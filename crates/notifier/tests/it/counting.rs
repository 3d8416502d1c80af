//! What a notifier counts, and what never becomes a label.

use crate::{
    receiver::{Receiver, Reply},
    rig::Rig,
};
use chrono::TimeDelta;
use holdfast_ambient::Ambient;
use holdfast_notifier::{EventKind, upkeep};
use metrics_exporter_prometheus::PrometheusBuilder;

/// On one thread, because the recorder is that thread's.
#[tokio::test(flavor = "current_thread")]
async fn outcomes_are_counted_and_no_url_is_a_label() {
    let rig = Rig::new().await;
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let receiver = Receiver::answering([Reply::Status(500), Reply::Status(200)]).await;
    let endpoint = rig.register(&receiver, &[EventKind::BookingConfirmed]).await;
    rig.sell(1).await;
    rig.deliver().await;
    rig.later(TimeDelta::seconds(3));
    rig.sell(1).await;
    rig.queue().await;
    rig.later(TimeDelta::minutes(1));
    let found = upkeep(&rig.pool, rig.clock.now(), 1_000).await.unwrap();
    assert_eq!((found.pending, found.oldest_pending_seconds), (2, 60));
    rig.send_due().await;
    upkeep(&rig.pool, rig.clock.now(), 1_000).await.unwrap();
    let text = handle.render();
    for line in [
        r#"holdfast_webhook_deliveries_total{outcome="again"} 1"#,
        r#"holdfast_webhook_deliveries_total{outcome="delivered"} 2"#,
        "holdfast_webhook_pending 0",
        "holdfast_webhook_oldest_pending_seconds 0",
        "holdfast_webhook_attempt_seconds_count 3",
    ] {
        assert!(text.lines().any(|given| given == line), "{line} is not in {text}");
    }
    assert!(!text.contains("127.0.0.1") && !text.contains(&endpoint.id.to_string()), "{text}");
}
