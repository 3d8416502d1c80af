//! The topic is the log.

use crate::rig::{PARTITIONS, Rig};

#[tokio::test]
async fn every_event_is_in_the_topic_once_in_order_and_byte_for_byte() {
    let mut rig = Rig::new().await;
    rig.append(700).await;
    let mut relay = rig.relay();
    assert_eq!(rig.send_all(&mut relay).await, 2_800);
    rig.append(3).await;
    assert_eq!(rig.send_all(&mut relay).await, 12);
    let report = rig.verified().await;
    assert_eq!((report.found, report.again), (0, 0), "{report:?}");
    assert_eq!((report.records, report.events), (2_812, 2_812));
}

/// A relay keeps no file of its own: where it goes on is what the topic has.
#[tokio::test]
async fn a_relay_goes_on_after_what_the_last_one_sent() {
    let mut rig = Rig::new().await;
    for round in 1..=3 {
        rig.append(round).await;
        // It ends without a word, as a kill ends it, and its lease is still good.
        let mut relay = rig.relay();
        let mut successor = rig.relay();
        rig.send_all(&mut relay).await;
        drop(relay);
        sqlx::query("UPDATE relays SET lease_until = now()").execute(&rig.pool).await.unwrap();
        assert_eq!(rig.send_all(&mut successor).await, 0, "nothing is left, and nothing is sent again");
        sqlx::query("UPDATE relays SET lease_until = now()").execute(&rig.pool).await.unwrap();
    }
    let report = rig.verified().await;
    assert_eq!((report.found, report.again, report.events), (0, 0, 6 * u64::from(PARTITIONS)), "{report:?}");
}

#[tokio::test]
async fn an_event_of_a_megabyte_gets_through() {
    let mut rig = Rig::new().await;
    rig.append_large(1_000_000).await;
    rig.append(1).await;
    let mut relay = rig.relay();
    assert_eq!(rig.send_all(&mut relay).await, 1 + usize::from(PARTITIONS));
    assert_eq!(rig.verified().await.found, 0);
}

/// What verify finds: without it, `found == 0` above would prove nothing.
#[tokio::test]
async fn a_topic_that_is_behind_or_another_is_found() {
    let mut rig = Rig::new().await;
    rig.append(2).await;
    let mut relay = rig.relay();
    rig.send_all(&mut relay).await;
    rig.append(1).await;
    let behind = rig.verified().await;
    assert_eq!(behind.found, u64::from(PARTITIONS), "{behind:?}");
    assert!(behind.findings[0].contains("the relay is behind"), "{behind:?}");
    rig.send_all(&mut relay).await;
    let change = "UPDATE events SET payload = '{\"type\":\"SalesClosed\", \"x\":1}' WHERE log_partition = 1 AND position = 2";
    sqlx::query(change).execute(&rig.pool).await.unwrap();
    let other = rig.verified().await;
    assert!(other.found == 1 && other.findings[0].contains("is not the log's event at 1-2"), "{other:?}");
}
