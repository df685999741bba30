//! Small random streams with all that a planner looks at, and how to tell of them.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use reshard::demand::{Demand, DemandSummary, Segment, ShardDemand};
use reshard::hash_key::{HashKey, HashKeyRange};
use reshard::load::{Load, Loads};
use reshard::plan::{Evidence, Hold, PLAN_FORMAT, Plan, PlanIdentity, RangeLoad};
use reshard::planner::Proposal;
use reshard::policy::{Budgets, InForce, Limits, ScalingPolicy, ShardBounds, Tradeoff};
use reshard::quota::Dimension;
use reshard::snapshot::{MetricHistory, SNAPSHOT_FORMAT, Snapshot};
use reshard::stream::{Shard, ShardId, StreamMode, StreamStatus, StreamSummary};

/// A pseudo-random sequence (SplitMix64), so that a seed is all that a case needs.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of `low` to `high`, both included.
    pub(super) fn from(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    pub(super) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.from(0, choices.len() as u64 - 1) as usize]
    }

    pub(super) fn percent(&mut self, percent: u64) -> bool {
        self.from(1, 100) <= percent
    }
}

/// What kind of cases to make.
#[derive(Clone)]
pub(super) struct Profile {
    /// In how many dimensions there is load.
    pub(super) dimensions: usize,
    /// Bounds close to what is open and needed.
    pub(super) tight_bounds: bool,
    /// Guards, bars, estimates, peaks above the load of now.
    pub(super) guards: bool,
    /// Rates and budgets.
    pub(super) limits: bool,
    /// Most shards, and most segments in all: the search tries 2^(segments − 1) tilings.
    pub(super) shards: u64,
    pub(super) segments: u64,
}

impl Default for Profile {
    fn default() -> Profile {
        Profile { dimensions: 3, tight_bounds: false, guards: false, limits: false, shards: 6, segments: 11 }
    }
}

const NO_BUDGETS: Budgets = Budgets { max_steps_per_plan: 1_000, max_merges_per_day: 1_000 };

/// The limits of scale-up and scale-down.
const NO_RATES: (u32, u32) = (1_000, 1);

/// One stream with its policy.
#[derive(Clone)]
pub(super) struct Case {
    pub(super) seed: u64,
    pub(super) demand: Demand,
    pub(super) policy: ScalingPolicy,
    pub(super) snapshot: Snapshot,
    limited: bool,
}

impl Case {
    pub(super) fn random(profile: &Profile, seed: u64) -> Case {
        let random = &mut Random(seed);
        let mut counts: Vec<u64> = Vec::new();
        for _ in 0..random.from(1, profile.shards) {
            let left = profile.segments.saturating_sub(counts.iter().sum());
            if left > 0 {
                counts.push(random.from(1, 4.min(left)));
            }
        }
        let demand = demand(profile, random, &counts);
        let mut policy = ScalingPolicy::for_stream("orders", 200);
        // Small targets: loads then are small integers, which meet limits exactly and often.
        policy.targets.limits = Loads::from_array([10, 12, 9].map(Load));
        policy.tolerance_millionths = random.one_of(&[0, 100_000, 200_000, 200_000, 500_000]);
        policy.tradeoff = Tradeoff {
            step_cost_shard_seconds: random.one_of(&[0, 1, 1, 2, 5, 50]),
            horizon_seconds: random.one_of(&[1, 3, 4, 16]),
        };
        policy.budgets = NO_BUDGETS;
        let open = counts.len() as u64;
        let (low, high) = if profile.tight_bounds {
            let high = random.from(open.saturating_sub(2).max(1), open + 2);
            (random.from(high.saturating_sub(3).max(1), high), high)
        } else {
            (1, random.one_of(&[40, 200]))
        };
        policy.bounds = ShardBounds::new(low as u32, high as u32).expect("within 1 to 200");
        let mut case = Case { limited: profile.limits, ..Case::new(seed, demand, policy) };
        if profile.limits {
            case.demand.scale_up_limit = random.from(open.saturating_sub(1), open + 2) as u32;
            case.demand.scale_down_limit = random.from(open.saturating_sub(2), open) as u32;
            case.demand.merges_in_the_last_day = random.from(0, 2) as u32;
            case.policy.budgets = Budgets {
                max_steps_per_plan: random.from(1, 5) as u32,
                max_merges_per_day: random.from(1, 4) as u32,
            };
        }
        case.learn(random, (5, 14));
        case
    }

    /// In half of the cases some dimensions learn their target, which in most of these is known.
    pub(super) fn learn(&mut self, random: &mut Random, (lowest, highest): (u64, u64)) {
        if random.percent(50) {
            let mut learns = |_: &Dimension| random.percent(60);
            self.policy.targets.learned = Dimension::SPLITTABLE.into_iter().filter(&mut learns).collect();
            let learned = Load(random.from(lowest, highest));
            self.demand.learned_target = random.percent(80).then_some(learned);
        }
    }

    /// The loads that decide.
    pub(super) fn limits(&self) -> Limits {
        self.policy.limits(self.demand.learned_target)
    }

    pub(super) fn new(seed: u64, demand: Demand, policy: ScalingPolicy) -> Case {
        Case { seed, snapshot: snapshot(&demand), demand, policy, limited: false }
    }

    pub(super) fn in_force(&self) -> InForce {
        self.policy.in_force(self.snapshot.observed_at)
    }

    /// The same stream with nothing barred, and as if the load of now had always been.
    pub(super) fn unguarded(&self) -> Case {
        let mut case = self.clone();
        case.demand.split_bars.clear();
        case.demand.merge_bars.clear();
        for shard in &mut case.demand.shards {
            (shard.split_guard, shard.merge_guard) = (None, None);
            // What is not known stays so, and is no reason to merge.
            if shard.evidence != Evidence::Unknown {
                shard.evidence = Evidence::Measured;
            }
            for segment in &mut shard.segments {
                segment.peak_loads = segment.loads;
            }
        }
        case
    }

    /// The same stream with no rates and budgets.
    pub(super) fn unlimited(&self) -> Case {
        let mut case = Case { limited: false, ..self.clone() };
        (case.demand.scale_up_limit, case.demand.scale_down_limit) = NO_RATES;
        case.demand.merges_in_the_last_day = 0;
        case.policy.budgets = NO_BUDGETS;
        case
    }

    /// The same load, on the shards that the plan leads to.
    pub(super) fn carried_out(&self, proposal: &Proposal) -> Case {
        let shard = |(i, after): (usize, &RangeLoad)| ShardDemand {
            id: ShardId::new(format!("shardId-{i:012}")),
            range: after.range,
            evidence: Evidence::Measured,
            rejecting: false,
            unsettled: None,
            segments: self
                .segments()
                .into_iter()
                .map(|(_, segment)| segment)
                .filter(|segment| after.range.contains(segment.range.start()))
                .collect(),
            density: Evidence::Measured,
            split_guard: None,
            merge_guard: None,
        };
        let shards = proposal.after.iter().enumerate().map(shard).collect();
        let demand = Demand { shards, ..self.demand.clone() };
        Case { snapshot: snapshot(&demand), demand, ..self.clone() }
    }

    /// Whether only bounds and guards decide how far a plan goes.
    pub(super) fn nothing_limits_the_way(&self) -> bool {
        !self.limited
    }

    /// All segments in order, each with the index of its shard.
    pub(super) fn segments(&self) -> Vec<(usize, Segment)> {
        let of_shard = |(i, shard): (usize, &ShardDemand)| {
            shard.segments.iter().map(|segment| (i, *segment)).collect::<Vec<_>>()
        };
        self.demand.shards.iter().enumerate().flat_map(of_shard).collect()
    }

    /// The number of the segment that holds `key`.
    pub(super) fn position(&self, key: HashKey) -> usize {
        self.segments().iter().position(|(_, segment)| segment.range.contains(key)).expect("they tile")
    }

    /// The proposal as the plan that would be carried out.
    pub(super) fn plan_of(&self, proposal: &Proposal) -> Plan {
        let proposal = proposal.clone();
        let identity = PlanIdentity {
            format: PLAN_FORMAT,
            stream_arn: self.snapshot.summary.arn.clone(),
            stream_created_at: self.snapshot.summary.created_at,
            generation: self.policy.generation,
            start: self.demand.shards.iter().map(|shard| shard.range).collect(),
            steps: proposal.steps,
        };
        Plan {
            hash: identity.hash(),
            identity,
            explanations: proposal.explanations,
            holds: proposal.holds,
            verdicts: proposal.verdicts,
            desired_shards: proposal.desired_shards,
            limits: self.limits(),
            before: proposal.before,
            after: proposal.after,
        }
    }
}

/// A demand whose shards have `counts` segments each.
pub(super) fn demand(profile: &Profile, random: &mut Random, counts: &[u64]) -> Demand {
    // How hot the stream is on the whole, so that idle, mixed and overloaded ones all occur.
    let most = random.one_of(&[0, 1, 3, 5, 8, 12]);
    let total: u64 = counts.iter().sum();
    let width = u128::MAX / u128::from(total);
    let mut position = 0;
    let mut shards = Vec::new();
    for (i, &count) in counts.iter().enumerate() {
        let shard_most = if random.percent(30) { random.from(0, 13) } else { most };
        let rises = profile.guards && random.percent(30);
        let mut segments = Vec::new();
        for _ in 0..count {
            let start = u128::from(position) * width;
            position += 1;
            let end = if position == total { u128::MAX } else { u128::from(position) * width - 1 };
            let range = HashKeyRange::new(HashKey(start), HashKey(end)).expect("ascending");
            let loads = Loads::from_array(std::array::from_fn(|dimension| {
                Load(if dimension < profile.dimensions { random.from(0, shard_most) } else { 0 })
            }));
            let rise = |load: Load| Load(load.0 + if rises { random.from(0, 2) } else { 0 });
            let peak_loads = Loads::from_array(loads.as_array().map(rise));
            segments.push(Segment { range, loads, peak_loads });
        }
        let range = HashKeyRange::new(segments[0].range.start(), segments[segments.len() - 1].range.end())
            .expect("ascending");
        let mut guard = |percent| (profile.guards && random.percent(percent)).then_some(Hold::SilentStream);
        let (split_guard, merge_guard) = (guard(20), guard(15));
        let (estimated, spread_known, unknown) = (guard(15), guard(40).is_none(), guard(5));
        shards.push(ShardDemand {
            id: ShardId::new(format!("shardId-{i:012}")),
            range,
            evidence: match (unknown, estimated) {
                (Some(_), _) => Evidence::Unknown,
                (None, Some(_)) => Evidence::Estimated,
                (None, None) => Evidence::Measured,
            },
            rejecting: random.percent(20),
            segments,
            density: if spread_known { Evidence::Measured } else { Evidence::Estimated },
            unsettled: None,
            split_guard,
            merge_guard,
        });
    }
    let mut bar = |percent| {
        if profile.guards && random.percent(percent) { vec![Hold::SilentStream] } else { vec![] }
    };
    Demand {
        shards,
        stops: vec![],
        split_bars: bar(5),
        merge_bars: bar(8),
        verdicts: vec![],
        merges_in_the_last_day: 0,
        count_updates_minutes_ago: Vec::new(),
        count_update_refused: None,
        is_steady: true,
        forecast: None,
        foreseen_per_mille: 0,
        learned_target: None,
        scale_up_limit: NO_RATES.0,
        scale_down_limit: NO_RATES.1,
        summary: DemandSummary::default(),
    }
}

/// The snapshot of a stream with the shards of `demand`.
pub(super) fn snapshot(demand: &Demand) -> Snapshot {
    let open = |shard: &ShardDemand| Shard {
        id: shard.id.clone(),
        range: shard.range,
        parent: None,
        adjacent_parent: None,
        closed: false,
    };
    let created_at = Timestamp::from_second(0).expect("in range");
    Snapshot {
        format: SNAPSHOT_FORMAT,
        observed_at: created_at + Duration::from_secs(86_400),
        summary: StreamSummary {
            arn: "arn:aws:kinesis:eu-west-1:111122223333:stream/orders".to_owned(),
            name: "orders".to_owned(),
            status: StreamStatus::Active,
            mode: StreamMode::Provisioned,
            created_at,
            retention_hours: 24,
            open_shard_count: demand.shards.len(),
            enhanced_metrics: vec![],
            consumer_count: 0,
        },
        shards: demand.shards.iter().map(open).collect(),
        look_back_start: created_at,
        update_shard_count_refused: None,
        past_topologies: vec![],
        metrics: MetricHistory::default(),
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ScalingPolicy { bounds, tradeoff, .. } = &self.policy;
        let numbers = |loads: Loads| loads.as_array().map(|load| load.0);
        writeln!(
            f,
            "seed {}: bounds {} to {}, horizon {}, step cost {}, trigger {:?}, pack {:?}, split bars {}, merge bars {}, \
             scale-up limit {}, scale-down limit {}, budgets {:?}, merges before {}",
            self.seed,
            bounds.min(),
            bounds.max(),
            tradeoff.horizon_seconds,
            tradeoff.step_cost_shard_seconds,
            numbers(self.limits().trigger),
            numbers(self.limits().pack),
            self.demand.split_bars.len(),
            self.demand.merge_bars.len(),
            self.demand.scale_up_limit,
            self.demand.scale_down_limit,
            self.policy.budgets,
            self.demand.merges_in_the_last_day,
        )?;
        let mut position = 0;
        for shard in &self.demand.shards {
            let loads: Vec<_> = shard
                .segments
                .iter()
                .map(|segment| match segment.loads == segment.peak_loads {
                    true => format!("{:?}", numbers(segment.loads)),
                    false => format!("{:?}^{:?}", numbers(segment.loads), numbers(segment.peak_loads)),
                })
                .collect();
            let marks = [
                (shard.rejecting, " rejecting"),
                (shard.split_guard.is_some(), " no-split"),
                (shard.merge_guard.is_some(), " no-merge"),
                (shard.density != Evidence::Measured, " spread-estimated"),
            ];
            let marks: String = marks.iter().filter(|(holds, _)| *holds).map(|(_, mark)| *mark).collect();
            writeln!(f, "  shard from {position}: {} {:?}{marks}", loads.join(" "), shard.evidence)?;
            position += shard.segments.len();
        }
        Ok(())
    }
}
