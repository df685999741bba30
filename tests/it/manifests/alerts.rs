//! Alerts speak of series, reasons and conditions that there are.

use std::fs;

use serde_json::Value;

use super::{root, sole};

/// The words of `text` made of `allowed` characters that begin with `start`.
fn words<'a>(text: &'a str, start: &str, allowed: impl Fn(char) -> bool) -> Vec<&'a str> {
    text.split(|c| !allowed(c)).filter(|word| word.starts_with(start)).collect()
}

/// What stands in quotes after `label` and an operator.
fn values<'a>(expression: &'a str, label: &str) -> Vec<&'a str> {
    let after = expression.split(label).skip(1);
    after
        .filter_map(|rest| rest.trim_start_matches(['=', '~']).strip_prefix('"')?.split('"').next())
        .collect()
}

/// The labels that `expression` sums by.
fn grouping(expression: &str) -> impl Iterator<Item = &str> {
    let lists = expression.split(" by (").skip(1).filter_map(|rest| rest.split(')').next());
    lists.flat_map(|labels| labels.split(", "))
}

#[test]
fn every_alert_is_about_series_reasons_and_conditions_that_there_are() {
    let read = |file: &str| fs::read_to_string(root().join(file)).unwrap();
    let documented = read("docs/metrics.md");
    let reasons = read("src/plan/hold.rs") + &read("src/plan/verdict.rs");
    let rule = sole("examples/alerts.yaml", "PrometheusRule");
    let rules = rule["spec"]["groups"][0]["rules"].as_array().unwrap();
    assert!(rules.len() >= 8, "{} alerts", rules.len());
    let guide = read("docs/operator.md");
    let explained = guide.lines().filter_map(|line| line.strip_prefix("| `Reshard")?.split_once('`'));
    let explained: Vec<String> = explained.map(|(name, _)| format!("Reshard{name}")).collect();
    let names: Vec<&str> = rules.iter().map(|alert| alert["alert"].as_str().unwrap()).collect();
    assert_eq!(explained, names, "docs/operator.md explains each alert, and no other");
    for alert in rules {
        let (name, expression) = (alert["alert"].as_str().unwrap(), alert["expr"].as_str().unwrap());
        let series = words(expression, "reshard_", |c| c.is_ascii_alphanumeric() || c == '_');
        assert!(!series.is_empty(), "{name}: {expression}");
        for series in series {
            let row = documented.lines().find(|line| line.starts_with(&format!("| `{series}` |")));
            let row = row.unwrap_or_else(|| panic!("{name}: there is no {series}"));
            for label in grouping(expression) {
                // Prometheus adds the namespace of the pod where a series has none.
                assert!(
                    label == "namespace" || row.contains(&format!("`{label}`")),
                    "{name}: no label {label}"
                );
            }
        }
        for reason in values(expression, "reason").into_iter().flat_map(|reasons| reasons.split('|')) {
            let quoted = match reason.strip_suffix(".*") {
                Some(start) => format!("\"{start}"),
                None => format!("\"{reason}\""),
            };
            assert!(reasons.contains(&quoted), "{name}: nothing has the reason {reason}");
        }
        for condition in values(expression, "{type") {
            assert!(["Ready", "Stalled", "PlanPending"].contains(&condition), "{name}: {condition}");
        }
        assert!(alert["annotations"]["summary"].is_string() && alert["for"].is_string(), "{name}");
    }
}

#[test]
fn the_documentation_has_the_expression_of_every_alert() {
    let rule = sole("examples/alerts.yaml", "PrometheusRule");
    let row = |alert: &Value| {
        let [name, expression, lasting] = ["alert", "expr", "for"].map(|key| alert[key].as_str().unwrap());
        // A bar ends a cell of a table, in code too.
        format!("| `{name}` | `{}` | {lasting} |\n", expression.replace('|', "\\|"))
    };
    let expected: String = rule["spec"]["groups"][0]["rules"].as_array().unwrap().iter().map(row).collect();
    let documented = fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let rows = documented.lines().filter(|line| line.starts_with("| `Reshard"));
    let rows: String = rows.flat_map(|line| [line, "\n"]).collect();
    assert!(rows == expected, "docs/metrics.md has to say:\n{expected}");
}

#[test]
fn when_every_replica_is_gone_an_alert_fires_that_needs_none_of_their_series() {
    let rule = sole("examples/alerts.yaml", "PrometheusRule");
    let alerts = rule["spec"]["groups"][0]["rules"].as_array().unwrap();
    let fires = |alert: &&Value| alert["expr"].as_str().unwrap().contains("absent(reshard_leader)");
    assert!(alerts.iter().any(|alert| fires(&alert)), "a comparison with nothing is nothing");
}

#[test]
fn prometheus_finds_the_operator_by_its_service() {
    let service = sole("service.yaml", "Service");
    let monitor = sole("examples/monitoring.yaml", "ServiceMonitor");
    assert_eq!(monitor["spec"]["selector"]["matchLabels"], service["metadata"]["labels"]);
    let [endpoint] = &monitor["spec"]["endpoints"].as_array().unwrap()[..] else { panic!("one endpoint") };
    assert_eq!(endpoint["port"], service["spec"]["ports"][0]["name"]);
    assert_eq!((&endpoint["path"], &endpoint["honorLabels"]), (&Value::from("/metrics"), &Value::from(true)));
}
