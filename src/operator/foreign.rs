//! Reshards that nothing of ours explains. Pure: what was seen before, what is seen now, and which
//! steps of ours were sent in between. What is remembered here names causes and decides nothing.

use std::fmt;

use jiff::Timestamp;

use crate::hash_key::HashKeyRange;
use crate::plan::Step;

/// The open ranges at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tiling {
    /// When, by AWS's clock.
    pub at: Timestamp,
    /// When the stream was made.
    pub created_at: Timestamp,
    /// The ranges in hash-key order.
    pub ranges: Vec<HashKeyRange>,
}

/// A change of the shards by somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Foreign {
    /// The shards are others.
    Resharded {
        /// After this moment.
        after: Timestamp,
        /// By this moment.
        by: Timestamp,
        /// How many shards there were.
        from: usize,
        /// How many there are.
        to: usize,
        /// Whether they are all of one size now, as UpdateShardCount leaves them.
        even: bool,
    },
    /// The stream is another one of the same name.
    Replaced {
        /// When the one before was made.
        before: Timestamp,
        /// When this one was made.
        now: Timestamp,
    },
}

impl Foreign {
    /// The name in events.
    pub fn reason(&self) -> &'static str {
        match self {
            Foreign::Resharded { .. } => "ForeignReshard",
            Foreign::Replaced { .. } => "StreamReplaced",
        }
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Foreign::Resharded { after, by, from, to, even } => {
                write!(
                    f,
                    "somebody else has changed the shards between {after} and {by}: {from} before, {to} now"
                )?;
                if *even {
                    f.write_str(", all of one size, as UpdateShardCount leaves them")?;
                }
                Ok(())
            }
            Foreign::Replaced { before, now } => write!(
                f,
                "the stream was deleted and made again: this one was made at {now}, the one before at {before}"
            ),
        }
    }
}

/// What somebody else has done between two looks; `own` are the steps of ours that were sent since
/// the first, in order, each of which may or may not have taken effect.
pub fn between(before: &Tiling, now: &Tiling, own: &[Step]) -> Option<Foreign> {
    if before.created_at != now.created_at {
        return Some(Foreign::Replaced { before: before.created_at, now: now.created_at });
    }
    let mut explained = vec![before.ranges.clone()];
    for step in own {
        let taken = explained.iter().filter_map(|ranges| {
            let mut ranges = ranges.clone();
            step.apply(&mut ranges).ok().map(|()| ranges)
        });
        let taken: Vec<_> = taken.filter(|ranges| !explained.contains(ranges)).collect();
        explained.extend(taken);
    }
    let even = HashKeyRange::are_equal(now.ranges.iter().copied()) && now.ranges.len() > 1;
    // How AWS rounds is not known.
    let called = |step: &Step| matches!(step, Step::UpdateShardCount { to, .. } if even && *to as usize == now.ranges.len());
    (!explained.contains(&now.ranges) && !own.iter().any(called)).then_some(Foreign::Resharded {
        after: before.at,
        by: now.at,
        from: before.ranges.len(),
        to: now.ranges.len(),
        even,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash_key::HashKey;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn tiling(second: i64, starts: &[u128]) -> Tiling {
        let ends = starts.iter().skip(1).map(|next| next - 1).chain([u128::MAX]);
        let range = |(start, end)| HashKeyRange::new(HashKey(start), HashKey(end)).expect("ascending");
        Tiling {
            at: at(second),
            created_at: at(0),
            ranges: starts.iter().copied().zip(ends).map(range).collect(),
        }
    }

    fn split(of: &Tiling, index: usize, key: u128) -> Step {
        Step::Split { range: of.ranges[index], at: HashKey(key) }
    }

    #[test]
    fn what_our_steps_explain_is_ours_whether_or_not_they_took_effect() {
        let before = tiling(100, &[0, 1_000]);
        let one = split(&before, 0, 500);
        for now in [&[0_u128, 1_000][..], &[0, 500, 1_000]] {
            assert_eq!(between(&before, &tiling(160, now), std::slice::from_ref(&one)), None, "{now:?}");
        }
        let two = split(&before, 1, 2_000);
        for now in [&[0_u128, 1_000][..], &[0, 500, 1_000], &[0, 1_000, 2_000], &[0, 500, 1_000, 2_000]] {
            assert_eq!(between(&before, &tiling(160, now), &[one.clone(), two.clone()]), None, "{now:?}");
        }
    }

    #[test]
    fn what_nothing_of_ours_explains_is_told_with_its_time() {
        let before = tiling(100, &[0, 1_000]);
        let now = tiling(160, &[0, 500, 1_000]);
        let foreign = between(&before, &now, &[]).expect("not ours");
        assert_eq!(foreign, Foreign::Resharded { after: at(100), by: at(160), from: 2, to: 3, even: false });
        assert_eq!(
            foreign.to_string(),
            "somebody else has changed the shards between 1970-01-01T00:01:40Z and 1970-01-01T00:02:40Z: \
             2 before, 3 now"
        );
        let other = split(&before, 1, 2_000);
        assert!(between(&before, &now, &[other]).is_some(), "another step of ours does not explain it");
    }

    #[test]
    fn equal_ranges_point_to_update_shard_count() {
        let quarter = 1_u128 << 126;
        let before = tiling(100, &[0, 1_000]);
        let even = tiling(160, &[0, quarter, 2 * quarter, 3 * quarter - 1]);
        let told = between(&before, &even, &[]).expect("not ours").to_string();
        assert!(told.ends_with("as UpdateShardCount leaves them"), "{told}");
    }

    #[test]
    fn a_call_of_ours_explains_equal_ranges_however_aws_rounds_them_and_no_other_count() {
        let quarter = 1_u128 << 126;
        let before = tiling(100, &[0, 2 * quarter]);
        let rounded = tiling(160, &[0, quarter, 2 * quarter, 3 * quarter - 1]);
        let call = |to| [Step::UpdateShardCount { from: 2, to }];
        assert_eq!(between(&before, &rounded, &call(4)), None);
        assert!(between(&before, &rounded, &call(3)).is_some());
        let uneven = tiling(160, &[0, quarter, 2 * quarter, 2 * quarter + 9]);
        assert!(between(&before, &uneven, &call(4)).is_some());
    }

    #[test]
    fn a_stream_made_anew_is_another() {
        let before = tiling(100, &[0, 1_000]);
        let now = Tiling { created_at: at(150), ..tiling(160, &[0, 1_000]) };
        let foreign = between(&before, &now, &[]).expect("another stream");
        assert_eq!(foreign.reason(), "StreamReplaced");
    }
}
