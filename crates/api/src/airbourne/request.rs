//! Requests as Airbourne takes them: JSON or a form, fields that are not known ignored. So a client that sends an `id`,
//! a `status` or a `totalCost` of its own sets nothing by it.

use super::refusal::Refusal;
use crate::{
    extract::{Trace, is_encoded, read_body},
    form::{Field, line, spelled},
    state::ApiState,
};
use axum::{
    body::Body as HttpBody,
    extract::{Form, FromRequest, FromRequestParts as _, Request},
    http::{HeaderMap, StatusCode, header},
};
use serde_json::{Map, Value};
use std::convert::Infallible;

/// A request: what it says, or why that could not be read, and where it comes from.
pub(crate) struct Lenient {
    pub(crate) sent: Result<Sent, Refusal>,
    pub(crate) trace: Trace,
}

/// The fields of a request.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    fields: Map<String, Value>,
    /// All values of a form are text.
    is_form: bool,
}

impl FromRequest<ApiState> for Lenient {
    type Rejection = Infallible;

    async fn from_request(request: Request, api: &ApiState) -> Result<Self, Infallible> {
        let (mut head, body) = request.into_parts();
        let Ok(trace) = Trace::from_request_parts(&mut head, api).await;
        Ok(Self { sent: read(&head.headers, body).await, trace })
    }
}

async fn read(headers: &HeaderMap, body: HttpBody) -> Result<Sent, Refusal> {
    let bytes = read_body(headers, body).await?;
    if is_encoded(headers) {
        let text = "send the body as it is, without Content-Encoding";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
    }
    let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let is_form = declared.starts_with("application/x-www-form-urlencoded");
    if bytes.is_empty() {
        return Ok(Sent { fields: Map::new(), is_form });
    }
    if is_form {
        let request = Request::post("/").header(header::CONTENT_TYPE, declared).body(bytes.into());
        let malformed = || Refusal::new(StatusCode::BAD_REQUEST, "the body is not a form");
        let request = request.map_err(|_| malformed())?;
        let Form(pairs) =
            Form::<Vec<(String, String)>>::from_request(request, &()).await.map_err(|_| malformed())?;
        let fields = pairs.into_iter().map(|(name, value)| (name, Value::String(spelled(value)))).collect();
        return Ok(Sent { fields, is_form });
    }
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(mut fields)) => {
            for value in fields.values_mut() {
                if let Value::String(text) = value {
                    *text = spelled(std::mem::take(text));
                }
            }
            Ok(Sent { fields, is_form })
        }
        Ok(_) => Err(Refusal::new(StatusCode::BAD_REQUEST, "the body must be an object")),
        Err(error) => Err(Refusal::new(StatusCode::BAD_REQUEST, format!("the body is not JSON: {error}"))),
    }
}

impl Sent {
    /// What stands in a field; none where nothing does, or null.
    fn get(&self, name: &str) -> Option<&Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    /// Whether a field is there that its clients call falsy: missing, null, false, 0, or empty.
    pub(crate) fn is_empty(&self, name: &str) -> bool {
        match self.get(name) {
            None | Some(Value::Bool(false)) => true,
            Some(Value::Number(number)) => number.as_f64() == Some(0.0),
            Some(Value::String(text)) => text.is_empty(),
            Some(_) => false,
        }
    }

    /// Text, spelled as NFC, without the null character that Postgres cannot keep.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, Refusal> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.contains('\0') => {
                Err(Refusal::field(name, "must not contain a null character"))
            }
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Refusal::field(name, "must be text")),
        }
    }

    /// Text of at most `MAX` characters on one line.
    pub(crate) fn line<const MAX: usize>(&self, name: &str) -> Result<Option<&str>, Refusal> {
        let text = self.text(name)?;
        if text.is_some_and(|text| line::<1, MAX>(text).is_none()) {
            return Err(Refusal::field(name, &format!("must be 1 to {MAX} characters on one line")));
        }
        Ok(text)
    }

    /// The same where it must be there.
    pub(crate) fn required_line<const MAX: usize>(&self, name: &str) -> Result<&str, Refusal> {
        self.line::<MAX>(name)?.ok_or_else(|| Refusal::field(name, "is missing"))
    }

    /// A value of a kind that the native API takes, where it must be there.
    pub(crate) fn required<T: Field>(&self, name: &str) -> Result<T, Refusal> {
        let value = self.get(name).ok_or_else(|| Refusal::field(name, "is missing"))?;
        T::deserialize(value).map_err(|_| Refusal::field(name, &T::must_be()))
    }

    /// A whole number. Text is none, but in a form.
    pub(crate) fn whole(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let read = |value: &Value| match value {
            Value::Number(number) => number.as_i64(),
            Value::String(text) if self.is_form => text.parse().ok(),
            _ => None,
        };
        let must_be = "must be a whole number";
        self.get(name).map(|value| read(value).ok_or_else(|| Refusal::field(name, must_be))).transpose()
    }

    /// The same where it must be there.
    pub(crate) fn required_whole(&self, name: &str) -> Result<i64, Refusal> {
        self.whole(name)?.ok_or_else(|| Refusal::field(name, "is missing; it must be a whole number"))
    }

    /// A number of something that cannot be negative.
    pub(crate) fn count(&self, name: &str, max: u32) -> Result<Option<u32>, Refusal> {
        let Some(number) = self.whole(name)? else { return Ok(None) };
        let count = u32::try_from(number).ok().filter(|count| *count <= max);
        count
            .map(Some)
            .ok_or_else(|| Refusal::field(name, &format!("must be a whole number from 0 to {max}")))
    }
}

/// The number in a path: Airbourne's ids are integers. What is none names nothing.
pub(crate) fn number(text: &str) -> Option<i64> {
    text.parse().ok().filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn sent(content_type: &str, body: &str) -> Result<Sent, Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
        read(&headers, HttpBody::from(body.to_owned())).await
    }

    #[tokio::test]
    async fn a_number_of_a_form_is_text_and_that_of_json_is_not() {
        let json =
            sent("application/json", r#"{"n": 2, "t": "2", "f": 1.5, "nothing": null}"#).await.unwrap();
        assert_eq!(
            (json.whole("n"), json.whole("nothing"), json.whole("missing")),
            (Ok(Some(2)), Ok(None), Ok(None))
        );
        for wrong in ["t", "f"] {
            assert_eq!(json.whole(wrong).unwrap_err().status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
        }
        let form = sent("application/x-www-form-urlencoded; charset=utf-8", "n=2&t=a+b").await.unwrap();
        assert_eq!((form.whole("n"), form.text("t")), (Ok(Some(2)), Ok(Some("a b"))));
    }

    #[tokio::test]
    async fn what_its_clients_call_falsy_is_empty() {
        let sent =
            sent("text/plain", r#"{"a": 0, "b": "", "c": false, "d": null, "e": 1, "f": "x", "g": []}"#)
                .await
                .unwrap();
        let empty: Vec<_> =
            ["a", "b", "c", "d", "e", "f", "g", "h"].into_iter().filter(|n| sent.is_empty(n)).collect();
        assert_eq!(empty, ["a", "b", "c", "d", "h"]);
    }

    #[tokio::test]
    async fn what_is_no_object_is_a_bad_request_and_nothing_is_an_empty_one() {
        for body in ["{", "[]", "7", "null", "\"x\""] {
            assert_eq!(
                sent("application/json", body).await.unwrap_err().status,
                StatusCode::BAD_REQUEST,
                "{body}"
            );
        }
        assert!(sent("application/json", "").await.unwrap().fields.is_empty());
    }
}
