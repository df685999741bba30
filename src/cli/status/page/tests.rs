//! What a status looks like.

use serde_json::json;

use super::*;

fn object() -> Autoscaler {
    let planned = crate::cost::fixtures::one_hot_shard().plan;
    serde_json::from_value(json!({
        "metadata": {"name": "orders", "namespace": "payments", "generation": 7},
        "spec": {"streamRef": {"name": "orders", "region": "eu-west-1"}, "mode": "Approve", "minShards": 4, "maxShards": 64},
        "status": {
            "observedGeneration": 7,
            "stream": {"name": "orders", "arn": "arn:aws:kinesis:eu-west-1:111122223333:stream/orders",
                "status": "ACTIVE", "mode": "PROVISIONED", "createdAt": "2026-01-02T03:04:05Z"},
            "shards": {"current": 4, "desired": 5, "hot": 1, "cold": 0},
            "topShards": [
                {"id": "shardId-000000000002", "ingestBytesPercent": 143, "ingestRecordsPercent": 72, "readBytesPercent": 71, "verdict": "HotKey"},
                {"id": "shardId-000000000000", "ingestBytesPercent": 40, "ingestRecordsPercent": 20, "readBytesPercent": 0},
            ],
            "plan": {"hash": planned.hash, "state": "AwaitingApproval", "summary": "4 → 5 shards in 1 step (1 split)",
                "generation": 7, "steps": planned.steps(), "expiresAt": "2026-11-25T15:12:00Z"},
            "recentSteps": [{"step": "split [0, 9] at 5", "why": "rejects writes", "kind": "Split", "result": "Done", "plan": "9f3c2a1b00000000",
                "at": "2026-11-25T11:55:00Z", "seconds": 31}],
            "conditions": [
                {"type": "Ready", "status": "True", "reason": "AwaitingApproval", "message": "a plan waits for approval",
                    "lastTransitionTime": "2026-11-22T12:00:00Z"},
                {"type": "HotKey", "status": "True", "reason": "HotKey",
                    "message": "ingest bytes of shardId-000000000002 are at 143.0 % of the ceiling, and splits left them in one place: a hot key",
                    "lastTransitionTime": "2026-11-25T11:30:00Z"},
            ],
        },
    }))
    .expect("an object")
}

fn shown(style: Style) -> String {
    shown_of(&object(), style)
}

fn shown_of(object: &Autoscaler, style: Style) -> String {
    let (policy, status) = (object.policy().expect("a policy"), object.status());
    let facts = Facts { object, policy: Some(&policy), status: &status };
    let now = "2026-11-25T12:00:00Z".parse().expect("a time");
    page(&facts, Some("reshard approve orders -n payments"), now, style)
}

#[test]
fn a_status_is_read_at_a_glance() {
    insta::assert_snapshot!(shown(Style { width: 100, color: false }));
}

#[test]
fn the_bars_end_at_the_targets_that_were_decided_by() {
    let mut object = object();
    object.status["targets"] =
        json!({"ingestBytesPercent": 30, "ingestRecordsPercent": 95, "readBytesPercent": 95});
    let row = |object: &Autoscaler, color| {
        let page = shown_of(object, Style { width: 100, color });
        page.lines().find(|line| line.contains("40 %")).expect("the cooler shard").to_owned()
    };
    let by_what_was_learned = [true, false].map(|color| row(&object, color));
    object.status["targets"] = json!(null);
    let by_the_resource = [true, false].map(|color| row(&object, color));
    let marked = |row: &str| {
        Painter { color: true }.paint(Tone::Warning, "40 %").split("40 %").all(|of| row.contains(of))
    };
    assert!(marked(&by_what_was_learned[0]) && !marked(&by_the_resource[0]), "40 % is hot at a target of 30");
    assert_ne!(by_what_was_learned[1], by_the_resource[1], "the bar shows the target");
}

#[test]
fn no_line_is_wider_than_the_terminal_and_color_changes_no_text() {
    for width in [60, 80, 120] {
        let plain = shown(Style { width, color: false });
        for line in plain.lines() {
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
        let painted = shown(Style { width, color: true });
        let mut bare = String::new();
        for (index, part) in painted.split("\u{1b}[").enumerate() {
            bare.push_str(if index == 0 { part } else { part.split_once('m').expect("a colour").1 });
        }
        assert_eq!(bare, plain);
    }
}

#[test]
fn a_resource_that_nobody_has_looked_at_is_shown_too() {
    let object = Autoscaler { status: json!(null), ..object() };
    let status = object.status();
    let facts = Facts { object: &object, policy: None, status: &status };
    let text = page(&facts, None, Timestamp::UNIX_EPOCH, Style { width: 80, color: false });
    assert_eq!(text, "payments/orders: not yet known\nthe stream has not been seen yet\n");
}

#[test]
fn where_bars_do_not_fit_the_figures_still_stand_under_each_other() {
    let shown = shown(Style { width: 60, color: false });
    let rows: Vec<&str> =
        shown.lines().skip_while(|line| *line != "HOTTEST SHARDS").skip(1).take(3).collect();
    assert_eq!(
        rows,
        [
            "     ingest bytes  ingest records  read bytes",
            "  2         143 %            72 %        71 %  HotKey",
            "  0          40 %            20 %         0 %",
        ]
    );
}
