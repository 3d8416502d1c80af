//! From a request to a command: its name, its fingerprint, and where it came from.
//!
//! The name is computed from who asks, what for, and the client's key. So the same key of another
//! principal or for another route is another command, and sending a request again names the same one.

use crate::{
    auth::Principal,
    extract::{IdempotencyKey, Trace},
    state::Api,
};
use holdfast_domain::{InventoryCommand, InventoryId, UserId};
use holdfast_writer::Ask;
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Namespace of command ids that are computed from a client's key. Frozen: with another one, a request
/// sent again after an update would be another command.
const COMMANDS: Uuid = Uuid::from_u128(0x8c1f_0a52_6f0e_4b6d_9d0b_2f5c_3f1e_7a90);
/// Bytes of metadata that a typical command has: saves growing the text.
const METADATA_BYTES: usize = 256;

/// Who sends a command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Actor {
    /// What it is: a role, or the system it speaks for.
    pub(crate) kind: &'static str,
    /// Which.
    pub(crate) user_id: UserId,
}

impl From<Principal> for Actor {
    fn from(principal: Principal) -> Self {
        Self { kind: principal.role.as_str(), user_id: principal.user_id }
    }
}

/// A command's name and the fingerprint of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CommandName {
    /// Names the command for ever.
    pub(crate) command_id: Uuid,
    /// The same for the same request, whatever its blanks and the order of its fields.
    pub(crate) fingerprint: Uuid,
    /// The client chose it.
    keyed: bool,
}

impl CommandName {
    /// The name of what `actor` asks under `key`. `route` is method and path template, `target` the
    /// id in the path (nil if there is none), `request` the body as it was understood.
    pub(crate) fn keyed(
        actor: Actor,
        route: &'static str,
        target: Uuid,
        key: &IdempotencyKey,
        request: &impl Serialize,
    ) -> Self {
        let mut name = Vec::with_capacity(16 + route.len() + 1 + key.bytes().len());
        name.extend_from_slice(actor.user_id.0.as_bytes());
        name.extend_from_slice(route.as_bytes());
        name.push(0);
        name.extend_from_slice(key.bytes());
        let mut hash = Sha256::new();
        hash.update(route);
        hash.update(target);
        // Writing into a hash cannot fail; were it to, the fingerprint would be another, and safe.
        let _ = serde_json::to_writer(&mut hash, request);
        let hash: [u8; 32] = hash.finalize().into();
        let first = hash.first_chunk().copied().unwrap_or_default();
        Self { command_id: Uuid::new_v5(&COMMANDS, &name), fingerprint: Uuid::from_bytes(first), keyed: true }
    }

    /// The name of something that is asked once, without a key.
    pub(crate) fn once(id: Uuid) -> Self {
        Self { command_id: id, fingerprint: id, keyed: false }
    }

    /// The name of what is asked with a key or without.
    pub(crate) fn of(
        api: &Api,
        actor: Actor,
        route: &'static str,
        target: Uuid,
        key: Option<&IdempotencyKey>,
        request: &impl Serialize,
    ) -> Self {
        match key {
            Some(key) => Self::keyed(actor, route, target, key, request),
            None => Self::once(api.ambient.new_id()),
        }
    }

    /// The name, for the catalogue.
    pub(crate) fn for_catalogue(self) -> holdfast_catalogue::Command {
        holdfast_catalogue::Command { command_id: self.command_id, fingerprint: self.fingerprint }
    }

    /// Whether the client chose it, and may ask again with it.
    pub(crate) fn is_keyed(self) -> bool {
        self.keyed
    }

    /// The command, ready for the writer.
    pub(crate) fn ask(
        self,
        actor: Actor,
        trace: &Trace,
        inventory_id: InventoryId,
        command: InventoryCommand,
    ) -> Ask {
        let Self { command_id, fingerprint, keyed } = self;
        Ask { command_id, fingerprint, keyed, inventory_id, command, metadata: metadata(actor, trace) }
    }
}

/// Who asked, in which request. Ids only, never personal data. What caused the event is its command,
/// which has a column of its own.
#[derive(Serialize)]
struct Metadata<'a> {
    actor: &'a str,
    correlation_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
}

fn metadata(actor: Actor, trace: &Trace) -> String {
    let mut id = Uuid::encode_buffer();
    let mut name = String::with_capacity(48);
    name.push_str(actor.kind);
    name.push(':');
    name.push_str(actor.user_id.0.hyphenated().encode_lower(&mut id));
    let metadata =
        Metadata { actor: &name, correlation_id: trace.request_id(), traceparent: trace.traceparent() };
    let mut json = Vec::with_capacity(METADATA_BYTES);
    let written = serde_json::to_writer(&mut json, &metadata);
    written.ok().and_then(|()| String::from_utf8(json).ok()).unwrap_or_else(|| "{}".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{extract::FromRequestParts, http::Request};
    use futures::FutureExt;
    use serde_json::{Value, json};

    fn parts(headers: &[(&str, &str)]) -> axum::http::request::Parts {
        let request =
            headers.iter().fold(Request::builder(), |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    }

    fn key(text: &str) -> IdempotencyKey {
        let mut parts = parts(&[("idempotency-key", text)]);
        <IdempotencyKey as FromRequestParts<()>>::from_request_parts(&mut parts, &())
            .now_or_never()
            .unwrap()
            .unwrap()
    }

    /// Somebody, by an id that is in stored commands and has no form of today's.
    fn actor(number: u64) -> Actor {
        Actor { kind: "customer", user_id: UserId(Uuid::from_u64_pair(0x8000, 1 << 63 | number << 1)) }
    }

    fn name(who: u64, route: &'static str, target: u128, text: &str, request: &Value) -> CommandName {
        CommandName::keyed(actor(who), route, Uuid::from_u128(target), &key(text), request)
    }

    #[test]
    fn the_same_request_has_the_same_name_and_fingerprint_for_ever() {
        let first = name(1, "POST /v1/bookings", 0, "k", &json!({"quantity": 2}));
        assert_eq!(first, name(1, "POST /v1/bookings", 0, "k", &json!({"quantity": 2})));
        assert_eq!(first.command_id.to_string(), "66f965b5-6c62-5add-a8de-4e792a783c70");
        assert_eq!(first.fingerprint.to_string(), "26512d0b-aa85-c911-5521-782652cd55d0");
    }

    #[test]
    fn another_principal_route_or_key_is_another_command() {
        let first = name(1, "POST /v1/bookings", 0, "k", &json!({})).command_id;
        assert_ne!(first, name(2, "POST /v1/bookings", 0, "k", &json!({})).command_id);
        assert_ne!(first, name(1, "POST /v1/shows", 0, "k", &json!({})).command_id);
        assert_ne!(first, name(1, "POST /v1/bookings", 0, "l", &json!({})).command_id);
    }

    #[test]
    fn another_body_or_target_is_the_same_command_with_another_fingerprint() {
        let first = name(1, "POST /v1/bookings/{id}/cancel", 1, "k", &json!({"reason": "a"}));
        for other in [
            name(1, "POST /v1/bookings/{id}/cancel", 2, "k", &json!({"reason": "a"})),
            name(1, "POST /v1/bookings/{id}/cancel", 1, "k", &json!({"reason": "b"})),
        ] {
            assert_eq!(other.command_id, first.command_id);
            assert_ne!(other.fingerprint, first.fingerprint);
        }
    }

    #[test]
    fn metadata_names_who_asked_and_in_which_request() {
        let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let mut parts = parts(&[("x-request-id", "r\"1"), ("traceparent", traceparent)]);
        let trace = Trace::from_request_parts(&mut parts, &()).now_or_never().unwrap().unwrap();
        let metadata: Value = serde_json::from_str(&metadata(actor(1), &trace)).unwrap();
        assert_eq!(
            metadata,
            json!({
                "actor": format!("customer:{}", actor(1).user_id), "correlation_id": "r\"1",
                "traceparent": traceparent
            })
        );
    }
}
