//! How Kafka is reached: its address, and settings that go to librdkafka as they are.

use rdkafka::{ClientConfig, error::KafkaError};
use std::{fmt, time::Duration};

/// The longest pause before a broker is tried again: how late its return is noticed.
const RECONNECT_MAX_MS: &str = "500";
/// How long any single question to a broker may take.
pub(crate) const ASK_MAX: Duration = Duration::from_secs(10);

/// A Kafka cluster. Cheap to clone; nothing is connected until something is asked.
#[derive(Clone)]
pub struct Kafka {
    config: ClientConfig,
}

impl Kafka {
    /// The cluster at `brokers` (`host:port`, separated by commas). `settings` are librdkafka's own, such as
    /// `security.protocol`; what we depend on is set after them.
    ///
    /// # Errors
    /// If librdkafka does not take a setting.
    pub fn new(
        brokers: &str,
        settings: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingError> {
        let mut config = ClientConfig::new();
        for (name, value) in settings {
            config.set(name, value);
        }
        config.set("bootstrap.servers", brokers);
        config.set("client.id", "holdfast");
        config.set("reconnect.backoff.max.ms", RECONNECT_MAX_MS);
        config.set("enable.partition.eof", "false");
        match config.create_native_config() {
            Ok(_) => Ok(Self { config }),
            // What else it says may repeat the value, and that may be a password.
            Err(KafkaError::ClientConfig(_, _, name, _)) => Err(SettingError { name }),
            Err(_) => Err(SettingError { name: "…".to_owned() }),
        }
    }

    pub(crate) fn config(&self) -> ClientConfig {
        self.config.clone()
    }

    /// For a consumer that says itself what it reads. librdkafka wants a group's name all the same, and joins none.
    pub(crate) fn config_without_group(&self) -> ClientConfig {
        let mut config = self.config();
        config.set("group.id", "holdfast.none").set("enable.auto.commit", "false");
        config
    }

    /// Its address, for people.
    #[must_use]
    pub fn address(&self) -> &str {
        self.config.get("bootstrap.servers").unwrap_or_default()
    }
}

/// librdkafka does not take a setting.
#[derive(Debug, thiserror::Error)]
#[error(
    "Kafka's client does not take the setting `{name}` with the value it was given; names and values are librdkafka's"
)]
pub struct SettingError {
    /// Which.
    pub name: String,
}

/// Settings may hold a password.
impl fmt::Debug for Kafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kafka").field("address", &self.address()).finish_non_exhaustive()
    }
}
