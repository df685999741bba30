//! What the registry makes of what the watches tell.

use serde_json::{Value, json};

use super::*;

const ARN: &str = "arn:aws:kinesis:eu-west-1:111122223333:stream/orders";

fn object(name: &str, generation: i64, stream: Value) -> Autoscaler {
    serde_json::from_value(json!({
        "metadata": {"name": name, "namespace": "payments", "uid": format!("uid-{name}"), "generation": generation},
        "spec": {"streamRef": stream, "maxShards": 8, "interval": format!("{}s", 59 + generation)},
    }))
    .expect("an object")
}

fn by_name(name: &str) -> Autoscaler {
    object(name, 1, json!({"name": "orders", "region": "eu-west-1"}))
}

fn by_arn(name: &str) -> Autoscaler {
    object(name, 1, json!({"arn": ARN}))
}

fn key(name: &str) -> Key {
    Key::new("payments", name)
}

fn namespace(streams: &str) -> Namespace {
    serde_json::from_value(json!({
        "metadata": {"name": "payments", "annotations": {"reshard.dev/streams": streams}},
    }))
    .expect("a namespace")
}

fn registry() -> Registry {
    Registry::new(LabelSelector::default(), true)
}

fn rivals(registry: &Registry, name: &str) -> Vec<String> {
    let view = registry.view(&key(name)).expect("it is there");
    view.rivals.iter().map(|key| key.name.to_string()).collect()
}

#[test]
fn it_is_synced_once_both_have_been_listed() {
    let mut registry = Registry::new(LabelSelector::default(), false);
    registry.resource(Event::Init);
    registry.resource(Event::InitDone);
    assert!(!registry.is_synced());
    registry.namespace(Event::Init);
    registry.namespace(Event::InitDone);
    assert!(registry.is_synced());
}

#[test]
fn a_status_that_changes_calls_for_nothing_and_a_spec_or_an_annotation_does() {
    let mut registry = registry();
    assert_eq!(registry.resource(Event::Apply(by_name("a"))), [Change::Edited(key("a"))]);
    let mut written = by_name("a");
    written.status = json!({"shards": {"current": 4}});
    written.metadata.resource_version = Some("7".to_owned());
    assert_eq!(registry.resource(Event::Apply(written.clone())), []);
    assert_eq!(registry.view(&key("a")).expect("there").object.status, written.status);
    let mut asked = by_name("a");
    asked.metadata.annotations = Some([(APPROVE.to_owned(), "0123".to_owned())].into());
    assert_eq!(registry.resource(Event::Apply(asked)), [Change::Nudged(key("a"))]);
    let edited = object("a", 2, json!({"name": "orders", "region": "eu-west-1"}));
    assert_eq!(registry.resource(Event::Apply(edited)), [Change::Edited(key("a"))]);
    let mut namesake = object("a", 2, json!({"name": "orders", "region": "eu-west-1"}));
    namesake.metadata.uid = Some("another".to_owned());
    assert_eq!(registry.resource(Event::Apply(namesake)), [Change::Edited(key("a"))]);
    assert_eq!(registry.resource(Event::Delete(by_name("a"))), [Change::Gone(key("a"))]);
    assert!(registry.view(&key("a")).is_none());
}

#[test]
fn what_is_not_listed_again_is_gone() {
    let mut registry = registry();
    for name in ["a", "b"] {
        registry.resource(Event::Apply(by_name(name)));
    }
    registry.resource(Event::Init);
    assert_eq!(registry.resource(Event::InitApply(by_name("b"))), []);
    let changes = registry.resource(Event::InitDone);
    assert!(changes.contains(&Change::Gone(key("a"))), "{changes:?}");
    assert!(changes.contains(&Change::Nudged(key("b"))), "who is left looks again: {changes:?}");
    assert_eq!(rivals(&registry, "b"), Vec::<String>::new());
}

#[test]
fn a_resource_that_is_being_deleted_is_gone_already() {
    let mut registry = registry();
    registry.resource(Event::Apply(by_name("a")));
    registry.resource(Event::Apply(by_name("b")));
    assert_eq!(rivals(&registry, "b"), ["a"]);
    let mut dying = by_name("a");
    dying.metadata.deletion_timestamp =
        Some(serde_json::from_value(json!("2026-03-02T09:00:00Z")).expect("a time"));
    assert!(registry.resource(Event::Apply(dying)).contains(&Change::Gone(key("a"))));
    assert!(registry.view(&key("a")).is_none());
    assert_eq!(rivals(&registry, "b"), Vec::<String>::new());
}

#[test]
fn a_name_and_an_arn_are_rivals_once_aws_has_said_which_stream_the_name_is() {
    let mut registry = registry();
    registry.resource(Event::Apply(by_name("named")));
    let changes = registry.resource(Event::Apply(by_arn("exact")));
    assert!(changes.contains(&Change::Nudged(key("named"))));
    assert_eq!((rivals(&registry, "named"), rivals(&registry, "exact")), (vec![], vec![]));
    let claim = Claim::from_arn(ARN).expect("an ARN");
    assert_eq!(registry.resolve(&key("named"), claim.clone()), [Change::Nudged(key("exact"))]);
    assert_eq!(registry.resolve(&key("named"), claim), [], "it is told once");
    assert_eq!(rivals(&registry, "named"), ["exact"]);
    assert_eq!(rivals(&registry, "exact"), ["named"]);
    // Another interval is still the same stream.
    registry.resource(Event::Apply(object("named", 2, json!({"name": "orders", "region": "eu-west-1"}))));
    assert_eq!(rivals(&registry, "exact"), ["named"]);
    registry.resource(Event::Delete(by_name("named")));
    assert_eq!(rivals(&registry, "exact"), Vec::<String>::new());
}

#[test]
fn who_may_not_touch_the_stream_is_no_rival() {
    let mut registry = Registry::new(LabelSelector::default(), false);
    registry.namespace(Event::Apply(namespace(ARN)));
    registry.resource(Event::Apply(by_arn("a")));
    registry.resource(Event::Apply(by_arn("b")));
    assert_eq!(rivals(&registry, "a"), ["b"]);
    let changes = registry.namespace(Event::Apply(namespace("")));
    assert!(changes.contains(&Change::Nudged(key("a"))) && changes.contains(&Change::Nudged(key("b"))));
    assert_eq!(rivals(&registry, "a"), Vec::<String>::new());
    assert_eq!(registry.namespace(Event::Apply(namespace(""))), [], "nothing has changed");
}

#[test]
fn whom_the_selector_leaves_out_is_seen_and_not_acted_on() {
    let mut registry = Registry::new("team=payments".parse().expect("a selector"), true);
    let labelled = |name: &str, team: &str| {
        let mut object = by_arn(name);
        object.metadata.labels = Some([("team".to_owned(), team.to_owned())].into());
        object
    };
    registry.resource(Event::Apply(labelled("own", "payments")));
    registry.resource(Event::Apply(labelled("other", "search")));
    assert_eq!(registry.own().map(|(key, _)| key.name.to_string()).collect::<Vec<_>>(), ["own"]);
    assert!(registry.view(&key("other")).is_none());
    assert_eq!(rivals(&registry, "own"), ["other"]);
    let changes = registry.resource(Event::Apply(labelled("own", "search")));
    assert_eq!(changes, [Change::Gone(key("own"))]);
}

#[test]
fn of_another_operators_name_its_status_tells_which_stream_it_is_or_it_may_be_any() {
    let mut registry = Registry::new("!other".parse().expect("a selector"), true);
    registry.resource(Event::Apply(by_arn("own")));
    let mut named = by_name("named");
    named.metadata.labels = Some([("other".to_owned(), String::new())].into());
    let changes = registry.resource(Event::Apply(named.clone()));
    assert_eq!(
        (rivals(&registry, "own"), changes),
        (vec!["named".to_owned()], vec![Change::Nudged(key("own"))])
    );
    let elsewhere = "arn:aws:kinesis:eu-west-1:999999999999:stream/orders";
    for (arn, expected) in [(elsewhere, vec![]), (ARN, vec!["named".to_owned()])] {
        named.status = json!({"stream": {"arn": arn}});
        assert_eq!(registry.resource(Event::Apply(named.clone())), [Change::Nudged(key("own"))]);
        assert_eq!(rivals(&registry, "own"), expected, "{arn}");
    }
}

#[test]
fn a_spec_that_cannot_be_read_lays_no_claim() {
    let mut registry = registry();
    registry.resource(Event::Apply(by_arn("a")));
    registry.resource(Event::Apply(object("b", 1, json!({"arn": 7}))));
    assert_eq!(rivals(&registry, "a"), Vec::<String>::new());
    assert!(registry.view(&key("b")).expect("there").policy.is_err());
}
