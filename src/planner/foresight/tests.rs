//! Foresight, beside every course tried one by one.

use proptest::prelude::*;

use super::*;
use crate::plan::Course;

fn now(shards: u32) -> Now {
    Now {
        shards,
        equal_capacity: 1_000,
        counts: (shards.div_ceil(2), 2 * shards),
        bounds: (1, 200),
        step_shard_seconds: 900,
        merges: Merges { a_day: 1_000, made: 0 },
    }
}

fn forecast(per_mille: &[u64]) -> Forecast {
    Forecast { per_mille: per_mille.to_vec(), course: Course::Yesterday }
}

const PLENTY: Calls = Calls { a_day: 8, minutes_ago: &[] };

/// Twenty equal shards that are full now.
fn halving(need: u64, merges: u32) -> u32 {
    doubled_or_halved(20, u32::try_from(need.div_ceil(50)).expect("few"), 200, merges)
}

fn called(per_mille: &[u64], calls: Calls) -> Option<u32> {
    best(&forecast(per_mille), &now(20), calls, &[], halving).map(|foreseen| foreseen.to)
}

#[test]
fn who_is_to_need_half_as_much_again_gets_it_in_time_and_not_before() {
    let ramp = |after: usize| {
        let slots: Vec<u64> = (0..32).map(|slot| if slot < after { 1_000 } else { 1_500 }).collect();
        called(&slots, PLENTY)
    };
    assert_eq!([ramp(0), ramp(1), ramp(2), ramp(20)], [Some(30), Some(30), None, None]);
}

#[test]
fn who_is_to_need_less_for_hours_gets_less_and_not_for_a_dip() {
    let dip = |slots: usize| {
        let slots: Vec<u64> = (0..32).map(|slot| if slot < slots { 600 } else { 1_000 }).collect();
        called(&slots, PLENTY)
    };
    assert_eq!([dip(32), dip(12), dip(1)], [Some(12), Some(12), None]);
}

#[test]
fn a_call_makes_room_for_another_once_its_day_is_over() {
    let by = |minutes_ago: &[u32], slot| Calls { a_day: 3, minutes_ago }.by(slot);
    assert_eq!([by(&[1_440], 0), by(&[1_439], 0), by(&[1_439], 1), by(&[1_425], 1)], [3, 2, 3, 3]);
    assert_eq!([by(&[1_424], 1), by(&[1_424], 2), by(&[0; 5], 95), by(&[0; 5], 96)], [2, 3, 0, 3]);
}

#[test]
fn what_falls_or_rises_by_more_than_a_call_may_change_is_met_as_far_as_it_may() {
    // Splits and merges would do nothing about the one, and far too much about the other.
    let idle = |need: u64, _: u32| if need > 1_000 { 200 } else { 20 };
    let to = |need: u64, a_day: u32| {
        let calls = Calls { a_day, minutes_ago: &[] };
        best(&forecast(&[need; 32]), &now(20), calls, &[], idle).map(|foreseen| foreseen.to)
    };
    assert_eq!([to(100, 1), to(100, 8)], [Some(10), Some(10)]);
    // Sixty are needed, and no more than forty can be had: thirty double to what is needed.
    assert_eq!([to(3_000, 1), to(3_000, 8)], [Some(30), Some(30)]);
}

#[test]
fn what_splits_and_merges_do_as_well_needs_no_call() {
    let needs = [1_000, 1_400, 1_700, 900, 600];
    let as_well = |need: u64, _: u32| u32::try_from(need.div_ceil(50)).expect("few");
    assert_eq!(best(&forecast(&needs), &now(20), PLENTY, &[], as_well), None);
}

#[test]
fn the_last_call_is_kept_for_the_hour_in_which_it_saves_most_unless_there_is_another_by_then() {
    // A fifth less for three hours, and then 29 shards for seven, where sixteen would become 32.
    let slots: Vec<u64> = (0..40).map(|slot| if slot < 12 { 800 } else { 1_450 }).collect();
    let calls = |minutes_ago| Calls { a_day: 2, minutes_ago };
    assert_eq!(called(&slots, calls(&[])), Some(16), "one now and one then");
    assert_eq!(called(&slots, calls(&[60])), None, "one, and it is for the hours that need more");
    assert_eq!(called(&slots, calls(&[60, 60])), None, "none");
    assert_eq!(called(&slots, calls(&[21 * 60 + 30])), Some(16), "in two and a half hours there is one more");
    assert_eq!(called(&slots, calls(&[15 * 60])), None, "in nine hours it would be too late");
}

#[test]
fn equal_ranges_double_and_halve_until_they_are_just_enough() {
    let counts = [(20, 20), (20, 21), (20, 81), (20, 10), (20, 9), (7, 4), (7, 1)];
    let became = |merges| counts.map(|(count, wanted)| doubled_or_halved(count, wanted, 200, merges));
    assert_eq!(became(1_000), [20, 40, 160, 10, 10, 4, 1]);
    assert_eq!(became(9), [20, 40, 160, 20, 20, 4, 1], "twenty halve by ten merges");
    assert_eq!(
        became(5),
        [20, 40, 160, 20, 20, 4, 2],
        "seven by three and two, and one more is one too many"
    );
    assert_eq!(became(0), [20, 40, 160, 20, 20, 7, 7]);
    assert_eq!(doubled_or_halved(101, 190, 200, 0), 200, "no more than there may be");
}

#[test]
fn merges_of_the_last_day_make_room_one_after_another() {
    let by = |made, slot| Merges { a_day: 50, made }.by(slot);
    assert_eq!(
        [by(0, 0), by(0, 95), by(10, 0), by(10, 48), by(10, 95), by(10, 96)],
        [50, 50, 40, 45, 49, 50]
    );
    assert_eq!([by(50, 0), by(50, 1), by(50, 2), by(100, 0), by(100, 48), by(100, 60)], [0, 0, 1, 0, 0, 12]);
}

#[test]
fn what_splits_have_made_stays_where_there_are_no_merges_for_it() {
    let needs = [1_000, 1_400, 1_000, 1_200, 600];
    let as_well = |need: u64, _: u32| u32::try_from(need / 50).expect("few");
    let merges = Merges { a_day: 15, made: 0 };
    let course = |bounds| stays(&needs, &Now { merges, bounds, ..now(20) }, as_well);
    assert_eq!(course((1, 200)), [20, 28, 20, 24, 17]);
    assert_eq!(course((15, 25)), [20, 25, 20, 24, 15]);
}

#[test]
fn where_no_merges_are_left_a_call_does_what_they_would_have_done() {
    // Of forty, ten are needed: merges would get there at once.
    let merging = |need: u64, merges: u32| 40 - merges.min(40 - u32::try_from(need / 100).expect("few"));
    let to = |made: u32| {
        let merges = Merges { a_day: 50, made };
        let now = Now { merges, equal_capacity: 4_000, step_shard_seconds: 0, ..now(40) };
        best(&forecast(&[1_000; 32]), &now, PLENTY, &[], merging).map(|foreseen| foreseen.to)
    };
    assert_eq!([to(0), to(20), to(50), to(500)], [None, None, Some(20), Some(20)]);
}

#[test]
fn who_will_not_halve_again_is_not_doubled_for_an_hour() {
    // Twenty are enough but for the first hour, in which 22 are needed; no call may lead to fewer.
    let slots: Vec<u64> = (0..64).map(|slot| if slot < 5 { 1_100 } else { 1_000 }).collect();
    let to = |made: u32| {
        let merges = Merges { a_day: 50, made };
        let now = Now { merges, step_shard_seconds: 90, counts: (22, 40), ..now(20) };
        best(&forecast(&slots), &now, Calls { a_day: 1, minutes_ago: &[] }, &[], halving)
            .map(|foreseen| foreseen.to)
    };
    assert_eq!([to(0), to(500)], [None, Some(22)]);
}

/// A case: what is known now, the calls, what splits and merges do, what a call costs, the counts
/// in question, and those of them that the next call may not lead to.
type Case<'a> = (&'a Now, Calls<'a>, &'a dyn Fn(u64, u32) -> u32, u64, [u32; 2], &'a [u32]);

/// What is there before a slot.
#[derive(Clone, Copy)]
enum There {
    /// The shards as they are, so many of them now, after so many merges.
    Open(u32, u32),
    /// Equal ranges that a call has made.
    Equal(u32),
}

/// The least cost of all courses from a slot on, tried one by one, after so many calls.
fn least(needs: &[u64], case: &Case, slot: usize, there: There, made: usize) -> u64 {
    let (now, calls, by_steps, call, [fewest, most], barred) = case;
    let (lowest, highest) = now.bounds;
    let may_merge = now.merges.by(slot);
    let (before, then, kept) = match there {
        There::Open(before, mut merged) => {
            let wanted = by_steps(needs[slot], may_merge).clamp(lowest, highest);
            let mut then = before.max(wanted);
            while then > wanted && merged < may_merge {
                (then, merged) = (then - 1, merged + 1);
            }
            (before, then, There::Open(then, merged))
        }
        There::Equal(before) => {
            let wanted = (needs[slot] * u64::from(now.shards)).div_ceil(now.equal_capacity);
            let wanted = wanted.clamp(lowest.into(), highest.into()) as u32;
            let (mut then, mut merged) = (before, 0);
            while then < wanted {
                then = (then + then).min(highest);
            }
            // Pairs of neighbours, and one without a neighbour if they are odd.
            while then > 1 && then / 2 + then % 2 >= wanted && merged + then / 2 <= may_merge {
                (then, merged) = (then / 2 + then % 2, merged + then / 2);
            }
            (before, then, There::Equal(then))
        }
    };
    let here =
        1_000 * u64::from(then) + now.step_shard_seconds * 1_000 / 900 * u64::from(then.abs_diff(before));
    if slot + 1 == needs.len() {
        return here;
    }
    let is_open = matches!(there, There::Open(..));
    let (low, high) = if is_open { now.counts } else { now.bounds };
    let counts = low.max(*fewest)..=high.min(*most);
    let may_call = made < calls.by(slot + 1);
    let others = counts
        .filter(|to| may_call && !(is_open && barred.contains(to)))
        .map(|to| call + least(needs, case, slot + 1, There::Equal(to), made + 1));
    here + others.chain([least(needs, case, slot + 1, kept, made)]).min().expect("to stay is one")
}

proptest! {
    #[test]
    fn the_sweep_finds_what_trying_every_course_finds(
        needs in prop::collection::vec(200..3_000_u64, 1..5),
        shards in 1..6_u32,
        equal_capacity in 300..2_000_u64,
        [a_step, slots_a_step] in [100..900_u64, 0..3_u64],
        a_day in 0..4_u32,
        minutes_ago in prop::collection::vec(1_380..1_440_u32, 0..3),
        barred in prop::collection::vec(1..9_u32, 0..3),
        [merges_a_day, merged] in [0..8_u32, 0..8_u32],
        lowest in 1..3_u32,
    ) {
        let forecast = forecast(&needs);
        let counts = (shards.div_ceil(2).max(lowest), (2 * shards).min(8));
        let merges = Merges { a_day: merges_a_day, made: merged };
        let step_shard_seconds = 900 * slots_a_step;
        let now = Now { shards, equal_capacity, counts, bounds: (lowest, 8), step_shard_seconds, merges };
        let calls = Calls { a_day, minutes_ago: &minutes_ago };
        // Of what splits would make, as many are joined as there are merges.
        let by_steps = |need: u64, merges: u32| {
            let apart = u32::try_from(need / a_step).expect("few") + 3;
            apart - merges.min(2)
        };
        let needs = needed(&forecast);
        let ranges = |need: &u64| (need * u64::from(shards)).div_ceil(equal_capacity).clamp(lowest.into(), 8);
        let ranges: Vec<u64> = needs.iter().map(ranges).collect();
        let call = 1_000 * ranges.iter().sum::<u64>() / needs.len() as u64 * CALL_HUNDREDTHS / 100;
        let need = |count: Option<&u64>| u32::try_from(*count.expect("some")).expect("few");
        let ends = [(need(ranges.iter().min()) / 2).min(counts.1), need(ranges.iter().max()).max(counts.0) + SPARE_COUNTS];
        let ends = ends.map(|count| count.clamp(lowest, 8));
        let case: Case = (&now, calls, &by_steps, call, ends, &barred);
        let stay = least(&needs, &case, 0, There::Open(shards, 0), 0);
        let of = |to: u32| least(&needs, &case, 0, There::Equal(to), 1) + call;
        let may_be = |to: &u32| to.abs_diff(shards) >= LEAST_CHANGE && !barred.contains(to) && calls.by(0) > 0;
        let tried = (counts.0.max(ends[0])..=counts.1.min(ends[1])).filter(may_be);
        let cheapest = tried.map(of).min().unwrap_or(u64::MAX);
        match best(&forecast, &now, calls, &barred, by_steps) {
            Some(Foreseen { to, saved_shard_seconds }) => {
                prop_assert_eq!(of(to), cheapest);
                prop_assert!(cheapest < stay && may_be(&to));
                prop_assert_eq!(saved_shard_seconds, (stay - cheapest) * 900 / 1_000);
            }
            None => prop_assert!(cheapest >= stay),
        }
    }
}
