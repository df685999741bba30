//! Each limit refuses exactly at its edge, and can be switched off.

use super::*;

fn describe(cloud: &mut Cloud) -> Result<DescribeStreamSummaryReply, ApiError> {
    cloud.describe_stream_summary(DescribeStreamSummary { stream: orders() })
}

#[test]
fn control_plane_calls_have_their_rates() {
    let mut cloud = cloud(1);
    assert!((0..20).all(|_| describe(&mut cloud).is_ok()));
    let error = describe(&mut cloud).expect_err("20 a second");
    assert_eq!(
        (error.code, error.message.as_str()),
        (ApiErrorCode::LimitExceeded, "Rate exceeded for account 123456789012.")
    );
    cloud.advance(SignedDuration::from_millis(50));
    assert!(describe(&mut cloud).is_ok());
    assert!(describe(&mut cloud).is_err());
    assert!(cloud.describe_limits().is_ok());
    assert_eq!(code(cloud.describe_limits()), Some(ApiErrorCode::LimitExceeded));
    cloud.advance_seconds(1);
    assert!(cloud.describe_limits().is_ok());
}

#[test]
fn splits_are_refused_above_five_a_second() {
    let mut cloud = cloud(1);
    for _ in 0..5 {
        assert_eq!(code(split(&mut cloud, 0, HashKey(0))), Some(ApiErrorCode::InvalidArgument));
    }
    assert_eq!(code(split(&mut cloud, 0, MIDDLE)), Some(ApiErrorCode::LimitExceeded));
    cloud.advance(SignedDuration::from_millis(200));
    assert_eq!(code(split(&mut cloud, 0, MIDDLE)), None);
}

#[test]
fn limits_can_be_switched_off() {
    let mut config = Config::default();
    config.limits.control_plane_rates = false;
    config.limits.write_rates = false;
    config.limits.read_rates = false;
    let mut cloud = cloud_with(config, 1);
    assert!((0..100).all(|_| describe(&mut cloud).is_ok()));
    let record = PutRecord { stream: orders(), partition_key: "k".into(), ..PutRecord::default() };
    assert!((0..2_000).all(|_| cloud.put_record(record.clone()).is_ok()));
    let iterator = GetShardIterator {
        stream: orders(),
        shard_id: "shardId-000000000000".into(),
        shard_iterator_type: ShardIteratorType::Latest,
        starting_sequence_number: None,
        timestamp: None,
    };
    let shard_iterator = cloud.get_shard_iterator(iterator).expect("good").shard_iterator;
    let get = GetRecords { shard_iterator, ..GetRecords::default() };
    assert!((0..50).all(|_| cloud.get_records(get.clone()).is_ok()));
}

#[test]
fn a_shard_takes_a_thousand_records_a_second() {
    let mut cloud = cloud(1);
    let record = PutRecord { stream: orders(), partition_key: "k".into(), ..PutRecord::default() };
    assert!((0..1_000).all(|_| cloud.put_record(record.clone()).is_ok()));
    assert_eq!(code(cloud.put_record(record.clone())), Some(ApiErrorCode::ProvisionedThroughputExceeded));
    cloud.advance(SignedDuration::from_millis(1));
    assert_eq!(code(cloud.put_record(record.clone())), None);
    assert_eq!(code(cloud.put_record(record)), Some(ApiErrorCode::ProvisionedThroughputExceeded));
}

#[test]
fn a_shard_is_read_five_times_a_second_and_a_large_reply_blocks_it() {
    let mut config = Config::default();
    config.limits.write_rates = false;
    let mut cloud = cloud_with(config, 1);
    for _ in 0..10 {
        let data = vec![0; 1_000_000];
        cloud
            .put_record(PutRecord {
                stream: orders(),
                partition_key: "k".into(),
                data,
                ..PutRecord::default()
            })
            .expect("room");
    }
    let iterator = |shard_iterator_type| GetShardIterator {
        stream: orders(),
        shard_id: "shardId-000000000000".into(),
        shard_iterator_type,
        starting_sequence_number: None,
        timestamp: None,
    };
    let latest = cloud.get_shard_iterator(iterator(ShardIteratorType::Latest)).expect("good").shard_iterator;
    let latest = GetRecords { shard_iterator: latest, ..GetRecords::default() };
    assert!((0..5).all(|_| cloud.get_records(latest.clone()).is_ok()));
    assert_eq!(code(cloud.get_records(latest.clone())), Some(ApiErrorCode::ProvisionedThroughputExceeded));
    cloud.advance_seconds(1);
    let oldest =
        cloud.get_shard_iterator(iterator(ShardIteratorType::TrimHorizon)).expect("good").shard_iterator;
    let reply =
        cloud.get_records(GetRecords { shard_iterator: oldest, ..GetRecords::default() }).expect("good");
    assert_eq!(reply.records.len(), 10);
    cloud.advance_seconds(3);
    assert_eq!(code(cloud.get_records(latest.clone())), Some(ApiErrorCode::ProvisionedThroughputExceeded));
    cloud.advance_seconds(1);
    assert_eq!(code(cloud.get_records(latest)), None, "10 MB are read off in less than five seconds");
}

#[test]
fn iterators_are_had_five_times_a_second_and_shard() {
    let mut cloud = cloud(2);
    let iterator = |number| GetShardIterator {
        stream: orders(),
        shard_id: stream::shard_id(number),
        shard_iterator_type: ShardIteratorType::Latest,
        starting_sequence_number: None,
        timestamp: None,
    };
    assert!((0..5).all(|_| cloud.get_shard_iterator(iterator(0)).is_ok()));
    assert_eq!(
        code(cloud.get_shard_iterator(iterator(0))),
        Some(ApiErrorCode::ProvisionedThroughputExceeded)
    );
    assert!(cloud.get_shard_iterator(iterator(1)).is_ok());
}

#[test]
fn five_streams_are_created_at_once() {
    let mut cloud = Cloud::new(Config::default());
    for name in ["a", "b", "c", "d", "e"] {
        create(&mut cloud, name, 1);
    }
    cloud.advance_seconds(1);
    let sixth = CreateStream { stream_name: "f".into(), shard_count: Some(1), ..CreateStream::default() };
    assert_eq!(code(cloud.create_stream(sixth.clone())), Some(ApiErrorCode::LimitExceeded));
    cloud.advance_seconds(10);
    assert_eq!(code(cloud.create_stream(sixth)), None);
}
