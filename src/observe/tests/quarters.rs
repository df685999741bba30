//! The stream's writes by quarters of an hour, and who was open at whole hours: what is asked for and when, and
//! what is made of silence, of what comes late and of replies that are not whole.

use jiff::SignedDuration;

use super::*;
use crate::control_plane::{ErrorClass, Period};
use crate::observe::test_plane::Fault;
use crate::snapshot::Quarters;

/// What a quarter of an hour brings to a shard.
const OF_A_SHARD: [u64; 3] = [15_000, 150, 0];

fn foreseeing() -> ScalingPolicy {
    ScalingPolicy { update_shard_count: UpdateShardCount::Auto, ..policy(1, 10) }
}

/// How many quarters were asked for, of how many metrics, since this was last called.
fn asked(plane: &TestPlane) -> Vec<(i64, usize)> {
    let asked = std::mem::take(&mut plane.state().asked);
    let by_quarters = asked.into_iter().filter(|asked| asked.period == Period::QuarterHour);
    by_quarters.map(|asked| (asked.end.since(asked.start) / 15, asked.queries.len())).collect()
}

async fn seen(observer: &mut Observer, plane: &TestPlane) -> Quarters {
    let observation = observer.observe(plane, &foreseeing()).await.expect("an observation");
    observation.snapshot.metrics.quarters.expect("they are read")
}

/// The value of each quarter from so many before the last on.
fn newest(quarters: &Quarters, count: usize) -> &[Option<[u64; 3]>] {
    &quarters.values[quarters.values.len() - count..]
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

/// Silence for so many of the newest quarters that are over, without so many after them.
fn silence(plane: &TestPlane, quarters: i64, but: i64) {
    let mut state = plane.state();
    let end = Quarters::on_the_clock(Minute::of(state.now).plus(-2)).plus(-15 * but);
    state.silent = end.plus(-15 * quarters)..end;
}

fn no_silence(plane: &TestPlane) {
    plane.state().silent = Minute(0)..Minute(0);
}

#[tokio::test]
async fn quarters_are_read_where_calls_may_follow_a_forecast_whatever_tells_the_load_of_shards() {
    for leave in [UpdateShardCount::Never, UpdateShardCount::Emergency, UpdateShardCount::Auto] {
        for source in [MetricsSource::Shard, MetricsSource::Stream] {
            for mode in [StreamMode::Provisioned, StreamMode::OnDemand] {
                let plane = TestPlane::new(1);
                plane.state().summary.mode = mode;
                let mut policy = ScalingPolicy { update_shard_count: leave, ..policy(1, 10) };
                policy.metrics.source = source;
                let seen = observe(&plane, &policy).await.expect("an observation").snapshot.metrics.quarters;
                let wanted = leave == UpdateShardCount::Auto && mode == StreamMode::Provisioned;
                assert_eq!(
                    (seen.is_some(), asked(&plane).len()),
                    (wanted, wanted.into()),
                    "{leave:?} {mode:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn three_metrics_are_asked_for_once_a_quarter_is_over_and_none_before_the_next_one_is() {
    let plane = TestPlane::new(2);
    let (mut observer, mut other) = (Observer::one_shot(), Observer::one_shot());
    let mut passes = Vec::new();
    for minute in 0..40 {
        let with = observer.observe(&plane, &foreseeing()).await.expect("an observation");
        let asked = asked(&plane);
        let without = other.observe(&plane, &policy(1, 10)).await.expect("an observation");
        assert_eq!(with.metrics_requested - without.metrics_requested, 3 * asked.len() as u64);
        passes.extend(asked.into_iter().map(|(quarters, metrics)| (minute, quarters, metrics)));
        plane.advance(minutes(1));
    }
    // The stream is two days old, now is on the clock, and two minutes are not settled; an hour is asked for again.
    assert_eq!(passes, [(0, 2 * 96 - 1, 3), (2, 5, 3), (17, 5, 3), (32, 5, 3)]);
}

#[tokio::test]
async fn an_hour_of_a_stream_at_rest_takes_four_calls_for_twelve_metrics_more_where_it_foresees() {
    let plane = TestPlane::new(50);
    let work = work_of_an_hour_in_which(&plane, &foreseeing(), |_| {}).await;
    assert_eq!(work, ([60 + 12, 6, 48 + 12 * 2 + 4], 48 * 4 + 12 * (10 + 3 * 50) + 4 * 3));
}

#[tokio::test]
async fn what_is_remembered_of_quarters_is_what_is_read_anew_hour_after_hour() {
    // Within the day twelve days are full, and the first of them are let go.
    let plane = TestPlane::new(1).made_minutes_ago(12 * 24 * 60 - 200);
    let mut observer = Observer::one_shot();
    let mut starts = Vec::new();
    for pass in 0..60 {
        let remembered = seen(&mut observer, &plane).await;
        assert_eq!(remembered, seen(&mut Observer::one_shot(), &plane).await, "pass {pass}");
        let settled = Minute::of(plane.state().now).plus(-2);
        assert_eq!(remembered.end(), Quarters::on_the_clock(settled));
        starts.push(remembered.start);
        if pass % 20 == 10 {
            split_first(&plane).await;
        }
        // Once for longer than what is asked for again.
        plane.advance(if pass == 30 { minutes(200) } else { minutes(7 + pass % 5) });
    }
    starts.dedup();
    assert!(starts.len() > 10 && starts.is_sorted(), "{starts:?}");
}

#[tokio::test]
async fn of_a_stream_younger_than_a_quarter_of_the_clock_nothing_is_asked() {
    // Now is on the clock.
    for (made_ago, quarters) in
        [(0, 0), (1, 0), (14, 0), (15, 0), (16, 0), (29, 0), (30, 1), (44, 1), (45, 2), (61, 3)]
    {
        let plane = TestPlane::new(1).made_minutes_ago(made_ago);
        let seen = seen(&mut Observer::one_shot(), &plane).await;
        assert_eq!(seen.values, vec![Some(OF_A_SHARD); quarters], "{made_ago} minutes");
        assert!(seen.start >= Minute::of(plane.state().summary.created_at), "{made_ago} minutes");
        let expected = if quarters == 0 { vec![] } else { vec![(quarters as i64, 3)] };
        assert_eq!(asked(&plane), expected, "{made_ago} minutes");
    }
}

#[tokio::test]
async fn hours_without_writes_are_nothing_where_cloudwatch_has_told_all_and_unknown_where_it_has_not() {
    let plane = TestPlane::new(1);
    silence(&plane, 12, 3);
    let at = |quarters: &Quarters| {
        let newest = newest(quarters, 16);
        assert!(newest[1..13].iter().all(|quarter| *quarter == newest[1]), "{newest:?}");
        [newest[0], newest[1], newest[13], newest[15]]
    };
    let known = Some(OF_A_SHARD);
    let seen_of = seen(&mut Observer::one_shot(), &plane).await;
    assert_eq!(at(&seen_of), [known, Some([0; 3]), known, known]);
    plane.state().halves_metrics = true;
    assert_eq!(seen(&mut Observer::one_shot(), &plane).await, seen_of, "on two pages");
    plane.state().keeps_metrics_partial = true;
    let mut observer = Observer::one_shot();
    assert_eq!(at(&seen(&mut observer, &plane).await), [known, None, known, known]);

    // What is not known is asked for again when the next quarter is over, however long ago it was.
    asked(&plane);
    plane.state().keeps_metrics_partial = false;
    plane.advance(minutes(1));
    assert_eq!(at(&seen(&mut observer, &plane).await), [known, None, known, known]);
    assert_eq!(asked(&plane), []);
    plane.advance(minutes(15));
    let healed = seen(&mut observer, &plane).await;
    assert_eq!(newest(&healed, 17)[1..14], [&[Some([0; 3]); 12][..], &[known]].concat());
    assert_eq!(asked(&plane), [(16, 3), (16, 3)], "from the first that was not known on, on two pages");
}

#[tokio::test]
async fn what_cloudwatch_publishes_within_an_hour_is_taken_in_when_the_next_quarter_is_over() {
    let plane = TestPlane::new(1);
    let mut observer = Observer::one_shot();
    silence(&plane, 3, 0);
    let nothing = vec![Some([0; 3]); 3];
    assert_eq!(newest(&seen(&mut observer, &plane).await, 3), nothing);
    no_silence(&plane);
    assert_eq!(newest(&seen(&mut observer, &plane).await, 3), nothing, "not before");
    plane.advance(minutes(2));
    assert_eq!(newest(&seen(&mut observer, &plane).await, 4), vec![Some(OF_A_SHARD); 4]);
}

#[tokio::test]
async fn a_silence_that_cloudwatch_takes_back_within_a_day_is_none() {
    let plane = TestPlane::new(1);
    let mut observer = Observer::one_shot();
    silence(&plane, 20, 0);
    assert_eq!(newest(&seen(&mut observer, &plane).await, 20), vec![Some([0; 3]); 20]);
    no_silence(&plane);
    plane.advance(minutes(17));
    assert_eq!(newest(&seen(&mut observer, &plane).await, 22), vec![Some(OF_A_SHARD); 22]);
    // One that lasts is not asked for again for ever.
    silence(&plane, 20, 0);
    seen(&mut Observer::one_shot(), &plane).await;
    plane.advance(minutes(26 * 60));
    asked(&plane);
    seen(&mut observer, &plane).await;
    plane.advance(minutes(26 * 60));
    asked(&plane);
    seen(&mut observer, &plane).await;
    assert_eq!(asked(&plane), [(26 * 4 + 4, 3)]);
}

#[tokio::test]
async fn a_clock_that_goes_back_over_the_end_of_a_quarter_takes_it_back_and_asks_for_nothing() {
    let plane = TestPlane::new(1);
    let mut observer = Observer::one_shot();
    plane.advance(minutes(2));
    let before = seen(&mut observer, &plane).await;
    asked(&plane);
    let back = plane.state().now - SignedDuration::from_mins(1);
    plane.state().now = back;
    let mut shorter = before.clone();
    shorter.values.pop();
    assert_eq!(seen(&mut observer, &plane).await, shorter);
    plane.advance(minutes(1));
    assert_eq!(seen(&mut observer, &plane).await, before);
    assert_eq!(asked(&plane), []);
}

#[tokio::test]
async fn a_stream_made_anew_under_its_name_has_no_quarters_of_the_other() {
    let plane = TestPlane::new(2);
    let mut observer = Observer::one_shot();
    silence(&plane, 2, 0);
    seen(&mut observer, &plane).await;
    no_silence(&plane);
    let made = plane.state().now - SignedDuration::from_mins(50);
    plane.state().summary.created_at = made;
    let young = seen(&mut observer, &plane).await;
    assert_eq!(young.start, Minute::of(made).plus(5));
    assert_eq!(young.values, [Some([30_000, 300, 0]); 2]);
    assert_eq!(young, seen(&mut Observer::one_shot(), &plane).await);
}

#[tokio::test]
async fn where_quarters_are_refused_the_pass_goes_on_without_and_the_next_one_asks_again() {
    let plane = TestPlane::new(2);
    let whole = observe(&plane, &foreseeing()).await.expect("an observation").snapshot;
    let requests = std::mem::take(&mut plane.state().requests);
    assert_eq!(requests.last(), Some(&"GetMetricData"), "of the quarters");
    asked(&plane);
    plane.state().faults = vec![(requests.len() - 1, Fault::Refuse(ErrorClass::Throttled))];
    let mut observer = Observer::gated();
    let without = observer.observe(&plane, &foreseeing()).await.expect("an observation").snapshot;
    assert_eq!(without.metrics.quarters, None);
    plane.state().faults.clear();
    observer.look_closely();
    let next = observer.observe(&plane, &foreseeing()).await.expect("an observation").snapshot;
    assert_eq!(next, whole);
    assert_eq!(asked(&plane), [(2 * 96 - 1, 3)]);
}

#[tokio::test]
async fn who_was_open_at_each_whole_hour_is_listed_where_calls_are_made_together_and_only_once() {
    let hours = |snapshot: &Snapshot| {
        let all = snapshot.past_topologies.iter().filter(|topology| topology.at.as_second() % 3_600 == 0);
        all.count()
    };
    for (leave, of_day) in [
        (UpdateShardCount::Never, false),
        (UpdateShardCount::Emergency, true),
        (UpdateShardCount::Auto, true),
    ] {
        let plane = TestPlane::new(2);
        // So that no moment that is looked at anyway is on an hour.
        plane.advance(minutes(7));
        split_first(&plane).await;
        plane.advance(minutes(21));
        let policy = ScalingPolicy { update_shard_count: leave, ..policy(1, 10) };
        let mut observer = Observer::one_shot();
        let first = observer.observe(&plane, &policy).await.expect("an observation").snapshot;
        assert_eq!(hours(&first), if of_day { 24 } else { 0 }, "{leave:?}");
        let past = first.past_topologies.len();
        let together = plane.state().most_under_way;
        assert_eq!((together, count(&plane, "ListShards")), (past, past + 1));

        // An hour later the new one follows from those that are known, as most others do.
        plane.advance(minutes(60));
        let later = observer.observe(&plane, &policy).await.expect("an observation").snapshot;
        assert_eq!(hours(&later), hours(&first));
        let listings = count(&plane, "ListShards") - past - 2;
        assert!(
            listings <= 2,
            "{listings} of {} are asked for: those around the split",
            later.past_topologies.len()
        );
    }
}
