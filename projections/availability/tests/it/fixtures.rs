//! Events in, rows out: `fixtures/*.json`, however the log is cut into batches.

use holdfast_availability::Availability;
use holdfast_projector::testing::Fixture;
use holdfast_testkit::database;
use std::path::Path;

#[tokio::test]
async fn every_fixture_gives_its_rows_in_batches_of_any_size() {
    let fixtures = Fixture::all(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures")));
    assert!(fixtures.len() >= 3, "the fixtures are gone");
    for (name, fixture) in fixtures {
        for batch in 1..=fixture.len() {
            println!("{name}, batches of {batch}");
            fixture.check::<Availability>(&database().await.pool(), batch).await;
        }
    }
}
