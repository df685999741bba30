//! The product as a scaler: the loop of `reshard run` with the very decision that `reshard plan` shows.

use super::fluid::Action;
use super::read_ledger::ReadLedger;
use super::scaler::{Monitoring, Rounds, Scaler, View};
use crate::checks;
use crate::cost::MetricReads;
use crate::decision;
use crate::demand::{self, Demand, Pulse};
use crate::observe::{MetricLevel, Watchpoints, gate, is_due};
use crate::plan::{Step, splits_wait};
use crate::policy::ScalingPolicy;
use crate::snapshot::{Minute, Snapshot};

/// The product with one resource.
#[derive(Debug)]
pub struct Production {
    policy: ScalingPolicy,
    rounds: Rounds,
    last_full: Option<Minute>,
    /// What the last decision left to watch for.
    watch: Option<Watchpoints>,
    /// Whether it waits for a look at the shards, however calm the stream is.
    awaited: bool,
    ledger: ReadLedger,
    counts: Counts,
}

/// How much was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Passes of the loop.
    pub passes: u64,
    /// Those that read the shards' metrics and decided.
    pub decisions: u64,
    /// Plans that failed their checks, which is a mistake of ours.
    pub vetoes: u64,
    /// Calls of UpdateShardCount that the stream refused.
    pub refusals: u64,
}

impl Production {
    /// The product with this policy, whatever its mode says, and whichever consumers it declares: a trace tells
    /// nothing of how far they lag.
    pub fn new(policy: ScalingPolicy) -> Production {
        Production {
            policy: ScalingPolicy { consumers: Vec::new(), ..policy },
            rounds: Rounds::default(),
            last_full: None,
            watch: None,
            awaited: false,
            ledger: ReadLedger::default(),
            counts: Counts::default(),
        }
    }

    /// How much was done.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Metrics that an observation would have asked of `GetMetricData`.
    pub fn metrics_read(&self) -> u64 {
        self.ledger.metrics_read()
    }

    /// One pass: what is to be done now. The loop looks again at once after a step, else after its
    /// interval.
    fn pass(&mut self, view: &mut View) -> Option<Step> {
        let step = self.look(view, None)?;
        match step {
            Step::UpdateShardCount { to, .. } if !view.stream.takes_count(to, view.now) => {
                self.counts.refusals += 1;
                let refused = "UpdateShardCount: LimitExceededException".to_owned();
                self.last_full = None;
                self.look(view, Some(refused))
            }
            step => Some(step),
        }
    }

    fn look(&mut self, view: &mut View, refused: Option<String>) -> Option<Step> {
        self.counts.passes += 1;
        let minute = Minute::of(view.now);
        let open = view.stream.open_count() as usize;
        let metrics = view.watch.stream_metrics(&self.policy, view.now)?;
        let last_full = self.last_full.filter(|_| !view.has_changed && !self.awaited);
        // Where the clock says that it is time for the shards, an observation does not look at the stream first.
        if !is_due(last_full, minute) {
            self.ledger.idle(metrics);
        }
        let level = gate(metrics, &self.policy, self.watch, open, last_full, minute);
        if level == MetricLevel::Stream {
            return None;
        }
        self.last_full = Some(minute);
        self.counts.decisions += 1;
        let snapshot = view.watch.snapshot(view.stream, &self.policy, view.now, refused)?;
        self.ledger.full(snapshot, &self.policy);
        let demand = demand::assess(snapshot, &self.policy);
        // What an observation reads besides, where something is hot.
        let ancestry = demand::ancestry_of(&demand, snapshot, &self.policy);
        if ancestry.is_empty() {
            return self.decide(snapshot, demand);
        }
        let snapshot = view.watch.snapshot_since_the_look_back(&ancestry)?;
        self.ledger.since_the_look_back(&ancestry, snapshot, &self.policy);
        self.decide(snapshot, demand::assess(snapshot, &self.policy))
    }

    fn decide(&mut self, snapshot: &Snapshot, demand: Demand) -> Option<Step> {
        let proposal = decision::propose(&demand, snapshot, &self.policy);
        let limits = self.policy.limits(demand.learned_target);
        let pulse = Pulse::read(&snapshot.metrics, &self.policy);
        self.watch = Some(Watchpoints::of(&proposal.before, limits, &proposal.holds, pulse));
        self.awaited =
            proposal.steps.is_empty() && splits_wait(&proposal.before, limits.trigger, &proposal.holds);
        let first = proposal.steps.first()?.clone();
        let decision::Decision { demand, plan } = decision::written(proposal, demand, snapshot, &self.policy);
        if checks::check(&plan, snapshot, &self.policy, &demand).is_err() {
            self.counts.vetoes += 1;
            return None;
        }
        Some(first)
    }
}

impl Scaler for Production {
    fn sees_shards(&self) -> bool {
        true
    }

    fn monitoring(&self) -> Monitoring {
        Monitoring {
            shard_metrics: MetricReads::of(&self.policy).queries_per_shard,
            metrics_read: self.ledger.metrics_read(),
        }
    }

    fn next(&mut self, view: &mut View) -> Option<Action> {
        if !self.rounds.are_due(view, self.policy.interval) {
            return None;
        }
        self.pass(view).as_ref().and_then(action_of)
    }
}

/// What a step is to the modelled stream.
pub(super) fn action_of(step: &Step) -> Option<Action> {
    match step {
        Step::Split { range, at } => Some(Action::Split { range: *range, at: *at }),
        Step::Merge { low, high } => Some(Action::Merge { low: *low, high: *high }),
        Step::UpdateShardCount { to, .. } => Some(Action::UpdateShardCount(*to)),
        Step::EnableShardMetrics { .. } => None,
    }
}
