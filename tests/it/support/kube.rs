//! A Kubernetes API server in memory: what the operator asks of one, in virtual time if the test runs
//! in it. Its replies follow the real one's, and one suite runs on both.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::stream;
use http::{Response, StatusCode, header, request};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use jiff::Timestamp;
use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::{Value, json};
use tokio::sync::watch::Sender;
use tokio::time::Instant;

use self::access::Access;
use self::call::{Call, Verb};
use self::refusal::Refusal;
use self::store::Store;
use self::watching::Watch;
use self::write::Writer;

mod access;
pub mod call;
mod fields;
mod kinds;
mod ownership;
mod read;
pub mod refusal;
mod rules;
pub mod schema;
mod selector;
mod store;
mod watching;
mod write;

/// What replies carry.
pub type ReplyBody = UnsyncBoxBody<Bytes, io::Error>;

/// The server. Clones are the same one.
#[derive(Debug, Clone)]
pub struct ApiServer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    /// The version of the last change.
    changed: Sender<u64>,
    /// The number of this run; it changes when the server stops.
    running: Sender<u64>,
    /// What its clock showed when, by the monotonic clock.
    clock: (Timestamp, Instant),
}

#[derive(Debug)]
struct State {
    store: Store,
    access: Access,
    stopped: bool,
}

impl ApiServer {
    /// A server with the namespaces of every cluster, whose clock shows `now`.
    pub fn start(now: Timestamp) -> ApiServer {
        let state = State { store: Store::new(), access: Access::default(), stopped: false };
        let server = ApiServer(Arc::new(Inner {
            state: Mutex::new(state),
            changed: Sender::new(0),
            running: Sender::new(0),
            clock: (now, Instant::now()),
        }));
        for name in ["default", "kube-system"] {
            server.create_namespace(name);
        }
        server
    }

    /// Makes a namespace as if somebody had.
    pub fn create_namespace(&self, name: &str) {
        let request = request_parts("/api/v1/namespaces", "POST");
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        let made = self.reply("test", &Call::of(&request), body.to_string().as_bytes());
        assert!(matches!(made, Ok(Reply::Json(201, _))), "a new namespace");
    }

    /// What the server's clock shows.
    pub fn now(&self) -> Timestamp {
        self.0.clock.0 + self.0.clock.1.elapsed()
    }

    /// Answers nobody any more; every watch breaks. What is stored stays.
    pub fn stop(&self) {
        self.state().stopped = true;
        self.0.running.send_modify(|run| *run += 1);
    }

    /// Answers again.
    pub fn start_again(&self) {
        self.state().stopped = false;
    }

    /// Forgets the history: who watches from an old version must list again.
    pub fn compact(&self) {
        self.state().store.compact();
    }

    /// Breaks every watch; requests go on.
    pub fn drop_watches(&self) {
        self.0.running.send_modify(|run| *run += 1);
    }

    /// From now on the client may do only what it was granted.
    pub fn grant(&self, client: &str, namespace: Option<&str>, rules: Vec<PolicyRule>) {
        self.state().access.grant(client, namespace, rules);
    }

    /// Answers a request; an error is a connection that could not be made.
    pub fn answer(
        &self,
        client: &str,
        head: &request::Parts,
        body: &[u8],
    ) -> Result<Response<ReplyBody>, io::Error> {
        if self.state().stopped {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let response = Response::builder()
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::DATE, self.now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
        let full =
            |value: &Value| Full::from(value.to_string()).map_err(|never| match never {}).boxed_unsync();
        let built = match self.reply(client, &Call::of(head), body) {
            Ok(Reply::Json(code, value)) => response.status(code).body(full(&value)),
            Ok(Reply::Watch(watch)) => response.body(streamed(*watch)),
            Err(refusal) => {
                let response = match refusal.retry_after {
                    Some(seconds) => response.header(header::RETRY_AFTER, seconds),
                    None => response,
                };
                response.status(refusal.code).body(full(&refusal.status()))
            }
        };
        Ok(built.expect("a response of sound parts"))
    }

    fn reply(&self, client: &str, call: &Call, body: &[u8]) -> Result<Reply, Refusal> {
        let mut state = self.state();
        state.access.check(client, call)?;
        if call.version.is_empty() {
            return about_the_server(&call.resource);
        }
        let kind = state.store.kind(&call.group, &call.version, &call.resource)?;
        let reply = match call.verb {
            Verb::Get => Reply::json(200, read::get(&state.store, &kind, call)?),
            Verb::List => Reply::json(200, read::list(&state.store, &kind, call)?),
            Verb::Watch => Reply::Watch(Box::new(Watch::start(self, &state, &kind, call)?)),
            _ => {
                let now = self.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
                let before = state.store.version();
                let written = Writer { store: &mut state.store, now }.write(&kind, call, body);
                let version = state.store.version();
                if version > before {
                    self.0.changed.send_replace(version);
                }
                let (code, object) = written?;
                Reply::json(code, read::shown(call, &object))
            }
        };
        Ok(reply)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Reply {
    Json(u16, Value),
    Watch(Box<Watch>),
}

impl Reply {
    fn json(code: u16, value: Value) -> Reply {
        Reply::Json(code, value)
    }
}

/// `/version`, and whether the server is well.
fn about_the_server(path: &str) -> Result<Reply, Refusal> {
    match path {
        "/version" => Ok(Reply::Json(
            StatusCode::OK.as_u16(),
            json!({
                "major": "1", "minor": "33", "gitVersion": "v1.33.0", "gitCommit": "", "gitTreeState": "clean",
                "buildDate": "", "goVersion": "", "compiler": "", "platform": "",
            }),
        )),
        "/healthz" | "/livez" | "/readyz" => Ok(Reply::Json(200, "ok".into())),
        _ => Err(Refusal::no_such_path()),
    }
}

fn streamed(watch: Watch) -> ReplyBody {
    let lines = stream::unfold(watch, async |mut watch| {
        let line = watch.next().await?;
        Some((line.map(Frame::data), watch))
    });
    StreamBody::new(lines).boxed_unsync()
}

fn request_parts(path: &str, method: &str) -> request::Parts {
    let request = http::Request::builder().uri(path).method(method).body(());
    request.expect("a sound request").into_parts().0
}
