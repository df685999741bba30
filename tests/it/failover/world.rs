//! The cluster with its resources, the account with its streams, and who looks at every write.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use jiff::{SignedDuration, Timestamp};
use kube::api::{Api, ApiResource};
use kube::core::DynamicObject;
use reshard::cost::Prices;
use reshard::operator::elector::Timing;
use reshard::operator::leadership::Leadership;
use reshard::operator::object::Autoscaler;
use reshard::operator::run::{Operator, Options};
use reshard::operator::selector::LabelSelector;
use reshard::operator::server::{Heartbeat, Readiness};
use reshard::simulator::api::{ChangeEnhancedMonitoring, CreateStream, StreamRef};
use reshard::simulator::fault::{self, Operation};
use reshard::simulator::workload::{Curve, HotSpot, Workload};
use reshard::simulator::{ApiError, ApiErrorCode, Cloud, Config};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::judged::{Judge, Judged, Write};
use crate::election::replica::{Part, Work};
use crate::operator::clock::Clock;
use crate::operator::plane::{Account, Aws};
use crate::support::cluster::Cluster;
use crate::support::kube::call::Verb;
use crate::support::wire::Wire;

const NAMESPACE: &str = "payments";
const STREAMS: [&str; 3] = ["orders", "refunds", "ledger"];
const MIN: usize = 2;
const MAX: usize = 12;

/// How long a write to AWS may take.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// Each way of a request to AWS: two of them are well within the limit.
const LATENCY: Duration = Duration::from_millis(800);

/// What all replicas share.
pub struct World<'a> {
    cluster: &'a dyn Cluster,
    account: Account,
    timing: Timing,
    writes: Arc<Mutex<Vec<Write>>>,
    replicas: Arc<Mutex<BTreeMap<String, Replica>>>,
    violations: Arc<Mutex<Vec<String>>>,
}

/// A replica, as those know it who judge its writes.
struct Replica {
    /// The name by which the wire knows it; the one before it may have had the same.
    client: String,
    started: Instant,
    leads: Leadership,
}

impl<'a> World<'a> {
    /// Three streams under a day's load, and their resources in mode Apply.
    pub async fn new(cluster: &'a dyn Cluster, now: Timestamp, timing: Timing) -> World<'a> {
        let mut cloud =
            Cloud::new(Config { start: now - SignedDuration::from_hours(3), ..Config::default() });
        for (number, name) in STREAMS.into_iter().enumerate() {
            create(&mut cloud, name, 2 + number as i32);
        }
        cloud.advance_to(now);
        cluster.install_autoscaler().await;
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        let of = ApiResource::erase::<k8s_openapi::api::core::v1::Namespace>(&());
        cluster.apply(&of, None, namespace).await;
        for name in STREAMS {
            cluster.apply(&kind(), Some(NAMESPACE), resource(name)).await;
        }
        World {
            cluster,
            account: Account::new(cloud, Clock::new(now, 1)),
            timing,
            writes: Arc::default(),
            replicas: Arc::default(),
            violations: Arc::default(),
        }
    }

    /// All writes to AWS so far.
    pub fn writes(&self) -> Vec<Write> {
        self.writes.lock().unwrap().clone()
    }

    /// What each replica does besides taking part in the election.
    pub fn work(&self) -> Work {
        let (account, replicas, writes) = (self.account.clone(), self.replicas.clone(), self.writes.clone());
        let judge: Judge = {
            let (replicas, violations) = (self.replicas.clone(), self.violations.clone());
            let (wire, deadline) = (self.cluster.wire().clone(), self.timing.renew_deadline);
            Arc::new(move |writes| {
                let (last, before) = writes.split_last().expect("a write");
                let led = led(&replicas.lock().unwrap()[&last.by], &wire, deadline);
                judge(last, before, led, &mut violations.lock().unwrap());
            })
        };
        let wire = self.cluster.wire().clone();
        let upstream = self.cluster.upstream();
        Arc::new(move |Part { client, identity, leads, stop }| {
            let replica = Replica { client: client.clone(), started: Instant::now(), leads: leads.clone() };
            replicas.lock().unwrap().insert(identity.clone(), replica);
            let client = wire.limited_client(upstream.clone(), &client, WRITE_TIMEOUT);
            let clock = account.clock.clone();
            let options = Options {
                selector: LabelSelector::default(),
                one_tenant: true,
                cluster_id: "test".to_owned(),
                instance: identity.clone(),
                write_timeout: WRITE_TIMEOUT,
                prices: Prices::default(),
                clock_speed: 1,
                clock: Arc::new(move || clock.now()),
                audience: Arc::new(()),
                heartbeat: Heartbeat::default(),
                readiness: Readiness::default(),
            };
            let judged =
                Judged { by: identity, latency: LATENCY, writes: writes.clone(), judge: judge.clone() };
            let planes = Aws::new(account.clone(), judged);
            Operator::new(client, planes, leads, options).run(stop).boxed()
        })
    }

    /// From now on AWS says to each split that it is not the time for it.
    pub fn refuse_splits(&self) {
        let refused = ApiError::new(ApiErrorCode::LimitExceeded, "not now");
        let (operation, when) = (Operation::SplitShard, fault::When::Always);
        self.account.cloud().inject(fault::Fault { operation, when, effect: fault::Effect::Refuse(refused) });
    }

    /// What was wrong with writes so far.
    pub fn judged(&self) -> Vec<String> {
        self.violations.lock().unwrap().clone()
    }

    /// What was wrong with writes so far, and is wrong with the end.
    pub async fn violations(&self) -> Vec<String> {
        let mut violations = self.judged();
        let api: Api<DynamicObject> = Api::namespaced_with(self.cluster.client("test"), NAMESPACE, &kind());
        for name in STREAMS {
            let object = api.get(name).await.unwrap();
            let status = &object.data["status"];
            let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
            let ready = conditions.iter().find(|one| one["type"] == "Ready");
            if ready.is_none_or(|ready| ready["status"] != "True") {
                violations.push(format!("{name} is not in control at the end: {status}"));
            }
            let truth = self.account.cloud().truth(name).expect("the stream is there");
            let open = truth.shards.iter().filter(|shard| shard.closed_at.is_none()).count();
            if status["shards"]["current"] != open {
                violations.push(format!("{name} has {open} shards, its status says {}", status["shards"]));
            }
            if !(MIN..=MAX).contains(&open) {
                violations.push(format!("{name} has {open} shards, out of bounds"));
            }
        }
        violations
    }
}

/// For how long a replica leads: by what it believes, and by when it sent the last renewal that was taken,
/// whichever is less.
fn led(replica: &Replica, wire: &Wire, renew_deadline: Duration) -> Duration {
    let Replica { client, started, leads } = replica;
    let renewed = wire.last(|sent| {
        let writes = matches!(sent.call.verb, Verb::Update | Verb::Create) && sent.call.resource == "leases";
        writes && sent.client == *client && sent.at >= *started && sent.code.is_some_and(|code| code < 300)
    });
    let deadline = renewed.map(|renewed| renewed + renew_deadline);
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    left.unwrap_or_default().min(leads.remaining())
}

/// Whether the last write may be sent by one who leads for so long: for longer than it may take, and
/// while none of another replica is on its way.
fn judge(last: &Write, before: &[Write], led: Duration, violations: &mut Vec<String>) {
    if led <= WRITE_TIMEOUT {
        violations.push(format!("{last:?} was sent {led:?} before the end of the lead"));
    }
    if before.iter().any(|write| write.by != last.by && write.done.is_none()) {
        violations.push(format!("{last:?} while one of another replica is on its way"));
    }
}

fn kind() -> ApiResource {
    ApiResource::erase::<Autoscaler>(&())
}

fn resource(name: &str) -> Value {
    json!({
        "apiVersion": "reshard.dev/v1alpha1", "kind": "KinesisStreamAutoscaler",
        "metadata": {"name": name},
        "spec": {
            "streamRef": {"name": name, "region": "us-east-1"},
            "mode": "Apply", "minShards": MIN, "maxShards": MAX, "interval": "60s",
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 1_800}},
        },
    })
}

/// A stream with a day's load, of which a part is in one place that moves.
fn create(cloud: &mut Cloud, name: &str, shards: i32) {
    let stream =
        CreateStream { stream_name: name.to_owned(), shard_count: Some(shards), ..CreateStream::default() };
    cloud.create_stream(stream).unwrap();
    cloud.advance_seconds(60);
    cloud
        .enable_enhanced_monitoring(ChangeEnhancedMonitoring {
            stream: StreamRef::name(name),
            shard_level_metrics: vec!["ALL".to_owned()],
        })
        .unwrap();
    let mut workload = Workload::new(Curve::Diurnal { trough: 800_000, peak: 4_500_000 });
    workload.hot_spot = Some(HotSpot {
        share: 0.2,
        width: 0.3,
        position: None,
        moves_every: Some(SignedDuration::from_hours(5)),
    });
    cloud.set_workload(name, workload).unwrap();
}
