//! The declared consumers.

use std::collections::HashSet;
use std::time::Duration;

use crate::policy::{self, ConsumerKind, defaults};
use crate::resource::check::{DurationRange, Field, quoted};
use crate::resource::spec::{Consumer, ConsumerType};

/// AWS serves 5 GetRecords calls a second on a shard: a poller cannot be faster than 200 ms.
const POLL_INTERVAL: DurationRange = DurationRange {
    least: Duration::from_millis(200),
    most: Duration::from_secs(3_600),
    step: Duration::from_millis(1),
};

/// The consumers without those at fault, whose faults are noted.
pub(super) fn convert(consumers: &[Consumer], at: &Field<'_>) -> Vec<policy::Consumer> {
    at.at_most(consumers, 50);
    let mut seen = HashSet::new();
    let convert = |(index, consumer): (usize, &Consumer)| {
        let Consumer { name, r#type, poll_interval } = consumer;
        let at = at.item(index);
        at.at("name").printable(name, 256);
        at.at("name").require(seen.insert((name.clone(), *r#type)), || {
            format!("another consumer of type {type:?} has the name {}: list each once", quoted(name))
        });
        let poll_interval_at = at.at("pollInterval");
        let poll_interval = match poll_interval {
            Some(text) => poll_interval_at.duration(text, &POLL_INTERVAL)?,
            None => defaults::POLL_INTERVAL,
        };
        poll_interval_at
            .require(consumer.poll_interval.is_none() || *r#type == ConsumerType::Polling, || {
                format!("a consumer of type {type:?} has a fixed pace: leave it out, or give type Polling")
            });
        let kind = match r#type {
            ConsumerType::Firehose => ConsumerKind::Firehose,
            ConsumerType::Lambda => ConsumerKind::Lambda,
            ConsumerType::Polling => ConsumerKind::Polling { poll_interval },
            ConsumerType::EnhancedFanOut => ConsumerKind::EnhancedFanOut,
        };
        Some(policy::Consumer { name: name.clone(), kind })
    };
    consumers.iter().enumerate().filter_map(convert).collect()
}
