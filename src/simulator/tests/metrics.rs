//! CloudWatch: publication, windows, periods, paging, and what is refused.

use super::super::workload::Curve;
use super::*;

fn loaded(shards: i32) -> Cloud {
    let mut cloud = cloud(shards);
    monitor(&mut cloud);
    load(&mut cloud, Workload::new(Curve::constant(1_200_000)));
    cloud
}

fn incoming(shard: Option<u32>) -> Metric {
    kinesis_metric("IncomingBytes", shard)
}

#[test]
fn a_minute_shows_whole_after_its_delay_and_in_part_before() {
    let mut cloud = loaded(2);
    let start = cloud.now();
    cloud.advance_seconds(60 + 59);
    assert_eq!(values(&mut cloud, incoming(None), "Sum"), []);
    cloud.advance_seconds(1);
    let early = values(&mut cloud, incoming(None), "Sum");
    assert!(
        matches!(early[..], [(at, bytes)] if at == start && bytes < 72_000_000.0 && bytes > 0.0),
        "{early:?}"
    );
    cloud.advance_seconds(60);
    assert_eq!(values(&mut cloud, incoming(None), "Sum")[0], (start, 72_000_000.0));
}

#[test]
fn shard_metrics_are_there_only_for_whole_minutes_since_they_were_turned_on() {
    let mut cloud = cloud(1);
    load(&mut cloud, Workload::new(Curve::constant(600_000)));
    cloud.advance_seconds(600 + 30);
    let names = vec!["IncomingBytes".to_owned()];
    let request = ChangeEnhancedMonitoring { stream: orders(), shard_level_metrics: names };
    let turned_on = cloud.now();
    cloud.enable_enhanced_monitoring(request).expect("ACTIVE");
    cloud.advance_seconds(600);
    let of_shard = values(&mut cloud, incoming(Some(0)), "Sum");
    assert_eq!(of_shard[0], (turned_on + SignedDuration::from_secs(30), 36_000_000.0));
    assert_eq!(values(&mut cloud, kinesis_metric("IncomingRecords", Some(0)), "Sum"), []);
    assert!(values(&mut cloud, incoming(None), "Sum").len() > of_shard.len());
}

#[test]
fn a_shard_without_traffic_publishes_nothing() {
    let mut cloud = cloud(2);
    monitor(&mut cloud);
    let key = vec![(HashKey(5), 1.0)];
    let workload = Workload::new(Curve::constant(600_000));
    load(&mut cloud, workload.keys(super::super::workload::KeySkew::Weighted(key)));
    cloud.advance_seconds(600);
    assert!(!values(&mut cloud, incoming(Some(0)), "Sum").is_empty());
    assert_eq!(values(&mut cloud, incoming(Some(1)), "Sum"), []);
}

#[test]
fn the_window_is_floored_at_its_start_and_open_at_its_end() {
    let mut cloud = loaded(2);
    let start = cloud.now();
    cloud.advance_seconds(1_800);
    let minute = |minutes: i64| start + SignedDuration::from_secs(minutes * 60);
    let mut stamps = |from: Timestamp, to: Timestamp, scan_by| {
        let request = GetMetricData { scan_by, ..window(vec![query("q", incoming(None), "Sum")], from, to) };
        cloud.get_metric_data(request).expect("a good request").metric_data_results.remove(0).timestamps
    };
    let late = SignedDuration::from_secs(17);
    let ascending = ScanBy::TimestampAscending;
    assert_eq!(stamps(minute(2) + late, minute(4), ascending), [minute(2), minute(3)]);
    assert_eq!(
        stamps(minute(2), minute(4) + late, ScanBy::TimestampDescending),
        [minute(4), minute(3), minute(2)]
    );
}

#[test]
fn periods_and_statistics_are_of_all_their_minutes() {
    let mut cloud = loaded(2);
    let start = cloud.now();
    cloud.advance_seconds(1_800);
    let mut five = |stat: &str| {
        let mut query = query("q", incoming(None), stat);
        query.metric_stat.as_mut().expect("a stat").period = 300;
        let end = start + SignedDuration::from_secs(600);
        let reply = cloud.get_metric_data(window(vec![query], start, end)).expect("a good request");
        reply.metric_data_results[0].values.clone()
    };
    assert_eq!(five("Sum"), [360_000_000.0, 360_000_000.0]);
    // Two shards with 600 records a second each, in PutRecords calls of 100.
    assert_eq!(five("SampleCount"), [3_600.0, 3_600.0]);
    assert_eq!(five("Average"), [100_000.0, 100_000.0]);
    assert_eq!((five("Minimum"), five("Maximum")), (vec![100_000.0; 2], vec![100_000.0; 2]));
}

#[test]
fn pages_hold_every_point_once() {
    let mut cloud = loaded(3);
    let start = cloud.now();
    cloud.advance_seconds(1_200);
    let queries: Vec<_> =
        (0..3).map(|shard| query(&format!("q{shard}"), incoming(Some(shard)), "Sum")).collect();
    let whole = window(queries, start, cloud.now());
    let all = cloud.get_metric_data(whole.clone()).expect("a good request");
    assert!(all.next_token.is_none());
    assert!(all.metric_data_results.iter().all(|result| result.status_code == MetricStatusCode::Complete));
    for size in [1, 7, 18, 19, 57, 58] {
        let mut points = vec![Vec::new(); 3];
        let mut request = GetMetricData { max_datapoints: Some(size), ..whole.clone() };
        let mut pages = 0;
        loop {
            let reply = cloud.get_metric_data(request.clone()).expect("a good request");
            let mut here = 0;
            for result in &reply.metric_data_results {
                let query: usize = result.id[1..].parse().expect("q and a number");
                here += result.values.len();
                points[query].extend(result.timestamps.iter().copied().zip(result.values.iter().copied()));
            }
            assert!(here <= size as usize);
            // Points that are published meanwhile do not shift the pages.
            cloud.advance_seconds(60);
            pages += 1;
            match reply.next_token {
                Some(token) => request.next_token = Some(token),
                None => break,
            }
        }
        let expected: Vec<Vec<_>> = all
            .metric_data_results
            .iter()
            .map(|result| result.timestamps.iter().copied().zip(result.values.iter().copied()).collect())
            .collect();
        if size == 1 {
            assert_eq!(points, expected);
            assert_eq!(pages, expected.iter().map(Vec::len).sum::<usize>());
        } else {
            assert!(points.iter().zip(&expected).all(|(points, expected)| points.len() >= expected.len()));
        }
    }
}

#[test]
fn requests_that_aws_refuses_are_refused() {
    let mut cloud = loaded(1);
    let (start, end) = (cloud.now(), cloud.now() + SignedDuration::from_secs(600));
    let good = query("q", incoming(None), "Sum");
    let mut refused = |request: GetMetricData, said: &str| {
        let error = cloud.get_metric_data(request).expect_err(said);
        assert!(error.message.contains(said), "{}", error.message);
    };
    refused(window(vec![], start, end), "MetricDataQueries is required");
    refused(window(vec![good.clone(); 501], start, end), "size greater than 500");
    refused(window(vec![good.clone(); 2], start, end), "more than one query");
    refused(window(vec![good.clone()], end, end), "StartTime must be less");
    refused(window(vec![query("Q", incoming(None), "Sum")], start, end), "pattern");
    refused(window(vec![query("q", incoming(None), "p99")], start, end), "p99");
    let expression = MetricDataQuery { metric_stat: None, expression: Some("a*2".into()), ..good.clone() };
    refused(window(vec![expression], start, end), "expression");
    let mut odd = good.clone();
    odd.metric_stat.as_mut().expect("a stat").period = 90;
    refused(window(vec![odd], start, end), "multiple of 60");
    let request = GetMetricData { next_token: Some("x".into()), ..window(vec![good], start, end) };
    refused(request, "NextToken");
    let most: Vec<_> = (0..500).map(|i| query(&format!("q{i}"), incoming(None), "Sum")).collect();
    assert!(cloud.get_metric_data(window(most, start, end)).is_ok());
}

#[test]
fn what_clients_put_can_be_read_and_listed_at_once() {
    let mut cloud = Cloud::new(Config::default());
    let datum = |value| MetricDatum {
        metric_name: "MillisBehindLatest".into(),
        dimensions: vec![Dimension::new("Operation", "ProcessTask")],
        value: Some(value),
        ..MetricDatum::default()
    };
    let put = PutMetricData { namespace: "billing".into(), metric_data: vec![datum(5.0), datum(9.0)] };
    cloud.put_metric_data(put.clone()).expect("good data");
    let listed =
        cloud.list_metrics(ListMetrics { namespace: Some("billing".into()), ..ListMetrics::default() });
    let metrics = listed.expect("a good request").metrics;
    assert_eq!(metrics.len(), 1);
    let read = values(&mut cloud, metrics[0].clone(), "Maximum");
    assert_eq!(read.iter().map(|point| point.1).collect::<Vec<_>>(), [9.0]);
    let reserved = PutMetricData { namespace: "AWS/Kinesis".into(), ..put.clone() };
    assert_eq!(code(cloud.put_metric_data(reserved)), Some(ApiErrorCode::InvalidParameterValue));
    let empty = MetricDatum { value: None, ..datum(0.0) };
    let missing = PutMetricData { metric_data: vec![empty], ..put.clone() };
    assert_eq!(code(cloud.put_metric_data(missing)), Some(ApiErrorCode::MissingParameter));
    let nan = PutMetricData { metric_data: vec![datum(f64::NAN)], ..put };
    assert_eq!(code(cloud.put_metric_data(nan)), Some(ApiErrorCode::InvalidParameterValue));
}

#[test]
fn metrics_are_listed_by_their_dimensions_in_pages() {
    let mut cloud = loaded(80);
    cloud.advance_seconds(120);
    let of_orders = DimensionFilter { name: "StreamName".into(), value: Some("orders".into()) };
    let mut request = ListMetrics { dimensions: vec![of_orders.clone()], ..ListMetrics::default() };
    let (mut listed, mut pages) = (std::collections::BTreeSet::new(), 0);
    loop {
        let reply = cloud.list_metrics(request.clone()).expect("a good request");
        for metric in reply.metrics {
            assert!(listed.insert(metric), "each is listed once");
        }
        pages += 1;
        match reply.next_token {
            Some(token) => request.next_token = Some(token),
            None => break,
        }
    }
    // Three ingest metrics of each shard; at stream level these and the seven of PutRecords.
    assert_eq!((listed.len(), pages), (80 * 3 + 3 + 7, 1));
    let shard = DimensionFilter { name: "ShardId".into(), value: None };
    let request = ListMetrics {
        metric_name: Some("IncomingBytes".into()),
        dimensions: vec![of_orders, shard],
        ..ListMetrics::default()
    };
    assert_eq!(cloud.list_metrics(request).expect("a good request").metrics.len(), 80);
}
