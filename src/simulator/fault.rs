//! What goes wrong on purpose: refused calls, lost replies, stale listings, endless reshards, and
//! metrics that are missing, late, partial or nonsense. Scripted, and seeded where chance has a part.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::api::{Metric, StreamRef};
use super::limits::Scope;
use super::{ApiError, ApiErrorCode, Cloud, dice, validate};
use crate::snapshot::Minute;

/// The operations that a fault can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "these are AWS's own names")]
pub enum Operation {
    CreateStream,
    DeleteStream,
    DescribeStreamSummary,
    DescribeStream,
    ListStreams,
    ListShards,
    SplitShard,
    MergeShards,
    UpdateShardCount,
    UpdateStreamMode,
    IncreaseStreamRetentionPeriod,
    DecreaseStreamRetentionPeriod,
    EnableEnhancedMonitoring,
    DisableEnhancedMonitoring,
    DescribeLimits,
    AddTagsToStream,
    RemoveTagsFromStream,
    ListTagsForStream,
    RegisterStreamConsumer,
    DeregisterStreamConsumer,
    ListStreamConsumers,
    PutRecord,
    PutRecords,
    GetShardIterator,
    GetRecords,
    GetMetricData,
    ListMetrics,
    PutMetricData,
}

/// Which calls of an operation a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum When {
    /// The n-th from when the fault was set, counted from 1.
    Nth(u64),
    /// All.
    Always,
    /// Those between the two moments (the second excluded).
    During(Timestamp, Timestamp),
    /// Each with this chance, 0 to 1, drawn from the seed.
    Chance(f64),
}

/// What happens to a call that a fault strikes.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// It is refused with this error and has no effect.
    Refuse(ApiError),
    /// It is done, or refused, and either way the caller gets [`super::ApiErrorCode::ReplyLost`].
    LoseReply,
    /// It has no effect, and the caller gets [`super::ApiErrorCode::ReplyLost`].
    LoseRequest,
    /// ListShards tells what it would have told so long ago.
    Stale(SignedDuration),
    /// The change that it starts takes so long.
    Takes(SignedDuration),
}

/// A scripted fault of an operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Whose calls.
    pub operation: Operation,
    /// Which of them.
    pub when: When,
    /// What happens.
    pub effect: Effect,
}

/// What happens to metrics when they are read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MetricEffect {
    /// There is no value.
    Missing,
    /// Values come so much later.
    Late(SignedDuration),
    /// Values are this share of the truth.
    Scaled(f64),
    /// Values are not numbers.
    NotANumber,
    /// Values are negated.
    Negative,
    /// A data point with a time stamp this far in the future comes besides.
    Future(SignedDuration),
    /// The query's status is `PartialData` and half its points are gone.
    PartialData,
}

/// A scripted fault of metrics, for those minutes that begin within `from..until`.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricFault {
    /// Only this metric; `None`: all.
    pub metric_name: Option<String>,
    /// Only series with a dimension of this value (a stream's, shard's or consumer's name); `None`: all.
    pub dimension_value: Option<String>,
    /// The first minute.
    pub from: Timestamp,
    /// The first minute that is sound again.
    pub until: Timestamp,
    /// With what chance a minute is struck, 0 to 1, drawn from the seed.
    pub chance: f64,
    /// What happens.
    pub effect: MetricEffect,
}

/// All scripted faults, and the count of calls that they strike by.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// With the number of calls that each has seen.
    calls: Vec<(Fault, u64)>,
    metrics: Vec<MetricFault>,
    counts: BTreeMap<Operation, u64>,
}

/// What strikes one call.
#[derive(Debug, Default)]
pub(super) struct Struck {
    refuse: Option<ApiError>,
    lose_reply: bool,
    lose_request: bool,
    /// How old the listing is that the call gets.
    pub stale: Option<SignedDuration>,
    /// How long the change takes that the call begins.
    pub takes: Option<SignedDuration>,
}

impl Faults {
    fn strike(&mut self, operation: Operation, now: Timestamp, seed: u64) -> Struck {
        *self.counts.entry(operation).or_default() += 1;
        let mut struck = Struck::default();
        for (number, (fault, seen)) in self.calls.iter_mut().enumerate() {
            if fault.operation != operation {
                continue;
            }
            *seen += 1;
            let hit = match fault.when {
                When::Nth(nth) => *seen == nth,
                When::Always => true,
                When::During(from, until) => from <= now && now < until,
                When::Chance(chance) => {
                    dice::share(&[seed, dice::text("fault"), number as u64, *seen]) < chance
                }
            };
            match fault.effect.clone() {
                _ if !hit => {}
                Effect::Refuse(error) => struck.refuse = struck.refuse.or(Some(error)),
                Effect::LoseReply => struck.lose_reply = true,
                Effect::LoseRequest => struck.lose_request = true,
                Effect::Stale(by) => struck.stale = Some(by),
                Effect::Takes(time) => struck.takes = Some(time),
            }
        }
        struck
    }

    /// Those that strike `minute` of `metric`, their chance apart.
    pub fn metric_faults(&self, metric: &Metric, minute: Minute) -> impl Iterator<Item = &MetricFault> {
        let start = minute.start();
        self.metrics.iter().filter(move |fault| {
            fault.from <= start
                && start < fault.until
                && fault.metric_name.as_ref().is_none_or(|name| *name == metric.metric_name)
                && fault
                    .dimension_value
                    .as_ref()
                    .is_none_or(|value| metric.dimensions.iter().any(|dimension| dimension.value == *value))
        })
    }
}

impl Cloud {
    /// Adds a scripted fault.
    pub fn inject(&mut self, fault: Fault) {
        self.faults.calls.push((fault, 0));
    }

    /// Adds a scripted fault of metrics.
    pub fn inject_metric(&mut self, fault: MetricFault) {
        self.faults.metrics.push(fault);
    }

    /// Ends all scripted faults.
    pub fn clear_faults(&mut self) {
        self.faults.calls.clear();
        self.faults.metrics.clear();
    }

    /// How many calls of `operation` were made, refused ones included.
    pub fn calls(&self, operation: Operation) -> u64 {
        self.faults.counts.get(&operation).copied().unwrap_or(0)
    }

    /// How many calls were made in all.
    pub(super) fn calls_in_all(&self) -> u64 {
        self.faults.counts.values().sum()
    }

    /// The way of every request: counted, struck by faults, held to its rate, and only then done.
    pub(super) fn call<T>(
        &mut self,
        operation: Operation,
        stream: Option<&StreamRef>,
        act: impl FnOnce(&mut Cloud, &Struck) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let lost = || ApiError::new(ApiErrorCode::ReplyLost, "the connection was lost before a reply came");
        let mut struck = self.faults.strike(operation, self.now, self.config.seed);
        if struck.lose_request {
            return Err(lost());
        }
        if let Some(error) = struck.refuse.take() {
            return Err(error);
        }
        if self.config.limits.control_plane_rates {
            let name = stream.and_then(|stream| validate::stream_name(stream, &self.config).ok());
            let name = name.unwrap_or_default();
            if !self.call_rates.take(operation, &name, self.now) {
                return Err(self.rate_exceeded(operation, &name));
            }
        }
        let result = act(self, &struck);
        if struck.lose_reply { Err(lost()) } else { result }
    }

    fn rate_exceeded(&self, operation: Operation, stream: &str) -> ApiError {
        use Operation::{GetMetricData, ListMetrics, PutMetricData};
        if matches!(operation, GetMetricData | ListMetrics | PutMetricData) {
            return ApiError::new(ApiErrorCode::Throttling, "Rate exceeded");
        }
        let account = &self.config.account_id;
        let of_account = matches!(operation.rate(), Some((_, Scope::Account)));
        let message = if of_account || stream.is_empty() {
            format!("Rate exceeded for account {account}.")
        } else {
            format!("Rate exceeded for stream {stream} under account {account}.")
        };
        ApiError::new(ApiErrorCode::LimitExceeded, message)
    }
}
