//! The calls to the API server that a pass makes. Each has a timeout, and none is sent in the name
//! of a leader whose lease may end before the reply.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event as EventObject;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::{Client, Resource};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use super::connect::explain;
use super::events::Event;
use super::leadership::Leadership;
use super::object::Autoscaler;
use super::status::Status;
use crate::resource::{API_VERSION, KIND};

/// How long a call may take: less than what is left of a lease that is about to be renewed.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(4);

/// What is wrong where the definition in the cluster lacks a field of the status.
const OLD_DEFINITION: &str = "the definition of KinesisStreamAutoscalers in the cluster is older than this operator, and has to be updated \
     first (`reshard crd | kubectl apply --server-side -f -`)";

/// The name under which fields of the status are owned.
const FIELD_MANAGER: &str = "reshard";
/// Who reports events.
const CONTROLLER: &str = "reshard.dev/operator";

/// The way to the API server.
#[derive(Clone)]
pub struct Kube {
    client: Client,
    leadership: Leadership,
    /// Which replica this is, in events.
    instance: String,
}

/// Why a call came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// This replica may not lead any more by the time of the reply.
    #[error("not sent: this replica may not lead any more by the time of the reply")]
    NotLeading,
    /// The resource is not there any more.
    #[error("the resource is not there any more")]
    Gone,
    /// No reply in time.
    #[error("the API server has not answered within {} s", CALL_TIMEOUT.as_secs())]
    TimedOut,
    /// The API server refuses it.
    #[error("the API server refuses: {message} ({code})")]
    Refused {
        /// The status code of HTTP.
        code: u16,
        /// Why.
        message: String,
    },
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

impl Kube {
    /// The way over `client`, as the replica `instance`.
    pub fn new(client: Client, leadership: Leadership, instance: String) -> Kube {
        Kube { client, leadership, instance }
    }

    /// Writes the status of `object`, whole: what it does not say is removed. The resource as it
    /// stands then.
    ///
    /// # Errors
    /// [`ApiError`]; unless it says that nothing was sent, the status may have been written.
    pub async fn write_status(&self, object: &Autoscaler, status: &Status) -> Result<Autoscaler, ApiError> {
        let key = object.key();
        let patch = json!({
            "apiVersion": API_VERSION,
            "kind": KIND,
            // With the UID it is this resource, not its namesake.
            "metadata": {"name": &*key.name, "namespace": &*key.namespace, "uid": object.metadata.uid},
            "status": status,
        });
        let api: Api<Autoscaler> = Api::namespaced(self.client.clone(), &key.namespace);
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        let written = self.call(api.patch_status(&key.name, &parameters, &Patch::Apply(&patch))).await?;
        if written.metadata.uid == object.metadata.uid { Ok(written) } else { Err(ApiError::Gone) }
    }

    /// Reads `object` anew, past every cache.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn read(&self, object: &Autoscaler) -> Result<Autoscaler, ApiError> {
        let key = object.key();
        let api: Api<Autoscaler> = Api::namespaced(self.client.clone(), &key.namespace);
        let read = self.call(api.get(&key.name)).await?;
        if read.metadata.uid == object.metadata.uid { Ok(read) } else { Err(ApiError::Gone) }
    }

    /// Posts an event about `object`, which happened at `at`.
    ///
    /// # Errors
    /// [`ApiError`]; the event may have been posted, and is then not posted again by the same call.
    pub async fn post(&self, object: &Autoscaler, event: &Event, at: Timestamp) -> Result<(), ApiError> {
        let Event { warning, reason, note } = event;
        let key = object.key();
        let uid = object.metadata.uid.clone().unwrap_or_default();
        let digest = Sha256::digest(format!("{uid}/{reason}/{note}"));
        let suffix: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let ObjectReference { api_version, kind, .. } = object.object_ref(&());
        let regarding = ObjectReference {
            api_version,
            kind,
            namespace: Some(key.namespace.to_string()),
            name: Some(key.name.to_string()),
            uid: Some(uid),
            ..ObjectReference::default()
        };
        let posted = EventObject {
            metadata: ObjectMeta {
                namespace: Some(key.namespace.to_string()),
                // In the order of time: kubectl describe shows events of this kind by their names.
                name: Some(format!("{}.{:016x}{suffix}", key.name, at.as_nanosecond())),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(at)),
            type_: Some(if *warning { "Warning" } else { "Normal" }.to_owned()),
            reason: Some(reason.clone()),
            note: Some(note.clone()),
            action: Some("Reconcile".to_owned()),
            regarding: Some(regarding),
            reporting_controller: Some(CONTROLLER.to_owned()),
            reporting_instance: Some(self.instance.clone()),
            ..EventObject::default()
        };
        let api: Api<EventObject> = Api::namespaced(self.client.clone(), &key.namespace);
        match self.call(api.create(&PostParams::default(), &posted)).await {
            // An earlier try has arrived after all.
            Err(ApiError::Refused { code: 409, .. }) => Ok(()),
            posted => posted.map(drop),
        }
    }

    async fn call<T>(&self, call: impl Future<Output = kube::Result<T>>) -> Result<T, ApiError> {
        if self.leadership.remaining() <= CALL_TIMEOUT {
            return Err(ApiError::NotLeading);
        }
        match timeout(CALL_TIMEOUT, call).await {
            Err(_) => Err(ApiError::TimedOut),
            Ok(Ok(value)) => Ok(value),
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => Err(ApiError::Gone),
            Ok(Err(kube::Error::Api(status))) => {
                let message = match status.message.contains("field not declared in schema") {
                    true => format!("{OLD_DEFINITION}: {}", status.message),
                    false => status.message.clone(),
                };
                Err(ApiError::Refused { code: status.code, message })
            }
            Ok(Err(error)) => Err(ApiError::Failed(explain(&error))),
        }
    }
}
