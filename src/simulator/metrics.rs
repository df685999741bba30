//! CloudWatch's store: a statistic set per series and minute, kept for as long as configured.

use std::collections::{BTreeMap, VecDeque};

use super::api::{Metric, StatisticSet};
use crate::snapshot::Minute;

pub(super) mod minute;
mod put;
mod query;

impl StatisticSet {
    /// No sample.
    pub const EMPTY: StatisticSet =
        StatisticSet { sample_count: 0.0, sum: 0.0, minimum: f64::INFINITY, maximum: f64::NEG_INFINITY };

    /// Whether it has no sample: nothing is published then.
    pub fn is_empty(&self) -> bool {
        self.sample_count == 0.0
    }

    /// Adds one sample.
    pub fn add(&mut self, value: f64) {
        self.add_spread(value, 1);
    }

    /// Adds `samples` equal samples that come to `total`.
    pub fn add_spread(&mut self, total: f64, samples: u64) {
        if samples > 0 {
            let value = total / samples as f64;
            let (minimum, maximum) = (value, value);
            self.merge(&StatisticSet { sample_count: samples as f64, sum: total, minimum, maximum });
        }
    }

    /// Adds the samples of another.
    pub fn merge(&mut self, other: &StatisticSet) {
        self.sample_count += other.sample_count;
        self.sum += other.sum;
        self.minimum = self.minimum.min(other.minimum);
        self.maximum = self.maximum.max(other.maximum);
    }
}

/// A handle of a series: valid for the life of its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SeriesId(usize);

/// All series of the account.
#[derive(Debug, Default)]
pub(super) struct MetricStore {
    ids: BTreeMap<Metric, SeriesId>,
    series: Vec<Series>,
}

/// One series.
#[derive(Debug, Default)]
struct Series {
    /// Ascending by minute, without gaps being filled.
    points: VecDeque<(Minute, StatisticSet)>,
    /// Whether a client put them: such values show at once, AWS's own after a delay.
    put_by_client: bool,
}

impl MetricStore {
    /// The series called `metric`, made if there is none. The order of dimensions is of no account.
    pub fn series(&mut self, mut metric: Metric) -> SeriesId {
        metric.dimensions.sort();
        let next = SeriesId(self.series.len());
        let id = *self.ids.entry(metric).or_insert(next);
        if id == next {
            self.series.push(Series::default());
        }
        id
    }

    /// Adds samples to a minute, and forgets what is older than `retention_minutes` before it.
    pub fn record(&mut self, id: SeriesId, minute: Minute, samples: &StatisticSet, retention_minutes: i64) {
        if samples.is_empty() {
            return;
        }
        let points = &mut self.series[id.0].points;
        match points.binary_search_by_key(&minute, |point| point.0) {
            Ok(at) => points[at].1.merge(samples),
            Err(at) => points.insert(at, (minute, *samples)),
        }
        while points.front().is_some_and(|first| minute.since(first.0) > retention_minutes) {
            points.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::api::Dimension;
    use super::*;

    fn metric(dimensions: &[(&str, &str)]) -> Metric {
        Metric {
            namespace: "AWS/Kinesis".to_owned(),
            metric_name: "IncomingBytes".to_owned(),
            dimensions: dimensions.iter().map(|(name, value)| Dimension::new(*name, *value)).collect(),
        }
    }

    #[test]
    fn the_order_of_dimensions_is_of_no_account() {
        let mut store = MetricStore::default();
        let id = store.series(metric(&[("StreamName", "a"), ("ShardId", "0")]));
        assert_eq!(store.series(metric(&[("ShardId", "0"), ("StreamName", "a")])), id);
        assert_ne!(store.series(metric(&[("StreamName", "a")])), id);
    }

    #[test]
    fn a_series_forgets_what_is_older_than_its_retention() {
        let mut store = MetricStore::default();
        let id = store.series(metric(&[]));
        let mut one = StatisticSet::EMPTY;
        one.add(1.0);
        for minute in 0..100 {
            store.record(id, Minute(minute), &one, 10);
        }
        let minutes: Vec<i64> = store.series[id.0].points.iter().map(|point| point.0.0).collect();
        assert_eq!(minutes, (89..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_statistic_set_keeps_sum_count_and_extremes() {
        let mut set = StatisticSet::EMPTY;
        set.add_spread(10.0, 4);
        set.add(7.0);
        let expected = StatisticSet { sample_count: 5.0, sum: 17.0, minimum: 2.5, maximum: 7.0 };
        assert_eq!(set, expected);
    }
}
