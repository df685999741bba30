//! The way of a plan: proposed, kept, approved, begun, done; or ended, each time with its reason.

use std::time::Duration;

use super::*;
use crate::cost::fixtures::{self, Sample};
use crate::demand::unhindered::{unhindered, unhindered_shard};
use crate::demand::{Demand, Segment};
use crate::load::{Load, Loads};
use crate::plan::{Evidence, Hold, PlanHash, StepReason};
use crate::policy::ApprovalRequired;
use crate::quota::Dimension;
use crate::stream::{Shard, StreamStatus};

mod consent;
mod count;
mod course;
mod standing;

/// A stream in mode Approve, told from the sample's shards and loads.
struct World {
    sample: Sample,
    decision: Decision,
    status: Status,
    approval: Option<String>,
}

/// Four segments with a quarter of the load each: halves may be cut in halves.
fn quarters(range: crate::hash_key::HashKeyRange, loads: Loads) -> Vec<Segment> {
    let halve = |range: crate::hash_key::HashKeyRange| {
        let at = range.inner_boundaries(2).next().expect("two halves");
        let (low, high) = range.split(at).expect("wide");
        [low, high]
    };
    let quarter = Loads::from_array(loads.as_array().map(|load| Load(load.0 / 4)));
    let ranges = halve(range).into_iter().flat_map(halve);
    ranges.map(|range| Segment { range, loads: quarter, peak_loads: quarter }).collect()
}

fn demand_of(sample: &Sample) -> Demand {
    let shards = sample.snapshot.shards.iter().filter(|shard| !shard.closed).map(|shard| {
        let within = |load: &&crate::plan::RangeLoad| load.range == shard.range;
        let loads = sample.plan.before.iter().find(within).map(|load| load.loads).unwrap_or_default();
        unhindered_shard(shard.id.clone(), shard.range, quarters(shard.range, loads))
    });
    unhindered(shards.collect())
}

impl World {
    fn new(mut sample: Sample) -> World {
        sample.policy.mode = Mode::Approve;
        sample.policy.approval.required = ApprovalRequired::All;
        sample.policy.approval.expire_after = Duration::from_secs(3_600);
        let decision = Decision { demand: demand_of(&sample), plan: sample.plan.clone() };
        World { sample, decision, status: Status::default(), approval: None }
    }

    /// An approved plan of which the stream shows the first `count` steps.
    fn begun(sample: Sample, count: usize) -> World {
        let mut world = World::new(sample);
        world.pass();
        world.approve();
        world.pass();
        let plan = world.decision.plan.clone();
        world.shows(&plan, count);
        world
    }

    /// Four shards of which the third is hot.
    fn hot() -> World {
        World::new(fixtures::one_hot_shard())
    }

    /// Four cold shards of which the first two are to be merged.
    fn cold() -> World {
        let mut sample = fixtures::even(4, 100_000);
        fixtures::merge(&mut sample, 0);
        World::new(sample)
    }

    fn consider(&self) -> Answer {
        consider(&Question {
            policy: &self.sample.policy,
            snapshot: &self.sample.snapshot,
            decision: &self.decision,
            summary: "a plan",
            status: &self.status,
            approval: self.approval.as_deref(),
        })
    }

    /// A pass whose answer is written.
    fn pass(&mut self) -> Answer {
        let answer = self.consider();
        self.status.plan = answer.plan.clone();
        self.status.last_handled_approval = answer.handled.clone();
        answer
    }

    fn hash(&self) -> PlanHash {
        self.status.plan.as_ref().expect("a plan").hash.clone()
    }

    fn state(&self) -> Option<PlanState> {
        self.status.plan.as_ref().map(|plan| plan.state)
    }

    fn approve(&mut self) {
        self.approval = Some(self.hash().to_string());
    }

    /// The loads change to these, and nothing is wanted any more.
    fn now_carries(&mut self, ingest_bytes: &[u64]) {
        let Sample { snapshot, plan, .. } = fixtures::with_loads(ingest_bytes);
        self.decides(Sample { snapshot, policy: self.sample.policy.clone(), plan });
    }

    /// The target for bytes is learned, and is so many percent now.
    fn learns(&mut self, percent: u32) {
        let learned = Some(Load::from_percent(percent));
        let policy = &mut self.sample.policy;
        policy.targets.learned = vec![Dimension::IngestBytes];
        self.decision.demand.learned_target = learned;
        self.decision.plan.limits = policy.limits(learned);
    }

    /// The fresh decision is the sample's.
    fn decides(&mut self, mut sample: Sample) {
        sample.policy = self.sample.policy.clone();
        sample.snapshot.observed_at = self.sample.snapshot.observed_at;
        self.decision = Decision { demand: demand_of(&sample), plan: sample.plan.clone() };
        self.sample = sample;
    }

    /// The stream shows the first `count` steps of `plan`, and nothing more is wanted.
    fn shows(&mut self, plan: &Plan, count: usize) {
        let ranges = plan.projected_ranges(count).expect("steps fit");
        let template = self.sample.snapshot.shards[0].clone();
        let shards = ranges.iter().enumerate().map(|(id, range)| Shard {
            id: crate::stream::ShardId::new(format!("shardId-{id:012}")),
            range: *range,
            ..template.clone()
        });
        self.sample.snapshot.shards = shards.collect();
        self.sample.snapshot.summary.open_shard_count = ranges.len();
        let loads = Loads::from_array([Load(100_000); 3]);
        self.sample.plan.before = ranges
            .iter()
            .map(|range| crate::plan::RangeLoad {
                range: *range,
                loads,
                peak_loads: loads,
                evidence: Evidence::Measured,
            })
            .collect();
        let mut quiet = self.sample.plan.clone();
        quiet.identity.start = ranges;
        quiet.identity.steps.clear();
        quiet.explanations.clear();
        quiet.hash = quiet.identity.hash();
        self.decision = Decision { demand: demand_of(&self.sample), plan: quiet };
    }

    fn later(&mut self, minutes: i64) {
        self.sample.snapshot.observed_at += SignedDuration::from_mins(minutes);
    }
}

fn ending(answer: &Answer) -> Option<&Ending> {
    answer.ended.as_ref().map(|(_, ending)| ending)
}

fn index(answer: &Answer) -> Option<usize> {
    match &answer.leave {
        Leave::Nothing => None,
        Leave::Step { index, .. } => Some(*index),
    }
}
