//! The report in two sentences beside its summary: what is wrong, and what the plan is worth.

use super::layout::{count, percent};
use super::{Report, hottest};
use crate::plan::{Evidence, RangeLoad, Verdict};

/// Two sentences without their full stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Story {
    /// What is wrong now, or that nothing is, or that it is not known.
    pub wrong: String,
    /// What the plan changes: heat and money.
    pub worth: String,
}

impl Story {
    pub(super) fn of(report: &Report) -> Story {
        Story { wrong: wrong(report), worth: worth(report) }
    }

    /// The sentences, each with what it is about.
    pub(super) fn told(self) -> [(&'static str, String); 2] {
        let Story { wrong, worth } = self;
        [("Wrong", wrong), ("Worth", worth)]
    }
}

fn wrong(report: &Report) -> String {
    let mut said = vec![heat(report, &report.plan.before, "is")];
    if let Some(traffic) = report.traffic.as_ref().filter(|traffic| traffic.rejected_millionths > 0) {
        said.push(format!("{:.2} % of the records are rejected", traffic.rejected_millionths as f64 / 1e4));
    }
    let verdicts: Vec<&str> = report.plan.verdicts.iter().map(Verdict::gist).collect();
    if !verdicts.is_empty() {
        said.push(format!("what no step cures: {}", verdicts.join(", ")));
    }
    said.join("; ")
}

fn worth(report: &Report) -> String {
    let (before, after) = (report.cost.before.total, report.cost.after.total);
    if report.plan.steps().is_empty() {
        return format!("nothing changes; {before} a month");
    }
    let price = match before == after {
        true => format!("{before} a month as before"),
        false => format!("{} a month ({before} → {after})", before.change_to(after)),
    };
    // What is turned away now is billed by what is written once it is taken.
    let rejects = report.traffic.as_ref().is_some_and(|traffic| traffic.rejected_millionths > 0);
    let of_what = if rejects { ", for the writes that are accepted now" } else { "" };
    format!("{}; {price}{of_what}", heat(report, &report.plan.after, "is then"))
}

/// How many of `shards` are above a target, and how hot the hottest is.
fn heat(report: &Report, shards: &[RangeLoad], is: &str) -> String {
    let targets = report.target_loads();
    let unknown = shards.iter().filter(|shard| shard.evidence == Evidence::Unknown).count();
    if unknown > 0 || shards.is_empty() {
        let all = if unknown == shards.len() { "the shards".to_owned() } else { count(unknown, "shard") };
        return format!("the load of {all} is not known");
    }
    let above = shards.iter().filter(|shard| !shard.loads.within(targets)).count();
    let which = match above {
        0 => format!("no shard {is} above a target"),
        1 => format!("1 of {} {is} above a target", count(shards.len(), "shard")),
        above => {
            let are = is.replacen("is", "are", 1);
            format!("{above} of {} {are} above a target", count(shards.len(), "shard"))
        }
    };
    let hottest = shards.iter().map(|shard| (shard.loads.binding(targets), shard.evidence));
    match hottest.max_by_key(|((dimension, load), _)| hottest::used(*load, targets.of(*dimension))) {
        Some(((dimension, load), evidence)) => {
            let estimated = if evidence == Evidence::Estimated { " (estimated)" } else { "" };
            let load = percent(load);
            format!("{which}, the hottest at {load}{estimated} of its ceiling in {}", dimension.label())
        }
        None => which,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::Prices;
    use crate::cost::fixtures::{self, Sample};
    use crate::demand::DemandSummary;
    use crate::plan::Hold;

    fn story(sample: &Sample, rejected_millionths: u64) -> Story {
        let end = crate::snapshot::Minute::of(sample.snapshot.observed_at);
        let demand = DemandSummary {
            rejected_millionths,
            window: Some((end.plus(-3), end)),
            ..DemandSummary::default()
        };
        Story::of(&Report::new(&sample.snapshot, &sample.policy, &demand, &sample.plan, &Prices::default()))
    }

    #[test]
    fn heat_and_rejects_are_wrong_and_their_end_is_what_the_plan_is_worth() {
        let Story { wrong, worth } = story(&fixtures::one_hot_shard(), 12_000);
        assert_eq!(
            wrong,
            "1 of 4 shards is above a target, the hottest at 143.0 % of its ceiling in ingest bytes; 1.20 % of the records are rejected"
        );
        assert!(
            worth.starts_with(
                "2 of 5 shards are then above a target, the hottest at 71.5 % (estimated) of its ceiling in ingest bytes; +$"
            ),
            "{worth}"
        );
    }

    #[test]
    fn a_calm_stream_has_nothing_wrong_and_an_unseen_one_is_not_called_calm() {
        let mut sample = fixtures::even(4, 300_000);
        assert_eq!(
            story(&sample, 0).wrong,
            "no shard is above a target, the hottest at 30.0 % of its ceiling in ingest bytes"
        );
        assert!(story(&sample, 0).worth.starts_with("nothing changes; $"));
        sample.plan.before[2].evidence = Evidence::Unknown;
        assert_eq!(story(&sample, 0).wrong, "the load of 1 shard is not known");
        sample.plan.before.iter_mut().for_each(|shard| shard.evidence = Evidence::Unknown);
        sample.plan.holds = vec![Hold::SilentStream];
        assert_eq!(story(&sample, 0).wrong, "the load of the shards is not known");
    }
}
