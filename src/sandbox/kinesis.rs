//! The operations of Kinesis: the shape of each request, and the call on the model that answers it.
//!
//! Shapes and constraints are those of AWS's published service model of 2013-12-02.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::ErrorReply;
use super::json;
use super::operation::{Operation, Outcome};
use super::validation::{Pattern, Shape, optional, required};
use super::value::{Members, Value};
use crate::simulator::{ApiError, Cloud};

/// A request that failed a constraint.
pub(super) const CONSTRAINT_CODE: &str = "ValidationException";

const SEVEN_METRICS_AND_ALL: &[&str] = &[
    "IncomingBytes",
    "IncomingRecords",
    "OutgoingBytes",
    "OutgoingRecords",
    "WriteProvisionedThroughputExceeded",
    "ReadProvisionedThroughputExceeded",
    "IteratorAgeMilliseconds",
    "ALL",
];
const SHARD_FILTERS: &[&str] = &[
    "AFTER_SHARD_ID",
    "AT_TRIM_HORIZON",
    "FROM_TRIM_HORIZON",
    "AT_LATEST",
    "AT_TIMESTAMP",
    "FROM_TIMESTAMP",
];
const ITERATORS: &[&str] =
    &["AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER", "TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"];

const NAME: Pattern = Pattern { text: "[a-zA-Z0-9_.-]+", matches: is_name };
const ARN: Pattern = Pattern { text: r"arn:aws.*:kinesis:.*:\d{12}:.*stream/\S+", matches: is_stream_arn };
const HASH_KEY_TEXT: Pattern = Pattern { text: r"0|([1-9]\d{0,38})", matches: |text| is_decimal(text, 39) };
const SEQUENCE_TEXT: Pattern = Pattern { text: r"0|([1-9]\d{0,128})", matches: |text| is_decimal(text, 129) };

const NAME_TEXT: Shape = Shape::Text { min: 1, max: 128, pattern: Some(NAME) };
const ARN_TEXT: Shape = Shape::Text { min: 1, max: 2_048, pattern: Some(ARN) };
const HASH_KEY: Shape = Shape::Text { min: 0, max: usize::MAX, pattern: Some(HASH_KEY_TEXT) };
const SEQUENCE_NUMBER: Shape = Shape::Text { min: 0, max: usize::MAX, pattern: Some(SEQUENCE_TEXT) };
const TOKEN: Shape = Shape::Text { min: 1, max: 1_048_576, pattern: None };
const COUNT: Shape = Shape::Integer { min: 1, max: i32::MAX as i64 };
const ANY_INTEGER: Shape = Shape::Integer { min: i32::MIN as i64, max: i32::MAX as i64 };
const PAGE: Shape = Shape::Integer { min: 1, max: 10_000 };
const DATA: Shape = Shape::Blob { max: 10_485_760 };
const PARTITION_KEY: Shape = Shape::Text { min: 1, max: 256, pattern: None };
const TAG_KEY: Shape = Shape::Text { min: 1, max: 128, pattern: None };
const TAG_KEYS: Shape = Shape::List { of: &TAG_KEY, min: 1, max: 50 };
const TAGS: Shape = Shape::Map { min: 1, max: 200, key: 128, value: 256 };
const MODE: Shape = Shape::Structure(&[required("StreamMode", Shape::Choice(&["PROVISIONED", "ON_DEMAND"]))]);
const METRICS: Shape = Shape::List { of: &Shape::Choice(SEVEN_METRICS_AND_ALL), min: 1, max: 7 };
const PUT_ENTRY: Shape = Shape::Structure(&[
    required("Data", DATA),
    optional("ExplicitHashKey", HASH_KEY),
    required("PartitionKey", PARTITION_KEY),
]);
const SHARD_FILTER: Shape = Shape::Structure(&[
    required("Type", Shape::Choice(SHARD_FILTERS)),
    optional("ShardId", NAME_TEXT),
    optional("Timestamp", Shape::Timestamp),
]);

/// The members that address a stream, then those of the operation itself.
macro_rules! on_stream {
    ($($field:expr),* $(,)?) => {
        &[optional("StreamName", NAME_TEXT), optional("StreamARN", ARN_TEXT), $($field),*]
    };
}

/// An operation that the model answers by the method of this name.
macro_rules! operation {
    ($name:literal, $fields:expr, $method:ident) => {
        Operation {
            name: $name,
            fields: $fields,
            call: |cloud, request| answer(cloud, request, Cloud::$method),
        }
    };
}

/// An operation that has no result.
macro_rules! silent_operation {
    ($name:literal, $fields:expr, $method:ident) => {
        Operation {
            name: $name,
            fields: $fields,
            call: |cloud, request| carry_out(cloud, request, Cloud::$method),
        }
    };
}

/// All operations that the model knows, by AWS's names.
pub(super) const OPERATIONS: &[Operation] = &[
    silent_operation!("AddTagsToStream", on_stream![required("Tags", TAGS)], add_tags_to_stream),
    silent_operation!(
        "CreateStream",
        &[
            required("StreamName", NAME_TEXT),
            optional("ShardCount", COUNT),
            optional("StreamModeDetails", MODE),
            optional("Tags", TAGS),
        ],
        create_stream
    ),
    silent_operation!(
        "DecreaseStreamRetentionPeriod",
        on_stream![required("RetentionPeriodHours", ANY_INTEGER)],
        decrease_stream_retention_period
    ),
    silent_operation!(
        "DeleteStream",
        on_stream![optional("EnforceConsumerDeletion", Shape::Boolean)],
        delete_stream
    ),
    silent_operation!(
        "DeregisterStreamConsumer",
        &[required("StreamARN", ARN_TEXT), required("ConsumerName", NAME_TEXT)],
        deregister_stream_consumer
    ),
    Operation { name: "DescribeLimits", fields: &[], call: |cloud, _| to_outcome(cloud.describe_limits()) },
    operation!(
        "DescribeStream",
        on_stream![optional("Limit", PAGE), optional("ExclusiveStartShardId", NAME_TEXT)],
        describe_stream
    ),
    operation!("DescribeStreamSummary", on_stream![], describe_stream_summary),
    operation!(
        "DisableEnhancedMonitoring",
        on_stream![required("ShardLevelMetrics", METRICS)],
        disable_enhanced_monitoring
    ),
    operation!(
        "EnableEnhancedMonitoring",
        on_stream![required("ShardLevelMetrics", METRICS)],
        enable_enhanced_monitoring
    ),
    operation!(
        "GetRecords",
        &[
            required("ShardIterator", Shape::Text { min: 1, max: 512, pattern: None }),
            optional("Limit", PAGE),
            optional("StreamARN", ARN_TEXT),
        ],
        get_records
    ),
    operation!(
        "GetShardIterator",
        on_stream![
            required("ShardId", NAME_TEXT),
            required("ShardIteratorType", Shape::Choice(ITERATORS)),
            optional("StartingSequenceNumber", SEQUENCE_NUMBER),
            optional("Timestamp", Shape::Timestamp),
        ],
        get_shard_iterator
    ),
    silent_operation!(
        "IncreaseStreamRetentionPeriod",
        on_stream![required("RetentionPeriodHours", ANY_INTEGER)],
        increase_stream_retention_period
    ),
    operation!(
        "ListShards",
        on_stream![
            optional("NextToken", TOKEN),
            optional("ExclusiveStartShardId", NAME_TEXT),
            optional("MaxResults", PAGE),
            optional("StreamCreationTimestamp", Shape::Timestamp),
            optional("ShardFilter", SHARD_FILTER),
        ],
        list_shards
    ),
    operation!("ListStreamConsumers", &[required("StreamARN", ARN_TEXT)], list_stream_consumers),
    operation!(
        "ListStreams",
        &[
            optional("Limit", PAGE),
            optional("ExclusiveStartStreamName", NAME_TEXT),
            optional("NextToken", TOKEN)
        ],
        list_streams
    ),
    Operation {
        name: "ListTagsForResource",
        fields: &[required("ResourceARN", ARN_TEXT)],
        call: |cloud, request| {
            let all = answer(cloud, &on_resource(request), Cloud::list_tags_for_stream)?;
            Ok(all.and_then(|reply| reply.get("Tags").cloned()).map(|tags| Members::new().with("Tags", tags)))
        },
    },
    operation!(
        "ListTagsForStream",
        on_stream![
            optional("ExclusiveStartTagKey", TAG_KEY),
            optional("Limit", Shape::Integer { min: 1, max: 50 }),
        ],
        list_tags_for_stream
    ),
    silent_operation!(
        "MergeShards",
        on_stream![required("ShardToMerge", NAME_TEXT), required("AdjacentShardToMerge", NAME_TEXT)],
        merge_shards
    ),
    operation!(
        "PutRecord",
        on_stream![
            required("Data", DATA),
            required("PartitionKey", PARTITION_KEY),
            optional("ExplicitHashKey", HASH_KEY),
            optional("SequenceNumberForOrdering", SEQUENCE_NUMBER),
        ],
        put_record
    ),
    operation!(
        "PutRecords",
        on_stream![required("Records", Shape::List { of: &PUT_ENTRY, min: 1, max: 500 })],
        put_records
    ),
    operation!(
        "RegisterStreamConsumer",
        &[required("StreamARN", ARN_TEXT), required("ConsumerName", NAME_TEXT)],
        register_stream_consumer
    ),
    silent_operation!(
        "RemoveTagsFromStream",
        on_stream![required("TagKeys", TAG_KEYS)],
        remove_tags_from_stream
    ),
    silent_operation!(
        "SplitShard",
        on_stream![required("ShardToSplit", NAME_TEXT), required("NewStartingHashKey", HASH_KEY)],
        split_shard
    ),
    Operation {
        name: "TagResource",
        fields: &[required("ResourceARN", ARN_TEXT), required("Tags", TAGS)],
        call: |cloud, request| carry_out(cloud, &on_resource(request), Cloud::add_tags_to_stream),
    },
    Operation {
        name: "UntagResource",
        fields: &[required("ResourceARN", ARN_TEXT), required("TagKeys", TAG_KEYS)],
        call: |cloud, request| carry_out(cloud, &on_resource(request), Cloud::remove_tags_from_stream),
    },
    operation!(
        "UpdateShardCount",
        on_stream![
            required("TargetShardCount", COUNT),
            required("ScalingType", Shape::Choice(&["UNIFORM_SCALING"])),
        ],
        update_shard_count
    ),
    silent_operation!(
        "UpdateStreamMode",
        &[required("StreamARN", ARN_TEXT), required("StreamModeDetails", MODE)],
        update_stream_mode
    ),
];

/// A reply with blobs and timestamps as such, where the model's JSON has them as text and numbers.
/// JSON needs no difference; CBOR does.
pub(super) fn with_types(reply: &Members) -> Members {
    reply.iter().map(|(name, value)| (name.to_owned(), typed(name, value))).collect()
}

fn typed(name: &str, value: &Value) -> Value {
    match value {
        Value::Text(text) if name == "Data" => {
            Value::Blob(STANDARD.decode(text).expect("the model writes blobs as base64"))
        }
        Value::Double(seconds) if name.ends_with("Timestamp") => {
            let at = Timestamp::from_millisecond((seconds * 1_000.0).round() as i64);
            at.map_or(Value::Null, Value::Timestamp)
        }
        Value::List(items) => Value::List(items.iter().map(|item| typed(name, item)).collect()),
        Value::Structure(members) => Value::Structure(with_types(members)),
        other => other.clone(),
    }
}

fn answer<Q: DeserializeOwned, A: Serialize>(
    cloud: &mut Cloud,
    request: &Members,
    method: fn(&mut Cloud, Q) -> Result<A, ApiError>,
) -> Outcome {
    to_outcome(method(cloud, parse(request)?))
}

fn carry_out<Q: DeserializeOwned>(
    cloud: &mut Cloud,
    request: &Members,
    method: fn(&mut Cloud, Q) -> Result<(), ApiError>,
) -> Outcome {
    method(cloud, parse(request)?)?;
    Ok(None)
}

/// The model's request types read AWS JSON; what passed its shape fits them.
fn parse<Q: DeserializeOwned>(request: &Members) -> Result<Q, ErrorReply> {
    let parsed = json::to_json(request).and_then(serde_json::from_value);
    parsed.map_err(|error| ErrorReply::serialization(error.to_string()))
}

fn to_outcome<A: Serialize>(reply: Result<A, ApiError>) -> Outcome {
    let json = serde_json::to_value(reply?).expect("the model's replies have text names");
    match json::from_json(json) {
        Value::Structure(members) => Ok(Some(members)),
        other => unreachable!("a reply is a structure, not {other:?}"),
    }
}

/// The tag operations that take any resource's ARN, as those that take a stream's.
fn on_resource(request: &Members) -> Members {
    let rename = |name: &str| if name == "ResourceARN" { "StreamARN" } else { name }.to_owned();
    request.iter().map(|(name, value)| (rename(name), value.clone())).collect()
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// No leading zero, at most `digits` digits.
fn is_decimal(text: &str, digits: usize) -> bool {
    text == "0"
        || (text.len() <= digits && !text.starts_with('0') && !text.is_empty())
            && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_stream_arn(text: &str) -> bool {
    let mut parts = text.splitn(6, ':');
    let mut next = || parts.next().unwrap_or_default();
    let (arn, partition, service, _region, account, resource) =
        (next(), next(), next(), next(), next(), next());
    arn == "arn"
        && partition.starts_with("aws")
        && service == "kinesis"
        && account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && resource
            .split_once("stream/")
            .is_some_and(|(_, name)| !name.is_empty() && !name.contains(char::is_whitespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_sorted_and_named_once() {
        assert!(OPERATIONS.is_sorted_by(|a, b| a.name < b.name));
    }

    #[test]
    fn patterns_take_what_aws_takes() {
        for (text, taken) in
            [("0", true), ("10", true), ("", false), ("01", false), ("-1", false), ("1a", false)]
        {
            assert_eq!(is_decimal(text, 39), taken, "{text}");
        }
        assert!(is_decimal(&"9".repeat(39), 39) && !is_decimal(&"9".repeat(40), 39));
        for (text, taken) in [
            ("arn:aws:kinesis:us-east-1:123456789012:stream/a", true),
            ("arn:aws-cn:kinesis:cn-north-1:123456789012:stream/a", true),
            ("arn:aws:kinesis:us-east-1:12345678901:stream/a", false),
            ("arn:aws:sqs:us-east-1:123456789012:stream/a", false),
            ("arn:aws:kinesis:us-east-1:123456789012:stream/", false),
            ("orders", false),
        ] {
            assert_eq!(is_stream_arn(text), taken, "{text}");
        }
        assert!(is_name("a_B.9-") && !is_name("a b") && !is_name("é"));
    }

    #[test]
    fn blobs_and_times_are_told_from_text_and_numbers() {
        let record = Members::new().with("Data", "YWI=").with("ApproximateArrivalTimestamp", 1.5);
        let reply = Members::new().with("Records", vec![Value::Structure(record)]);
        let typed = with_types(&reply);
        let record = typed.structures("Records").next().expect("there is a record");
        assert_eq!(record.blob("Data"), Some(&b"ab"[..]));
        assert_eq!(
            record.timestamp("ApproximateArrivalTimestamp").map(|at| at.as_millisecond()),
            Some(1_500)
        );
    }
}
