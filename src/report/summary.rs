//! The plan in one line: the headline of a report, and what a loop writes of a pass.

use super::layout::count;
use crate::plan::Plan;

/// What is planned for a stream with so many open shards; where nothing is, why.
pub(super) fn of(plan: &Plan, open_shards: usize) -> String {
    match plan.steps().len() {
        0 => without_steps(plan, open_shards),
        steps => with_steps(plan, steps),
    }
}

fn without_steps(plan: &Plan, open_shards: usize) -> String {
    let holds = named(plan.holds.iter().map(|hold| (hold.gist(), hold.reason())));
    let is_held = |reason: &str| plan.holds.iter().any(|hold| hold.reason() == reason);
    let verdicts = plan.verdicts.iter().map(|verdict| (verdict.gist(), verdict.reason()));
    let verdicts = named(verdicts.filter(|(_, reason)| !is_held(reason)));
    match (holds, verdicts) {
        (None, None) => format!("nothing to do at {}", count(open_shards, "shard")),
        (Some(holds), None) => format!("no step now: {holds}"),
        (None, Some(verdicts)) => format!("no step now; what no step cures: {verdicts}"),
        (Some(holds), Some(verdicts)) => format!("no step now: {holds}; what no step cures: {verdicts}"),
    }
}

/// Each in words with its name behind, none twice; nothing of none.
fn named(told: impl Iterator<Item = (&'static str, &'static str)>) -> Option<String> {
    let mut said: Vec<String> = told.map(|(gist, reason)| format!("{gist} ({reason})")).collect();
    said.dedup();
    (!said.is_empty()).then(|| said.join(", "))
}

fn with_steps(plan: &Plan, steps: usize) -> String {
    let change: i64 = plan.steps().iter().map(|step| i64::from(step.shard_delta())).sum();
    let start = plan.identity.start.len() as i64;
    let kinds = [("split", "Split"), ("merge", "Merge"), ("UpdateShardCount", "UpdateShardCount")]
        .map(|(noun, kind)| (noun, plan.steps().iter().filter(|step| step.kind() == kind).count()));
    let parts: Vec<_> = kinds.iter().filter(|(_, n)| *n > 0).map(|(noun, n)| count(*n, noun)).collect();
    let shards = if change == 0 {
        count(plan.identity.start.len(), "shard")
    } else {
        format!("{start} → {} shards", start + change)
    };
    let detail = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
    format!("{shards} in {}{detail}", count(steps, "step"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::fixtures;
    use crate::load::Load;
    use crate::plan::{Hold, Verdict};
    use crate::quota::Dimension;

    #[test]
    fn what_is_not_done_is_told_in_words_with_its_name_behind_and_nothing_twice() {
        let mut sample = fixtures::even(4, 100_000);
        let told = |sample: &fixtures::Sample| of(&sample.plan, 4);
        assert_eq!(told(&sample), "nothing to do at 4 shards");
        sample.plan.verdicts = vec![Verdict::LargeRecords { mean_bytes: 300_000 }];
        assert_eq!(told(&sample), "no step now; what no step cures: records are large (LargeRecords)");
        let (load, dimension) = (Load::CEILING, Dimension::IngestBytes);
        sample.plan.holds = vec![Hold::AtMaxShards { max_shards: 4, load, dimension }];
        sample.plan.verdicts.push(Verdict::AtMaxShards { max_shards: 4 });
        assert_eq!(
            told(&sample),
            "no step now: more shards are needed than maxShards (AtMaxShards); what no step cures: records are large (LargeRecords)"
        );
    }
}
