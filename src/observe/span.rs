//! The time that an observation looks at: from when on anything is known, until when it is settled, and the
//! moments in between at which the shards are looked up.

use jiff::{SignedDuration, Timestamp};

use crate::demand::accounts_for;
use crate::policy::{ScalingPolicy, UpdateShardCount};
use crate::quota::Dimension;
use crate::snapshot::{MetricHistory, Minute, ShardMetric, StreamMetric};
use crate::stream::StreamSummary;

/// The newest minutes that are left out, the one that is not over included: CloudWatch publishes
/// "each minute" and promises no delay; two more minutes is what the field has found to be enough.
pub const UNSETTLED_MINUTES: i64 = 3;

/// The longest look-back: one day.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(24);
/// Closed shards leave the listing at the end of their retention; this much earlier they are still
/// certain to be in it.
const RETENTION_MARGIN: SignedDuration = SignedDuration::from_mins(15);
/// Moments at which the shards are always looked up, in minutes before now.
const PAST_MINUTES: [i64; 3] = [5, 15, 60];

/// The time that an observation looks at.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    now: Timestamp,
    /// What lies before is unknown.
    pub look_back_start: Timestamp,
    /// The first whole minute of the look-back.
    pub first_minute: Minute,
    /// The first minute that is not settled yet.
    pub settled_until: Minute,
}

impl Span {
    /// What an observation of this stream looks at now.
    pub fn of(now: Timestamp, summary: &StreamSummary) -> Span {
        let retention = SignedDuration::from_hours(i64::from(summary.retention_hours));
        let before = |span: SignedDuration| now.checked_sub(span).unwrap_or(Timestamp::MIN);
        let look_back_start =
            before(LOOK_BACK).max(before(retention - RETENTION_MARGIN)).max(summary.created_at);
        Span {
            now,
            look_back_start,
            first_minute: Minute::from_start(look_back_start),
            settled_until: Minute::of(now).plus(1 - UNSETTLED_MINUTES),
        }
    }

    /// The first minute over which the shards' metrics are read, so that the window and the
    /// stabilisation windows are covered, however late the newest minute may be; at least a little more, so that
    /// a step's beginnings are seen.
    pub fn shard_metrics_from(&self, policy: &ScalingPolicy) -> Minute {
        const LEAST_SLACK_MINUTES: i64 = 5;
        let minutes = [&policy.scale_up, &policy.scale_down]
            .map(|rules| whole_minutes(rules.stabilization_window))
            .into_iter()
            .fold(i64::from(policy.metrics.window_minutes), i64::max);
        let slack = whole_minutes(policy.metrics.max_age).max(LEAST_SLACK_MINUTES);
        self.settled_until.plus(-minutes - slack).max(self.first_minute)
    }

    /// The moments at which the shards are looked up, oldest first: on whole minutes, so that the
    /// same moments come again in later passes, and within the look-back.
    pub fn past_moments(&self, policy: &ScalingPolicy) -> Vec<Timestamp> {
        let now = Minute::of(self.now);
        let rules = [&policy.scale_up, &policy.scale_down];
        let back = |minutes: i64| now.plus(-minutes);
        let mut moments: Vec<Minute> = PAST_MINUTES.iter().map(|minutes| back(*minutes)).collect();
        moments.push(self.settled_until.plus(-i64::from(policy.metrics.window_minutes)));
        moments.push(self.shard_metrics_from(policy));
        for rules in rules {
            moments.push(back(whole_minutes(rules.stabilization_window)));
            moments.push(self.settled_until.plus(-whole_minutes(rules.stabilization_window)));
            moments.extend(rules.policies.iter().map(|policy| back(whole_minutes(policy.period))));
        }
        moments.push(self.first_minute);
        // When its calls were made is told by who was open.
        if policy.update_shard_count != UpdateShardCount::Never {
            let hours = self.first_minute.0.div_euclid(60) + 1..=now.0.div_euclid(60);
            moments.extend(hours.map(|hour| Minute(60 * hour)));
        }
        for moment in &mut moments {
            *moment = (*moment).max(self.first_minute);
        }
        moments.sort();
        moments.dedup();
        moments.into_iter().map(Minute::start).filter(|moment| *moment < self.now).collect()
    }

    /// What is settled: up to the newest minute of which the stream has data points of what was written, and its shards
    /// of the same amounts where they were asked for, as long as that is no older than `metrics.maxAge`. What is newer is
    /// late, in part or as a whole, or nobody wrote in it: which of them, nobody can tell. Where the shards' amounts are
    /// the stream's in no minute that is so young, up to the newest that the stream tells; where it tells none, up to
    /// the newest that should be settled.
    pub(crate) fn told_until(&self, metrics: &MetricHistory, policy: &ScalingPolicy) -> Minute {
        let written = [
            (StreamMetric::IncomingBytes, ShardMetric::IncomingBytes, Dimension::IngestBytes),
            (StreamMetric::IncomingRecords, ShardMetric::IncomingRecords, Dimension::IngestRecords),
        ];
        let total = |metric, minute| metrics.stream.get(&metric)?.at(minute);
        let of_shards = |metric: ShardMetric, minute| {
            let told = metrics.shards.values().filter_map(|shard| shard.get(&metric)?.at(minute));
            told.fold(0, u64::saturating_add)
        };
        let by_the_stream = |minute| written.iter().all(|(metric, ..)| total(*metric, minute).is_some());
        let by_all_shards = |minute| {
            written.iter().all(|(of_stream, of_shard, dimension)| {
                let total = total(*of_stream, minute);
                total.is_some_and(|total| accounts_for(*dimension, of_shards(*of_shard, minute), total))
            })
        };
        let ends = (0..).map(|late| self.settled_until.plus(-late));
        let young: Vec<Minute> =
            ends.take_while(|end| !policy.metrics.are_too_old(end.start(), self.now)).collect();
        let newest =
            |is_known: &dyn Fn(Minute) -> bool| young.iter().copied().find(|end| is_known(end.plus(-1)));
        let asked_shards = !metrics.shards.is_empty();
        let known = asked_shards.then(|| newest(&by_all_shards)).flatten();
        known.or_else(|| newest(&by_the_stream)).unwrap_or(self.settled_until)
    }
}

/// Begun ones count as whole.
pub(super) fn whole_minutes(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_secs().div_ceil(60)).unwrap_or(i64::MAX / 120)
}
