//! CloudWatch through each of its protocols: Smithy RPC v2 CBOR by the Rust SDK, the others raw.

use std::io::Write as _;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::error::ProvideErrorMetadata as _;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    Dimension, DimensionFilter, Metric, MetricDataQuery, MetricDatum, MetricStat, ScanBy, StatisticSet,
    StatusCode,
};
use reshard::sandbox::Sandbox;
use reshard::simulator::api::{ChangeEnhancedMonitoring, CreateStream, StreamRef};
use reshard::simulator::workload::{Curve, Workload};

use super::client::{RawReply, RawRequest, SIGNED, cloudwatch, sandbox};

/// A sandbox with a loaded stream of two shards whose shard metrics are on, twenty minutes later.
async fn with_load() -> (Sandbox, Client) {
    let sandbox = sandbox().await;
    sandbox.with_cloud(|cloud| {
        let (stream_name, shard_count) = ("orders".to_owned(), Some(2));
        cloud
            .create_stream(CreateStream { stream_name, shard_count, ..CreateStream::default() })
            .expect("it is made");
    });
    sandbox.clock().skip(60);
    sandbox.with_cloud(|cloud| {
        let (stream, shard_level_metrics) = (StreamRef::name("orders"), vec!["ALL".to_owned()]);
        cloud
            .enable_enhanced_monitoring(ChangeEnhancedMonitoring { stream, shard_level_metrics })
            .expect("it is on");
    });
    sandbox.clock().skip(60);
    sandbox.with_cloud(|cloud| {
        cloud.set_workload("orders", Workload::new(Curve::constant(600_000))).expect("the stream is there");
    });
    sandbox.clock().skip(1_200);
    let client = cloudwatch(&sandbox.endpoint_url());
    (sandbox, client)
}

fn query(id: &str, metric: &str, shard: Option<&str>, stat: &str) -> MetricDataQuery {
    query_by(60, id, metric, shard, stat)
}

fn query_by(period: i32, id: &str, metric: &str, shard: Option<&str>, stat: &str) -> MetricDataQuery {
    let dimension = |name: &str, value: &str| Dimension::builder().name(name).value(value).build();
    let metric = Metric::builder().namespace("AWS/Kinesis").metric_name(metric);
    let metric = metric.dimensions(dimension("StreamName", "orders"));
    let metric = match shard {
        Some(shard) => metric.dimensions(dimension("ShardId", shard)),
        None => metric,
    };
    let stat = MetricStat::builder().metric(metric.build()).period(period).stat(stat).build();
    MetricDataQuery::builder().id(id).metric_stat(stat).build()
}

#[tokio::test]
async fn metrics_of_stream_and_shards_are_read_in_one_call() {
    let (sandbox, client) = with_load().await;
    let now = sandbox.clock().now().as_second();
    let reply = client
        .get_metric_data()
        .metric_data_queries(query("stream", "IncomingBytes", None, "Sum"))
        .metric_data_queries(query("low", "IncomingBytes", Some("shardId-000000000000"), "Sum"))
        .metric_data_queries(query("high", "IncomingBytes", Some("shardId-000000000001"), "Sum"))
        .metric_data_queries(query("nobody", "IncomingBytes", Some("shardId-000000000009"), "Sum"))
        .start_time(DateTime::from_secs(now - 900))
        .end_time(DateTime::from_secs(now - 300))
        .scan_by(ScanBy::TimestampAscending)
        .send()
        .await
        .expect("they are read");
    let results = reply.metric_data_results();
    let told: Vec<_> =
        results.iter().map(|result| (result.id().unwrap_or_default(), result.values().len())).collect();
    assert_eq!(told, [("stream", 10), ("low", 10), ("high", 10), ("nobody", 0)]);
    assert!(results.iter().all(|result| result.status_code() == Some(&StatusCode::Complete)));
    let times = results[0].timestamps();
    assert!(times.windows(2).all(|pair| pair[1].secs() - pair[0].secs() == 60 && pair[0].secs() % 60 == 0));
    for minute in 0..10 {
        let [stream, low, high] = [0, 1, 2].map(|result: usize| results[result].values()[minute]);
        assert!((stream - low - high).abs() < 1.0, "{stream} is not {low} and {high}");
        assert!((30_000_000.0..42_000_000.0).contains(&stream), "600 kB/s is 36 MB a minute, not {stream}");
    }
}

#[tokio::test]
async fn points_of_a_quarter_of_an_hour_are_the_sums_of_their_minutes_and_of_a_stream_are_kept_for_days() {
    let (sandbox, client) = with_load().await;
    // More than the day for which shards' minutes are kept.
    sandbox.clock().skip(26 * 3_600);
    let now = sandbox.clock().now().as_second();
    let (start, end) = (now - now % 900 - 25 * 3_600, now - now % 900);
    let read = async |period: i32| {
        let reply = client
            .get_metric_data()
            .metric_data_queries(query_by(period, "stream", "IncomingBytes", None, "Sum"))
            .start_time(DateTime::from_secs(start))
            .end_time(DateTime::from_secs(end))
            .scan_by(ScanBy::TimestampAscending)
            .send()
            .await
            .expect("they are read");
        let result = &reply.metric_data_results()[0];
        let times = result.timestamps().iter().map(DateTime::secs);
        times.zip(result.values().to_vec()).collect::<Vec<_>>()
    };
    let (quarters, minutes) = (read(900).await, read(60).await);
    assert!(quarters.iter().map(|(at, _)| *at).eq((start..end).step_by(900)));
    assert_eq!(minutes.len(), 25 * 60);
    for ((at, sum), of) in quarters.iter().zip(minutes.chunks(15)) {
        let minutes: f64 = of.iter().map(|(_, value)| value).sum();
        assert!((sum - minutes).abs() < 1.0 && minutes > 15.0 * 30e6, "{at}: {sum} is not {minutes}");
    }
}

#[tokio::test]
async fn what_is_put_is_listed_and_read_back() {
    let sandbox = sandbox().await;
    let client = cloudwatch(&sandbox.endpoint_url());
    let now = sandbox.clock().now().as_second();
    let minute = now - now % 60;
    let dimension = Dimension::builder().name("Operation").value("ProcessTask").build();
    let datum = || MetricDatum::builder().metric_name("MillisBehindLatest").dimensions(dimension.clone());
    let set = StatisticSet::builder().sample_count(2.0).sum(700.0).minimum(100.0).maximum(600.0).build();
    let put = client.put_metric_data().namespace("billing");
    let put = put.metric_data(datum().timestamp(DateTime::from_secs(minute)).value(1_500.0).build());
    put.metric_data(datum().timestamp(DateTime::from_secs(minute)).statistic_values(set).build())
        .send()
        .await
        .expect("they are put");
    sandbox.clock().skip(600);

    let filter = DimensionFilter::builder().name("Operation").build();
    let listed =
        client.list_metrics().namespace("billing").dimensions(filter).send().await.expect("it is listed");
    assert_eq!(listed.metrics().len(), 1);
    assert_eq!(listed.metrics()[0].metric_name(), Some("MillisBehindLatest"));

    let metric = Metric::builder()
        .namespace("billing")
        .metric_name("MillisBehindLatest")
        .dimensions(dimension)
        .build();
    let stat = |stat: &str| MetricStat::builder().metric(metric.clone()).period(60).stat(stat).build();
    let query = |id: &str, name: &str| MetricDataQuery::builder().id(id).metric_stat(stat(name)).build();
    let read = client.get_metric_data().metric_data_queries(query("most", "Maximum"));
    let read =
        read.metric_data_queries(query("sum", "Sum")).metric_data_queries(query("count", "SampleCount"));
    let read = read.start_time(DateTime::from_secs(minute)).end_time(DateTime::from_secs(minute + 60));
    let read = read.send().await.expect("they are read");
    let values: Vec<_> = read.metric_data_results().iter().map(|result| result.values().to_vec()).collect();
    assert_eq!(values, [[1_500.0], [2_200.0], [3.0]]);
}

#[tokio::test]
async fn a_call_beyond_the_limits_is_refused_with_the_query_protocol_s_code() {
    let sandbox = sandbox().await;
    let client = cloudwatch(&sandbox.endpoint_url());
    let queries: Vec<_> = (0..501).map(|n| query(&format!("q{n}"), "IncomingBytes", None, "Sum")).collect();
    let read = client.get_metric_data().set_metric_data_queries(Some(queries));
    let read = read.start_time(DateTime::from_secs(0)).end_time(DateTime::from_secs(60));
    let refused = read.send().await.expect_err("500 is the limit");
    assert_eq!(refused.code(), Some("InvalidParameterValue"), "{refused:?}");
    let empty = client.put_metric_data().namespace("").send().await.expect_err("a namespace has a name");
    assert_eq!(empty.code(), Some("ValidationError"));
    assert!(
        empty.message().is_some_and(|text| text.contains("at 'namespace' failed to satisfy")),
        "{empty:?}"
    );
}

#[tokio::test]
async fn a_large_put_comes_packed_and_is_taken() {
    let sandbox = sandbox().await;
    let client = cloudwatch(&sandbox.endpoint_url());
    let datum = |n: u32| {
        let dimension = Dimension::builder().name("Worker").value(format!("worker-{n:0200}")).build();
        MetricDatum::builder().metric_name("Lag").dimensions(dimension).value(f64::from(n)).build()
    };
    let data = (0..200).map(datum).collect();
    client
        .put_metric_data()
        .namespace("billing")
        .set_metric_data(Some(data))
        .send()
        .await
        .expect("it is taken");
    sandbox.clock().skip(120);
    let listed = client.list_metrics().namespace("billing").send().await.expect("they are listed");
    assert_eq!(listed.metrics().len(), 200);
}

async fn json(sandbox: &Sandbox, operation: &str, body: &[u8], packed: bool) -> RawReply {
    let target = format!("GraniteServiceVersion20100801.{operation}");
    let encoding = ("content-encoding", if packed { "gzip" } else { "identity" });
    let content_type = ("content-type", "application/x-amz-json-1.0");
    let headers = [("x-amz-target", &*target), content_type, SIGNED, ("x-amzn-query-mode", "true"), encoding];
    RawRequest { line: "POST /", headers: &headers, body }.send(sandbox).await.expect("there is a reply")
}

#[tokio::test]
async fn json_1_0_says_the_same_as_cbor() {
    let (sandbox, _) = with_load().await;
    let now = sandbox.clock().now().as_second();
    let metric = serde_json::json!({
        "Namespace": "AWS/Kinesis", "MetricName": "IncomingRecords",
        "Dimensions": [{"Name": "StreamName", "Value": "orders"}],
    });
    let request = serde_json::json!({
        "MetricDataQueries": [{"Id": "records", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}],
        "StartTime": now - 600, "EndTime": now - 300,
    });
    let reply = json(&sandbox, "GetMetricData", request.to_string().as_bytes(), false).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/x-amz-json-1.0")));
    let result = &reply.json()["MetricDataResults"][0];
    assert_eq!((&result["Id"], &result["StatusCode"]), (&"records".into(), &"Complete".into()));
    let stamps: Vec<_> =
        result["Timestamps"].as_array().expect("a list").iter().filter_map(|at| at.as_i64()).collect();
    assert_eq!(stamps.len(), 5);
    assert!(stamps.windows(2).all(|pair| pair[0] - pair[1] == 60), "the newest first: {stamps:?}");

    let put = br#"{"Namespace": "billing", "MetricData": [{"MetricName": "Lag", "Value": 2}]}"#;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(put).expect("memory takes it");
    let reply = json(&sandbox, "PutMetricData", &packer.finish().expect("memory takes it"), true).await;
    assert_eq!(reply.status, 200, "{reply:?}");

    let refused = json(&sandbox, "ListMetrics", br#"{"Namespace": ""}"#, false).await;
    assert_eq!((refused.status, refused.header("x-amzn-query-error")), (400, Some("ValidationError;Sender")));
    let target = ("x-amz-target", "GraniteServiceVersion20100801.ListMetrics");
    let headers = [target, ("content-type", "application/x-amz-json-1.0"), SIGNED];
    let plain =
        RawRequest { line: "POST /", headers: &headers, body: br#"{"Namespace": ""}"# }.send(&sandbox).await;
    let plain = plain.expect("there is a reply");
    assert_eq!((plain.status, plain.header("x-amzn-query-error")), (400, None), "only who asks is told");
}

#[tokio::test]
async fn older_clients_are_answered_in_xml() {
    let (sandbox, _) = with_load().await;
    let form = "Action=ListMetrics&Version=2010-08-01&Namespace=AWS%2FKinesis&MetricName=IncomingBytes\
                &Dimensions.member.1.Name=ShardId";
    let headers = [("content-type", "application/x-www-form-urlencoded; charset=utf-8"), SIGNED];
    let send = async |body: &str| {
        let request = RawRequest { line: "POST /", headers: &headers, body: body.as_bytes() };
        request.send(&sandbox).await.expect("there is a reply")
    };
    let reply = send(form).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("text/xml")));
    assert_eq!(reply.text().matches("<MetricName>IncomingBytes</MetricName>").count(), 2, "{}", reply.text());
    let refused = send("Action=Explode&Version=2010-08-01").await;
    assert_eq!(refused.status, 400);
    assert!(
        refused.text().contains("<Type>Sender</Type><Code>UnknownOperationException</Code>"),
        "{}",
        refused.text()
    );
}
