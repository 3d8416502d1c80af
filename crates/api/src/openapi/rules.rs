//! What the document says by one rule for all operations, instead of at each: headers of answers, parameters that may be left
//! out, fields that an example shows.
//!
//! A header of what was done is declared by what an operation does. The tests hold every answer that they get to it
//! (`tests/it/app.rs`): of these headers, what is declared is sent, and what is sent is declared.

use serde_json::Value;
use utoipa::openapi::{
    OpenApi, PathItem, RefOr, Required, Schema,
    header::{Header, HeaderBuilder},
    path::{Operation, Parameter},
    request_body::RequestBody,
    schema::{ObjectBuilder, SchemaType, Type},
};

/// What commands change: their events are in the log.
const IN_THE_LOG: [&str; 4] = ["bookings", "flights", "inventories", "shows"];
/// What a change must name the version of.
const VERSIONED: [&str; 3] = ["catalogue", "flights", "shows"];
/// Where the native API's paths begin.
const NATIVE: &str = "/v1/";

/// Completes the operations of a document that has all its routes.
pub(super) fn complete(document: &mut OpenApi) {
    for (path, item) in &mut document.paths.paths {
        let PathItem { get, put, post, patch, delete, .. } = item;
        let operations = [(get, false), (put, true), (post, true), (patch, true), (delete, true)];
        for (operation, changes) in operations {
            let Some(operation) = operation else { continue };
            operation.parameters.iter_mut().flatten().for_each(no_null);
            operation.request_body.iter_mut().for_each(fields_of_the_example);
            // A list has no version and no place.
            if path.starts_with(NATIVE) && (changes || path.contains('{')) {
                declare(operation, changes);
            }
        }
    }
}

/// A parameter that may be left out is no parameter that may be null.
fn no_null(parameter: &mut Parameter) {
    let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema else { return };
    if let SchemaType::Array(types) = &schema.schema_type
        && let [one] = &types.iter().filter(|one| **one != Type::Null).collect::<Vec<_>>()[..]
    {
        schema.schema_type = SchemaType::Type((*one).clone());
        parameter.required = Required::False;
    }
}

/// A body whose fields are in its example alone, as Airbourne's clients know them.
fn fields_of_the_example(body: &mut RequestBody) {
    for content in body.content.values_mut() {
        let Some(Value::Object(example)) = &content.example else { continue };
        let Some(RefOr::T(Schema::Object(schema))) = &mut content.schema else { continue };
        for (name, value) in example {
            let of_type = if value.is_number() { Type::Integer } else { Type::String };
            let field = ObjectBuilder::new().schema_type(SchemaType::Type(of_type)).build();
            schema.properties.insert(name.clone(), field.into());
        }
    }
}

fn declare(operation: &mut Operation, changes: bool) {
    let is_of = |tags: &[&str]| operation.tags.iter().flatten().any(|tag| tags.contains(&tag.as_str()));
    let (in_the_log, versioned) = (changes && is_of(&IN_THE_LOG), is_of(&VERSIONED));
    let is_keyed = operation.parameters.iter().flatten().any(|parameter| parameter.name == "Idempotency-Key");
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        let made = status == "201";
        if !made && status != "200" {
            continue;
        }
        let headers = [
            (made, "Location", "Where it is."),
            (versioned, "ETag", "Its version, which a change must name in `If-Match`."),
            (in_the_log, "Consistency-Token", "Queries that carry it will include what was done."),
            (is_keyed, "Idempotency-Replayed", "`true`, and only then there: it had been done before."),
        ];
        for (_, name, description) in headers.into_iter().filter(|(is_sent, ..)| *is_sent) {
            response.headers.insert(name.to_owned(), header(description));
        }
    }
}

pub(super) fn header(description: &str) -> Header {
    HeaderBuilder::new().description(Some(description)).build()
}
