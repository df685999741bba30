//! What a simulation counts as read, beside what the loop's observer asks for on the same stream.

use super::*;
use crate::decision;
use crate::snapshot::ShardMetric;

/// Ours, and at each of its looks an observer of the simulator, on which the same is done.
struct Together {
    ours: Production,
    policy: ScalingPolicy,
    plane: SimulatedControlPlane,
    /// Since the load began.
    seconds: i64,
    observer: Observer,
    /// Of each look the second, what ours counts and what the observer asks for.
    looks: Vec<(i64, u64, u64)>,
}

impl Together {
    fn with(policy: ScalingPolicy, load: &Load) -> Together {
        let plane = simulator(load);
        // What a policy does not need is not on, and not asked for.
        let needless = ShardMetric::ALL.iter().filter(|metric| !ShardMetric::INGEST.contains(metric));
        let needless = ChangeEnhancedMonitoring {
            stream: StreamRef::name(STREAM),
            shard_level_metrics: needless.map(|metric| metric.name().to_owned()).collect(),
        };
        plane.cloud().disable_enhanced_monitoring(needless).expect("they are on");
        Together {
            ours: Production::new(policy.clone()),
            policy,
            plane,
            seconds: 0,
            observer: Observer::gated(),
            looks: Vec::new(),
        }
    }

    /// How many metrics the observer asks for.
    fn look(&mut self) -> u64 {
        let observe = self.observer.observe(&self.plane, &self.policy);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let observed = runtime.block_on(observe).expect("nothing fails");
        if observed.level == MetricLevel::Shards {
            let plan = decision::decide(&observed.snapshot, &self.policy).plan;
            self.observer.decided(&plan, !plan.steps().is_empty());
        }
        observed.metrics_requested
    }
}

impl Scaler for Together {
    fn sees_shards(&self) -> bool {
        true
    }

    fn next(&mut self, view: &mut View) -> Option<Action> {
        let seconds = view.now.duration_since(view.load.start()).as_secs();
        self.plane.cloud().advance_seconds(seconds - self.seconds);
        self.seconds = seconds;
        let (passes, read) = (self.ours.counts().passes, self.ours.metrics_read());
        let action = self.ours.next(view);
        if self.ours.counts().passes > passes {
            let asked = self.look();
            self.looks.push((seconds, self.ours.metrics_read() - read, asked));
        }
        if let Some(action) = action {
            request(&mut self.plane.cloud(), view.stream, action);
        }
        action
    }
}

#[test]
fn as_many_metrics_are_counted_at_each_look_as_an_observer_asks_for() {
    // Two peaks: at the second, shards are split again that came of the first.
    let load = load_through(&[(0, 2.0), (60, 2.0), (70, 5.5), (80, 1.5), (110, 1.5), (120, 5.5), (140, 5.5)]);
    let in_steps = ScalingPolicy::for_stream(STREAM, 200);
    let with_calls = ScalingPolicy { update_shard_count: UpdateShardCountPolicy::Auto, ..in_steps.clone() };
    // Eight shards are too few for this target: they stay hot, and the past of what was split is read at each look.
    let mut too_few = ScalingPolicy::for_stream(STREAM, 8);
    too_few.targets.limits.ingest_bytes = crate::load::Load::from_percent(40);
    for policy in [in_steps, with_calls, too_few] {
        let mut both = Together::with(policy, &load);
        let course = course::play(&load, STREAM_OPTIONS, DELAY, FIRST_SHARDS, &mut both, &mut |_| {});
        assert!(course.steps.len() > 3, "{:?}", course.steps);
        // Once the first minute is public: the two wait for it in their own ways.
        for (second, counted, asked) in both.looks.into_iter().filter(|(second, ..)| *second > 180) {
            assert_eq!(counted, asked, "{:?}, after {second} s", both.policy);
        }
    }
}
