//! The declared consumers.

use std::collections::HashSet;

use crate::policy::{self, ConsumerKind, defaults};
use crate::resource::check::{Field, quoted};
use crate::resource::spec::{Consumer, ConsumerType, Transform};
use crate::resource::{names, ranges};

/// The consumers without those at fault, whose faults are noted.
pub(super) fn convert(consumers: &[Consumer], at: &Field<'_>) -> Vec<policy::Consumer> {
    at.at_most(consumers, ranges::MOST_CONSUMERS);
    let mut seen = HashSet::new();
    let convert = |(index, consumer): (usize, &Consumer)| {
        let Consumer { name, r#type, poll_interval, transform } = consumer;
        let at = at.item(index);
        at.at("name").require(names::is_consumer_name(name), || {
            format!(
                "{} is not a consumer's name: give 1 to {} characters of printable ASCII, no colon first, no blank at either end",
                quoted(name),
                ranges::CONSUMER_NAME_LENGTH
            )
        });
        at.at("name").require(seen.insert((name.clone(), *r#type)), || {
            format!("another consumer of type {type:?} has the name {}: list each once", quoted(name))
        });
        let poll_interval_at = at.at("pollInterval");
        let poll_interval = match poll_interval {
            Some(text) => poll_interval_at.duration(text, &ranges::POLL_INTERVAL)?,
            None => defaults::POLL_INTERVAL,
        };
        poll_interval_at
            .require(consumer.poll_interval.is_none() || *r#type == ConsumerType::Polling, || {
                format!("a consumer of type {type:?} has a fixed pace: leave it out, or give type Polling")
            });
        let transform_at = at.at("transform");
        transform_at.require(transform.is_none() || *r#type == ConsumerType::Firehose, || {
            format!("a consumer of type {type:?} has no transform: leave it out, or give type Firehose")
        });
        let transform = match transform {
            Some(Transform { duration, batch_bytes }) => Some(policy::Transform {
                duration: transform_at.at("duration").duration(duration, &ranges::TRANSFORM_DURATION)?,
                batch_bytes: transform_at
                    .at("batchBytes")
                    .integer(*batch_bytes, ranges::TRANSFORM_BATCH_BYTES)?,
            }),
            None => None,
        };
        let kind = match r#type {
            ConsumerType::Firehose => ConsumerKind::Firehose { transform },
            ConsumerType::Lambda => ConsumerKind::Lambda,
            ConsumerType::Polling => ConsumerKind::Polling { poll_interval },
            ConsumerType::EnhancedFanOut => ConsumerKind::EnhancedFanOut,
        };
        Some(policy::Consumer { name: name.clone(), kind })
    };
    consumers.iter().enumerate().filter_map(convert).collect()
}
