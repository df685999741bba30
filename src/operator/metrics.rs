//! What Prometheus reads: every series of the operator, written by narrow methods, told in
//! OpenMetrics text. The series of a resource go with it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

pub use self::counted::{Counted, CountedPlanes};
use self::resources::{Resources, Series};
use super::connect::{ApiCall, ApiCalls};
use super::status::Condition;
use crate::control_plane::{ErrorClass, RequestError};
use crate::report::Report;

mod counted;
mod resources;
#[cfg(test)]
mod tests;

/// The media type of what [`Metrics::render`] gives.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Seconds of a pass: from one that reads a few metrics to one that waits for a step.
const PASS_BUCKETS: [f64; 10] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0];
/// Seconds of a call, up to its timeout.
const CALL_BUCKETS: [f64; 8] = [0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 15.0];
/// Seconds of a step: AWS takes some 30 s for one.
const STEP_BUCKETS: [f64; 7] = [5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0];

type Labels<const N: usize> = [(&'static str, String); N];
type Histograms<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;

/// The metrics of a process. Clones write to the same.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    resources: Arc<Mutex<Resources>>,
    leader: Gauge,
    reconcile_duration: Histograms<1>,
    step_duration: Histograms<1>,
    aws_requests: Family<Labels<2>, Counter>,
    aws_throttles: Family<Labels<1>, Counter>,
    aws_duration: Histograms<1>,
    metrics_requested: Counter,
    api_requests: Family<Labels<3>, Counter>,
    api_throttles: Family<Labels<2>, Counter>,
    api_duration: Histograms<1>,
}

impl Metrics {
    /// No series yet but those of a process that asks for the Lease `lease`. With `per_shard` each
    /// shard has its own, too: 150 or so for a stream of 50 shards.
    pub fn new(lease: &str, per_shard: bool) -> Self {
        let resources = Arc::new(Mutex::new(Resources::new(per_shard)));
        let passes: Histograms<1> = Family::new_with_constructor(|| Histogram::new(PASS_BUCKETS));
        let steps: Histograms<1> = Family::new_with_constructor(|| Histogram::new(STEP_BUCKETS));
        let aws: Histograms<1> = Family::new_with_constructor(|| Histogram::new(CALL_BUCKETS));
        let api: Histograms<1> = Family::new_with_constructor(|| Histogram::new(CALL_BUCKETS));
        let mut inner = Inner {
            registry: Registry::with_prefix("reshard"),
            resources,
            leader: Gauge::default(),
            reconcile_duration: passes,
            step_duration: steps,
            aws_requests: Family::default(),
            aws_throttles: Family::default(),
            aws_duration: aws,
            metrics_requested: Counter::default(),
            api_requests: Family::default(),
            api_throttles: Family::default(),
            api_duration: api,
        };
        inner.register(lease);
        Metrics(Arc::new(inner))
    }

    /// Everything, as OpenMetrics text.
    pub fn render(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.0.registry).expect("a String takes everything");
        text
    }

    /// Whether this replica leads.
    pub fn leading(&self, leads: bool) {
        self.0.leader.set(leads.into());
    }

    /// A pass over a resource has ended: with Decided, Idle, or why it came to nothing.
    pub fn passed(&self, namespace: &str, name: &str, outcome: &str, took: Duration) {
        let labels = [("outcome", outcome.to_owned())];
        self.0.reconcile_duration.get_or_create(&labels).observe(took.as_secs_f64());
        let now = Timestamp::now();
        self.series(namespace, name, |series| series.passed(outcome, now));
    }

    /// What was decided for a resource. It stays until something else is decided.
    pub fn decided(&self, namespace: &str, name: &str, report: &Report) {
        self.series(namespace, name, |series| series.decided(report));
    }

    /// Nothing is known of the stream any more: nothing is said of it.
    pub fn undecided(&self, namespace: &str, name: &str) {
        self.series(namespace, name, Series::undecided);
    }

    /// The conditions of a resource.
    pub fn conditions(&self, namespace: &str, name: &str, conditions: &[Condition]) {
        self.series(namespace, name, |series| series.conditions(conditions));
    }

    /// A step has ended: with Done, AlreadyDone, Lost, Overtaken, or why it failed.
    pub fn stepped(&self, namespace: &str, name: &str, kind: &'static str, result: &str, took: Duration) {
        self.0.step_duration.get_or_create(&[("kind", kind.to_owned())]).observe(took.as_secs_f64());
        self.series(namespace, name, |series| series.stepped(kind, result));
    }

    /// The resource is gone, and so are its series.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.resources().forget(namespace, name);
    }

    /// This replica leads no more: who does tells of the resources.
    pub fn forget_all(&self) {
        self.resources().forget_all();
    }

    /// Counts calls to the API server.
    pub fn api_calls(&self) -> ApiCalls {
        let metrics = self.clone();
        ApiCalls::tell(move |call| metrics.api_called(call))
    }

    fn api_called(&self, call: &ApiCall<'_>) {
        let ApiCall { verb, resource, status, took } = *call;
        let code = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        let (verb, resource) = (verb.to_owned(), resource.to_owned());
        if status == Some(429) {
            let labels = [("verb", verb.clone()), ("resource", resource.clone())];
            self.0.api_throttles.get_or_create(&labels).inc();
        }
        self.0.api_duration.get_or_create(&[("verb", verb.clone())]).observe(took.as_secs_f64());
        self.0.api_requests.get_or_create(&[("verb", verb), ("resource", resource), ("code", code)]).inc();
    }

    fn aws_called(&self, operation: &'static str, error: Option<&RequestError>, took: Duration) {
        let class = error.map(|error| error.class);
        let operation = operation.to_owned();
        // Kinesis says LimitExceeded of its rates as of the account's shards.
        if matches!(class, Some(ErrorClass::Throttled | ErrorClass::LimitExceeded)) {
            self.0.aws_throttles.get_or_create(&[("operation", operation.clone())]).inc();
        }
        self.0.aws_duration.get_or_create(&[("operation", operation.clone())]).observe(took.as_secs_f64());
        let result = class.map_or_else(|| "Ok".to_owned(), |class| format!("{class:?}"));
        self.0.aws_requests.get_or_create(&[("operation", operation), ("result", result)]).inc();
    }

    fn metrics_requested(&self, count: usize) {
        self.0.metrics_requested.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }

    fn series(&self, namespace: &str, name: &str, change: impl FnOnce(&mut Series)) {
        change(self.resources().of(namespace, name));
    }

    fn resources(&self) -> MutexGuard<'_, Resources> {
        self.0.resources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn register(&mut self, lease: &str) {
        let registry = &mut self.registry;
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version that runs", build);
        // Each selector has a Lease of its own, and one job may scrape the replicas of all of them.
        registry.sub_registry_with_label(("lease".into(), lease.to_owned().into())).register(
            "leader",
            "Whether this replica leads: of all that ask for one Lease, one says 1",
            self.leader.clone(),
        );
        registry.register_with_unit(
            "reconcile_duration",
            "How long passes take, by what they came to",
            Unit::Seconds,
            self.reconcile_duration.clone(),
        );
        registry.register_with_unit(
            "step_duration",
            "How long steps take, from the first request until the stream shows them",
            Unit::Seconds,
            self.step_duration.clone(),
        );
        registry.register(
            "aws_requests",
            "Calls to AWS, by operation and result: Ok or the class of the error",
            self.aws_requests.clone(),
        );
        registry.register(
            "aws_throttles",
            "Calls to AWS that a rate or a quota refused",
            self.aws_throttles.clone(),
        );
        registry.register_with_unit(
            "aws_request_duration",
            "How long calls to AWS take, all attempts and the wait for a turn included",
            Unit::Seconds,
            self.aws_duration.clone(),
        );
        registry.register(
            "aws_metrics_requested",
            "Metrics asked for by GetMetricData, each of which is billed",
            self.metrics_requested.clone(),
        );
        registry.register(
            "kubernetes_requests",
            "Calls to the API server, by verb, resource and code (none: no reply)",
            self.api_requests.clone(),
        );
        registry.register(
            "kubernetes_throttles",
            "Calls to the API server that it answered with 429",
            self.api_throttles.clone(),
        );
        registry.register_with_unit(
            "kubernetes_request_duration",
            "How long calls to the API server take; of a watch, until it begins",
            Unit::Seconds,
            self.api_duration.clone(),
        );
        registry.register_collector(Box::new(resources::Collected(Arc::clone(&self.resources))));
    }
}
