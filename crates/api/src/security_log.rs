//! The security log: who was refused, who failed to sign in, and what changed of accounts, webhooks and keys.
//!
//! Guarantees
//! - One entry is one `tracing` event of the target [`SECURITY_TARGET`]; the executable writes each as a line of JSON.
//! - Fields: `kind`, `operation` (method and route), `actor` (the account of the token), `account` (the one that is
//!   signed in to), `client` (an address), `on` (the id of what is changed), `code`, `class`, `left_out`. Never an e-mail address, a
//!   password, a token, or anything else from a body.
//! - Refusals and failures are sampled by kind and client (`sample`), so that a flood of them does not flood the log. Changes
//!   are never left out: the limits of their class bound them.
//!
//! Not here: where the lines go (the executable), and what admins did as rows (`admin_actions`).

mod sample;

use crate::{
    auth::Tokens,
    extract::{Peer, client_address, token},
    limits::Class,
    operations::Operation,
    problem::Code,
};
use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    response::Response,
};
use holdfast_ambient::Ambient;
use holdfast_domain::UserId;
use sample::Samples;
use std::{net::IpAddr, sync::Arc};
use tracing::info;
use uuid::Uuid;

/// The target of every entry.
pub const SECURITY_TARGET: &str = "holdfast::security";
/// The other header of a token.
const X_ACCESS_TOKEN: HeaderName = HeaderName::from_static("x-access-token");

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    SignInFailed,
    SignInRefused,
    PasswordWrong,
    Forbidden,
    LimitRefused,
    RoleChanged,
    PasswordChanged,
    AccountDeleted,
    WebhookChanged,
    KeyChanged,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::SignInFailed => "sign_in_failed",
            Self::SignInRefused => "sign_in_refused",
            Self::PasswordWrong => "password_wrong",
            Self::Forbidden => "forbidden",
            Self::LimitRefused => "limit_refused",
            Self::RoleChanged => "role_changed",
            Self::PasswordChanged => "password_changed",
            Self::AccountDeleted => "account_deleted",
            Self::WebhookChanged => "webhook_changed",
            Self::KeyChanged => "key_changed",
        }
    }

    /// What a successful request of an operation changes that belongs here.
    pub(crate) fn of_change(method: &Method, path: &str) -> Option<Self> {
        if method == Method::GET {
            return None;
        }
        match path {
            "/v1/users/{id}/role" => Some(Self::RoleChanged),
            "/v1/users/me/password" => Some(Self::PasswordChanged),
            "/v1/users/me" if method == Method::DELETE => Some(Self::AccountDeleted),
            path if path.starts_with("/v1/webhook-endpoints") => Some(Self::WebhookChanged),
            path if path.starts_with("/v1/api-keys") => Some(Self::KeyChanged),
            _ => None,
        }
    }
}

/// What an entry says. Nothing in it comes from a body.
#[derive(Clone, Copy, Debug, Default)]
struct Entry<'a> {
    operation: &'a str,
    actor: Option<UserId>,
    account: Option<UserId>,
    client: Option<IpAddr>,
    on: Option<Uuid>,
    code: Option<&'static str>,
    class: Option<&'static str>,
}

/// Who asks, kept until the answer: the address, and the headers that a token may be in.
#[derive(Debug, Default)]
pub(crate) struct Asker {
    client: Option<IpAddr>,
    authorization: Option<HeaderValue>,
    access_token: Option<HeaderValue>,
    on: Option<Uuid>,
}

/// See the module.
pub(crate) struct SecurityLog {
    ambient: Arc<dyn Ambient>,
    tokens: Arc<Tokens>,
    trust_forwarded_for: bool,
    samples: Samples,
}

impl SecurityLog {
    pub(crate) fn new(ambient: Arc<dyn Ambient>, tokens: Arc<Tokens>, trust_forwarded_for: bool) -> Self {
        Self { ambient, tokens, trust_forwarded_for, samples: Samples::default() }
    }

    /// Who asks. Cheap: it is made for every request.
    pub(crate) fn asker(&self, operation: &Operation, request: &Request) -> Asker {
        let headers = request.headers();
        let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
        Asker {
            client: client_address(headers, peer, self.trust_forwarded_for),
            authorization: headers.get(header::AUTHORIZATION).cloned(),
            access_token: headers.get(X_ACCESS_TOKEN).cloned(),
            on: operation.changes.and_then(|_| last_id(request.uri().path())),
        }
    }

    /// Looks at an answer that a handler gave: a 403, or a change that was made.
    pub(crate) fn answered(&self, operation: &Operation, asker: &Asker, response: &Response) {
        let kind = match (response.status(), operation.changes) {
            (StatusCode::FORBIDDEN, _) if code_of(response) == Some(Code::WrongPassword) => {
                Kind::PasswordWrong
            }
            (StatusCode::FORBIDDEN, _) => Kind::Forbidden,
            (status, Some(kind)) if status.is_success() => kind,
            _ => return,
        };
        let made = || response.headers().get(header::LOCATION)?.to_str().ok().and_then(last_id);
        let code = code_of(response).map(Code::as_str);
        self.write(kind, Entry { on: asker.on.or_else(made), code, ..self.entry(operation, asker) });
    }

    /// A request that a limit has refused.
    pub(crate) fn limit_refused(&self, operation: &Operation, class: Class, asker: &Asker) {
        let class = Some(class.as_str());
        self.write(Kind::LimitRefused, Entry { class, ..self.entry(operation, asker) });
    }

    /// A sign-in with a wrong password, or to an address without an account.
    pub(crate) fn sign_in_failed(&self, account: Option<UserId>, client: Option<IpAddr>) {
        self.write(Kind::SignInFailed, Entry { operation: "sign_in", account, client, ..Entry::default() });
    }

    /// A sign-in that was not looked at: too many failed before.
    pub(crate) fn sign_in_refused(&self, client: Option<IpAddr>) {
        self.write(Kind::SignInRefused, Entry { operation: "sign_in", client, ..Entry::default() });
    }

    fn entry<'a>(&self, operation: &'a Operation, asker: &Asker) -> Entry<'a> {
        Entry {
            operation: &operation.name,
            actor: self.actor(asker),
            client: asker.client,
            ..Entry::default()
        }
    }

    /// The account that the token names, if the token is ours; not whether it still exists.
    fn actor(&self, asker: &Asker) -> Option<UserId> {
        let named = [(header::AUTHORIZATION, &asker.authorization), (X_ACCESS_TOKEN, &asker.access_token)];
        let headers: HeaderMap =
            named.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect();
        let session = self.tokens.check(token(&headers)?, self.ambient.now()).ok()?;
        Some(session.user_id)
    }

    fn write(&self, kind: Kind, entry: Entry<'_>) {
        let Some(left_out) = self.samples.admit(kind, entry.client, self.ambient.elapsed()) else { return };
        info!(
            target: SECURITY_TARGET,
            kind = kind.as_str(),
            operation = entry.operation,
            actor = entry.actor.map(|user| display(user.0)),
            account = entry.account.map(|user| display(user.0)),
            client = entry.client.map(display),
            on = entry.on.map(display),
            code = entry.code,
            class = entry.class,
            left_out = (left_out > 0).then_some(left_out),
            "security: {}",
            kind.as_str()
        );
    }
}

/// The stable word of an answer of the native API.
pub(crate) fn code_of(response: &Response) -> Option<Code> {
    response.extensions().get::<Code>().copied()
}

/// The last id in a path.
pub(crate) fn last_id(path: &str) -> Option<Uuid> {
    path.rsplit('/').find_map(|part| Uuid::try_parse(part).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_id_of_a_path_is_what_is_changed() {
        let id = Uuid::from_u128(7);
        assert_eq!(last_id(&format!("/v1/users/{id}/role")), Some(id));
        assert_eq!(last_id(&format!("/v1/x/{}/deliveries/{id}/redeliver", Uuid::nil())), Some(id));
        assert_eq!(last_id("/v1/users/me"), None);
    }

    #[test]
    fn changes_of_accounts_webhooks_and_keys_have_a_kind_and_reads_have_none() {
        let of = |method: Method, path| Kind::of_change(&method, path);
        assert_eq!(of(Method::PUT, "/v1/users/{id}/role"), Some(Kind::RoleChanged));
        assert_eq!(of(Method::DELETE, "/v1/webhook-endpoints/{id}"), Some(Kind::WebhookChanged));
        assert_eq!(of(Method::POST, "/v1/api-keys"), Some(Kind::KeyChanged));
        assert_eq!(of(Method::GET, "/v1/webhook-endpoints"), None);
        assert_eq!(of(Method::POST, "/v1/bookings"), None);
    }
}
