//! AWS refuses the same again and again: it is told once and not at each try, and conditions stand.

use std::time::Duration;

use jiff::Timestamp;
use reshard::operator::status::{Condition, ConditionStatus, Status};
use reshard::simulator::fault::{Effect, Fault, Operation, When};
use reshard::simulator::{ApiError, ApiErrorCode};
use serde_json::json;

use super::rig::{Rig, condition, even, is};
use crate::support::cluster::{Cluster, Memory};
use crate::support::kube::call::Verb;
use crate::support::wire::Sent;

/// From now on AWS answers `operation` with an error.
fn refuse(rig: &Rig<'_>, operation: Operation, code: ApiErrorCode) {
    let effect = Effect::Refuse(ApiError::new(code, "said AWS"));
    rig.account.cloud().inject(Fault { operation, when: When::Always, effect });
}

/// How the conditions stand that a step which fails turns, and since when.
fn turned(status: &Status) -> [Option<(ConditionStatus, Timestamp)>; 3] {
    ["Ready", "Stalled", "AbleToScale"]
        .map(|of| condition(status, of).map(|one| (one.status, one.last_transition_time)))
}

#[tokio::test(start_paused = true)]
async fn a_split_that_aws_keeps_refusing_is_told_once_in_ten_minutes_and_turns_its_conditions_once() {
    for (code, able) in
        [(ApiErrorCode::AccessDenied, "AwsAccessDenied"), (ApiErrorCode::InvalidArgument, "NotNow")]
    {
        let memory = Memory::start(0);
        let rig = Rig::start(&memory).await;
        rig.stream("orders", 2, even(2_400_000)).await;
        rig.put("orders", rig.spec("orders", "Apply", json!({}))).await;
        refuse(&rig, Operation::SplitShard, code);
        let operator = rig.operator();
        let refused = |one: Option<&Condition>| one.is_some_and(|one| one.reason == able);
        let status = rig.until("orders", "refused", |status| refused(condition(status, "AbleToScale"))).await;
        let (first, asked) = (turned(&status), rig.calls(Operation::SplitShard));
        for _ in 0..30 * 60 {
            rig.account.clock.sleep(Duration::from_secs(1)).await;
            assert_eq!(turned(&rig.status("orders").await), first, "{able}");
        }
        let tries = rig.calls(Operation::SplitShard) - asked;
        let told = rig.told("orders", &format!("Split{able}")).await;
        assert!(tries >= 6 && told <= 4, "{able}: {tries} tries, told {told} times");
        operator.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_that_aws_keeps_refusing_is_told_and_written_once() {
    let memory = Memory::start(0);
    let rig = Rig::start(&memory).await;
    rig.stream("orders", 2, even(1_200_000)).await;
    rig.put("orders", rig.spec("orders", "Apply", json!({}))).await;
    let operator = rig.operator();
    rig.until_seen("orders").await;
    refuse(&rig, Operation::ListShards, ApiErrorCode::LimitExceeded);
    memory.wire().clear_log();
    rig.until("orders", "refused", |status| is(status, "Reconciling", "AwsThrottles")).await;
    rig.pass_minutes(60).await;
    let writes = |sent: &Sent| sent.client == "operator" && sent.call.verb == Verb::Patch;
    assert_eq!((memory.wire().count(writes), rig.told("orders", "AwsThrottles").await), (1, 1));
    operator.stop().await;
}
