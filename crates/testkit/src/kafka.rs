//! The Kafka broker that all tests of this machine share: started once, adopted by later runs, stopped by `scripts/test`.

use crate::{place, server::chain};
use holdfast_ambient::Machine;
use holdfast_broker::{Broker, BrokerOptions};
use tokio::sync::OnceCell;

/// Name of its folder in Cargo's target folder; `scripts/test` stops it there.
const SHARED: &str = "testkit-kafka";

static ADDRESS: OnceCell<String> = OnceCell::const_new();

/// The address of the shared broker; starts it if nobody has yet. Each test takes topics and groups of its own.
pub async fn kafka() -> &'static str {
    let start = || async {
        let folder = place::target_folder().join(SHARED);
        let broker = Broker::start(&folder, &BrokerOptions::default(), &Machine)
            .await
            .unwrap_or_else(|error| panic!("{}; `scripts/test` sets Kafka up", chain(&error)));
        let address = broker.bootstrap();
        broker.leave_running();
        address
    };
    ADDRESS.get_or_init(start).await
}
