//! `reshard plan`: what would be done, why, and what it costs. Nothing is changed.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;

use super::aws::AwsFlags;
use super::decide;
use super::documents;
use super::outcome::{self, Outcome};
use super::output::Output;
use super::selection::{Origin, Selected, Selection, Selections};
use crate::cost::Prices;
use crate::manifest;
use crate::observe;
use crate::policy::{Mode, ScalingPolicy};
use crate::report::{Report, html, markdown, table};
use crate::snapshot::Snapshot;
use crate::stream::in_its_region;

/// Show what would be done, why, and what it costs; change nothing
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes: 0 shown (with --detailed-exitcode: and there is nothing to do), 1 an error, \
2 steps are planned (with --detailed-exitcode only).

-o json and -o yaml print one document for each stream, one after another; its field plan is what \
apply --plan takes:

  reshard plan -f orders.yaml -o json > plan.json
  reshard apply -f orders.yaml --plan plan.json")]
pub(super) struct PlanArgs {
    #[command(flatten)]
    selection: Selection,
    /// How the plan is shown
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
    /// Exit with 2 where steps are planned
    #[arg(long)]
    detailed_exitcode: bool,
    /// Keep what the decision saw, so that --snapshot can decide again
    #[arg(long, value_name = "FILE", conflicts_with = "snapshot")]
    record: Option<PathBuf>,
    /// Decide from what --record kept, without AWS
    #[arg(long, value_name = "FILE")]
    snapshot: Option<PathBuf>,
    /// Prices as YAML or JSON, such as shardHour: 0.0176; what it leaves out stays us-east-1's
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    #[command(flatten)]
    aws: AwsFlags,
}

/// How a plan is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people at a terminal
    Table,
    /// For programs
    Json,
    /// For programs
    Yaml,
    /// For a pull request or a chat
    Markdown,
    /// For a browser: one file, whatever the number of streams
    Html,
}

pub(super) async fn run(arguments: &PlanArgs, output: &Output) -> anyhow::Result<Outcome> {
    let prices = documents::prices(arguments.prices.as_deref())?;
    let Selections { selected, faults, cluster: _ } = arguments.selection.read().await?;
    let recorded = arguments.snapshot.as_deref().map(documents::snapshots).transpose()?;
    let (mut snapshots, mut pages, mut worst) = (Vec::new(), Vec::new(), outcome::told(&faults, output));
    for stream in &selected {
        let seen = match &recorded {
            Some(recorded) => find(recorded, &stream.policy),
            None => look(&arguments.aws, stream, output).await,
        };
        let decided = seen.and_then(|snapshot| {
            let report = decided(&snapshot, &stream.policy, &prices)?;
            Ok((snapshot, report))
        });
        let outcome = match decided {
            Ok((snapshot, report)) => {
                output.result(&show(arguments, stream, &report, output, !snapshots.is_empty())?)?;
                snapshots.push(snapshot);
                let outcome = match arguments.detailed_exitcode && !report.plan.steps().is_empty() {
                    true => Outcome::StepsPlanned,
                    false => Outcome::Done,
                };
                pages.push(report);
                outcome
            }
            Err(error) => outcome::failed(&error, output),
        };
        worst = worst.max(outcome);
    }
    if arguments.output == Format::Html && !pages.is_empty() {
        output.result(&html(&pages))?;
    }
    if let Some(path) = arguments.record.as_ref().filter(|_| !snapshots.is_empty()) {
        documents::record(path, &snapshots)?;
    }
    Ok(worst)
}

fn decided(snapshot: &Snapshot, policy: &ScalingPolicy, prices: &Prices) -> anyhow::Result<Report> {
    let decision = decide::decide(snapshot, policy).context(policy.stream.name.clone())?;
    Ok(decide::report(snapshot, policy, &decision, prices))
}

async fn look(aws: &AwsFlags, stream: &Selected, output: &Output) -> anyhow::Result<Snapshot> {
    let policy = &stream.policy;
    let _spinner = output.spinner(format!("looking at {}", policy.stream.name));
    let plane = aws.connect(stream).await?;
    let observation = observe::observe(&plane, policy).await.with_context(|| {
        format!("{}: stream {} in {}", stream.origin.called(), policy.stream.name, plane.region())
    })?;
    if let Err(told) = in_its_region(plane.region(), &observation.snapshot.summary.arn) {
        output.note(&format!("warning: {told}"));
    }
    tracing::debug!(metrics = observation.metrics_requested, stream = policy.stream.name, "observed");
    Ok(observation.snapshot)
}

fn find(recorded: &[Snapshot], policy: &ScalingPolicy) -> anyhow::Result<Snapshot> {
    let is_it = |snapshot: &&Snapshot| {
        documents::is_stream(&policy.stream, &snapshot.summary.name, &snapshot.summary.arn)
    };
    match recorded.iter().find(is_it) {
        Some(snapshot) => Ok(snapshot.clone()),
        None => {
            let names: Vec<_> = recorded.iter().map(|snapshot| snapshot.summary.arn.as_str()).collect();
            bail!(
                "no snapshot of the stream {} was recorded, only of {}",
                policy.stream.name,
                names.join(", ")
            )
        }
    }
}

fn show(
    arguments: &PlanArgs,
    stream: &Selected,
    report: &Report,
    output: &Output,
    follows: bool,
) -> anyhow::Result<String> {
    let separated = |text: String| if follows { format!("\n{text}") } else { text };
    Ok(match arguments.output {
        Format::Json => documents::to_json(report)?,
        Format::Yaml => format!("---\n{}", manifest::to_yaml(report)?),
        Format::Markdown => separated(markdown(report)),
        // All streams are one page, written once all are known.
        Format::Html => String::new(),
        Format::Table => {
            separated(format!("{}{}", table(report, output.style()), hint(stream, report, &arguments.aws)))
        }
    })
}

/// How to go on, where there is anything to do.
fn hint(stream: &Selected, report: &Report, aws: &AwsFlags) -> String {
    let (stream, mode, aws) = (&stream.origin, stream.policy.mode, aws.as_given());
    let given = stream.arguments();
    match (report.plan.steps(), mode, stream) {
        ([], ..) => String::new(),
        (_, Mode::Approve, _) => format!(
            "To approve it: reshard plan {given}{aws} -o json > plan.json && reshard apply {given}{aws} --plan plan.json\n"
        ),
        (_, Mode::DryRun, Origin::Cluster { .. }) => {
            "It is not carried out: spec.mode is DryRun. Set it to Approve or Apply\n".to_owned()
        }
        (_, Mode::DryRun | Mode::Apply, _) => format!("To carry it out: reshard apply {given}{aws}\n"),
    }
}
