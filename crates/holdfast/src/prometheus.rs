//! What this process counts, for Prometheus; servers and workers share it.

use anyhow::Context as _;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use std::time::Duration;

/// How often old samples of the histograms are folded away.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// How many events share an append: the batch is as large as the load makes it.
const APPEND_EVENTS_BUCKETS: [f64; 8] = [1.0, 2.0, 5.0, 10.0, 50.0, 100.0, 500.0, 2000.0];

/// Counts from here on. Whoever made a handle before counts into nothing.
pub(crate) fn install() -> anyhow::Result<PrometheusHandle> {
    let handle = recorder().context("the metrics recorder could not be installed")?;
    holdfast_projector::describe_flow();
    Ok(handle)
}

/// Every duration gets buckets, in seconds, so that quantiles can be added up over processes.
fn recorder() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(
            Matcher::Suffix("_seconds".to_owned()),
            holdfast_api::metrics::REQUEST_SECONDS_BUCKETS,
        )?
        .set_buckets_for_metric(Matcher::Full("holdfast_append_events".to_owned()), &APPEND_EVENTS_BUCKETS)?
        .install_recorder()
}

/// Folds old samples away, for ever.
pub(crate) async fn keep_up(prometheus: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP_EVERY).await;
        prometheus.run_upkeep();
    }
}
