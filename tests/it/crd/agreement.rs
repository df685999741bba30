//! The schema and the policy beside each other: what one refuses the other refuses, but for what is
//! listed in [`beyond_the_schema`] and [`beyond_the_policy`].

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use reshard::resource::{FieldError, KinesisStreamAutoscaler};
use serde_json::{Value, json};

use super::{Judge, schema};
use crate::bad_input::fields::{bad_values, good_values, put};
use crate::bad_input::properties::resource;
use crate::bad_input::resources;

/// Why a fault of a resource is one that no schema can tell, if so. Every known difference is here.
fn beyond_the_schema(fault: &FieldError) -> Option<&'static str> {
    let FieldError { path, message } = fault;
    if path.starts_with("metadata") {
        return Some("names are the API server's own affair, and the generation is its own");
    }
    if path.starts_with("spec.schedules[") && path.ends_with("].schedule") {
        return Some("what a cron expression means, and whether its day ever comes");
    }
    if path.starts_with("spec.schedules[") && path.ends_with("].timeZone") {
        return Some("which time zones there are");
    }
    if message.contains("unknown field") {
        return Some("the API server drops unknown fields, or refuses them where the client asks for that");
    }
    None
}

/// Why a fault that the schema finds is none to the policy, if so. Every known difference is here.
fn beyond_the_policy(fault: &str) -> Option<&'static str> {
    (fault.contains("Invalid value: [") && fault.ends_with("is not of type \"object\""))
        .then_some("a list is read as a mapping's values in their order; only a file can hold one")
}

/// What the policy says.
fn policy_faults(object: &Value) -> Vec<FieldError> {
    let fault = |error: serde_path_to_error::Error<serde_json::Error>| {
        vec![FieldError { path: error.path().to_string(), message: error.inner().to_string() }]
    };
    let read: Result<KinesisStreamAutoscaler, _> = serde_path_to_error::deserialize(object).map_err(fault);
    // The decoder alone would take a list for a mapping.
    let read =
        read.and_then(|_| KinesisStreamAutoscaler::from_tree(object.clone()).map_err(|fault| vec![fault]));
    match read.and_then(|resource| resource.to_policy()) {
        Ok(_) => Vec::new(),
        Err(faults) => faults,
    }
}

/// Whether both take it; what they disagree about beyond what is known.
fn both_take(judge: &Judge, object: &Value) -> Result<bool, String> {
    let (schema, policy) = (judge.faults(object, None), policy_faults(object));
    match (schema.is_empty(), policy.is_empty()) {
        (true, true) => Ok(true),
        (false, false) => Ok(false),
        (true, false) if policy.iter().all(|fault| beyond_the_schema(fault).is_some()) => Ok(false),
        (true, false) => Err(format!("only the policy refuses {object:#}: {policy:#?}")),
        (false, true) if schema.iter().all(|fault| beyond_the_policy(fault).is_some()) => Ok(false),
        (false, true) => Err(format!("only the schema refuses {object:#}: {schema:#?}")),
    }
}

/// `orders.yaml` with `value` at `path`.
pub fn changed(path: &str, value: Value) -> Value {
    let [orders] = resources("orders.yaml").try_into().unwrap();
    let mut tree = serde_json::to_value(&orders).unwrap();
    put(&mut tree, path, value);
    tree
}

#[test]
fn every_bad_value_is_refused_by_both() {
    let judge = Judge::new();
    let mut by_the_policy_alone = Vec::new();
    for (path, value) in bad_values() {
        let object = changed(path, value.clone());
        match both_take(&judge, &object) {
            Ok(false) if judge.faults(&object, None).is_empty() => {
                by_the_policy_alone.push(format!("{path} = {value}"));
            }
            Ok(false) => {}
            Ok(true) => panic!("both take {path} = {value}"),
            Err(disagreement) => panic!("{path} = {value}: {disagreement}"),
        }
    }
    insta::assert_snapshot!(by_the_policy_alone.join("\n"));
}

#[test]
fn every_good_value_is_taken_by_both() {
    let judge = Judge::new();
    // A status is the controller's to write: whoever reads a manifest leaves it out.
    for (path, value) in good_values().into_iter().filter(|(path, _)| path.starts_with("spec")) {
        assert_eq!(both_take(&judge, &changed(path, value.clone())), Ok(true), "{path} = {value}");
    }
}

#[test]
fn the_stream_cannot_be_changed() {
    let judge = Judge::new();
    let old = changed("spec.maxShards", json!(64));
    let unchanged = changed("spec.maxShards", json!(32));
    assert_eq!(judge.faults(&unchanged, Some(&old)), Vec::<String>::new());
    for stream in [json!({"name": "clicks", "region": "eu-west-1"}), json!({"name": "orders"})] {
        let [fault] = judge.faults(&changed("spec.streamRef", stream), Some(&old)).try_into().unwrap();
        assert!(fault.starts_with("spec.streamRef: Invalid value: cannot be changed"), "{fault}");
    }
}

/// Values that stand at an edge of some field's range, or have the form of some field.
fn any_value() -> impl Strategy<Value = Value> {
    let numbers = [
        -1,
        0,
        1,
        2,
        4,
        15,
        16,
        17,
        63,
        64,
        65,
        99,
        100,
        101,
        199,
        200,
        201,
        399,
        400,
        401,
        999,
        1_000,
        1_001,
        9_999,
        10_000,
        10_001,
        82_799,
        82_800,
        82_801,
        86_399,
        86_400,
        86_401,
        i64::MAX,
    ];
    let texts = [
        "",
        " ",
        "orders",
        "a b",
        " a",
        "a ",
        "\u{a0}a",
        "a\u{7}b",
        ":a",
        "a:b",
        "é",
        "DryRun",
        "Apply",
        "Approve",
        "Shard",
        "Stream",
        "Require",
        "Manage",
        "Max",
        "Min",
        "Disabled",
        "Percent",
        "Shards",
        "Never",
        "Auto",
        "Emergency",
        "All",
        "ScaleDown",
        "ScaleUpOnly",
        "None",
        "Firehose",
        "Lambda",
        "Polling",
        "EnhancedFanOut",
        "eu-west-1",
        "us-gov-east-1",
        "eu-west",
        "EU-WEST-1",
        "UTC",
        "Europe/Paris",
        "Mars/Olympus",
        "Europe/",
        "0 6 * * 1-5",
        "0 6 * *",
        "@daily",
        "@never",
        "0 0 30 2 *",
        "* * * * ,",
        "\t0  6 * * MON",
        "0 6 * * MONDAY",
        "arn:aws:iam::111122223333:role/reshard/payments",
        "arn:aws:iam::1:role/x",
        "arn:aws:kinesis:eu-west-1:111122223333:stream/orders",
        "arn:aws:kinesis:us-east-1:111122223333:stream/orders",
        "arn:aws:kinesis:eu-west-1::stream/orders",
    ];
    let duration = "([0-9]{1,3}h)?([0-9]{1,4}m)?([0-9]{1,5}s)?([0-9]{1,4}ms)?";
    let edges = [
        "0s",
        "1s",
        "9s",
        "10s",
        "59s",
        "1m",
        "2m59s",
        "3m",
        "5m",
        "60m",
        "61m",
        "1h",
        "1h1s",
        "24h",
        "24h1s",
        "168h",
        "169h",
        "720h",
        "721h",
        "8784h",
        "8785h",
        "199ms",
        "200ms",
        "1000ms",
        "60000ms",
        "1500ms",
        "99999999999999999999h",
        "0h0m0s0ms",
    ];
    let arn = ("[a-z]{2,4}(-[a-z]{2,9}){1,3}-[0-9]{1,2}", "[a-zA-Z0-9_.-]{1,20}")
        .prop_map(|(region, name)| json!(format!("arn:aws:kinesis:{region}:111122223333:stream/{name}")));
    prop_oneof![
        4 => select(numbers.to_vec()).prop_map(Value::from),
        1 => (-10.0..110.0_f64).prop_filter("a whole number", |n| n.fract() != 0.0).prop_map(Value::from),
        1 => select(vec![0.2, 0.5, 0.9, 0.91, 99.5, 100.5]).prop_map(Value::from),
        4 => select(texts.to_vec()).prop_map(Value::from),
        2 => select(edges.to_vec()).prop_map(Value::from),
        2 => duration.prop_map(Value::from),
        1 => arn,
        1 => "[a-zA-Z0-9_.-]{100,140}".prop_map(Value::from),
        1 => "\\PC{0,8}".prop_map(Value::from),
        1 => ".{0,4}".prop_map(Value::from),
        1 => select(vec![json!([]), json!({}), json!(true), json!(false)]),
    ]
}

/// One change of a resource.
#[derive(Debug, Clone)]
enum Change {
    Replace(Index, Value),
    Remove(Index),
    Repeat(Index, usize),
    /// A field that the resource leaves out, by its path.
    Add(&'static str, Value),
}

fn any_change() -> impl Strategy<Value = Change> {
    let absent = [
        "spec.streamRef.name",
        "spec.streamRef.arn",
        "spec.streamRef.region",
        "spec.aws",
        "spec.consumers[0].pollInterval",
        "spec.consumers[0].transform",
        "spec.schedules[0].leadTime",
        "spec.schedules[0].minShards",
        "spec.schedules[0].allow",
        "spec.schedules[1].minShards",
        "spec.updateShardCount",
    ];
    prop_oneof![
        6 => (any::<Index>(), any_value()).prop_map(|(at, value)| Change::Replace(at, value)),
        2 => any::<Index>().prop_map(Change::Remove),
        1 => (any::<Index>(), 1..60_usize).prop_map(|(at, times)| Change::Repeat(at, times)),
        2 => (select(absent.to_vec()), any_value()).prop_map(|(path, value)| Change::Add(path, value)),
    ]
}

/// The places in `value` under the pointer `at`, it among them.
fn places(at: &str, value: &Value, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| places(&format!("{at}/{name}"), value, found));
        }
        Value::Array(items) => {
            (0..).zip(items).for_each(|(index, value): (usize, _)| {
                places(&format!("{at}/{index}"), value, found);
            });
        }
        _ => {}
    }
}

impl Change {
    fn make(self, object: &mut Value) {
        let mut all = Vec::new();
        match object.get("spec") {
            Some(spec) => places("/spec", spec, &mut all),
            None => return,
        }
        match self {
            Change::Replace(at, value) => *object.pointer_mut(&all[at.index(all.len())]).unwrap() = value,
            Change::Remove(at) => {
                let (parent, last) = all[at.index(all.len())].rsplit_once('/').unwrap();
                match object.pointer_mut(parent).unwrap() {
                    Value::Object(fields) => drop(fields.remove(last)),
                    Value::Array(items) => drop(items.remove(last.parse().unwrap())),
                    _ => unreachable!("it has fields or items"),
                }
            }
            Change::Repeat(at, times) => {
                let lists: Vec<String> = all
                    .into_iter()
                    .filter(|place| object.pointer(place).unwrap().as_array().is_some_and(|a| !a.is_empty()))
                    .collect();
                if lists.is_empty() {
                    return;
                }
                let list = object.pointer_mut(&lists[at.index(lists.len())]).unwrap().as_array_mut().unwrap();
                for number in 0..times {
                    let mut copy = list[number % list.len()].clone();
                    // Most have names of their own: what is to be found is that there are too many.
                    if let Some(name) = copy.get_mut("name").filter(|_| times > 2) {
                        *name = json!(format!("another {number}"));
                    }
                    list.push(copy);
                }
            }
            Change::Add(path, value) => {
                let pointer = format!("/{}", path.replace(['.', '['], "/").replace(']', ""));
                let (parent, last) = pointer.rsplit_once('/').unwrap();
                if let Some(Value::Object(fields)) = object.pointer_mut(parent) {
                    fields.insert(last.to_owned(), value);
                }
            }
        }
    }
}

#[test]
fn schema_and_policy_agree_about_resources_with_changes_of_any_kind() {
    let judge = Judge::new();
    let mut runner =
        TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() });
    let cases = (resource(), prop::collection::vec(any_change(), 0..4));
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..1_000 {
        let (resource, changes) = cases.new_tree(&mut runner).unwrap().current();
        let mut object = serde_json::to_value(&resource).unwrap();
        for change in changes {
            change.make(&mut object);
        }
        match both_take(&judge, &object) {
            Ok(true) => taken += 1,
            Ok(false) => refused += 1,
            Err(disagreement) => panic!("{disagreement}"),
        }
    }
    assert!(taken > 150 && refused > 150, "{taken} taken, {refused} refused");
}

/// Where the schema has rules: pointers to the lists of them.
fn rules(at: &str, schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(fields) => {
            for (name, value) in fields {
                match name.as_str() {
                    "x-kubernetes-validations" => found.push(format!("{at}/{name}")),
                    _ => rules(&format!("{at}/{name}"), value, found),
                }
            }
        }
        Value::Array(items) => {
            (0..)
                .zip(items)
                .for_each(|(index, item): (usize, _)| rules(&format!("{at}/{index}"), item, found));
        }
        _ => {}
    }
}

#[test]
fn without_any_one_of_its_rules_the_schema_would_take_something_bad() {
    let elsewhere = json!({
        "arn": "arn:aws:kinesis:eu-west-1:111122223333:stream/orders", "region": "us-east-1",
    });
    let more = [("spec.streamRef", elsewhere), ("spec.behavior.scaleDown.policies[1].value", json!(201))];
    let whole = Judge::new();
    let refused: Vec<Value> = bad_values()
        .into_iter()
        .chain(more)
        .map(|(path, value)| changed(path, value))
        .filter(|object| !whole.faults(object, None).is_empty())
        .collect();
    let mut lists = Vec::new();
    rules("", &schema(), &mut lists);
    let mut tried = 0;
    for list in lists {
        for index in 0..schema().pointer(&list).unwrap().as_array().unwrap().len() {
            let mut without = schema();
            let removed = without.pointer_mut(&list).unwrap().as_array_mut().unwrap().remove(index);
            // What may not change is another test's.
            if removed["rule"].as_str().unwrap().contains("oldSelf") {
                continue;
            }
            tried += 1;
            let without = Judge::of(&without);
            assert!(
                refused.iter().any(|object| without.faults(object, None).is_empty()),
                "nothing needs {removed} at {list}"
            );
        }
    }
    assert!(tried > 15, "{tried} rules");
}
