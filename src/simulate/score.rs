//! The scorecard: what a course was worth, beside the optimum.

use serde::Serialize;

use super::course::Course;
use super::load::Load;
use super::peers::on_demand::OnDemand;
use crate::cost::Money;

/// What rejecting a shard-unit for an hour costs in shard-hours, at the price that on-demand mode takes
/// for carrying it ($0.08 a GB in us-east-1).
pub const PENALTY: f64 = 20.0;
/// The same for who would rather pay ten times that.
pub const HIGH_PENALTY: f64 = 200.0;

/// What a policy came to on a load.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Score {
    /// The policy.
    pub policy: String,
    /// (Shard-hours + 20 × rejected unit-hours) ÷ the least that any policy can have. For on-demand
    /// its price, less what PUT payload units would cost for the same records, in shard-hours.
    pub r20: f64,
    /// The same with 200.
    pub r200: f64,
    /// Hours of open shards; none in on-demand mode.
    pub shard_hours: Option<f64>,
    /// US dollars: shards, PUT payload units and what CloudWatch bills, or what on-demand bills for what is written.
    pub dollars: f64,
    /// Percent of what was put, retries included, that was rejected.
    pub rejected_percent: f64,
    /// Percent of the time in which a shard was offered more than it takes.
    pub over_percent: f64,
    /// Splits and merges a day.
    pub steps_per_day: f64,
    /// UpdateShardCount calls a day.
    pub updates_per_day: f64,
    /// Minutes from a jump of the load to thrice as much until nothing is rejected any more; none where it
    /// takes longer than the test.
    pub absorb_minutes: Option<f64>,
    /// Missing shards in percent of those needed, mean over time.
    pub under_percent: f64,
    /// Surplus shards in percent of those needed, mean over time.
    pub surplus_percent: f64,
    /// Percent of the time in which shards were missing.
    pub under_time_percent: f64,
    /// Percent of the time in which there were more than needed.
    pub surplus_time_percent: f64,
    /// Percent of the minutes in which the count moved the other way than the need.
    pub wrong_way_percent: f64,
}

/// The optimum at both penalties.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Optimum {
    /// Shard-hours + 20 × rejected unit-hours.
    pub at20: f64,
    /// Shard-hours + 200 × rejected unit-hours.
    pub at200: f64,
}

/// The part of `whole` in percent.
fn percent(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { 100.0 * part / whole } else { 0.0 }
}

/// Shards that a tick needs, boundaries aside.
fn needed(units: f64) -> f64 {
    units.ceil().max(1.0)
}

impl Score {
    /// The score of a policy on shards.
    pub fn of_course(
        policy: &str,
        load: &Load,
        course: &Course,
        optimum: &Optimum,
        dollars: Money,
        absorb_minutes: Option<f64>,
    ) -> Score {
        let seconds = f64::from(load.tick_seconds());
        let ticks = load.totals().len().max(1) as f64;
        let days = ticks * seconds / 86_400.0;
        let shard_hours =
            course.shards.iter().map(|shards| f64::from(*shards)).sum::<f64>() * seconds / 3_600.0;
        let rejected_hours = course.rejected_unit_seconds / 3_600.0;
        // More than the load where what was rejected is put again: each attempt counts, in both.
        let attempted = course.accepted_unit_seconds + course.rejected_unit_seconds;
        let mut score = Score {
            policy: policy.to_owned(),
            r20: (shard_hours + PENALTY * rejected_hours) / optimum.at20,
            r200: (shard_hours + HIGH_PENALTY * rejected_hours) / optimum.at200,
            shard_hours: Some(shard_hours),
            dollars: dollars.nano_dollars() as f64 / 1e9,
            rejected_percent: percent(course.rejected_unit_seconds, attempted),
            over_percent: percent(course.is_over.iter().filter(|over| **over).count() as f64, ticks),
            steps_per_day: course.steps.len() as f64 / days,
            updates_per_day: course.updates.len() as f64 / days,
            absorb_minutes,
            under_percent: 0.0,
            surplus_percent: 0.0,
            under_time_percent: 0.0,
            surplus_time_percent: 0.0,
            wrong_way_percent: 0.0,
        };
        for (units, shards) in load.totals().iter().zip(&course.shards) {
            let (needed, open) = (needed(*units), f64::from(*shards));
            score.under_percent += percent((needed - open).max(0.0), needed) / ticks;
            score.surplus_percent += percent((open - needed).max(0.0), needed) / ticks;
            score.under_time_percent += percent(f64::from(u8::from(open < needed)), ticks);
            score.surplus_time_percent += percent(f64::from(u8::from(open > needed)), ticks);
        }
        score.wrong_way_percent = wrong_way(load, course);
        score
    }

    /// The score of on-demand mode under one of its price plans. The shard-hours of others are what they pay beside PUT
    /// payload units: so is what stands for its own.
    pub fn of_on_demand(
        policy: &str,
        load: &Load,
        played: &OnDemand,
        bill: Money,
        shard_hour: Money,
        optimum: &Optimum,
    ) -> Score {
        let hours = f64::from(load.tick_seconds()) / 3_600.0;
        let rejected = &played.rejected;
        let rejected_hours = rejected.iter().map(|units| f64::from(*units)).sum::<f64>() * hours;
        let beside_units = bill.minus(played.put_payload_units);
        let equivalent = beside_units.nano_dollars() as f64 / shard_hour.nano_dollars().max(1) as f64;
        let over = rejected.iter().filter(|units| **units > 0.0).count() as f64;
        Score {
            policy: policy.to_owned(),
            r20: (equivalent + PENALTY * rejected_hours) / optimum.at20,
            r200: (equivalent + HIGH_PENALTY * rejected_hours) / optimum.at200,
            shard_hours: None,
            dollars: bill.nano_dollars() as f64 / 1e9,
            rejected_percent: percent(rejected_hours, load.totals().iter().sum::<f64>() * hours),
            over_percent: percent(over, rejected.len() as f64),
            steps_per_day: 0.0,
            updates_per_day: 0.0,
            absorb_minutes: None,
            under_percent: 0.0,
            surplus_percent: 0.0,
            under_time_percent: 0.0,
            surplus_time_percent: 0.0,
            wrong_way_percent: 0.0,
        }
    }
}

/// Percent of the minutes in which the count and what is needed both moved, and not the same way, or
/// only one of the two did.
fn wrong_way(load: &Load, course: &Course) -> f64 {
    let ticks = (60 / load.tick_seconds()).max(1) as usize;
    let minutes = course.shards.len() / ticks;
    let sign = |now: f64, before: f64| now.partial_cmp(&before);
    let differs = |minute: &usize| {
        let (now, before) = (minute * ticks, (minute - 1) * ticks);
        let shards = sign(f64::from(course.shards[now]), f64::from(course.shards[before]));
        shards != sign(needed(load.totals()[now]), needed(load.totals()[before]))
    };
    percent((1..minutes).filter(differs).count() as f64, minutes as f64)
}

/// Minutes from `jump` (a tick) to the last tick in which a shard was above its ceiling; `None` if that
/// is the last of all.
pub fn absorbed_after(course: &Course, jump: usize, tick_seconds: u32) -> Option<f64> {
    let after = course.is_over.get(jump..)?;
    match after.iter().rposition(|over| *over) {
        None => Some(0.0),
        Some(last) if last + 1 == after.len() => None,
        Some(last) => Some((last + 1) as f64 * f64::from(tick_seconds) / 60.0),
    }
}

/// A policy over several traces: geometric means.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Mean {
    /// Its name.
    pub policy: String,
    /// Of R at π = 20.
    pub r20: f64,
    /// Of R at π = 200.
    pub r200: f64,
}

/// The means of each policy over the scores of several traces, which are in the same order on each.
pub fn means(traces: &[&[Score]]) -> Vec<Mean> {
    let policies = traces.first().map_or(&[][..], |scores| scores);
    let mean = |at: usize, r: fn(&Score) -> f64| {
        geometric_mean(traces.iter().filter_map(|scores| scores.get(at)).map(r)).unwrap_or(0.0)
    };
    let of = |(at, score): (usize, &Score)| Mean {
        policy: score.policy.clone(),
        r20: mean(at, |score| score.r20),
        r200: mean(at, |score| score.r200),
    };
    policies.iter().enumerate().map(of).collect()
}

/// The geometric mean; `None` of nothing.
fn geometric_mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0_u32);
    for value in values {
        sum += value.ln();
        count += 1;
    }
    (count > 0).then(|| (sum / f64::from(count)).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::load::test_load;
    use crate::simulate::scaler::Monitoring;

    /// Four minutes in which 2, 3, 3 and 1 shards are needed, and 2, 2, 3 and 3 are open.
    fn course() -> (Load, Course) {
        let csv = "0,1.5\n59,1.5\n60,2.5\n179,2.5\n180,0.5\n240,0.5\n";
        let load = test_load(csv, 2.5, 60);
        let needed: Vec<f64> = load.totals().iter().map(|units| needed(*units)).collect();
        assert_eq!(needed, [2.0, 3.0, 3.0, 1.0], "{:?}", load.totals());
        let course = Course {
            shards: vec![2, 2, 3, 3],
            rejected: vec![0.0, 0.5, 0.0, 0.0],
            is_over: vec![false, true, false, false],
            accepted_unit_seconds: 390.0,
            rejected_unit_seconds: 30.0,
            steps: vec![1],
            updates: vec![0, 2],
            monitoring: Monitoring::default(),
        };
        (load, course)
    }

    #[test]
    fn a_course_is_scored_as_by_hand() {
        let (load, course) = course();
        let optimum = Optimum { at20: 0.25, at200: 0.5 };
        let score = Score::of_course("ours", &load, &course, &optimum, Money::default(), Some(2.0));
        let near =
            |of: f64, by_hand: f64| assert!((of - by_hand).abs() < 1e-9, "{of} beside {by_hand}: {score:#?}");
        // Ten shard-minutes and half a unit-minute rejected.
        near(score.shard_hours.expect("shards"), 10.0 / 60.0);
        near(score.r20, (10.0 / 60.0 + 20.0 * 0.5 / 60.0) / 0.25);
        near(score.r200, (10.0 / 60.0 + 200.0 * 0.5 / 60.0) / 0.5);
        near(score.rejected_percent, 100.0 * 30.0 / 420.0);
        near(score.over_percent, 25.0);
        // Of four minutes, which are a 360th of a day.
        near(score.steps_per_day, 360.0);
        near(score.updates_per_day, 720.0);
        // A third is missing in the second minute, and 200 % are spare in the fourth.
        near(score.under_percent, 100.0 / 3.0 / 4.0);
        near(score.surplus_percent, 50.0);
        near(score.under_time_percent, 25.0);
        near(score.surplus_time_percent, 25.0);
        // The need rises in the second minute, the count in the third, and the need falls in the fourth.
        near(score.wrong_way_percent, 75.0);
    }

    #[test]
    fn on_demand_is_scored_by_what_it_costs_beyond_the_put_payload_units_of_the_same_records() {
        let (load, _) = course();
        let optimum = Optimum { at20: 0.25, at200: 0.5 };
        let cents = |cents: u64| Money::from_micro_dollars(cents * 10_000);
        let scored = |units: Money| {
            let (standard, advantage) = (cents(9), Money::ZERO);
            let played = OnDemand {
                rejected: vec![0.0, 0.5, 0.0, 0.0],
                standard,
                advantage,
                put_payload_units: units,
            };
            let score = Score::of_on_demand("on-demand", &load, &played, standard, cents(3), &optimum);
            assert_eq!((score.dollars, score.shard_hours), (0.09, None), "what is billed");
            [score.r20, score.r200]
        };
        let near = |of: [f64; 2], by_hand: [f64; 2]| {
            assert!(of.iter().zip(by_hand).all(|(of, by_hand)| (of - by_hand).abs() < 1e-9), "{of:?}");
        };
        // Nine cents less three buy two shard-hours; half a unit-minute is rejected.
        let rejected = 0.5 / 60.0;
        near(scored(cents(3)), [(2.0 + 20.0 * rejected) / 0.25, (2.0 + 200.0 * rejected) / 0.5]);
        // Whatever the units would cost, no shard-hours are owed.
        near(scored(cents(10)), [20.0 * rejected / 0.25, 200.0 * rejected / 0.5]);
    }

    #[test]
    fn a_jump_is_absorbed_with_the_last_tick_in_which_a_shard_is_over() {
        let (_, course) = course();
        let over = |is_over: &[bool]| Course { is_over: is_over.to_vec(), ..course.clone() };
        let absorbed = |is_over: &[bool]| absorbed_after(&over(is_over), 1, 30);
        assert_eq!(absorbed(&[true, true, false, true, false]), Some(1.5));
        assert_eq!(absorbed(&[true, false, false]), Some(0.0), "what was before the jump is none of it");
        assert_eq!(absorbed(&[false, true, true]), None, "it is not over yet");
    }

    #[test]
    fn the_mean_over_traces_is_geometric_and_by_policy() {
        let (load, course) = course();
        let of = |name: &str, optimum: f64| {
            let optimum = Optimum { at20: optimum, at200: optimum };
            Score::of_course(name, &load, &course, &optimum, Money::default(), None)
        };
        let traces = [[of("ours", 0.1), of("theirs", 0.2)], [of("ours", 0.4), of("theirs", 0.2)]];
        let means = means(&[&traces[0], &traces[1]]);
        assert_eq!(means.iter().map(|mean| &*mean.policy).collect::<Vec<_>>(), ["ours", "theirs"]);
        for mean in means {
            // √(0.1 · 0.4) = 0.2.
            let as_at = of("both", 0.2);
            assert!((mean.r20 - as_at.r20).abs() < 1e-9 && (mean.r200 - as_at.r200).abs() < 1e-9, "{mean:?}");
        }
    }
}
