//! A cluster, an AWS account and operators: in one virtual time, or on a real API server in real time,
//! of which a test has a namespace, streams of its own, and a faster clock of AWS.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use jiff::Timestamp;
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
use reshard::operator::leadership::Leadership;
use reshard::operator::object::{APPROVE, Autoscaler};
use reshard::operator::run::{Operator, Options};
use reshard::operator::selector::LabelSelector;
use reshard::operator::server::{Heartbeat, Readiness};
use reshard::operator::status::{Condition, ConditionStatus, Status};
use reshard::resource::{API_VERSION, KIND};
use reshard::simulator::api::{CreateStream, StreamRef};
use reshard::simulator::fault::Operation;
use reshard::simulator::workload::{Curve, KeySkew, Workload};
use reshard::snapshot::ShardMetric;
use reshard::stream::StreamStatus;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tower::service_fn;

use super::clock::Clock;
use super::fuse::Fuse;
use super::plane::{Account, Aws};
use crate::support::cluster::Cluster;
use crate::support::kube::call::Verb;
use crate::support::wire::{Effect, Fault, Upstream, When};

/// How long a test waits for what it expects, by AWS's clock.
const PATIENCE: Duration = Duration::from_secs(3 * 3_600);
/// How fast AWS's clock runs beside a real API server: a step takes a second there.
const SPEED: u32 = 30;

/// All that a test works with.
pub struct Rig<'a> {
    pub cluster: &'a dyn Cluster,
    pub account: Account,
    pub fuse: Fuse,
    pub aws: Aws<Fuse>,
    /// Of the test's own.
    pub namespace: String,
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

impl<'a> Rig<'a> {
    /// A namespace of the cluster, which may touch everything, and an empty account.
    pub async fn start(cluster: &'a dyn Cluster) -> Rig<'a> {
        Rig::with_account(cluster, Account::empty).await
    }

    /// The same with another account, which follows the clock.
    pub async fn with_account(cluster: &'a dyn Cluster, account: impl FnOnce(Clock) -> Account) -> Rig<'a> {
        let clock = match cluster.upstream() {
            Upstream::Memory(server) => Clock::new(server.now(), 1),
            Upstream::Real(_) => Clock::new(Timestamp::now(), SPEED),
        };
        cluster.install_autoscaler().await;
        let (account, fuse) = (account(clock), Fuse::default());
        let aws = Aws::new(account.clone(), fuse.clone());
        let rig = Rig { cluster, account, aws, fuse, namespace: cluster.namespace().await };
        rig.allow("*").await;
        rig
    }

    /// A client that no fuse ends.
    pub fn client(&self) -> Client {
        self.cluster.client("test")
    }

    fn api(&self) -> Api<Autoscaler> {
        Api::namespaced(self.client(), &self.namespace)
    }

    /// Lets the test's namespace touch these streams.
    pub async fn allow(&self, streams: &str) {
        self.allow_in(&self.namespace, streams).await;
    }

    /// Lets a namespace touch these streams.
    pub async fn allow_in(&self, namespace: &str, streams: &str) {
        let object = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": namespace, "annotations": {"reshard.dev/streams": streams}},
        });
        self.cluster.apply(&ApiResource::erase::<Namespace>(&()), None, object).await;
    }

    /// Lets the test's namespace use these roles.
    pub async fn allow_roles(&self, roles: &str) {
        let api: Api<Namespace> = Api::all(self.client());
        let patch = json!({"metadata": {"annotations": {"reshard.dev/roles": roles}}});
        api.patch(&self.namespace, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    }

    /// What a stream is called: two tests on one server are no rivals.
    pub fn named(&self, stream: &str) -> String {
        format!("{stream}-{}", self.namespace)
    }

    /// The same for requests.
    pub fn reference(&self, stream: &str) -> StreamRef {
        StreamRef::name(self.named(stream))
    }

    pub fn arn(&self, stream: &str) -> String {
        format!("arn:aws:kinesis:us-east-1:123456789012:stream/{}", self.named(stream))
    }

    /// A stream with shard metrics that has carried `workload` for a quarter of an hour.
    pub async fn stream(&self, name: &str, shards: i32, workload: Workload) {
        let minutes = |minutes: u64| self.account.clock.skip(Duration::from_secs(60 * minutes));
        let request = CreateStream {
            stream_name: self.named(name),
            shard_count: Some(shards),
            ..CreateStream::default()
        };
        self.account.cloud().create_stream(request).unwrap();
        minutes(1).await;
        let stream = StreamId::Name(self.named(name));
        self.aws.enable_enhanced_monitoring(&stream, &ShardMetric::ALL).await.unwrap();
        minutes(1).await;
        self.load(name, workload);
        minutes(15).await;
    }

    pub fn load(&self, name: &str, workload: Workload) {
        self.account.cloud().set_workload(&self.named(name), workload).unwrap();
    }

    /// A spec for the stream, with the mode and what more there is.
    pub fn spec(&self, stream: &str, mode: &str, more: Value) -> Value {
        let mut spec = json!({
            "streamRef": {"name": self.named(stream), "region": "us-east-1"}, "mode": mode, "maxShards": 16,
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 600}},
        });
        let fields = more.as_object().unwrap().clone();
        spec.as_object_mut().unwrap().extend(fields);
        spec
    }

    /// Puts the resource as somebody with kubectl would.
    pub async fn put(&self, name: &str, spec: Value) {
        self.put_in(&self.namespace, name, spec).await;
    }

    pub async fn put_in(&self, namespace: &str, name: &str, spec: Value) {
        let object = json!({
            "apiVersion": API_VERSION, "kind": KIND,
            "metadata": {"name": name, "namespace": namespace, "labels": {"test": self.namespace}},
            "spec": spec,
        });
        self.cluster.apply(&ApiResource::erase::<Autoscaler>(&()), Some(namespace), object).await;
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

    /// Changes fields of the resource.
    pub async fn merge(&self, name: &str, patch: Value) {
        self.api().patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    }

    pub async fn delete(&self, name: &str) {
        self.api().delete(name, &DeleteParams::default()).await.unwrap();
    }

    pub async fn get(&self, name: &str) -> Autoscaler {
        self.api().get(name).await.unwrap()
    }

    pub async fn status(&self, name: &str) -> Status {
        self.get(name).await.status()
    }

    /// The events about a resource, oldest first: their reasons and notes.
    pub async fn events(&self, name: &str) -> Vec<(String, String)> {
        let api: Api<Event> = Api::namespaced(self.client(), &self.namespace);
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

    /// An operator for those of the test's resources that `selector` selects.
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
        let clock = self.account.clock.clone();
        let own = [&format!("test={}", self.namespace), selector].map(str::to_owned);
        let selector = own.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(",");
        let options = Options {
            selector: selector.parse::<LabelSelector>().unwrap(),
            one_tenant: false,
            cluster_id: "test".to_owned(),
            instance: name.to_owned(),
            write_timeout: Duration::from_secs(5),
            prices: Prices::default(),
            clock_speed: clock.speed(),
            clock: Arc::new(move || clock.now()),
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
        let (client, fuse) = (self.cluster.client(name), self.fuse.clone());
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
        Client::new(service, &*self.namespace)
    }

    /// From now on the watches of the client `name` tell it nothing; a real server cannot do that.
    pub fn blind(&self, name: &str) {
        let silence = Fault::new(When::Always, Effect::Silence);
        self.cluster.wire().fault(silence.of(name).on(&[Verb::Watch, Verb::List]));
        self.cluster.drop_watches().unwrap();
    }

    /// Lets time pass, by AWS's clock.
    pub async fn pass_minutes(&self, minutes: u64) {
        self.account.clock.sleep(Duration::from_secs(60 * minutes)).await;
    }

    /// Lets a good many passes pass: an hour where that costs nothing, else ten minutes.
    pub async fn pass_a_while(&self) {
        self.pass_minutes(if self.account.clock.speed() == 1 { 60 } else { 10 }).await;
    }

    /// Looks once a second, by AWS's clock, until something is so.
    pub async fn until_so(&self, what: &str, is_so: impl AsyncFn() -> bool) {
        let begun = self.account.clock.now();
        while !is_so().await {
            let waited = self.account.clock.now().duration_since(begun).unsigned_abs();
            assert!(waited < PATIENCE, "{what}: not after {waited:?}");
            self.account.clock.sleep(Duration::from_secs(1)).await;
        }
    }

    /// Waits until the status of a resource is as it should be.
    pub async fn until(&self, name: &str, what: &str, is_so: impl Fn(&Status) -> bool) -> Status {
        let begun = self.account.clock.now();
        loop {
            let status = self.status(name).await;
            if is_so(&status) {
                return status;
            }
            let waited = self.account.clock.now().duration_since(begun).unsigned_abs();
            assert!(waited < PATIENCE, "{what}: {status:#?}\n{:#?}", self.events(name).await);
            self.account.clock.sleep(Duration::from_secs(1)).await;
        }
    }

    /// Waits until the status tells of so many shards, or more.
    pub async fn until_shards(&self, name: &str, count: u32) -> Status {
        let is_so = |status: &Status| status.shards.is_some_and(|shards| shards.current >= count);
        self.until(name, &format!("{count} shards"), is_so).await
    }

    /// Waits until a pass has told what it saw.
    pub async fn until_seen(&self, name: &str) -> Status {
        self.until(name, "seen", |status| status.shards.is_some()).await
    }

    /// Waits until AWS has been asked to split or merge so often.
    pub async fn until_reshards_are_asked(&self, count: u64) {
        self.until_so("reshards", async || self.reshards_asked() >= count).await;
    }

    /// Whether a stream reshards now.
    pub fn is_resharding(&self, stream: &str) -> bool {
        let truth = self.account.cloud().truth(&self.named(stream)).unwrap();
        truth.status == StreamStatus::Updating
    }

    /// How many shards of the stream are open.
    pub fn shards(&self, stream: &str) -> usize {
        let truth = self.account.cloud().truth(&self.named(stream)).unwrap();
        truth.shards.iter().filter(|shard| shard.closed_at.is_none()).count()
    }

    /// How many shards the stream has ever had: each split makes two, each merge one.
    pub fn shards_ever(&self, stream: &str) -> usize {
        self.account.cloud().truth(&self.named(stream)).unwrap().shards.len()
    }

    /// How often AWS was asked for this.
    pub fn calls(&self, operation: Operation) -> u64 {
        self.account.cloud().calls(operation)
    }

    /// How often AWS was asked to split or merge.
    pub fn reshards_asked(&self) -> u64 {
        self.calls(Operation::SplitShard) + self.calls(Operation::MergeShards)
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

/// The condition of a type.
pub fn condition<'a>(status: &'a Status, r#type: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|condition| condition.r#type == r#type)
}

/// Whether a condition is true, for this reason.
pub fn is(status: &Status, r#type: &str, reason: &str) -> bool {
    condition(status, r#type)
        .is_some_and(|condition| condition.status == ConditionStatus::True && condition.reason == reason)
}
