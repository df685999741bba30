//! Each field of a good resource, made bad: the error names exactly that field.

use reshard::manifest;
use serde_json::{Value, json};

use super::resources;

/// A list of so many items with names of their own.
fn numbered(count: u32, item: impl Fn(String) -> Value) -> Value {
    (0..count).map(|number| item(format!("item {number}"))).collect()
}

/// Where `orders.yaml` is changed, and to what; `null` takes the field out.
pub fn bad_values() -> Vec<(&'static str, Value)> {
    let long = "x".repeat(300);
    vec![
        ("metadata.name", json!("Orders")),
        ("metadata.name", json!(null)),
        ("metadata.namespace", json!("a.b")),
        ("metadata.generation", json!(-1)),
        ("spec", json!(null)),
        ("spec", json!("orders")),
        ("spec.streamRef", json!({})),
        (
            "spec.streamRef",
            json!({"name": "orders", "arn": "arn:aws:kinesis:eu-west-1:111122223333:stream/orders"}),
        ),
        ("spec.streamRef.name", json!("")),
        ("spec.streamRef.name", json!("orders/eu")),
        ("spec.streamRef.name", json!(long)),
        ("spec.streamRef.name", json!(17)),
        ("spec.streamRef.region", json!("Ireland")),
        ("spec.streamRef.region", json!("eu-west-1a")),
        ("spec.streamRef.stream", json!("orders")),
        ("spec.aws.roleArn", json!("reshard")),
        ("spec.aws.roleArn", json!("arn:aws:iam::111122223333:user/reshard")),
        ("spec.aws.externalId", json!("x")),
        ("spec.mode", json!("apply")),
        ("spec.mode", json!(true)),
        ("spec.suspend", json!("yes")),
        ("spec.interval", json!(60)),
        ("spec.interval", json!("0s")),
        ("spec.interval", json!("9s")),
        ("spec.interval", json!("61m")),
        ("spec.interval", json!("10500ms")),
        ("spec.interval", json!("-60s")),
        ("spec.interval", json!("a minute")),
        ("spec.interval", json!("99999999999999999999h")),
        ("spec.minShards", json!(0)),
        ("spec.minShards", json!(-4)),
        ("spec.minShards", json!(65)),
        ("spec.minShards", json!(4.5)),
        ("spec.minShards", json!("four")),
        ("spec.maxShards", json!(null)),
        ("spec.maxShards", json!(0)),
        ("spec.maxShards", json!(201)),
        ("spec.maxShards", json!(1e300)),
        ("spec.targets.ingestBytes.utilization", json!(0)),
        ("spec.targets.ingestBytes.utilization", json!(null)),
        ("spec.targets.ingestBytes.utilisation", json!(70)),
        ("spec.targets.ingestRecords.utilization", json!(101)),
        ("spec.targets.readBytes.utilization", json!("80%")),
        ("spec.targets.readBytes.utilization", json!(0.8)),
        ("spec.targets.readCalls.utilization", json!("Auto")),
        ("spec.metrics.source", json!("Consumer")),
        ("spec.metrics.window", json!("90s")),
        ("spec.metrics.window", json!("61m")),
        ("spec.metrics.maxAge", json!("2m")),
        ("spec.metrics.enhancedMonitoring", json!("On")),
        ("spec.behavior.scaleUp.stabilizationWindowSeconds", json!(-1)),
        ("spec.behavior.scaleUp.tolerance", json!(0.1)),
        ("spec.behavior.scaleUp.selectPolicy", json!("Average")),
        ("spec.behavior.scaleUp.policies", json!({"type": "Percent"})),
        (
            "spec.behavior.scaleUp.policies",
            json!(vec![json!({"type": "Shards", "value": 1, "periodSeconds": 60}); 11]),
        ),
        ("spec.behavior.scaleUp.policies[0].value", json!(0)),
        ("spec.behavior.scaleUp.policies[0].value", json!(1_001)),
        ("spec.behavior.scaleUp.policies[0].type", json!("Pods")),
        ("spec.behavior.scaleUp.policies[1].value", json!(201)),
        ("spec.behavior.scaleUp.policies[1].value", json!(null)),
        ("spec.behavior.scaleUp.policies[1].periodSeconds", json!(0)),
        ("spec.behavior.scaleDown.stabilizationWindowSeconds", json!(82_801)),
        ("spec.behavior.scaleDown.tolerance", json!(0.91)),
        ("spec.behavior.scaleDown.tolerance", json!(-0.1)),
        ("spec.behavior.scaleDown.tolerance", json!("20%")),
        ("spec.behavior.scaleDown.policies[1].periodSeconds", json!(86_401)),
        ("spec.tradeoff.stepCost", json!(-1)),
        ("spec.tradeoff.stepCost", json!(101)),
        ("spec.tradeoff.horizon", json!("4m")),
        ("spec.tradeoff.horizon", json!("721h")),
        ("spec.budgets.maxStepsPerPlan", json!(0)),
        ("spec.budgets.maxStepsPerPlan", json!(401)),
        ("spec.budgets.maxMergesPerDay", json!(-1)),
        ("spec.pace.step", json!("0s")),
        ("spec.pace.step", json!("11m")),
        ("spec.pace.updateShardCount", json!("9s")),
        ("spec.pace.updateShardCount", json!("3h")),
        ("spec.updateShardCount", json!("Always")),
        ("spec.approval.required", json!("None")),
        ("spec.approval.expireAfter", json!("30s")),
        ("spec.consumers[0].name", json!("")),
        ("spec.consumers[2].name", json!(":billing")),
        ("spec.consumers[2].name", json!("b\u{e9}lling")),
        ("spec.consumers[2].name", json!("billing ")),
        ("spec.consumers[2].name", json!("b".repeat(256))),
        ("spec.consumers[0].type", json!("Flink")),
        ("spec.consumers[0].pollInterval", json!("1s")),
        ("spec.consumers[2].pollInterval", json!("199ms")),
        ("spec.consumers[2].pollInterval", json!("1.5s")),
        ("spec.consumers[3].name", json!(null)),
        ("spec.consumers[1].transform", json!({"duration": "2s"})),
        ("spec.consumers[0].transform", json!({"duration": "6m"})),
        ("spec.consumers[0].transform", json!({"batchBytes": 1_000_000})),
        ("spec.consumers[0].transform", json!({"duration": "2s", "batchBytes": 100_000})),
        ("spec.lagGuard.maxIteratorAge", json!("25h")),
        ("spec.schedules[0].name", json!(null)),
        ("spec.schedules[0].name", json!(" peak")),
        ("spec.schedules[1].name", json!("peak")),
        ("spec.schedules[0].schedule", json!("0 6 * *")),
        ("spec.schedules[0].schedule", json!("0 0 6 * * 1-5")),
        ("spec.schedules[0].schedule", json!("TZ=Europe/Paris 0 6 * * 1-5")),
        ("spec.schedules[0].schedule", json!("0 25 * * *")),
        ("spec.schedules[0].schedule", json!("0 6 * * Monday")),
        ("spec.schedules[0].schedule", json!("0 6 , * *")),
        ("spec.schedules[0].schedule", json!("0 0 30 2 *")),
        ("spec.schedules[0].schedule", json!("@sometimes")),
        ("spec.schedules[0].timeZone", json!("Paris")),
        ("spec.schedules[0].timeZone", json!("")),
        ("spec.schedules[0].duration", json!(null)),
        ("spec.schedules[0].duration", json!("0s")),
        ("spec.schedules[0].leadTime", json!("25h")),
        ("spec.schedules[0].minShards", json!(0)),
        ("spec.schedules[0].minShards", json!(65)),
        ("spec.schedules[0]", json!({"name": "idle", "schedule": "@daily", "duration": "1h"})),
        ("spec.schedules[1].leadTime", json!("1h")),
        ("spec.schedules[1].allow", json!("ScaleUp")),
        ("spec.schedules[1].days", json!("weekend")),
        ("spec.consumers[0].name", json!("a\u{1b}[2Jb")),
        ("spec.consumers[1]", json!({"name": "archive", "type": "Firehose"})),
        ("spec.consumers", numbered(51, |name| json!({"name": name, "type": "Lambda"}))),
        (
            "spec.schedules",
            numbered(
                51,
                |name| json!({"name": name, "schedule": "@daily", "duration": "1h", "allow": "None"}),
            ),
        ),
        ("spec.schedules[0].minShards", json!(201)),
        ("spec.hotShards", json!({})),
        ("statuses", json!({})),
    ]
}

/// Where `orders.yaml` is changed, and to what, without harm.
pub fn good_values() -> Vec<(&'static str, Value)> {
    vec![
        ("spec.minShards", json!(1)),
        ("spec.minShards", json!(64)),
        ("spec.maxShards", json!(200)),
        ("spec.maxShards", json!(16)),
        ("spec.interval", json!("10s")),
        ("spec.interval", json!("1h")),
        ("spec.targets.ingestBytes.utilization", json!(1)),
        ("spec.targets.ingestBytes.utilization", json!(100)),
        ("spec.targets.readBytes.utilization", json!("Auto")),
        ("spec.metrics.window", json!("1m")),
        ("spec.metrics.window", json!("60m")),
        ("spec.metrics.maxAge", json!("3m")),
        ("spec.behavior.scaleUp.policies", json!([])),
        ("spec.behavior.scaleUp.policies[0].value", json!(1_000)),
        ("spec.behavior.scaleDown.stabilizationWindowSeconds", json!(82_800)),
        ("spec.behavior.scaleDown.tolerance", json!(0)),
        ("spec.behavior.scaleDown.tolerance", json!(0.9)),
        ("spec.behavior.scaleDown.selectPolicy", json!("Disabled")),
        ("spec.tradeoff.stepCost", json!(0)),
        ("spec.tradeoff.stepCost", json!(100)),
        ("spec.tradeoff.horizon", json!("5m")),
        ("spec.tradeoff.horizon", json!("720h")),
        ("spec.budgets.maxStepsPerPlan", json!(400)),
        ("spec.budgets.maxMergesPerDay", json!(0)),
        ("spec.pace.step", json!("1s")),
        ("spec.pace.updateShardCount", json!("2h")),
        ("spec.updateShardCount", json!("Auto")),
        ("spec.updateShardCount", json!("Emergency")),
        ("spec.approval.expireAfter", json!("168h")),
        ("spec.consumers[2].pollInterval", json!("200ms")),
        ("spec.consumers[2].pollInterval", json!(null)),
        ("spec.consumers[2].name", json!("archive")),
        ("spec.consumers[2].name", json!("Team billing: orders/~")),
        ("spec.consumers[2].name", json!("b".repeat(255))),
        ("spec.lagGuard.maxIteratorAge", json!("24h")),
        ("spec.schedules[0].schedule", json!("@daily")),
        ("spec.schedules[0].schedule", json!("0 0 29 2 *")),
        ("spec.schedules[0].schedule", json!("*/15 6-20 * JAN-MAR,JUL MON-FRI")),
        ("spec.schedules[0].timeZone", json!(null)),
        ("spec.schedules[0].minShards", json!(64)),
        ("spec.schedules[0].duration", json!("8784h")),
        ("spec.targets", json!(null)),
        ("spec.metrics", json!({"window": "5m"})),
        ("spec.behavior", json!({"scaleDown": {"tolerance": 0.3}})),
        ("status", json!({"conditions": []})),
    ]
}

/// Puts `value` at `path` in `tree`, or takes out what is there.
pub fn put(tree: &mut Value, path: &str, value: Value) {
    let pointer = format!("/{}", path.replace(['.', '['], "/").replace(']', ""));
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    match (tree.pointer_mut(parent).expect(path), value) {
        (Value::Object(map), Value::Null) => drop(map.remove(last)),
        (Value::Object(map), value) => drop(map.insert(last.to_owned(), value)),
        (Value::Array(list), value) => list[last.parse::<usize>().unwrap()] = value,
        (other, _) => panic!("{path}: {other} has no fields"),
    }
}

#[test]
fn a_bad_value_gives_one_error_at_its_own_path() {
    let [orders] = resources("orders.yaml").try_into().unwrap();
    let mut report = String::new();
    for (path, value) in bad_values() {
        let mut tree = serde_json::to_value(&orders).unwrap();
        put(&mut tree, path, value.clone());
        let yaml = manifest::to_yaml(&tree).unwrap();
        let error = manifest::read_from(yaml.as_bytes(), "orders.yaml").expect_err(path).to_string();
        let at = match path {
            // The second of two alike is at fault, by its name.
            "spec.consumers[1]" => "spec.consumers[1].name",
            "spec.consumers[0].transform" if value.get("duration").is_none() => {
                "spec.consumers[0].transform.duration"
            }
            "spec.consumers[0].transform" if value.get("batchBytes").is_some() => {
                "spec.consumers[0].transform.batchBytes"
            }
            "spec.consumers[0].transform" => "spec.consumers[0].transform.duration",
            _ => path,
        };
        assert!(error.starts_with(&format!("orders.yaml: {at}: ")), "{path} = {value}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        report.push_str(&format!("{}\n", error.strip_prefix("orders.yaml: ").unwrap()));
    }
    insta::assert_snapshot!(report);
}

#[test]
fn an_arn_and_its_region_must_agree() {
    let [mut orders] = resources("orders.yaml").try_into().unwrap();
    let stream = &mut orders.spec.stream_ref;
    stream.name = None;
    stream.arn = Some("arn:aws:kinesis:eu-west-1:111122223333:stream/orders".to_owned());
    assert!(orders.to_policy().is_ok());

    orders.spec.stream_ref.region = Some("us-east-1".to_owned());
    let [fault] = orders.to_policy().unwrap_err().try_into().unwrap();
    let expected =
        "spec.streamRef.region: `us-east-1` is not the region in the ARN, `eu-west-1`: leave it out";
    assert_eq!(fault.to_string(), expected);

    orders.spec.stream_ref.region = None;
    orders.spec.stream_ref.arn = Some("arn:aws:kinesis:eu-west-1:1111:stream/orders".to_owned());
    let [fault] = orders.to_policy().unwrap_err().try_into().unwrap();
    assert_eq!(fault.path, "spec.streamRef.arn");
}

#[test]
fn the_edges_of_every_range_are_good() {
    let [orders] = resources("orders.yaml").try_into().unwrap();
    for (path, value) in good_values() {
        let mut tree = serde_json::to_value(&orders).unwrap();
        put(&mut tree, path, value.clone());
        let yaml = manifest::to_yaml(&tree).unwrap();
        if let Err(error) = manifest::read_from(yaml.as_bytes(), "orders.yaml") {
            panic!("{path} = {value}: {error}");
        }
    }
}
