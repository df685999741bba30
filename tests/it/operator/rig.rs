//! A cluster, an AWS account and operators, in one virtual time.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use kube::client::Body;
use kube::discovery::ApiResource;
use kube::{Client, ResourceExt};
use reshard::control_plane::{ControlPlane, StreamId};
use reshard::cost::Prices;
use reshard::executor::{StopHandle, stop_signal};
use reshard::operator::audience::Audience;
use reshard::operator::crd;
use reshard::operator::leadership::Leadership;
use reshard::operator::object::{APPROVE, Autoscaler};
use reshard::operator::run::{Operator, Options};
use reshard::operator::selector::LabelSelector;
use reshard::operator::server::{Heartbeat, Readiness};
use reshard::operator::status::{Condition, ConditionStatus, Status};
use reshard::resource::{API_VERSION, KIND};
use reshard::simulator::api::CreateStream;
use reshard::simulator::fault::Operation;
use reshard::simulator::workload::{Curve, KeySkew, Workload};
use reshard::simulator::{Cloud, Config};
use reshard::snapshot::ShardMetric;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tower::service_fn;

use super::fuse::Fuse;
use super::plane::Aws;
use crate::support::cluster::{Cluster, Memory};

/// The namespace of most tests.
pub const NAMESPACE: &str = "payments";
/// How long a test waits for what it expects.
const PATIENCE: Duration = Duration::from_secs(6 * 3_600);

/// All that a test works with.
pub struct Rig {
    pub cluster: Memory,
    pub aws: Aws,
    pub fuse: Fuse,
}

/// An operator that runs.
pub struct Running {
    stop: StopHandle,
    task: JoinHandle<()>,
    pub readiness: Readiness,
    pub heartbeat: Heartbeat,
}

impl Running {
    /// It dies where it is.
    pub fn kill(self) {
        self.task.abort();
    }

    /// It is asked to end, and does.
    pub async fn stop(self) {
        self.stop.stop();
        self.task.await.unwrap();
    }
}

impl Rig {
    /// A cluster with the namespace `payments`, which may touch everything, and an empty account.
    pub async fn start() -> Rig {
        let cluster = Memory::start(0);
        let fuse = Fuse::default();
        let config = Config { start: cluster.server.now(), ..Config::default() };
        let rig = Rig { aws: Aws::new(Cloud::new(config), fuse.clone()), cluster, fuse };
        let definition = serde_json::to_value(crd::definition().unwrap()).unwrap();
        rig.cluster().install(definition).await;
        rig.namespace(NAMESPACE, "*").await;
        rig
    }

    fn cluster(&self) -> &dyn Cluster {
        &self.cluster
    }

    /// A client that no fuse ends.
    pub fn client(&self) -> Client {
        self.cluster().client("test")
    }

    fn api(&self, namespace: &str) -> Api<Autoscaler> {
        Api::namespaced(self.client(), namespace)
    }

    /// Makes the namespace, or makes it so: with what it allows.
    pub async fn namespace(&self, name: &str, streams: &str) {
        let object = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "annotations": {"reshard.dev/streams": streams}},
        });
        self.cluster().apply(&ApiResource::erase::<Namespace>(&()), None, object).await;
    }

    /// Lets the namespace `payments` use these roles.
    pub async fn allow_roles(&self, roles: &str) {
        let api: Api<Namespace> = Api::all(self.client());
        let patch = json!({"metadata": {"annotations": {"reshard.dev/roles": roles}}});
        api.patch(NAMESPACE, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    }

    /// A stream with shard metrics that has carried `workload` for a quarter of an hour.
    pub async fn stream(&self, name: &str, shards: i32, workload: Workload) {
        self.cloud_stream(name, shards);
        self.pass_minutes(1).await;
        let stream = StreamId::Name(name.to_owned());
        self.aws.enable_enhanced_monitoring(&stream, &ShardMetric::ALL).await.unwrap();
        self.pass_minutes(1).await;
        self.load(name, workload);
        self.pass_minutes(15).await;
    }

    fn cloud_stream(&self, name: &str, shards: i32) {
        let request = CreateStream {
            stream_name: name.to_owned(),
            shard_count: Some(shards),
            ..CreateStream::default()
        };
        self.aws.cloud().create_stream(request).unwrap();
    }

    pub fn load(&self, name: &str, workload: Workload) {
        self.aws.cloud().set_workload(name, workload).unwrap();
    }

    /// Puts the resource as somebody with kubectl would.
    pub async fn put(&self, name: &str, spec: Value) {
        self.put_in(NAMESPACE, name, spec).await;
    }

    pub async fn put_in(&self, namespace: &str, name: &str, spec: Value) {
        let object = json!({
            "apiVersion": API_VERSION, "kind": KIND,
            "metadata": {"name": name, "namespace": namespace},
            "spec": spec,
        });
        self.cluster().apply(&ApiResource::erase::<Autoscaler>(&()), Some(namespace), object).await;
    }

    pub async fn label(&self, name: &str, label: &str, value: &str) {
        self.merge(name, json!({"metadata": {"labels": {label: value}}})).await;
    }

    pub async fn annotate(&self, name: &str, annotation: &str, value: Option<&str>) {
        self.merge(name, json!({"metadata": {"annotations": {annotation: value}}})).await;
    }

    pub async fn approve(&self, name: &str, hash: &str) {
        self.annotate(name, APPROVE, Some(hash)).await;
    }

    /// Changes fields of the spec.
    pub async fn edit(&self, name: &str, spec: Value) {
        self.merge(name, json!({"spec": spec})).await;
    }

    async fn merge(&self, name: &str, patch: Value) {
        self.api(NAMESPACE).patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    }

    pub async fn delete(&self, name: &str) {
        self.api(NAMESPACE).delete(name, &DeleteParams::default()).await.unwrap();
    }

    pub async fn get(&self, name: &str) -> Autoscaler {
        self.api(NAMESPACE).get(name).await.unwrap()
    }

    pub async fn status(&self, name: &str) -> Status {
        self.get(name).await.status()
    }

    /// The events about a resource, oldest first: their reasons and notes.
    pub async fn events(&self, name: &str) -> Vec<(String, String)> {
        let api: Api<Event> = Api::namespaced(self.client(), NAMESPACE);
        let mut events = api.list(&ListParams::default()).await.unwrap().items;
        events.retain(|event| event.regarding.as_ref().and_then(|of| of.name.as_deref()) == Some(name));
        events.sort_by_key(|event| event.event_time.clone().unwrap().0);
        events
            .into_iter()
            .map(|event| (event.reason.unwrap_or_default(), event.note.unwrap_or_default()))
            .collect()
    }

    /// How often events with this reason were posted.
    pub async fn told(&self, name: &str, reason: &str) -> usize {
        self.events(name).await.iter().filter(|(told, _)| told == reason).count()
    }

    /// An operator that has no rival.
    pub fn operator(&self) -> Running {
        self.operator_with("operator", Leadership::always(), "")
    }

    pub fn operator_with(&self, name: &str, leadership: Leadership, selector: &str) -> Running {
        self.operator_that_tells(name, leadership, selector, Arc::new(()))
    }

    /// An operator that tells `audience` of every pass.
    pub fn operator_that_tells(
        &self,
        name: &str,
        leadership: Leadership,
        selector: &str,
        audience: Arc<dyn Audience>,
    ) -> Running {
        let (heartbeat, readiness) = (Heartbeat::default(), Readiness::default());
        let aws = self.aws.clone();
        let options = Options {
            selector: selector.parse::<LabelSelector>().unwrap(),
            one_tenant: false,
            cluster_id: "test".to_owned(),
            instance: name.to_owned(),
            write_timeout: Duration::from_secs(5),
            prices: Prices::default(),
            clock_speed: 1,
            clock: Arc::new(move || aws.now()),
            audience,
            heartbeat: heartbeat.clone(),
            readiness: readiness.clone(),
        };
        let (stop, signal) = stop_signal();
        let operator = Operator::new(self.fused(name), self.aws.clone(), leadership, options);
        Running { stop, task: tokio::spawn(operator.run(signal)), readiness, heartbeat }
    }

    /// A client whose requests the fuse lets pass, but for watches.
    pub fn fused(&self, name: &str) -> Client {
        let (client, fuse) = (self.cluster().client(name), self.fuse.clone());
        let service = service_fn(move |request: Request<Body>| {
            let (client, fuse) = (client.clone(), fuse.clone());
            async move {
                let watches = request.uri().query().unwrap_or_default().contains("watch=");
                let name = format!("kubernetes {} {}", request.method(), request.uri().path());
                let send = client.send(request);
                let reply = if watches { send.await } else { fuse.pass(name, send).await };
                reply.map_err(tower::BoxError::from)
            }
        });
        Client::new(service, NAMESPACE)
    }

    /// Lets time pass.
    pub async fn pass_minutes(&self, minutes: u64) {
        tokio::time::sleep(Duration::from_secs(60 * minutes)).await;
    }

    /// Waits until the status of a resource is as it should be.
    pub async fn until(&self, name: &str, what: &str, is_so: impl Fn(&Status) -> bool) -> Status {
        let mut waited = Duration::ZERO;
        loop {
            let status = self.status(name).await;
            if is_so(&status) {
                return status;
            }
            assert!(waited < PATIENCE, "{what}: {status:#?}\n{:#?}", self.events(name).await);
            let pause = Duration::from_secs(1);
            tokio::time::sleep(pause).await;
            waited += pause;
        }
    }

    /// How many shards of the stream are open.
    pub fn shards(&self, stream: &str) -> usize {
        let truth = self.aws.cloud().truth(stream).unwrap();
        truth.shards.iter().filter(|shard| shard.closed_at.is_none()).count()
    }

    /// How many shards the stream has ever had: each split makes two, each merge one.
    pub fn shards_ever(&self, stream: &str) -> usize {
        self.aws.cloud().truth(stream).unwrap().shards.len()
    }

    /// How often AWS was asked to split or merge.
    pub fn reshards_asked(&self) -> u64 {
        let cloud = self.aws.cloud();
        cloud.calls(Operation::SplitShard) + cloud.calls(Operation::MergeShards)
    }

    /// The version of the resource.
    pub async fn version(&self, name: &str) -> String {
        self.get(name).await.resource_version().unwrap_or_default()
    }
}

/// A constant load on even keys, in bytes a second.
pub fn even(bytes_per_second: u64) -> Workload {
    Workload::new(Curve::constant(bytes_per_second)).keys(KeySkew::Even)
}

/// A spec for the stream, with the mode and what more there is.
pub fn spec(stream: &str, mode: &str, more: Value) -> Value {
    let mut spec = json!({
        "streamRef": {"name": stream, "region": "us-east-1"}, "mode": mode, "maxShards": 16,
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 600}},
    });
    let fields = more.as_object().unwrap().clone();
    spec.as_object_mut().unwrap().extend(fields);
    spec
}

/// The condition of a type.
pub fn condition<'a>(status: &'a Status, r#type: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|condition| condition.r#type == r#type)
}

/// Whether a condition is true, for this reason.
pub fn is(status: &Status, r#type: &str, reason: &str) -> bool {
    condition(status, r#type)
        .is_some_and(|condition| condition.status == ConditionStatus::True && condition.reason == reason)
}
