//! Who was open when. A shard is open once, without a break: where the same shards were open at two
//! moments and tiled the space, they were open at every moment between, and nobody has to be asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::stream::ShardId;

/// Spans over which the same shards were open, none of which overlap.
#[derive(Debug, Default)]
pub(super) struct Topologies(BTreeMap<Timestamp, Span>);

/// A span, known by its first moment.
#[derive(Debug)]
struct Span {
    last: Timestamp,
    open: Arc<[ShardId]>,
}

impl Topologies {
    /// The shards that were open at `at`, if they are known. `open_now` are those of now, which is
    /// later than every moment that is asked for.
    pub(super) fn at(&self, at: Timestamp, open_now: Option<&[ShardId]>) -> Option<&Arc<[ShardId]>> {
        let (_, before) = self.0.range(..=at).next_back()?;
        let later = self.0.range(at..).next().map(|(_, span)| &*span.open);
        let lasts = at <= before.last || later.or(open_now) == Some(&*before.open);
        lasts.then_some(&before.open)
    }

    /// Takes in that these shards were open at `at`.
    pub(super) fn keep(&mut self, at: Timestamp, open: &[ShardId]) {
        let same = |span: &Span| *span.open == *open;
        let before = self.0.range(..=at).next_back().filter(|(_, span)| same(span)).map(|(first, _)| *first);
        let after = self.0.range(at..).next().filter(|(_, span)| same(span)).map(|(first, _)| *first);
        let after = after.and_then(|first| self.0.remove(&first));
        let last = after.as_ref().map_or(at, |span| span.last);
        match before.and_then(|first| self.0.get_mut(&first)) {
            Some(span) => span.last = span.last.max(last),
            None => {
                let open = after.map_or_else(|| open.into(), |span| span.open);
                self.0.insert(at, Span { last, open });
            }
        }
    }

    /// Forgets what ended before `moment`.
    pub(super) fn forget_before(&mut self, moment: Timestamp) {
        self.0.retain(|_, span| span.last >= moment);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(60 * minute).expect("in range")
    }

    /// Of a stream with one shard after another.
    fn open(number: u8) -> [ShardId; 1] {
        [ShardId::new(format!("shardId-{number:012}"))]
    }

    proptest! {
        /// A history is which shard is open in each minute; it changes at most once a minute and
        /// never goes back.
        #[test]
        fn what_is_known_is_right_and_whatever_lies_between_two_like_moments_is_known(
            changes in prop::collection::vec(prop::bool::weighted(0.2), 60),
            asked in prop::collection::vec(0..60_i64, 0..20),
            forgotten in 0..60_i64,
        ) {
            let truth: Vec<u8> = changes.iter().scan(0, |shard, changed| {
                *shard += u8::from(*changed);
                Some(*shard)
            }).collect();
            let of = |minute: i64| open(truth[usize::try_from(minute).expect("in range")]);
            let mut topologies = Topologies::default();
            for minute in &asked {
                topologies.keep(at(*minute), &of(*minute));
            }
            let now = open(*truth.last().expect("not empty"));
            let known_like = |minute: i64, later: bool| asked.iter().any(|known| {
                (if later { *known >= minute } else { *known <= minute }) && of(*known) == of(minute)
            });
            for minute in 0..60 {
                let expected = known_like(minute, false).then(|| of(minute).to_vec());
                let between = known_like(minute, true).then(|| expected.clone()).flatten();
                prop_assert_eq!(topologies.at(at(minute), None).map(|open| open.to_vec()), between, "minute {}", minute);
                let told = topologies.at(at(minute), Some(&now)).map(|open| open.to_vec());
                let until_now = expected.filter(|_| known_like(minute, true) || of(minute) == now);
                prop_assert_eq!(told, until_now, "minute {} seen from now", minute);
            }
            let distinct = asked.iter().map(|minute| of(*minute)).collect::<std::collections::BTreeSet<_>>();
            prop_assert!(topologies.0.len() <= distinct.len(), "one span for each, at the most");
            topologies.forget_before(at(forgotten));
            prop_assert!(topologies.0.values().all(|span| span.last >= at(forgotten)));
        }
    }
}
