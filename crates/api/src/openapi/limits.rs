//! The limits in the document: what each operation is counted as, its headers, and its answer beyond a limit.

use super::rules::header;
use crate::{
    limits::{Class, Quota, RateLimits},
    problem::{Code, responses},
    routes::{Contract, Declared, Rule, operation},
};
use axum::http::StatusCode;
use serde_json::json;
use utoipa::openapi::{
    ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder, extensions::Extensions, path::Operation,
};

/// The extension that names the class of an operation.
const CLASS: &str = "x-rate-limit";
/// Where the document has the answer beyond a limit.
const BEYOND: &str = "429";

/// Adds the limits to every operation that has some.
pub(super) fn complete(document: &mut OpenApi, declared: &[Declared], limits: &RateLimits) {
    let components = document.components.get_or_insert_default();
    for contract in [Contract::Native, Contract::Airbourne, Contract::BookingMonitor] {
        let is_served =
            declared.iter().any(|declared| declared.rule.is_some_and(|rule| rule.contract == contract));
        if is_served {
            components.responses.insert(component(contract).to_owned(), beyond(contract).into());
        }
    }
    document.info.description.get_or_insert_default().push_str(&described(limits));
    for Declared { path, method, rule } in declared {
        let Some(rule) = rule else { continue };
        let item = document.paths.paths.get_mut(path);
        if let Some(operation) = item.and_then(|item| operation(item, method)) {
            declare(operation, *rule);
        }
    }
}

fn declare(operation: &mut Operation, Rule { class, contract }: Rule) {
    let class = (CLASS, class.as_str());
    operation.extensions.get_or_insert_default().merge(Extensions::from_iter([class]));
    let responses = &mut operation.responses.responses;
    for (status, response) in &mut *responses {
        if let RefOr::T(response) = response
            && (status.starts_with('2') || status == BEYOND)
        {
            add_headers(response);
        }
    }
    // Wrong passwords have one of their own, which is for both.
    let beyond = || Ref::from_response_name(component(contract)).into();
    responses.entry(BEYOND.to_owned()).or_insert_with(beyond);
}

fn add_headers(response: &mut Response) {
    let headers = [
        ("RateLimit", "What is left of the quota that is used up first; left out where nothing is limited."),
        ("RateLimit-Policy", "The quotas that the request was counted by."),
    ];
    for (name, description) in headers {
        response.headers.insert(name.to_owned(), header(description));
    }
}

fn component(contract: Contract) -> &'static str {
    match contract {
        Contract::Native => "RateLimited",
        Contract::Airbourne => "AirbourneRateLimited",
        Contract::BookingMonitor => "BookingMonitorRateLimited",
    }
}

/// The answer beyond a limit, as each contract has it.
fn beyond(contract: Contract) -> Response {
    let own = |example| {
        let content = ContentBuilder::new().example(Some(example)).build();
        let description = "Too many requests; see `Retry-After`.";
        ResponseBuilder::new().description(description).content("application/json", content).build()
    };
    let mut response = match contract {
        Contract::Native => match responses(&[Code::RateLimited]).remove(BEYOND) {
            Some(RefOr::T(response)) => response,
            Some(RefOr::Ref(_)) | None => Response::new(Code::RateLimited.title()),
        },
        Contract::Airbourne => own(json!({"message": crate::airbourne::TOO_MANY_REQUESTS})),
        Contract::BookingMonitor => own(json!({"error": "too many requests"})),
    };
    add_headers(&mut response);
    response.headers.insert("Retry-After".to_owned(), header("Seconds until another request fits."));
    response
}

/// What is limited, for people: with the quotas of this server.
fn described(limits: &RateLimits) -> String {
    let quota =
        |quota: &Option<Quota>| quota.map_or_else(|| "no limit".to_owned(), |quota| quota.to_string());
    let row = |class: Class| {
        let (account, address) = (limits.by_account.of(class), limits.by_address.of(class));
        format!("| `{}` | {} | {} |\n", class.as_str(), quota(account), quota(address))
    };
    let rows: String = Class::ALL.into_iter().map(row).collect();
    format!(
        "\n\nEach operation is counted as one class of requests, its `{CLASS}`: by the account of a valid token \
        (an API key has quotas of its own, as large), and by the \
        client's address (IPv6: its /64). Requests of a quota may come at once and are earned back evenly over its window. \
        Answers tell what is left in `RateLimit` and the quotas in `RateLimit-Policy` \
        (draft-ietf-httpapi-ratelimit-headers); beyond a quota it is {} `{}` with `Retry-After`, and nothing was done. \
        This server's quotas:\n\n| class | by account | by address |\n|---|---|---|\n{rows}",
        StatusCode::TOO_MANY_REQUESTS.as_u16(),
        Code::RateLimited.as_str(),
    )
}
