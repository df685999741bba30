//! A policy that fits a stream's past: bounds and targets, each with why.

use std::ops::RangeInclusive;

use serde::Serialize;

use super::past::{Past, Stretch};
use crate::load::Load;
use crate::policy::{ScalingPolicy, ShardBounds, defaults};
use crate::quota::{Dimension, MAX_SHARDS, MIN_SHARDS};

/// The time that splits may take to help, in minutes: some steps, and the delay of the metrics.
const REACTION_MINUTES: u32 = 5;
/// Fewer known minutes tell no rhythm.
const FEWEST_MINUTES: u64 = 6 * 60;
/// Targets outside this are not suggested, in percent: what never grows within minutes may do so within a minute, and
/// for that the default leaves room.
const TARGETS: RangeInclusive<u32> = 40..=defaults::TARGET_PERCENT;
/// Room above the highest load that was seen: as on-demand streams keep, twice.
const HEADROOM: u32 = 2;

/// A value with the reason for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Suggested {
    /// The value.
    pub value: u32,
    /// Why, in a sentence without its full stop.
    pub why: String,
}

/// A policy that fits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Suggestion {
    /// The fewest shards.
    pub min_shards: Suggested,
    /// The most shards.
    pub max_shards: Suggested,
    /// The target for bytes and records written, in percent.
    pub ingest_percent: Suggested,
}

impl Suggestion {
    /// `policy` with these bounds and targets.
    pub fn applied_to(&self, mut policy: ScalingPolicy) -> ScalingPolicy {
        if let Some(bounds) = ShardBounds::new(self.min_shards.value, self.max_shards.value) {
            policy.bounds = bounds;
        }
        let target = Load::from_percent(self.ingest_percent.value);
        policy.targets.limits.ingest_bytes = target;
        policy.targets.limits.ingest_records = target;
        policy.targets.learned.retain(|of| *of == Dimension::ReadBytes);
        policy
    }
}

/// What fits a stream of `open_shards` shards with this past, packed as `policy` packs.
pub fn suggest(past: Option<&Past>, open_shards: u32, policy: &ScalingPolicy) -> Suggestion {
    let open_shards = open_shards.clamp(MIN_SHARDS, MAX_SHARDS);
    let known = past.map_or(0, Past::known_minutes);
    match past.filter(|_| known >= FEWEST_MINUTES) {
        Some(past) => by_the_past(past, open_shards, policy),
        None => {
            let why = |what: &str| format!("{what}: only {known} minutes of the past are known");
            Suggestion {
                min_shards: Suggested { value: MIN_SHARDS, why: why("the fewest there can be") },
                max_shards: Suggested {
                    value: (open_shards * HEADROOM).min(MAX_SHARDS),
                    why: why("twice the shards there are, as far as that is allowed"),
                },
                ingest_percent: Suggested { value: defaults::TARGET_PERCENT, why: why("the default") },
            }
        }
    }
}

fn by_the_past(past: &Past, open_shards: u32, policy: &ScalingPolicy) -> Suggestion {
    let (growth, ingest_percent) = ingest_target(past);
    let keep = 1_000_000 - u64::from(policy.tolerance_millionths.min(1_000_000));
    let packed = Load(Load::from_percent(ingest_percent).0 * keep / 1_000_000);
    let shards_for = |load: Load| {
        let shards = load.0.div_ceil(packed.0.max(1));
        u32::try_from(shards).unwrap_or(u32::MAX).clamp(MIN_SHARDS, MAX_SHARDS)
    };
    let peaks = past.hourly_peaks();
    let hours = peaks.len();
    let quiet = quantile(peaks, 100);
    let (full, minutes) = past.peak().unwrap_or_default();
    let (min, needed) = (shards_for(quiet), shards_for(full));
    let max = (needed * HEADROOM).max(open_shards).min(MAX_SHARDS);
    let worth = |load: Load| format!("{}.{:02} shards' worth", load.0 / 1_000_000, load.0 / 10_000 % 100);
    Suggestion {
        min_shards: Suggested {
            value: min,
            why: match hours {
                0 => "of no hour half the minutes are known".to_owned(),
                hours => format!(
                    "in the quietest tenth of {hours} hours it carried at the most {}: {min} at {packed}",
                    worth(quiet)
                ),
            },
        },
        max_shards: Suggested {
            value: max,
            why: format!(
                "at its fullest it carried {} over {minutes} min: {needed} at {packed}; twice that, not fewer than the {open_shards} open now nor more than {MAX_SHARDS}",
                worth(full)
            ),
        },
        ingest_percent: Suggested {
            value: ingest_percent,
            why: format!(
                "in 99 of 100 cases the load grew by at most {} % within the {REACTION_MINUTES} minutes that splits may take to help",
                growth / 10
            ),
        },
    }
}

/// The growth in thousandths that 99 of 100 points stay under, and the target that leaves room for
/// it, in steps of five percent. Points of several minutes hide what happens within them: of stretches
/// with points of different lengths the one that grows more decides.
fn ingest_target(past: &Past) -> (u64, u32) {
    let growth = past.stretches.iter().map(growth).max().unwrap_or(0);
    let room = 100_000 / growth.saturating_add(1_000);
    let percent = u32::try_from(room / 5 * 5).unwrap_or(u32::MAX);
    (growth, percent.clamp(*TARGETS.start(), *TARGETS.end()))
}

fn growth(stretch: &Stretch) -> u64 {
    let points = usize::try_from(REACTION_MINUTES / stretch.minutes_per_point.max(1)).unwrap_or(1).max(1);
    let loads = stretch.loads();
    let grown = loads.windows(points + 1).filter_map(|window| {
        let now = window[0].filter(|load| load.0 > 0)?;
        let most = window[1..].iter().flatten().max()?;
        let growth = u128::from(most.0.saturating_sub(now.0)) * 1_000 / u128::from(now.0);
        Some(Load(u64::try_from(growth).unwrap_or(u64::MAX)))
    });
    quantile(grown.collect(), 990).0
}

/// The value that so many thousandths of all do not exceed; nothing of none.
fn quantile(mut values: Vec<Load>, thousandths: usize) -> Load {
    values.sort_unstable();
    let place = (values.len() * thousandths).div_ceil(1_000).max(1) - 1;
    values.get(place).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advice::past::Carried;

    fn past(kilobytes_per_second: impl Fn(usize) -> u64, minutes: usize) -> Past {
        let carried = |minute: usize| {
            let records = kilobytes_per_second(minute) * 60;
            Some(Carried { bytes: records * 1_000, records, rejected: 0 })
        };
        let points = (0..minutes).map(carried).collect();
        Past { stretches: vec![Stretch { minutes_per_point: 1, points }] }
    }

    fn policy() -> ScalingPolicy {
        ScalingPolicy::of_round_numbers("orders", 200)
    }

    #[test]
    fn bounds_come_from_the_quiet_and_the_full_hours() {
        let daily = past(|minute| if minute % 1_440 < 240 { 2_000 } else { 10_000 }, 7 * 1_440);
        let suggestion = suggest(Some(&daily), 16, &policy());
        assert_eq!(suggestion.ingest_percent.value, 95, "it jumps less often than one minute in a hundred");
        // 2 and 10 shards' worth at 95 % × 0.8.
        assert_eq!((suggestion.min_shards.value, suggestion.max_shards.value), (3, 28));
        let mut learning = policy();
        learning.targets.learned = vec![Dimension::IngestBytes, Dimension::ReadBytes];
        let applied = suggestion.applied_to(learning);
        assert_eq!((applied.bounds.min(), applied.bounds.max()), (3, 28));
        assert_eq!(applied.targets.limits.ingest_records, Load::from_percent(95));
        assert_eq!(applied.targets.learned, [Dimension::ReadBytes], "what is suggested is not learned");
        assert!(suggestion.max_shards.why.contains("10.00 shards' worth over 1 min: 14 at 76.0 %"));
    }

    #[test]
    fn a_load_that_jumps_leaves_more_room() {
        let jumping = past(|minute| if minute % 30 < 15 { 4_000 } else { 7_000 }, 1_440);
        assert_eq!(suggest(Some(&jumping), 10, &policy()).ingest_percent.value, 55);
        let leaping = past(|minute| if minute % 30 < 15 { 1_000 } else { 9_000 }, 1_440);
        assert_eq!(suggest(Some(&leaping), 10, &policy()).ingest_percent.value, 40);
    }

    #[test]
    fn weeks_by_five_minutes_widen_what_a_day_by_the_minute_shows() {
        let mut weeks = past(|_| 4_000, 1_440);
        // A month of points of five minutes: 4 MB/s, each night 1 MB/s, and one evening 20 MB/s.
        let far = (0..28 * 288).map(|point| {
            let kilobytes = if point == 5_000 {
                20_000
            } else if point % 288 < 60 {
                1_000
            } else {
                4_000
            };
            Some(Carried { bytes: kilobytes * 300 * 1_000, records: kilobytes, rejected: 0 })
        });
        weeks.stretches.insert(0, Stretch { minutes_per_point: 5, points: far.collect() });
        let suggestion = suggest(Some(&weeks), 8, &policy());
        // At 95 % × 0.8: 1 and 20 shards' worth.
        assert_eq!((suggestion.min_shards.value, suggestion.max_shards.value), (2, 54));
        let day = suggest(Some(&past(|_| 4_000, 1_440)), 8, &policy());
        assert_eq!((day.min_shards.value, day.max_shards.value), (6, 12));
    }

    #[test]
    fn of_too_short_a_past_nothing_is_derived() {
        for past in [None, Some(past(|_| 100_000, 100))] {
            let suggestion = suggest(past.as_ref(), 150, &policy());
            assert_eq!((suggestion.min_shards.value, suggestion.max_shards.value), (1, 200));
            assert_eq!(
                suggestion.applied_to(policy()).targets.limits.ingest_bytes,
                ScalingPolicy::for_stream("orders", 8).targets.limits.ingest_bytes,
                "the default"
            );
            assert!(suggestion.max_shards.why.contains("minutes of the past are known"));
        }
    }

    #[test]
    fn whatever_the_past_the_bounds_are_bounds() {
        for kilobytes in [0, 1, 50_000, 400_000, 4_000_000] {
            let suggestion = suggest(Some(&past(|_| kilobytes, 1_440)), 3, &policy());
            let (min, max) = (suggestion.min_shards.value, suggestion.max_shards.value);
            assert!(ShardBounds::new(min, max).is_some(), "{min} to {max}");
        }
    }
}
