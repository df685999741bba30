//! PutMetricData and ListMetrics.

use std::ops::Bound;

use super::super::api::{ListMetrics, ListMetricsReply, Metric, MetricDatum, PutMetricData, StatisticSet};
use super::super::fault::Operation;
use super::super::{ApiError, ApiErrorCode, Cloud, token};
use crate::snapshot::Minute;

/// Metrics in one reply of ListMetrics (API reference).
const LIST_PAGE: usize = 500;
/// Data in one PutMetricData call (API reference).
const PUT_DATA: usize = 1_000;

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(ApiErrorCode::InvalidParameterValue, message)
}

impl Cloud {
    /// `PutMetricData`.
    ///
    /// # Errors
    /// AWS's, for data that it refuses; then none of the data is kept.
    pub fn put_metric_data(&mut self, request: PutMetricData) -> Result<(), ApiError> {
        self.call(Operation::PutMetricData, None, |cloud, _| {
            if request.namespace.is_empty() {
                return Err(ApiError::new(
                    ApiErrorCode::MissingParameter,
                    "The parameter Namespace is required.",
                ));
            }
            if request.namespace.starts_with("AWS/") {
                let namespace = &request.namespace;
                return Err(invalid(format!("The value {namespace} for parameter Namespace is invalid.")));
            }
            if request.metric_data.len() > PUT_DATA {
                return Err(invalid(format!(
                    "The collection MetricData must not have a size greater than {PUT_DATA}."
                )));
            }
            let data: Vec<(Metric, Minute, StatisticSet)> = request
                .metric_data
                .iter()
                .map(|datum| {
                    let metric = Metric {
                        namespace: request.namespace.clone(),
                        metric_name: datum.metric_name.clone(),
                        dimensions: datum.dimensions.clone(),
                    };
                    let minute = Minute::of(datum.timestamp.unwrap_or(cloud.now));
                    Ok((metric, minute, samples(datum)?))
                })
                .collect::<Result<_, ApiError>>()?;
            let retention_minutes = cloud.config.metrics.retention.as_secs() / 60;
            for (metric, minute, samples) in data {
                let id = cloud.metrics.series(metric);
                let series = &mut cloud.metrics.series[id.0];
                series.put_by_client |= series.points.is_empty();
                cloud.metrics.record(id, minute, &samples, retention_minutes);
            }
            Ok(())
        })
    }

    /// `ListMetrics`.
    ///
    /// # Errors
    /// AWS's, for a token that is not one of ours.
    pub fn list_metrics(&mut self, request: ListMetrics) -> Result<ListMetricsReply, ApiError> {
        self.call(Operation::ListMetrics, None, |cloud, _| {
            let after: Option<Metric> = match &request.next_token {
                Some(token) => Some(token::decode_metric(token).ok_or_else(|| {
                    ApiError::new(ApiErrorCode::InvalidNextToken, "The NextToken is not valid.")
                })?),
                None => None,
            };
            let from = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
            let mut matching = cloud
                .metrics
                .ids
                .range::<Metric, _>((from, Bound::Unbounded))
                .filter(|(metric, id)| {
                    !cloud.metrics.series[id.0].points.is_empty() && matches(&request, metric)
                })
                .map(|(metric, _)| metric.clone());
            let metrics: Vec<Metric> = matching.by_ref().take(LIST_PAGE).collect();
            let more = matching.next().is_some();
            let next_token = metrics.last().filter(|_| more).map(token::encode_metric);
            Ok(ListMetricsReply { metrics, next_token })
        })
    }
}

fn matches(request: &ListMetrics, metric: &Metric) -> bool {
    request.namespace.as_ref().is_none_or(|namespace| *namespace == metric.namespace)
        && request.metric_name.as_ref().is_none_or(|name| *name == metric.metric_name)
        && request.dimensions.iter().all(|filter| {
            metric.dimensions.iter().any(|dimension| {
                dimension.name == filter.name
                    && filter.value.as_ref().is_none_or(|value| *value == dimension.value)
            })
        })
}

fn samples(datum: &MetricDatum) -> Result<StatisticSet, ApiError> {
    let mut set = StatisticSet::EMPTY;
    match (datum.value, datum.statistic_values, datum.values.is_empty()) {
        (Some(value), None, true) => set.add(value),
        (None, Some(statistics), true) => set = statistics,
        (None, None, false) => {
            if !datum.counts.is_empty() && datum.counts.len() != datum.values.len() {
                return Err(invalid(
                    "The parameters MetricData.member.1.Values and MetricData.member.1.Counts must be of the \
                     same size.",
                ));
            }
            for (at, &value) in datum.values.iter().enumerate() {
                let sample_count = datum.counts.get(at).copied().unwrap_or(1.0);
                let sum = value * sample_count;
                set.merge(&StatisticSet { sample_count, sum, minimum: value, maximum: value });
            }
        }
        (None, None, true) => {
            return Err(ApiError::new(
                ApiErrorCode::MissingParameter,
                "At least one of the parameters MetricData.member.1.Value, MetricData.member.1.Values or \
                 MetricData.member.1.StatisticValues must be specified.",
            ));
        }
        _ => {
            return Err(ApiError::new(
                ApiErrorCode::InvalidParameterCombination,
                "The parameters MetricData.member.1.Value, MetricData.member.1.Values and \
                 MetricData.member.1.StatisticValues are mutually exclusive and you have specified more than \
                 one.",
            ));
        }
    }
    let finite = [set.sum, set.minimum, set.maximum].iter().all(|value| value.is_finite());
    if finite && set.sample_count > 0.0 {
        Ok(set)
    } else {
        Err(invalid("The value NaN for parameter MetricData.member.1.Value is invalid."))
    }
}
