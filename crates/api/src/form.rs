//! Reading a request's body: the form before the facts, and every wrong field by its pointer.
//!
//! A good body is parsed once, straight into its struct. Only when that fails is it looked at again,
//! field by field, to name all that is wrong and not just the first. Both ways use the fields' own
//! parsers, so they cannot disagree on a value.
//! Not here: content type, size and time of the body (`extract`), the rules (`domain`).

mod field;
mod fields;
mod scopes;
mod webhook;

pub(crate) use field::{
    AirportCode, CurrencyCode, Email, Field, FlightNumber, Id, Instant, Line, NewPasswordText, PRICE_MAX,
    PriceAmount, ReasonCode, RoleWord, Text, Whole, Zone, email, id, is_airport_code, line, spelled,
};
pub(crate) use fields::Fields;
pub(crate) use scopes::ScopeWords;
pub(crate) use webhook::{EventTypes, FromPositions};

use crate::problem::FieldError;
use holdfast_domain::UserId;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::{Value, error::Category};
use std::{fmt, marker::PhantomData};

/// A request's body: an object with known fields, each of which says what it must be.
pub(crate) trait Form: DeserializeOwned {
    /// Names every field once.
    fn fields(fields: &mut Fields<'_>);

    /// The user the request acts for, if it names one: who may ask is decided before what is asked,
    /// also when both are wrong.
    fn acts_for(_body: &Value) -> Option<UserId> {
        None
    }
}

/// Why a body was not understood.
#[derive(Debug)]
pub(crate) enum FormError {
    /// It is not JSON.
    Malformed(String),
    /// It is JSON, but not this form.
    Invalid {
        /// Every field that is wrong.
        errors: Vec<FieldError>,
        /// The user it acts for, if it names one.
        acts_for: Option<UserId>,
    },
}

/// Reads a body.
pub(crate) fn parse<T: Form>(body: &[u8]) -> Result<T, FormError> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let parsed = object(&mut json).and_then(|form| json.end().map(|()| form));
    parsed.map_err(|_| explain::<T>(body))
}

/// Reads an object into a struct; unlike serde's derived code it takes no array for one.
pub(crate) fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(json: D) -> Result<T, D::Error> {
    struct Object<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }
    json.deserialize_map(Object(PhantomData))
}

/// Reads a field of a change that is there: it has a value. What is missing is none, by `default`.
pub(crate) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(json: D) -> Result<Option<T>, D::Error> {
    T::deserialize(json).map(Some)
}

/// The same of an object.
pub(crate) fn given_object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    json: D,
) -> Result<Option<T>, D::Error> {
    object(json).map(Some)
}

/// Says what is wrong with a body that could not be parsed.
fn explain<T: Form>(body: &[u8]) -> FormError {
    let value: Value = match serde_json::from_slice(body) {
        Ok(value) => value,
        Err(error) => return malformed::<T>(body, &error),
    };
    let mut errors = Vec::new();
    match &value {
        Value::Object(object) => Fields::check::<T>(object, "", &mut errors),
        _ => errors.push(FieldError { pointer: String::new(), detail: "must be an object".to_owned() }),
    }
    if errors.is_empty() {
        errors.push(first_error::<T>(body)); // such as a field that is there twice
    }
    FormError::Invalid { errors, acts_for: T::acts_for(&value) }
}

/// Text that the parser refuses. A number that no machine can hold is JSON all the same.
fn malformed<T: Form>(body: &[u8], error: &serde_json::Error) -> FormError {
    let text = error.to_string();
    if error.classify() == Category::Syntax && text.starts_with("number out of range") {
        return FormError::Invalid { errors: vec![first_error::<T>(body)], acts_for: None };
    }
    FormError::Malformed(format!("the body is not JSON: {text}"))
}

/// The first thing the parser stumbles over, with its place.
fn first_error<T: Form>(body: &[u8]) -> FieldError {
    let mut json = serde_json::Deserializer::from_slice(body);
    let mut track = serde_path_to_error::Track::new();
    let parsed = object::<_, T>(serde_path_to_error::Deserializer::new(&mut json, &mut track));
    let path = track.path().to_string();
    let pointer = if path == "." { String::new() } else { format!("/{}", path.replace('.', "/")) };
    let detail = parsed.err().map_or_else(|| "is not valid".to_owned(), |error| error.to_string());
    FieldError { pointer, detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Order {
        quantity: Whole<1, 10>,
        note: Option<Text<1, 5>>,
        #[serde(deserialize_with = "object")]
        price: Price,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Price {
        amount: PriceAmount,
    }

    impl Form for Order {
        fn fields(fields: &mut Fields<'_>) {
            fields.required::<Whole<1, 10>>("quantity");
            fields.optional::<Text<1, 5>>("note");
            fields.required_form::<Price>("price");
        }
    }

    impl Form for Price {
        fn fields(fields: &mut Fields<'_>) {
            fields.required::<PriceAmount>("amount");
        }
    }

    fn wrong(body: &str) -> Vec<(String, String)> {
        match parse::<Order>(body.as_bytes()) {
            Err(FormError::Invalid { errors, .. }) => {
                errors.into_iter().map(|error| (error.pointer, error.detail)).collect()
            }
            other => panic!("{body} gave {other:?}"),
        }
    }

    fn pointers(body: &str) -> Vec<String> {
        wrong(body).into_iter().map(|(pointer, _)| pointer).collect()
    }

    #[test]
    fn a_good_body_is_read() {
        let order: Order = parse(br#"{"price":{"amount":5},"quantity":2,"note":null}"#).unwrap();
        assert_eq!((order.quantity.get(), order.note.is_none()), (2, true));
    }

    #[test]
    fn every_wrong_field_is_named_and_not_just_the_first() {
        assert_eq!(
            pointers(r#"{"quantity":"2","note":"too long","price":{"amount":-1,"vat":7},"a/b~":1}"#),
            ["/quantity", "/note", "/price/amount", "/price/vat", "/a~1b~0"]
        );
        assert_eq!(pointers("{}"), ["/quantity", "/price"]);
    }

    #[test]
    fn a_number_that_is_negative_fractional_or_too_large_is_told_its_range() {
        for number in ["-1", "0", "11", "1.5", "1.0", "1e1", "99999999999999999999", "\"3\"", "null", "true"]
        {
            let found = wrong(&format!(r#"{{"quantity":{number},"price":{{"amount":1}}}}"#));
            let detail = "must be a whole number from 1 to 10".to_owned();
            assert_eq!(found, [("/quantity".to_owned(), detail)], "{number}");
        }
    }

    #[test]
    fn a_number_that_no_machine_holds_is_out_of_range_and_not_malformed() {
        assert_eq!(pointers(r#"{"quantity":1e999,"price":{"amount":1}}"#), ["/quantity"]);
    }

    #[test]
    fn an_array_is_no_object_even_if_its_values_would_fit() {
        assert_eq!(pointers(r#"[1,null,{"amount":1}]"#), [""]);
        assert_eq!(pointers(r#"{"quantity":1,"price":[1]}"#), ["/price"]);
    }

    #[test]
    fn a_field_that_is_there_twice_is_wrong() {
        let found = wrong(r#"{"quantity":1,"quantity":2,"price":{"amount":1}}"#);
        assert!(found[0].1.starts_with("duplicate field"), "{found:?}");
    }

    #[test]
    fn text_that_is_no_json_is_malformed() {
        for body in ["", "{", "{'quantity':1}", "{} x", "\u{feff}{}", "nul"] {
            assert!(matches!(parse::<Order>(body.as_bytes()), Err(FormError::Malformed(_))), "{body:?}");
        }
        assert!(matches!(parse::<Order>(b"{\"quantity\":\"\xff\"}"), Err(FormError::Malformed(_))));
        let deep = format!("{{\"quantity\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(matches!(parse::<Order>(deep.as_bytes()), Err(FormError::Malformed(_))));
    }
}
