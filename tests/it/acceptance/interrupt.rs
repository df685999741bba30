//! Ctrl-C: the step in flight is brought to its end, what was done is said, nothing is half-done.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use reshard::simulator::api::DescribeStreamSummary;
use reshard::simulator::fault::Operation;
use reshard::stream::StreamStatus;

use super::world::{World, even, orders};
use crate::cli::{self, Ran};

/// Two shards at 95 %: each is to be split.
fn two_steps_ahead() -> World {
    World::new(2, even(1_960_000), 0)
}

/// `apply` in a process of its own, in which time passes quickly while that of the stream stands.
fn applying(world: &World, manifest: &str, flags: &[&str]) -> Child {
    cli::reshard(&world.url(), &["apply", "-f", manifest, "--clock-speed", "5"])
        .args(flags)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What the terminal sends at Ctrl-C.
fn interrupt(child: &Child) {
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
}

fn until(what: &str, mut reached: impl FnMut() -> bool) {
    for _ in 0..3_000 {
        if reached() {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("waited half a minute for {what}");
}

fn first_line_of_stderr(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    line
}

fn ended(child: Child) -> Ran {
    child.wait_with_output().unwrap().into()
}

fn status(world: &World) -> StreamStatus {
    let request = DescribeStreamSummary { stream: orders() };
    let reply = world.cloud(|cloud| cloud.describe_stream_summary(request)).unwrap();
    reply.stream_description_summary.stream_status
}

#[test]
fn ctrl_c_ends_after_the_step_in_flight_and_says_what_was_done() {
    let world = two_steps_ahead();
    let manifest = world.files.manifest("orders.yaml", "maxShards: 8");
    let mut child = applying(&world, &manifest, &[]);
    until("the first split", || world.calls(Operation::SplitShard) == 1);
    interrupt(&child);
    assert!(first_line_of_stderr(&mut child).starts_with("stopping after the step in flight"));
    // The split is not complete yet, and the command stays with it.
    assert_eq!(status(&world), StreamStatus::Updating);
    assert_eq!(child.try_wait().unwrap(), None);
    world.skip(1);
    let ran = ended(child);
    assert_eq!(ran.code, Some(1), "{} {}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("split shard") && ran.stdout.contains(": done in "), "{}", ran.stdout);
    assert!(ran.stdout.ends_with("orders: 1 step done; stopped\n"), "{}", ran.stdout);
    assert_eq!((status(&world), world.calls(Operation::SplitShard)), (StreamStatus::Active, 1));
    assert_eq!(world.plan(&manifest)["stream"]["shards"], 3);
}

#[test]
fn a_second_ctrl_c_leaves_at_once_and_the_next_plan_takes_it_from_there() {
    let world = two_steps_ahead();
    let manifest = world.files.manifest("orders.yaml", "maxShards: 8");
    let mut child = applying(&world, &manifest, &[]);
    until("the first split", || world.calls(Operation::SplitShard) == 1);
    interrupt(&child);
    first_line_of_stderr(&mut child);
    interrupt(&child);
    assert_eq!(ended(child).code, Some(130));
    let (code, shown) = world.planned(&manifest);
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("StreamNotActive") && shown.contains("UPDATING"), "{shown}");
    world.skip(1);
    let applied = world.planned(&manifest);
    assert!(applied.1.contains("3 shards"), "{}", applied.1);
    assert_eq!(world.calls(Operation::SplitShard), 1);
}

#[test]
fn ctrl_c_ends_a_wait_at_once() {
    let world = World::new(4, even(400_000), 0);
    let patient = "maxShards: 8\nbehavior: {scaleDown: {stabilizationWindowSeconds: 82800}}";
    let manifest = world.files.manifest("orders.yaml", patient);
    let report = world.plan(&manifest);
    assert_eq!(report["plan"]["steps"], serde_json::json!([]));
    assert_ne!(report["holds"], serde_json::json!([]), "there is something to wait for");
    let looks = world.calls(Operation::GetMetricData);
    let mut child = applying(&world, &manifest, &["--wait", "--timeout", "24h"]);
    until("a second look", || world.calls(Operation::GetMetricData) > looks + 1);
    interrupt(&child);
    first_line_of_stderr(&mut child);
    let ran = ended(child);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), "orders: no step was taken; stopped\n"));
}
