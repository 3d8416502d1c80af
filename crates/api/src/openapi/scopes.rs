//! API keys in the document: which scope each operation needs, and how a key without it is answered.

use crate::{
    problem::{Code, PROBLEM_JSON, responses},
    routes::{Declared, operation},
    scopes::{Access, access},
};
use utoipa::openapi::{OpenApi, RefOr, extensions::Extensions, path::Operation};

/// The extension that names the scope of an operation; [`PERSON`] where no key is taken.
const SCOPE: &str = "x-api-key-scope";
const PERSON: &str = "none";
/// Where the document has the answer to a key that may not ask.
const REFUSED: &str = "403";
/// Native operations that ask for a caller have this among their answers.
const UNAUTHENTICATED: &str = "401";

/// Adds the scopes to every operation that a caller is asked for.
pub(super) fn complete(document: &mut OpenApi, declared: &[Declared]) {
    for Declared { path, method, .. } in declared {
        let item = document.paths.paths.get_mut(path);
        let Some(operation) = item.and_then(|item| operation(item, method)) else { continue };
        if operation.security.is_some() && operation.responses.responses.contains_key(UNAUTHENTICATED) {
            declare(operation, access(method, path));
        }
    }
}

fn declare(operation: &mut Operation, access: Access) {
    let (word, code) = match access {
        Access::Scope(scope) => (scope.as_str(), Code::ScopeMissing),
        Access::Person => (PERSON, Code::SignInRequired),
    };
    operation.extensions.get_or_insert_default().merge(Extensions::from_iter([(SCOPE, word)]));
    for (status, refused) in responses(&[code]) {
        if status != REFUSED {
            continue;
        }
        let (known, RefOr::T(refused)) = (&mut operation.responses.responses, refused) else { continue };
        match known.get_mut(REFUSED) {
            Some(RefOr::T(response)) => {
                response.description = format!("{}; {}", response.description, refused.description);
                let examples = refused.content.into_iter().flat_map(|(_, content)| content.examples);
                if let Some(content) = response.content.get_mut(PROBLEM_JSON) {
                    content.examples.extend(examples);
                }
            }
            Some(RefOr::Ref(_)) => {}
            None => {
                known.insert(REFUSED.to_owned(), refused.into());
            }
        }
    }
}
