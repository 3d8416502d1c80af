//! `docs/airbourne.md` lists every route, and every route that it lists is served; every fault, and every test that it names is there.

use super::{Client, airbourne};
use crate::app::App;
use axum::http::Method;
use holdfast_api::users::Role;
use serde_json::json;
use std::{collections::BTreeSet, fs, path::Path};

const DOCUMENT: &str = include_str!("../../../../../docs/airbourne.md");

/// Method and path of each row, with what stands in its other cells.
fn rows() -> Vec<(Method, String, Vec<String>)> {
    let table = DOCUMENT.split("\n## Routes\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(|cell| cell.trim().to_owned()).collect();
        let (method, path) = cells[1].trim_matches('`').split_once(' ').unwrap();
        (method.parse().unwrap(), path.to_owned(), cells[2..4].to_vec())
    })
    .collect()
}

/// What the OpenAPI document says of Airbourne.
fn served(app: &App) -> BTreeSet<(String, String)> {
    let mut served = BTreeSet::new();
    for (path, item) in app.document()["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if operation["tags"][0] == "airbourne" {
                served.insert((method.to_uppercase(), path.replace("{id}", ":id")));
            }
        }
    }
    served
}

#[tokio::test]
async fn the_table_lists_every_route_and_each_route_says_how_it_behaves() {
    let app = airbourne().await;
    let listed: BTreeSet<_> =
        rows().into_iter().map(|(method, path, _)| (method.to_string(), path.to_lowercase())).collect();
    assert_eq!(listed, served(&app));
    for (method, path, cells) in rows() {
        assert!(cells[0].starts_with("same") || !cells[1].is_empty(), "{method} {path} says nothing");
    }
}

/// Each is called as its clients spell it, by itself and through the gateway, and is there both times.
#[tokio::test]
async fn every_route_of_the_table_answers_by_itself_and_through_the_gateway() {
    let app = airbourne().await;
    let (ada, admin) = (Client::new(&app, "ada").await, app.someone("admin", Role::Admin).await);
    for (method, path, _) in rows() {
        let path = path.replace(":id", "1");
        for prefix in ["", "/auth", "/flights", "/bookingservice", "/reminder"] {
            if ["/health", "/api-docs/"].contains(&&*path) && !prefix.is_empty() {
                continue; // They are the gateway's own.
            }
            for token in [&ada.token, &admin.token] {
                let asked = app.ask(method.clone(), &format!("{prefix}{path}"));
                let answer = asked.header("x-access-token", token).json(&json!({})).send().await;
                let unknown = answer.code() == "not_found" || answer.status == 405;
                assert!(!unknown, "{method} {prefix}{path}: {} {}", answer.status, answer.text);
                let leads_on = !answer.header("location").is_empty();
                assert!(answer.body.is_object() || leads_on, "{method} {prefix}{path}: {}", answer.text);
            }
        }
    }
}

/// In the order in which one needs the other; all of them are the first of their kind.
const WITH_EXAMPLES: [(&str, &str); 13] = [
    ("post", "/api/v1/signup"),
    ("post", "/api/v1/signin"),
    ("get", "/api/v1/isadmin"),
    ("post", "/api/v1/city"),
    ("patch", "/api/v1/city/{id}"),
    ("post", "/api/v1/airplane"),
    ("patch", "/api/v1/airplane/{id}"),
    ("post", "/api/v1/airports"),
    ("patch", "/api/v1/airports/{id}"),
    ("post", "/api/v1/flights"),
    ("patch", "/api/v1/flights/{id}"),
    ("post", "/api/v1/bookings"),
    ("post", "/api/v1/tickets"),
];

#[tokio::test]
async fn every_example_of_the_document_is_taken_as_it_is_and_shows_every_field() {
    let app = airbourne().await;
    let content = |method: &str, path: &str| {
        app.document()["paths"][path][method]["requestBody"]["content"]["application/json"].clone()
    };
    let mut token = String::new();
    for (method, path) in WITH_EXAMPLES {
        let example = &content(method, path)["example"];
        let fields = content(method, path)["schema"]["properties"].as_object().map(serde_json::Map::len);
        assert_eq!(fields, example.as_object().map(serde_json::Map::len), "{method} {path}");
        let ask = || {
            let asked = app.ask(method.to_uppercase().parse().unwrap(), &path.replace("{id}", "1"));
            asked.header("x-access-token", &token).json(example)
        };
        let mut answer = ask().send().await;
        if path == "/api/v1/airports" {
            answer = ask().send().await; // A flight needs two.
        }
        assert!(answer.status.is_success(), "{method} {path}: {} {}", answer.status, answer.text);
        if path == "/api/v1/signin" {
            token = answer.body["data"]["token"].as_str().unwrap().to_owned();
        }
    }
    let with_bodies = served(&app).into_iter().filter(|(method, path)| {
        content(&method.to_lowercase(), &path.replace(":id", "{id}"))["example"].is_object()
    });
    assert_eq!(with_bodies.count(), WITH_EXAMPLES.len());
}

#[test]
fn every_fault_is_listed_once_and_every_test_that_is_named_for_it_is_there() {
    let table = DOCUMENT.split("\n## Its faults\n").nth(1).unwrap();
    let rows: Vec<Vec<_>> = table
        .lines()
        .filter(|line| line.starts_with("| ") && line[2..].starts_with(|c: char| c.is_ascii_digit()))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    let numbers = rows.iter().flat_map(|row| row[1].split(", ")).map(|number| number.parse::<u32>().unwrap());
    assert_eq!(numbers.collect::<Vec<_>>(), (1..=30).collect::<Vec<_>>());
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut named = 0;
    for row in &rows {
        assert!(row[3].contains(".rs: ") || row[3].starts_with("no client"), "fault {} has no test", row[1]);
        for (file, test) in row[3].split('`').filter_map(|part| part.split_once(".rs: ")) {
            let text = fs::read_to_string(crates.join(format!("{file}.rs"))).unwrap();
            assert!(text.contains(&format!("fn {test}(")), "fault {}: no {test} in {file}.rs", row[1]);
            named += 1;
        }
    }
    assert!(named >= 25, "{named}");
}
