//! The OpenAPI document says what is served, and the page to browse it needs nobody else.

use crate::app::App;
use axum::http::Method;
use serde_json::{Map, Value, json};
use std::{collections::BTreeSet, fs, path::Path};

fn operations(document: &Value) -> Vec<(String, Method, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let mut all = Vec::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            all.push((path.clone(), method.to_uppercase().parse().unwrap(), operation));
        }
    }
    all
}

fn filled(path: &str) -> String {
    let id = "0193a6b4-3d00-7c3e-9a54-2f1d6a0b7c11";
    path.replace("{id}", id).replace("{delivery_id}", id)
}

/// A request's schema, wherever the document has it.
fn request_schema<'a>(document: &'a Value, operation: &'a Value) -> Option<&'a Value> {
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    let one = schema["oneOf"].as_array().and_then(|one| one.iter().find(|schema| schema["$ref"].is_string()));
    let reference = one.unwrap_or(schema)["$ref"].as_str()?;
    document.pointer(reference.trim_start_matches('#'))
}

#[tokio::test]
async fn the_document_names_exactly_what_is_served() {
    let app = App::with(|config| config.compat = true).await;
    let document = app.document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    for path in document["paths"].as_object().unwrap().keys() {
        let documented: BTreeSet<_> =
            document["paths"][path].as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
        let refused = app.ask(Method::TRACE, &filled(path)).send().await;
        let allowed =
            refused.header("allow").split(',').filter(|method| *method != "HEAD").map(str::to_owned);
        assert_eq!((refused.status.as_u16(), allowed.collect::<BTreeSet<_>>()), (405, documented), "{path}");
    }
}

/// `routes!` registers a handler and documents it in one, and `Routes` takes a class of limits with it. Without this rule, a
/// route could be served that the document, the metrics, the limits and the table of who may ask do not know. What operators ask is on a listener of its own.
#[test]
fn no_route_is_registered_past_the_document() {
    fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { files(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.len() > 50);
    for file in found {
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        let past = [".route(", ".nest(", ".route_service("].iter().any(|call| code.contains(call));
        let apart = file.ends_with("src/openapi.rs") || file.ends_with("src/ops.rs");
        assert!(!past || apart, "{} registers a route by hand", file.display());
        let without_class = code.contains(".routes(") || code.contains("OpenApiRouter");
        assert!(
            !without_class || file.ends_with("src/routes.rs"),
            "{} leaves the limits out",
            file.display()
        );
    }
}

#[tokio::test]
async fn every_reference_in_the_document_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(object) => {
                found.extend(object.get("$ref").and_then(Value::as_str));
                object.values().for_each(|value| references(value, found));
            }
            Value::Array(array) => array.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let app = App::with(|config| config.compat = true).await;
    let mut found = Vec::new();
    references(app.document(), &mut found);
    assert!(found.len() > 50);
    for reference in found {
        assert!(app.document().pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn every_operation_explains_itself_and_says_who_may_ask() {
    let app = App::with(|config| config.compat = true).await;
    for (path, method, operation) in operations(app.document()) {
        assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{method} {path}");
        let refuses = operation["responses"]["401"]["content"]["application/problem+json"]["examples"]
            .get("unauthenticated")
            .is_some();
        assert_eq!(operation["security"].is_array(), refuses, "{method} {path}");
    }
}

/// A write that is not answered has perhaps been done. A second try of a sign-in makes another session, and that does no harm.
#[tokio::test]
async fn every_write_that_can_lose_its_store_says_that_its_outcome_can_be_unknown() {
    let app = App::new().await;
    for (path, method, operation) in operations(app.document()) {
        let examples = &operation["responses"]["503"]["content"]["application/problem+json"]["examples"];
        let unknown = examples["outcome_unknown"].is_object();
        let signs_in = method == Method::POST && path == "/v1/sessions";
        let writes = method != Method::GET && !signs_in && examples["store_unavailable"].is_object();
        assert_eq!(unknown, writes, "{method} {path}");
    }
}

/// The forms are written by hand beside their structs; the document is made from the structs.
#[tokio::test]
async fn the_document_and_the_forms_agree_on_every_field() {
    let app = App::new().await;
    let admin = app.admin().await;
    let mut checked = 0;
    for (path, method, operation) in operations(app.document()) {
        let Some(schema) = request_schema(app.document(), operation) else { continue };
        let empty = Map::new();
        let properties = schema["properties"].as_object().unwrap_or(&empty);
        let mut body: Map<_, _> = properties.keys().map(|name| (name.clone(), json!(true))).collect();
        body.insert("no_such_field".to_owned(), json!(1));
        let ask = |body: &Value| {
            let ask = app.ask(method.clone(), &filled(&path)).by(&admin).key("k");
            ask.header("if-match", "*").json(body)
        };
        let wrong = ask(&body.into()).send().await;
        let wrong = wrong.ok(422)["errors"].as_array().unwrap().clone();
        let named = |detail: &str| -> BTreeSet<String> {
            let errors = wrong.iter().filter(|error| error["detail"].as_str().unwrap().starts_with(detail));
            errors
                .map(|error| error["pointer"].as_str().unwrap().trim_start_matches('/').to_owned())
                .collect()
        };
        assert_eq!(named("is not a field"), BTreeSet::from(["no_such_field".to_owned()]), "{path}");
        assert_eq!(named("must be"), properties.keys().cloned().collect(), "{path}");
        if let Some(required) = schema["required"].as_array() {
            let missing = ask(&json!({})).send().await;
            let required: BTreeSet<_> =
                required.iter().map(|name| format!("/{}", name.as_str().unwrap())).collect();
            assert_eq!(
                missing.pointers().into_iter().map(str::to_owned).collect::<BTreeSet<_>>(),
                required,
                "{path}"
            );
        }
        checked += 1;
    }
    assert_eq!(checked, 30);
}

#[tokio::test]
async fn the_examples_of_the_document_are_good_requests() {
    let app = App::new().await;
    let admin = app.admin().await;
    for (path, method, operation) in operations(app.document()) {
        let Some(schema) = request_schema(app.document(), operation) else { continue };
        let ask = app.ask(method, &filled(&path)).by(&admin).key("k").header("if-match", "*");
        let answer = ask.json(&schema["example"]).send().await;
        // What an example refers to may not be here.
        let refers = answer.pointers().iter().all(|pointer| pointer.ends_with("_id"));
        assert!(
            !matches!(answer.status.as_u16(), 400 | 422) || (refers && !answer.pointers().is_empty()),
            "{path}: {} {}",
            schema["example"],
            answer.text
        );
    }
}

/// Every text of a value, by its pointer.
fn texts(value: &Value, pointer: &str, found: &mut Vec<String>) {
    match value {
        Value::String(_) => found.push(pointer.to_owned()),
        Value::Object(object) => object.iter().for_each(|(n, v)| texts(v, &format!("{pointer}/{n}"), found)),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(n, v)| texts(v, &format!("{pointer}/{n}"), found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Postgres keeps no null character: a text with one that reaches it is an error of ours.
#[tokio::test]
async fn no_text_with_a_null_character_reaches_postgres_on_any_route() {
    let app = App::with(|config| {
        config.compat = true;
        config.catalogue_is_open = true;
    })
    .await;
    let admin = app.admin().await;
    let (mut bodies, mut parameters) = (0, 0);
    for (path, method, operation) in operations(app.document()) {
        let ask = |path: &str| {
            let ask = app.ask(method.clone(), path).by(&admin).header("x-access-token", &admin.token);
            ask.key("k").header("if-match", "*")
        };
        let content = &operation["requestBody"]["content"]["application/json"];
        let example =
            request_schema(app.document(), operation).map_or(&content["example"], |s| &s["example"]);
        let mut pointers = Vec::new();
        texts(example, "", &mut pointers);
        for pointer in pointers {
            let mut body = example.clone();
            *body.pointer_mut(&pointer).unwrap() = json!("a\u{0}b");
            let answer = ask(&filled(&path)).json(&body).send().await;
            assert!(answer.status.is_client_error(), "{method} {path} {pointer}: {}", answer.text);
            bodies += 1;
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            let asked = match parameter["in"].as_str().unwrap() {
                "query" => format!("{}?{name}=a%00b", filled(&path)),
                "path" => path.replace(&format!("{{{name}}}"), "a%00b"),
                _ => continue,
            };
            let answer = ask(&filled(&asked)).send().await;
            assert!(!answer.status.is_server_error(), "{method} {asked}: {}", answer.text);
            parameters += 1;
        }
    }
    assert!(bodies > 50 && parameters > 80, "{bodies} {parameters}");
}

#[tokio::test]
async fn the_page_to_browse_it_comes_with_all_its_assets() {
    let app = App::new().await;
    assert_eq!(app.get("/docs").send().await.header("location"), "/docs/");
    let page = app.get("/docs/").send().await;
    assert!(page.header("content-security-policy").starts_with("default-src 'self'"));
    let assets: Vec<_> = page
        .text
        .split(['"', '\''])
        .filter(|text| text.starts_with("./") || text.ends_with(".css"))
        .collect();
    assert!(assets.len() >= 4, "{}", page.text);
    assert!(!page.text.contains("//"), "the page asks somebody else: {}", page.text);
    for asset in assets {
        let answer = app.get(&format!("/docs/{}", asset.trim_start_matches("./"))).send().await;
        assert!(answer.status == 200 && !answer.text.is_empty(), "{asset}");
    }
    assert!(app.get("/docs/swagger-initializer.js").send().await.text.contains("/openapi.json"));
}

/// The ready line prints the bare address.
#[tokio::test]
async fn the_bare_address_leads_to_the_page() {
    let app = App::new().await;
    let answer = app.get("/").send().await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (307, "/docs"));
}
