//! What cannot change any more: minutes that are long settled, and who was open at past moments.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use super::closed::{ClosedShards, asked_again_minutes};
use super::packed::Packed;
use super::topologies::Topologies;
use crate::control_plane::MetricQuery;
use crate::snapshot::{Minute, PastTopology, Quarters, Series};
use crate::stream::{Shard, ShardId, StreamSummary};

/// A past moment is looked up for good once it lies this far back: listings are eventually
/// consistent.
const TOPOLOGY_SETTLES_MINUTES: i64 = 2;

/// The memory of one stream's observer.
#[derive(Debug, Default)]
pub(super) struct ObservationCache {
    /// Whether no other pass is to come: then nothing is kept.
    last_pass: bool,
    owner: Option<(String, Timestamp)>,
    now: Option<Minute>,
    /// As old as the policy lets metrics be.
    max_age: Duration,
    closed: ClosedShards,
    series: HashMap<MetricQuery, Packed>,
    topologies: Topologies,
    quarters: Option<Quarters>,
}

impl ObservationCache {
    /// For a single pass.
    pub(super) fn for_one_pass() -> Self {
        ObservationCache { last_pass: true, ..ObservationCache::default() }
    }

    /// Begins a pass over a stream at `now`: forgets everything if it is another one than before,
    /// were it of the same name. Metrics may come so late that they are `max_age` old.
    pub(super) fn begin(&mut self, summary: &StreamSummary, now: Minute, max_age: Duration) {
        let owner = Some((summary.arn.clone(), summary.created_at));
        if self.owner != owner {
            *self = ObservationCache { owner, last_pass: self.last_pass, ..ObservationCache::default() };
        }
        self.now = Some(now);
        self.max_age = max_age;
    }

    /// Takes in who is closed of the shards that are listed.
    pub(super) fn note_closed(&mut self, listed: &[Shard]) {
        if let Some(now) = self.now.filter(|_| !self.last_pass) {
            self.closed.note(listed, now);
        }
    }

    /// The series from `start` up to `end` of a shard that has nothing more to tell; none where it has to be asked for.
    pub(super) fn told_out(&self, query: &MetricQuery, start: Minute, end: Minute) -> Option<Series> {
        let MetricQuery::Shard(shard, _) = query else { return None };
        let known = self.series.get(query).filter(|known| known.start() <= start)?;
        self.closed.is_told_out(shard, known.end(), self.max_age).then(|| {
            let minutes = |from: Minute, to: Minute| usize::try_from(to.since(from)).unwrap_or(0);
            let values = known.values().chain(std::iter::repeat(None));
            let values = values.skip(minutes(known.start(), start)).take(minutes(start, end));
            Series::new(start, values.collect(), true)
        })
    }

    /// From which minute on a metric has to be asked for, to have it from `start` on.
    pub(super) fn ask_from(&self, query: &MetricQuery, start: Minute) -> Minute {
        match self.series.get(query) {
            Some(known) if known.start() <= start => {
                known.end().plus(-asked_again_minutes(self.max_age)).max(start)
            }
            _ => start,
        }
    }

    /// The series from `start` on: what is known, then what was asked for. It is kept if it is
    /// complete.
    pub(super) fn extend(&mut self, query: &MetricQuery, start: Minute, fetched: Series) -> Series {
        let joined = match self.series.get(query) {
            Some(known)
                if known.start() <= start && start < fetched.start && fetched.start <= known.end() =>
            {
                let from = usize::try_from(start.since(known.start())).unwrap_or(0);
                let to = usize::try_from(fetched.start.since(known.start())).unwrap_or(0);
                let known = known.values().take(to).skip(from);
                let values = known.chain(fetched.all_values()).collect();
                Series::new(start, values, fetched.complete)
            }
            _ => fetched,
        };
        if joined.complete && !self.last_pass {
            self.series.insert(query.clone(), Packed::of(&joined));
        }
        joined
    }

    /// Who was open at a past moment, where that is known or follows from who is open now.
    pub(super) fn topology(&self, at: Timestamp, open_now: Option<&[ShardId]>) -> Option<PastTopology> {
        let open = self.topologies.at(at, open_now)?;
        Some(PastTopology { at, open: open.clone() })
    }

    /// Keeps who was open at a past moment, once listings have had time to become consistent.
    pub(super) fn keep_topology(&mut self, seen: &PastTopology) {
        let PastTopology { at, open } = seen;
        if self.now.is_some_and(|now| now.since(Minute::of(*at)) >= TOPOLOGY_SETTLES_MINUTES) {
            self.topologies.keep(*at, open);
        }
    }

    /// The quarters that are known.
    pub(super) fn quarters(&self) -> Option<Quarters> {
        self.quarters.clone()
    }

    /// Keeps them.
    pub(super) fn keep_quarters(&mut self, quarters: &Quarters) {
        if !self.last_pass {
            self.quarters = Some(quarters.clone());
        }
    }

    /// Forgets what lies before the look-back.
    pub(super) fn forget_before(&mut self, first: Minute, look_back_start: Timestamp) {
        self.series.retain(|_, series| series.end() > first);
        self.topologies.forget_before(look_back_start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::StreamMetric;

    fn series(start: i64, values: &[u64], complete: bool) -> Series {
        Series::new(Minute(start), values.iter().copied().map(Some).collect(), complete)
    }

    const QUERY: MetricQuery = MetricQuery::Stream(StreamMetric::IncomingBytes);

    #[test]
    fn known_minutes_are_not_asked_for_but_the_newest_are_asked_for_again() {
        let mut cache = ObservationCache::default();
        assert_eq!(cache.ask_from(&QUERY, Minute(100)), Minute(100));
        cache.extend(&QUERY, Minute(100), series(100, &[1; 60], true));
        assert_eq!(cache.ask_from(&QUERY, Minute(101)), Minute(145));
        assert_eq!(cache.ask_from(&QUERY, Minute(99)), Minute(99), "an older minute was never read");
        assert_eq!(cache.ask_from(&QUERY, Minute(155)), Minute(155));
        let joined = cache.extend(&QUERY, Minute(101), series(145, &[2; 16], true));
        assert_eq!(joined.start, Minute(101));
        assert_eq!(joined.values[..44], [Some(1); 44]);
        assert_eq!(joined.values[44..], [Some(2); 16]);
        cache.max_age = Duration::from_secs(40 * 60);
        assert_eq!(cache.ask_from(&QUERY, Minute(101)), Minute(121), "as late as they may be");
    }

    #[test]
    fn what_is_incomplete_is_not_kept_and_for_one_pass_nothing_is() {
        let mut cache = ObservationCache::for_one_pass();
        cache.extend(&QUERY, Minute(100), series(100, &[1; 60], true));
        assert_eq!(cache.ask_from(&QUERY, Minute(100)), Minute(100));
        let mut cache = ObservationCache::default();
        cache.extend(&QUERY, Minute(100), series(100, &[1; 60], false));
        assert_eq!(cache.ask_from(&QUERY, Minute(100)), Minute(100));
    }
}
