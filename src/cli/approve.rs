//! `reshard approve`: lets exactly the plan that was shown be carried out.

use std::io;

use anyhow::bail;
use clap::Args;
use jiff::Timestamp;

use super::outcome::Outcome;
use super::output::Output;
use super::selection::Named;
use super::status::can_ask;
use crate::operator::cluster;
use crate::operator::object::APPROVE;
use crate::operator::status::PlanStatus;
use crate::units::duration;

/// Approve the plan of a resource of the cluster that waits for it, after a look at it
#[derive(Debug, Args)]
#[command(after_help = "\
The plan is shown, and asked about on a terminal. An approval binds to the plan's hash: that plan is \
carried out whole, or refused with the reason, and no other. Elsewhere than on a terminal give --yes, \
or with --hash the plan that somebody has looked at. Exit codes: 0 approved, 1 not.")]
pub(super) struct ApproveArgs {
    #[command(flatten)]
    resource: Named,
    /// Approve this plan and no other, without being asked
    #[arg(long, value_name = "HASH")]
    hash: Option<String>,
    /// Approve the plan that is shown without being asked
    #[arg(short, long)]
    yes: bool,
}

pub(super) async fn run(arguments: &ApproveArgs, output: &Output) -> anyhow::Result<Outcome> {
    let (cluster, object) = arguments.resource.find().await?;
    let (key, now) = (object.key(), Timestamp::now());
    let named = object.annotation(APPROVE).filter(|_| cluster::is_approved(&object, now));
    if let Some(hash) = named.filter(|named| arguments.hash.as_deref().is_none_or(|hash| hash == *named)) {
        output.result(&format!("{key}: the plan {hash} is approved already\n"))?;
        return Ok(Outcome::Done);
    }
    let plan = match cluster::waiting(&object, arguments.hash.as_deref(), now) {
        Ok(plan) => plan,
        Err(why) => bail!("{key}: {why}; reshard status {} shows more", arguments.resource.arguments(&key)),
    };
    output.result(&shown(&key.to_string(), &plan, now))?;
    if arguments.hash.is_none() && !arguments.yes {
        if !can_ask() {
            bail!("nobody can be asked here: give --hash {} or --yes", plan.hash);
        }
        if !asked(&plan, output)? {
            bail!("{key}: not approved");
        }
    }
    if let Err(why) = cluster.approve(&key, &plan.hash, Timestamp::now()).await? {
        bail!("{key}: {why}");
    }
    output.result(&format!("{key}: approved the plan {}\n", plan.hash))?;
    Ok(Outcome::Done)
}

/// The plan, as it is approved.
fn shown(key: &str, plan: &PlanStatus, now: Timestamp) -> String {
    let PlanStatus { hash, summary, steps, expires_at, message, .. } = plan;
    let mut text = format!("{key}: plan {hash}: {summary}\n");
    for (number, step) in (1..).zip(steps) {
        text.push_str(&format!("{number:>4}. {step}\n"));
    }
    if let Some(message) = message {
        text.push_str(&format!("{message}\n"));
    }
    let left = expires_at.and_then(|at| u64::try_from(at.duration_since(now).as_secs()).ok());
    if let Some(left) = left {
        text.push_str(&format!("It can be approved and begun for {} more.\n", duration(left)));
    }
    text
}

fn asked(plan: &PlanStatus, output: &Output) -> anyhow::Result<bool> {
    output.note(&format!("Approve the plan {}? Only yes approves it:", plan.hash));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer.trim() == "yes")
}
