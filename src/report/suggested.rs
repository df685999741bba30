//! A manifest for a stream that has none: text, for its comments say why.

use super::Report;
use crate::advice::{Suggested, Suggestion, Usage};
use crate::policy::defaults;

/// Comments are no wider, and no narrower than [`NARROWEST`].
const WIDEST: usize = 90;
const NARROWEST: usize = 60;

/// The manifest: valid YAML with a comment for each value, no comment wider than `width` columns.
/// `report` was made under the suggested policy; `name_is_arn` tells whether the stream is to be named
/// by its ARN.
pub fn suggested_manifest(
    report: &Report,
    usage: &[Usage],
    suggestion: &Suggestion,
    name_is_arn: bool,
    width: usize,
) -> String {
    let comment = |indent: &str, text: &str| comment(indent, text, width.clamp(NARROWEST, WIDEST));
    let Suggestion { min_shards, max_shards, ingest_percent } = suggestion;
    let stream = &report.stream;
    let known = usage.last().map_or(0, |usage| usage.known_minutes);
    let stream_ref = match name_is_arn {
        true => format!("{{arn: \"{}\"}}", stream.arn),
        false => format!("{{name: \"{}\", region: \"{}\"}}", stream.name, stream.region),
    };
    let mut text = comment(
        "",
        &format!(
            "Suggested by reshard inspect at {} from {} h {} min of the stream's past.",
            report.observed_at.strftime("%Y-%m-%d %H:%M UTC"),
            known / 60,
            known % 60
        ),
    );
    text.push_str("apiVersion: reshard.dev/v1alpha1\nkind: KinesisStreamAutoscaler\nmetadata:\n");
    text.push_str(&format!("  name: \"{}\"\nspec:\n  streamRef: {stream_ref}\n", object_name(&stream.name)));
    text.push_str(&comment("  ", "Nothing is changed until this says Apply, or Approve."));
    text.push_str("  mode: DryRun\n");
    for (field, Suggested { value, why }) in [("minShards", min_shards), ("maxShards", max_shards)] {
        text.push_str(&comment("  ", &format!("{why}.")));
        text.push_str(&format!("  {field}: {value}\n"));
    }
    text.push_str("  targets:\n");
    text.push_str(&comment("    ", &format!("{}.", ingest_percent.why)));
    for field in ["ingestBytes", "ingestRecords"] {
        text.push_str(&format!("    {field}: {{utilization: {}}}\n", ingest_percent.value));
    }
    text.push_str(&comment(
        "    ",
        "The default: pollers share 2 MB/s of each shard; less leaves them room to catch up.",
    ));
    text.push_str(&format!("    readBytes: {{utilization: {}}}\n", defaults::TARGET_PERCENT));
    text.push_str(&comment("  ", &metrics(report)));
    text.push_str("  metrics: {source: Shard, enhancedMonitoring: Require}\n");
    text.push_str(&comment("  ", &readers(report)));
    text.push_str("  # consumers:\n  # - {name: archive, type: Firehose}\n  # - {name: billing, type: Polling, pollInterval: 1s}\n");
    text
}

fn metrics(report: &Report) -> String {
    use crate::cost::CostItem;
    let now = report.cost.before.of(CostItem::ShardMetrics);
    format!(
        "By shard, for that is where the heat is: shard-level metrics cost {now} a month now{}.",
        if now == crate::cost::Money::ZERO {
            ", for they are off: turn them on, or say enhancedMonitoring: Manage"
        } else {
            ""
        }
    )
}

fn readers(report: &Report) -> String {
    match report.traffic.as_ref().and_then(|traffic| traffic.pollers_thousandths) {
        Some(0) => "Nobody polls. Declare who reads, so that lag and calls are known:".to_owned(),
        Some(pollers) => format!(
            "About {}.{} consumers poll, by what is read. Declare them, so that lag and calls are known:",
            pollers / 1_000,
            pollers / 100 % 10
        ),
        None => "Who reads is not known by metrics. Declare the consumers, so that lag and calls are known:"
            .to_owned(),
    }
}

fn comment(indent: &str, text: &str, width: usize) -> String {
    let head = format!("{indent}# ");
    let lines = super::layout::wrap(text, width - head.len());
    lines.iter().map(|line| format!("{head}{line}\n")).collect()
}

/// A name for the Kubernetes object, which takes fewer characters than a stream's.
fn object_name(stream: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = stream.chars().map(allowed).collect();
    match name.trim_matches('-') {
        "" => "stream".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_keep_their_width() {
        let lines = comment("    ", &"word ".repeat(40), 60);
        assert!(lines.lines().count() > 3 && lines.lines().all(|line| line.len() <= 60), "{lines}");
        assert!(lines.lines().all(|line| line.starts_with("    # word")), "{lines}");
    }

    #[test]
    fn any_stream_gets_the_name_of_an_object() {
        let names = ["Orders_v2", "__", "a.b-c", "-x-"].map(object_name);
        assert_eq!(names, ["orders-v2", "stream", "a-b-c", "x"]);
    }
}
