//! What a session keeps, forgets and tells once.

use serde_json::json;

use super::*;
use crate::cost::fixtures;
use crate::executor::{ExecuteError, StepOutcome};
use crate::operator::outcome::Act;
use crate::operator::outcome::fixture::{denied, stepped};
use crate::operator::status::{Condition, ConditionStatus, ShardCounts, TopShard};

fn object(version: &str, current: u32) -> Autoscaler {
    serde_json::from_value(json!({
        "metadata": {"name": "orders", "namespace": "payments", "uid": "1", "resourceVersion": version},
        "spec": {}, "status": {"shards": {"current": current, "desired": 4, "hot": 0, "cold": 0}},
    }))
    .expect("an object")
}

fn current(status: Option<&Status>) -> Option<u32> {
    status?.shards.map(|shards| shards.current)
}

fn with_message(message: &str) -> Status {
    let condition = Condition {
        r#type: "ConsumerLagging".to_owned(),
        status: ConditionStatus::True,
        reason: "ConsumerLagging".to_owned(),
        message: message.to_owned(),
        last_transition_time: Timestamp::UNIX_EPOCH,
        observed_generation: Some(1),
    };
    Status { conditions: vec![condition], ..Status::default() }
}

#[tokio::test(start_paused = true)]
async fn the_status_is_what_was_written_last_unless_the_watch_is_newer() {
    let mut session = Session::new("1");
    assert_eq!(session.status(&object("5", 1)), None, "it is read past the watch first");
    session.read(&object("10", 2), Instant::now());
    assert_eq!(current(session.status(&object("9", 1))), Some(2), "the watch is behind");
    assert_eq!(current(session.status(&object("11", 3))), Some(3), "somebody else has written");
    let shards = Some(ShardCounts { current: 4, ..ShardCounts::default() });
    session.wrote(Status { shards, ..Status::default() }, Some(&object("20", 4)), Instant::now());
    assert_eq!(current(session.status(&object("15", 3))), Some(4));
    // What could not be written stands here, and is written at the next occasion.
    let shards = Some(ShardCounts { current: 5, ..ShardCounts::default() });
    let unwritten = Status { shards, ..Status::default() };
    session.wrote(unwritten.clone(), None, Instant::now());
    assert_eq!(current(session.status(&object("30", 4))), Some(5));
    assert!(session.is_worth_writing(&unwritten, Instant::now()));
}

#[tokio::test(start_paused = true)]
async fn figures_in_words_are_written_from_time_to_time_only() {
    let mut session = Session::new("1");
    let status = with_message("consumer billing is 130 s behind");
    session.wrote(status.clone(), Some(&object("1", 1)), Instant::now());
    assert!(!session.is_worth_writing(&status, Instant::now()));
    let later = with_message("consumer billing is 190 s behind");
    assert!(!session.is_worth_writing(&later, Instant::now()));
    tokio::time::sleep(FIGURES_AFTER).await;
    assert!(!session.is_worth_writing(&status, Instant::now()));
    assert!(session.is_worth_writing(&later, Instant::now()));
    let another = with_message("consumer fraud is 130 s behind");
    session.wrote(later, Some(&object("2", 1)), Instant::now());
    assert!(session.is_worth_writing(&another, Instant::now()));
}

#[test]
fn the_fullest_shards_are_worth_a_write_when_the_picture_changes() {
    let top = |percents: &[u32], verdict: Option<&str>| Status {
        top_shards: percents
            .iter()
            .enumerate()
            .map(|(id, percent)| TopShard {
                id: format!("shard-{id}-{percent}"),
                ingest_bytes_percent: *percent,
                ingest_records_percent: 0,
                read_bytes_percent: 0,
                verdict: verdict.map(str::to_owned),
            })
            .collect(),
        ..Status::default()
    };
    let before = top(&[60, 50], None);
    assert_eq!(before.worth_of(&top(&[69, 12, 11], None)), Worth::Nothing);
    assert_eq!(before.worth_of(&top(&[70, 50], None)), Worth::Now);
    assert_eq!(before.worth_of(&top(&[50], None)), Worth::Now);
    assert_eq!(before.worth_of(&top(&[60, 50], Some("HotKey"))), Worth::Now);
    assert_eq!(before.worth_of(&top(&[], None)), Worth::Now);
}

#[tokio::test(start_paused = true)]
async fn the_same_is_told_once_in_ten_minutes() {
    let mut session = Session::new("1");
    let event = |note: &str| Event { warning: true, reason: "Conflict".to_owned(), note: note.to_owned() };
    let tell = |session: &mut Session, note: &str| {
        session.tell(vec![event(note)], Timestamp::UNIX_EPOCH, Instant::now());
    };
    tell(&mut session, "a");
    tell(&mut session, "a");
    tell(&mut session, "b");
    tokio::time::sleep(TOLD_AGAIN_AFTER).await;
    tell(&mut session, "a");
    let mut posted = Vec::new();
    while let Some((_, event)) = session.next_event() {
        posted.push(event.note.clone());
        session.posted();
    }
    assert_eq!(posted, ["a", "b", "a"]);
    for number in 0..100 {
        tell(&mut session, &number.to_string());
    }
    assert_eq!(session.events.len(), MOST_EVENTS);
    assert_eq!(session.events.back().map(|(_, event)| event.note.as_str()), Some("99"));
}

#[test]
fn a_step_of_ours_is_nobody_elses_whenever_it_takes_effect() {
    let mut sample = fixtures::even(4, 100_000);
    let before = sample.snapshot.clone();
    fixtures::split(&mut sample, 1);
    let after = {
        let mut snapshot = before.clone();
        let template = snapshot.shards[0].clone();
        let ranges = sample.plan.projected_ranges(1).expect("it fits");
        snapshot.shards =
            ranges.into_iter().map(|range| crate::stream::Shard { range, ..template.clone() }).collect();
        snapshot
    };
    let step = |result| match stepped(&sample, result) {
        Act::Stepped(stepped) => stepped,
        _ => panic!("a step"),
    };
    let unclear = ExecuteError::Unconfirmed { waited: Duration::from_secs(600), last: String::new() };
    for (result, is_ours) in [
        (Ok(StepOutcome::Done { took: Duration::from_secs(30) }), true),
        (Err(unclear), true),
        (Err(ExecuteError::AccessDenied(denied())), false),
    ] {
        let mut session = Session::new("1");
        assert_eq!(session.look(&before, None), None, "the first look has nothing to compare");
        session.stepped(&step(result.clone()));
        assert_eq!(session.look(&before, None), None, "not yet");
        assert_eq!(session.look(&after, None).is_none(), is_ours, "{result:?}");
        assert!(session.look(&before, None).is_some(), "and back is somebody else's");
    }
}

#[test]
fn a_step_that_another_replica_has_sent_is_nobody_elses() {
    let mut sample = fixtures::even(4, 100_000);
    let (before, mut after) = (sample.snapshot.clone(), sample.snapshot.clone());
    fixtures::split(&mut sample, 1);
    fixtures::split(&mut sample, 3);
    let template = after.shards[0].clone();
    let ranges = sample.plan.projected_ranges(1).expect("it fits");
    after.shards =
        ranges.into_iter().map(|range| crate::stream::Shard { range, ..template.clone() }).collect();
    let plan = |state| PlanStatus {
        hash: sample.plan.hash.clone(),
        state,
        summary: String::new(),
        generation: 1,
        steps: sample.plan.steps().to_vec(),
        targets: None,
        expires_at: None,
        message: None,
    };
    for (state, is_ours) in [(PlanState::Running, true), (PlanState::AwaitingApproval, false)] {
        let mut session = Session::new("1");
        assert_eq!(session.look(&before, Some(&plan(state))), None);
        assert_eq!(session.look(&after, Some(&plan(state))).is_none(), is_ours, "{state:?}");
    }
}

#[test]
fn of_steps_that_are_lost_for_hours_the_latest_are_remembered_each_once() {
    let mut sample = fixtures::even(20, 100_000);
    let mut session = Session::new("1");
    session.look(&sample.snapshot, None);
    for place in (0..20).rev() {
        fixtures::split(&mut sample, place);
    }
    let mut lost = |step: &Step| {
        let Act::Stepped(mut stepped) = stepped(&sample, Ok(StepOutcome::Lost)) else { panic!("a step") };
        stepped.step = step.clone();
        session.stepped(&stepped);
        session.sent.clone()
    };
    let steps = sample.plan.steps();
    for step in [&steps[0]; 50] {
        assert_eq!(lost(step), steps[..1]);
    }
    for (at, step) in steps.iter().enumerate() {
        assert_eq!(lost(step), steps[(at + 1).saturating_sub(MOST_SENT)..=at], "{at}");
    }
    let again = &steps[14];
    assert_eq!(lost(again).last(), Some(again), "what was sent last is forgotten last");
}

#[test]
fn another_way_to_aws_starts_anew_and_another_generation_looks_closely() {
    let mut session = Session::new("1");
    let identity = |region: &str| Identity { region: Some(region.to_owned()), role: None };
    let sample = fixtures::even(4, 100_000);
    let claim = Claim::from_arn(&sample.snapshot.summary.arn);
    session.belongs_to(1, &identity("eu-west-1"));
    session.resolved = claim.clone();
    session.look(&sample.snapshot, None);
    session.belongs_to(2, &identity("eu-west-1"));
    assert_eq!((session.resolved.clone(), session.tiling.is_some()), (claim, true));
    session.belongs_to(2, &identity("eu-west-2"));
    assert_eq!((session.resolved, session.tiling), (None, None));
}

#[test]
fn what_one_pass_tells_keeps_its_order_in_time() {
    let mut session = Session::new("1");
    let event = |note: &str| Event { warning: false, reason: "Split".to_owned(), note: note.to_owned() };
    session.tell(vec![event("first"), event("second")], Timestamp::UNIX_EPOCH, Instant::now());
    let mut told = Vec::new();
    while let Some((at, event)) = session.next_event() {
        told.push((*at, event.note.clone()));
        session.posted();
    }
    assert_eq!(told.iter().map(|(_, note)| note.as_str()).collect::<Vec<_>>(), ["first", "second"]);
    assert!(told[0].0 < told[1].0, "{told:?}");
}
