//! Where the sandbox and the emulators differ, and why. The sandbox follows AWS's documentation and
//! published model, and AWS's own replies where they are known.

/// A step that two sides answer differently.
pub struct Difference {
    pub step: &'static str,
    pub ours: &'static str,
    pub theirs: &'static str,
    pub reason: &'static str,
}

const fn difference(
    step: &'static str,
    ours: &'static str,
    theirs: &'static str,
    reason: &'static str,
) -> Difference {
    Difference { step, ours, theirs, reason }
}

const FACTORS: &str =
    "AWS allows half to twice a call (UpdateShardCount, API Reference); ferrokinesis checks neither";
const BY_ARN: &str = "AWS takes StreamARN instead of StreamName; ferrokinesis does not";
const NO_FILTER: &str = "ferrokinesis ignores ShardFilter";
const TOKEN_ALONE: &str = "AWS takes the token alone; ferrokinesis looks for a stream without a name";
const CLOSED_OVERLAPS: &str = "AWS answers that it 'has already been merged or split, and thus is not eligible' (github.com/mhart/kinesalite/issues/109); ferrokinesis goes on and makes overlapping shards";
const ON_DEMAND: &str = "AWS refuses it for on-demand streams (SplitShard, API Reference)";
const CONSTRAINTS_FIRST: &str =
    "AWS checks the constraints of the published model first, and answers ValidationException";
const CHANGES_AT_THE_END: &str =
    "AWS changes shards when the update ends; kinesis-local changes them at once";
const CLOSED: &str = "AWS answers InvalidArgumentException (github.com/mhart/kinesalite/issues/109)";
const SPLIT_POINTS: &str = "AWS wants start + 2 to end - 1: 'NewStartingHashKey … must be greater than start + 1 and less than end'; kinesis-local takes any key of the range";

/// ferrokinesis 0.7.0.
pub const FERROKINESIS: &[Difference] = &[
    difference("count to less than half", "InvalidArgumentException", "done", FACTORS),
    difference("count to more than twice", "InvalidArgumentException", "done", FACTORS),
    difference(
        "count to twice",
        "Some(4) to Some(8)",
        "Some(1) to Some(8)",
        "follows from the call before, which ferrokinesis took",
    ),
    difference(
        "delete a stream that has a consumer",
        "ResourceInUseException",
        "done",
        "AWS refuses it unless EnforceConsumerDeletion is set (DeleteStream, API Reference)",
    ),
    difference(
        "describe by ARN",
        r#"splits ACTIVE 5 open, 24 h, Some("PROVISIONED"), 0 consumers"#,
        "ValidationException",
        BY_ARN,
    ),
    difference(
        "describe no stream",
        "InvalidArgumentException",
        "ValidationException",
        "neither name nor ARN is required by the published model, so AWS's check of constraints passes it on",
    ),
    difference(
        "describe two of its shards",
        "0:1.000, 1:1.000 more: true",
        "0:1.000, 1:1.000, 2:1.000, 3:1.000 more: false",
        "ferrokinesis ignores Limit",
    ),
    difference(
        "keep for 9000 hours",
        "InvalidArgumentException",
        "ValidationException",
        "the published model has no bound on RetentionPeriodHours any more",
    ),
    difference("list AFTER_SHARD_ID", "4 5", "0 1 2 3 4 5", NO_FILTER),
    difference("list AFTER_SHARD_ID without one", "InvalidArgumentException", "0 1 2 3 4 5", NO_FILTER),
    difference("list AT_LATEST", "0 2 3 4 5", "0 1 2 3 4 5", NO_FILTER),
    difference("list AT_TIMESTAMP without one", "InvalidArgumentException", "0 1 2 3 4 5", NO_FILTER),
    difference("list AT_TRIM_HORIZON", "0 1 2 3", "0 1 2 3 4 5", NO_FILTER),
    difference("list a next page by its token", "4 5", "ResourceNotFoundException", TOKEN_ALONE),
    difference("list by ARN", "0 1 2 3 4 5", "InvalidArgumentException", BY_ARN),
    difference(
        "list by a token of no list",
        "InvalidArgumentException",
        "ResourceNotFoundException",
        TOKEN_ALONE,
    ),
    difference("merge a closed shard", "InvalidArgumentException", "done", CLOSED_OVERLAPS),
    difference(
        "put below the space",
        "ValidationException",
        "InvalidArgumentException",
        "a negative number fails the pattern of HashKey in the published model",
    ),
    difference(
        "read a closed shard",
        r#"[] next: false children: ["4", "5"]"#,
        "[] next: true children: []",
        "AWS ends a closed shard without a next iterator and names its children; ferrokinesis never ends",
    ),
    difference("split a closed shard", "InvalidArgumentException", "done", CLOSED_OVERLAPS),
    difference("split on demand", "ValidationException", "done", ON_DEMAND),
];

/// kinesis-local 0.6.2.
pub const KINESIS_LOCAL: &[Difference] = &[
    difference("count to 0", "ValidationException", "InvalidArgumentException", CONSTRAINTS_FIRST),
    difference(
        "create a stream of 0 shards",
        "ValidationException",
        "LimitExceededException",
        CONSTRAINTS_FIRST,
    ),
    difference(
        "create a stream with a bad name",
        "ValidationException",
        "InvalidArgumentException",
        CONSTRAINTS_FIRST,
    ),
    difference(
        "describe it while CREATING",
        r#"orders CREATING 0 open, 24 h, Some("PROVISIONED"), 0 consumers"#,
        r#"orders CREATING 4 open, 24 h, Some("PROVISIONED"), 0 consumers"#,
        "no shard is open before the stream is ACTIVE; ferrokinesis agrees",
    ),
    difference(
        "describe while UPDATING",
        r#"splits UPDATING 4 open, 24 h, Some("PROVISIONED"), 0 consumers"#,
        r#"splits UPDATING 5 open, 24 h, Some("PROVISIONED"), 0 consumers"#,
        CHANGES_AT_THE_END,
    ),
    difference(
        "describe while merging",
        r#"merges UPDATING 4 open, 24 h, Some("PROVISIONED"), 0 consumers"#,
        r#"merges UPDATING 3 open, 24 h, Some("PROVISIONED"), 0 consumers"#,
        CHANGES_AT_THE_END,
    ),
    difference(
        "list AT_TRIM_HORIZON",
        "0 1 2 3",
        "0 1 2 3 4 5",
        "these were open at the trim horizon; the others came later",
    ),
    difference(
        "list after the count",
        "8 open, the second from 42535295865117307932921825928971026432",
        "8 open, the second from 42535295865117307932921825928971026431",
        "an eighth of 2^128 keys, where kinesis-local takes one of 2^128 - 1; ferrokinesis agrees",
    ),
    difference("list too large a page", "ValidationException", "0 1 2 3 4 5", CONSTRAINTS_FIRST),
    difference(
        "list while UPDATING",
        "0:1.000, 1:1.000, 2:1.000, 3:1.000",
        "0:1.000, 1:1.000 closed, 2:1.000, 3:1.000, 4:0.500 from 1, 5:0.500 from 1",
        CHANGES_AT_THE_END,
    ),
    difference("merge a closed shard", "InvalidArgumentException", "ResourceInUseException", CLOSED),
    difference("put below the space", "ValidationException", "InvalidArgumentException", CONSTRAINTS_FIRST),
    difference("put no records", "ValidationException", "done", CONSTRAINTS_FIRST),
    difference(
        "put too large a record",
        "ValidationException",
        "InvalidArgumentException",
        "AWS answers ValidationException; ferrokinesis agrees",
    ),
    difference("put too long a key", "ValidationException", "InvalidArgumentException", CONSTRAINTS_FIRST),
    difference("put without a key", "ValidationException", "InvalidArgumentException", CONSTRAINTS_FIRST),
    difference(
        "read by no iterator",
        "InvalidArgumentException",
        "HTTP 500 without a code",
        "kinesis-local fails on iterators that it cannot decode",
    ),
    difference("split a closed shard", "InvalidArgumentException", "ResourceInUseException", CLOSED),
    difference("split at the start", "InvalidArgumentException", "done", SPLIT_POINTS),
    difference("split at the start + 1", "InvalidArgumentException", "done", SPLIT_POINTS),
    difference("split on demand", "ValidationException", "done", ON_DEMAND),
    difference("split two keys", "InvalidArgumentException", "done", SPLIT_POINTS),
];
