//! Every operation of Kinesis through the Rust SDK, with the errors as the SDK types them.

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_kinesis::operation::list_shards::ListShardsError;
use aws_sdk_kinesis::operation::put_record::PutRecordError;
use aws_sdk_kinesis::operation::split_shard::SplitShardError;
use aws_sdk_kinesis::primitives::{Blob, DateTime};
use aws_sdk_kinesis::types::{
    MetricsName, PutRecordsRequestEntry, ScalingType, Shard, ShardFilter, ShardFilterType, ShardIteratorType,
    StreamMode, StreamModeDetails, StreamStatus,
};
use reshard::hash_key::HashKey;
use reshard::sandbox::{Sandbox, SandboxOptions};

use super::client::{RawRequest, SIGNED, kinesis, kinesis_json, sandbox};

/// The middle of the hash-key space.
const MIDDLE: &str = "170141183460469231731687303715884105728";
const QUARTER: &str = "85070591730234615865843651857942052864";

/// A sandbox with one stream that is ACTIVE.
async fn with_stream(shards: i32) -> (Sandbox, Client) {
    let sandbox = sandbox().await;
    let client = kinesis(&sandbox.endpoint_url());
    client.create_stream().stream_name("orders").shard_count(shards).send().await.expect("it is made");
    sandbox.clock().skip(60);
    (sandbox, client)
}

async fn shards(client: &Client) -> Vec<Shard> {
    client.list_shards().stream_name("orders").send().await.expect("they are listed").shards().to_vec()
}

fn ids(shards: &[Shard]) -> Vec<&str> {
    shards.iter().map(|shard| shard.shard_id().trim_start_matches("shardId-00000000000")).collect()
}

fn id(number: u32) -> String {
    format!("shardId-{number:012}")
}

fn is_open(shard: &Shard) -> bool {
    shard.sequence_number_range().is_some_and(|range| range.ending_sequence_number().is_none())
}

#[tokio::test]
async fn a_stream_is_made_described_listed_and_deleted() {
    let sandbox = sandbox().await;
    let client = kinesis(&sandbox.endpoint_url());
    client.create_stream().stream_name("orders").shard_count(2).send().await.expect("it is made");
    let summary = || async {
        let reply =
            client.describe_stream_summary().stream_name("orders").send().await.expect("it is described");
        reply.stream_description_summary().expect("there is a summary").clone()
    };
    assert_eq!(summary().await.stream_status(), &StreamStatus::Creating);
    sandbox.clock().skip(60);
    let active = summary().await;
    assert_eq!(active.stream_status(), &StreamStatus::Active);
    assert_eq!(active.open_shard_count(), 2);
    assert_eq!(active.retention_period_hours(), 24);
    assert_eq!(active.stream_arn(), "arn:aws:kinesis:us-east-1:123456789012:stream/orders");
    assert!(active.stream_creation_timestamp().secs() >= 1_767_225_600, "it is the sandbox's time");
    assert_eq!(
        active.stream_mode_details().map(StreamModeDetails::stream_mode),
        Some(&StreamMode::Provisioned)
    );

    let described =
        client.describe_stream().stream_name("orders").limit(1).send().await.expect("it is described");
    let described = described.stream_description().expect("there is a description");
    assert_eq!((described.shards().len(), described.has_more_shards()), (1, true));

    let streams = client.list_streams().send().await.expect("they are listed");
    assert_eq!((streams.stream_names(), streams.has_more_streams()), (&["orders".to_owned()][..], false));

    let again =
        client.create_stream().stream_name("orders").shard_count(1).send().await.expect_err("it is taken");
    assert!(again.as_service_error().is_some_and(|error| error.is_resource_in_use_exception()), "{again:?}");

    client.delete_stream().stream_name("orders").send().await.expect("it is deleted");
    sandbox.clock().skip(60);
    let gone = client.describe_stream_summary().stream_name("orders").send().await.expect_err("it is gone");
    assert!(gone.as_service_error().is_some_and(|error| error.is_resource_not_found_exception()), "{gone:?}");
    assert_eq!(gone.message(), Some("Stream orders under account 123456789012 not found."));
}

#[tokio::test]
async fn a_split_and_a_merge_leave_their_lineage() {
    let (sandbox, client) = with_stream(1).await;
    let split =
        || client.split_shard().stream_name("orders").shard_to_split(id(0)).new_starting_hash_key(MIDDLE);
    split().send().await.expect("it is split");
    let in_use = split().send().await.expect_err("one reshard at a time");
    assert!(
        matches!(in_use.as_service_error(), Some(SplitShardError::ResourceInUseException(_))),
        "{in_use:?}"
    );
    sandbox.clock().skip(60);

    let listing = shards(&client).await;
    assert_eq!(ids(&listing), ["0", "1", "2"]);
    assert_eq!(listing.iter().map(is_open).collect::<Vec<_>>(), [false, true, true]);
    assert!(listing[1..].iter().all(|child| child.parent_shard_id() == Some(&id(0))));
    let ends: Vec<_> =
        listing.iter().filter_map(|shard| Some(shard.hash_key_range()?.ending_hash_key())).collect();
    let below: u128 = MIDDLE.parse::<u128>().expect("it is a number") - 1;
    assert_eq!(ends, [HashKey::MAX.to_string(), below.to_string(), HashKey::MAX.to_string()]);

    let merge =
        client.merge_shards().stream_name("orders").shard_to_merge(id(1)).adjacent_shard_to_merge(id(2));
    merge.send().await.expect("they are merged");
    sandbox.clock().skip(60);
    let listing = shards(&client).await;
    let merged = listing.last().expect("there are shards");
    assert_eq!((merged.parent_shard_id(), merged.adjacent_parent_shard_id()), (Some(&*id(1)), Some(&*id(2))));
    assert_eq!(listing.iter().filter(|shard| is_open(shard)).count(), 1);
}

#[tokio::test]
async fn a_reshard_that_makes_no_sense_is_refused() {
    let (_sandbox, client) = with_stream(4).await;
    let split = |shard: u32, at: String| {
        client.split_shard().stream_name("orders").shard_to_split(id(shard)).new_starting_hash_key(at).send()
    };
    for at in ["0".to_owned(), "1".to_owned(), HashKey::MAX.to_string()] {
        let refused = split(0, at.clone()).await.expect_err("it is no split point");
        assert_eq!(refused.code(), Some("InvalidArgumentException"), "{at}");
    }
    let unknown = split(9, QUARTER.to_owned()).await.expect_err("there is no such shard");
    assert_eq!(unknown.code(), Some("ResourceNotFoundException"));
    let merge = |low: u32, high: u32| {
        client
            .merge_shards()
            .stream_name("orders")
            .shard_to_merge(id(low))
            .adjacent_shard_to_merge(id(high))
            .send()
    };
    for (low, high) in [(0, 2), (1, 0), (1, 1)] {
        let refused = merge(low, high).await.expect_err("they are no pair");
        assert_eq!(refused.code(), Some("InvalidArgumentException"), "{low} and {high}");
    }
}

#[tokio::test]
async fn every_filter_of_a_listing_is_applied() {
    let (sandbox, client) = with_stream(2).await;
    sandbox.clock().skip(3_600);
    let before = sandbox.clock().now().as_second();
    sandbox.clock().skip(60);
    let split =
        client.split_shard().stream_name("orders").shard_to_split(id(0)).new_starting_hash_key(QUARTER);
    split.send().await.expect("it is split");
    sandbox.clock().skip(60);
    let list = |filter: ShardFilter| {
        let client = client.clone();
        async move {
            let reply = client.list_shards().stream_name("orders").shard_filter(filter).send().await;
            ids(reply.expect("they are listed").shards()).join(" ")
        }
    };
    let filter = |kind: ShardFilterType| ShardFilter::builder().r#type(kind);
    let at =
        |kind, second| filter(kind).timestamp(DateTime::from_secs(second)).build().expect("it has a type");
    let plain = |kind| filter(kind).build().expect("it has a type");
    assert_eq!(list(plain(ShardFilterType::AtLatest)).await, "1 2 3");
    assert_eq!(list(plain(ShardFilterType::AtTrimHorizon)).await, "0 1");
    assert_eq!(list(plain(ShardFilterType::FromTrimHorizon)).await, "0 1 2 3");
    assert_eq!(list(at(ShardFilterType::AtTimestamp, before)).await, "0 1");
    assert_eq!(list(at(ShardFilterType::FromTimestamp, before)).await, "0 1 2 3");
    let after = filter(ShardFilterType::AfterShardId).shard_id(id(1)).build().expect("it has a type");
    assert_eq!(list(after).await, "2 3");
    let now = sandbox.clock().now().as_second();
    assert_eq!(list(at(ShardFilterType::FromTimestamp, now - 1)).await, "1 2 3");
}

#[tokio::test]
async fn a_listing_is_paged_by_token_alone_and_takes_an_arn() {
    let (_sandbox, client) = with_stream(5).await;
    let first = client.list_shards().stream_name("orders").max_results(2).send().await.expect("a first page");
    let mut seen = first.shards().to_vec();
    let mut token = first.next_token().map(str::to_owned);
    while let Some(next) = token {
        let page = client.list_shards().next_token(next).max_results(2).send().await.expect("a next page");
        assert!(page.shards().len() <= 2);
        seen.extend_from_slice(page.shards());
        token = page.next_token().map(str::to_owned);
    }
    assert_eq!(ids(&seen), ["0", "1", "2", "3", "4"]);

    let arn = "arn:aws:kinesis:us-east-1:123456789012:stream/orders";
    let by_arn = client.list_shards().stream_arn(arn).send().await.expect("the ARN will do");
    assert_eq!(by_arn.shards().len(), 5);
    let both =
        client.list_shards().stream_name("orders").next_token("AAAA").send().await.expect_err("not both");
    assert_eq!(both.code(), Some("InvalidArgumentException"));
    let stranger = client.list_shards().stream_name("nobody").send().await.expect_err("there is none");
    assert!(matches!(stranger.as_service_error(), Some(ListShardsError::ResourceNotFoundException(_))));
}

#[tokio::test]
async fn a_shard_count_is_updated_within_its_factors() {
    let (sandbox, client) = with_stream(2).await;
    let update = |count| {
        let update = client.update_shard_count().stream_name("orders").target_shard_count(count);
        update.scaling_type(ScalingType::UniformScaling).send()
    };
    let doubled = update(4).await.expect("twice is allowed");
    assert_eq!((doubled.current_shard_count(), doubled.target_shard_count()), (Some(2), Some(4)));
    sandbox.clock().skip(600);
    assert_eq!(shards(&client).await.iter().filter(|shard| is_open(shard)).count(), 4);
    for count in [9, 1] {
        let refused = update(count).await.expect_err("more than twice, less than half");
        assert_eq!(refused.code(), Some("InvalidArgumentException"), "{count}");
    }
}

#[tokio::test]
async fn records_come_back_in_order_with_the_children_at_the_end() {
    let (sandbox, client) = with_stream(1).await;
    let one =
        client.put_record().stream_name("orders").partition_key("a").data(Blob::new("first")).send().await;
    assert_eq!(one.expect("it is put").shard_id(), id(0));
    let entry = |text: &str| {
        let entry = PutRecordsRequestEntry::builder().partition_key(text).data(Blob::new(text));
        entry.build().expect("it is whole")
    };
    let many = client.put_records().stream_name("orders").records(entry("second")).records(entry("third"));
    let many = many.send().await.expect("they are put");
    assert_eq!((many.failed_record_count(), many.records().len()), (Some(0), 2));

    let split =
        client.split_shard().stream_name("orders").shard_to_split(id(0)).new_starting_hash_key(MIDDLE);
    split.send().await.expect("it is split");
    sandbox.clock().skip(60);

    let iterator = client.get_shard_iterator().stream_name("orders").shard_id(id(0));
    let iterator =
        iterator.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.expect("there is one");
    let mut iterator = iterator.shard_iterator().map(str::to_owned);
    let (mut texts, mut children) = (Vec::new(), Vec::new());
    for _ in 0..10 {
        let Some(next) = iterator else { break };
        let reply = client.get_records().shard_iterator(next).send().await.expect("they are read");
        texts.extend(
            reply.records().iter().map(|record| String::from_utf8_lossy(record.data().as_ref()).into_owned()),
        );
        children.extend(reply.child_shards().iter().map(|child| child.shard_id().to_owned()));
        iterator = reply.next_shard_iterator().map(str::to_owned);
        sandbox.clock().skip(1);
    }
    assert_eq!(iterator, None, "a closed shard ends");
    assert_eq!(texts, ["first", "second", "third"]);
    assert_eq!(children, [id(1), id(2)]);
}

#[tokio::test]
async fn a_shard_takes_what_aws_takes_and_no_more() {
    let (_sandbox, client) = with_stream(1).await;
    let large = Blob::new(vec![0; 900_000]);
    let put = || client.put_record().stream_name("orders").partition_key("k").data(large.clone()).send();
    put().await.expect("the first fits");
    let refused = put().await.expect_err("the second does not, within a second");
    let error = refused.as_service_error();
    assert!(matches!(error, Some(PutRecordError::ProvisionedThroughputExceededException(_))), "{refused:?}");
    let entry =
        PutRecordsRequestEntry::builder().partition_key("k").data(large).build().expect("it is whole");
    let partly =
        client.put_records().stream_name("orders").records(entry).send().await.expect("it is answered");
    assert_eq!(partly.failed_record_count(), Some(1));
    assert_eq!(partly.records()[0].error_code(), Some("ProvisionedThroughputExceededException"));
}

#[tokio::test]
async fn settings_of_a_stream_are_changed_and_told() {
    let (sandbox, client) = with_stream(1).await;
    let arn = "arn:aws:kinesis:us-east-1:123456789012:stream/orders";

    let add = client.add_tags_to_stream().stream_name("orders").tags("team", "payments").tags("tier", "1");
    add.send().await.expect("tags are added");
    client.tag_resource().resource_arn(arn).tags("more", "yes").send().await.expect("by ARN too");
    client
        .remove_tags_from_stream()
        .stream_name("orders")
        .tag_keys("tier")
        .send()
        .await
        .expect("one is removed");
    client.untag_resource().resource_arn(arn).tag_keys("more").send().await.expect("by ARN too");
    let tags = client.list_tags_for_stream().stream_name("orders").send().await.expect("they are listed");
    let told: Vec<_> = tags.tags().iter().map(|tag| (tag.key(), tag.value())).collect();
    assert_eq!(told, [("team", Some("payments"))]);
    let tags = client.list_tags_for_resource().resource_arn(arn).send().await.expect("they are listed");
    assert_eq!(tags.tags().len(), 1);

    let metrics = client.enable_enhanced_monitoring().stream_name("orders");
    let metrics =
        metrics.shard_level_metrics(MetricsName::IncomingBytes).send().await.expect("it is turned on");
    assert_eq!(metrics.desired_shard_level_metrics(), [MetricsName::IncomingBytes]);
    sandbox.clock().skip(60);
    let metrics = client.disable_enhanced_monitoring().stream_name("orders");
    let metrics = metrics.shard_level_metrics(MetricsName::All).send().await.expect("it is turned off");
    assert_eq!(metrics.current_shard_level_metrics(), [MetricsName::IncomingBytes]);
    sandbox.clock().skip(60);

    let longer = client.increase_stream_retention_period().stream_name("orders").retention_period_hours(48);
    longer.send().await.expect("it is kept longer");
    sandbox.clock().skip(60);
    let shorter = client.decrease_stream_retention_period().stream_name("orders").retention_period_hours(24);
    shorter.send().await.expect("it is kept shorter");
    sandbox.clock().skip(60);

    let limits = client.describe_limits().send().await.expect("they are told");
    assert_eq!((limits.open_shard_count(), limits.on_demand_stream_count()), (1, 0));

    let consumer = client.register_stream_consumer().stream_arn(arn).consumer_name("search");
    consumer.send().await.expect("it is registered");
    sandbox.clock().skip(60);
    let consumers = client.list_stream_consumers().stream_arn(arn).send().await.expect("they are listed");
    assert_eq!(consumers.consumers().len(), 1);
    let consumer = client.deregister_stream_consumer().stream_arn(arn).consumer_name("search");
    consumer.send().await.expect("it is deregistered");

    let on_demand =
        StreamModeDetails::builder().stream_mode(StreamMode::OnDemand).build().expect("it has a mode");
    let mode = client.update_stream_mode().stream_arn(arn).stream_mode_details(on_demand);
    mode.send().await.expect("the mode is changed");
    sandbox.clock().skip(60);
    let split =
        client.split_shard().stream_name("orders").shard_to_split(id(0)).new_starting_hash_key(MIDDLE);
    let refused = split.send().await.expect_err("an on-demand stream splits by itself");
    assert!(
        matches!(refused.as_service_error(), Some(SplitShardError::ValidationException(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_sixth_split_within_a_second_is_too_many() {
    let sandbox = sandbox().await;
    let client = kinesis(&sandbox.endpoint_url());
    let mut codes = Vec::new();
    for _ in 0..12 {
        let split =
            client.split_shard().stream_name("none").shard_to_split(id(0)).new_starting_hash_key(MIDDLE);
        codes.push(split.send().await.expect_err("there is no stream").code().unwrap_or_default().to_owned());
    }
    assert_eq!(codes[0], "ResourceNotFoundException");
    assert!(codes.iter().any(|code| code == "LimitExceededException"), "{codes:?}");
}

#[tokio::test]
async fn the_date_of_replies_is_the_sandbox_s_and_runs_at_its_speed() {
    let sandbox = super::client::sandbox_of(Default::default(), 3_600).await;
    let client = kinesis(&sandbox.endpoint_url());
    let date = |reply: super::client::RawReply| {
        let text = reply.header("date").expect("there is a date").to_owned();
        let format = "%a, %d %b %Y %H:%M:%S GMT";
        let at = jiff::fmt::strtime::parse(format, &text).expect("it is an HTTP date");
        let civil = at.to_datetime().expect("it is whole");
        civil.to_zoned(jiff::tz::TimeZone::UTC).expect("UTC has no gaps").timestamp()
    };
    let first = date(kinesis_json(&sandbox, "ListStreams", "{}").await);
    // The SDK corrects its clock by that date, months away from the machine's: nothing may fail.
    for _ in 0..3 {
        client.list_streams().send().await.expect("a clock that is far off does no harm");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let last = date(kinesis_json(&sandbox, "ListStreams", "{}").await);
    assert!(last.as_second() - first.as_second() >= 60, "{first} … {last}");
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_a_dispatch_failure() {
    let sandbox = sandbox().await;
    let client = kinesis(&sandbox.endpoint_url());
    sandbox.stop().await;
    let error = client.list_streams().send().await.expect_err("nobody listens");
    assert!(matches!(error, SdkError::DispatchFailure(_)), "{error:?}");
}

#[tokio::test]
async fn the_java_sdk_s_cbor_is_spoken() {
    let (sandbox, _) = with_stream(1).await;
    let call = async |operation: &str, request: ciborium::Value| {
        let mut body = Vec::new();
        ciborium::into_writer(&request, &mut body).expect("memory takes it");
        let target = format!("Kinesis_20131202.{operation}");
        let headers = [("x-amz-target", &*target), ("content-type", "application/x-amz-cbor-1.1"), SIGNED];
        let reply = RawRequest { line: "POST /", headers: &headers, body: &body }.send(&sandbox).await;
        let reply = reply.expect("there is a reply");
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/x-amz-cbor-1.1")));
        let reply: ciborium::Value = ciborium::from_reader(reply.body.as_slice()).expect("it is CBOR");
        reply.into_map().expect("it is a map")
    };
    let map = |members: Vec<(&str, ciborium::Value)>| {
        ciborium::Value::Map(members.into_iter().map(|(name, value)| (name.into(), value)).collect())
    };
    let get = |reply: &[(ciborium::Value, ciborium::Value)], name: &str| {
        reply.iter().find(|(member, _)| member.as_text() == Some(name)).map(|(_, value)| value.clone())
    };
    let data = ciborium::Value::Bytes(vec![0, 255]);
    let stream = ("StreamName", "orders".into());
    call("PutRecord", map(vec![stream.clone(), ("PartitionKey", "a".into()), ("Data", data.clone())])).await;
    let now = sandbox.clock().now().as_millisecond();
    let at = ciborium::Value::Tag(1, Box::new((now - 10_000).into()));
    let iterator = vec![
        stream,
        ("ShardId", id(0).into()),
        ("ShardIteratorType", "AT_TIMESTAMP".into()),
        ("Timestamp", at),
    ];
    let iterator =
        get(&call("GetShardIterator", map(iterator)).await, "ShardIterator").expect("there is one");
    let records = get(&call("GetRecords", map(vec![("ShardIterator", iterator)])).await, "Records");
    let records = records.and_then(|records| records.into_array().ok()).expect("a list");
    let record = records[0].as_map().expect("a structure");
    assert_eq!(get(record, "Data"), Some(data));
    let arrived = get(record, "ApproximateArrivalTimestamp").expect("there is a time");
    let (tag, millis) = arrived.as_tag().expect("times are tagged");
    let millis = millis.as_integer().and_then(|millis| i64::try_from(millis).ok()).expect("a whole number");
    assert!(tag == 1 && (now - 10_000..now + 10_000).contains(&millis), "{millis} is not about {now}");
}

#[tokio::test]
async fn a_sandbox_opens_where_its_options_say_and_nowhere_else() {
    let free =
        SandboxOptions { listen: "127.0.0.1:0".parse().expect("an address"), ..SandboxOptions::default() };
    let now = jiff::Timestamp::now();
    let sandbox = Sandbox::open(&free, now).await.expect("there is a free port");
    assert!(sandbox.clock().now() >= now);
    let taken = SandboxOptions { listen: sandbox.address(), ..free.clone() };
    let error = Sandbox::open(&taken, now).await.expect_err("the port is taken").to_string();
    assert!(error.starts_with(&format!("cannot listen on {}", sandbox.address())), "{error}");
    let remote = SandboxOptions { listen: "0.0.0.0:0".parse().expect("an address"), ..free };
    let error = Sandbox::open(&remote, now).await.expect_err("it is not loopback").to_string();
    assert!(error.contains("--allow-remote-clients"), "{error}");
}
