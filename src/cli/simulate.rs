//! `reshard simulate`: what a policy is worth on a trace, in virtual time, beside its peers and the
//! optimum.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Arg, Args, ValueEnum};
use jiff::SignedDuration;
use serde::Serialize;

use self::picture::Picture;
use super::documents;
use super::outcome::Outcome;
use super::output::Output;
use crate::manifest::{self, Manifest};
use crate::policy::{ScalingPolicy, ScalingRules};
use crate::quota::MAX_SHARDS;
use crate::resource::KinesisStreamAutoscaler;
use crate::simulate::contest::{Contest, Contestant, Options};
use crate::simulate::fluid::StreamOptions;
use crate::simulate::load::LoadOptions;
use crate::simulate::score::{Mean, Optimum, Score, means};
use crate::simulate::table;
use crate::simulate::trace::{Scale, Span, Trace};
use crate::units::duration;

mod given;
mod picture;

/// What the defaults are called.
const DEFAULTS: &str = "reshard, defaults";

/// Merges go by the highest load of so long, where the policy goes by less, …
const CALM_WINDOW: Duration = Duration::from_secs(8 * 3_600);
/// … and leave so much of the target free: by `docs/scorecard.md` a hundred steps a day in the mean of the traces.
const CALM_TOLERANCE_MILLIONTHS: u32 = 200_000;

/// Play a trace against a policy in virtual time, and against its peers with --compare
#[derive(Debug, Args)]
#[command(
    mut_args(told_what_is_negative),
    after_help = "\
The policy is the production one: it sees what CloudWatch would show, and nothing else. A trace is a CSV of \
`epoch_seconds,value`, or of `epoch_seconds,one,two,…` with a column a tenant, whose keys are their own. Two runs \
with the same arguments give the same output."
)]
pub(super) struct SimulateArgs {
    /// The policy: a KinesisStreamAutoscaler manifest; without one, the defaults up to 200 shards
    #[arg(short = 'f', long = "filename", value_name = "FILE")]
    file: Option<PathBuf>,
    /// The load: a CSV, or a folder of them, each played by itself
    #[arg(long, value_name = "CSV", required = true)]
    trace: Vec<PathBuf>,
    /// Play the peers too, the defaults, and the policy with few steps (merges by the highest load of 8 h)
    #[arg(long)]
    compare: bool,
    /// Play our policy without each of its limits too: a perfect forecast, free boundaries, instant steps
    #[arg(long)]
    attribution: bool,
    /// How the scorecard is printed
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
    /// Draw load, shards, rejected traffic and steps to this file, .svg or .html
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    load: LoadFlags,
    #[command(flatten)]
    stream: StreamFlags,
    /// Prices: a YAML or JSON file
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// For programs
    Json,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Load")]
struct LoadFlags {
    /// What the trace's peak stands for, in shard-units: what one shard takes
    #[arg(long, value_name = "UNITS", default_value_t = 60.0, value_parser = units)]
    peak: f64,
    /// Which quantile of the trace is its peak, 0 to 1 [default: 0.999 where the largest value is more than half as
    /// much again, else 1]
    #[arg(long, value_name = "QUANTILE", value_parser = share)]
    peak_quantile: Option<f64>,
    /// Cut what lies above so many shard-units [default: thrice the peak]
    #[arg(long, value_name = "UNITS", value_parser = units)]
    clip: Option<f64>,
    /// Bytes of a record: under 1,000 records bind, else bytes
    #[arg(long, value_name = "BYTES", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    record_bytes: u32,
    /// Partition keys
    #[arg(long, value_name = "COUNT", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    keys: u32,
    /// Their Zipf skew: the k-th most frequent key weighs k^-skew
    #[arg(long, value_name = "SKEW", default_value_t = 0.6, value_parser = not_negative)]
    skew: f64,
    /// Partition keys of a tenant
    #[arg(long, value_name = "COUNT", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    keys_per_tenant: u32,
    /// Bursts shorter than a minute: the standard deviation of a tick's rate, as a share of its mean
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = not_negative)]
    noise: f64,
    /// Days of the trace that are left out at its beginning
    #[arg(long, value_name = "DAYS", default_value_t = 0.0, value_parser = not_negative)]
    offset: f64,
    /// Days that are played [default: all]
    #[arg(long, value_name = "DAYS", value_parser = positive)]
    days: Option<f64>,
    /// Where the keys fall, and the noise
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Stream")]
struct StreamFlags {
    /// Seconds that a split or merge takes, rounded up to whole ticks
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    step_seconds: u32,
    /// Seconds that an UpdateShardCount takes, rounded up to whole ticks
    #[arg(long, value_name = "SECONDS", default_value_t = 180, value_parser = clap::value_parser!(u32).range(1..=36_000))]
    update_seconds: u32,
    /// Seconds from the end of a minute until its metrics are public; reshard itself waits 120 for them
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u32).range(0..=3_600))]
    metric_delay: u32,
    /// The share of rejected records that is put again in the next tick, 0 to 1; R and rejected % count each attempt
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    retries: f64,
    /// Seconds of a tick of the simulation; a part of a minute
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = part_of_a_minute)]
    tick: u32,
}

/// A number below 0 is a wrong value of its option, and no option that nobody knows.
fn told_what_is_negative(argument: Arg) -> Arg {
    let takes_a_value = argument.get_action().takes_values();
    argument.allow_negative_numbers(takes_a_value)
}

fn number(text: &str, is_right: impl Fn(f64) -> bool, right: &str) -> Result<f64, String> {
    let value = text.parse::<f64>().ok().filter(|value| value.is_finite() && is_right(*value));
    value.ok_or_else(|| format!("{right} is right"))
}

fn positive(text: &str) -> Result<f64, String> {
    number(text, |value| value > 0.0, "a number above 0")
}

/// Shards are held one by one: as many as no account has.
fn units(text: &str) -> Result<f64, String> {
    number(text, |value| value > 0.0 && value <= 1_000.0, "a number above 0, 1000 at the most,")
}

fn not_negative(text: &str) -> Result<f64, String> {
    number(text, |value| value >= 0.0, "a number of 0 or more")
}

fn share(text: &str) -> Result<f64, String> {
    number(text, |value| (0.0..=1.0).contains(&value), "a number from 0 to 1")
}

fn part_of_a_minute(text: &str) -> Result<u32, String> {
    let seconds = text.parse::<u32>().ok().filter(|seconds| *seconds > 0 && 60 % seconds == 0);
    seconds.ok_or_else(|| {
        "a number of seconds that a minute is a multiple of, such as 1, 10, 30 or 60, is right".to_owned()
    })
}

impl SimulateArgs {
    fn options(&self) -> Options {
        let (load, stream) = (&self.load, &self.stream);
        Options {
            load: LoadOptions {
                tick_seconds: stream.tick,
                record_bytes: load.record_bytes,
                keys: load.keys,
                skew: load.skew,
                keys_per_tenant: load.keys_per_tenant,
                noise: load.noise,
                seed: load.seed,
            },
            stream: StreamOptions {
                step_seconds: stream.step_seconds,
                update_seconds: stream.update_seconds,
                retried_share: stream.retries,
                free_boundaries: false,
            },
            metric_delay: SignedDuration::from_secs(i64::from(stream.metric_delay)),
            jump_units: load.peak,
        }
    }

    fn read_trace(&self, path: &Path) -> anyhow::Result<Trace> {
        let load = &self.load;
        let text = documents::text(path)?;
        let scale = Scale { peak_units: load.peak, peak_quantile: load.peak_quantile, clip_units: load.clip };
        let span = Span { offset_days: load.offset, days: load.days };
        let trace = Trace::from_csv(&text).and_then(|trace| trace.scaled(span, scale));
        trace.with_context(|| path.display().to_string())
    }

    /// The resource to play; none where it is the defaults.
    fn given(&self) -> anyhow::Result<Option<Manifest>> {
        let Some(file) = &self.file else { return Ok(None) };
        match <[Manifest; 1]>::try_from(manifest::read(file)?) {
            Ok([manifest]) => Ok(Some(manifest)),
            Err(several) => {
                bail!("{}: holds {} resources: a simulation is of one", file.display(), several.len())
            }
        }
    }

    /// Who plays: the policy first.
    fn contestants(&self, given: Option<&ScalingPolicy>) -> Vec<Contestant> {
        let defaults = || ScalingPolicy::for_stream("simulated", MAX_SHARDS);
        let ours = |name: &str, policy| Contestant::Ours(name.to_owned(), Box::new(policy));
        let name = if given.is_some() { "reshard" } else { DEFAULTS };
        let policy = given.cloned().unwrap_or_else(defaults);
        let mut contestants = vec![ours(name, policy.clone())];
        if self.compare {
            let (name, calm) = calm(&policy);
            contestants.push(ours(&name, calm));
        }
        if self.attribution {
            contestants.extend(Contestant::relieved(&policy));
        }
        if self.compare {
            contestants.extend(given.map(|_| ours(DEFAULTS, defaults())));
            contestants.extend(Contestant::peers());
        }
        contestants
    }
}

/// The policy with few steps, and what it is called.
fn calm(policy: &ScalingPolicy) -> (String, ScalingPolicy) {
    let stabilization_window = policy.scale_down.stabilization_window.max(CALM_WINDOW);
    let calm = ScalingPolicy {
        scale_down: ScalingRules { stabilization_window, ..policy.scale_down.clone() },
        tolerance_millionths: policy.tolerance_millionths.max(CALM_TOLERANCE_MILLIONTHS),
        ..policy.clone()
    };
    let tolerance = f64::from(calm.tolerance_millionths) / 1e6;
    (format!("… down over {}, tolerance {tolerance}", duration(stabilization_window.as_secs())), calm)
}

/// What is printed of one trace as JSON.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TraceCard<'a> {
    trace: &'a str,
    days: f64,
    optimum: Optimum,
    scores: &'a [Score],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Card<'a> {
    /// What was given, with the defaults filled in.
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a KinesisStreamAutoscaler>,
    traces: Vec<TraceCard<'a>>,
    geometric_mean: Vec<Mean>,
}

pub(super) fn run(arguments: &SimulateArgs, output: &Output) -> anyhow::Result<Outcome> {
    let prices = documents::prices(arguments.prices.as_deref())?;
    let given = arguments.given()?;
    let contestants = arguments.contestants(given.as_ref().map(|manifest| &manifest.policy));
    let options = arguments.options();
    let files = files(&arguments.trace)?;
    let picture = arguments.plot.as_deref().map(|path| Picture::of(path, files.len())).transpose()?;
    let mut traces = Vec::new();
    for path in files {
        traces.push((name_of(&path), arguments.read_trace(&path)?));
    }
    let ticks = traces.iter().map(|(_, trace)| Contest::ticks(trace, &options, contestants.len())).sum();
    let progress = output.progress(ticks);
    let mut contests = Vec::new();
    for (name, trace) in traces {
        progress.say(name.clone());
        let contest =
            Contest::play(&trace, &options, &contestants, &prices, &|ticks| progress.advance(ticks));
        contests.push((name, contest));
    }
    drop(progress);
    output.result(&match arguments.output {
        Format::Table => tables(given.as_ref(), &contests)?,
        Format::Json => documents::to_json(&card(given.as_ref(), &contests))?,
    })?;
    if let Some(picture) = picture {
        picture.draw(&contests)?;
    }
    Ok(Outcome::Done)
}

fn tables(given: Option<&Manifest>, contests: &[(String, Contest)]) -> anyhow::Result<String> {
    let mut parts: Vec<String> =
        contests.iter().map(|(name, contest)| table::of_contest(name, contest)).collect();
    if contests.len() > 1 {
        parts.push(table::of_suite(contests.len(), &means_of(contests)));
    }
    parts.push(table::LEGEND.to_owned());
    if let Some(Manifest { resource, .. }) = given {
        parts.push(given::beside_the_defaults(resource)?);
    }
    Ok(parts.join("\n"))
}

fn means_of(contests: &[(String, Contest)]) -> Vec<Mean> {
    means(&contests.iter().map(|(_, contest)| &contest.scores[..]).collect::<Vec<_>>())
}

fn card<'a>(given: Option<&'a Manifest>, contests: &'a [(String, Contest)]) -> Card<'a> {
    let traces = contests.iter().map(|(name, contest)| TraceCard {
        trace: name,
        days: contest.load.totals().len() as f64 * f64::from(contest.load.tick_seconds()) / 86_400.0,
        optimum: contest.optimum,
        scores: &contest.scores,
    });
    Card {
        resource: given.map(|manifest| &manifest.resource),
        traces: traces.collect(),
        geometric_mean: means_of(contests),
    }
}

/// The traces: files, and those of folders by name.
fn files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let mut found = BTreeSet::new();
        let folder = path.display();
        for entry in fs::read_dir(path).with_context(|| format!("{folder}: cannot be read"))? {
            let file = entry.with_context(|| format!("{folder}: cannot be read"))?.path();
            if file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv")) {
                found.insert(file);
            }
        }
        if found.is_empty() {
            bail!("{folder}: holds no .csv file");
        }
        files.extend(found);
    }
    Ok(files)
}

fn name_of(path: &Path) -> String {
    path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
