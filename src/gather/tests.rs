//! Everybody is answered as if alone, and there are few calls.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use proptest::prelude::*;

use super::batch::Size;
use super::*;
use crate::control_plane::{
    DataPoint, ErrorClass, MetricOf, MetricQuery, MetricResult, MetricStatus, Period,
};
use crate::observe::test_plane::{Fault, TestPlane};
use crate::snapshot::{Minute, StreamMetric};

/// The plane of a test, which several callers share.
#[derive(Debug, Clone)]
struct SharedPlane(Arc<TestPlane>);

impl SharedPlane {
    fn new() -> SharedPlane {
        SharedPlane(Arc::new(TestPlane::new(2)))
    }

    fn calls(&self) -> usize {
        self.0.state().requests.len()
    }
}

impl ControlPlane for SharedPlane {
    async fn get_metric_data(&self, request: &GetMetricData) -> Result<Reply<MetricPage>, RequestError> {
        self.0.get_metric_data(request).await
    }

    async fn describe_stream_summary(&self, stream: &StreamId) -> Result<Reply<StreamSummary>, RequestError> {
        self.0.describe_stream_summary(stream).await
    }

    async fn list_shards(&self, request: &ListShards) -> Result<Reply<ShardPage>, RequestError> {
        self.0.list_shards(request).await
    }

    async fn split_shard(
        &self,
        stream: &StreamId,
        shard: &ShardId,
        at: HashKey,
    ) -> Result<Reply<()>, RequestError> {
        self.0.split_shard(stream, shard, at).await
    }

    async fn merge_shards(
        &self,
        stream: &StreamId,
        shard: &ShardId,
        adjacent: &ShardId,
    ) -> Result<Reply<()>, RequestError> {
        self.0.merge_shards(stream, shard, adjacent).await
    }

    async fn update_shard_count(&self, stream: &StreamId, target: u32) -> Result<Reply<()>, RequestError> {
        self.0.update_shard_count(stream, target).await
    }

    async fn enable_enhanced_monitoring(
        &self,
        stream: &StreamId,
        metrics: &[ShardMetric],
    ) -> Result<Reply<()>, RequestError> {
        self.0.enable_enhanced_monitoring(stream, metrics).await
    }

    async fn describe_limits(&self) -> Result<Reply<ShardLimits>, RequestError> {
        self.0.describe_limits().await
    }

    async fn sleep(&self, duration: Duration) {
        self.0.sleep(duration).await;
    }
}

/// The first `queries` metrics of a stream, over `minutes` that end so long ago.
fn request(stream: &str, queries: usize, minutes: i64, ago: i64) -> GetMetricData {
    let metrics = StreamMetric::ALL.iter().cycle().take(queries);
    let query =
        |metric: &StreamMetric| MetricOf { stream_name: stream.into(), query: MetricQuery::Stream(*metric) };
    let end = Minute::of(TestPlane::new(1).state().now).plus(-ago);
    let (queries, start, period) = (metrics.map(query).collect(), end.plus(-minutes), Period::default());
    GetMetricData { queries, start, end, period, next_token: None }
}

/// All pages of the reply, put together by metric; the status is the last that was said.
async fn whole<P: ControlPlane>(
    plane: &P,
    request: &GetMetricData,
) -> Result<BTreeMap<usize, (Vec<DataPoint>, MetricStatus)>, ErrorClass> {
    let mut request = request.clone();
    let mut whole = BTreeMap::<_, (Vec<_>, _)>::new();
    loop {
        let page = plane.get_metric_data(&request).await.map_err(|error| error.class)?.value;
        for MetricResult { query, status, points } in page.results {
            let (all, last) = whole.entry(query).or_insert((Vec::new(), status));
            all.extend(points);
            *last = status;
        }
        match page.next_token {
            Some(token) => request.next_token = Some(token),
            None => return Ok(whole),
        }
    }
}

proptest! {
    #[test]
    fn whoever_asks_together_is_answered_as_if_alone(
        requests in prop::collection::vec((0..5_usize, 1..120_usize, 1..200_i64, 0..40_i64), 1..20),
        halves in any::<bool>(),
        unreadable in prop::option::of(Just("orders-3")),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let requests: Vec<_> = requests
                .iter()
                .map(|(stream, queries, minutes, ago)| request(&format!("orders-{stream}"), *queries, *minutes, *ago))
                .collect();
            let plane = SharedPlane::new();
            plane.0.state().halves_metrics = halves;
            plane.0.state().unreadable = unreadable;
            let alone = join_all(requests.iter().map(|request| whole(&plane, request))).await;
            let calls_alone = plane.calls();
            plane.0.state().asked.clear();

            let gathered = Gathered::new(plane.clone(), Gathering::default());
            let together = join_all(requests.iter().map(|request| whole(&gathered, request))).await;
            prop_assert_eq!(together, alone);
            for asked in &plane.0.state().asked {
                let size = Size::of(asked);
                prop_assert!(size.queries <= 500 && size.points() <= 100_800, "{:?}", size);
            }
            if unreadable.is_none() {
                prop_assert!(plane.calls() - calls_alone <= calls_alone, "never more calls");
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn what_is_asked_while_calls_are_under_way_goes_in_few() {
    let plane = SharedPlane::new();
    let gathered = Gathered::new(plane.clone(), Gathering::default());
    let requests: Vec<_> = (0..102).map(|n| request(&format!("orders-{n}"), 10, 16, 2)).collect();
    let answers = join_all(requests.iter().map(|request| whole(&gathered, request))).await;
    assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|answer| answer.len() == 10)));
    let sizes: Vec<_> = plane.0.state().asked.iter().map(|asked| asked.queries.len()).collect();
    assert_eq!(sizes, [10, 10, 500, 500], "two found a place at once");
}

#[tokio::test]
async fn who_looks_back_for_a_day_has_no_company_of_those_that_look_back_for_minutes() {
    let plane = SharedPlane::new();
    let gathered = Gathered::new(plane.clone(), Gathering::default());
    let minutes = [16, 16, 16, 1_440, 20, 1_440, 16];
    let requests = minutes.map(|minutes| request("orders", 10, minutes, 2));
    join_all(requests.iter().map(|request| whole(&gathered, request))).await;
    let asked: Vec<_> = plane.0.state().asked.iter().map(Size::of).collect();
    let spans: Vec<_> = asked.iter().map(|size| (size.queries, size.end.since(size.start))).collect();
    assert_eq!(spans, [(10, 16), (10, 16), (30, 20), (20, 1_440)]);
}

#[tokio::test]
async fn points_of_different_periods_do_not_come_in_one_call() {
    let plane = SharedPlane::new();
    let gathered = Gathered::new(plane.clone(), Gathering::default());
    let (minute, five, quarter) = (Period::Minute, Period::FiveMinutes, Period::QuarterHour);
    let periods = [minute, minute, minute, five, minute, quarter, quarter];
    let requests = periods.map(|period| GetMetricData { period, ..request("orders", 10, 16, 2) });
    join_all(requests.iter().map(|request| whole(&gathered, request))).await;
    let asked: Vec<_> =
        plane.0.state().asked.iter().map(|asked| (asked.queries.len(), asked.period)).collect();
    assert_eq!(asked, [(10, minute), (10, minute), (20, minute), (10, five), (20, quarter)]);
}

#[tokio::test]
async fn an_error_that_is_not_theirs_meets_nobody_and_one_of_the_account_meets_all_once() {
    let requests = |bad: &str| ["orders-1", "orders-2", "orders-3", bad].map(|name| request(name, 10, 16, 2));
    let plane = SharedPlane::new();
    plane.0.state().unreadable = Some("bad");
    let gathered = Gathered::new(plane.clone(), Gathering::default());
    let answers = join_all(requests("bad").iter().map(|request| gathered.get_metric_data(request))).await;
    let ended: Vec<_> = answers.iter().map(|answer| answer.as_ref().err().map(|error| error.class)).collect();
    assert_eq!(ended, [None, None, None, Some(ErrorClass::Invalid)]);
    assert_eq!(plane.calls(), 5, "two alone, two together, and each of these alone");

    let plane = SharedPlane::new();
    plane.0.state().faults = vec![(2, Fault::Refuse(ErrorClass::Throttled))];
    let gathered = Gathered::new(plane.clone(), Gathering::default());
    let answers =
        join_all(requests("orders-4").iter().map(|request| gathered.get_metric_data(request))).await;
    let ended: Vec<_> = answers.iter().map(|answer| answer.as_ref().err().map(|error| error.class)).collect();
    assert_eq!(ended, [None, None, Some(ErrorClass::Throttled), Some(ErrorClass::Throttled)]);
    assert_eq!(plane.calls(), 3, "who is throttled does not ask more often");
}

#[tokio::test]
async fn where_whoever_asks_gives_up_the_others_ask_again() {
    let plane = SharedPlane::new();
    plane.0.state().faults = vec![(0, Fault::Hang), (1, Fault::Hang), (2, Fault::Hang)];
    let gathering = Gathering::default();
    let ask = |n: usize| {
        let gathered = Gathered::new(plane.clone(), gathering.clone());
        tokio::spawn(
            async move { gathered.get_metric_data(&request(&format!("orders-{n}"), 10, 16, 2)).await },
        )
    };
    let settle = async || {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    };
    let mut tasks = Vec::new();
    for n in 0..5 {
        tasks.push(ask(n));
        settle().await;
    }
    assert_eq!(plane.calls(), 2, "both places are taken");
    // One of those that wait asks for all three, and hangs.
    tasks[0].abort();
    settle().await;
    assert_eq!(plane.0.state().asked.len(), 0, "all three calls hang");
    assert_eq!(plane.calls(), 3);
    tasks[2].abort();
    for task in tasks.drain(3..) {
        let page = task.await.expect("not aborted").expect("a page").value;
        assert_eq!(page.results.len(), 10);
    }
    assert_eq!(plane.calls(), 4, "the two that were left went together");
}

#[tokio::test]
async fn points_that_nobody_asked_for_are_left_for_all_to_see() {
    let waits =
        |stream: &str, ago| Waiting { request: request(stream, 1, 10, ago), answer: oneshot::channel().0 };
    let members = vec![waits("orders-1", 10), waits("orders-2", 5)];
    let end = Minute::of(TestPlane::new(1).state().now);
    let points: Vec<_> = (0..30).map(|back| DataPoint::at(end.plus(-back).start(), 1.0)).collect();
    let result = |query| MetricResult { query, status: MetricStatus::Complete, points: points.clone() };
    let page = MetricPage { results: vec![result(1), result(0)], next_token: None };
    let replies = Batch::of(members).taken_apart(vec![Reply { value: page, at: end.start() }]);
    let minutes = |reply: &Reply<MetricPage>| {
        let [result] = reply.value.results.as_slice() else { panic!("one result: {reply:?}") };
        let ago = result.points.iter().map(|point| end.since(point.minute()));
        (result.query, ago.collect::<Vec<_>>())
    };
    let odd = (0..=5).chain(21..30);
    let own = |minutes: std::ops::RangeInclusive<i64>| {
        let mut all: Vec<_> = minutes.chain(odd.clone()).collect();
        all.sort_unstable();
        (0, all)
    };
    assert_eq!(replies.iter().map(minutes).collect::<Vec<_>>(), [own(11..=20), own(6..=15)]);
}
