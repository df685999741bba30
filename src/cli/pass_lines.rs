//! What the loop writes of its passes: a line where something is new, and now and then one that
//! shows that it is alive.

use crate::report::{Report, count, line};
use crate::snapshot::Snapshot;

/// Every so many passes a line is written though nothing is new.
const SIGN_OF_LIFE_PASSES: u32 = 10;

/// The lines of one stream. New is what is decided and how many shards there are; that figures
/// of the load move a little is not.
#[derive(Debug, Default)]
pub(super) struct PassLines {
    told: Option<Told>,
    silent_passes: u32,
}

/// What the latest line said.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    shards: usize,
    /// What the last full pass decided, and what becomes of it.
    outcome: String,
}

impl PassLines {
    /// The line of a full pass, where it is due, without its line feed.
    pub fn full(&mut self, report: &Report, note: &str) -> Option<String> {
        let told = Told { shards: report.stream.shards, outcome: format!("{}{note}", report.summary) };
        self.due(told).then(|| format!("{} {}{note}", report.observed_at, line(report)))
    }

    /// The line of an idle pass, where it is due, without its line feed: what the last full pass decided
    /// still stands.
    pub fn idle(&mut self, snapshot: &Snapshot) -> Option<String> {
        let (name, shards) = (&snapshot.summary.name, snapshot.summary.open_shard_count);
        let outcome = self.told.as_ref().map_or_else(String::new, |told| told.outcome.clone());
        let text = format!(
            "{} {name}: {}, calm: as it was decided on; {outcome}",
            snapshot.observed_at,
            count(shards, "shard")
        );
        self.due(Told { shards, outcome }).then_some(text)
    }

    /// Whatever comes next is new: something else was told meanwhile.
    pub fn interrupted(&mut self) {
        self.silent_passes = SIGN_OF_LIFE_PASSES;
    }

    fn due(&mut self, told: Told) -> bool {
        self.silent_passes += 1;
        let due = self.silent_passes >= SIGN_OF_LIFE_PASSES || self.told.as_ref() != Some(&told);
        if due {
            *self = PassLines { told: Some(told), silent_passes: 0 };
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::{Prices, fixtures};
    use crate::demand;
    use crate::plan::Hold;

    fn report(sample: &fixtures::Sample) -> Report {
        let demand = demand::assess(&sample.snapshot, &sample.policy);
        Report::new(&sample.snapshot, &sample.policy, &demand.summary, &sample.plan, &Prices::default())
    }

    #[test]
    fn what_is_not_new_is_told_at_every_tenth_pass() {
        let mut lines = PassLines::default();
        let report = report(&fixtures::even(4, 100_000));
        let written: Vec<_> = (0..25).filter(|_| lines.full(&report, "").is_some()).collect();
        assert_eq!(written, [0, 10, 20]);
        lines.interrupted();
        assert!(lines.full(&report, "").is_some(), "after an error");
        assert!(lines.full(&report, "").is_none());
    }

    #[test]
    fn another_plan_another_count_and_another_note_are_new_but_the_load_alone_is_not() {
        let mut lines = PassLines::default();
        let mut due = |report: &Report, note| lines.full(report, note).is_some();
        assert!(due(&report(&fixtures::even(4, 100_000)), ""));
        assert!(!due(&report(&fixtures::even(4, 110_000)), ""));
        assert!(due(&report(&fixtures::even(5, 110_000)), ""));
        let hot = report(&fixtures::one_hot_shard());
        assert!(due(&hot, ""));
        assert!(due(&hot, " (mode DryRun: not carried out)"));
    }

    #[test]
    fn an_idle_pass_repeats_what_the_last_full_pass_held_back() {
        let mut lines = PassLines::default();
        let mut sample = fixtures::even(4, 100_000);
        sample.plan.holds.push(Hold::Suspended);
        let full = lines.full(&report(&sample), "").expect("the first is new");
        assert!(
            full.ends_with(&format!("; no step now: suspend is set ({})", Hold::Suspended.reason())),
            "{full}"
        );
        assert_eq!(lines.idle(&sample.snapshot), None, "nothing is new");
        lines.interrupted();
        assert_eq!(
            lines.idle(&sample.snapshot).expect("due"),
            "2026-11-22T04:17:31Z orders: 4 shards, calm: as it was decided on; no step now: suspend is set (Suspended)"
        );
    }
}
