//! The fields about who reads the stream, about times with other bounds, and the one field that
//! takes a number or a word.

use std::fmt;
use std::time::Duration;

use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::policy::{Allow, defaults};
use crate::resource::duration::DurationText;
#[cfg(feature = "operator")]
use crate::resource::{ranges, schema};

/// A whole percentage of a ceiling, or `Auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Utilization {
    /// So much.
    Percent(i64),
    /// Learned from how much the stream's load grew within minutes on the last day, and the price of rejecting.
    Auto,
}

impl Utilization {
    /// How [`Utilization::Auto`] is written.
    pub(in crate::resource) const AUTO: &'static str = "Auto";
}

impl Serialize for Utilization {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            Utilization::Percent(percent) => serializer.serialize_i64(percent),
            Utilization::Auto => serializer.serialize_str(Utilization::AUTO),
        }
    }
}

impl<'de> Deserialize<'de> for Utilization {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Utilization, D::Error> {
        struct PercentOrAuto;

        impl Visitor<'_> for PercentOrAuto {
            type Value = Utilization;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole percentage from 1 to 100, such as 70, or `Auto`")
            }

            fn visit_i64<E: de::Error>(self, percent: i64) -> Result<Utilization, E> {
                Ok(Utilization::Percent(percent))
            }

            fn visit_u64<E: de::Error>(self, percent: u64) -> Result<Utilization, E> {
                let percent = i64::try_from(percent)
                    .map_err(|_| E::invalid_value(Unexpected::Unsigned(percent), &self))?;
                Ok(Utilization::Percent(percent))
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Utilization, E> {
                match word {
                    Utilization::AUTO => Ok(Utilization::Auto),
                    _ => Err(E::invalid_value(Unexpected::Str(word), &self)),
                }
            }
        }

        deserializer.deserialize_any(PercentOrAuto)
    }
}

/// A reader of the stream. Makes its calls and its lag explicit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "operator", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "operator",
    schemars(transform = schema::rule(
        "!has(self.pollInterval) || self.type == 'Polling'",
        "a consumer of another type than Polling has a fixed pace: leave it out",
    ).at(".pollInterval")),
    schemars(transform = schema::rule(
        "!has(self.transform) || self.type == 'Firehose'",
        "a consumer of another type than Firehose has no transform: leave it out",
    ).at(".transform")),
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Consumer {
    /// Its own name: delivery stream, function, KCL application or registered consumer.
    #[cfg_attr(feature = "operator", schemars(transform = schema::text(schema::CONSUMER_NAME, ranges::CONSUMER_NAME_LENGTH)))]
    pub name: String,
    /// What it is, which tells how it reads and where its lag is found.
    pub r#type: ConsumerType,
    /// Time between two of its polls of a shard, 200ms to 1h; for type `Polling` only.
    /// Default: 1s, as in KCL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "operator", schemars(transform = schema::duration(ranges::POLL_INTERVAL)))]
    pub poll_interval: Option<DurationText>,
    /// The Lambda function that transforms the records on their way; for type `Firehose` only. Tells
    /// advice how much the consumer can take; nothing is decided by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transform: Option<Transform>,
}

/// A Lambda function between Firehose and its destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "operator", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Transform {
    /// How long it takes for one batch, 1ms to 5m.
    #[cfg_attr(feature = "operator", schemars(transform = schema::duration(ranges::TRANSFORM_DURATION)))]
    pub duration: DurationText,
    /// Bytes of a batch, 200000 to 3145728: Firehose's buffering size for the function.
    /// Default: 1048576.
    #[serde(default = "batch_bytes")]
    #[cfg_attr(feature = "operator", schemars(transform = schema::whole(ranges::TRANSFORM_BATCH_BYTES)))]
    pub batch_bytes: i64,
}

fn batch_bytes() -> i64 {
    i64::from(defaults::TRANSFORM_BATCH_BYTES)
}

/// What a consumer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "operator", derive(schemars::JsonSchema))]
pub enum ConsumerType {
    /// A Firehose delivery stream: one call a second on each shard.
    Firehose,
    /// A Lambda event source mapping: one call a second on each shard.
    Lambda,
    /// A KCL application or another poller.
    Polling,
    /// A consumer with enhanced fan-out: outside the shared limits.
    EnhancedFanOut,
}

/// What the consumers' lag forbids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "operator", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LagGuard {
    /// Nothing is merged while a consumer lags further than this, 1s to 24h. Default: 2m.
    #[cfg_attr(feature = "operator", schemars(transform = schema::duration(ranges::MAX_ITERATOR_AGE)))]
    pub max_iterator_age: DurationText,
}

impl Default for LagGuard {
    fn default() -> LagGuard {
        LagGuard { max_iterator_age: defaults::MAX_ITERATOR_AGE.into() }
    }
}

/// A window with other bounds, which opens at each match of a cron expression.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "operator", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "operator",
    schemars(transform = schema::rule(
        "has(self.minShards) || has(self.allow)",
        "it changes nothing: give minShards, allow or both",
    )),
    schemars(transform = schema::rule(
        "has(self.minShards) || duration(self.leadTime) == duration('0s')",
        "it brings minShards forward, and there is none: give minShards, or leave it out",
    ).at(".leadTime")),
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Schedule {
    /// Its name, unlike the other schedules' names.
    #[cfg_attr(feature = "operator", schemars(transform = schema::text(schema::NAME, ranges::SCHEDULE_NAME_LENGTH)))]
    pub name: String,
    /// When it opens: minute, hour, day of month, month, day of week.
    #[cfg_attr(feature = "operator", schemars(transform = schema::text(schema::CRON, ranges::CRON_LENGTH)))]
    pub schedule: String,
    /// The time zone of `schedule`, by its IANA name. Default: UTC.
    #[serde(default = "utc")]
    #[cfg_attr(feature = "operator", schemars(transform = schema::text(schema::TIME_ZONE, 64)))]
    pub time_zone: String,
    /// How long it stays open, 1m to 8784h. Elapsed time: a change of clocks does not stretch it.
    #[cfg_attr(feature = "operator", schemars(transform = schema::duration(ranges::SCHEDULE_DURATION)))]
    pub duration: DurationText,
    /// How much earlier `minShards` already holds, 0s to 24h. Default: 0s.
    #[serde(default = "no_lead_time", skip_serializing_if = "is_no_lead_time")]
    #[cfg_attr(feature = "operator", schemars(transform = schema::duration(ranges::LEAD_TIME), extend("default" = no_lead_time())))]
    pub lead_time: DurationText,
    /// The fewest shards while it is open, 1 to `maxShards`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "operator", schemars(transform = schema::whole(ranges::SHARDS)))]
    pub min_shards: Option<i64>,
    /// What may be done while it is open: `All`, `ScaleUpOnly`, `ScaleDownOnly`, `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow: Option<Allow>,
}

fn utc() -> String {
    "UTC".to_owned()
}

fn no_lead_time() -> DurationText {
    Duration::ZERO.into()
}

fn is_no_lead_time(lead_time: &DurationText) -> bool {
    *lead_time == no_lead_time()
}
