//! Bad input: exit code 1, one clear error with the file, the place in it and what would be right,
//! and nothing was touched.

use reshard::simulator::fault::Operation;

use super::world::{World, even};
use crate::cli::{self, NOBODY, Ran};

/// A manifest of `orders`: the stream it names, and more lines of its `spec`.
fn manifest(stream: &str, spec: &str) -> String {
    format!(
        "apiVersion: reshard.dev/v1alpha1\nkind: KinesisStreamAutoscaler\nmetadata: {{name: orders}}\nspec:\n  \
         streamRef: {stream}\n  {spec}\n"
    )
}

/// Each kind of bad manifest: its text, where the fault is, and what is said to be right.
fn bad_manifests() -> Vec<(&'static str, String, &'static str, &'static str)> {
    let good = "{name: orders, region: us-east-1}";
    let spec = |spec: &str| manifest(good, spec);
    let of = |stream: &str| manifest(stream, "maxShards: 8");
    let schedule = |schedule: &str| {
        spec(&format!("maxShards: 8\n  schedules: [{{name: peak, minShards: 4, duration: 1h, {schedule}}}]"))
    };
    let arn = "arn:aws:kinesis:us-east-1:123456789012:stream/orders";
    vec![
        ("broken YAML", spec("maxShards: [8"), "cannot be read as YAML", "line "),
        ("empty file", String::new(), "holds no manifest", "give a KinesisStreamAutoscaler"),
        ("unknown field", spec("maxShard: 8"), "spec.maxShard: ", "give one of `streamRef`"),
        ("min above max", spec("minShards: 9\n  maxShards: 8"), "spec.minShards: ", "8"),
        ("0 shards", spec("maxShards: 0"), "spec.maxShards: ", "1 to 200"),
        ("201 shards", spec("maxShards: 201"), "spec.maxShards: ", "1 to 200"),
        (
            "a target above 100",
            spec("maxShards: 8\n  targets: {ingestBytes: {utilization: 101}}"),
            "spec.targets.ingestBytes.utilization: ",
            "1 to 100",
        ),
        ("bad duration", spec("maxShards: 8\n  interval: soon"), "spec.interval: ", "1m30s"),
        ("unknown region", of("{name: orders, region: Ireland}"), "spec.streamRef.region: ", "eu-west-1"),
        ("both name and ARN", of(&format!("{{name: orders, arn: \"{arn}\"}}")), "spec.streamRef: ", "arn"),
        ("neither", of("{}"), "spec.streamRef: ", "name"),
        (
            "bad cron",
            schedule("schedule: \"0 25 * * *\""),
            "spec.schedules[0].schedule: ",
            "such as `0 6 * * 1-5`",
        ),
        (
            "bad time zone",
            schedule("schedule: \"@daily\", timeZone: Mars/Base"),
            "spec.schedules[0].timeZone: ",
            "Europe/Paris",
        ),
    ]
}

/// Exit code 1, nothing on stdout, exactly one error, of one line.
fn error(ran: &Ran, what: &str) -> String {
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{what}: {}", ran.stderr);
    assert_eq!(ran.stderr.lines().count(), 1, "{what}: {}", ran.stderr);
    ran.stderr
        .trim_end()
        .strip_prefix("error: ")
        .unwrap_or_else(|| panic!("{what}: {}", ran.stderr))
        .to_owned()
}

#[test]
fn a_bad_manifest_is_told_by_file_place_and_remedy_before_any_request() {
    let world = World::new(2, even(1_960_000), 0);
    let before = world.requests();
    for (what, text, place, right) in bad_manifests() {
        let file = world.files.write("orders.yaml", &text);
        for command in ["plan", "apply", "run"] {
            let told = error(&world.run(&[command, "-f", &file]), what);
            let inside = told.strip_prefix(&format!("{file}: ")).unwrap_or_else(|| panic!("{what}: {told}"));
            assert!(inside.starts_with(place), "{what}: {told}");
            assert!(inside[place.len()..].contains(right), "{what}: {told}");
        }
    }
    let missing = world.files.path("nowhere.yaml");
    for command in ["plan", "apply", "run"] {
        let told = error(&world.run(&[command, "-f", &missing]), "no file");
        assert_eq!(told, format!("{missing}: no such file"));
    }
    assert_eq!(world.requests(), before);
}

#[test]
fn a_stream_that_does_not_exist_is_told_and_nothing_is_changed() {
    let world = World::new(2, even(1_960_000), 0);
    let before = world.writes();
    let file =
        world.files.write("clicks.yaml", &manifest("{name: clicks, region: us-east-1}", "maxShards: 8"));
    for command in ["plan", "apply", "run"] {
        let told = error(&world.run(&[command, "-f", &file]), command);
        for part in ["clicks", "not found", "the region us-east-1 right?"] {
            assert!(told.contains(part), "{command}: {told}");
        }
        assert!(command == "run" || told.starts_with(&format!("{file}: stream clicks")), "{command}: {told}");
    }
    assert_eq!(world.writes(), before);
    assert!(world.calls(Operation::DescribeStreamSummary) > 0, "it was asked for");
}

#[test]
fn without_credentials_nothing_is_asked() {
    let world = World::new(2, even(1_960_000), 0);
    let before = world.requests();
    let file = world.files.manifest("orders.yaml", "maxShards: 8");
    for command in ["plan", "apply", "run"] {
        let mut line = cli::reshard(&world.url(), &[command, "-f", &file]);
        line.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        let told = error(&line.output().unwrap().into(), command);
        assert!(told.contains("credentials") && told.contains("AWS_"), "{command}: {told}");
    }
    assert_eq!(world.requests(), before);
}

#[test]
fn an_endpoint_that_is_down_is_named_by_every_command() {
    let world = World::new(2, even(1_960_000), 0);
    let file = world.files.manifest("orders.yaml", "maxShards: 8");
    for command in ["plan", "apply", "run"] {
        let told = error(&cli::run(NOBODY, &[command, "-f", &file]), command);
        assert!(told.contains("orders") && told.contains("cannot connect"), "{command}: {told}");
    }
}

#[test]
fn an_endpoint_in_the_environment_that_is_no_url_is_named_with_its_variable() {
    let world = World::new(2, even(1_960_000), 0);
    let before = world.requests();
    let file = world.files.manifest("orders.yaml", "maxShards: 8");
    for (variable, value) in [
        ("AWS_ENDPOINT_URL", ""),
        ("AWS_ENDPOINT_URL", "127.0.0.1:4567"),
        ("AWS_ENDPOINT_URL_KINESIS", ""),
        ("AWS_ENDPOINT_URL_CLOUDWATCH", "http://"),
    ] {
        for command in ["plan", "apply", "run"] {
            let mut line = cli::reshard(&world.url(), &[command, "-f", &file]);
            line.env(variable, value);
            let told = error(&line.output().unwrap().into(), command);
            let said = format!("{variable} is \"{value}\", which is not the URL of an endpoint");
            assert!(told.contains(&said) && told.contains("http://127.0.0.1:4567"), "{command}: {told}");
        }
    }
    assert_eq!(world.requests(), before);
}
