//! What is known of an operation before its request is looked at: its metrics, its class of limits, and its scope.
//!
//! Made once for every operation that is registered; a request finds its own by its matched path.

use crate::{
    limits::Class,
    metrics::{RouteMetrics, describe_routes},
    routes::{Contract, Declared, Rule},
    scopes::{Access, access},
    security_log::Kind,
};
use axum::http::Method;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Requests that lead to no operation are limited as reads: what is not there, the documentation, and wrong methods.
const OTHER: Rule = Rule { class: Class::Read, contract: Contract::Native };

/// One operation.
pub(crate) struct Operation {
    pub(crate) metrics: RouteMetrics,
    /// None: it is not limited.
    pub(crate) rule: Option<Rule>,
    /// Method and route.
    pub(crate) name: String,
    /// What the security log says when it was done.
    pub(crate) changes: Option<Kind>,
    /// What it asks of an API key.
    pub(crate) access: Access,
}

/// All of them.
pub(crate) struct Operations {
    by_path: FxHashMap<String, Vec<(Method, Arc<Operation>)>>,
    other: Arc<Operation>,
}

impl Operations {
    /// Those that were registered; their metrics with the recorder that is installed now.
    pub(crate) fn new(declared: &[Declared]) -> Self {
        describe_routes();
        let mut by_path: FxHashMap<String, Vec<_>> = FxHashMap::default();
        for Declared { path, method, rule } in declared {
            let operation = Operation {
                metrics: RouteMetrics::new(method.as_str(), path),
                rule: *rule,
                name: format!("{method} {path}"),
                changes: Kind::of_change(method, path),
                access: access(method, path),
            };
            by_path.entry(path.clone()).or_default().push((method.clone(), Arc::new(operation)));
        }
        let other = Operation {
            metrics: RouteMetrics::new("other", "other"),
            rule: Some(OTHER),
            name: "other".to_owned(),
            changes: None,
            access: Access::Person,
        };
        Self { by_path, other: Arc::new(other) }
    }

    /// The operation of a request; "other" for what is none.
    pub(crate) fn of(&self, method: &Method, path: Option<&str>) -> Arc<Operation> {
        let wanted = if method == Method::HEAD { &Method::GET } else { method };
        let operations = path.and_then(|path| self.by_path.get(path)).map_or(&[][..], Vec::as_slice);
        let found = operations.iter().find(|(method, _)| method == wanted);
        found.map_or(&self.other, |(_, operation)| operation).clone()
    }
}
