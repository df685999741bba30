//! `reshard apply`: carries out what is planned now, or a plan that a person has looked at.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::aws::AwsFlags;
use super::decide;
use super::documents::{self, FiledPlan};
use super::narrator::Narrator;
use super::outcome::{self, Outcome};
use super::output::Output;
use super::selection::{Selected, Selection};
use super::signals::stop_on_signal;
use crate::aws::AwsControlPlane;
use crate::checks;
use crate::cost::Prices;
use crate::executor::{End, Event, Executor, RunReport, StopSignal};
use crate::observe::{self, Observer};
use crate::plan::{Evidence, Hold, Plan, PlanIdentity, RangeLoad};
use crate::policy::{Mode, ScalingPolicy};
use crate::quota::CONCURRENT_RESHARDS_PER_REGION;
use crate::report::count;
use crate::resource::DurationText;
use crate::snapshot::Snapshot;
use crate::stream::OpenShards;

/// Carry out what is planned, one step at a time, until no step may run
#[derive(Debug, Args)]
#[command(after_help = "\
Giving the file is consent: steps are taken though it says mode: DryRun. What it says of suspend, \
bounds and budgets holds. With mode: Approve the approved plan is wanted, by --plan, whatever \
approval.required says, and not older than approval.expireAfter.

Ctrl-C ends after the step in flight. Exit codes: 0 no step may run now, 1 an error, an \
interruption, or --timeout with a shard above its target.")]
pub(super) struct ApplyArgs {
    #[command(flatten)]
    selection: Selection,
    /// Carry out exactly this plan, as `plan -o json` or `-o yaml` printed it
    #[arg(long, value_name = "FILE", conflicts_with = "wait")]
    plan: Option<PathBuf>,
    /// Sit out what passes with time: metrics, stabilization, rates, lag
    #[arg(long)]
    wait: bool,
    /// How long to sit it out
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration, requires = "wait")]
    timeout: Duration,
    #[command(flatten)]
    aws: AwsFlags,
}

/// `90s`, `10m`, `1h30m`.
fn duration(text: &str) -> Result<Duration, String> {
    match DurationText(text.to_owned()).parse() {
        Some(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("a duration looks like 90s, 10m or 1h30m".to_owned()),
    }
}

/// A plan that a person gave.
#[derive(Debug, Clone, PartialEq)]
struct Approved {
    plan: Plan,
    /// When it was made, where its approval expires: in mode Approve.
    expires_from: Option<Timestamp>,
}

/// What one stream's task needs.
struct Job {
    stream: Selected,
    plan: Option<Approved>,
    aws: AwsFlags,
    wait: Option<Duration>,
    stop: StopSignal,
    output: Arc<Output>,
}

pub(super) async fn run(arguments: &ApplyArgs, output: &Arc<Output>) -> anyhow::Result<Outcome> {
    let selected = arguments.selection.read()?;
    let plans = arguments.plan.as_deref().map(documents::plans).transpose()?;
    let plans = match &plans {
        Some(plans) => selected.iter().map(|stream| approved(plans, &stream.policy).map(Some)).collect(),
        None => selected.iter().map(consented).collect::<Result<Vec<_>, _>>(),
    }?;
    let stop = stop_on_signal(output, "stopping after the step in flight; Ctrl-C again leaves at once");
    let at_once = Arc::new(Semaphore::new(CONCURRENT_RESHARDS_PER_REGION as usize));
    let mut tasks = JoinSet::new();
    for (stream, plan) in selected.into_iter().zip(plans) {
        let job = Job {
            stream,
            plan,
            aws: arguments.aws.clone(),
            wait: arguments.wait.then_some(arguments.timeout),
            stop: stop.clone(),
            output: Arc::clone(output),
        };
        let at_once = Arc::clone(&at_once);
        tasks.spawn(async move {
            let _turn = at_once.acquire_owned().await?;
            job.run().await
        });
    }
    let mut worst = Outcome::Done;
    while let Some(ended) = tasks.join_next().await {
        let ended = ended.map_err(anyhow::Error::from).and_then(|ended| ended);
        worst = worst.max(ended.unwrap_or_else(|error| outcome::failed(&error, output)));
    }
    Ok(worst)
}

/// The plan for the stream of `policy`.
fn approved(plans: &[FiledPlan], policy: &ScalingPolicy) -> anyhow::Result<Approved> {
    let arn = |filed: &FiledPlan| filed.plan.identity.stream_arn.clone();
    let is_it = |plan: &&FiledPlan| {
        let arn = arn(plan);
        documents::is_stream(&policy.stream, arn.rsplit('/').next().unwrap_or_default(), &arn)
    };
    let mut own = plans.iter().filter(is_it);
    match (own.next(), own.next()) {
        (Some(filed), None) => Approved::new(filed, policy),
        (Some(_), Some(_)) => {
            bail!("the plan file holds several plans for the stream {}", policy.stream.name)
        }
        (None, _) => {
            let arns: Vec<_> = plans.iter().map(arn).collect();
            bail!(
                "the plan file holds no plan for the stream {}, only for {}",
                policy.stream.name,
                arns.join(", ")
            )
        }
    }
}

impl Approved {
    /// In mode Approve the document has to say when the plan was made.
    fn new(filed: &FiledPlan, policy: &ScalingPolicy) -> anyhow::Result<Approved> {
        let FiledPlan { plan, observed_at } = filed.clone();
        match (policy.mode, observed_at) {
            (Mode::DryRun | Mode::Apply, _) => Ok(Approved { plan, expires_from: None }),
            (Mode::Approve, Some(_)) => Ok(Approved { plan, expires_from: observed_at }),
            (Mode::Approve, None) => bail!(
                "the plan {} for the stream {} does not say when it was made, and approval.expireAfter is {}: \
                 give the whole document that `reshard plan -o json` prints, with its observedAt",
                plan.hash,
                policy.stream.name,
                DurationText::from(policy.approval.expire_after)
            ),
        }
    }

    /// Whether the plan is too old for AWS's clock.
    fn expire(&self, policy: &ScalingPolicy, now: Timestamp) -> anyhow::Result<()> {
        let Some(made_at) = self.expires_from else { return Ok(()) };
        let expire_after = policy.approval.expire_after;
        if SignedDuration::try_from(expire_after).is_ok_and(|lasts| now.duration_since(made_at) > lasts) {
            bail!(
                "the plan {} was made at {made_at}; approval.expireAfter is {}: plan anew",
                self.plan.hash,
                DurationText::from(expire_after)
            );
        }
        Ok(())
    }
}

/// Without a plan file the manifest alone is consent, unless it asks for approval.
fn consented(stream: &Selected) -> anyhow::Result<Option<Approved>> {
    if stream.policy.mode == Mode::Approve {
        let file = stream.file.display();
        bail!(
            "{file}: spec.mode is Approve: give the approved plan: reshard plan -f {file} -o json > plan.json, then --plan plan.json"
        );
    }
    Ok(None)
}

impl Job {
    async fn run(self) -> anyhow::Result<Outcome> {
        let policy = &self.stream.policy;
        let name = &policy.stream.name;
        let plane = self.aws.connect(policy).await?;
        let narrator = Narrator::new(name, &self.output);
        let tell = |event: &Event<'_>| narrator.tell(event);
        let executor = Executor::new(&plane, policy).with_stop(self.stop.clone()).with_progress(&tell);
        let report = match &self.plan {
            Some(approved) => {
                self.admit(approved, &plane, &narrator).await.context(name.clone())?;
                executor.execute_approved(&approved.plan).await
            }
            None => {
                let decide = |snapshot: &Snapshot, policy: &ScalingPolicy| {
                    let decision = decide::decide(snapshot, policy)?;
                    narrator.plan(&decide::report(snapshot, policy, &decision, &Prices::default()));
                    anyhow::Ok(decision.plan)
                };
                executor.run_to_quiet(&mut Observer::one_shot(), decide, self.wait).await
            }
        };
        self.conclude(&report, &narrator)
    }

    /// Whether what is left of an approved plan may still be carried out: the checks look at its
    /// steps, on the stream as it is now.
    async fn admit(
        &self,
        approved: &Approved,
        plane: &AwsControlPlane,
        narrator: &Narrator,
    ) -> anyhow::Result<()> {
        let plan = &approved.plan;
        let policy = &self.stream.policy;
        if policy.suspend {
            bail!("{}", Hold::Suspended);
        }
        let snapshot = observe::observe(plane, policy).await?.snapshot;
        approved.expire(policy, snapshot.observed_at)?;
        let decision = decide::decide(&snapshot, policy)?;
        narrator.plan(&decide::report(
            &snapshot,
            policy,
            &decide::Decision { plan: plan.clone(), ..decision.clone() },
            &Prices::default(),
        ));
        // A plan that does not fit the shards is refused by the executor, which says where.
        let Some(left) = left_of(plan, &snapshot) else { return Ok(()) };
        checks::check_steps(&left, &snapshot, policy, &decision.demand).map_err(|violations| {
            let told = match violations.as_slice() {
                [one] => one.to_string(),
                [first, more @ ..] => format!("{first} (and {} more)", more.len()),
                [] => violations.to_string(),
            };
            anyhow!("the plan {} may not be carried out any more: {told}; plan anew", plan.hash)
        })
    }

    fn conclude(&self, report: &RunReport, narrator: &Narrator) -> anyhow::Result<Outcome> {
        let steps = match report.done.len() {
            0 => "no step was taken".to_owned(),
            done => format!("{} done", count(done, "step")),
        };
        match &report.end {
            End::PlanDone => {
                narrator.say(&format!("{steps}; {}", report.end));
                Ok(Outcome::Done)
            }
            End::Quiet { plan } => {
                narrator.say(&format!("{steps}; {}", report.end));
                tell_verdicts(plan, narrator);
                Ok(Outcome::Done)
            }
            End::WaitedEnough { plan, .. } => {
                narrator.say(&format!("{steps}; {}", report.end));
                tell_verdicts(plan, narrator);
                Ok(if is_hot(plan, &self.stream.policy) { Outcome::Failed } else { Outcome::Done })
            }
            End::Stopped => {
                narrator.say(&format!("{steps}; {}", report.end));
                Ok(Outcome::Failed)
            }
            End::CannotObserve(_)
            | End::Vetoed(_)
            | End::Failed { .. }
            | End::NoProgress { .. }
            | End::TooManySteps => {
                Err(anyhow!("{}: {} ({steps})", self.stream.policy.stream.name, report.end))
            }
        }
    }
}

/// Says what no step can cure: what is left to a person.
fn tell_verdicts(plan: &Plan, narrator: &Narrator) {
    for verdict in &plan.verdicts {
        narrator.say(&format!("{}: {verdict}; {}", verdict.reason(), verdict.advice()));
    }
}

/// Whether a shard lies above its target, or may.
fn is_hot(plan: &Plan, policy: &ScalingPolicy) -> bool {
    let within =
        |shard: &RangeLoad| shard.evidence != Evidence::Unknown && shard.loads.within(policy.trigger());
    !plan.before.iter().all(within)
}

/// The steps that the stream does not show yet; `None` where the plan does not fit it, or is
/// another stream's.
fn left_of(plan: &Plan, snapshot: &Snapshot) -> Option<PlanIdentity> {
    let (planned, found) = (&plan.identity, &snapshot.summary);
    if (&planned.stream_arn, planned.stream_created_at) != (&found.arn, found.created_at) {
        return None;
    }
    let open: Vec<_> = OpenShards::tile(&snapshot.shards).ok()?.ranges().collect();
    (0..=plan.steps().len()).find_map(|count| {
        let start = plan.projected_ranges(count).ok().filter(|ranges| *ranges == open)?;
        let steps = plan.steps().get(count..)?.to_vec();
        Some(PlanIdentity { start, steps, ..plan.identity.clone() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::fixtures;

    #[test]
    fn durations_are_written_as_in_manifests() {
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5_400)));
        for text in ["", "0s", "1 h", "60", "-1s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_shard_above_target_or_unknown_is_not_what_was_waited_for() {
        let calm = fixtures::even(4, 100_000);
        assert!(!is_hot(&calm.plan, &calm.policy));
        assert!(is_hot(&fixtures::one_hot_shard().plan, &calm.policy));
        let mut unknown = calm.plan.clone();
        unknown.before[3].evidence = Evidence::Unknown;
        assert!(is_hot(&unknown, &calm.policy));
    }

    #[test]
    fn of_a_plan_that_is_half_done_the_rest_is_left() {
        let mut sample = fixtures::one_hot_shard();
        fixtures::merge(&mut sample, 0);
        let left = left_of(&sample.plan, &sample.snapshot).expect("it fits");
        assert_eq!(left, sample.plan.identity);
        let ranges = sample.plan.projected_ranges(1).expect("steps fit");
        let template = sample.snapshot.shards[0].clone();
        sample.snapshot.shards =
            ranges.iter().map(|range| crate::stream::Shard { range: *range, ..template.clone() }).collect();
        let left = left_of(&sample.plan, &sample.snapshot).expect("it fits");
        assert_eq!((left.start, left.steps.as_slice()), (ranges, &sample.plan.steps()[1..]));
        sample.snapshot.shards.pop();
        assert_eq!(left_of(&sample.plan, &sample.snapshot), None);
    }

    #[test]
    fn the_plan_of_a_file_is_found_by_its_stream() {
        let sample = fixtures::one_hot_shard();
        let plans = [FiledPlan { plan: sample.plan.clone(), observed_at: None }];
        assert_eq!(approved(&plans, &sample.policy).expect("one plan").plan, sample.plan);
        let twice = [plans[0].clone(), plans[0].clone()];
        assert!(approved(&twice, &sample.policy).is_err());
        let other = ScalingPolicy::for_stream("clicks", 8);
        let told = approved(&plans, &other).expect_err("another stream").to_string();
        assert!(told.contains("no plan for the stream clicks, only for arn:aws:kinesis"), "{told}");
    }

    #[test]
    fn in_mode_approve_a_plan_expires_and_one_without_a_time_is_refused() {
        let sample = fixtures::one_hot_shard();
        let made_at = sample.snapshot.observed_at;
        let filed = |observed_at| [FiledPlan { plan: sample.plan.clone(), observed_at }];
        let mut policy = sample.policy.clone();
        policy.approval.expire_after = Duration::from_secs(4 * 3_600);
        let last = made_at + SignedDuration::from_hours(4);
        let late = last + SignedDuration::from_secs(1);

        for mode in [Mode::DryRun, Mode::Apply] {
            policy.mode = mode;
            for observed_at in [None, Some(made_at)] {
                let plan = approved(&filed(observed_at), &policy).expect("no approval is asked for");
                plan.expire(&policy, late).expect("no approval is asked for");
            }
        }
        policy.mode = Mode::Approve;
        let plan = approved(&filed(Some(made_at)), &policy).expect("it has a time");
        plan.expire(&policy, last).expect("not yet expired");
        let told = plan.expire(&policy, late).expect_err("expired").to_string();
        let expected = "was made at 2026-11-22T04:17:31Z; approval.expireAfter is 4h: plan anew";
        assert!(told.ends_with(expected), "{told}");
        let told = approved(&filed(None), &policy).expect_err("without a time").to_string();
        assert!(told.contains("does not say when it was made") && told.contains("observedAt"), "{told}");
    }
}
