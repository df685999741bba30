//! Seeded simulation of the whole system in virtual time: one seed is one story of shards, load,
//! readers, policy, faults and strangers, which the production code lives through while oracles
//! that know the truth look on. `RESHARD_SEED=7` tells one story; `RESHARD_SEEDS=500` tells more.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reshard::checks;
use reshard::decision::{self, Decision};
use reshard::executor::{End, ExecuteError, Executor, StepOutcome};
use reshard::observe::{MetricLevel, Observer};
use reshard::plan::{Hold, Plan, Verdict};
use reshard::policy::{ScalingPolicy, SelectPolicy};
use reshard::snapshot::Snapshot;

use self::book::Counts;
use self::story::{Drive, Story};
use self::world::{Witness, World};
use crate::support::seeds::Seeds;

mod book;
mod story;
mod world;

/// Stories of a run without any setting.
const SEEDS: u64 = 8;
/// The time from the last fault, stabilisation windows apart, within which a stream under a
/// constant load is quiet.
const QUIET_WITHIN: SignedDuration = SignedDuration::from_hours(4);
/// By then the newest window, at most five minutes that settle after three, holds the new load only.
const SETTLED_AFTER: SignedDuration = SignedDuration::from_mins(15);
/// For how long it is watched then.
const STILL_FOR: SignedDuration = SignedDuration::from_hours(6);
/// Steps of one pass at the most; more is a loop.
const STEPS_OF_A_PASS: usize = 200;

/// What a story came to.
struct Told {
    violations: Vec<String>,
    log: Vec<String>,
    counts: Counts,
    quiet_after: Option<SignedDuration>,
}

#[test]
fn seeded_stories_keep_every_invariant() {
    let Seeds { all, alone } = Seeds::told(SEEDS);
    let seeds = all.end - all.start;
    let (mut counts, mut failed, mut slowest) = (Counts::default(), Vec::new(), SignedDuration::ZERO);
    for seed in all {
        let told = catch_unwind(AssertUnwindSafe(|| tell(seed)));
        let violations = match told {
            Ok(told) => {
                if alone {
                    println!("{}", told.log.join("\n"));
                }
                counts = counts.plus(told.counts);
                slowest = slowest.max(told.quiet_after.unwrap_or_default());
                told.violations
            }
            Err(_) => vec!["a panic".to_owned()],
        };
        if let Some(worst) = violations.first() {
            println!(
                "{worst} ({} in all)\n  RESHARD_SEED={seed} cargo test --test it \
                 simulation::seeded_stories_keep_every_invariant -- --nocapture",
                violations.len()
            );
            failed.push(seed);
        }
    }
    println!("{seeds} stories: {counts:?}, quiet within {} min", slowest.as_mins());
    assert!(failed.is_empty(), "seeds {failed:?} break an invariant; the commands above replay them");
    if !alone {
        let Counts { decisions, replays, splits, merges, refused, unclear } = counts;
        let all = [decisions, replays, splits, merges, refused, unclear];
        assert!(all.iter().all(|count| *count > 0), "the stories show nothing: {counts:?}");
    }
}

fn tell(seed: u64) -> Told {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let world = World::new(Story::of(seed));
    let quiet_after = runtime.block_on(live(&world));
    let mut book = world.book();
    Told {
        violations: std::mem::take(&mut book.violations),
        log: std::mem::take(&mut book.log),
        counts: book.counts,
        quiet_after,
    }
}

/// A whole story. The time that it took to become quiet at last.
async fn live(world: &Arc<World>) -> Option<SignedDuration> {
    let story = &world.story;
    world.advance_to(story.begin);
    let mut actor = Actor::new(world, 0);
    while world.now() < story.calm_at {
        let twins = world.due().twins.take();
        if let Some(lasting) = twins {
            let until = world.now() + lasting;
            let mut twin = Actor::new(world, actor.witness.actor + 1);
            world.book().twins = true;
            tokio::join!(actor.work_until(until), twin.work_until(until));
            world.book().twins = false;
        }
        let survived = tokio::select! {
            biased;
            () = actor.pass() => true,
            () = world.death.notified() => false,
        };
        if !survived {
            world.book().note(world.now(), "the actor dies".to_owned());
            actor = Actor::new(world, actor.witness.actor + 2);
        }
        world.advance(story.every);
    }
    world.calm_down();
    let calm_at = world.now();
    world.book().note(calm_at, "calm".to_owned());
    let quiet_after = become_quiet(world, calm_at).await?;
    stay_quiet(world).await;
    Some(quiet_after)
}

/// Passes until nothing is left to do and nothing is waited for.
async fn become_quiet(world: &Arc<World>, calm_at: Timestamp) -> Option<SignedDuration> {
    let story = &world.story;
    let windows = [&story.policy.scale_up, &story.policy.scale_down].map(|rules| rules.stabilization_window);
    let stabilization = SignedDuration::try_from(windows[0] + windows[1]).unwrap();
    let bound = QUIET_WITHIN + 3 * stabilization;
    let mut actor = Actor::new(world, 1_000);
    let mut last = String::new();
    while world.now().duration_since(calm_at) <= bound {
        actor.pass().await;
        if let Some(plan) = actor.last_plan.take() {
            // What was decided before the load was known to be another is no rest.
            let known = world.now().duration_since(calm_at) > stabilization + SETTLED_AFTER;
            if known
                && plan.steps().is_empty()
                && !plan.holds.iter().any(|hold| is_passing(hold, &story.policy))
            {
                return Some(world.now().duration_since(calm_at));
            }
            last = format!("{:?} {:?}", plan.steps(), plan.holds);
        }
        world.advance(SignedDuration::from_mins(5));
    }
    let now = world.now();
    world
        .book()
        .broken(format!("{now}: not quiet {} min after the last fault: {last:.400}", bound.as_mins()));
    None
}

/// Whether a hold says that something is still to come.
fn is_passing(hold: &Hold, policy: &ScalingPolicy) -> bool {
    match hold {
        Hold::AtMaxShards { .. } | Hold::BelowMinShards { .. } | Hold::MergeBudget { .. } => false,
        Hold::RateLimited { scale_up: false, .. } => {
            policy.scale_down.select_policy != SelectPolicy::Disabled
        }
        _ => true,
    }
}

/// Watches that nothing more is done, and that what was done is right.
async fn stay_quiet(world: &Arc<World>) {
    let since = world.now();
    let before = world.book().last_effect;
    let mut actor = Actor::new(world, 2_000);
    let mut plan = None;
    let mut budget_binds = false;
    while world.now().duration_since(since) < STILL_FOR {
        actor.pass().await;
        plan = actor.last_plan.take().or(plan);
        budget_binds |= plan.as_ref().is_some_and(|plan| {
            let binds = |hold: &Hold| matches!(hold, Hold::MergeBudget { .. } | Hold::RateLimited { .. });
            plan.holds.iter().any(binds)
        });
        world.advance(SignedDuration::from_mins(10));
    }
    let now = world.now();
    if world.book().last_effect != before && !budget_binds {
        world.book().broken(format!("{now}: steps under a constant load after it was quiet since {since}"));
    }
    if let Some(plan) = plan {
        judge_end(world, &plan, budget_binds);
    }
}

/// Every shard without a verdict is under its target, and no two cold neighbours are left.
fn judge_end(world: &World, plan: &Plan, budget_binds: bool) {
    let (story, now) = (&world.story, world.now());
    let limits = story.policy.targets.limits;
    let fill = |bytes: f64| {
        let records = bytes / f64::from(story.calm.record_bytes) / 1e3;
        (bytes / 1e6 / (limits.ingest_bytes.0 as f64 / 1e6))
            .max(records / (limits.ingest_records.0 as f64 / 1e6))
    };
    let told = |id: &str| {
        plan.verdicts.iter().any(|verdict| match verdict {
            Verdict::HotKey { shard, .. }
            | Verdict::Bursty { shard, .. }
            | Verdict::Unsplittable { shard, .. } => shard.as_str() == id,
            Verdict::AtMaxShards { .. } => true,
            _ => false,
        })
    };
    let open = world.open();
    // At the cap only merges make room, and budgets and rates may bar them for ever.
    let no_room = open.len() >= story.policy.bounds.max() as usize && budget_binds;
    let mut wrong = Vec::new();
    for shard in &open {
        let fill = fill(shard.offered_bytes_per_second);
        if fill > 1.02 && !told(&shard.id) && !no_room {
            wrong.push(format!("{} is at {fill:.3} of its target without a verdict", shard.id));
        }
    }
    let min = story.policy.bounds.min() as usize;
    let may_merge = story.policy.scale_down.select_policy != SelectPolicy::Disabled
        && !budget_binds
        && open.len() > min
        && story.policy.consumers.is_empty()
        && story.calm.consumers.is_empty();
    let keep = 1.0 - f64::from(story.policy.tolerance_millionths) / 1e6;
    for pair in open.windows(2).filter(|_| may_merge) {
        let both = fill(pair[0].offered_bytes_per_second + pair[1].offered_bytes_per_second);
        if both < keep * 0.96 {
            wrong.push(format!("{} and {} together are at {both:.3} of the target", pair[0].id, pair[1].id));
        }
    }
    for wrong in wrong {
        world.book().broken(format!("{now}: {wrong}; {:?}", plan.holds));
    }
}

/// One instance of the product at work.
struct Actor {
    witness: Witness,
    observer: Observer,
    last_plan: Option<Plan>,
}

impl Actor {
    fn new(world: &Arc<World>, number: usize) -> Actor {
        let observer = match world.story.drive {
            Drive::Loop => Observer::gated(),
            Drive::Cron | Drive::CronThatWaits => Observer::one_shot(),
        };
        Actor { witness: Witness { world: Arc::clone(world), actor: number }, observer, last_plan: None }
    }

    async fn work_until(&mut self, until: Timestamp) {
        while self.witness.world.now() < until {
            self.pass().await;
            tokio::task::yield_now().await;
            self.witness.world.advance(self.witness.world.story.every);
        }
    }

    fn policy(&self) -> ScalingPolicy {
        let mut policy = self.witness.world.story.policy.clone();
        policy.suspend = self.witness.world.due().suspend;
        self.witness.world.book().suspended = policy.suspend;
        policy
    }

    async fn pass(&mut self) {
        match self.witness.world.story.drive {
            Drive::Loop => self.loop_pass().await,
            Drive::Cron => self.cron_pass(None).await,
            Drive::CronThatWaits => self.cron_pass(Some(Duration::from_secs(1_200))).await,
        }
    }

    /// What `reshard run` does until it rests.
    async fn loop_pass(&mut self) {
        let policy = self.policy();
        for _ in 0..STEPS_OF_A_PASS {
            let seen = match self.observer.observe(&self.witness, &policy).await {
                Ok(seen) => seen,
                Err(error) => return self.note(format!("cannot observe: {error}")),
            };
            if seen.level == MetricLevel::Stream {
                return;
            }
            let Some(plan) = self.decide(&seen.snapshot, &policy) else { return };
            self.last_plan = Some(plan.clone());
            if plan.steps().is_empty() {
                return;
            }
            match Executor::new(&self.witness, &policy).execute_step(&plan, 0).await {
                Ok(StepOutcome::Done { .. } | StepOutcome::AlreadyDone) => {}
                Ok(outcome) => return self.note(format!("{outcome}")),
                Err(error) => return self.failed(&error),
            }
        }
        self.broken("a pass that does not end".to_owned());
    }

    /// What `reshard apply` does.
    async fn cron_pass(&mut self, wait: Option<Duration>) {
        let policy = self.policy();
        let decide =
            |snapshot: &Snapshot, policy: &ScalingPolicy| self.decide(snapshot, policy).ok_or("vetoed");
        let executor = Executor::new(&self.witness, &policy);
        let report = executor.run_to_quiet(&mut Observer::gated(), decide, wait).await;
        match report.end {
            End::Quiet { plan } | End::WaitedEnough { plan, .. } => self.last_plan = Some(*plan),
            End::TooManySteps => self.broken("steps without an end".to_owned()),
            End::Failed { error, .. } => self.failed(&error),
            end => self.note(format!("{end}")),
        }
    }

    /// Decides, and decides again from the record.
    fn decide(&self, snapshot: &Snapshot, policy: &ScalingPolicy) -> Option<Plan> {
        let Decision { demand, plan } = decision::decide(snapshot, policy);
        let world = &self.witness.world;
        let at = snapshot.observed_at;
        world.book().decided(self.witness.actor, at, plan.steps().len(), &world.story);
        let reasons: Vec<_> = plan.holds.iter().map(Hold::reason).collect();
        let verdicts: Vec<_> = plan.verdicts.iter().map(Verdict::reason).collect();
        let (open, steps) = (plan.before.len(), plan.steps());
        let first = steps.first().map(ToString::to_string).unwrap_or_default();
        self.note(format!("{open} shards, {} steps {first} {reasons:?} {verdicts:?}", steps.len()));
        if let Err(veto) = checks::check(&plan, snapshot, policy, &demand) {
            self.broken(format!("vetoed: {veto}"));
            return None;
        }
        if !plan.steps().is_empty() || world.book().counts.decisions.is_multiple_of(16) {
            let record = serde_json::to_string(snapshot).unwrap();
            let again: Snapshot = serde_json::from_str(&record).unwrap();
            let replayed = decision::decide(&again, policy).plan;
            world.book().counts.replays += 1;
            if replayed != plan {
                self.broken("a recorded snapshot decides otherwise".to_owned());
            }
        }
        Some(plan)
    }

    /// Errors are the product's right under faults. These are not.
    fn failed(&self, error: &ExecuteError) {
        self.note(format!("failed: {error}"));
        let own_fault = matches!(
            error,
            ExecuteError::NoSuchStep { .. }
                | ExecuteError::BrokenPlan(_)
                | ExecuteError::PlanEdited { .. }
                | ExecuteError::OtherGeneration { .. }
        );
        if own_fault {
            self.broken(format!("failed by its own fault: {error}"));
        }
    }

    fn note(&self, what: String) {
        let world = &self.witness.world;
        let what = format!("[{}] {what}", self.witness.actor);
        world.book().note(world.now(), what);
    }

    fn broken(&self, what: String) {
        let world = &self.witness.world;
        let now = world.now();
        world.book().broken(format!("{now}: {what}"));
    }
}
