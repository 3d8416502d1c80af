//! What may change in a schema that consumers rely on: a property may be added if it may be missing, a kind of thing
//! may be added where a tag says which kind it is, and words that explain may change. Everything else is a new version
//! of the event.

use serde_json::{Map, Value};

/// Words for people: a consumer does not depend on them.
const WORDS: &[&str] = &["description", "title", "$comment", "examples"];

/// Everything in `new` that a consumer written against `old` would not survive.
pub(crate) fn breaks(old: &Value, new: &Value) -> Vec<String> {
    let mut found = vec![];
    compare("", old, new, &mut found);
    found
}

fn compare(at: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => objects(at, old, new, found),
        (Value::Array(old), Value::Array(new)) if at.ends_with("/required") => {
            required(at, old, new, found);
        }
        (Value::Array(old), Value::Array(new)) if at.ends_with("/oneOf") => kinds(at, old, new, found),
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (nth, (old, new)) in old.iter().zip(new).enumerate() {
                compare(&format!("{at}/{nth}"), old, new, found);
            }
        }
        _ if old == new => {}
        _ => found.push(format!("{} was {old} and is {new}", place(at))),
    }
}

fn objects(at: &str, old: &Map<String, Value>, new: &Map<String, Value>, found: &mut Vec<String>) {
    // The names below these are the event's own; elsewhere a name is a rule of the schema.
    let names_of_fields = at.ends_with("/properties");
    let may_be_new = names_of_fields || at.ends_with("/$defs");
    let is_word = |name: &str| !names_of_fields && WORDS.contains(&name);
    for (name, was) in old.iter().filter(|(name, _)| !is_word(name)) {
        match new.get(name) {
            Some(is) => compare(&format!("{at}/{name}"), was, is, found),
            None => found.push(format!("{} is gone", place(&format!("{at}/{name}")))),
        }
    }
    for name in new.keys().filter(|name| !may_be_new && !is_word(name) && !old.contains_key(*name)) {
        // The first definitions, and the first field of an event that had none.
        if !matches!(name.as_str(), "$defs" | "properties") {
            found.push(format!("{} is new", place(&format!("{at}/{name}"))));
        }
    }
}

fn required(at: &str, old: &[Value], new: &[Value], found: &mut Vec<String>) {
    for name in old.iter().filter(|name| !new.contains(name)) {
        found.push(format!("{}: {name} may now be missing", place(at)));
    }
    // A new field that is always there breaks nobody who reads; but events that are stored do not have it.
    for name in new.iter().filter(|name| !old.contains(name)) {
        found.push(format!("{}: {name} must be there, and stored events lack it", place(at)));
    }
}

/// Kinds of one thing, told apart by a tag. A new one is to a consumer what a new type of event is; those it knows
/// are what they were.
fn kinds(at: &str, old: &[Value], new: &[Value], found: &mut Vec<String>) {
    for was in old {
        let is = new.iter().find(|is| tag(was).is_some() && tag(is) == tag(was));
        match is {
            Some(is) => compare(&format!("{at}/{}", tag(was).unwrap_or_default()), was, is, found),
            None if new.contains(was) => {}
            None => found.push(format!("{}: {was} is gone", place(at))),
        }
    }
    for is in new.iter().filter(|is| tag(is).is_none() && !old.contains(is)) {
        found.push(format!("{}: no tag tells {is} from the others", place(at)));
    }
}

/// The word that a thing of this kind, and no other, has as its `kind`.
fn tag(of: &Value) -> Option<&str> {
    let required = of["required"].as_array().is_some_and(|names| names.iter().any(|name| name == "kind"));
    of["properties"]["kind"]["const"].as_str().filter(|_| required)
}

fn place(at: &str) -> &str {
    if at.is_empty() { "the schema" } else { at }
}

mod tests {
    use super::breaks;
    use serde_json::{Value, json};

    fn schema() -> Value {
        json!({
            "title": "Held", "description": "Seats are kept.", "type": "object",
            "properties": {"quantity": {"type": "integer", "minimum": 0}, "total": {"$ref": "#/$defs/Money"}},
            "required": ["quantity", "total"],
            "$defs": {"Money": {"type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"]}},
        })
    }

    fn changed(change: impl Fn(&mut Value)) -> Vec<String> {
        let mut new = schema();
        change(&mut new);
        breaks(&schema(), &new)
    }

    #[test]
    fn a_field_that_may_be_missing_may_be_added_and_words_may_change() {
        assert_eq!(changed(|_| ()), [""; 0]);
        assert_eq!(changed(|new| new["properties"]["note"] = json!({"type": "string"})), [""; 0]);
        assert_eq!(changed(|new| new["description"] = json!("other words")), [""; 0]);
        assert_eq!(changed(|new| new["$defs"]["Zone"] = json!({"type": "string"})), [""; 0]);
    }

    #[test]
    fn a_kind_with_a_tag_may_be_added_and_those_there_are_stay() {
        let kind = |kind: &str, field: &str| json!({"properties": {"kind": {"const": kind}, field: {"type": "string"}}, "required": ["kind", field]});
        let one_of = |kinds: &[Value]| json!({"oneOf": kinds});
        let [show, flight] = [kind("show", "name"), kind("flight", "number")];
        let old = one_of(std::slice::from_ref(&show));
        assert_eq!(breaks(&old, &one_of(&[show.clone(), flight.clone()])), [""; 0]);
        assert_eq!(breaks(&old, &one_of(&[flight.clone(), show.clone()])), [""; 0]);
        for broken in [
            one_of(std::slice::from_ref(&flight)),
            one_of(&[kind("show", "title"), flight.clone()]),
            one_of(&[
                show.clone(),
                json!({"properties": {"number": {"type": "string"}}, "required": ["number"]}),
            ]),
        ] {
            assert!(!breaks(&old, &broken).is_empty(), "{broken}");
        }
    }

    /// What is done to a schema.
    type Change = fn(&mut Value);

    #[test]
    fn whatever_a_consumer_relies_on_may_not_change() {
        let changes: &[(&str, Change)] = &[
            ("/properties/quantity is gone", |new| {
                drop(new["properties"].as_object_mut().unwrap().remove("quantity"))
            }),
            ("/properties/quantity/type was", |new| new["properties"]["quantity"]["type"] = json!("string")),
            ("/properties/quantity/minimum was", |new| new["properties"]["quantity"]["minimum"] = json!(1)),
            ("/properties/quantity/maximum is new", |new| {
                new["properties"]["quantity"]["maximum"] = json!(9)
            }),
            ("/required: \"total\" may now be missing", |new| new["required"] = json!(["quantity"])),
            ("/required: \"note\" must be there", |new| {
                new["required"] = json!(["quantity", "total", "note"])
            }),
            ("/$defs/Money/properties/amount/type was", |new| {
                new["$defs"]["Money"]["properties"]["amount"]["type"] = json!("string");
            }),
        ];
        for (expected, change) in changes {
            let found = changed(change);
            assert!(found.len() == 1 && found[0].starts_with(expected), "{expected}: {found:?}");
        }
    }
}
