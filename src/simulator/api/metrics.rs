//! CloudWatch. These bear no serde: its two wire protocols write timestamps differently.

use jiff::Timestamp;

/// A name and a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dimension {
    pub name: String,
    pub value: String,
}

impl Dimension {
    /// `name` = `value`.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Dimension { name: name.into(), value: value.into() }
    }
}

/// `Metric`: what one time series is called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Metric {
    pub namespace: String,
    pub metric_name: String,
    pub dimensions: Vec<Dimension>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct MetricStat {
    pub metric: Metric,
    /// In seconds, a multiple of 60.
    pub period: i32,
    /// `Sum`, `SampleCount`, `Minimum`, `Maximum` or `Average`.
    pub stat: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct MetricDataQuery {
    pub id: String,
    /// Absent where the query is a metric-math expression, which the model refuses.
    pub metric_stat: Option<MetricStat>,
    pub expression: Option<String>,
    pub label: Option<String>,
    /// Default true.
    pub return_data: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ScanBy {
    /// AWS's default: the newest first.
    #[default]
    TimestampDescending,
    TimestampAscending,
}

#[derive(Debug, Clone, PartialEq)]
pub struct GetMetricData {
    pub metric_data_queries: Vec<MetricDataQuery>,
    /// Inclusive; floored to the minute.
    pub start_time: Timestamp,
    /// Exclusive.
    pub end_time: Timestamp,
    pub next_token: Option<String>,
    pub scan_by: ScanBy,
    pub max_datapoints: Option<i32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricStatusCode {
    Complete,
    InternalError,
    PartialData,
    Forbidden,
}

impl MetricStatusCode {
    /// As it is on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            MetricStatusCode::Complete => "Complete",
            MetricStatusCode::InternalError => "InternalError",
            MetricStatusCode::PartialData => "PartialData",
            MetricStatusCode::Forbidden => "Forbidden",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct MetricDataResult {
    pub id: String,
    pub label: String,
    pub timestamps: Vec<Timestamp>,
    pub values: Vec<f64>,
    pub status_code: MetricStatusCode,
    pub messages: Vec<MessageData>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageData {
    pub code: String,
    pub value: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct GetMetricDataReply {
    pub metric_data_results: Vec<MetricDataResult>,
    pub next_token: Option<String>,
    pub messages: Vec<MessageData>,
}

/// One with a value of `None` matches every value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DimensionFilter {
    pub name: String,
    pub value: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListMetrics {
    pub namespace: Option<String>,
    pub metric_name: Option<String>,
    pub dimensions: Vec<DimensionFilter>,
    pub next_token: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListMetricsReply {
    pub metrics: Vec<Metric>,
    pub next_token: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StatisticSet {
    pub sample_count: f64,
    pub sum: f64,
    pub minimum: f64,
    pub maximum: f64,
}

/// One of `value`, `values` (with `counts`) or `statistic_values`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MetricDatum {
    pub metric_name: String,
    pub dimensions: Vec<Dimension>,
    /// Default: now.
    pub timestamp: Option<Timestamp>,
    pub value: Option<f64>,
    pub statistic_values: Option<StatisticSet>,
    pub values: Vec<f64>,
    /// Default: 1 each.
    pub counts: Vec<f64>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct PutMetricData {
    pub namespace: String,
    pub metric_data: Vec<MetricDatum>,
}
