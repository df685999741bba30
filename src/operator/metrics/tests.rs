//! What is told, of whom, and that the documentation says the same.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::control_plane::{ControlPlane, StreamId};
use crate::cost::{Prices, fixtures};
use crate::demand::DemandSummary;
use crate::load::Load;
use crate::observe::test_plane::TestPlane;
use crate::operator::status::ConditionStatus;
use crate::plan::Hold;
use crate::quota::Dimension;
use crate::snapshot::Minute;

fn report() -> Report {
    let mut case = fixtures::one_hot_shard();
    case.plan.holds.push(Hold::Suspended);
    case.plan.verdicts.push(crate::plan::Verdict::AtMaxShards { max_shards: 4 });
    let newest = Minute::of(case.snapshot.observed_at);
    let demand = DemandSummary {
        window: Some((newest.plus(-5), newest.plus(-2))),
        mean: vec![(Dimension::IngestBytes, Load(400_000))],
        ..DemandSummary::default()
    };
    Report::new(&case.snapshot, &case.policy, &demand, &case.plan, &Prices::default())
}

fn condition(of: &str, status: ConditionStatus) -> Condition {
    Condition {
        r#type: of.to_owned(),
        status,
        reason: "Because".to_owned(),
        message: String::new(),
        last_transition_time: Timestamp::UNIX_EPOCH,
        observed_generation: None,
    }
}

/// Metrics with at least one sample of everything there is.
async fn full() -> Metrics {
    let metrics = Metrics::new("reshard", true);
    metrics.leading(true);
    for name in ["orders", "clicks"] {
        metrics.passed("payments", name, "Decided", Duration::from_millis(30));
        metrics.decided("payments", name, &report());
        metrics.conditions("payments", name, &[condition("Ready", ConditionStatus::True)]);
        metrics.stepped("payments", name, "Split", "Done", Duration::from_secs(31));
    }
    let plane = Counted::new(TestPlane::new(4), metrics.clone());
    plane.describe_stream_summary(&StreamId::Name("orders".to_owned())).await.expect("a summary");
    metrics.aws_called(
        "SplitShard",
        Some(&RequestError::new("SplitShard", ErrorClass::LimitExceeded, "")),
        Duration::from_millis(20),
    );
    metrics.api_called(&ApiCall {
        verb: "patch",
        resource: "kinesisstreamautoscalers/status",
        status: Some(429),
        took: Duration::from_millis(20),
    });
    metrics
}

/// The lines of `text` about the resource `name`.
fn of<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let label = format!("name=\"{name}\"");
    text.lines().filter(|line| line.contains(&label)).collect()
}

#[tokio::test]
async fn everything_is_told_with_namespace_and_name() {
    let text = full().await.render();
    let orders = of(&text, "orders");
    for line in [
        "reshard_shards_current{namespace=\"payments\",name=\"orders\"} 4.0",
        "reshard_shards_desired{namespace=\"payments\",name=\"orders\"} 5.0",
        "reshard_holds{namespace=\"payments\",name=\"orders\",reason=\"Suspended\"} 1.0",
        "reshard_verdicts{namespace=\"payments\",name=\"orders\",reason=\"AtMaxShards\"} 1.0",
        "reshard_condition{namespace=\"payments\",name=\"orders\",type=\"Ready\",status=\"True\"} 1.0",
        "reshard_steps_total{namespace=\"payments\",name=\"orders\",kind=\"Split\",result=\"Done\"} 1",
        "reshard_reconciles_total{namespace=\"payments\",name=\"orders\",outcome=\"Decided\"} 1",
    ] {
        assert!(orders.contains(&line), "{line} in\n{}", orders.join("\n"));
    }
    for line in [
        "reshard_leader{lease=\"reshard\"} 1",
        "reshard_aws_requests_total{operation=\"DescribeStreamSummary\",result=\"Ok\"} 1",
        "reshard_aws_requests_total{operation=\"SplitShard\",result=\"LimitExceeded\"} 1",
        "reshard_aws_throttles_total{operation=\"SplitShard\"} 1",
        "reshard_kubernetes_throttles_total{verb=\"patch\",resource=\"kinesisstreamautoscalers/status\"} 1",
    ] {
        assert!(text.lines().any(|told| told == line), "{line} in\n{text}");
    }
}

#[tokio::test]
async fn the_series_of_a_deleted_resource_disappear_and_no_others() {
    let metrics = full().await;
    let before = metrics.render();
    assert!(of(&before, "orders").len() > 20, "{before}");
    metrics.forget("payments", "orders");
    let after = metrics.render();
    assert_eq!(of(&after, "orders"), Vec::<&str>::new());
    assert_eq!(of(&after, "clicks"), of(&before, "clicks"));
    metrics.forget_all();
    assert_eq!(of(&metrics.render(), "clicks"), Vec::<&str>::new());
}

#[test]
fn what_is_not_known_any_more_is_not_told() {
    let metrics = Metrics::new("reshard", false);
    metrics.decided("payments", "orders", &report());
    metrics.conditions("payments", "orders", &[condition("Ready", ConditionStatus::True)]);
    metrics.conditions("payments", "orders", &[condition("Ready", ConditionStatus::False)]);
    metrics.undecided("payments", "orders");
    let text = metrics.render();
    let orders = of(&text, "orders");
    assert_eq!(
        orders,
        ["reshard_condition{namespace=\"payments\",name=\"orders\",type=\"Ready\",status=\"False\"} 1.0"]
    );
}

#[test]
fn each_shard_is_told_of_only_where_that_is_wanted() {
    for per_shard in [false, true] {
        let metrics = Metrics::new("reshard", per_shard);
        metrics.decided("payments", "orders", &report());
        let shards = metrics.render().lines().filter(|line| line.contains("shard=\"")).count();
        assert_eq!(shards, if per_shard { 4 * 3 } else { 0 });
    }
}

#[tokio::test]
async fn names_follow_the_conventions_of_prometheus() {
    let text = full().await.render();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split([' ', '{']).next().expect("a name");
        assert!(name.starts_with("reshard_"), "{name}");
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
    }
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').expect("a kind");
        // OpenMetrics names a counter without its `_total`.
        assert!(!(kind == "counter" && name.ends_with("_total")), "{name}");
    }
}

/// A row of the documentation for each metric of `text`.
fn table(text: &str) -> String {
    let (mut kinds, mut helps) = (BTreeMap::new(), BTreeMap::new());
    let mut labels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            kinds.insert(name, kind);
        } else if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' '))
        {
            helps.insert(name, help.trim_end_matches('.'));
        } else if let Some((name, rest)) = line.split_once('{') {
            let name = kinds.keys().rev().find(|known| name.starts_with(**known)).expect("a known metric");
            let keys = rest.split("\",").filter_map(|label| label.split_once("=\"")).map(|(key, _)| key);
            labels.entry(name).or_default().extend(keys.filter(|key| *key != "le"));
        }
    }
    let row = |(name, kind): (&&str, &&str)| {
        let suffix = match *kind {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let labels: Vec<_> =
            labels.get(name).into_iter().flatten().map(|label| format!("`{label}`")).collect();
        format!("| `{name}{suffix}` | {kind} | {} | {} |\n", labels.join(", "), helps[name])
    };
    kinds.iter().map(row).collect()
}

#[tokio::test]
async fn the_documentation_lists_every_metric() {
    let expected = table(&full().await.render());
    let documented = include_str!("../../../docs/metrics.md");
    let rows: String = documented
        .lines()
        .filter(|line| line.starts_with("| `reshard_"))
        .flat_map(|line| [line, "\n"])
        .collect();
    assert!(rows == expected, "docs/metrics.md has to say:\n{expected}");
}
