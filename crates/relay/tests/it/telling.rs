//! What a relay tells others about the topic.

use crate::rig::{PATIENCE, Rig};
use holdfast_relay::relay_leases;
use holdfast_testkit::eventually;
use tokio_util::sync::CancellationToken;

impl Rig {
    async fn told(&self) -> Vec<i64> {
        let told = "SELECT position FROM topic_positions ORDER BY log_partition";
        sqlx::query_scalar(told).fetch_all(&self.pool).await.unwrap()
    }

    async fn run_until_told(&self, positions: &[i64]) {
        let (relay, stop) = (self.relay(), CancellationToken::new());
        let running = tokio::spawn(relay.run(None, stop.clone()));
        eventually(PATIENCE, "it is told how far the topic is", async || self.told().await == positions)
            .await;
        let [lease] = &relay_leases(&self.pool).await.unwrap()[..] else { panic!("one relay") };
        assert!(lease.lease_seconds > 0.0 && lease.partitions == 4, "{lease:?}");
        stop.cancel();
        running.await.unwrap().unwrap();
        assert_eq!(relay_leases(&self.pool).await.unwrap(), []);
    }
}

/// Nothing is left out because of what stands there, and what stands there is put right.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_told_is_where_the_topic_ends_and_decides_nothing() {
    let mut rig = Rig::new().await;
    rig.run_until_told(&[0; 4]).await;
    rig.append(30).await;
    rig.run_until_told(&[30; 4]).await;
    rig.append(5).await;
    sqlx::query("UPDATE topic_positions SET position = 1000").execute(&rig.pool).await.unwrap();
    rig.run_until_told(&[35; 4]).await;
    let report = rig.verified().await;
    assert_eq!((report.found, report.events), (0, 140), "{report:?}");
}

/// A table that nothing depends on must not keep anything from being sent.
#[tokio::test]
async fn a_relay_that_cannot_tell_sends_all_the_same() {
    let mut rig = Rig::new().await;
    sqlx::query("DROP TABLE topic_positions").execute(&rig.pool).await.unwrap();
    rig.append(10).await;
    assert_eq!(rig.send_all(&mut rig.relay()).await, 40);
    assert_eq!(rig.verified().await.found, 0);
}
