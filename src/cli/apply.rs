//! `reshard apply`: carries out what is planned now, or a plan that a person has looked at.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use tokio::task::JoinSet;

use super::approved::Approved;
use super::aws::AwsFlags;
use super::decide;
use super::documents;
use super::heed::{Heed, Heeded};
use super::narrator::Narrator;
use super::outcome::{self, Outcome};
use super::output::Output;
use super::selection::{Origin, Selected, Selection, Selections};
use super::signals::stop_on_signal;
use super::standing::{Judged, Standing};
use crate::aws::AwsControlPlane;
use crate::cost::Prices;
use crate::executor::{End, Event, Executor, RunReport, StopSignal};
use crate::observe::{self, Observer};
use crate::operator::cluster::{Cluster, LeaseName};
use crate::plan::{Hold, Plan};
use crate::policy::{Mode, ScalingPolicy};
use crate::report::count;
use crate::resource::DurationText;
use crate::snapshot::Snapshot;
use crate::stream::in_its_region;
use crate::turns::{Turns, urgency_of};

/// Carry out what is planned, one step at a time, until no step may run
#[derive(Debug, Args)]
#[command(after_help = "\
Giving the file is consent: steps are taken though it says mode: DryRun; a resource of the cluster \
is obeyed. What either says of suspend, bounds and budgets holds. With mode: Approve a file wants the \
approved plan, by --plan, whatever approval.required says, and not older than approval.expireAfter by the \
observedAt in its file; of a resource of the cluster, the plan that the annotation reshard.dev/approve \
names is carried out, as the operator would.

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
    lease: LeaseFlags,
    #[command(flatten)]
    aws: AwsFlags,
}

/// Which operator would act on the same resources.
#[derive(Debug, Args)]
#[command(next_help_heading = "Cluster")]
struct LeaseFlags {
    /// Where the operator is whose Lease is looked at: while it is held, nothing is done here
    #[arg(long, value_name = "NAMESPACE", default_value = "reshard")]
    lease_namespace: String,
    /// Its name; that of an operator with a --selector is in its log
    #[arg(long, value_name = "NAME", default_value = "reshard")]
    lease_name: String,
}

impl LeaseFlags {
    fn lease(&self) -> LeaseName {
        LeaseName { namespace: self.lease_namespace.clone(), name: self.lease_name.clone() }
    }

    /// Two that act on one stream undo each other's work: where an operator is at it, it goes first.
    async fn stand_back(&self, cluster: &Cluster) -> anyhow::Result<()> {
        match cluster.operator(&self.lease()).await? {
            None => Ok(()),
            Some(holder) => bail!(
                "the operator {holder} holds the Lease {}/{} and acts on the cluster's resources: reshard status \
                 shows what it does",
                self.lease_namespace,
                self.lease_name
            ),
        }
    }
}

/// `90s`, `10m`, `1h30m`.
fn duration(text: &str) -> Result<Duration, String> {
    match DurationText(text.to_owned()).parse() {
        Some(duration) if !duration.is_zero() => Ok(duration),
        Some(_) => Err("it must be above 0, such as 90s, 10m or 1h30m".to_owned()),
        None => Err("a duration looks like 90s, 10m or 1h30m".to_owned()),
    }
}

/// What one stream's task needs.
struct Job {
    stream: Selected,
    plan: Option<Approved>,
    heeded: Option<Heeded>,
    aws: AwsFlags,
    wait: Option<Duration>,
    stop: StopSignal,
    turns: Turns,
    output: Arc<Output>,
}

pub(super) async fn run(arguments: &ApplyArgs, output: &Arc<Output>) -> anyhow::Result<Outcome> {
    let Selections { mut selected, faults, cluster } = arguments.selection.read().await?;
    let mut worst = outcome::told(&faults, output);
    selected.retain(|stream| allowed(stream, output));
    if let Some(cluster) = cluster.as_ref().filter(|_| !selected.is_empty()) {
        arguments.lease.stand_back(cluster).await?;
    }
    let plans = arguments.plan.as_deref().map(documents::plans).transpose()?;
    let plan_of = |stream: &Selected| match &plans {
        Some(plans) => Approved::find(plans, &stream.policy).map(Some),
        None => consented(stream),
    };
    let mut jobs = Vec::new();
    for stream in selected {
        match plan_of(&stream) {
            Ok(plan) => jobs.push((stream, plan)),
            // Of files, nothing is touched where one is wrong.
            Err(error) if matches!(stream.origin, Origin::File(_)) => return Err(error),
            Err(error) => worst = worst.max(outcome::failed(&error, output)),
        }
    }
    let stop = stop_on_signal(output, "stopping after the step in flight; Ctrl-C again leaves at once");
    let turns = Turns::default();
    let mut tasks = JoinSet::new();
    for (stream, plan) in jobs {
        let heeded = |cluster: Cluster| {
            let Origin::Cluster { key, .. } = &stream.origin else { return None };
            let (lease, key) = (arguments.lease.lease(), key.clone());
            Some(Heeded { cluster, lease, key, standing: stream.standing.clone()? })
        };
        let job = Job {
            heeded: cluster.clone().and_then(heeded),
            stream,
            plan,
            aws: arguments.aws.clone(),
            wait: arguments.wait.then_some(arguments.timeout),
            stop: stop.clone(),
            turns: turns.clone(),
            output: Arc::clone(output),
        };
        tasks.spawn(job.run());
    }
    while let Some(ended) = tasks.join_next().await {
        let ended = ended.map_err(anyhow::Error::from).and_then(|ended| ended);
        worst = worst.max(ended.unwrap_or_else(|error| outcome::failed(&error, output)));
    }
    Ok(worst)
}

/// Whether anything may be done at all. A file is consent; a resource of the cluster stands there for
/// the operator too, and says itself what may be done.
fn allowed(stream: &Selected, output: &Output) -> bool {
    let shown_only = matches!(stream.origin, Origin::Cluster { .. }) && stream.policy.mode == Mode::DryRun;
    if shown_only {
        let place = stream.origin.called();
        output.note(&format!("{place}: spec.mode is DryRun: nothing is carried out"));
    }
    !shown_only
}

/// Without a plan file the manifest alone is consent, unless it asks for approval. That of a resource
/// stands beside it.
fn consented(stream: &Selected) -> anyhow::Result<Option<Approved>> {
    if stream.policy.mode == Mode::Approve && stream.standing.is_none() {
        let (place, given) = (stream.origin.called(), stream.origin.arguments());
        bail!(
            "{place}: spec.mode is Approve: give the approved plan: reshard plan {given} -o json > plan.json, then --plan plan.json"
        );
    }
    Ok(None)
}

impl Job {
    async fn run(self) -> anyhow::Result<Outcome> {
        let policy = &self.stream.policy;
        let name = &policy.stream.name;
        let plane = self.aws.connect(&self.stream).await?;
        let narrator = Narrator::new(name, &self.output);
        let tell = |event: &Event<'_>| narrator.tell(event);
        let heed = Heed::begin(self.heeded.clone(), self.stop.clone());
        let executor = Executor::new(&plane, policy)
            .with_stop(heed.stop())
            .with_turns(self.turns.clone())
            .with_progress(&tell);
        let standing =
            self.stream.standing.as_ref().filter(|_| policy.mode == Mode::Approve).map(Standing::begin);
        let report = match &self.plan {
            Some(approved) => {
                let seen = self.admit(approved, &plane, &narrator).await.context(name.clone())?;
                executor.execute_approved(&approved.plan, urgency_of(&seen, policy)).await
            }
            None => {
                let decide = |snapshot: &Snapshot, policy: &ScalingPolicy| {
                    in_its_region(plane.region(), &snapshot.summary.arn)?;
                    let mut decision = decide::decide(snapshot, policy)?;
                    let report =
                        |decision: &_| decide::report(snapshot, policy, decision, &Prices::default());
                    if let Some(standing) = &standing {
                        let summary = report(&decision).summary;
                        decision.plan = standing.next(snapshot, policy, &decision, &summary);
                    }
                    narrator.plan(&report(&decision));
                    anyhow::Ok(decision.plan)
                };
                executor.run_to_quiet(&mut Observer::gated(), decide, self.wait).await
            }
        };
        let told = standing.as_ref().map(Judged::told).unwrap_or_default();
        self.conclude(&report, told, heed.why(), &narrator)
    }

    /// The stream as it is now, if what is left of an approved plan may still be carried out.
    async fn admit(
        &self,
        approved: &Approved,
        plane: &AwsControlPlane,
        narrator: &Narrator,
    ) -> anyhow::Result<Snapshot> {
        let plan = &approved.plan;
        let policy = &self.stream.policy;
        if policy.suspend {
            bail!("{}", Hold::Suspended);
        }
        let snapshot = observe::observe(plane, policy).await?.snapshot;
        in_its_region(plane.region(), &snapshot.summary.arn)?;
        approved.expire(policy, &snapshot)?;
        let mut decision = decide::decide(&snapshot, policy)?;
        // The loads that the plan tells of are those of its own time.
        decision.demand.summary.rise_per_mille = 0;
        narrator.plan(&decide::report(
            &snapshot,
            policy,
            &decide::Decision { plan: plan.clone(), ..decision.clone() },
            &Prices::default(),
        ));
        approved.admit(&snapshot, policy, &decision.demand)?;
        Ok(snapshot)
    }

    /// Says how it ended; `told` is of the plan that stands in the cluster, `stopped` what has happened to the
    /// resource there.
    fn conclude(
        &self,
        report: &RunReport,
        mut told: Vec<String>,
        stopped: Option<&str>,
        narrator: &Narrator,
    ) -> anyhow::Result<Outcome> {
        let steps = match report.done.len() {
            0 => "no step was taken".to_owned(),
            done => format!("{} done", count(done, "step")),
        };
        match &report.end {
            End::PlanDone | End::Calm => {
                narrator.say(&format!("{steps}; {}", report.end));
                Ok(Outcome::Done)
            }
            End::Quiet { plan } => {
                if told.is_empty() || !plan.holds.is_empty() {
                    told.push(report.end.to_string());
                }
                narrator.say(&format!("{steps}; {}", told.join("; ")));
                tell_verdicts(plan, narrator);
                Ok(Outcome::Done)
            }
            End::WaitedEnough { plan, .. } => {
                narrator.say(&format!("{steps}; {}", report.end));
                tell_verdicts(plan, narrator);
                Ok(match plan.is_hot() {
                    true => Outcome::Failed,
                    false => Outcome::Done,
                })
            }
            End::Stopped => {
                let why = stopped.map(|why| format!(": {why}")).unwrap_or_default();
                narrator.say(&format!("{steps}; {}{why}", report.end));
                Ok(Outcome::Failed)
            }
            End::CannotObserve(_)
            | End::Vetoed(_)
            | End::Failed { .. }
            | End::NoProgress { .. }
            | End::TooManySteps => {
                let (origin, name) = (self.stream.origin.called(), &self.stream.policy.stream.name);
                Err(anyhow!("{origin}: stream {name}: {} ({steps})", report.end))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_in_manifests() {
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5_400)));
        for text in ["", "0s", "1 h", "60", "-1s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
