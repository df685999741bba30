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

#[test]
fn every_alert_is_about_series_reasons_and_conditions_that_there_are() {
    let read = |file: &str| fs::read_to_string(root().join(file)).unwrap();
    let documented = read("docs/metrics.md");
    let reasons = read("src/plan/hold.rs") + &read("src/plan/verdict.rs");
    let rule = sole("examples/alerts.yaml", "PrometheusRule");
    let rules = rule["spec"]["groups"][0]["rules"].as_array().unwrap();
    assert!(rules.len() >= 8, "{} alerts", rules.len());
    let guide = read("docs/operator.md");
    for alert in rules {
        let (name, expression) = (alert["alert"].as_str().unwrap(), alert["expr"].as_str().unwrap());
        assert!(guide.contains(&format!("`{name}`")), "docs/operator.md does not explain {name}");
        let series = words(expression, "reshard_", |c| c.is_ascii_alphanumeric() || c == '_');
        assert!(!series.is_empty(), "{name}: {expression}");
        for series in series {
            assert!(documented.contains(&format!("| `{series}` |")), "{name}: there is no {series}");
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
fn prometheus_finds_the_operator_by_its_service() {
    let service = sole("service.yaml", "Service");
    let monitor = sole("examples/monitoring.yaml", "ServiceMonitor");
    assert_eq!(monitor["spec"]["selector"]["matchLabels"], service["metadata"]["labels"]);
    let [endpoint] = &monitor["spec"]["endpoints"].as_array().unwrap()[..] else { panic!("one endpoint") };
    assert_eq!(endpoint["port"], service["spec"]["ports"][0]["name"]);
    assert_eq!((&endpoint["path"], &endpoint["honorLabels"]), (&Value::from("/metrics"), &Value::from(true)));
}
