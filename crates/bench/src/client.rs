//! The API as the driver's own requests use it: they make what a load needs, and look at what is answered.

use crate::holdfast::{Holdfast, Server};
use anyhow::{Context as _, ensure};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

/// E-mail of the admin that `up` makes.
const ADMIN_EMAIL: &str = "admin@holdfast.local";
/// How long one request may take.
const REQUEST_MAX: Duration = Duration::from_secs(10);

/// A server to ask.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    http: Client,
    url: String,
}

impl Api {
    /// That of `server`.
    pub(crate) fn of(server: &Server) -> anyhow::Result<Self> {
        let http = Client::builder().timeout(REQUEST_MAX).build()?;
        Ok(Self { http, url: server.url.clone() })
    }

    /// The first admin's token.
    pub(crate) async fn sign_in_admin(&self, holdfast: &Holdfast) -> anyhow::Result<String> {
        self.sign_in(ADMIN_EMAIL, &holdfast.admin_password()?).await
    }

    /// An account's token.
    pub(crate) async fn sign_in(&self, email: &str, password: &str) -> anyhow::Result<String> {
        let session = self.post("/v1/sessions", None, json!({"email": email, "password": password})).await?;
        text(&session, "token")
    }

    /// Posts, with a token and an Idempotency-Key if there are such, and expects 201.
    pub(crate) async fn post(
        &self,
        path: &str,
        by: Option<(&str, String)>,
        body: Value,
    ) -> anyhow::Result<Value> {
        let mut request = self.http.post(format!("{}{path}", self.url)).json(&body);
        if let Some((token, key)) = by {
            request = request.bearer_auth(token).header("Idempotency-Key", key);
        }
        let answer = answered(request, StatusCode::CREATED).await.with_context(|| format!("POST {path}"))?;
        Ok(serde_json::from_str(&answer)?)
    }

    /// What `path` is answered with 200.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<String> {
        let request = self.http.get(format!("{}{path}", self.url));
        answered(request, StatusCode::OK).await.with_context(|| format!("GET {path}"))
    }

    /// What `path` is answered beyond its limit.
    pub(crate) async fn refused(&self, path: &str) -> anyhow::Result<String> {
        let request = self.http.get(format!("{}{path}", self.url));
        answered(request, StatusCode::TOO_MANY_REQUESTS).await.with_context(|| format!("GET {path}"))
    }
}

async fn answered(request: RequestBuilder, expected: StatusCode) -> anyhow::Result<String> {
    let answer = request.send().await?;
    let status = answer.status();
    let text = answer.text().await?;
    ensure!(status == expected, "answered {status}: {text}");
    Ok(text)
}

/// A field of an answer that is text.
pub(crate) fn text(answer: &Value, field: &str) -> anyhow::Result<String> {
    let value = answer.get(field).and_then(Value::as_str);
    Ok(value.with_context(|| format!("no `{field}` in the answer {answer}"))?.to_owned())
}
