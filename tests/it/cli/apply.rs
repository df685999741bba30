//! `reshard apply` and `reshard run` against a sandbox.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use super::{Files, Ran, Sandbox, read_to_end, reshard, terminate};

/// Nothing is cold for long enough to be merged.
const SPLITS_ONLY: &str = "behavior: {scaleDown: {stabilizationWindowSeconds: 3600}}";

/// How many shards `plan` sees.
fn shards(sandbox: &Sandbox, manifest: &str) -> u64 {
    let ran = sandbox.run(&["plan", "-f", manifest, "-o", "json"]);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
    report["stream"]["shards"].as_u64().unwrap()
}

fn apply(sandbox: &Sandbox, manifest: &str, flags: &[&str]) -> Ran {
    let fixed = ["apply", "-f", manifest, "--clock-speed", Sandbox::SPEED];
    sandbox.run(&[&fixed[..], flags].concat())
}

#[test]
fn a_plan_file_is_carried_out_whole_and_only_once() {
    let sandbox = Sandbox::with_a_hot_shard();
    let files = Files::new();
    let manifest = files.manifest("orders.yaml", &format!("maxShards: 16\nmode: Approve\n{SPLITS_ONLY}"));
    let planned = sandbox.run(&["plan", "-f", &manifest, "-o", "json"]);
    let report: serde_json::Value = serde_json::from_str(&planned.stdout).unwrap();
    let steps = report["plan"]["steps"].as_array().unwrap().len() as u64;
    assert!(steps > 0, "a hot shard is split");
    let plan = files.write("plan.json", &planned.stdout);

    let refused = apply(&sandbox, &manifest, &[]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("spec.mode is Approve"), "{}", refused.stderr);
    assert_eq!(shards(&sandbox, &manifest), 4, "nothing was touched");

    let mut other = report.clone();
    other["plan"]["steps"].as_array_mut().unwrap().pop();
    let edited = files.write("edited.json", &other.to_string());
    let refused = apply(&sandbox, &manifest, &["--plan", &edited]);
    assert_eq!((refused.code, shards(&sandbox, &manifest)), (Some(1), 4), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("plan.hash: is ") && refused.stderr.contains("the plan was edited"),
        "{}",
        refused.stderr
    );

    let done = apply(&sandbox, &manifest, &["--plan", &plan]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{}", done.stdout);
    assert_eq!(done.stdout.lines().filter(|line| line.contains(": done in ")).count() as u64, steps);
    assert!(done.stdout.ends_with("the plan is carried out\n"), "{}", done.stdout);
    assert_eq!(shards(&sandbox, &manifest), 4 + steps);

    // Carried out again, there is nothing left of it; another plan is a new plan.
    let again = apply(&sandbox, &manifest, &["--plan", &plan]);
    assert_eq!((again.code, shards(&sandbox, &manifest)), (Some(0), 4 + steps), "{}", again.stderr);
    assert!(again.stdout.contains("no step was taken"), "{}", again.stdout);
}

#[test]
fn giving_the_file_is_consent_but_never_to_a_suspended_stream() {
    let sandbox = Sandbox::with_a_hot_shard();
    let files = Files::new();
    let suspended = files.manifest("suspended.yaml", "maxShards: 16\nmode: Apply\nsuspend: true");
    let ran = apply(&sandbox, &suspended, &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(
        ran.stdout.contains("no step was taken") && ran.stdout.contains("suspend is set"),
        "{}",
        ran.stdout
    );
    assert_eq!(shards(&sandbox, &suspended), 4);

    let dry = files.manifest("dry.yaml", &format!("maxShards: 6\nmode: DryRun\n{SPLITS_ONLY}"));
    let ran = apply(&sandbox, &dry, &[]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let now = shards(&sandbox, &dry);
    assert!((5..=6).contains(&now), "bounds hold: {now} shards; {}", ran.stdout);
}

#[test]
fn the_loop_acts_only_in_mode_apply_and_ends_when_asked() {
    let sandbox = Sandbox::with_a_hot_shard();
    let files = Files::new();
    for (mode, wanted) in
        [("DryRun", "not carried out"), ("Approve", "waits for approval"), ("Apply", ": done in ")]
    {
        let manifest = files.manifest("orders.yaml", &format!("maxShards: 16\nmode: {mode}"));
        let mut child = reshard(&sandbox.url, &["run", "-f", &manifest, "--clock-speed", Sandbox::SPEED])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        // So many passes are enough; a mode that does the wrong thing fails instead of running on.
        let line = lines.by_ref().take(20).find(|line| line.contains(wanted)).unwrap_or_default();
        assert!(line.contains("orders"), "{mode}: {line}");
        terminate(&child);
        let rest: Vec<_> = lines.collect();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{mode}");
        assert!(rest.last().is_some_and(|last| last.starts_with("orders: stopped, ")), "{mode}: {rest:?}");
        assert!(read_to_end(child.stderr.take()).contains("stopping after the step in flight"));
        let changed = shards(&sandbox, &manifest) != 4;
        assert_eq!(changed, mode == "Apply", "{mode}");
    }
}
