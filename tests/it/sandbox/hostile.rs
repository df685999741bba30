//! Requests that no SDK sends: each gets an error shaped like AWS's, and the next client is served.

use std::io::Write as _;
use std::time::Duration;

use super::client::{RawReply, RawRequest, SIGNED, kinesis_json, sandbox};
use reshard::sandbox::Sandbox;
use reshard::simulator::fault::{Effect, Fault, Operation, When};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const LIST_SHARDS: (&str, &str) = ("x-amz-target", "Kinesis_20131202.ListShards");
const JSON_1_1: (&str, &str) = ("content-type", "application/x-amz-json-1.1");
const JSON_1_0: (&str, &str) = ("content-type", "application/x-amz-json-1.0");
const PUT_METRIC_DATA: (&str, &str) = ("x-amz-target", "GraniteServiceVersion20100801.PutMetricData");
const RPC_PATH: &str = "POST /service/GraniteServiceVersion20100801/operation/ListMetrics";
const RPC: (&str, &str) = ("smithy-protocol", "rpc-v2-cbor");

/// What it is, its request line, headers and body, and the status and code of its reply.
type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a [u8], u16, &'a str);

async fn is_alive(sandbox: &Sandbox) {
    // ListStreams is taken five times a second.
    sandbox.clock().skip(1);
    assert_eq!(kinesis_json(sandbox, "ListStreams", "{}").await.status, 200);
}

fn error(reply: &RawReply) -> (u16, String) {
    (reply.status, reply.json()["__type"].as_str().expect("an error has a type").to_owned())
}

#[tokio::test]
async fn garbage_is_refused_in_aws_words_and_harms_nobody_else() {
    let sandbox = sandbox().await;
    let deep = "[".repeat(200_000);
    let deep_object = r#"{"a":"#.repeat(200_000);
    let cases: &[Case] = &[
        ("no target", "POST /", &[JSON_1_1, SIGNED], b"{}", 404, "UnknownOperationException"),
        ("a GET", "GET /", &[SIGNED], b"", 405, "UnknownOperationException"),
        (
            "a foreign service",
            "POST /",
            &[("x-amz-target", "DynamoDB_20120810.ListTables"), JSON_1_0, SIGNED],
            b"{}",
            404,
            "UnknownOperationException",
        ),
        (
            "an unknown operation",
            "POST /",
            &[("x-amz-target", "Kinesis_20131202.Explode"), JSON_1_1, SIGNED],
            b"{}",
            400,
            "UnknownOperationException",
        ),
        (
            "a wrong content type",
            "POST /",
            &[LIST_SHARDS, ("content-type", "text/plain"), SIGNED],
            b"{}",
            404,
            "UnknownOperationException",
        ),
        ("no content type", "POST /", &[LIST_SHARDS, SIGNED], b"{}", 404, "UnknownOperationException"),
        (
            "no signature",
            "POST /",
            &[LIST_SHARDS, JSON_1_1],
            b"{}",
            400,
            "MissingAuthenticationTokenException",
        ),
        ("an empty body", "POST /", &[LIST_SHARDS, JSON_1_1, SIGNED], b"", 400, "SerializationException"),
        (
            "broken JSON",
            "POST /",
            &[LIST_SHARDS, JSON_1_1, SIGNED],
            b"{\"StreamName\": ",
            400,
            "SerializationException",
        ),
        ("no object", "POST /", &[LIST_SHARDS, JSON_1_1, SIGNED], b"[]", 400, "SerializationException"),
        (
            "no UTF-8",
            "POST /",
            &[LIST_SHARDS, JSON_1_1, SIGNED],
            b"{\"StreamName\": \"\xff\"}",
            400,
            "SerializationException",
        ),
        (
            "deep lists",
            "POST /",
            &[LIST_SHARDS, JSON_1_1, SIGNED],
            deep.as_bytes(),
            400,
            "SerializationException",
        ),
        (
            "deep objects",
            "POST /",
            &[LIST_SHARDS, JSON_1_1, SIGNED],
            deep_object.as_bytes(),
            400,
            "SerializationException",
        ),
        (
            "broken gzip",
            "POST /",
            &[PUT_METRIC_DATA, JSON_1_0, SIGNED, ("content-encoding", "gzip")],
            b"{}",
            400,
            "SerializationException",
        ),
        (
            "an unknown encoding",
            "POST /",
            &[PUT_METRIC_DATA, JSON_1_0, SIGNED, ("content-encoding", "br")],
            b"{}",
            415,
            "UnsupportedMediaType",
        ),
        (
            "RPC without its header",
            RPC_PATH,
            &[("content-type", "application/cbor"), SIGNED],
            b"\xa0",
            404,
            "UnknownOperationException",
        ),
    ];
    for (what, line, headers, body, status, code) in cases {
        let reply = RawRequest { line, headers, body }.send(&sandbox).await.expect(what);
        assert_eq!(error(&reply), (*status, (*code).to_owned()), "{what}");
        assert_eq!(reply.header("x-amzn-errortype"), Some(*code), "{what}");
        assert!(reply.header("x-amzn-requestid").is_some_and(|id| !id.is_empty()), "{what}");
        assert!(reply.header("date").is_some(), "{what}");
        is_alive(&sandbox).await;
    }
}

#[tokio::test]
async fn hostile_cbor_is_refused() {
    let sandbox = sandbox().await;
    let deep = b"\x81".repeat(200_000);
    let cases: [(&str, &[u8]); 4] = [
        ("deep lists", &deep),
        ("a list that promises 2^64 items", b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff"),
        ("a cut text", b"\xa1\x69Namespace\x7f"),
        ("a list", b"\x80"),
    ];
    for (what, body) in cases {
        let headers = [RPC, ("content-type", "application/cbor"), SIGNED];
        let reply = RawRequest { line: RPC_PATH, headers: &headers, body }.send(&sandbox).await.expect(what);
        assert_eq!(reply.status, 400, "{what}");
        assert_eq!(reply.header("smithy-protocol"), Some("rpc-v2-cbor"), "{what}");
        let error: ciborium::Value = ciborium::from_reader(reply.body.as_slice()).expect(what);
        let kind = ciborium::Value::from("com.amazonaws.cloudwatch#SerializationException");
        assert_eq!(error.as_map().and_then(|map| map.first()).map(|(_, kind)| kind), Some(&kind), "{what}");
        is_alive(&sandbox).await;
    }
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused_packed_or_not() {
    let sandbox = sandbox().await;
    let large = vec![b' '; (16 << 20) + 1];
    let headers = [LIST_SHARDS, JSON_1_1, SIGNED];
    // The server closes while the client still sends: the reply may be lost, the server must not.
    if let Some(reply) = (RawRequest { line: "POST /", headers: &headers, body: &large }).send(&sandbox).await
    {
        assert_eq!(error(&reply), (413, "RequestEntityTooLargeException".to_owned()));
    }
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..3 {
        bomb.write_all(&large).expect("memory takes it");
    }
    let bomb = bomb.finish().expect("memory takes it");
    assert!(bomb.len() < 1 << 20, "48 MiB pack into {} bytes", bomb.len());
    let headers = [PUT_METRIC_DATA, JSON_1_0, SIGNED, ("content-encoding", "gzip")];
    let reply = RawRequest { line: "POST /", headers: &headers, body: &bomb }.send(&sandbox).await;
    assert_eq!(
        error(&reply.expect("it is small on the wire")),
        (413, "RequestEntityTooLargeException".to_owned())
    );
    is_alive(&sandbox).await;
}

#[tokio::test]
async fn slow_clients_do_not_hold_up_others() {
    let sandbox = sandbox().await;
    let mut slow = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(sandbox.address()).await.expect("the sandbox listens");
        stream
            .write_all(b"POST / HTTP/1.1\r\nhost: sandbox\r\ncontent-length: 10\r\n\r\n{")
            .await
            .expect("it reads");
        slow.push(stream);
    }
    tokio::time::timeout(Duration::from_secs(5), is_alive(&sandbox))
        .await
        .expect("nobody waits for the slow");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_sends_its_body_is_told_so_in_the_end() {
    let sandbox = sandbox().await;
    let mut stream = TcpStream::connect(sandbox.address()).await.expect("the sandbox listens");
    let head = format!(
        "POST / HTTP/1.1\r\nhost: sandbox\r\nconnection: close\r\n{}: {}\r\n{}: {}\r\ncontent-length: 10\r\n\r\n{{",
        LIST_SHARDS.0, LIST_SHARDS.1, JSON_1_1.0, JSON_1_1.1
    );
    stream.write_all(head.as_bytes()).await.expect("it reads");
    let mut reply = Vec::new();
    let read = stream.read_to_end(&mut reply);
    tokio::time::timeout(Duration::from_secs(60), read)
        .await
        .expect("it does not hang")
        .expect("it is answered");
    assert!(reply.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&reply));
}

#[tokio::test]
async fn a_lost_reply_is_a_connection_that_ends_without_one() {
    let sandbox = sandbox().await;
    sandbox.with_cloud(|cloud| {
        let (operation, when) = (Operation::CreateStream, When::Nth(1));
        cloud.inject(Fault { operation, when, effect: Effect::LoseReply });
    });
    let body = r#"{"StreamName": "orders", "ShardCount": 1}"#.as_bytes();
    let headers = [("x-amz-target", "Kinesis_20131202.CreateStream"), JSON_1_1, SIGNED];
    let reply = RawRequest { line: "POST /", headers: &headers, body }.send(&sandbox).await;
    assert!(reply.is_none(), "{reply:?}");
    let streams = kinesis_json(&sandbox, "ListStreams", "{}").await.json();
    assert_eq!(streams["StreamNames"], serde_json::json!(["orders"]), "the call took effect");
}

#[tokio::test]
async fn a_constraint_that_fails_is_named_by_its_path() {
    let sandbox = sandbox().await;
    let cases = [
        (
            "SplitShard",
            r#"{"StreamName": "a b", "ShardToSplit": "shardId-0"}"#,
            "2 validation errors detected: Value 'a b' at 'streamName' failed to satisfy constraint: Member must satisfy \
          regular expression pattern: [a-zA-Z0-9_.-]+; Value null at 'newStartingHashKey' failed to satisfy \
          constraint: Member must not be null",
        ),
        (
            "PutRecords",
            r#"{"StreamName": "a", "Records": [{"Data": "", "PartitionKey": "k"}, {"Data": "", "PartitionKey": ""}]}"#,
            "1 validation error detected: Value '' at 'records.2.member.partitionKey' failed to satisfy constraint: \
          Member must have length greater than or equal to 1",
        ),
        (
            "ListShards",
            r#"{"StreamName": "a", "ShardFilter": {"Type": "NEWEST"}}"#,
            "1 validation error detected: Value 'NEWEST' at 'shardFilter.type' failed to satisfy constraint: Member must \
          satisfy enum value set: [AFTER_SHARD_ID, AT_TRIM_HORIZON, FROM_TRIM_HORIZON, AT_LATEST, AT_TIMESTAMP, \
          FROM_TIMESTAMP]",
        ),
    ];
    for (operation, body, message) in cases {
        let reply = kinesis_json(&sandbox, operation, body).await;
        assert_eq!(error(&reply), (400, "ValidationException".to_owned()), "{operation}");
        assert_eq!(reply.json()["message"], message, "{operation}");
    }
}
