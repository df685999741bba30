//! Who may touch what, and two resources on one stream.

use reshard::operator::leadership::Leadership;
use reshard::simulator::fault::Operation;
use serde_json::json;

use super::rig::{NAMESPACE, Rig, condition, even, is, spec};

const ARN: &str = "arn:aws:kinesis:us-east-1:123456789012:stream/orders";

#[tokio::test(start_paused = true)]
async fn what_the_namespace_does_not_allow_is_not_touched_nor_read() {
    let rig = Rig::start().await;
    rig.stream("orders", 2, even(2_400_000)).await;
    rig.namespace(NAMESPACE, "arn:aws:kinesis:us-east-1:123456789012:stream/payments-*").await;
    rig.put("orders", spec("orders", "Apply", json!({}))).await;
    let asked = || {
        let cloud = rig.aws.cloud();
        cloud.calls(Operation::DescribeStreamSummary) + cloud.calls(Operation::GetMetricData)
    };
    let before = asked();
    let operator = rig.operator();
    let status = rig.until("orders", "denied", |status| is(status, "Stalled", "AccessDenied")).await;
    let message = &condition(&status, "Stalled").unwrap().message;
    assert!(message.contains("reshard.dev/streams") && message.contains("orders"), "{message}");
    rig.pass_minutes(30).await;
    assert_eq!(asked(), before, "nothing is asked of AWS");
    assert_eq!(rig.told("orders", "AccessDenied").await, 1);
    // Once it is allowed, work begins at once.
    rig.namespace(NAMESPACE, "arn:aws:kinesis:us-east-1:123456789012:stream/ord*").await;
    rig.until("orders", "scaled", |status| {
        status.shards.is_some_and(|shards| shards.current >= 4) && condition(status, "Stalled").is_none()
    })
    .await;
    // And when it is no longer, it ends.
    rig.namespace(NAMESPACE, "").await;
    let status = rig.until("orders", "denied", |status| is(status, "Stalled", "AccessDenied")).await;
    assert_eq!((status.stream, status.shards), (None, None), "what was seen is told no more");
    operator.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_name_alone_is_resolved_before_anything_else_is_read() {
    let rig = Rig::start().await;
    rig.stream("orders", 2, even(2_400_000)).await;
    // Of another account: what is known of the name fits, what it stands for does not.
    rig.namespace(NAMESPACE, "arn:aws:kinesis:us-east-1:999999999999:stream/orders").await;
    rig.put("orders", spec("orders", "Apply", json!({}))).await;
    let calls = |operation| rig.aws.cloud().calls(operation);
    let before = (calls(Operation::ListShards), calls(Operation::GetMetricData));
    let operator = rig.operator();
    let status = rig.until("orders", "denied", |status| is(status, "Stalled", "AccessDenied")).await;
    assert!(condition(&status, "Stalled").unwrap().message.contains(ARN));
    assert_eq!((calls(Operation::ListShards), calls(Operation::GetMetricData)), before);
    operator.stop().await;
}

#[tokio::test(start_paused = true)]
async fn two_resources_on_one_stream_both_stop_and_say_so_until_one_is_gone() {
    let rig = Rig::start().await;
    rig.stream("orders", 2, even(2_400_000)).await;
    // By name, and by ARN, as somebody of another team would.
    rig.put("orders", spec("orders", "Apply", json!({}))).await;
    let mut by_arn = spec("orders", "Apply", json!({}));
    by_arn["streamRef"] = json!({"arn": ARN});
    rig.put("twin", by_arn).await;
    rig.label("twin", "team", "other").await;
    // One of them is not even this operator's.
    let operator = rig.operator_with("operator", Leadership::always(), "team!=other");
    let other = rig.operator_with("other", Leadership::always(), "team=other");
    for (name, rival) in [("orders", "twin"), ("twin", "orders")] {
        let status = rig.until(name, "a conflict", |status| is(status, "Stalled", "Conflict")).await;
        let message = &condition(&status, "Stalled").unwrap().message;
        assert!(message.contains(&format!("{NAMESPACE}/{rival}")), "{message}");
        assert_eq!(rig.told(name, "Conflict").await, 1);
    }
    let asked = rig.reshards_asked();
    assert!(asked <= 1, "{asked}: it is known before either can have begun twice");
    rig.pass_minutes(60).await;
    assert_eq!(rig.reshards_asked(), asked);
    rig.delete("twin").await;
    rig.until("orders", "free", |status| {
        condition(status, "Stalled").is_none() && status.shards.is_some_and(|shards| shards.current >= 4)
    })
    .await;
    operator.stop().await;
    other.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_may_not_touch_a_stream_cannot_stop_those_who_may() {
    let rig = Rig::start().await;
    rig.stream("orders", 2, even(2_400_000)).await;
    rig.namespace("strangers", "arn:aws:kinesis:*:*:stream/strange-*").await;
    rig.put("orders", spec("orders", "Apply", json!({}))).await;
    rig.put_in("strangers", "orders", spec("orders", "Apply", json!({}))).await;
    let operator = rig.operator();
    rig.until("orders", "scaled", |status| status.shards.is_some_and(|shards| shards.current >= 4)).await;
    assert_eq!(rig.told("orders", "Conflict").await, 0);
    operator.stop().await;
}

#[tokio::test(start_paused = true)]
async fn aws_is_asked_in_the_name_of_cluster_namespace_and_plan() {
    let rig = Rig::start().await;
    rig.stream("orders", 2, even(2_400_000)).await;
    rig.allow_roles("arn:aws:iam::123456789012:role/reshard/*").await;
    let role = "arn:aws:iam::123456789012:role/reshard/payments";
    rig.put("orders", spec("orders", "Apply", json!({"aws": {"roleArn": role}}))).await;
    let operator = rig.operator();
    rig.until("orders", "scaled", |status| status.shards.is_some_and(|shards| shards.current >= 3)).await;
    let roles: Vec<_> = rig.aws.identities().into_iter().map(|identity| identity.role.unwrap()).collect();
    assert!(roles.iter().all(|of| of.arn == role && of.external_id == "test/payments"));
    assert!(roles.iter().any(|of| of.session_name == "payments.orders"));
    assert!(roles.iter().any(|of| of.session_name.starts_with("payments.orders@")), "for a step");
    operator.stop().await;
}
