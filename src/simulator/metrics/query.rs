//! GetMetricData: windows, periods, publication delay, paging, and scripted faults of metrics.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::api::{
    GetMetricData, GetMetricDataReply, MessageData, Metric, MetricDataQuery, MetricDataResult, MetricStat,
    MetricStatusCode, ScanBy, StatisticSet,
};
use super::super::fault::{MetricEffect, Operation};
use super::super::{ApiError, ApiErrorCode, Cloud, dice, token};
use crate::quota;
use crate::snapshot::Minute;

#[derive(Serialize, Deserialize)]
struct PageToken {
    /// Data points that earlier pages had.
    skip: usize,
    /// When the first page was read: later pages see no more than it did.
    as_of_millisecond: i64,
}

#[derive(Debug, Clone, Copy)]
enum Stat {
    Sum,
    SampleCount,
    Minimum,
    Maximum,
    Average,
}

impl Stat {
    fn parse(name: &str) -> Option<Stat> {
        Some(match name {
            "Sum" => Stat::Sum,
            "SampleCount" => Stat::SampleCount,
            "Minimum" => Stat::Minimum,
            "Maximum" => Stat::Maximum,
            "Average" => Stat::Average,
            _ => return None,
        })
    }

    fn of(self, samples: &StatisticSet) -> f64 {
        match self {
            Stat::Sum => samples.sum,
            Stat::SampleCount => samples.sample_count,
            Stat::Minimum => samples.minimum,
            Stat::Maximum => samples.maximum,
            Stat::Average => samples.sum / samples.sample_count,
        }
    }
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(ApiErrorCode::InvalidParameterValue, message)
}

impl Cloud {
    /// `GetMetricData`. Metric math, `SEARCH`, Metrics Insights and percentiles are refused. Periods
    /// are laid out from the start of the window.
    ///
    /// # Errors
    /// AWS's, for a request that it refuses.
    pub fn get_metric_data(&mut self, request: GetMetricData) -> Result<GetMetricDataReply, ApiError> {
        self.call(Operation::GetMetricData, None, |cloud, _| {
            let queries = validate(&request)?;
            let page = match &request.next_token {
                Some(text) => token::decode::<PageToken>(text).ok_or_else(|| {
                    ApiError::new(ApiErrorCode::InvalidNextToken, "The NextToken is not valid.")
                })?,
                None => PageToken { skip: 0, as_of_millisecond: cloud.now.as_millisecond() },
            };
            let as_of = Timestamp::from_millisecond(page.as_of_millisecond)
                .map_err(|_| ApiError::new(ApiErrorCode::InvalidNextToken, "The NextToken is not valid."))?;
            let limit =
                request.max_datapoints.map_or(quota::GET_METRIC_DATA_POINTS, |max| max.max(1) as usize);
            let mut skip = page.skip;
            let mut room = limit;
            let mut results = Vec::with_capacity(queries.len());
            let mut next_token = None;
            for (query, stat, statistic) in queries {
                let (mut points, mut status) = cloud.points(&request, stat, statistic, as_of);
                if request.scan_by == ScanBy::TimestampDescending {
                    points.reverse();
                }
                let total = points.len();
                if skip > 0 && skip >= total {
                    skip -= total;
                    continue;
                }
                let here: Vec<_> = points.into_iter().skip(skip).take(room).collect();
                room -= here.len();
                let whole = skip + here.len() == total;
                if !whole {
                    status = MetricStatusCode::PartialData;
                    let skip = page.skip.saturating_add(limit);
                    let as_of_millisecond = page.as_of_millisecond;
                    next_token = Some(token::encode(&PageToken { skip, as_of_millisecond }));
                }
                skip = 0;
                if query.return_data.unwrap_or(true) && (whole || !here.is_empty()) {
                    let (timestamps, values) = here.into_iter().unzip();
                    let label = query.label.clone().unwrap_or_else(|| stat.metric.metric_name.clone());
                    let (id, messages) = (query.id.clone(), Vec::new());
                    results.push(MetricDataResult {
                        id,
                        label,
                        timestamps,
                        values,
                        status_code: status,
                        messages,
                    });
                }
                if next_token.is_some() {
                    break;
                }
            }
            let messages: Vec<MessageData> = Vec::new();
            Ok(GetMetricDataReply { metric_data_results: results, next_token, messages })
        })
    }

    /// The points of one query in ascending order, as they could be read at `as_of`.
    fn points(
        &self,
        request: &GetMetricData,
        stat: &MetricStat,
        statistic: Stat,
        as_of: Timestamp,
    ) -> (Vec<(Timestamp, f64)>, MetricStatusCode) {
        let mut metric = stat.metric.clone();
        metric.dimensions.sort();
        let Some(id) = self.metrics.ids.get(&metric) else {
            return (Vec::new(), MetricStatusCode::Complete);
        };
        let series = &self.metrics.series[id.0];
        let start = Minute::of(request.start_time);
        let width = i64::from(stat.period / 60);
        let first = series.points.partition_point(|point| point.0 < start);
        let mut status = MetricStatusCode::Complete;
        let mut buckets: Vec<(Minute, StatisticSet)> = Vec::new();
        let mut added: Vec<(Timestamp, f64)> = Vec::new();
        for &(minute, samples) in series.points.range(first..) {
            if minute.start() >= request.end_time {
                break;
            }
            let shown = if series.put_by_client {
                Some(samples)
            } else {
                self.readable(&metric, minute, samples, as_of, &mut status, &mut added, statistic)
            };
            let Some(shown) = shown else { continue };
            let bucket = start.plus(minute.since(start) / width * width);
            match buckets.last_mut() {
                Some(last) if last.0 == bucket => last.1.merge(&shown),
                _ => buckets.push((bucket, shown)),
            }
        }
        let mut points: Vec<_> = buckets
            .iter()
            .map(|(bucket, samples)| (bucket.start(), statistic.of(samples)))
            .chain(added)
            .collect();
        points.sort_by_key(|point| point.0);
        (points, status)
    }

    /// What can be read at `as_of` of a minute that AWS itself publishes, after its delay and the
    /// scripted faults.
    #[expect(
        clippy::too_many_arguments,
        reason = "the minute, its reader, and two places to note what is odd"
    )]
    fn readable(
        &self,
        metric: &Metric,
        minute: Minute,
        mut samples: StatisticSet,
        as_of: Timestamp,
        status: &mut MetricStatusCode,
        added: &mut Vec<(Timestamp, f64)>,
        statistic: Stat,
    ) -> Option<StatisticSet> {
        let timings = &self.config.metrics;
        let chance = |of: u64| dice::share(&[self.config.seed, dice::name(metric), minute.0 as u64, of]);
        let mut delay = timings.delay;
        let mut partial_after = timings.partial_after;
        for (number, fault) in self.faults.metric_faults(metric, minute).enumerate() {
            if chance(number as u64 + 1) >= fault.chance {
                continue;
            }
            match fault.effect {
                MetricEffect::Missing => return None,
                MetricEffect::Late(by) => {
                    delay = delay.saturating_add(by);
                    partial_after = partial_after.map(|after| after.saturating_add(by));
                }
                MetricEffect::Scaled(share) => scale(&mut samples, share),
                MetricEffect::NotANumber => scale(&mut samples, f64::NAN),
                MetricEffect::Negative => {
                    samples.sum = -samples.sum;
                    (samples.minimum, samples.maximum) = (-samples.maximum, -samples.minimum);
                }
                MetricEffect::Future(by) => {
                    if let Ok(at) = as_of.checked_add(by) {
                        added.push((Minute::of(at).start(), statistic.of(&samples)));
                    }
                }
                MetricEffect::PartialData => {
                    *status = MetricStatusCode::PartialData;
                    if minute.0 % 2 == 0 {
                        return None;
                    }
                }
            }
        }
        let age = as_of.duration_since(minute.plus(1).start());
        if age >= delay {
            Some(samples)
        } else if partial_after.is_some_and(|after| age >= after) {
            let share = 0.2 + 0.6 * chance(0);
            samples.sum *= share;
            samples.sample_count = (samples.sample_count * share).ceil();
            Some(samples)
        } else {
            None
        }
    }
}

fn scale(samples: &mut StatisticSet, by: f64) {
    samples.sum *= by;
    samples.minimum *= by;
    samples.maximum *= by;
}

/// The queries with their statistics, if AWS would take the request.
fn validate(request: &GetMetricData) -> Result<Vec<(&MetricDataQuery, &MetricStat, Stat)>, ApiError> {
    let queries = &request.metric_data_queries;
    if queries.is_empty() {
        let message = "The parameter MetricDataQueries is required.";
        return Err(ApiError::new(ApiErrorCode::MissingParameter, message));
    }
    if queries.len() > quota::GET_METRIC_DATA_QUERIES {
        return Err(invalid(format!(
            "The collection MetricDataQueries must not have a size greater than {}.",
            quota::GET_METRIC_DATA_QUERIES
        )));
    }
    if request.start_time >= request.end_time {
        return Err(invalid("The parameter StartTime must be less than the parameter EndTime."));
    }
    let most = quota::GET_METRIC_DATA_POINTS as i32;
    if request.max_datapoints.is_some_and(|max| !(1..=most).contains(&max)) {
        return Err(invalid(format!("The parameter MaxDatapoints must be between 1 and {most}.")));
    }
    let mut ids = BTreeSet::new();
    queries
        .iter()
        .map(|query| {
            let id = &query.id;
            let good = id.len() <= 255
                && id.starts_with(|c: char| c.is_ascii_lowercase())
                && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if !good {
                return Err(invalid(format!(
                    "The value {id} for parameter MetricDataQueries.member.Id is not matching the expected \
                     pattern ^[a-z][a-zA-Z0-9_]*$."
                )));
            }
            if !ids.insert(id) {
                return Err(invalid(format!("The Id {id} is used by more than one query.")));
            }
            let Some(stat) = query.metric_stat.as_ref().filter(|_| query.expression.is_none()) else {
                return Err(invalid(format!(
                    "The query {id} is an expression: only MetricStat queries are modelled."
                )));
            };
            if stat.period <= 0 || stat.period % 60 != 0 {
                return Err(invalid(format!(
                    "The parameter Period of query {id} must be a multiple of 60."
                )));
            }
            let statistic = Stat::parse(&stat.stat).ok_or_else(|| {
                invalid(format!(
                    "The value {} for parameter Stat of query {id} is not supported: Sum, SampleCount, Minimum, \
                     Maximum and Average are.",
                    stat.stat
                ))
            })?;
            Ok((query, stat, statistic))
        })
        .collect()
}
