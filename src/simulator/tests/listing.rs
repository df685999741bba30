//! ListShards and DescribeStream.

use super::*;

fn filter(r#type: ShardFilterType) -> ShardFilter {
    ShardFilter { r#type, shard_id: None, timestamp: None }
}

fn numbers(listing: &[ShardDescription]) -> Vec<u32> {
    listing.iter().map(|shard| stream::shard_number(&shard.shard_id).expect("one of ours")).collect()
}

/// Two shards; after an hour the first is split, after another the halves are merged again.
fn with_history() -> Cloud {
    let mut cloud = cloud(2);
    cloud.advance_seconds(3_600 - 60);
    split(&mut cloud, 0, HashKey(1 << 126)).expect("a split point");
    cloud.advance_seconds(3_600);
    merge(&mut cloud, 2, 3).expect("they are adjacent");
    cloud.advance_seconds(3_600);
    cloud
}

#[test]
fn every_filter_lists_what_its_name_says() {
    use ShardFilterType::*;
    let mut cloud = with_history();
    let start = cloud.config().start;
    let mut listed = |filter: ShardFilter| numbers(&list(&mut cloud, Some(filter)));
    assert_eq!(listed(filter(FromTrimHorizon)), [0, 1, 2, 3, 4]);
    assert_eq!(listed(filter(AtTrimHorizon)), [0, 1]);
    assert_eq!(listed(filter(AtLatest)), [1, 4]);
    let after = ShardFilter { shard_id: Some("shardId-000000000002".into()), ..filter(AfterShardId) };
    assert_eq!(listed(after), [3, 4]);
    let mut at = |r#type, seconds| {
        let timestamp = Some(start + SignedDuration::from_secs(seconds));
        listed(ShardFilter { timestamp, ..filter(r#type) })
    };
    assert_eq!(at(AtTimestamp, 1_800), [0, 1]);
    assert_eq!(at(AtTimestamp, 3_600 + 29), [0, 1]);
    assert_eq!(at(AtTimestamp, 3_600 + 30), [1, 2, 3]);
    assert_eq!(at(AtTimestamp, 9_000), [1, 4]);
    assert_eq!(at(FromTimestamp, 3_600 + 29), [0, 1, 2, 3, 4]);
    assert_eq!(at(FromTimestamp, 3_600 + 30), [1, 2, 3, 4]);
    assert_eq!(at(FromTimestamp, 9_000), [1, 4]);
    assert_eq!(at(AtTimestamp, -9_000), [0, 1], "before the horizon is at the horizon");
    assert_eq!(at(AtTimestamp, 99_000), [1, 4], "the future is now");
}

#[test]
fn closed_shards_are_gone_after_the_retention() {
    let mut cloud = with_history();
    assert_eq!(numbers(&list(&mut cloud, None)), [0, 1, 2, 3, 4]);
    cloud.advance_seconds(22 * 3_600 + 29);
    assert_eq!(numbers(&list(&mut cloud, None)), [0, 1, 2, 3, 4]);
    cloud.advance_seconds(3_600);
    assert_eq!(numbers(&list(&mut cloud, None)), [1, 2, 3, 4]);
    cloud.advance_seconds(3_600);
    let listing = list(&mut cloud, None);
    assert_eq!(numbers(&listing), [1, 4]);
    assert_eq!(
        listing[1].parent_shard_id.as_deref(),
        Some("shardId-000000000002"),
        "an expired parent is named"
    );
}

#[test]
fn pages_go_on_with_the_token_alone() {
    let mut cloud = cloud(5);
    let first = ListShards { stream: orders(), max_results: Some(2), ..ListShards::default() };
    let page = cloud.list_shards(first).expect("a good request");
    assert_eq!(numbers(&page.shards), [0, 1]);
    let token = page.next_token.expect("three are left");
    let next = ListShards { next_token: Some(token.clone()), max_results: Some(3), ..ListShards::default() };
    let page = cloud.list_shards(next.clone()).expect("a good request");
    assert_eq!((numbers(&page.shards), page.next_token), (vec![2, 3, 4], None));
    let with_name = ListShards { stream: orders(), ..next.clone() };
    assert_eq!(
        message(cloud.list_shards(with_name)),
        "NextToken and StreamName cannot be provided together."
    );
    let with_filter = ListShards { shard_filter: Some(filter(ShardFilterType::AtLatest)), ..next.clone() };
    assert_eq!(code(cloud.list_shards(with_filter)), Some(ApiErrorCode::InvalidArgument));
    cloud.advance_seconds(300);
    assert!(cloud.list_shards(next.clone()).is_ok(), "a token is good for 300 s");
    cloud.advance(SignedDuration::from_millis(1));
    assert_eq!(code(cloud.list_shards(next)), Some(ApiErrorCode::ExpiredNextToken));
    let nonsense = ListShards { next_token: Some("nonsense".into()), ..ListShards::default() };
    assert_eq!(code(cloud.list_shards(nonsense)), Some(ApiErrorCode::InvalidArgument));
}

#[test]
fn a_filter_holds_on_every_page() {
    let mut cloud = with_history();
    let at_latest = Some(filter(ShardFilterType::AtLatest));
    let request = ListShards {
        stream: orders(),
        max_results: Some(1),
        shard_filter: at_latest,
        ..ListShards::default()
    };
    let first = cloud.list_shards(request).expect("a good request");
    let next = ListShards { next_token: first.next_token, ..ListShards::default() };
    let second = cloud.list_shards(next).expect("a good request");
    assert_eq!((numbers(&first.shards), numbers(&second.shards)), (vec![1], vec![4]));
    assert_eq!(second.next_token, None);
}

#[test]
fn describe_stream_pages_by_the_last_shard() {
    let mut cloud = cloud(5);
    let request = DescribeStream { stream: orders(), limit: Some(3), exclusive_start_shard_id: None };
    let first = cloud.describe_stream(request.clone()).expect("it is there").stream_description;
    assert_eq!((numbers(&first.shards), first.has_more_shards), (vec![0, 1, 2], true));
    let exclusive_start_shard_id = first.shards.last().map(|shard| shard.shard_id.clone());
    let rest = cloud.describe_stream(DescribeStream { exclusive_start_shard_id, ..request });
    let rest = rest.expect("it is there").stream_description;
    assert_eq!((numbers(&rest.shards), rest.has_more_shards), (vec![3, 4], false));
}

#[test]
fn a_stream_is_addressed_by_name_or_arn_and_not_by_a_stranger_s() {
    let mut cloud = cloud(1);
    let mut describe = |stream| cloud.describe_stream_summary(DescribeStreamSummary { stream });
    let arn = "arn:aws:kinesis:us-east-1:123456789012:stream/orders";
    assert!(describe(StreamRef::arn(arn)).is_ok());
    let both = StreamRef { stream_name: Some("other".into()), stream_arn: Some(arn.into()) };
    assert_eq!(code(describe(both)), Some(ApiErrorCode::InvalidArgument));
    let stranger = "arn:aws:kinesis:us-east-1:999999999999:stream/orders";
    assert_eq!(code(describe(StreamRef::arn(stranger))), Some(ApiErrorCode::ResourceNotFound));
    assert_eq!(code(describe(StreamRef::arn("orders"))), Some(ApiErrorCode::Validation));
    assert_eq!(code(describe(StreamRef::default())), Some(ApiErrorCode::InvalidArgument));
    assert_eq!(
        message(describe(StreamRef::name("no such"))),
        "1 validation error detected: Value 'no such' at 'streamName' failed to satisfy constraint: Member must satisfy \
         regular expression pattern: [a-zA-Z0-9_.-]+"
    );
    assert_eq!(
        message(describe(StreamRef::name("gone"))),
        "Stream gone under account 123456789012 not found."
    );
}
