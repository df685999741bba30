//! The adapter against canned replies on loopback: errors, dates, paging, timeouts, retries.

use std::time::{Duration, Instant};

use serde_json::json;

use self::server::{Answer, Asked, Server};
use super::*;
use crate::control_plane::{DataPoint, MetricOf, MetricQuery, MetricStatus, Period, RequestId, ShardFilter};
use crate::snapshot::{Minute, StreamMetric};

mod credentials;
mod emulator;
mod environment;
mod pool;
mod server;

const LATE: &str = "Sat, 15 Nov 2031 08:49:37 GMT";

fn stream() -> StreamId {
    StreamId::Name("orders".to_owned())
}

fn options(endpoint: &str) -> AwsOptions {
    AwsOptions {
        timeouts: Timeouts {
            connect: Duration::from_secs(1),
            attempt: Duration::from_millis(300),
            operation: Duration::from_secs(3),
            write: Duration::from_millis(300),
        },
        ..AwsOptions::local(endpoint, "eu-west-1")
    }
}

async fn plane(server: &Server) -> AwsControlPlane {
    AwsControlPlane::connect(&options(&server.url)).await.expect("the options are valid")
}

async fn split(plane: &AwsControlPlane) -> Result<Reply<()>, RequestError> {
    plane.split_shard(&stream(), &ShardId::new("shardId-000000000000"), HashKey(1 << 127)).await
}

fn summary() -> Answer {
    Answer::json(&json!({"StreamDescriptionSummary": {
        "StreamName": "orders", "StreamARN": "arn:aws:kinesis:eu-west-1:123456789012:stream/orders",
        "StreamStatus": "ACTIVE", "StreamModeDetails": {"StreamMode": "PROVISIONED"},
        "RetentionPeriodHours": 24, "StreamCreationTimestamp": 1_700_000_000.5,
        "EnhancedMonitoring": [{"ShardLevelMetrics": ["ALL"]}], "OpenShardCount": 2, "ConsumerCount": 1,
    }}))
}

fn shard(id: &str, start: &str, end: &str, ends: Option<&str>) -> serde_json::Value {
    let mut numbers = json!({"StartingSequenceNumber": "1"});
    if let Some(ends) = ends {
        numbers["EndingSequenceNumber"] = json!(ends);
    }
    json!({"ShardId": id, "HashKeyRange": {"StartingHashKey": start, "EndingHashKey": end},
           "SequenceNumberRange": numbers})
}

#[tokio::test]
async fn each_error_of_kinesis_has_its_class_and_a_split_is_sent_once() {
    for (code, status, class) in [
        ("ResourceInUseException", 400, ErrorClass::ResourceInUse),
        ("LimitExceededException", 400, ErrorClass::LimitExceeded),
        ("ThrottlingException", 400, ErrorClass::Throttled),
        ("ProvisionedThroughputExceededException", 400, ErrorClass::Throttled),
        ("AccessDeniedException", 400, ErrorClass::AccessDenied),
        ("KMSAccessDeniedException", 400, ErrorClass::AccessDenied),
        ("UnrecognizedClientException", 400, ErrorClass::Credentials),
        ("ExpiredTokenException", 400, ErrorClass::Credentials),
        ("InvalidSignatureException", 400, ErrorClass::Credentials),
        ("ResourceNotFoundException", 400, ErrorClass::NotFound),
        ("InvalidArgumentException", 400, ErrorClass::Invalid),
        ("ValidationException", 400, ErrorClass::Invalid),
        ("ExpiredNextTokenException", 400, ErrorClass::ExpiredToken),
        ("InternalFailure", 500, ErrorClass::Ambiguous),
        ("ServiceUnavailable", 503, ErrorClass::Ambiguous),
    ] {
        let server = Server::start(vec![Answer::error(status, code, "said AWS").repeated()]).await;
        let error = split(&plane(&server).await).await.expect_err(code);
        assert_eq!((error.class, error.operation), (class, "SplitShard"), "{code}");
        assert!(error.message.contains(code) && error.message.contains("said AWS"), "{error}");
        assert_eq!(server.requests().len(), 1, "{code}: sent once");
    }
}

#[tokio::test]
async fn the_same_refusal_reads_the_same_and_its_source_says_which_request_it_was() {
    let server = Server::start(vec![Answer::error(400, "LimitExceededException", "").repeated()]).await;
    let plane = plane(&server).await;
    let [first, second] = [split(&plane).await, split(&plane).await].map(|split| split.expect_err("refused"));
    assert_eq!(first.to_string(), second.to_string());
    let ids = [&first, &second].map(|error| RequestId::of(error));
    assert_eq!(ids, [Some("request-1"), Some("request-2")]);
}

#[tokio::test]
async fn what_is_not_allowed_names_the_action_and_the_caller() {
    let server = Server::start(vec![Answer::error(400, "AccessDeniedException", "User: x").repeated()]).await;
    let mut plane = plane(&server).await;
    plane.caller = Arc::new(Caller {
        role_arn: Some("arn:aws:iam::111122223333:role/reshard".to_owned()),
        region: "eu-west-1".to_owned(),
        profile: None,
    });
    let error = split(&plane).await.expect_err("denied");
    for part in ["kinesis:SplitShard", "arn:aws:iam::111122223333:role/reshard", "User: x"] {
        assert!(error.message.contains(part), "{part} in {error}");
    }
}

#[tokio::test]
async fn merges_and_monitoring_are_sent_once_too_and_reads_are_repeated() {
    let failing = || Server::start(vec![Answer::error(500, "InternalFailure", "").repeated()]);
    let id = ShardId::new("shardId-000000000000");
    let server = failing().await;
    plane(&server).await.merge_shards(&stream(), &id, &id).await.expect_err("500");
    assert_eq!(server.requests().len(), 1);
    let server = failing().await;
    let metrics = [ShardMetric::IncomingBytes];
    plane(&server).await.enable_enhanced_monitoring(&stream(), &metrics).await.expect_err("500");
    assert_eq!(server.requests().len(), 1);

    let server = Server::start(vec![Answer::error(500, "InternalFailure", ""), summary()]).await;
    plane(&server).await.describe_stream_summary(&stream()).await.expect("the second attempt succeeds");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn each_request_waits_for_its_own_turn_and_takes_no_other() {
    let server = Server::start(vec![Answer::error(400, "AccessDeniedException", "").repeated()]).await;
    let plane = &plane(&server).await;
    let (stream, shard) = (&stream(), &ShardId::new("shardId-000000000000"));
    let minute = Minute::of("2026-11-22T04:00:00Z".parse().expect("a time"));
    let metrics = &GetMetricData {
        queries: vec![MetricOf {
            stream_name: "orders".into(),
            query: MetricQuery::Stream(StreamMetric::IncomingBytes),
        }],
        start: minute,
        end: minute.plus(1),
        period: Period::default(),
        next_token: None,
    };
    let listing = &ListShards::Next { token: "abc".to_owned() };
    let monitored = &[ShardMetric::IncomingBytes];
    let RateLimits {
        reshard,
        update_shard_count,
        describe_stream_summary,
        describe_limits,
        get_metric_data,
        // Points are paid for, not taken in turns.
        data_points: _,
        enhanced_monitoring,
    } = &*plane.limits;
    let turns = || {
        [
            ("reshard", reshard.latest_turn()),
            ("count", update_shard_count.latest_turn()),
            ("summary", describe_stream_summary.latest_turn()),
            ("limits", describe_limits.latest_turn()),
            ("metrics", get_metric_data.latest_turn()),
            ("monitoring", enhanced_monitoring.latest_turn()),
        ]
    };
    let mut before = turns();
    let mut taken = || {
        let now = turns();
        let names = now.iter().zip(&before).filter(|((_, now), (_, before))| now > before);
        let names: Vec<&str> = names.map(|((name, _), _)| *name).collect();
        before = now;
        names
    };
    plane.split_shard(stream, shard, HashKey(1)).await.expect_err("denied");
    assert_eq!(taken(), ["reshard"]);
    plane.merge_shards(stream, shard, shard).await.expect_err("denied");
    assert_eq!(taken(), ["reshard"]);
    let denied = plane.update_shard_count(stream, 4).await.expect_err("denied");
    assert_eq!(taken(), ["count"]);
    assert_eq!(denied.class, ErrorClass::AccessDenied);
    assert!(denied.message.contains("kinesis:UpdateShardCount"), "{denied}");
    plane.describe_stream_summary(stream).await.expect_err("denied");
    assert_eq!(taken(), ["summary"]);
    plane.describe_limits().await.expect_err("denied");
    assert_eq!(taken(), ["limits"]);
    plane.get_metric_data(metrics).await.expect_err("denied");
    assert_eq!(taken(), ["metrics"]);
    plane.enable_enhanced_monitoring(stream, monitored).await.expect_err("denied");
    assert_eq!(taken(), ["monitoring"]);
    plane.list_shards(listing).await.expect_err("denied");
    assert_eq!(taken(), [""; 0], "ListShards is limited per stream, and has room");
}

#[tokio::test]
async fn a_summary_is_read_and_dated_by_the_servers_clock_however_far_that_is() {
    let early = "Thu, 01 Jan 2004 00:00:00 GMT";
    let server =
        Server::start(vec![summary().dated(LATE), summary().dated(early), summary().dated(LATE)]).await;
    let plane = plane(&server).await;
    for at in ["2031-11-15T08:49:37Z", "2004-01-01T00:00:00Z", "2031-11-15T08:49:37Z"] {
        let reply = plane.describe_stream_summary(&stream()).await.expect("a summary");
        assert_eq!(reply.at.to_string(), at);
        assert_eq!(reply.value.created_at.to_string(), "2023-11-14T22:13:20.5Z");
        assert_eq!((reply.value.open_shard_count, reply.value.enhanced_metrics.len()), (2, 7));
    }
}

#[tokio::test]
async fn a_reply_without_a_date_or_with_a_broken_body_is_ambiguous() {
    for answer in [summary().dated(""), Answer::text(200, "not JSON"), Answer::text(200, "{}")] {
        let server = Server::start(vec![answer.repeated()]).await;
        let error = plane(&server).await.describe_stream_summary(&stream()).await.expect_err("broken");
        assert_eq!(error.class, ErrorClass::Ambiguous, "{error}");
    }
}

#[tokio::test]
async fn a_page_that_follows_sends_the_token_alone() {
    let first = Answer::json(&json!({"Shards": [shard("shardId-000000000000", "0", "9", Some("7"))],
                                     "NextToken": "abc"}));
    let second = Answer::json(&json!({"Shards": [shard("shardId-000000000001", "10", "20", None)]}));
    let server = Server::start(vec![first, second]).await;
    let plane = plane(&server).await;
    let at = "2026-11-22T00:00:00Z".parse().expect("a timestamp");
    let request = ListShards::First { stream: stream(), filter: ShardFilter::FromTimestamp(at) };
    let page = plane.list_shards(&request).await.expect("a page").value;
    assert!(page.shards[0].closed, "it has an ending sequence number");
    let token = page.next_token.expect("a token");
    let page = plane.list_shards(&ListShards::Next { token }).await.expect("a page").value;
    assert!(!page.shards[0].closed && page.next_token.is_none());

    let bodies: Vec<serde_json::Value> = server.requests().iter().map(|request| request.json()).collect();
    assert_eq!(bodies[0]["StreamName"], "orders");
    assert_eq!(bodies[0]["ShardFilter"]["Type"], "FROM_TIMESTAMP");
    assert_eq!(bodies[1], json!({"NextToken": "abc", "MaxResults": 1_000}));
}

#[tokio::test]
async fn a_shard_that_cannot_be_is_named() {
    for (start, end) in [("5", "4"), ("-1", "4"), ("0", "340282366920938463463374607431768211456")] {
        let page = json!({"Shards": [shard("shardId-000000000007", start, end, None)]});
        let server = Server::start(vec![Answer::json(&page)]).await;
        let request = ListShards::First { stream: stream(), filter: ShardFilter::AtLatest };
        let error = plane(&server).await.list_shards(&request).await.expect_err("it cannot be");
        assert!(error.message.contains("shardId-000000000007"), "{error}");
    }
}

fn metrics_request(queries: usize) -> GetMetricData {
    let query = MetricQuery::Stream(StreamMetric::IncomingBytes);
    GetMetricData {
        queries: vec![MetricOf { stream_name: "orders".into(), query }; queries],
        start: Minute(100),
        end: Minute(160),
        period: Period::default(),
        next_token: None,
    }
}

#[tokio::test]
async fn a_page_of_metrics_comes_as_it_is() {
    let page = json!({"MetricDataResults": [
        {"Id": "q1", "StatusCode": "PartialData", "Timestamps": [6_060.0, 6_000.0], "Values": [2.5, -1.0]},
        {"Id": "q0", "StatusCode": "Complete", "Timestamps": [], "Values": []},
    ], "NextToken": "more"});
    let server = Server::start(vec![Answer::cbor(&page).dated(LATE)]).await;
    let reply = plane(&server).await.get_metric_data(&metrics_request(2)).await.expect("a page");
    assert_eq!(reply.at.to_string(), "2031-11-15T08:49:37Z");
    assert_eq!(reply.value.next_token.as_deref(), Some("more"));
    let [first, second] = &reply.value.results[..] else { panic!("{reply:?}") };
    assert_eq!((first.query, first.status, second.query), (1, MetricStatus::PartialData, 0));
    assert_eq!(
        (second.status, first.points[1]),
        (MetricStatus::Complete, DataPoint { at_millis: 6_000_000, value: -1.0 })
    );
    let asked = server.requests()[0].cbor();
    assert_eq!(asked["ScanBy"], "TimestampAscending");
    assert_eq!((asked["StartTime"].as_f64(), asked["EndTime"].as_f64()), (Some(6_000.0), Some(9_600.0)));
    let query = &asked["MetricDataQueries"][1];
    assert_eq!((&query["Id"], &query["MetricStat"]["Period"]), (&json!("q1"), &json!(60)));
    assert_eq!(query["MetricStat"]["Metric"]["Namespace"], "AWS/Kinesis");
}

#[tokio::test]
async fn metrics_of_days_are_asked_for_by_five_minutes_and_by_quarters_of_an_hour() {
    for (period, seconds) in [(Period::FiveMinutes, 300), (Period::QuarterHour, 900)] {
        let server = Server::start(vec![Answer::cbor(&json!({"MetricDataResults": []}))]).await;
        let request = GetMetricData { period, ..metrics_request(1) };
        plane(&server).await.get_metric_data(&request).await.expect("a page");
        assert_eq!(server.requests()[0].cbor()["MetricDataQueries"][0]["MetricStat"]["Period"], seconds);
    }
}

#[tokio::test]
async fn errors_of_cloudwatch_have_their_classes_and_too_many_queries_are_not_sent() {
    for (code, status, class) in [
        ("Throttling", 400, ErrorClass::Throttled),
        ("InvalidNextToken", 400, ErrorClass::ExpiredToken),
        ("AccessDenied", 403, ErrorClass::AccessDenied),
        ("InvalidParameterValueException", 400, ErrorClass::Invalid),
        ("InternalServiceFault", 500, ErrorClass::Ambiguous),
    ] {
        let error = json!({"__type": format!("com.amazonaws.cloudwatch#{code}"), "message": "said AWS"});
        let server = Server::start(vec![Answer::cbor(&error).status(status).repeated()]).await;
        let error = plane(&server).await.get_metric_data(&metrics_request(1)).await.expect_err(code);
        assert_eq!(error.class, class, "{error}");
    }
    let server = Server::start(vec![]).await;
    let error = plane(&server).await.get_metric_data(&metrics_request(501)).await.expect_err("too many");
    assert_eq!((error.class, server.requests().len()), (ErrorClass::Invalid, 0));
}

#[tokio::test]
async fn a_server_that_says_nothing_is_not_waited_for_and_the_split_is_sent_once() {
    let server = Server::start(vec![Answer::silence().repeated()]).await;
    let begun = Instant::now();
    let error = split(&plane(&server).await).await.expect_err("no reply");
    assert_eq!(error.class, ErrorClass::Ambiguous, "{error}");
    assert!(error.message.contains(&server.url), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_request_is_ambiguous() {
    // Accepts, reads the request and hangs up.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let accepted = std::thread::spawn(move || {
        use std::io::Read as _;
        let (mut connection, _) = listener.accept().expect("a connection");
        let mut buffer = [0; 65_536];
        connection.read(&mut buffer).expect("a request")
    });
    let plane = AwsControlPlane::connect(&options(&url)).await.expect("valid options");
    let error = split(&plane).await.expect_err("it hangs up");
    assert_eq!(error.class, ErrorClass::Ambiguous, "{error}");
    assert!(accepted.join().expect("the thread ends") > 0);
}

#[tokio::test]
async fn an_endpoint_where_nobody_listens_or_that_does_not_exist_is_named() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback").local_addr().expect("bound");
    let url = format!("http://{free}");
    let plane = AwsControlPlane::connect(&options(&url)).await.expect("valid options");
    let error = split(&plane).await.expect_err("nobody listens");
    assert_eq!(error.class, ErrorClass::Unreachable, "{error}");
    assert!(error.message.contains(&url), "{error}");

    let options = options("http://kinesis.nowhere-east-1.invalid");
    let plane = AwsControlPlane::connect(&options).await.expect("valid options");
    let error = split(&plane).await.expect_err("there is no such name");
    assert_eq!(error.class, ErrorClass::Unreachable, "{error}");
    assert!(error.message.contains("is the region eu-west-1 right?"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_faster_server_clock_shortens_sleeps() {
    let options = AwsOptions { clock_speed: 60, ..options("http://127.0.0.1:1") };
    let plane = AwsControlPlane::connect(&options).await.expect("valid options");
    let begun = tokio::time::Instant::now();
    plane.sleep(Duration::from_secs(60)).await;
    assert_eq!(begun.elapsed(), Duration::from_secs(1));
}
