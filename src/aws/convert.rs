//! Kinesis's and CloudWatch's types into ours. What AWS's own API promises and a reply does not
//! keep is an error that names the field.

use aws_sdk_cloudwatch::operation::get_metric_data::GetMetricDataOutput;
use aws_sdk_cloudwatch::types as cw;
use aws_sdk_kinesis::operation::list_shards::ListShardsOutput;
use aws_sdk_kinesis::types as kinesis;
use aws_smithy_types::DateTime;
use jiff::{Timestamp, Unit};

use crate::control_plane::{
    DataPoint, MetricIdentity, MetricOf, MetricPage, MetricResult, MetricStatus, Period, ShardFilter,
    ShardPage,
};
use crate::hash_key::{HashKey, HashKeyRange};
use crate::snapshot::ShardMetric;
use crate::stream::{Shard, ShardId, StreamMode, StreamStatus, StreamSummary};

/// What is wrong with a reply.
pub(super) type Broken = String;

/// `DescribeStreamSummary`'s reply.
pub(super) fn summary(from: &kinesis::StreamDescriptionSummary) -> Result<StreamSummary, Broken> {
    let status = match from.stream_status() {
        kinesis::StreamStatus::Creating => StreamStatus::Creating,
        kinesis::StreamStatus::Deleting => StreamStatus::Deleting,
        kinesis::StreamStatus::Active => StreamStatus::Active,
        kinesis::StreamStatus::Updating => StreamStatus::Updating,
        other => return Err(format!("StreamStatus is {other}, which this release does not know")),
    };
    let mode = match from.stream_mode_details().map(kinesis::StreamModeDetails::stream_mode) {
        // Replies from before on-demand streams existed have no mode.
        None | Some(kinesis::StreamMode::Provisioned) => StreamMode::Provisioned,
        Some(kinesis::StreamMode::OnDemand) => StreamMode::OnDemand,
        Some(other) => return Err(format!("StreamMode is {other}, which this release does not know")),
    };
    let mut enhanced_metrics: Vec<String> = from
        .enhanced_monitoring()
        .iter()
        .flat_map(kinesis::EnhancedMetrics::shard_level_metrics)
        .flat_map(|metric| match metric {
            kinesis::MetricsName::All => {
                ShardMetric::ALL.iter().map(|metric| metric.name().to_owned()).collect()
            }
            metric => vec![metric.as_str().to_owned()],
        })
        .collect();
    enhanced_metrics.sort();
    enhanced_metrics.dedup();
    Ok(StreamSummary {
        arn: from.stream_arn().to_owned(),
        name: from.stream_name().to_owned(),
        status,
        mode,
        created_at: timestamp(from.stream_creation_timestamp(), "StreamCreationTimestamp")?,
        retention_hours: non_negative(from.retention_period_hours(), "RetentionPeriodHours")?,
        open_shard_count: usize::try_from(non_negative(from.open_shard_count(), "OpenShardCount")?)
            .map_err(|error| format!("OpenShardCount: {error}"))?,
        enhanced_metrics,
        consumer_count: non_negative(from.consumer_count().unwrap_or(0), "ConsumerCount")?,
    })
}

/// A page of `ListShards`.
pub(super) fn shard_page(from: &ListShardsOutput) -> Result<ShardPage, Broken> {
    Ok(ShardPage {
        shards: from.shards().iter().map(shard).collect::<Result<_, _>>()?,
        next_token: from.next_token().map(str::to_owned),
    })
}

fn shard(from: &kinesis::Shard) -> Result<Shard, Broken> {
    let id = from.shard_id();
    let range = from.hash_key_range().ok_or_else(|| format!("{id} has no HashKeyRange"))?;
    let key = |text: &str| text.parse::<HashKey>().map_err(|error| format!("{id}: {error}"));
    let range = HashKeyRange::new(key(range.starting_hash_key())?, key(range.ending_hash_key())?)
        .map_err(|error| format!("{id}: {error}"))?;
    let sequence_numbers =
        from.sequence_number_range().ok_or_else(|| format!("{id} has no SequenceNumberRange"))?;
    Ok(Shard {
        id: ShardId::new(id),
        range,
        parent: from.parent_shard_id().map(ShardId::new),
        adjacent_parent: from.adjacent_parent_shard_id().map(ShardId::new),
        closed: sequence_numbers.ending_sequence_number().is_some(),
    })
}

/// Our filter as AWS spells it.
pub(super) fn shard_filter(filter: ShardFilter) -> Result<kinesis::ShardFilter, Broken> {
    use kinesis::ShardFilterType as Type;
    let (kind, at) = match filter {
        ShardFilter::AtLatest => (Type::AtLatest, None),
        ShardFilter::AtTimestamp(at) => (Type::AtTimestamp, Some(date_time(at))),
        ShardFilter::FromTimestamp(at) => (Type::FromTimestamp, Some(date_time(at))),
    };
    kinesis::ShardFilter::builder().r#type(kind).set_timestamp(at).build().map_err(|error| error.to_string())
}

/// The metric at `index` of a request.
pub(super) fn metric_query(index: usize, query: &MetricOf, period: Period) -> cw::MetricDataQuery {
    let MetricIdentity { namespace, name, dimensions, statistic } = query.identity();
    let dimensions = dimensions
        .into_iter()
        .map(|(name, value)| cw::Dimension::builder().name(name).value(value).build())
        .collect();
    let metric =
        cw::Metric::builder().namespace(namespace).metric_name(name).set_dimensions(Some(dimensions)).build();
    let statistic =
        cw::MetricStat::builder().metric(metric).period(period.seconds()).stat(statistic.name()).build();
    cw::MetricDataQuery::builder().id(query_id(index)).metric_stat(statistic).return_data(true).build()
}

/// CloudWatch wants IDs that begin with a lowercase letter.
fn query_id(index: usize) -> String {
    format!("q{index}")
}

/// A page of `GetMetricData`, whose request had `queries` queries.
pub(super) fn metric_page(from: GetMetricDataOutput, queries: usize) -> Result<MetricPage, Broken> {
    let results = from.metric_data_results.unwrap_or_default().into_iter().map(|result| {
        let cw::MetricDataResult { id, timestamps, values, status_code, .. } = result;
        let (id, timestamps) = (id.unwrap_or_default(), timestamps.unwrap_or_default());
        let values = values.unwrap_or_default();
        let query = id
            .strip_prefix('q')
            .and_then(|index| index.parse().ok())
            .filter(|index| *index < queries)
            .ok_or_else(|| format!("a result has the Id \"{id}\", which was not asked for"))?;
        if timestamps.len() != values.len() {
            return Err(format!("{id} has {} time stamps and {} values", timestamps.len(), values.len()));
        }
        // Most of a reply is points: they take the room of their time stamps, none of their own.
        let points = timestamps
            .into_iter()
            .zip(values)
            .map(|(at, value)| at.to_millis().map(|at_millis| DataPoint { at_millis, value }));
        let points = points.collect::<Result<_, _>>().map_err(|_| "Timestamps is out of range")?;
        let status = match status_code {
            Some(cw::StatusCode::Complete) => MetricStatus::Complete,
            Some(cw::StatusCode::PartialData) => MetricStatus::PartialData,
            // InternalError, Forbidden, and whatever is added to them.
            _ => MetricStatus::Failed,
        };
        Ok(MetricResult { query, status, points })
    });
    Ok(MetricPage { results: results.collect::<Result<_, Broken>>()?, next_token: from.next_token })
}

/// Shard-level metrics as `EnableEnhancedMonitoring` takes them.
pub(super) fn metrics_name(metric: ShardMetric) -> kinesis::MetricsName {
    kinesis::MetricsName::from(metric.name())
}

/// A count that AWS gives as a signed number.
pub(super) fn non_negative(count: i32, field: &str) -> Result<u32, Broken> {
    u32::try_from(count).map_err(|_| format!("{field} is {count}"))
}

/// Our instants in the SDK's type.
pub(super) fn date_time(at: Timestamp) -> DateTime {
    DateTime::from_nanos(at.as_nanosecond()).unwrap_or_else(|_| DateTime::from_secs(at.as_second()))
}

/// AWS writes instants as seconds with three decimals, of which binary fractions make a little more or less.
fn timestamp(from: &DateTime, field: &str) -> Result<Timestamp, Broken> {
    i32::try_from(from.subsec_nanos())
        .ok()
        .and_then(|nanos| Timestamp::new(from.secs(), nanos).ok())
        .and_then(|exact| exact.round(Unit::Millisecond).ok())
        .ok_or_else(|| format!("{field} is out of range"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_the_millisecond_that_aws_wrote() {
        for (nanos, written) in [(424_999_952, "0.425Z"), (802_000_045, "0.802Z"), (999_999_999, "1Z")] {
            let read = timestamp(&DateTime::from_secs_and_nanos(0, nanos), "Timestamp").expect("in range");
            assert_eq!(read.to_string(), format!("1970-01-01T00:00:0{written}"));
        }
    }
}
