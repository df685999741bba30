//! Which shards are closed, and for how long that has been known: nothing more comes of one that was closed long ago,
//! so that its metrics need not be asked for again, and paid for.

use std::collections::HashMap;
use std::time::Duration;

use super::span::whole_minutes;
use crate::snapshot::Minute;
use crate::stream::{Shard, ShardId};

/// Minutes that are asked for again though they were settled, for what CloudWatch publishes late: so many, or as many
/// as the policy lets it be late. `GetMetricData` is billed by the metric, so that asking for them again costs nothing.
const ASKED_AGAIN_MINUTES: i64 = 15;

/// How many minutes before the end of what is known are asked for again, where metrics may be so old.
pub(super) fn asked_again_minutes(max_age: Duration) -> i64 {
    whole_minutes(max_age).max(ASKED_AGAIN_MINUTES)
}

/// Each closed shard of a stream with the minute in which it was first seen closed.
#[derive(Debug, Default)]
pub struct ClosedShards {
    seen: HashMap<ShardId, Minute>,
}

impl ClosedShards {
    /// Notes who is closed of the shards that are listed at `now`; forgets those that are not listed any more.
    pub fn note(&mut self, listed: &[Shard], now: Minute) {
        let mut closed = 0;
        for shard in listed {
            if !shard.closed {
                // What another listing said was wrong.
                self.seen.remove(&shard.id);
                continue;
            }
            closed += 1;
            if !self.seen.contains_key(&shard.id) {
                self.seen.insert(shard.id.clone(), now);
            }
        }
        if self.seen.len() > closed {
            let mut before = std::mem::take(&mut self.seen);
            let listed = listed.iter().filter_map(|shard| before.remove_entry(&shard.id));
            self.seen = listed.collect();
        }
    }

    /// Whether a shard has nothing more to tell to one who knows its minutes up to `known_end`, where metrics may be
    /// `max_age` old: each minute of its life has been asked for again for as long as any is.
    pub fn is_told_out(&self, shard: &ShardId, known_end: Minute, max_age: Duration) -> bool {
        let last_minute = self.seen.get(shard);
        last_minute.is_some_and(|last| last.plus(1 + asked_again_minutes(max_age)) <= known_end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash_key::HashKeyRange;

    const MAX_AGE: Duration = Duration::from_secs(5 * 60);

    fn shard(number: u64, closed: bool) -> Shard {
        Shard {
            id: ShardId::new(format!("shardId-{number:012}")),
            range: HashKeyRange::WHOLE,
            parent: None,
            adjacent_parent: None,
            closed,
        }
    }

    #[test]
    fn a_shard_is_told_out_once_its_last_minute_has_been_asked_for_again_for_as_long_as_any_is() {
        let mut closed = ClosedShards::default();
        let [old, young] = [shard(0, true), shard(1, false)];
        closed.note(&[old.clone(), young.clone()], Minute(100));
        closed.note(&[old.clone(), young.clone()], Minute(105));
        assert!(!closed.is_told_out(&old.id, Minute(115), MAX_AGE));
        assert!(closed.is_told_out(&old.id, Minute(116), MAX_AGE), "it was first seen closed in minute 100");
        assert!(!closed.is_told_out(&young.id, Minute(1_000), MAX_AGE), "it is open");
        let late = Duration::from_secs(40 * 60);
        assert!(
            !closed.is_told_out(&old.id, Minute(140), late) && closed.is_told_out(&old.id, Minute(141), late)
        );
    }

    #[test]
    fn what_is_not_listed_any_more_or_listed_as_open_is_forgotten() {
        let mut closed = ClosedShards::default();
        closed.note(&[shard(0, true), shard(1, true)], Minute(100));
        closed.note(&[shard(1, true)], Minute(101));
        assert_eq!(closed.seen, HashMap::from([(shard(1, true).id, Minute(100))]));
        closed.note(&[shard(1, false)], Minute(102));
        assert_eq!(closed.seen, HashMap::new());
    }
}
