//! How long observing takes beside the network: replies of the sandbox, decoded by the SDK, joined
//! into series by the observer; the whole of it over loopback; and what demand makes of it.
//!
//! Times are those that the client's thread ran: the sandbox works on a thread of its own, and what
//! the client waits for it or for a turn under CloudWatch's rate is not counted. Decoding and joining
//! are measured alone: replies come from memory, and what it takes to build and sign a request is
//! left out. Fails where what has a target misses it.

use std::hint::black_box;
use std::sync::mpsc;
use std::time::Duration;

use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat};
use criterion::{Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use reshard::aws::{AwsControlPlane, AwsOptions};
use reshard::control_plane::{
    ControlPlane, GetMetricData, ListShards, MetricOf, MetricPage, MetricQuery, Period, Reply, RequestError,
    ShardLimits, ShardPage, StreamId,
};
use reshard::demand;
use reshard::hash_key::HashKey;
use reshard::observe::{self, Observation, list_shards};
use reshard::policy::ScalingPolicy;
use reshard::quota::GET_METRIC_DATA_QUERIES;
use reshard::sandbox::{ByteRate, Sandbox, SandboxOptions, Seconds};
use reshard::snapshot::{Minute, ShardMetric};
use reshard::stream::{Shard, ShardId, StreamSummary};
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Mutex;

use self::recorder::Recorder;
use self::target::keeps;

mod recorder;
mod target;

const STREAM: &str = "bench";
const REGION: &str = "us-east-1";
const SHARDS: u32 = 200;
const MINUTES: i64 = 60;
/// The shard-level metrics but for OutgoingRecords.
const METRICS: [ShardMetric; 6] = [
    ShardMetric::IncomingBytes,
    ShardMetric::IncomingRecords,
    ShardMetric::WriteProvisionedThroughputExceeded,
    ShardMetric::OutgoingBytes,
    ShardMetric::ReadProvisionedThroughputExceeded,
    ShardMetric::IteratorAgeMilliseconds,
];

/// Starts a sandbox on a thread of its own; it runs to the process's end.
fn sandbox() -> String {
    let (endpoint, started) = mpsc::channel();
    std::thread::spawn(move || {
        runtime().block_on(async {
            let consumers =
                "billing=polling,fraud=polling".split(',').map(|text| text.parse().expect("valid"));
            let options = SandboxOptions {
                stream: Some(STREAM.to_owned()),
                shards: SHARDS,
                // Read twice: so much that the readers' metrics are looked at too.
                rate: ByteRate(u64::from(SHARDS) * 600_000),
                consumers: consumers.collect(),
                enhanced_monitoring: vec!["ALL".to_owned()],
                history: Seconds(5_400),
                ..SandboxOptions::default()
            };
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback");
            let now = "2026-11-22T04:00:30Z".parse::<Timestamp>().expect("a timestamp");
            let cloud = options.build(now).expect("sound options");
            let sandbox = Sandbox::start(cloud, 1, listener).expect("it has an address");
            endpoint.send(sandbox.endpoint_url()).expect("somebody waits");
            std::future::pending::<()>().await;
        });
    });
    started.recv().expect("the sandbox starts")
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// How long this thread has run.
pub(crate) fn thread_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).expect("not negative")
}

/// How long this thread runs for `action`, without what `left_out` has gathered.
fn timed<T, F: Future<Output = T>>(
    runtime: &Runtime,
    left_out: impl Fn() -> Duration,
    action: impl Fn() -> F,
) -> Duration {
    let begun = thread_time() - left_out();
    black_box(runtime.block_on(action()));
    thread_time() - left_out() - begun
}

/// Measures what a run says that it took.
fn bench(criterion: &mut Criterion, name: &str, run: impl Fn() -> Duration) {
    criterion.bench_function(name, |bencher| {
        bencher.iter_custom(|iterations| (0..iterations).map(|_| run()).sum());
    });
}

const DECODED_AND_JOINED: Duration = Duration::from_millis(8);

async fn observed<P: ControlPlane>(plane: &P, policy: &ScalingPolicy) -> Observation {
    observe::observe(plane, policy).await.expect("an observation")
}

/// The control plane for AWS where shards' metrics are read; what else is asked is known already.
struct MetricsOnly<'a> {
    aws: &'a AwsControlPlane,
    recorder: &'a Recorder,
    summary: Reply<StreamSummary>,
    shards: Vec<Shard>,
    /// The stream's own metrics.
    stream_level: Reply<MetricPage>,
    /// Calls that go out together take turns: what building each of them takes is left out.
    turn: Mutex<()>,
}

impl<'a> MetricsOnly<'a> {
    async fn new(aws: &'a AwsControlPlane, recorder: &'a Recorder, policy: &ScalingPolicy) -> Self {
        let stream = observe::stream_id(&policy.stream);
        let mut summary = aws.describe_stream_summary(&stream).await.expect("a summary");
        summary.value.enhanced_metrics = METRICS.map(|metric| metric.name().to_owned()).to_vec();
        let latest = reshard::control_plane::ShardFilter::AtLatest;
        let shards = list_shards(aws, &stream, latest).await.expect("a listing").value;
        let end = Minute::of(summary.at).plus(1 - observe::UNSETTLED_MINUTES);
        let queries = reshard::snapshot::StreamMetric::ALL
            .map(|metric| MetricOf { stream_name: STREAM.into(), query: MetricQuery::Stream(metric) })
            .to_vec();
        let request = GetMetricData { queries, ..request(end) };
        let stream_level = aws.get_metric_data(&request).await.expect("a page");
        MetricsOnly { aws, recorder, summary, shards, stream_level, turn: Mutex::new(()) }
    }
}

impl ControlPlane for MetricsOnly<'_> {
    async fn describe_stream_summary(&self, _: &StreamId) -> Result<Reply<StreamSummary>, RequestError> {
        Ok(self.summary.clone())
    }

    async fn list_shards(&self, _: &ListShards) -> Result<Reply<ShardPage>, RequestError> {
        let page = ShardPage { shards: self.shards.clone(), next_token: None };
        Ok(Reply { value: page, at: self.summary.at })
    }

    async fn get_metric_data(&self, request: &GetMetricData) -> Result<Reply<MetricPage>, RequestError> {
        match request.queries.first() {
            Some(MetricOf { query: MetricQuery::Shard(..), .. }) => {
                let _turn = self.turn.lock().await;
                self.recorder.begin_request();
                self.aws.get_metric_data(request).await
            }
            _ => Ok(self.stream_level.clone()),
        }
    }

    async fn split_shard(&self, _: &StreamId, _: &ShardId, _: HashKey) -> Result<Reply<()>, RequestError> {
        unreachable!("observing changes nothing")
    }

    async fn merge_shards(&self, _: &StreamId, _: &ShardId, _: &ShardId) -> Result<Reply<()>, RequestError> {
        unreachable!("observing changes nothing")
    }

    async fn update_shard_count(&self, _: &StreamId, _: u32) -> Result<Reply<()>, RequestError> {
        unreachable!("observing changes nothing")
    }

    async fn enable_enhanced_monitoring(
        &self,
        _: &StreamId,
        _: &[ShardMetric],
    ) -> Result<Reply<()>, RequestError> {
        unreachable!("observing changes nothing")
    }

    async fn describe_limits(&self) -> Result<Reply<ShardLimits>, RequestError> {
        unreachable!("observing asks for no quota")
    }

    async fn sleep(&self, duration: Duration) {
        self.aws.sleep(duration).await;
    }
}

/// An hour of no metric yet.
fn request(end: Minute) -> GetMetricData {
    GetMetricData {
        queries: Vec::new(),
        start: end.plus(-MINUTES),
        end,
        period: Period::default(),
        next_token: None,
    }
}

/// The same requests as the observer's, for the SDK alone.
async fn sdk_alone(
    client: &aws_sdk_cloudwatch::Client,
    recorder: &Recorder,
    queries: &[MetricDataQuery],
    end: Minute,
) -> usize {
    let time =
        |minute: Minute| aws_sdk_cloudwatch::primitives::DateTime::from_secs(minute.start().as_second());
    let mut points = 0;
    for queries in queries.chunks(GET_METRIC_DATA_QUERIES) {
        recorder.begin_request();
        let output = client
            .get_metric_data()
            .set_metric_data_queries(Some(queries.to_vec()))
            .start_time(time(end.plus(-MINUTES)))
            .end_time(time(end))
            .send()
            .await
            .expect("a reply");
        points += output.metric_data_results().iter().map(|result| result.values().len()).sum::<usize>();
    }
    points
}

fn sdk_queries(shards: &[Shard]) -> Vec<MetricDataQuery> {
    let queries =
        shards.iter().flat_map(|shard| METRICS.map(|metric| MetricQuery::Shard(shard.id.clone(), metric)));
    queries
        .enumerate()
        .map(|(index, query)| {
            let identity = query.identity(STREAM);
            let dimension = |(name, value)| Dimension::builder().name(name).value(value).build();
            let metric = Metric::builder()
                .namespace(identity.namespace)
                .metric_name(identity.name)
                .set_dimensions(Some(identity.dimensions.into_iter().map(dimension).collect()))
                .build();
            let stat =
                MetricStat::builder().metric(metric).period(60).stat(identity.statistic.name()).build();
            MetricDataQuery::builder().id(format!("q{index}")).metric_stat(stat).return_data(true).build()
        })
        .collect()
}

async fn sdk_client(endpoint: &str, recorder: &Recorder) -> aws_sdk_cloudwatch::Client {
    let credentials = aws_credential_types::Credentials::from_keys("bench", "bench", None);
    let config = aws_config::defaults(aws_config::BehaviorVersion::latest())
        .region(REGION)
        .endpoint_url(endpoint)
        .http_client(recorder.client())
        .credentials_provider(credentials)
        .load()
        .await;
    aws_sdk_cloudwatch::Client::new(&config)
}

fn points(observation: &Observation) -> usize {
    let series = observation.snapshot.metrics.shards.values().flat_map(|metrics| metrics.values());
    series.map(|series| series.values.iter().flatten().count()).sum()
}

fn observation(criterion: &mut Criterion) {
    let endpoint = sandbox();
    let runtime = runtime();
    let mut policy = ScalingPolicy::for_stream(STREAM, SHARDS);
    let options = AwsOptions::local(&endpoint, REGION);
    let aws = runtime.block_on(AwsControlPlane::connect(&options)).expect("sound options");

    let whole = runtime.block_on(observed(&aws, &policy));
    bench(criterion, "observation: all requests for 200 shards", || {
        timed(&runtime, || Duration::ZERO, || observed(&aws, &policy))
    });
    let mut snapshot = whole.snapshot;
    for metrics in snapshot.metrics.shards.values_mut() {
        metrics.retain(|metric, _| ShardMetric::INGEST.contains(metric));
    }
    let standard = policy.clone();

    // The stabilisation window with what the observer reads before it is the hour.
    policy.scale_down.stabilization_window = Duration::from_secs(60 * (MINUTES.unsigned_abs() - 5));
    let recorder = Recorder::new(&endpoint);
    let replaying = runtime.block_on(AwsControlPlane::connect_through(&options, recorder.client()));
    let replaying = replaying.expect("sound options");
    let metrics_only = runtime.block_on(MetricsOnly::new(&replaying, &recorder, &policy));
    let joined = runtime.block_on(observed(&metrics_only, &policy));
    let settled = joined.snapshot.metrics.settled_until.expect("the end of the series");
    let client = runtime.block_on(sdk_client(&endpoint, &recorder));
    let queries = sdk_queries(&metrics_only.shards);
    let sdk_alone = || sdk_alone(&client, &recorder, &queries, settled);
    let expected = SHARDS as usize * METRICS.len() * usize::try_from(MINUTES).expect("positive");
    assert_eq!(points(&joined), expected, "200 shards × 6 metrics × 60 minutes");
    assert_eq!(runtime.block_on(sdk_alone()), expected);
    let name = "200 shards × 6 metrics × 60 minutes";
    let building = || recorder.building();
    bench(criterion, &format!("{name}: decoded by the SDK"), || timed(&runtime, building, sdk_alone));
    let joining = || timed(&runtime, building, || observed(&metrics_only, &policy));
    let name = format!("{name}: decoded and joined");
    keeps(&name, DECODED_AND_JOINED, joining);
    bench(criterion, &name, joining);

    criterion.bench_function("demand: 200 shards × 3 metrics × 65 minutes", |bencher| {
        bencher.iter(|| demand::assess(black_box(&snapshot), &standard));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = observation
}
criterion_main!(benches);
