//! `reshard inspect`: a stream without any resource: how it is used, where the heat is, and what a
//! policy that fits would do. Nothing is changed.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;

use super::aws::AwsFlags;
use super::outcome::Outcome;
use super::output::Output;
use super::{decide, documents};
use crate::advice::{PAST_DAYS, Past, suggest};
use crate::observe;
use crate::policy::ScalingPolicy;
use crate::quota::MAX_SHARDS;
use crate::report::{inspection, suggested_manifest};
use crate::resource::{KinesisStreamAutoscaler, StreamReference};
use crate::stream::in_its_region;

/// Look at a stream that has no resource: how it is used, and a policy that fits; change nothing
#[derive(Debug, Args)]
#[command(after_help = "\
It needs what plan needs: kinesis:DescribeStreamSummary, kinesis:ListShards, cloudwatch:GetMetricData.

  reshard inspect orders --region eu-west-1 --suggest > orders.yaml
  reshard plan -f orders.yaml")]
pub(super) struct InspectArgs {
    /// The stream, by name or by ARN
    #[arg(value_name = "STREAM")]
    stream: String,
    /// Print a manifest with bounds and targets from the stream's past, each with why
    #[arg(long)]
    suggest: bool,
    /// Prices as YAML or JSON, as for plan
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    #[command(flatten)]
    aws: AwsFlags,
}

pub(super) async fn run(arguments: &InspectArgs, output: &Output) -> anyhow::Result<Outcome> {
    let prices = documents::prices(arguments.prices.as_deref())?;
    let by_arn = arguments.stream.starts_with("arn:");
    let policy = policy(&arguments.stream, by_arn)?;
    let (snapshot, past) = {
        let _spinner = output.spinner(format!("looking at {}", policy.stream.name));
        let plane = arguments.aws.connect_to(&policy).await?;
        let stream = || format!("stream {} in {}", policy.stream.name, plane.region());
        let snapshot = observe::observe(&plane, &policy).await.with_context(stream)?.snapshot;
        if let Err(told) = in_its_region(plane.region(), &snapshot.summary.arn) {
            output.note(&format!("warning: {told}"));
        }
        let writes = observe::writes_of_days(&plane, &snapshot, PAST_DAYS).await.with_context(stream)?;
        let past = Past::read(writes.iter().map(|(period, metrics)| (period.minutes(), metrics)));
        (snapshot, past)
    };
    let open_shards = u32::try_from(snapshot.summary.open_shard_count).unwrap_or(u32::MAX);
    let suggestion = suggest(past.as_ref(), open_shards, &policy);
    let policy = suggestion.applied_to(policy);
    let decision = decide::decide(&snapshot, &policy).context(policy.stream.name.clone())?;
    let report = decide::report(&snapshot, &policy, &decision, &prices);
    let usage = past.as_ref().map(Past::usage).unwrap_or_default();
    output.result(&match arguments.suggest {
        true => suggested_manifest(&report, &usage, &suggestion, by_arn, output.style().width),
        false => {
            let text = inspection(&report, &usage, &suggestion, output.style());
            format!("{text}For a manifest of this policy: add --suggest\n")
        }
    })?;
    Ok(Outcome::Done)
}

/// The defaults for a stream that is named as it would be in a manifest.
fn policy(stream: &str, by_arn: bool) -> anyhow::Result<ScalingPolicy> {
    let mut resource = KinesisStreamAutoscaler::new("inspect", stream, MAX_SHARDS);
    if by_arn {
        let arn = Some(stream.to_owned());
        resource.spec.stream_ref = StreamReference { name: None, arn, region: None };
    }
    match resource.to_policy() {
        Ok(policy) => Ok(policy),
        Err(faults) => {
            bail!(faults.iter().map(|fault| fault.message.as_str()).collect::<Vec<_>>().join("; "))
        }
    }
}
