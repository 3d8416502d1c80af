//! A receiver of webhooks on a port of its own, which answers as the test says and keeps what it got.

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::any,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use holdfast_testkit::eventually;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};
use tokio::{net::TcpListener, sync::Semaphore};

use crate::rig::PATIENCE;

/// How a receiver answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reply {
    Status(u16),
    /// With a header.
    Also(u16, &'static str, &'static str),
    /// Never.
    Hang,
    /// 200, when the test lets it go.
    Gate,
}

#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn id(&self) -> &str {
        self.header("webhook-id")
    }

    pub(crate) fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap().to_owned()
    }

    /// Whether one of its signatures was made with `secret`, by another implementation than the one that made it.
    pub(crate) fn is_signed_by(&self, secret: &str) -> bool {
        let secret = BASE64_STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let mut signed = format!("{}.{}.", self.id(), self.header("webhook-timestamp")).into_bytes();
        signed.extend_from_slice(&self.body);
        let signature = format!("v1,{}", BASE64_STANDARD.encode(hmac_sha256(&secret, &signed)));
        self.header("webhook-signature").split(' ').any(|given| given == signature)
    }
}

/// RFC 2104, from the hash alone.
fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    let padded = |with: u8| (0..64).map(|n| key.get(n).copied().unwrap_or(0) ^ with).collect::<Vec<u8>>();
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().to_vec()
}

#[derive(Debug, Default)]
struct State {
    got: Vec<Got>,
    /// Of the requests to come; the last one is for all that follow.
    replies: Vec<Reply>,
    under_way: usize,
    most_under_way: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
    gate: Arc<Semaphore>,
}

impl Receiver {
    pub(crate) async fn answering(replies: impl Into<Vec<Reply>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hooks", listener.local_addr().unwrap());
        let state = State { replies: replies.into(), ..State::default() };
        let this = Self { url, state: Arc::new(Mutex::new(state)), gate: Arc::new(Semaphore::new(0)) };
        let receiver = this.clone();
        let handler = any(move |headers: HeaderMap, body: Bytes| async move {
            receiver.take(Got { headers, body }).await
        });
        tokio::spawn(axum::serve(listener, Router::new().fallback(handler)).into_future());
        this
    }

    /// One that takes everything.
    pub(crate) async fn good() -> Self {
        Self::answering([Reply::Status(200)]).await
    }

    async fn take(&self, got: Got) -> Response {
        let reply = {
            let mut state = self.state.lock().unwrap();
            state.got.push(got);
            state.under_way += 1;
            state.most_under_way = state.most_under_way.max(state.under_way);
            if state.replies.len() > 1 { state.replies.remove(0) } else { state.replies[0] }
        };
        let status = |status| StatusCode::from_u16(status).unwrap();
        // Others get their turn while this one is under way.
        tokio::task::yield_now().await;
        let answer = match reply {
            Reply::Status(code) => status(code).into_response(),
            Reply::Also(code, name, value) => (status(code), [(name, value)]).into_response(),
            Reply::Hang => std::future::pending().await,
            Reply::Gate => {
                self.gate.acquire().await.unwrap().forget();
                StatusCode::OK.into_response()
            }
        };
        self.state.lock().unwrap().under_way -= 1;
        answer
    }

    pub(crate) fn open_gate(&self, requests: usize) {
        self.gate.add_permits(requests);
    }

    pub(crate) fn now_answers(&self, reply: Reply) {
        self.state.lock().unwrap().replies = vec![reply];
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.state.lock().unwrap().got.clone()
    }

    pub(crate) fn kinds(&self) -> Vec<String> {
        self.got().iter().map(Got::kind).collect()
    }

    pub(crate) fn ids(&self) -> BTreeSet<String> {
        self.got().iter().map(|got| got.id().to_owned()).collect()
    }

    pub(crate) fn most_under_way(&self) -> usize {
        self.state.lock().unwrap().most_under_way
    }

    pub(crate) async fn gets(&self, count: usize) {
        eventually(PATIENCE, "the receiver gets them", async || self.got().len() >= count).await;
    }
}
