//! What is wrong gets one clear error and exit code 1, and nothing is touched.

use super::{Files, NOBODY, Sandbox, exists, reshard, run};

/// The one line of stderr, without its label.
fn told(arguments: &[&str]) -> String {
    let ran = run(NOBODY, arguments);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{}", ran.stderr);
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    ran.stderr.trim_end().strip_prefix("error: ").unwrap().to_owned()
}

#[test]
fn a_missing_file_is_named() {
    for command in ["plan", "apply", "run"] {
        assert_eq!(told(&[command, "-f", "/nowhere/orders.yaml"]), "/nowhere/orders.yaml: no such file");
    }
}

#[test]
fn one_bad_manifest_of_several_stops_everything_and_each_fault_is_told() {
    let files = Files::new();
    let good = files.manifest("good.yaml", "maxShards: 8");
    let bad = files.manifest("bad.yaml", "maxShards: 201\nminShards: 0");
    let ran = run(NOBODY, &["plan", "-f", &good, "-f", &bad, "-f", "/nowhere/a.yaml"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
    for fault in ["bad.yaml: spec.maxShards: ", "bad.yaml: spec.minShards: ", "/nowhere/a.yaml: no such file"]
    {
        assert!(ran.stderr.contains(fault), "{fault} in {}", ran.stderr);
    }
    assert!(ran.stderr.lines().all(|line| line.starts_with("error: ")), "{}", ran.stderr);
    // The endpoint was never tried, or it would have been an error of its own.
    assert!(!ran.stderr.contains("DescribeStreamSummary"), "{}", ran.stderr);
}

#[test]
fn two_resources_for_one_stream_are_refused() {
    let files = Files::new();
    let (first, second) =
        (files.manifest("a.yaml", "maxShards: 8"), files.manifest("b.yaml", "maxShards: 9"));
    let told = told(&["plan", "-f", &first, "-f", &second]);
    assert!(told.contains("b.yaml: the stream orders is also in") && told.contains("a.yaml"), "{told}");
}

#[test]
fn an_endpoint_that_is_down_and_one_that_is_no_url_are_told() {
    let files = Files::new();
    let manifest = files.manifest("orders.yaml", "maxShards: 8");
    let down = told(&["plan", "-f", &manifest]);
    assert!(down.contains("stream orders in us-east-1") && down.contains("cannot connect"), "{down}");
    let wrong = told(&["plan", "-f", &manifest, "--endpoint-url", "nonsense"]);
    assert!(wrong.contains("\"nonsense\" is not the URL of an endpoint"), "{wrong}");
    let region = told(&["plan", "-f", &manifest, "--region", "nowhere"]);
    assert!(region.contains("\"nowhere\" is not an AWS region"), "{region}");
}

#[test]
fn without_credentials_it_is_said_where_they_come_from() {
    let files = Files::new();
    let manifest = files.manifest("orders.yaml", "maxShards: 8");
    for flags in [&[][..], &["--profile", "nobody"]] {
        let mut command = reshard(NOBODY, &["plan", "-f", &manifest]);
        command.args(flags).env_remove("AWS_SECRET_ACCESS_KEY").env_remove("AWS_ACCESS_KEY_ID");
        let ran = super::Ran::from(command.output().unwrap());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""));
        assert!(ran.stderr.contains("credentials"), "{}", ran.stderr);
        assert_eq!(ran.stderr.matches("error: ").count(), 1, "{}", ran.stderr);
    }
}

#[test]
fn a_profile_that_is_named_goes_before_keys_in_the_environment() {
    let files = Files::new();
    let manifest = files.manifest("orders.yaml", "maxShards: 8");
    let ran = run(NOBODY, &["plan", "-f", &manifest, "--profile", "nobody"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("credentials") && !ran.stderr.contains("cannot connect"), "{}", ran.stderr);
}

#[test]
fn a_stream_that_does_not_exist_is_named_and_the_others_are_still_shown() {
    let sandbox = Sandbox::with_a_hot_shard();
    let files = Files::new();
    let orders = files.manifest("orders.yaml", "maxShards: 8");
    let text = std::fs::read_to_string(&orders).unwrap().replace("name: orders", "name: clicks");
    let clicks = files.write("clicks.yaml", &text);
    let ran = sandbox.run(&["plan", "-f", &clicks, "-f", &orders, "--detailed-exitcode"]);
    assert_eq!(ran.code, Some(1), "the worst exit code wins");
    assert!(
        ran.stderr.contains("stream clicks in us-east-1") && ran.stderr.contains("not found"),
        "{}",
        ran.stderr
    );
    assert!(ran.stdout.starts_with("orders: "), "{}", ran.stdout);
}

#[test]
fn wrong_prices_plans_and_snapshots_are_told_by_file() {
    let files = Files::new();
    let manifest = files.manifest("orders.yaml", "maxShards: 8");
    let wrong = files.write("wrong.yaml", "shardHours: 1\n");
    let prices = told(&["plan", "-f", &manifest, "--prices", &wrong]);
    assert!(prices.contains("wrong.yaml: ") && prices.contains("unknown field `shardHours`"), "{prices}");
    let plan = told(&["apply", "-f", &manifest, "--plan", &wrong]);
    assert!(plan.contains("wrong.yaml: holds no plan"), "{plan}");
    let snapshot = told(&["plan", "-f", &manifest, "--snapshot", &wrong]);
    assert!(snapshot.contains("wrong.yaml: is not valid JSON"), "{snapshot}");
}

#[test]
fn a_log_filter_that_is_none_is_refused() {
    let files = Files::new();
    let manifest = files.manifest("orders.yaml", "maxShards: 8");
    let output = reshard(NOBODY, &["plan", "-f", &manifest]).env("RESHARD_LOG", "reshard=loud").output();
    let ran = super::Ran::from(output.unwrap());
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("RESHARD_LOG is not a log filter"), "{}", ran.stderr);
}

#[test]
fn where_nothing_could_be_observed_no_record_is_written() {
    let files = Files::new();
    let manifest = files.manifest("orders.yaml", "maxShards: 8");
    let record = files.path("snapshot.json");
    told(&["plan", "-f", &manifest, "--record", &record]);
    assert!(!exists(&record));
}
