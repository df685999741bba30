//! Headroom: how full shards may be planned, learned from what the stream's own load did on the last day.
//!
//! # The model
//!
//! A plan is made for p(t), what the stream is offered in minute t with its rise carried on ([`super::rise`]); what
//! counts is y = x(t + [`LATENCY_MINUTES`]), what it is offered when a step can help: e = y/p is by how much the
//! forecast was too low. Splits that halve and merges that join what was halved leave shards between half of the
//! target τ and all of it, f = τ·(8 + j)/16 with j from 1 to 8. Of these, what is offered to one that was planned to
//! be f full is f·e, and what lies above its ceiling is rejected. So a load costs at the target τ, in shards,
//!
//! > Σₜ p(t) · (8 + Σⱼ [`REJECTED_PRICE`] · max(0, f·e − 1)) ÷ Σⱼ f,
//!
//! and the target is the one from [`LOWEST_LEARNED_TARGET`] to 100 %, in steps of [`STEP_PERCENT`], at which that is
//! least (a newsvendor's quantile of e, taken over all fills). Where e is hardly ever above one it is 100; where loads
//! grow by half within minutes it is lower, the more so the more often they do. So that it does not flutter, the day
//! ends with the last full hour of the clock. Minutes are looked at one by one, whatever the policy's window.

use std::collections::BTreeMap;

use crate::load::Load;
use crate::policy::LOWEST_LEARNED_TARGET;
use crate::snapshot::{Minute, Snapshot};

use super::history::{Span, Totals};
use super::rise::Rise;

/// From the end of the newest settled minute until a step that is decided then has changed something: two minutes
/// until metrics are settled, and one for the step.
const LATENCY_MINUTES: usize = 3;
/// What a rejected shard-hour costs in shard-hours: what on-demand mode takes for carrying the same bytes
/// (`docs/scorecard.md`, π).
const REJECTED_PRICE: u64 = 20;
/// Targets are told apart by so much: less than that moves with every day, and a target that falls has shards split.
const STEP_PERCENT: usize = 5;
/// Minutes whose outcome must be known: a quarter of a day.
const LEAST_KNOWN: usize = 360;
/// Ratios are counted by the percent, and what is more than eightfold as eightfold: no headroom takes that.
const MOST_PERCENT: u64 = 800;
/// Fills are told apart by sixteenths of the target, from the ninth on.
const FILLS: std::ops::RangeInclusive<u64> = 9..=16;

/// The target that the last day was worth, where enough of it is known.
pub(super) fn read(snapshot: &Snapshot) -> Option<Load> {
    let span = Span::day_before(last_full_hour(snapshot.metrics.settled_until?), snapshot);
    let totals = Totals::read(&snapshot.metrics, span);
    learned(&(0..span.len()).map(|place| totals.fullness(place)).collect::<Vec<_>>())
}

/// With which minute the day ends that is learned from, where those before `settled` are settled.
pub fn last_full_hour(Minute(settled): Minute) -> Minute {
    Minute(settled - settled.rem_euclid(60))
}

/// The target of least cost for what was offered minute by minute, in any unit; `None` where too little of it is known.
pub fn learned(offered: &[Option<u64>]) -> Option<Load> {
    let mut planned = Planned::default();
    let mut known = 0;
    for minutes in offered.windows(2 + LATENCY_MINUTES) {
        let [Some(before), Some(newest), .., Some(came)] = *minutes else { continue };
        known += 1;
        let plan = Rise::between(before, newest).raised(newest);
        planned.add(plan, came);
    }
    let percent = Load::from_percent(1).0;
    let targets = LOWEST_LEARNED_TARGET.0 / percent..=Load::CEILING.0 / percent;
    let best = targets.step_by(STEP_PERCENT).min_by_key(|target| planned.cost(*target))?;
    (known >= LEAST_KNOWN).then_some(Load(best * percent))
}

/// What was planned for.
#[derive(Debug, Default)]
struct Planned {
    /// All of it.
    all: u128,
    /// Of it, by the ratio in percent, what more came than.
    exceeded: BTreeMap<u64, u128>,
}

impl Planned {
    fn add(&mut self, plan: u64, came: u64) {
        let plan = plan.max(1);
        self.all += u128::from(plan);
        // 128 bits take a function call to divide, and are needed for impossible loads alone.
        let percent = match came.checked_mul(100).and_then(|percents| percents.checked_add(plan / 2)) {
            Some(percents) => percents / plan,
            None => {
                let percents = u128::from(came) * 100 + u128::from(plan / 2);
                u64::try_from(percents / u128::from(plan)).unwrap_or(MOST_PERCENT)
            }
        };
        if percent > 100 {
            *self.exceeded.entry(percent.min(MOST_PERCENT)).or_default() += u128::from(plan);
        }
    }

    /// What it costs at a target of so many percent, in shards times a factor that all targets share.
    fn cost(&self, target: u64) -> u128 {
        let fills = || FILLS.map(|sixteenths| target * sixteenths);
        // A fill is in percent and sixteenths, a ratio in percent: the ceiling is 100 · 16 · 100 of both.
        let ceiling = 100 * 16 * 100;
        let rejected =
            |percent: u64| fills().map(|fill| (fill * percent).saturating_sub(ceiling)).sum::<u64>();
        let lost: u128 =
            self.exceeded.iter().map(|(percent, load)| load * u128::from(rejected(*percent))).sum();
        let shards = self.all * u128::from(FILLS.count() as u64 * ceiling);
        (shards + u128::from(REJECTED_PRICE) * lost) / u128::from(fills().sum::<u64>())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixture::{Story, by_width, percent, policy};
    use super::super::{ancestry_of_heat, assess};
    use super::*;
    use crate::hash_key::HashKeyRange;
    use crate::load::Loads;
    use crate::plan::Step;
    use crate::policy::ScalingPolicy;
    use crate::quota::Dimension;
    use crate::vetted;

    fn minutes(load: impl Fn(usize) -> u64) -> Vec<Option<u64>> {
        (0..1_440).map(|minute| Some(load(minute))).collect()
    }

    /// Bursts of ten minutes that begin at once, so many a day: nine times the load of the rest.
    fn bursts(a_day: usize) -> Vec<Option<u64>> {
        let apart = 1_440 / a_day.max(1);
        minutes(|minute| if a_day > 0 && minute % apart >= apart - 10 { 9_000_000 } else { 1_000_000 })
    }

    #[test]
    fn what_never_grows_within_minutes_is_planned_to_the_ceiling() {
        let full = Some(Load::CEILING);
        assert_eq!(learned(&minutes(|_| 5_000_000)), full);
        assert_eq!(learned(&minutes(|minute| 5_000_000 + 1_000 * minute as u64)), full);
        assert_eq!(learned(&minutes(|minute| 9_000_000 - 5_000 * minute as u64)), full);
        assert_eq!(learned(&minutes(|_| 0)), full);
    }

    #[test]
    fn what_jumps_again_and_again_gets_headroom_the_more_the_more_often() {
        // Two minutes in so many have a third more than all others.
        let often = |apart: usize| {
            let load = minutes(|minute| if minute % apart < 2 { 4_000_000 } else { 3_000_000 });
            learned(&load).expect("a day is known")
        };
        assert!(often(6) < often(60) && often(60) <= Load::CEILING, "{:?} {:?}", often(6), often(60));
        // What no headroom within reason takes is no reason for any.
        assert_eq!(learned(&bursts(0)), Some(Load::CEILING));
        assert!(learned(&bursts(2)) >= learned(&bursts(60)));
    }

    #[test]
    fn without_a_quarter_of_a_day_nothing_is_learned() {
        assert_eq!(learned(&minutes(|_| 1)[..LEAST_KNOWN + LATENCY_MINUTES]), None);
        assert!(learned(&minutes(|_| 1)[..LEAST_KNOWN + LATENCY_MINUTES + 1]).is_some());
        let mut holes = minutes(|_| 1);
        holes.iter_mut().step_by(2).for_each(|minute| *minute = None);
        assert_eq!(learned(&holes), None, "of each two minutes one is not known");
    }

    proptest! {
        #[test]
        fn no_other_target_costs_less_when_each_minute_and_fill_is_reckoned_by_itself(
            loads in prop::collection::vec(1_000_u64..100_000, 400..500),
        ) {
            let offered: Vec<_> = loads.iter().copied().map(Some).collect();
            let by_hand = |target: f64| {
                let fills: Vec<f64> = (9..=16).map(|j| target * f64::from(j) / 16.0).collect();
                let mut cost = 0.0;
                for at in 1..loads.len() - LATENCY_MINUTES {
                    let growth = loads[at] as f64 / loads[at - 1] as f64 - 1.0;
                    let plan = loads[at] as f64 * (1.0 + (2.0 * (growth - 0.03)).clamp(0.0, 0.5));
                    let ratio = (loads[at + LATENCY_MINUTES] as f64 / plan).min(8.0);
                    let lost: f64 = fills.iter().map(|fill| (fill * ratio - 1.0).max(0.0)).sum();
                    cost += plan * (8.0 + 20.0 * lost) / fills.iter().sum::<f64>();
                }
                cost
            };
            let Load(best) = learned(&offered).expect("enough is known");
            let least = (50..=100).step_by(5).map(|target| by_hand(f64::from(target) / 100.0)).fold(f64::MAX, f64::min);
            // Ratios are counted by the percent.
            prop_assert!(by_hand(best as f64 / 1e6) <= 1.01 * least);
        }
    }

    /// A day in which one minute in four has so many percent of a shard, and the rest has 60.
    fn day(now_and_then: u64) -> Snapshot {
        let mut story = Story::of(2);
        for minute in 0..24 * 60 {
            let level = if minute % 4 == 3 { now_and_then } else { 60 };
            story.pass(1, |range: HashKeyRange| by_width(range, percent(level)));
        }
        story.snapshot()
    }

    #[test]
    fn only_dimensions_that_ask_for_it_have_a_learned_target_and_all_others_their_own() {
        let mut policy = policy();
        let of = |snapshot: &Snapshot, policy: &ScalingPolicy| {
            policy.limits(assess(snapshot, policy).learned_target).trigger
        };
        let fixed = of(&day(90), &policy);
        assert_eq!(fixed, policy.targets.limits);
        assert_eq!(assess(&day(90), &policy).learned_target, None, "nobody asks");
        policy.targets.learned = vec![Dimension::IngestBytes];
        let learned = of(&day(90), &policy);
        assert!(learned.ingest_bytes < Load::CEILING && learned.ingest_bytes >= Load::from_percent(50));
        assert_eq!((learned.ingest_records, learned.read_bytes), (fixed.ingest_records, fixed.read_bytes));
        assert_eq!(of(&day(60), &policy).ingest_bytes, Load::CEILING);
        let mut young = day(90);
        young.summary.created_at = young.observed_at - jiff::SignedDuration::from_hours(5);
        assert_eq!(of(&young, &policy), fixed, "until enough is known");
    }

    #[test]
    fn within_an_hour_of_the_clock_a_learned_target_stays() {
        let policy = {
            let mut policy = policy();
            policy.targets.learned = vec![Dimension::IngestBytes];
            policy
        };
        let learned = |story: &Story| assess(&story.snapshot(), &policy).learned_target;
        let settled = |story: &Story| story.snapshot().metrics.settled_until.map_or(0, |minute| minute.0);
        let mut story = Story::of(1);
        story.pass(300, |_| percent(60));
        while settled(&story) % 60 != 0 {
            story.pass(1, |_| percent(60));
        }
        assert_eq!(learned(&story), None, "not yet a quarter of a day");
        story.pass(59, |_| percent(60));
        assert_eq!(learned(&story), None, "as at the full hour");
        story.pass(1, |_| percent(60));
        assert_eq!(learned(&story), Some(Load::CEILING), "the next hour is full");
    }

    #[test]
    fn a_learned_target_decides_below_and_above_its_fallback_and_the_checks_go_by_it() {
        // Of a stream that once was split, so many percent of a shard, half of them in each.
        let day = |level: fn(usize) -> u64| {
            let mut story = Story::of(1);
            story.pass(1, |range| by_width(range, percent(level(0))));
            story.split(0);
            for minute in 1..24 * 60 {
                story.pass(1, |range| by_width(range, percent(level(minute))));
            }
            story.snapshot()
        };
        let mut learning = policy();
        learning.metrics.window_minutes = 1;
        learning.tolerance_millionths = 0;
        learning.targets.limits = Loads::from_array([95; 3].map(Load::from_percent));
        learning.targets.learned = vec![Dimension::IngestBytes, Dimension::IngestRecords];
        let mut fixed = learning.clone();
        fixed.targets.learned.clear();
        let deltas = |snapshot: &Snapshot, policy: &ScalingPolicy| {
            let plan = vetted::decide(snapshot, policy).expect("the checks go by the same target").plan;
            plan.steps().iter().map(Step::shard_delta).collect::<Vec<_>>()
        };
        // Each has 86 % in two minutes of six, 57 % else: too much where the load grows by half again and again.
        let bursty = day(|minute| if minute % 6 >= 4 { 172 } else { 114 });
        assert_eq!((deltas(&bursty, &learning), deltas(&bursty, &fixed)), (vec![1, 1], vec![]));
        let plan = vetted::decide(&bursty, &learning).expect("sound").plan;
        assert!(plan.limits.trigger.ingest_bytes < Load::from_percent(86), "{:?}", plan.limits);
        assert!(plan.is_hot() && !vetted::decide(&bursty, &fixed).expect("sound").plan.is_hot());
        let families = [&learning, &fixed].map(|policy| ancestry_of_heat(&bursty, policy).len());
        assert!(families[0] > 0 && families[1] == 0, "{families:?}");
        // What never grows fills a shard to its ceiling: two of 49 % each fit into one.
        let steady = day(|_| 98);
        assert_eq!((deltas(&steady, &learning), deltas(&steady, &fixed)), (vec![-1], vec![]));
    }
}
