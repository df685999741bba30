//! Who may touch what, and two resources on one stream.

use reshard::operator::leadership::Leadership;
use reshard::simulator::fault::Operation;
use serde_json::json;

use super::rig::{Rig, condition, even, is};
use crate::support::cluster::{Cluster, on_every_cluster};

on_every_cluster! {
    async fn what_the_namespace_does_not_allow_is_not_touched_nor_read(cluster: &dyn Cluster) {
        let rig = Rig::start(cluster).await;
        rig.stream("orders", 2, even(2_400_000)).await;
        rig.allow("arn:aws:kinesis:us-east-1:123456789012:stream/payments-*").await;
        rig.put("orders", rig.spec("orders", "Apply", json!({}))).await;
        let asked =
            || rig.calls(Operation::DescribeStreamSummary) + rig.calls(Operation::GetMetricData);
        let before = asked();
        let operator = rig.operator();
        let status = rig.until("orders", "denied", |status| is(status, "Stalled", "AccessDenied")).await;
        let message = &condition(&status, "Stalled").unwrap().message;
        assert!(message.contains("reshard.dev/streams") && message.contains("orders"), "{message}");
        rig.pass_a_while().await;
        assert_eq!(asked(), before, "nothing is asked of AWS");
        assert_eq!(rig.told("orders", "AccessDenied").await, 1);
        // Once it is allowed, work begins at once.
        rig.allow("arn:aws:kinesis:us-east-1:123456789012:stream/ord*").await;
        rig.until("orders", "scaled", |status| {
            status.shards.is_some_and(|shards| shards.current >= 4) && condition(status, "Stalled").is_none()
        })
        .await;
        // And when it is no longer, it ends.
        rig.allow("").await;
        let status = rig.until("orders", "denied", |status| is(status, "Stalled", "AccessDenied")).await;
        assert_eq!((status.stream, status.shards), (None, None), "what was seen is told no more");
        operator.stop().await;
    }

    async fn a_name_alone_is_resolved_before_anything_else_is_read(cluster: &dyn Cluster) {
        let rig = Rig::start(cluster).await;
        rig.stream("orders", 2, even(2_400_000)).await;
        // Of another account: what is known of the name fits, what it stands for does not.
        rig.allow("arn:aws:kinesis:us-east-1:999999999999:stream/orders-*").await;
        rig.put("orders", rig.spec("orders", "Apply", json!({}))).await;
        let read = || (rig.calls(Operation::ListShards), rig.calls(Operation::GetMetricData));
        let before = read();
        let operator = rig.operator();
        let status = rig.until("orders", "denied", |status| is(status, "Stalled", "AccessDenied")).await;
        assert!(condition(&status, "Stalled").unwrap().message.contains(&rig.arn("orders")));
        assert_eq!(read(), before);
        operator.stop().await;
    }

    async fn a_stream_of_another_region_than_the_resource_names_is_not_touched_nor_read(cluster: &dyn Cluster) {
        let rig = Rig::start(cluster).await;
        rig.stream("orders", 2, even(2_400_000)).await;
        rig.allow_roles("*").await;
        let spec = |region: &str, role: Option<&str>| {
            let stream = json!({"name": rig.named("orders"), "region": region});
            let more = match role {
                None => json!({"streamRef": stream}),
                Some(role) => json!({"streamRef": stream, "aws": {"roleArn": role}}),
            };
            rig.spec("orders", "Apply", more)
        };
        let operator = rig.operator();
        // With a role the ARN that is meant is known beforehand, without one AWS is asked for it.
        for role in [None, Some("arn:aws:iam::123456789012:role/reshard")] {
            rig.put("orders", spec("eu-west-1", role)).await;
            let status =
                rig.until("orders", "refused", |status| is(status, "Stalled", "OtherRegion")).await;
            let message = &condition(&status, "Stalled").unwrap().message;
            for told in ["asked for in eu-west-1", &rig.arn("orders"), "answers for us-east-1"] {
                assert!(message.contains(told), "{message}");
            }
            rig.pass_a_while().await;
            assert_eq!(rig.reshards_asked(), 0);
            if role.is_none() {
                assert_eq!(rig.calls(Operation::GetMetricData), 0);
            }
            rig.delete("orders").await;
        }
        rig.put("orders", spec("us-east-1", None)).await;
        rig.until_shards("orders", 4).await;
        operator.stop().await;
    }

    async fn two_resources_on_one_stream_both_stop_and_say_so_until_one_is_gone(cluster: &dyn Cluster) {
        let rig = Rig::start(cluster).await;
        rig.stream("orders", 2, even(2_400_000)).await;
        // By name, and by ARN, as somebody of another team would.
        rig.put("orders", rig.spec("orders", "Apply", json!({}))).await;
        let mut by_arn = rig.spec("orders", "Apply", json!({}));
        by_arn["streamRef"] = json!({"arn": rig.arn("orders")});
        rig.put("twin", by_arn).await;
        rig.label("twin", "team", "other").await;
        // One of them is not even this operator's.
        let operator = rig.operator_with("operator", Leadership::always(), "team!=other");
        let other = rig.operator_with("other", Leadership::always(), "team=other");
        for (name, rival) in [("orders", "twin"), ("twin", "orders")] {
            let status = rig.until(name, "a conflict", |status| is(status, "Stalled", "Conflict")).await;
            let message = &condition(&status, "Stalled").unwrap().message;
            assert!(message.contains(&format!("{}/{rival}", rig.namespace)), "{message}");
            assert_eq!(rig.told(name, "Conflict").await, 1);
        }
        let asked = rig.reshards_asked();
        assert!(asked <= 1, "{asked}: it is known before either can have begun twice");
        rig.pass_a_while().await;
        assert_eq!(rig.reshards_asked(), asked);
        rig.delete("twin").await;
        rig.until("orders", "free", |status| {
            condition(status, "Stalled").is_none() && status.shards.is_some_and(|shards| shards.current >= 4)
        })
        .await;
        operator.stop().await;
        other.stop().await;
    }

    async fn who_may_not_touch_a_stream_cannot_stop_those_who_may(cluster: &dyn Cluster) {
        let rig = Rig::start(cluster).await;
        rig.stream("orders", 2, even(2_400_000)).await;
        let strangers = cluster.namespace().await;
        rig.allow_in(&strangers, "arn:aws:kinesis:*:*:stream/strange-*").await;
        rig.put("orders", rig.spec("orders", "Apply", json!({}))).await;
        rig.put_in(&strangers, "orders", rig.spec("orders", "Apply", json!({}))).await;
        let operator = rig.operator();
        rig.until_shards("orders", 4).await;
        assert_eq!(rig.told("orders", "Conflict").await, 0);
        operator.stop().await;
    }

    async fn aws_is_asked_in_the_name_of_cluster_namespace_and_plan(cluster: &dyn Cluster) {
        let rig = Rig::start(cluster).await;
        rig.stream("orders", 2, even(2_400_000)).await;
        rig.allow_roles("arn:aws:iam::123456789012:role/reshard/*").await;
        let role = "arn:aws:iam::123456789012:role/reshard/payments";
        rig.put("orders", rig.spec("orders", "Apply", json!({"aws": {"roleArn": role}}))).await;
        let operator = rig.operator();
        rig.until_shards("orders", 3).await;
        let roles: Vec<_> = rig.aws.identities().into_iter().map(|identity| identity.role.unwrap()).collect();
        let (external_id, session) =
            (format!("test/{}", rig.namespace), format!("{}.orders", rig.namespace));
        assert!(roles.iter().all(|of| of.arn == role && of.external_id == external_id));
        assert!(roles.iter().any(|of| of.session_name == session));
        let of_a_step = format!("{session}@");
        assert!(roles.iter().any(|of| of.session_name.starts_with(&of_a_step)), "{roles:?}");
        operator.stop().await;
    }
}
