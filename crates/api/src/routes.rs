//! Registers operations: handler, documentation and class of limits in one call, so that none of them can be forgotten.

use crate::{
    admin_actions::{self, Targets},
    airbourne, compat,
    limits::{Class, Refused},
    problem::{Code, Extension, Problem},
    state::ApiState,
};
use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, Method, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};
use holdfast_ambient::Ambient;
use utoipa::openapi::{OpenApi, PathItem, path::Operation};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

/// Whose clients a route serves: how they read a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contract {
    Native,
    Airbourne,
    BookingMonitor,
}

/// What the limits count an operation as, and how its clients read a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) class: Class,
    pub(crate) contract: Contract,
}

/// Operations in which an admin's request is a row among the admins' actions.
const RECORDED: Rule = Rule { class: Class::Admin, contract: Contract::Native };

/// The same operations, with the outcome of what they begin for an admin.
fn recorded((schemas, paths, router): UtoipaMethodRouter<ApiState>) -> UtoipaMethodRouter<ApiState> {
    let named = |(method, operation): (Method, &Operation)| Some((method, operation.operation_id.clone()?));
    let names: Targets = paths.paths.values().flat_map(operations).filter_map(named).collect();
    let around = from_fn(move |request: Request, next: Next| {
        let names = names.clone();
        admin_actions::record(names, request, next)
    });
    (schemas, paths, router.layer(around))
}

/// An operation that was registered.
#[derive(Debug)]
pub(crate) struct Declared {
    pub(crate) path: String,
    pub(crate) method: Method,
    /// None: it is not limited.
    pub(crate) rule: Option<Rule>,
}

/// Operations of one contract, and those that were merged into them.
pub(crate) struct Routes {
    router: OpenApiRouter<ApiState>,
    contract: Contract,
    declared: Vec<Declared>,
}

impl Routes {
    /// None yet, beside a document without operations.
    pub(crate) fn new(contract: Contract, document: OpenApi) -> Self {
        Self { router: OpenApiRouter::with_openapi(document), contract, declared: vec![] }
    }

    /// Operations whose requests are counted as `class`.
    pub(crate) fn limited(self, class: Class, routes: UtoipaMethodRouter<ApiState>) -> Self {
        let rule = Rule { class, contract: self.contract };
        let routes = if rule == RECORDED { recorded(routes) } else { routes };
        self.with(Some(rule), routes)
    }

    /// Operations that are never refused: an operator's health checks.
    pub(crate) fn unlimited(self, routes: UtoipaMethodRouter<ApiState>) -> Self {
        self.with(None, routes)
    }

    fn with(mut self, rule: Option<Rule>, routes: UtoipaMethodRouter<ApiState>) -> Self {
        let (_, paths, _) = &routes;
        for (path, item) in &paths.paths {
            let methods = operations(item).map(|(method, _)| method);
            self.declared.extend(methods.map(|method| Declared { path: path.clone(), method, rule }));
        }
        Self { router: self.router.routes(routes), ..self }
    }

    /// These and the operations of another contract.
    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.declared.extend(other.declared);
        Self { router: self.router.merge(other.router), ..self }
    }

    pub(crate) fn split(self) -> (Router<ApiState>, OpenApi, Vec<Declared>) {
        let (router, document) = self.router.split_for_parts();
        (router, document, self.declared)
    }
}

impl Contract {
    /// How a request beyond a limit is answered; `headers` are the request's.
    pub(crate) fn refusal(self, refused: &Refused, headers: &HeaderMap, ambient: &dyn Ambient) -> Response {
        let seconds = u32::try_from(refused.retry_after_seconds).unwrap_or(u32::MAX);
        let mut response = match self {
            Self::Native => {
                let detail = "too many requests of this kind; Retry-After says when to try again";
                let waits = Extension::RateLimited { retry_after_seconds: seconds };
                Problem::new(Code::RateLimited, detail).with(waits).into_response()
            }
            Self::Airbourne => airbourne::too_many_requests(),
            Self::BookingMonitor => compat::too_many_requests(headers, ambient),
        };
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        response
    }
}

/// The operation of a path and method.
pub(crate) fn operation<'a>(item: &'a mut PathItem, method: &Method) -> Option<&'a mut Operation> {
    match *method {
        Method::GET => item.get.as_mut(),
        Method::PUT => item.put.as_mut(),
        Method::POST => item.post.as_mut(),
        Method::PATCH => item.patch.as_mut(),
        Method::DELETE => item.delete.as_mut(),
        _ => None,
    }
}

/// The operations of a path, with the methods that we serve.
pub(crate) fn operations(item: &PathItem) -> impl Iterator<Item = (Method, &Operation)> {
    let PathItem { get, put, post, patch, delete, .. } = item;
    let all = [
        (Method::GET, get),
        (Method::PUT, put),
        (Method::POST, post),
        (Method::PATCH, patch),
        (Method::DELETE, delete),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
}
