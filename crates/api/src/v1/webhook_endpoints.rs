//! Webhook endpoints: who is told what happens. For admins only.
//!
//! What is said here is done by the notifier, which may run elsewhere: an answer says what is owed, not what was sent.

mod create;
mod delete;
mod deliveries;
mod enable;
mod get;
mod list;
mod ping;
mod redeliver;
mod replay;
mod rotate_secret;

pub(crate) use create::{__path_create_endpoint, create_endpoint};
pub(crate) use delete::{__path_delete_endpoint, delete_endpoint};
pub(crate) use deliveries::{__path_list_deliveries, list_deliveries};
pub(crate) use enable::{__path_enable_endpoint, enable_endpoint};
pub(crate) use get::{__path_get_endpoint, get_endpoint};
pub(crate) use list::{__path_list_endpoints, list_endpoints};
pub(crate) use ping::{__path_ping_endpoint, ping_endpoint};
pub(crate) use redeliver::{__path_redeliver, redeliver};
pub(crate) use replay::{__path_replay_events, replay_events};
pub(crate) use rotate_secret::{__path_rotate_secret, rotate_secret};

use crate::problem::{Code, FieldError, Problem, StoreError};
use chrono::{DateTime, Utc};
use holdfast_notifier::{Attempt, Delivery, Endpoint, EndpointError, ReplayError, Secret};
use serde::Serialize;
use tracing::{error, warn};
use utoipa::ToSchema;
use uuid::Uuid;

/// A webhook endpoint.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookEndpoint)]
pub(crate) struct EndpointView {
    /// Names it for ever.
    id: Uuid,
    /// Where webhooks are sent to.
    #[schema(example = "https://example.com/webhooks")]
    url: String,
    /// Which events are sent.
    #[schema(example = json!(["booking.confirmed.v1"]))]
    event_types: Vec<String>,
    /// `active`, `full` (too much waits for it: that is sent, and nothing more is queued until half of it is), `paused` (it
    /// failed for three days) or `disabled` (it answered 410).
    #[schema(example = "active")]
    state: &'static str,
    /// Why it is not active: `queue_full`, `failing` or `gone`. It stays when the endpoint is active again.
    stopped_reason: Option<String>,
    /// Since when it is not, or was not the last time.
    stopped_at: Option<DateTime<Utc>>,
    /// Then: the first event of each log partition that was not queued, and that no replay has begun with or before. A replay
    /// can begin with these.
    #[schema(example = json!([]))]
    resume_from: Vec<String>,
    /// The first failure after the last success.
    failing_since: Option<DateTime<Utc>>,
    /// When its secret was rotated last; the one before signs too for 24 hours.
    secret_rotated_at: Option<DateTime<Utc>>,
    /// Since when it exists: it is owed what happened after that.
    created_at: DateTime<Utc>,
}

/// A webhook endpoint with its secret. No `Debug`: it must not get into a log.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookEndpointWithSecret)]
pub(crate) struct EndpointWithSecret {
    #[serde(flatten)]
    endpoint: EndpointView,
    /// What webhooks are signed with: base64 after `whsec_`.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=")]
    secret: String,
}

/// An event that is, or was, owed to an endpoint.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookDelivery)]
pub(crate) struct DeliveryView {
    /// Names it.
    id: Uuid,
    /// The event's id, and the webhook's `id`.
    event_id: Uuid,
    /// What happened.
    #[schema(example = "booking.confirmed.v1")]
    event_type: String,
    /// Where the event stands in the log; null: a ping.
    #[schema(example = "7-1234")]
    position: Option<String>,
    /// When it happened.
    recorded_at: DateTime<Utc>,
    /// `pending`, `delivered` or `dead` (given up).
    #[schema(example = "delivered")]
    state: &'static str,
    /// Attempts since it was last asked for.
    attempts_made: u32,
    /// When it is tried next; null: it is not.
    next_attempt_at: Option<DateTime<Utc>>,
    /// When it was delivered or given up.
    ended_at: Option<DateTime<Utc>>,
    /// The latest attempts, the oldest first; kept for 30 days.
    attempts: Vec<AttemptView>,
}

/// One attempt.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookAttempt)]
pub(crate) struct AttemptView {
    /// When.
    attempted_at: DateTime<Utc>,
    /// The status of the answer; null: there was none.
    #[schema(example = 200)]
    status: Option<u16>,
    /// Why there was none: `timeout`, `connect`, `broken`, `name`, `private_address`, `url`; `unreadable` and `other_key` are
    /// our own, and do not count.
    error: Option<String>,
    /// How long it took.
    milliseconds: u32,
}

impl From<Endpoint> for EndpointView {
    fn from(endpoint: Endpoint) -> Self {
        Self {
            id: endpoint.endpoint_id,
            url: endpoint.url,
            event_types: endpoint.event_types,
            state: endpoint.state.as_str(),
            stopped_reason: endpoint.stopped_reason,
            stopped_at: endpoint.stopped_at,
            resume_from: endpoint.resume_from.iter().map(ToString::to_string).collect(),
            failing_since: endpoint.failing_since,
            secret_rotated_at: endpoint.secret_rotated_at,
            created_at: endpoint.created_at,
        }
    }
}

impl EndpointWithSecret {
    fn of(endpoint: Endpoint, secret: &Secret) -> Self {
        Self { endpoint: endpoint.into(), secret: secret.tell() }
    }
}

impl From<Delivery> for DeliveryView {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.delivery_id,
            event_id: delivery.event_id,
            event_type: delivery.event_type,
            position: delivery.at.map(|at| at.to_string()),
            recorded_at: delivery.recorded_at,
            state: delivery.state.as_str(),
            attempts_made: delivery.attempts,
            next_attempt_at: delivery.next_attempt_at,
            ended_at: delivery.ended_at,
            attempts: delivery.log.into_iter().map(AttemptView::from).collect(),
        }
    }
}

impl From<Attempt> for AttemptView {
    fn from(attempt: Attempt) -> Self {
        let Attempt { attempted_at, status, error, milliseconds } = attempt;
        Self { attempted_at, status, error, milliseconds }
    }
}

impl From<EndpointError> for Problem {
    fn from(error: EndpointError) -> Self {
        let detail = error.to_string();
        match error {
            EndpointError::TooMany => Self::new(Code::TooManyWebhookEndpoints, detail),
            EndpointError::Differs => Self::new(
                Code::IdempotencyKeyReused,
                "this key made an endpoint of another request, or one that was deleted or has another secret by now",
            ),
            EndpointError::Unknown => Self::not_found(),
            EndpointError::Notifier(failure) if failure.is_transient() => {
                warn!(
                    error = &failure as &dyn std::error::Error,
                    "the notifier's checkpoints cannot be reached"
                );
                Self::new(Code::StoreUnavailable, "nothing was done; try again after a second")
            }
            EndpointError::Notifier(failure) => {
                error!(
                    error = &failure as &dyn std::error::Error,
                    "the notifier's checkpoints do not fit this log"
                );
                Self::internal()
            }
            EndpointError::Database(error) => StoreError::Database(error).into(),
        }
    }
}

impl From<ReplayError> for Problem {
    fn from(error: ReplayError) -> Self {
        let detail = error.to_string();
        match error {
            ReplayError::Endpoint(error) => error.into(),
            ReplayError::Running => Self::new(Code::ReplayRunning, detail),
            ReplayError::Position { .. } => {
                Self::invalid(vec![FieldError { pointer: "/from_positions".to_owned(), detail }])
            }
        }
    }
}
