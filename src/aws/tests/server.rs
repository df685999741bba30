//! A server on loopback that gives canned answers in order and keeps what it was asked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response, Uri};
use axum::serve::ListenerExt;

/// What was asked.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) path: String,
    pub(super) target: String,
    /// The key ID that signed it.
    pub(super) key_id: String,
    pub(super) body: Bytes,
}

impl Asked {
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the SDK sends JSON")
    }

    /// The request in CBOR, as JSON; time stamps lose their tag.
    pub(super) fn cbor(&self) -> serde_json::Value {
        let value: ciborium::Value = ciborium::from_reader(&self.body[..]).expect("the SDK sends CBOR");
        to_json(&value)
    }
}

fn to_json(value: &ciborium::Value) -> serde_json::Value {
    use ciborium::Value;
    match value {
        Value::Tag(_, inner) => to_json(inner),
        Value::Array(items) => items.iter().map(to_json).collect(),
        Value::Map(entries) => {
            let text = |key: &Value| key.as_text().expect("keys are texts").to_owned();
            entries.iter().map(|(key, value)| (text(key), to_json(value))).collect()
        }
        Value::Integer(integer) => i64::try_from(*integer).expect("small").into(),
        Value::Float(float) => (*float).into(),
        Value::Bool(bool) => (*bool).into(),
        Value::Text(text) => text.clone().into(),
        _ => serde_json::Value::Null,
    }
}

/// JSON as CBOR; the time stamps of metrics get the tag that the protocol wants.
fn to_cbor(key: &str, value: &serde_json::Value) -> ciborium::Value {
    use ciborium::Value;
    match value {
        serde_json::Value::Number(number) => {
            let number = Value::Float(number.as_f64().expect("a number"));
            if key == "Timestamps" { Value::Tag(1, Box::new(number)) } else { number }
        }
        serde_json::Value::Array(items) => {
            Value::Array(items.iter().map(|item| to_cbor(key, item)).collect())
        }
        serde_json::Value::Object(entries) => Value::Map(
            entries.iter().map(|(key, value)| (Value::Text(key.clone()), to_cbor(key, value))).collect(),
        ),
        serde_json::Value::String(text) => Value::Text(text.clone()),
        serde_json::Value::Bool(bool) => Value::Bool(*bool),
        serde_json::Value::Null => Value::Null,
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    status: u16,
    content_type: &'static str,
    body: Option<Vec<u8>>,
    date: String,
    repeated: bool,
}

impl Answer {
    pub(super) fn text(status: u16, body: &str) -> Self {
        Answer {
            status,
            content_type: "application/x-amz-json-1.1",
            body: Some(body.as_bytes().to_vec()),
            date: "Sun, 22 Nov 2026 04:00:00 GMT".to_owned(),
            repeated: false,
        }
    }

    pub(super) fn json(body: &serde_json::Value) -> Self {
        Answer::text(200, &body.to_string())
    }

    pub(super) fn cbor(body: &serde_json::Value) -> Self {
        let mut bytes = Vec::new();
        ciborium::into_writer(&to_cbor("", body), &mut bytes).expect("a vector takes everything");
        Answer { content_type: "application/cbor", body: Some(bytes), ..Answer::text(200, "") }
    }

    pub(super) fn error(status: u16, code: &str, message: &str) -> Self {
        Answer::text(status, &serde_json::json!({"__type": code, "message": message}).to_string())
    }

    /// Never answers.
    pub(super) fn silence() -> Self {
        Answer { body: None, ..Answer::text(200, "") }
    }

    pub(super) fn status(self, status: u16) -> Self {
        Answer { status, ..self }
    }

    /// With another `Date`; none if empty.
    pub(super) fn dated(self, date: &str) -> Self {
        Answer { date: date.to_owned(), ..self }
    }

    /// For all requests that are left.
    pub(super) fn repeated(self) -> Self {
        Answer { repeated: true, ..self }
    }
}

#[derive(Default)]
struct Shared {
    answers: Vec<Answer>,
    asked: Vec<Asked>,
}

/// The server; it ends with the test's runtime.
pub(super) struct Server {
    pub(super) url: String,
    shared: Arc<Mutex<Shared>>,
    connections: Arc<AtomicUsize>,
}

impl Server {
    pub(super) async fn start(answers: Vec<Answer>) -> Self {
        let shared = Arc::new(Mutex::new(Shared { answers, asked: Vec::new() }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let app = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = Arc::clone(&connections);
        let listener = listener.tap_io(move |_| {
            accepted.fetch_add(1, Ordering::Relaxed);
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        Server { url, shared, connections }
    }

    /// How many connections were made.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    pub(super) fn requests(&self) -> Vec<Asked> {
        self.shared.lock().expect("not poisoned").asked.clone()
    }
}

async fn answer(
    State(shared): State<Arc<Mutex<Shared>>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let (answer, number) = {
        let mut shared = shared.lock().expect("not poisoned");
        let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
        let target = target.unwrap_or_default().to_owned();
        let signature = headers.get("authorization").and_then(|header| header.to_str().ok());
        let key_id = signature.and_then(|text| text.split("Credential=").nth(1)?.split('/').next());
        let key_id = key_id.unwrap_or_default().to_owned();
        shared.asked.push(Asked { path: uri.path().to_owned(), target, key_id, body });
        let answer = match shared.answers.first() {
            Some(answer) if answer.repeated => answer.clone(),
            Some(_) => shared.answers.remove(0),
            None => Answer::error(400, "ValidationException", "the test has no more answers"),
        };
        (answer, shared.asked.len())
    };
    let Some(body) = answer.body else { return std::future::pending().await };
    let mut response = Response::builder().status(answer.status).header("content-type", answer.content_type);
    response = response.header("x-amzn-requestid", format!("request-{number}"));
    if answer.content_type == "application/cbor" {
        response = response.header("smithy-protocol", "rpc-v2-cbor");
    }
    // hyper adds a Date of its own only where there is none; an empty one is none that can be read.
    response.header("date", answer.date).body(Body::from(body)).expect("a valid response")
}
