//! `reshard demo`: the sandbox with a skewed, moving load, and the loop against it over AWS's wire,
//! four hours in about a minute. Needs nothing but the binary.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use tokio::net::TcpListener;

use self::board::{Board, Sample};
use self::scenario::{FIRST_SHARDS, STORY, STREAM};
use super::decide::decide;
use super::outcome::Outcome;
use super::output::Output;
use super::signals::stop_on_signal;
use crate::aws::{AwsControlPlane, AwsOptions};
use crate::control_plane::ControlPlane;
use crate::executor::{End, Executor, StopSignal};
use crate::observe::Observer;
use crate::policy::ScalingPolicy;
use crate::rounds::MARGIN;
use crate::sandbox::Sandbox;
use crate::simulator::api::{DescribeStreamSummary, StreamRef};

mod board;
mod curve;
mod rivals;
mod scenario;
mod screen;
mod summary;

/// How often the screen is drawn anew.
const FRAME: Duration = Duration::from_millis(200);
/// Millionths of the records that a fixed number of shards may reject to be called enough.
const TOLERATED_MILLIONTHS: u64 = 100;

/// Show the whole loop at work in about a minute, against the built-in sandbox
///
/// Starts Kinesis and CloudWatch on loopback with a stream whose load rises to nine times a shard's
/// limit and falls again while its hot spot moves, lets reshard look after it, and ends with what
/// that took beside doing nothing and beside shards fixed at the peak. Needs no AWS account.
#[derive(Debug, clap::Args)]
pub(super) struct DemoArgs {
    /// Where keys and hot spots fall: the same seed has them in the same places
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// How many times faster than real time it runs
    #[arg(long, default_value_t = 240, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    speed: u32,
}

pub(super) async fn run(arguments: &DemoArgs, output: &Arc<Output>) -> anyhow::Result<Outcome> {
    let policy = scenario::policy()?;
    let stop = stop_on_signal(output, "ending the demo after the step in flight");
    let cloud = scenario::cloud(arguments.seed, Timestamp::now(), FIRST_SHARDS)?;
    let start = cloud.now();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("cannot listen on loopback")?;
    let sandbox = Sandbox::start(cloud, arguments.speed, listener)?;
    let plane = AwsControlPlane::connect(&AwsOptions {
        clock_speed: arguments.speed,
        ..AwsOptions::local(sandbox.endpoint_url(), "us-east-1")
    })
    .await?;
    // What else could have been done is worked out on another thread meanwhile.
    let seed = arguments.seed;
    let story_start = Timestamp::now();
    let rivals = tokio::task::spawn_blocking(move || rivals::fixed(seed, story_start, TOLERATED_MILLIONTHS));

    let board = Board::new(start);
    let end = start.checked_add(STORY)?;
    let watching = watch(&sandbox, &board, &policy, output, end);
    let looking_after = look_after(&plane, arguments.speed, &policy, &board, &stop, end);
    let (watched, looked_after) = tokio::join!(watching, looking_after);
    watched?;
    looked_after?;
    sandbox.stop().await;

    let told = board.told();
    if stop.is_set() {
        output.note("The demo was ended early: reshard's row is of the part that ran, the others are of the whole story.");
    }
    let (nothing, at_peak) = rivals.await?.context("the comparison failed")?;
    output.result(&summary::text(&told, &policy, nothing, at_peak, output.style().width))?;
    Ok(Outcome::Done)
}

/// The loop, as `reshard run` has it: observe, decide, check, one step, observe again; then wait.
async fn look_after(
    plane: &AwsControlPlane,
    speed: u32,
    policy: &ScalingPolicy,
    board: &Board,
    stop: &StopSignal,
    end: Timestamp,
) -> anyhow::Result<()> {
    let progress = |event: &crate::executor::Event<'_>| board.note(event);
    let executor = Executor::new(plane, policy).with_stop(stop.clone()).with_progress(&progress);
    let mut observer = Observer::gated();
    while board.now() < end && !stop.is_set() {
        let decide = |snapshot: &_, policy: &_| decide(snapshot, policy).map(|decision| decision.plan);
        let report = executor.run_to_quiet(&mut observer, decide, None).await;
        match report.end {
            End::Quiet { .. } | End::Calm | End::WaitedEnough { .. } | End::PlanDone | End::Stopped => {}
            end => anyhow::bail!("{end}"),
        }
        let wait = observer
            .clock()
            .map_or(policy.interval, |clock| clock.until_next(policy.interval, MARGIN, speed));
        tokio::select! {
            () = plane.sleep(wait) => {}
            () = stop.given() => {}
        }
    }
    board.finish();
    Ok(())
}

/// Looks at the model itself, not at its metrics, and shows what is so.
async fn watch(
    sandbox: &Sandbox,
    board: &Board,
    policy: &ScalingPolicy,
    output: &Output,
    end: Timestamp,
) -> anyhow::Result<()> {
    let mut screen = screen::Screen::new(output, policy, end);
    loop {
        board.sample(sandbox.with_cloud(sample)?);
        screen.draw(board);
        if board.is_finished() {
            screen.clear();
            return Ok(());
        }
        tokio::time::sleep(FRAME).await;
    }
}

fn sample(cloud: &mut crate::simulator::Cloud) -> anyhow::Result<Sample> {
    let stream = StreamRef::name(STREAM);
    let summary = cloud.describe_stream_summary(DescribeStreamSummary { stream })?.stream_description_summary;
    let totals = cloud.workload_totals(STREAM).unwrap_or_default();
    Ok(Sample {
        at: cloud.now(),
        bytes_per_second: cloud.offered_bytes_per_second(STREAM).values().sum::<f64>() as u64,
        shards: u32::try_from(summary.open_shard_count).unwrap_or(u32::MAX),
        offered_records: totals.offered_records,
        rejected_records: totals.rejected_records,
    })
}

/// `hh:mm` since the story began.
fn clock(elapsed: SignedDuration) -> String {
    let minutes = elapsed.as_mins().max(0);
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}
