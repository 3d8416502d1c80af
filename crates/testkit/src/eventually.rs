//! Waiting for a condition, with a deadline and a claim to print when it passes.

use std::{panic::Location, time::Duration};

use tokio::time::{Instant, sleep};

/// Pause between two questions: short beside what a test waits for, long beside what a question costs.
const PAUSE: Duration = Duration::from_millis(10);

/// Asks `condition` until it holds; panics at the caller's line if it does not within `limit`.
///
/// ```no_run
/// # async fn rows() -> usize { 3 }
/// # async fn test() {
/// use std::time::Duration;
/// holdfast_testkit::eventually(Duration::from_secs(5), "three rows arrive", async || rows().await == 3).await;
/// # }
/// ```
#[track_caller]
pub fn eventually(
    limit: Duration,
    claim: &str,
    mut condition: impl AsyncFnMut() -> bool,
) -> impl Future<Output = ()> {
    let caller = Location::caller();
    async move {
        let until = Instant::now() + limit;
        while !condition().await {
            assert!(Instant::now() < until, "{caller}: not within {limit:?}: {claim}");
            sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_asks_until_the_condition_holds() {
        let mut asked = 0;
        eventually(Duration::from_secs(5), "asked three times", async || {
            asked += 1;
            asked == 3
        })
        .await;
        assert_eq!(asked, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "not within 30ms: pigs fly")]
    async fn the_claim_is_in_the_panic() {
        eventually(Duration::from_millis(30), "pigs fly", async || false).await;
    }
}
