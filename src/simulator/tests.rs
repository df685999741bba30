//! The model as a whole, through the requests that clients make.

use jiff::{SignedDuration, Timestamp};

use super::api::*;
use super::workload::Workload;
use super::*;
use crate::hash_key::{HashKey, HashKeyRange};
use crate::stream::{OpenShards, Shard, ShardId, StreamStatus};

mod consumers;
mod faults;
mod limits;
mod listing;
mod metrics;
mod records;
mod reshard;
mod streams;
mod traffic;

/// The stream that most tests use.
fn orders() -> StreamRef {
    StreamRef::name("orders")
}

/// An account with the stream `orders` of so many shards, ACTIVE.
fn cloud_with(config: Config, shards: i32) -> Cloud {
    let mut cloud = Cloud::new(config);
    create(&mut cloud, "orders", shards);
    cloud.advance_seconds(60);
    cloud
}

fn cloud(shards: i32) -> Cloud {
    cloud_with(Config::default(), shards)
}

fn create(cloud: &mut Cloud, name: &str, shards: i32) {
    let request =
        CreateStream { stream_name: name.into(), shard_count: Some(shards), ..CreateStream::default() };
    cloud.create_stream(request).expect("the name is free");
}

fn list(cloud: &mut Cloud, filter: Option<ShardFilter>) -> Vec<ShardDescription> {
    let mut request = ListShards { stream: orders(), shard_filter: filter, ..ListShards::default() };
    let mut shards = Vec::new();
    loop {
        let page = cloud.list_shards(request).expect("the stream is there");
        shards.extend(page.shards);
        let Some(token) = page.next_token else { return shards };
        request = ListShards { next_token: Some(token), ..ListShards::default() };
    }
}

/// The shards as the product's model has them, which checks that the open ones tile.
fn modelled(listing: &[ShardDescription]) -> Vec<Shard> {
    let shard = |shard: &ShardDescription| Shard {
        id: ShardId::new(shard.shard_id.as_str()),
        range: range(shard),
        parent: shard.parent_shard_id.as_deref().map(ShardId::new),
        adjacent_parent: shard.adjacent_parent_shard_id.as_deref().map(ShardId::new),
        closed: shard.sequence_number_range.ending_sequence_number.is_some(),
    };
    listing.iter().map(shard).collect()
}

fn open(cloud: &mut Cloud) -> OpenShards {
    OpenShards::tile(&modelled(&list(cloud, None))).expect("open shards tile the space")
}

fn range(shard: &ShardDescription) -> HashKeyRange {
    let HashKeyBounds { starting_hash_key, ending_hash_key } = shard.hash_key_range;
    HashKeyRange::new(starting_hash_key, ending_hash_key).expect("a shard owns a key")
}

fn status(cloud: &mut Cloud) -> StreamStatus {
    cloud.stream("orders").expect("the stream is there").status
}

fn split(cloud: &mut Cloud, number: u32, at: HashKey) -> Result<(), ApiError> {
    cloud.split_shard(SplitShard {
        stream: orders(),
        shard_to_split: stream::shard_id(number),
        new_starting_hash_key: at.to_string(),
    })
}

fn merge(cloud: &mut Cloud, low: u32, high: u32) -> Result<(), ApiError> {
    cloud.merge_shards(MergeShards {
        stream: orders(),
        shard_to_merge: stream::shard_id(low),
        adjacent_shard_to_merge: stream::shard_id(high),
    })
}

fn scale(cloud: &mut Cloud, target: i32) -> Result<UpdateShardCountReply, ApiError> {
    cloud.update_shard_count(UpdateShardCount {
        stream: orders(),
        target_shard_count: target,
        scaling_type: "UNIFORM_SCALING".into(),
    })
}

/// The middle of the space.
const MIDDLE: HashKey = HashKey(1 << 127);

fn code<T>(result: Result<T, ApiError>) -> Option<ApiErrorCode> {
    result.err().map(|error| error.code)
}

fn message<T>(result: Result<T, ApiError>) -> String {
    result.err().map_or_else(|| "no error".to_owned(), |error| error.message)
}

fn monitor(cloud: &mut Cloud) {
    let request = ChangeEnhancedMonitoring { stream: orders(), shard_level_metrics: vec!["ALL".to_owned()] };
    cloud.enable_enhanced_monitoring(request).expect("the stream is ACTIVE");
    cloud.advance_seconds(60);
}

fn load(cloud: &mut Cloud, workload: Workload) {
    cloud.set_workload("orders", workload).expect("the stream is there");
}

fn kinesis_metric(name: &str, shard: Option<u32>) -> Metric {
    let mut dimensions = vec![Dimension::new("StreamName", "orders")];
    dimensions.extend(shard.map(|number| Dimension::new("ShardId", stream::shard_id(number))));
    Metric { namespace: "AWS/Kinesis".into(), metric_name: name.into(), dimensions }
}

fn query(id: &str, metric: Metric, stat: &str) -> MetricDataQuery {
    let metric_stat = Some(MetricStat { metric, period: 60, stat: stat.into() });
    MetricDataQuery { id: id.into(), metric_stat, expression: None, label: None, return_data: None }
}

fn window(queries: Vec<MetricDataQuery>, start: Timestamp, end: Timestamp) -> GetMetricData {
    GetMetricData {
        metric_data_queries: queries,
        start_time: start,
        end_time: end,
        next_token: None,
        scan_by: ScanBy::TimestampAscending,
        max_datapoints: None,
    }
}

/// All values of one metric that can be read now, by time.
fn values(cloud: &mut Cloud, metric: Metric, stat: &str) -> Vec<(Timestamp, f64)> {
    let day = SignedDuration::from_hours(24);
    let request = window(vec![query("q", metric, stat)], cloud.now() - day, cloud.now() + day);
    let mut reply = cloud.get_metric_data(request).expect("a good request");
    let result = reply.metric_data_results.pop().expect("one query has one result");
    result.timestamps.into_iter().zip(result.values).collect()
}

fn sum(values: &[(Timestamp, f64)]) -> f64 {
    values.iter().map(|value| value.1).sum()
}

fn largest(values: &[(Timestamp, f64)]) -> f64 {
    values.iter().map(|value| value.1).fold(f64::NEG_INFINITY, f64::max)
}
