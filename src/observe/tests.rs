//! What is asked for, how it is put together, and that the cache changes nothing.

use std::time::Duration;

use jiff::SignedDuration;

use super::test_plane::{Fault, TestPlane, policy};
use super::*;
use crate::control_plane::{ErrorClass, MetricQuery};
use crate::cost::fixtures::even;
use crate::hash_key::HashKeyRange;
use crate::load::{Load, Loads};
use crate::plan::{Evidence, Hold, RangeLoad};
use crate::policy::{Consumer, ConsumerKind, ScalingRules};
use crate::quota::Dimension;
use crate::snapshot::{ShardMetric, StreamMetric};

#[cfg(feature = "sandbox")]
mod cached;
mod quarters;

fn count(plane: &TestPlane, operation: &str) -> usize {
    plane.state().requests.iter().filter(|request| **request == operation).count()
}

/// Splits the first open shard and waits for it.
async fn split_first(plane: &TestPlane) {
    let first =
        plane.state().lives.iter().find(|life| !life.shard.closed).expect("one is open").shard.clone();
    let at = first.range.inner_boundaries(2).next().expect("two parts");
    let id = StreamId::Name("orders".to_owned());
    plane.split_shard(&id, &first.id, at).await.expect("it is ACTIVE");
    plane.advance(Duration::from_secs(30));
}

#[tokio::test]
async fn two_hundred_shards_are_observed_in_three_calls_for_metrics() {
    let plane = TestPlane::new(200);
    let observation = observe(&plane, &policy(1, 200)).await.expect("an observation");
    assert_eq!((count(&plane, "DescribeStreamSummary"), count(&plane, "GetMetricData")), (1, 3));
    assert_eq!(observation.metrics_requested, 10 + 3 * 200);
    assert_eq!(observation.level, MetricLevel::Shards);
    let metrics = &observation.snapshot.metrics;
    assert!(metrics.shards.len() == 200 && metrics.shards.values().all(|shard| shard.len() == 3));
    let all = metrics.stream.values().chain(metrics.shards.values().flat_map(|shard| shard.values()));
    assert!(all.into_iter().all(|series| series.complete && Some(series.end()) == metrics.settled_until));
}

#[tokio::test]
async fn unsettled_minutes_are_left_out_and_the_look_back_ends_where_it_must() {
    let plane = TestPlane::new(1);
    let now = plane.state().now;
    for (retention, made_minutes_ago, back_minutes) in
        [(24, 48 * 60, 24 * 60 - 15), (168, 48 * 60, 24 * 60), (24, 90, 90)]
    {
        let plane = TestPlane::new(1).made_minutes_ago(made_minutes_ago);
        plane.state().summary.retention_hours = retention;
        let snapshot = observe(&plane, &policy(1, 10)).await.expect("an observation").snapshot;
        let start = now - SignedDuration::from_mins(back_minutes);
        assert_eq!((snapshot.observed_at, snapshot.look_back_start), (now, start));
        assert_eq!(snapshot.metrics.settled_until, Some(Minute::of(now).plus(-2)));
        assert_eq!(snapshot.metrics.stream[&StreamMetric::IncomingBytes].start, Minute::of(start));
        let moments: Vec<_> = snapshot.past_topologies.iter().map(|topology| topology.at).collect();
        assert!(moments.is_sorted() && moments[0] == start, "{moments:?}");
        assert!(moments.iter().all(|at| *at >= start && *at == Minute::of(*at).start()));
        for minutes in [5, 15, 60] {
            assert!(moments.contains(&(now - SignedDuration::from_mins(minutes))), "{minutes} minutes ago");
        }
    }
}

#[tokio::test]
async fn a_stream_in_its_first_minutes_has_no_metrics_and_does_no_harm() {
    for minutes in 0..5 {
        let plane = TestPlane::new(1).made_minutes_ago(minutes);
        let snapshot = observe(&plane, &policy(1, 10)).await.expect("an observation").snapshot;
        let known = snapshot.metrics.stream[&StreamMetric::IncomingBytes].values.len();
        assert_eq!(known, usize::try_from(minutes - 2).unwrap_or(0));
    }
}

#[tokio::test]
async fn closed_shards_of_the_span_are_read_and_those_from_before_it_are_not() {
    let plane = TestPlane::new(1);
    split_first(&plane).await;
    plane.advance(Duration::from_secs(4 * 3_600));
    split_first(&plane).await;
    plane.advance(Duration::from_secs(600));
    let snapshot = observe(&plane, &policy(1, 10)).await.expect("an observation").snapshot;
    assert_eq!(snapshot.shards.len(), 5, "the look-back lists all of them");
    let read: Vec<_> = snapshot.metrics.shards.keys().map(|id| id.short()).collect();
    assert_eq!(read, ["1", "2", "3", "4"], "shard 0 was closed four hours ago");
    let history = &snapshot.metrics.shards[&snapshot.shards[3].id][&ShardMetric::IncomingBytes];
    assert_eq!((history.values.first(), history.values.last()), (Some(&None), Some(&Some(1_000))));
}

#[tokio::test]
async fn a_closed_shard_is_not_asked_for_again_once_it_has_nothing_more_to_tell() {
    let plane = TestPlane::new(1);
    let (policy, mut observer) = (policy(1, 10), Observer::one_shot());
    split_first(&plane).await;
    let mut asked = Vec::new();
    let mut last = None;
    for _ in 0..5 {
        let seen = observer.observe(&plane, &policy).await.expect("an observation");
        asked.push(seen.metrics_requested);
        last = Some(seen.snapshot);
        plane.advance(Duration::from_secs(6 * 60));
    }
    // Seen closed at once, it was asked for again when the minutes up to 16 later were settled: after 18.
    assert_eq!(asked, [10 + 9, 10 + 9, 10 + 9, 10 + 9, 10 + 6]);
    let history = &last.expect("five").metrics.shards;
    assert_eq!(history.len(), 3, "what it told is there all the same");
}

#[tokio::test]
async fn past_topologies_of_a_server_that_ignores_filters_are_dropped() {
    let plane = TestPlane::new(1);
    split_first(&plane).await;
    plane.state().ignores_filters = true;
    let snapshot = observe(&plane, &policy(1, 10)).await.expect("an observation").snapshot;
    assert_eq!(snapshot.past_topologies, []);
    assert_eq!(snapshot.shards.len(), 3);

    plane.state().ignores_filters = false;
    let snapshot = observe(&plane, &policy(1, 10)).await.expect("an observation").snapshot;
    let past: Vec<_> = snapshot.past_topologies.iter().map(|topology| topology.open.len()).collect();
    assert!(past.iter().all(|open| *open == 1) && !past.is_empty(), "before the split: {past:?}");
}

#[tokio::test]
async fn past_moments_that_are_not_known_are_listed_together_and_only_once() {
    let plane = TestPlane::new(2);
    split_first(&plane).await;
    plane.advance(Duration::from_secs(600));
    let (policy, mut observer) = (policy(1, 10), Observer::one_shot());
    let past =
        observer.observe(&plane, &policy).await.expect("an observation").snapshot.past_topologies.len();
    assert!(past > 5, "{past} moments");
    let together = plane.state().most_under_way;
    assert_eq!((together, count(&plane, "ListShards")), (past, past + 1));

    // The shards are the same as when they were last looked at, so they were all the while.
    plane.advance(Duration::from_secs(240));
    observer.observe(&plane, &policy).await.expect("an observation");
    let unknown = count(&plane, "ListShards") - past - 2;
    assert!(unknown <= 2, "{unknown} of {past} moments are asked for: those around the split");
}

#[tokio::test]
async fn of_a_stream_whose_shards_have_been_the_same_all_day_no_past_moment_is_asked_for() {
    let plane = TestPlane::new(3);
    let snapshot = observe(&plane, &policy(1, 10)).await.expect("an observation").snapshot;
    assert_eq!(count(&plane, "ListShards"), 1);
    let stream = StreamId::Name("orders".to_owned());
    assert!(snapshot.past_topologies.len() > 5);
    for topology in snapshot.past_topologies {
        let listed = past_topology(&plane, &stream, topology.at).await.expect("a listing");
        assert_eq!(Some(topology), listed);
    }
}

/// The work of an observer's passes over an hour, one a minute, once it knows the day: calls of
/// ListShards, DescribeStreamSummary and GetMetricData, and metrics.
async fn work_of_an_hour(plane: &TestPlane) -> ([usize; 3], u64) {
    work_of_an_hour_in_which(plane, &policy(1, 10), |_| {}).await
}

/// The same, where this follows each pass.
async fn work_of_an_hour_in_which(
    plane: &TestPlane,
    policy: &ScalingPolicy,
    happens: impl Fn(&mut Observer),
) -> ([usize; 3], u64) {
    let (mut observer, mut metrics) = (Observer::gated_apart("uid"), 0);
    for minute in 0..120 {
        if minute == 60 {
            plane.state().requests.clear();
            metrics = 0;
        }
        metrics += observer.observe(plane, policy).await.expect("an observation").metrics_requested;
        happens(&mut observer);
        plane.advance(Duration::from_secs(60));
    }
    let calls = ["ListShards", "DescribeStreamSummary", "GetMetricData"];
    (calls.map(|operation| count(plane, operation)), metrics)
}

#[tokio::test]
async fn an_hour_of_a_stream_at_rest_takes_so_many_requests_and_no_more() {
    let plane = TestPlane::new(50);
    let work = work_of_an_hour(&plane).await;
    assert_eq!(work, ([60 + 12, 6, 48 + 12 * 2], 48 * 4 + 12 * (10 + 3 * 50)));
}

#[tokio::test]
async fn a_stream_that_stays_as_it_was_decided_on_is_read_no_more_often_however_full_it_is() {
    let plane = TestPlane::new(2);
    // 40 MB a minute and shard: two thirds of the ceiling, where the target is 70 %.
    plane.state().summary.name = "orders-40000".to_owned();
    let ([listings, descriptions, _], metrics) = work_of_an_hour(&plane).await;
    assert_eq!((listings, descriptions), (60 + 12, 6));
    // The readers' four besides, where they read a lot.
    assert!(metrics <= 48 * 4 + 12 * (10 + 7 * 2), "{metrics} metrics");
}

#[tokio::test]
async fn a_stream_that_has_risen_to_where_the_next_shard_is_hot_is_read_at_once() {
    let plane = TestPlane::new(2);
    plane.state().summary.name = "orders-40000".to_owned();
    let shards = HashKeyRange::WHOLE.equal_parts(2).into_iter().map(|range| {
        let loads = Loads { ingest_bytes: Load::from_percent(67), ..Loads::default() };
        RangeLoad { range, loads, peak_loads: loads, evidence: Evidence::Measured }
    });
    let policy = policy(1, 10);
    let plan = Plan { before: shards.collect(), limits: policy.limits(None), ..even(2, 10).plan };
    let level_after = async |times: f64| {
        let mut observer = Observer::gated();
        observer.observe(&plane, &policy).await.expect("an observation");
        observer.decided(&plan, false);
        plane.advance(Duration::from_secs(60));
        let newest = Minute::of(plane.state().now).plus(-UNSETTLED_MINUTES);
        plane.state().rises = (newest, times);
        let level = observer.observe(&plane, &policy).await.expect("an observation").level;
        plane.state().rises = (newest, 1.0);
        plane.advance(Duration::from_secs(240));
        level
    };
    // One minute of the window's three: less than a twentieth brings 67 % to 70 %.
    assert_eq!(level_after(1.02).await, MetricLevel::Stream);
    assert_eq!(level_after(1.20).await, MetricLevel::Shards);
}

#[tokio::test]
async fn minutes_that_come_late_are_left_to_a_later_look_as_long_as_what_is_known_is_not_too_old() {
    let plane = TestPlane::new(2);
    // The newest minute that should be settled ended two minutes ago.
    let newest = Minute::of(plane.state().now).plus(-UNSETTLED_MINUTES);
    for max_age_minutes in [3, 5, 20, 60] {
        let mut policy = policy(1, 10);
        policy.metrics.max_age = Duration::from_secs(60 * max_age_minutes);
        let most = i64::try_from(max_age_minutes).expect("an hour at the most") - 2;
        for (late, settled_until) in [(0, 1), (1, 0), (most, 1 - most), (most + 1, 1)] {
            plane.state().silent = newest.plus(1 - late)..newest.plus(1);
            let seen = observe(&plane, &policy).await.expect("an observation").snapshot;
            let settled = seen.metrics.settled_until.expect("a stream that is two days old");
            assert_eq!(settled, newest.plus(settled_until), "{late} of {max_age_minutes} minutes late");
            let demand = crate::demand::assess(&seen, &policy);
            let unsettled = demand.shards[0].unsettled.iter();
            // The newest of a window of three minutes is too old, or there is none in it.
            let is_right = match demand.stops.iter().chain(unsettled).next() {
                None => late <= most,
                Some(Hold::SilentStream | Hold::MetricsStale { .. }) => late > most,
                _ => false,
            };
            assert!(is_right, "{late} of {max_age_minutes} minutes late: {:?}", demand.stops);
            // The window of an hour that decides merges is covered.
            let from =
                seen.metrics.shards.values().flat_map(|shard| shard.values()).map(|series| series.start);
            assert!(from.max().is_some_and(|from| from <= settled.plus(-60)), "{late} of {max_age_minutes}");
        }
    }
}

#[tokio::test]
async fn where_shards_tell_later_than_the_stream_what_all_have_told_decides() {
    for late_shards in [1, 2] {
        let plane = TestPlane::new(2);
        let newest = Minute::of(plane.state().now).plus(-UNSETTLED_MINUTES);
        plane.state().silent_shards = (newest..newest.plus(1), late_shards);
        let seen = observe(&plane, &policy(1, 10)).await.expect("an observation").snapshot;
        assert_eq!(seen.metrics.settled_until, Some(newest), "{late_shards} of two are late");
        assert_eq!(crate::demand::assess(&seen, &policy(1, 10)).stops, []);
    }
}

#[tokio::test]
async fn shards_that_never_add_up_to_the_stream_are_not_waited_for() {
    let plane = TestPlane::new(2);
    let now = Minute::of(plane.state().now);
    plane.state().silent_shards = (now.plus(-600)..now, 1);
    let seen = observe(&plane, &policy(1, 10)).await.expect("an observation").snapshot;
    assert_eq!(seen.metrics.settled_until, Some(now.plus(1 - UNSETTLED_MINUTES)));
    let stops = crate::demand::assess(&seen, &policy(1, 10)).stops;
    assert!(matches!(stops[..], [Hold::MetricsInconsistent { .. }]), "{stops:?}");
}

#[tokio::test]
async fn what_no_decision_needs_may_be_refused() {
    let busy = async || {
        let plane = TestPlane::new(2);
        // 60 MB read a minute and shard: the shards' readers are looked at.
        plane.state().summary.name = "orders-60000".to_owned();
        split_first(&plane).await;
        plane.advance(Duration::from_secs(10 * 60));
        plane.state().requests.clear();
        plane
    };
    let policy = ScalingPolicy { update_shard_count: UpdateShardCount::Auto, ..policy(1, 10) };
    let plane = busy().await;
    let whole = observe(&plane, &policy).await.expect("an observation").snapshot;
    let requests = plane.state().requests.clone();
    let mut needed = Vec::new();
    for (number, operation) in requests.iter().enumerate() {
        let plane = busy().await;
        plane.state().faults = vec![(number, Fault::Refuse(ErrorClass::Throttled))];
        match observe(&plane, &policy).await {
            Err(_) => needed.push(*operation),
            Ok(Observation { snapshot, .. }) => {
                assert_ne!(snapshot, whole, "{operation}, request {number}: nobody misses it");
                assert!(
                    crate::demand::assess(&snapshot, &policy).stops.is_empty(),
                    "{operation}, request {number}"
                );
            }
        }
    }
    // The stream's day, the shards' hour, and what hot shards came from: without that a hot key would be split on.
    assert_eq!(needed[..2], ["DescribeStreamSummary", "ListShards"]);
    assert_eq!(needed[2..], ["GetMetricData"; 3]);
    let listings = requests.iter().filter(|operation| **operation == "ListShards").count();
    assert!(listings > 20 && requests.len() == listings + 6, "readers, past days and ancestry: {requests:?}");
}

#[tokio::test]
async fn a_stream_that_is_not_read_near_what_was_learned_is_looked_at_no_more_often_than_one_at_rest() {
    let plane = TestPlane::new(2);
    // 60 MB read a minute and shard, half of the ceiling: near the lowest target that may be learned.
    plane.state().summary.name = "orders-60000".to_owned();
    let mut policy = policy(1, 10);
    policy.targets.learned = vec![Dimension::ReadBytes];
    let by = |percent| {
        let limits = policy.limits(Some(Load::from_percent(percent)));
        Plan { limits, ..even(2, 10).plan }
    };
    let listings = async |plan: Option<(Plan, bool)>| {
        let ([listings, ..], _) = work_of_an_hour_in_which(&plane, &policy, |observer| match &plan {
            Some((plan, true)) => observer.decided(plan, false),
            Some((plan, false)) => observer.shown(plan),
            None => {}
        })
        .await;
        listings
    };
    let (each_pass, at_rest) = (2 * 60, 60 + 12);
    assert_eq!(listings(None).await, each_pass, "nobody says what was learned");
    for acts in [true, false] {
        assert_eq!(listings(Some((by(60), acts))).await, each_pass);
        assert_eq!(listings(Some((by(95), acts))).await, at_rest);
    }
}

#[tokio::test]
async fn while_a_split_waits_the_shards_are_read_at_each_pass_and_the_stream_is_described_no_more_often() {
    let plane = TestPlane::new(50);
    let at_each_pass = ([2 * 60, 6, 60], 60 * (10 + 3 * 50));
    let (calm, mut waiting) = (even(50, 10).plan, even(50, 10).plan);
    waiting.holds.push(Hold::RateLimited { scale_up: true, limit: 50 });
    let work = async |plan: &Plan, is_due| {
        let policy = policy(1, 10);
        work_of_an_hour_in_which(&plane, &policy, |observer| observer.decided(plan, is_due)).await
    };
    assert_eq!(work(&waiting, false).await, at_each_pass);
    assert_eq!(work(&calm, true).await, at_each_pass, "a step that is due may have to wait for its turn");
    assert_eq!(work(&calm, false).await, work_of_an_hour(&plane).await);
}

#[tokio::test]
async fn a_stream_that_was_described_a_moment_ago_is_not_described_again_until_its_slot_is_over() {
    let (plane, policy) = (TestPlane::new(2), policy(1, 10));
    let described = plane.describe_stream_summary(&stream_id(&policy.stream)).await.expect("a summary");
    let (mut observer, mut other) = (Observer::gated(), Observer::gated());
    let first = observer.observe_described(&plane, &policy, described).await.expect("an observation");
    assert_eq!(count(&plane, "DescribeStreamSummary"), 1);
    assert_eq!(first, other.observe(&plane, &policy).await.expect("an observation"));
    plane.state().requests.clear();
    for _ in 0..10 {
        plane.advance(Duration::from_secs(60));
        observer.observe(&plane, &policy).await.expect("an observation");
    }
    assert_eq!(count(&plane, "DescribeStreamSummary"), 1, "once in ten minutes from then on");
}

#[tokio::test]
async fn what_is_under_way_is_described_anew_at_each_pass_that_may_decide() {
    let plane = TestPlane::new(2);
    plane.state().summary.status = StreamStatus::Updating;
    let (mut observer, policy) = (Observer::gated(), policy(1, 10));
    let plan = even(2, 10).plan;
    for _ in 0..3 {
        observer.observe(&plane, &policy).await.expect("an observation");
        observer.decided(&plan, true);
        plane.advance(Duration::from_secs(60));
    }
    assert_eq!(count(&plane, "DescribeStreamSummary"), 3);
    plane.state().summary.status = StreamStatus::Active;
    let seen = observer.observe(&plane, &policy).await.expect("an observation");
    assert_eq!(seen.snapshot.summary.status, StreamStatus::Active);
}

#[test]
fn the_slots_of_many_streams_are_spread_evenly_and_always_the_same_way() {
    let phase = |name: &str| Observer::gated_apart(name).phase;
    let mut of_phase = [0; 10];
    for number in 0..1_000 {
        of_phase[usize::try_from(phase(&format!("uid-{number}"))).expect("within a slot")] += 1;
    }
    assert!(of_phase.iter().all(|streams| (70..130).contains(streams)), "{of_phase:?}");
    assert_eq!(phase("uid"), phase("uid"));
}

#[tokio::test]
async fn a_listing_whose_tokens_expire_is_begun_anew_but_not_forever() {
    let plane = TestPlane::new(5);
    plane.state().page_size = 2;
    plane.state().expire_tokens = 2;
    let snapshot = observe(&plane, &policy(1, 10)).await.expect("an observation").snapshot;
    assert_eq!(snapshot.shards.len(), 5);
    plane.state().expire_tokens = 1_000;
    let error = observe(&plane, &policy(1, 10)).await.expect_err("no listing");
    assert_eq!(error, ObserveError::ListingExpires { operation: "ListShards", times: 3 });
}

#[tokio::test]
async fn metrics_on_several_pages_are_put_together() {
    let plane = TestPlane::new(2);
    let whole = observe(&plane, &policy(1, 10)).await.expect("an observation").snapshot;
    plane.state().halves_metrics = true;
    let halves = observe(&plane, &policy(1, 10)).await.expect("an observation").snapshot;
    assert_eq!(halves, whole);
    plane.state().keeps_metrics_partial = true;
    let partial = observe(&plane, &policy(1, 10)).await.expect("an observation").snapshot;
    assert!(partial.metrics.stream.values().all(|series| !series.complete));
    let values = |snapshot: &Snapshot| {
        snapshot.metrics.stream.values().map(|series| series.values.clone()).collect::<Vec<_>>()
    };
    assert_eq!(values(&partial), values(&whole));
}

#[tokio::test]
async fn a_moment_of_the_window_is_within_a_day_whatever_the_policy_asks_for() {
    let plane = TestPlane::new(1);
    let long = Duration::from_secs(u64::MAX);
    let mut policy = policy(1, 10);
    policy.scale_down = ScalingRules { stabilization_window: long, ..policy.scale_down };
    policy.scale_up.policies[0].period = long;
    let snapshot = observe(&plane, &policy).await.expect("an observation").snapshot;
    let series = &snapshot.metrics.shards[&snapshot.shards[0].id][&ShardMetric::IncomingBytes];
    assert_eq!(series.start, Minute::of(snapshot.look_back_start));
}

#[tokio::test]
async fn what_is_off_or_not_wanted_is_not_asked_for() {
    let shard_queries = |plane: &TestPlane| {
        let state = plane.state();
        let queries = state.asked.iter().flat_map(|asked| &asked.queries);
        queries.filter(|asked| matches!(asked.query, MetricQuery::Shard(..))).count()
    };
    let plane = TestPlane::new(2);
    plane.state().summary.enhanced_metrics = vec!["IncomingBytes".to_owned()];
    observe(&plane, &policy(1, 10)).await.expect("an observation");
    assert_eq!(shard_queries(&plane), 2);

    let plane = TestPlane::new(2);
    let mut stream_level = policy(1, 10);
    stream_level.metrics.source = MetricsSource::Stream;
    observe(&plane, &stream_level).await.expect("an observation");
    assert_eq!(shard_queries(&plane), 0);

    let plane = TestPlane::new(2);
    plane.state().summary.mode = StreamMode::OnDemand;
    observe(&plane, &policy(1, 10)).await.expect("an observation");
    assert_eq!(shard_queries(&plane), 0);
}

#[tokio::test]
async fn the_lag_of_each_declared_consumer_is_kept_also_where_two_types_have_the_same_name() {
    let plane = TestPlane::new(1);
    let mut policy = policy(1, 10);
    let kinds = [ConsumerKind::Firehose { transform: None }, ConsumerKind::Lambda];
    policy.consumers = kinds.map(|kind| Consumer { name: "orders".to_owned(), kind }).to_vec();
    let snapshot = observe(&plane, &policy).await.expect("an observation").snapshot;
    let lags = serde_json::to_value(&snapshot.metrics.consumer_lag).expect("JSON");
    let of: Vec<&str> = lags.as_object().expect("by consumer").keys().map(String::as_str).collect();
    assert_eq!(of, ["Firehose/orders", "Lambda/orders"]);
}

#[tokio::test]
async fn an_idle_pass_asks_who_is_open_and_for_the_streams_metrics_alone() {
    let plane = TestPlane::new(3);
    let policy = policy(1, 10);
    let mut observer = Observer::gated();
    let first = observer.observe(&plane, &policy).await.expect("an observation");
    assert_eq!(first.level, MetricLevel::Shards);
    plane.state().requests.clear();
    plane.advance(Duration::from_secs(60));
    let second = observer.observe(&plane, &policy).await.expect("an observation");
    assert_eq!((second.level, second.metrics_requested), (MetricLevel::Stream, 4));
    assert!(second.snapshot.metrics.shards.is_empty());
    assert_eq!(plane.state().requests, ["ListShards", "GetMetricData"]);

    // Somebody reshards: that is looked at at once.
    split_first(&plane).await;
    let third = observer.observe(&plane, &policy).await.expect("an observation");
    assert_eq!((third.level, third.snapshot.shards.len()), (MetricLevel::Shards, 5));

    plane.advance(Duration::from_secs(300));
    let later = observer.observe(&plane, &policy).await.expect("an observation");
    assert_eq!(later.level, MetricLevel::Shards, "another five minutes of the clock");
}

#[tokio::test]
async fn a_stream_made_anew_under_its_name_inherits_nothing_from_the_cache() {
    let plane = TestPlane::new(2);
    let mut observer = Observer::one_shot();
    let policy = policy(1, 10);
    observer.observe(&plane, &policy).await.expect("an observation");
    plane.state().asked.clear();
    {
        let mut state = plane.state();
        state.summary.created_at = state.now - SignedDuration::from_mins(40);
        state.summary.open_shard_count = 1;
        state.lives = TestPlane::new(1).made_minutes_ago(40).state().lives.clone();
    }
    let snapshot = observer.observe(&plane, &policy).await.expect("an observation").snapshot;
    let fresh = observe(&plane, &policy).await.expect("an observation").snapshot;
    assert_eq!(snapshot, fresh);
    let start = Minute::of(snapshot.look_back_start);
    assert!(plane.state().asked.iter().all(|asked| asked.start >= start), "nothing from before it was made");
}
