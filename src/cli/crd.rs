//! `reshard crd`: the custom resource definition, to be installed in a cluster.

use clap::Args;

use super::outcome::Outcome;
use super::output::Output;
use crate::{manifest, operator};

/// Print the custom resource definition
#[derive(Debug, Args)]
#[command(after_help = "To install it: reshard crd | kubectl apply --server-side -f -")]
pub(super) struct CrdArgs {}

pub(super) fn run(_: &CrdArgs, output: &Output) -> anyhow::Result<Outcome> {
    output.result(&manifest::to_yaml(&operator::crd::definition()?)?)?;
    Ok(Outcome::Done)
}
