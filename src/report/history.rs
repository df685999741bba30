//! How full the shards were minute by minute, as CloudWatch told it: what the charts draw.

use jiff::Timestamp;
use serde::Serialize;

use crate::load::Load;
use crate::policy::ScalingPolicy;
use crate::quota::Dimension;
use crate::snapshot::{Minute, Series, ShardMetric, Snapshot, StreamMetric};

/// More points than this say no more on a screen: longer spans take several minutes a point.
const MOST_POINTS: i64 = 120;

/// The minutes that the decision looked at: the window and the stabilization windows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// The first instant of the first point.
    pub start: Timestamp,
    /// How many minutes a point stands for: the hottest of them, the mean over them.
    pub minutes_per_point: u32,
    /// One for each dimension that has any data.
    pub dimensions: Vec<DimensionHistory>,
    /// Rejected records of the stream in each point; `None` where CloudWatch has no data point.
    pub rejected_records: Vec<Option<u64>>,
}

/// One dimension over time, a value a point; `None` is not known, which is not zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DimensionHistory {
    /// The dimension.
    pub dimension: Dimension,
    /// What was accepted in total, shared among the shards that are open now.
    pub mean: Vec<Option<Load>>,
    /// What the hottest shard accepted; empty where there are no metrics by shard.
    pub hottest: Vec<Option<Load>>,
}

impl DimensionHistory {
    /// The largest value of any point.
    pub fn peak(&self) -> Option<Load> {
        self.mean.iter().chain(&self.hottest).flatten().max().copied()
    }
}

impl History {
    /// How many points there are.
    pub fn len(&self) -> usize {
        self.rejected_records.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rejected_records.is_empty()
    }

    /// Reads what the snapshot holds of the span that `policy` looks at; nothing where no metric
    /// has a data point in it.
    pub(super) fn read(snapshot: &Snapshot, policy: &ScalingPolicy) -> Option<History> {
        let metrics = &snapshot.metrics;
        let end = metrics.settled_until?;
        let windows = [&policy.scale_up, &policy.scale_down].map(|rules| rules.stabilization_window);
        let minutes = windows
            .map(|window| i64::try_from(window.as_secs() / 60).unwrap_or(i64::MAX))
            .into_iter()
            .fold(i64::from(policy.metrics.window_minutes), i64::max);
        let known_from = metrics.stream.values().map(|series| series.start).min()?;
        let first = end.plus(-minutes).max(known_from);
        let minutes = end.since(first).max(0);
        let per_point = (minutes + MOST_POINTS - 1) / MOST_POINTS;
        let points = Points { first, end, per_point: per_point.max(1) };
        let shards = snapshot.summary.open_shard_count.max(1) as u64;

        let of_stream = |metric| metrics.stream.get(&metric);
        let dimensions = Dimension::ALL.map(|dimension| {
            let (total, by_shard) = match dimension {
                Dimension::IngestBytes => (StreamMetric::IncomingBytes, Some(ShardMetric::IncomingBytes)),
                Dimension::IngestRecords => {
                    (StreamMetric::IncomingRecords, Some(ShardMetric::IncomingRecords))
                }
                Dimension::ReadBytes => (StreamMetric::GetRecordsBytes, None),
                Dimension::ReadCalls => (StreamMetric::GetRecordsCalls, None),
            };
            let load = |amount: u64, minutes: u64| Load::from_sum(dimension, amount, 60 * minutes);
            let mean = points.map(|minutes| {
                let known: Vec<u64> = minutes.filter_map(|minute| of_stream(total)?.at(minute)).collect();
                let sum = known.iter().copied().fold(0, u64::saturating_add);
                (!known.is_empty()).then(|| load(sum, shards.saturating_mul(known.len() as u64)))
            });
            let series: Vec<&Series> = by_shard
                .iter()
                .flat_map(|metric| metrics.shards.values().filter_map(|shard| shard.get(metric)))
                .collect();
            let hottest = match series.is_empty() {
                true => Vec::new(),
                false => points.map(|minutes| {
                    let values = minutes.flat_map(|at| series.iter().filter_map(move |of| of.at(at)));
                    values.max().map(|amount| load(amount, 1))
                }),
            };
            DimensionHistory { dimension, mean, hottest }
        });
        let rejected = of_stream(StreamMetric::WriteProvisionedThroughputExceeded);
        let history = History {
            start: first.start(),
            minutes_per_point: u32::try_from(points.per_point).unwrap_or(u32::MAX),
            dimensions: dimensions.into_iter().filter(|of| of.peak().is_some()).collect(),
            rejected_records: points
                .map(|minutes| minutes.filter_map(|minute| rejected?.at(minute)).reduce(u64::saturating_add)),
        };
        (!history.dimensions.is_empty()).then_some(history)
    }
}

/// The minutes from `first` to before `end`, so many together.
#[derive(Clone, Copy)]
struct Points {
    first: Minute,
    end: Minute,
    per_point: i64,
}

impl Points {
    fn map<T>(self, value: impl Fn(&mut dyn Iterator<Item = Minute>) -> T) -> Vec<T> {
        let Points { first, end, per_point } = self;
        let count = (end.since(first) + per_point - 1) / per_point;
        let of = |point: i64| {
            let from = point * per_point;
            let to = (from + per_point).min(end.since(first));
            value(&mut (from..to).map(move |minute| first.plus(minute)))
        };
        (0..count).map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::fixtures;
    use crate::stream::ShardId;

    fn series(start: Minute, values: &[Option<u64>]) -> Series {
        Series::new(start, values.to_vec(), true)
    }

    #[test]
    fn a_minute_without_data_stays_unknown_and_the_hottest_shard_shows() {
        let mut sample = fixtures::even(2, 0);
        let end = Minute::of(sample.snapshot.observed_at);
        let start = end.plus(-3);
        let metrics = &mut sample.snapshot.metrics;
        metrics.settled_until = Some(end);
        metrics
            .stream
            .insert(StreamMetric::IncomingBytes, series(start, &[Some(60_000_000), None, Some(30_000_000)]));
        for (shard, bytes) in [(0, 45_000_000), (1, 15_000_000)] {
            let id = ShardId::new(format!("shardId-{shard:012}"));
            let of = series(start, &[Some(bytes), None, None]);
            metrics.shards.entry(id).or_default().insert(ShardMetric::IncomingBytes, of);
        }
        let history = History::read(&sample.snapshot, &sample.policy).expect("data");
        let [bytes] = history.dimensions.as_slice() else { panic!("{history:?}") };
        let percent = |percent| Some(Load::from_percent(percent));
        assert_eq!(bytes.mean, [percent(50), None, percent(25)]);
        assert_eq!(bytes.hottest, [percent(75), None, None]);
        assert_eq!((history.minutes_per_point, history.rejected_records), (1, vec![None; 3]));
    }

    #[test]
    fn a_long_span_takes_several_minutes_a_point_and_loses_no_peak() {
        let mut sample = fixtures::even(1, 0);
        sample.policy.scale_down.stabilization_window = std::time::Duration::from_secs(600 * 60);
        let end = Minute::of(sample.snapshot.observed_at);
        let mut values = vec![Some(6_000_000); 600];
        values[299] = Some(60_000_000);
        let metrics = &mut sample.snapshot.metrics;
        metrics.settled_until = Some(end);
        let of = series(end.plus(-600), &values);
        metrics.stream.insert(StreamMetric::IncomingBytes, of.clone());
        metrics.shards.entry(ShardId::new("a")).or_default().insert(ShardMetric::IncomingBytes, of);
        let history = History::read(&sample.snapshot, &sample.policy).expect("data");
        assert_eq!((history.len(), history.minutes_per_point), (120, 5));
        assert_eq!(history.dimensions[0].hottest[59], Some(Load::CEILING));
        assert_eq!(history.dimensions[0].mean[59], Some(Load::from_percent(28)));
    }

    #[test]
    fn without_any_data_there_is_no_history() {
        let sample = fixtures::even(2, 0);
        assert_eq!(History::read(&sample.snapshot, &sample.policy), None);
    }
}
