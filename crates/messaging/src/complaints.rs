//! What Kafka's client says beside its answers: why no broker lets it in.
//!
//! A question that fails says only that no broker was there to ask. The reason (a certificate that nobody has signed, a
//! password that is wrong) comes as an event of its own, and would be in nobody's error otherwise.
//! Guarantee: the text is the client's, and holds no setting.

use rdkafka::{
    ClientContext,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode},
};
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Errors that are looked at after a question has failed: each try to connect leaves a few.
const ERRORS_MAX: usize = 1_000;
/// How long the next of them may take. They are there already; between them are lines of log, and a poll that may take no
/// time ends at the first of those.
const NEXT_MAX: Duration = Duration::from_millis(50);

/// Keeps the last reason why a broker did not let us in.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    not_let_in: Mutex<Option<String>>,
}

impl ClientContext for Complaints {
    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        let not_let_in = matches!(
            code,
            Some(
                RDKafkaErrorCode::Authentication
                    | RDKafkaErrorCode::SaslAuthenticationFailed
                    | RDKafkaErrorCode::SSL
            )
        );
        if not_let_in {
            *self.not_let_in.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
        }
    }
}

impl ConsumerContext for Complaints {}

/// Why no broker has let this client in, if that is why a question of it failed.
pub(crate) fn why_not_let_in(client: &BaseConsumer<Complaints>) -> Option<String> {
    for _ in 0..ERRORS_MAX {
        if client.poll(NEXT_MAX).is_none() {
            break;
        }
    }
    client.context().not_let_in.lock().unwrap_or_else(PoisonError::into_inner).take()
}
