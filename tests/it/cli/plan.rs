//! `reshard plan` against a sandbox.

use std::process::Stdio;

use super::{Files, NOBODY, Ran, Sandbox, read_to_end, reshard, run};

#[test]
fn a_hot_shard_is_planned_shown_and_replayed_to_the_same_hash() {
    let sandbox = Sandbox::with_a_hot_shard();
    let files = Files::new();
    let manifest = files.manifest("orders.yaml", "maxShards: 16");
    let snapshot = files.path("snapshot.json");

    let seen = sandbox.run(&["plan", "-f", &manifest, "--detailed-exitcode", "--record", &snapshot]);
    assert_eq!((seen.code, seen.stderr.as_str()), (Some(2), ""), "{}", seen.stdout);
    for word in
        ["UTILIZATION", "HASH-KEY SPACE", "STEPS", "1. split shard", "COST", "shard-level metrics", "▲"]
    {
        assert!(seen.stdout.contains(word), "{word} in {}", seen.stdout);
    }
    assert!(!seen.stdout.contains('\u{1b}'), "no colour where stdout is a pipe");
    assert!(seen.stdout.lines().all(|line| line.starts_with("To carry") || line.chars().count() <= 80));

    for look in [&["plan", "-f", &manifest][..], &["inspect", "orders"]] {
        let elsewhere = sandbox.run(&[look, &["--region", "eu-west-1"]].concat());
        assert_eq!((elsewhere.code, elsewhere.stderr.lines().count()), (Some(0), 1), "{}", elsewhere.stderr);
        assert!(elsewhere.stderr.contains("the endpoint answers for us-east-1"), "{}", elsewhere.stderr);
    }
    // One may look there, and not act.
    for act in [&["apply"][..], &["run"]] {
        let refused = sandbox.run(&[act, &["-f", &manifest, "--region", "eu-west-1"]].concat());
        let told = (refused.code, refused.stdout.as_str(), refused.stderr.lines().count());
        assert_eq!(told, (Some(1), "", 1), "{}", refused.stderr);
        assert!(refused.stderr.contains("the endpoint answers for us-east-1"), "{}", refused.stderr);
    }

    let replayed = run(NOBODY, &["plan", "-f", &manifest, "--detailed-exitcode", "--snapshot", &snapshot]);
    assert_eq!((replayed.code, replayed.stderr.as_str()), (Some(2), ""));
    assert_eq!(replayed.stdout, seen.stdout);
    let quiet = run(NOBODY, &["plan", "-f", &manifest, "--snapshot", &snapshot]);
    assert_eq!(quiet.code, Some(0), "2 is for --detailed-exitcode");

    let flags = ["--endpoint-url", NOBODY, "--clock-speed", "60"];
    let hinted = run(NOBODY, &[&["plan", "-f", &manifest, "--snapshot", &snapshot][..], &flags].concat());
    let hint = format!("To carry it out: reshard apply -f {manifest} {}\n", flags.join(" "));
    assert!(hinted.stdout.ends_with(&hint), "{}", hinted.stdout);

    let painted = run(NOBODY, &["plan", "-f", &manifest, "--snapshot", &snapshot, "--color", "always"]);
    assert!(painted.stdout.contains("\u{1b}["));

    for (format, begins) in [("json", "{\n"), ("yaml", "---\nformat: 1\n"), ("markdown", "## `orders`: ")] {
        let ran = run(NOBODY, &["plan", "-f", &manifest, "--snapshot", &snapshot, "-o", format]);
        assert_eq!(ran.code, Some(0));
        assert!(ran.stdout.starts_with(begins), "{}", ran.stdout);
        let hash = seen.stdout.lines().find_map(|line| line.strip_prefix("plan ")).unwrap();
        assert!(ran.stdout.contains(hash), "{format}");
    }
    let json = run(NOBODY, &["plan", "-f", &manifest, "--snapshot", &snapshot, "-o", "json"]).stdout;
    let report: serde_json::Value = serde_json::from_str(&json).unwrap();
    let start = &report["plan"]["steps"][0]["range"]["start"];
    assert!(start.is_string(), "hash keys are decimal strings: {start}");
    assert_eq!(report["stream"]["shards"], 4);

    let other = files.manifest("other.yaml", "maxShards: 16");
    let text = std::fs::read_to_string(&other).unwrap().replace("name: orders", "name: clicks");
    let other = files.write("other.yaml", &text);
    let ran = run(NOBODY, &["plan", "-f", &other, "--snapshot", &snapshot]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("no snapshot of the stream clicks was recorded"), "{}", ran.stderr);
}

#[test]
fn a_reader_that_has_had_enough_is_no_error() {
    let sandbox = Sandbox::with_a_hot_shard();
    let files = Files::new();
    let manifest = files.manifest("orders.yaml", "maxShards: 16");
    let mut child = reshard(&sandbox.url, &["plan", "-f", &manifest, "-o", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The pipe is closed before anything is written.
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(read_to_end(child.stderr.take()), "");
}

#[test]
fn without_any_certificate_authority_an_endpoint_of_http_is_reached_and_one_of_https_is_missed_in_words() {
    let sandbox = Sandbox::with_a_hot_shard();
    let files = Files::new();
    let manifest = files.manifest("orders.yaml", "maxShards: 16");
    let plan = |endpoint: &str| -> Ran {
        let mut command = reshard(endpoint, &["plan", "-f", &manifest]);
        command.env("SSL_CERT_FILE", "/nonexistent/file").env("SSL_CERT_DIR", "/nonexistent/folder");
        command.output().unwrap().into()
    };
    let ran = plan(&sandbox.url);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    let ran = plan("https://127.0.0.1:1");
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("no certificate authority is known"), "{}", ran.stderr);
}
