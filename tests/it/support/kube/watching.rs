//! Watches: first what there is, where that is asked for, then each change as it comes, with
//! bookmarks between, until the time is up, the history is gone, or the server is.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::watch::Receiver;
use tokio::time::Instant;

use super::call::Call;
use super::kinds::Kind;
use super::read::{shown, version};
use super::refusal::{Cause, Refusal};
use super::selector::Selector;
use super::store::{self, Store};
use super::{ApiServer, State};

/// How often a watch that allows it is told how far it is.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);

/// A watch that goes on.
pub struct Watch {
    server: ApiServer,
    kind: Arc<Kind>,
    call: Call,
    selector: Selector,
    /// All up to this version is told.
    told: u64,
    ready: VecDeque<Bytes>,
    deadline: Instant,
    bookmark_at: Option<Instant>,
    changed: Receiver<u64>,
    /// Whether this very run of the server goes on.
    running: Receiver<u64>,
    over: bool,
}

impl Watch {
    pub(super) fn start(
        server: &ApiServer,
        state: &State,
        kind: &Arc<Kind>,
        call: &Call,
    ) -> Result<Watch, Refusal> {
        let store = &state.store;
        let selector = Selector::of(call, kind)?;
        let from = match version(store, call) {
            Ok(version) => version,
            // A watch from the future waits for it.
            Err(refusal) if refusal.code == 504 => {
                call.param("resourceVersion").and_then(|text| text.parse().ok()).unwrap_or_default()
            }
            Err(refusal) => return Err(refusal),
        };
        let streaming = check_streaming(kind, call)?;
        let seconds = call.param("timeoutSeconds").and_then(|seconds| seconds.parse().ok()).unwrap_or(1_800);
        let now = Instant::now();
        let mut watch = Watch {
            server: server.clone(),
            kind: kind.clone(),
            selector,
            told: if from == 0 || streaming { store.version() } else { from },
            ready: VecDeque::new(),
            deadline: now + Duration::from_secs(seconds),
            bookmark_at: call.is("allowWatchBookmarks").then_some(now + BOOKMARK_EVERY),
            changed: server.0.changed.subscribe(),
            running: server.0.running.subscribe(),
            call: call.clone(),
            over: false,
        };
        if streaming || (from == 0 && call.param("sendInitialEvents").is_none()) {
            for (key, object) in store.all(&kind.group_resource()) {
                if watch.selector.fits(&key, &object) {
                    watch.push("ADDED", &object);
                }
            }
        }
        if streaming {
            watch.bookmark(json!({"k8s.io/initial-events-end": "true"}));
        }
        Ok(watch)
    }

    /// The next lines, an end, or that the connection broke.
    pub async fn next(&mut self) -> Option<Result<Bytes, io::Error>> {
        loop {
            self.changed.borrow_and_update();
            if self.running.has_changed().unwrap_or(true) {
                return Some(Err(io::ErrorKind::ConnectionReset.into()));
            }
            if let Some(line) = self.ready.pop_front() {
                return Some(Ok(line));
            }
            if self.over {
                return None;
            }
            self.collect();
            if !self.ready.is_empty() {
                continue;
            }
            let bookmark_at = self.bookmark_at.unwrap_or(self.deadline);
            tokio::select! {
                biased;
                _ = self.running.changed() => {
                    return Some(Err(io::ErrorKind::ConnectionReset.into()));
                }
                _ = self.changed.changed() => {}
                () = tokio::time::sleep_until(self.deadline) => self.over = true,
                () = tokio::time::sleep_until(bookmark_at) => {
                    self.bookmark_at = Some(bookmark_at + BOOKMARK_EVERY);
                    self.bookmark(json!({}));
                }
            }
        }
    }

    /// Reads what has changed since.
    fn collect(&mut self) {
        let server = self.server.clone();
        let state = server.state();
        if let Err(refusal) = self.read(&state.store) {
            let line = json!({"type": "ERROR", "object": refusal.status()});
            self.ready.push_back(Bytes::from(format!("{line}\n")));
            self.over = true;
        }
    }

    fn read(&mut self, store: &Store) -> Result<(), Refusal> {
        if self.told >= store.version() {
            return Ok(());
        }
        let resource = self.kind.group_resource();
        for change in store.since(self.told)?.filter(|change| change.resource == resource) {
            let fits = |object: &&Arc<Value>| self.selector.fits(&change.key, object);
            let before = change.before.as_ref().filter(fits);
            let after = change.after.as_ref().filter(fits);
            match (before, after) {
                (None, Some(after)) => self.push("ADDED", after),
                (Some(_), Some(after)) => self.push("MODIFIED", after),
                (Some(before), None) => self.push("DELETED", &store::deleted(before, change.version)),
                (None, None) => {}
            }
        }
        self.told = store.version();
        Ok(())
    }

    fn push(&mut self, what: &str, object: &Value) {
        let line = json!({"type": what, "object": shown(&self.call, object)});
        self.ready.push_back(Bytes::from(format!("{line}\n")));
    }

    fn bookmark(&mut self, annotations: Value) {
        let mut metadata = json!({"resourceVersion": self.told.to_string(), "creationTimestamp": null});
        if annotations != json!({}) {
            metadata["annotations"] = annotations;
        }
        let mut object =
            json!({"apiVersion": self.kind.api_version(), "kind": self.kind.kind, "metadata": metadata});
        if self.call.metadata_only {
            object["apiVersion"] = "meta.k8s.io/v1".into();
            object["kind"] = "PartialObjectMetadata".into();
        }
        let line = json!({"type": "BOOKMARK", "object": object});
        self.ready.push_back(Bytes::from(format!("{line}\n")));
    }
}

/// Whether the list is to come through the watch.
fn check_streaming(kind: &Kind, call: &Call) -> Result<bool, Refusal> {
    let wrong = |field: &str, message: &str| {
        let cause =
            Cause { field: field.to_owned(), reason: "FieldValueForbidden", message: message.to_owned() };
        Err(Refusal::invalid(kind, "", &[cause]))
    };
    match (call.param("sendInitialEvents"), call.param("resourceVersionMatch")) {
        (None, None) => Ok(false),
        (None, Some(_)) => wrong(
            "resourceVersionMatch",
            "Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        ),
        (Some(sent), Some("NotOlderThan")) => Ok(sent == "true"),
        (Some(_), _) => wrong(
            "resourceVersionMatch",
            "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        ),
    }
}
