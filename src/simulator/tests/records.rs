//! Records one by one: writing, iterators, reading to the end of a shard and on in its children.

use super::super::records::SequenceNumber;
use super::*;

fn put(cloud: &mut Cloud, key: &str, data: &[u8]) -> Result<PutRecordReply, ApiError> {
    let (partition_key, data) = (key.to_owned(), data.to_vec());
    cloud.put_record(PutRecord { stream: orders(), partition_key, data, ..PutRecord::default() })
}

fn iterator(cloud: &mut Cloud, shard: u32, kind: ShardIteratorType) -> String {
    from(cloud, shard, kind, None, None).expect("a good request")
}

fn from(
    cloud: &mut Cloud,
    shard: u32,
    shard_iterator_type: ShardIteratorType,
    starting_sequence_number: Option<String>,
    timestamp: Option<Timestamp>,
) -> Result<String, ApiError> {
    let shard_id = stream::shard_id(shard);
    let request = GetShardIterator {
        stream: orders(),
        shard_id,
        shard_iterator_type,
        starting_sequence_number,
        timestamp,
    };
    cloud.get_shard_iterator(request).map(|reply| reply.shard_iterator)
}

fn get(cloud: &mut Cloud, shard_iterator: &str) -> Result<GetRecordsReply, ApiError> {
    cloud.get_records(GetRecords { shard_iterator: shard_iterator.to_owned(), ..GetRecords::default() })
}

fn data(reply: &GetRecordsReply) -> Vec<&str> {
    reply.records.iter().map(|record| std::str::from_utf8(&record.data).expect("a text")).collect()
}

#[test]
fn a_partition_key_is_hashed_as_aws_hashes_it() {
    let mut cloud = cloud(1);
    // MD5("a") = 0cc175b9c0f1b6a831c399e269772661.
    let key = HashKey(0x0cc1_75b9_c0f1_b6a8_31c3_99e2_6977_2661);
    split(&mut cloud, 0, key).expect("a split point");
    cloud.advance_seconds(30);
    assert_eq!(put(&mut cloud, "a", b"x").expect("room").shard_id, "shardId-000000000002");
    split(&mut cloud, 2, HashKey(key.0 + 2)).expect("a split point");
    cloud.advance_seconds(30);
    assert_eq!(put(&mut cloud, "a", b"x").expect("room").shard_id, "shardId-000000000003");
    let explicit = |at: &str| PutRecord {
        stream: orders(),
        partition_key: "a".into(),
        explicit_hash_key: Some(at.into()),
        ..PutRecord::default()
    };
    let end = u128::MAX.to_string();
    assert_eq!(cloud.put_record(explicit(&end)).expect("room").shard_id, "shardId-000000000004");
    let beyond = "340282366920938463463374607431768211456";
    assert_eq!(code(cloud.put_record(explicit(beyond))), Some(ApiErrorCode::InvalidArgument));
}

#[test]
fn sequence_numbers_grow_across_a_reshard() {
    let mut cloud = cloud(1);
    let mut last = String::new();
    let mut grows = |number: String| {
        assert!(number.len() == 56 && number > last, "{number} after {last}");
        last = number;
    };
    for _ in 0..3 {
        grows(put(&mut cloud, "a", b"x").expect("room").sequence_number);
    }
    split(&mut cloud, 0, MIDDLE).expect("a split point");
    cloud.advance_seconds(30);
    let listing = list(&mut cloud, None);
    grows(listing[0].sequence_number_range.ending_sequence_number.clone().expect("it is closed"));
    grows(put(&mut cloud, "a", b"x").expect("room").sequence_number);
}

#[test]
fn every_iterator_type_starts_where_its_name_says() {
    use ShardIteratorType::*;
    let mut cloud = cloud(1);
    let mut numbers = Vec::new();
    for text in ["one", "two", "three"] {
        cloud.advance_seconds(10);
        numbers.push(put(&mut cloud, "k", text.as_bytes()).expect("room").sequence_number);
    }
    let second = Some(cloud.now() - SignedDuration::from_secs(10));
    let two = Some(numbers[1].clone());
    let mut read = |kind, number, timestamp| {
        cloud.advance_seconds(1);
        let iterator = from(&mut cloud, 0, kind, number, timestamp).expect("a good request");
        data(&get(&mut cloud, &iterator).expect("a good iterator")).len()
    };
    assert_eq!(read(TrimHorizon, None, None), 3);
    assert_eq!(read(AtSequenceNumber, two.clone(), None), 2);
    assert_eq!(read(AfterSequenceNumber, two.clone(), None), 1);
    assert_eq!(read(AtTimestamp, None, second), 2);
    assert_eq!(read(Latest, None, None), 0);
    let later = Some(cloud.now() + SignedDuration::from_secs(1));
    let of_another_shard = SequenceNumber { shard: 7, ..numbers[1].parse().expect("one of ours") };
    for (kind, number, timestamp) in [
        (Latest, two.clone(), None),
        (AtSequenceNumber, None, None),
        (AtSequenceNumber, Some("17".to_owned()), None),
        (AtSequenceNumber, Some(of_another_shard.to_string()), None),
        (AtTimestamp, None, None),
        (AtTimestamp, None, later),
    ] {
        assert_eq!(code(from(&mut cloud, 0, kind, number, timestamp)), Some(ApiErrorCode::InvalidArgument));
    }
}

#[test]
fn a_closed_shard_ends_with_its_children_and_without_an_iterator() {
    let mut cloud = cloud(1);
    put(&mut cloud, "k", b"before").expect("room");
    split(&mut cloud, 0, MIDDLE).expect("a split point");
    put(&mut cloud, "k", b"during").expect("the parent still takes writes");
    let first = iterator(&mut cloud, 0, ShardIteratorType::TrimHorizon);
    let reply = get(&mut cloud, &first).expect("a good iterator");
    assert_eq!((data(&reply), reply.child_shards.len()), (vec!["before", "during"], 0));
    let next = reply.next_shard_iterator.expect("the shard is open");
    cloud.advance_seconds(30);
    let reply = get(&mut cloud, &next).expect("a good iterator");
    assert_eq!((reply.records.len(), reply.next_shard_iterator), (0, None));
    let children: Vec<_> = reply.child_shards.iter().map(|child| child.shard_id.as_str()).collect();
    assert_eq!(children, ["shardId-000000000001", "shardId-000000000002"]);
    assert_eq!(reply.child_shards[0].parent_shards, ["shardId-000000000000"]);
}

#[test]
fn an_iterator_expires_after_five_minutes() {
    let mut cloud = cloud(1);
    let token = iterator(&mut cloud, 0, ShardIteratorType::Latest);
    cloud.advance_seconds(300);
    assert!(get(&mut cloud, &token).is_ok());
    cloud.advance_seconds(1);
    assert_eq!(
        message(get(&mut cloud, &token)),
        "Iterator expired. The iterator was created at time Thu Jan 01 00:01:00 UTC 2026 while right now it is Thu Jan \
         01 00:06:01 UTC 2026 which is further in the future than the tolerated delay of 300000 milliseconds."
    );
    assert_eq!(message(get(&mut cloud, "nonsense")), "Invalid ShardIterator.");
}

#[test]
fn records_leave_after_the_retention_and_beyond_the_memory() {
    let config = Config { record_memory_bytes: 1_000, ..Config::default() };
    let mut cloud = cloud_with(config, 1);
    for _ in 0..20 {
        put(&mut cloud, "k", &[b'x'; 99]).expect("room");
    }
    let token = iterator(&mut cloud, 0, ShardIteratorType::TrimHorizon);
    assert_eq!(get(&mut cloud, &token).expect("good").records.len(), 10, "1,000 bytes hold ten");
    cloud.advance_seconds(24 * 3_600 + 3_600);
    let token = iterator(&mut cloud, 0, ShardIteratorType::TrimHorizon);
    assert_eq!(get(&mut cloud, &token).expect("good").records.len(), 0);
}

#[test]
fn put_records_fails_record_by_record() {
    let mut cloud = cloud(1);
    let records =
        vec![
            PutRecordsEntry { data: vec![0; 300_000], partition_key: "k".into(), explicit_hash_key: None };
            5
        ];
    let reply = cloud.put_records(PutRecords { stream: orders(), records }).expect("a good request");
    assert_eq!(reply.failed_record_count, 2, "1 MiB holds three");
    assert_eq!(
        reply.records[4],
        PutRecordsResult {
            error_code: Some("ProvisionedThroughputExceededException".into()),
            error_message: Some(
                "Rate exceeded for shard shardId-000000000000 in stream orders under account 123456789012."
                    .into()
            ),
            ..PutRecordsResult::default()
        }
    );
    let many = vec![PutRecordsEntry { partition_key: "k".into(), ..PutRecordsEntry::default() }; 501];
    let refused = cloud.put_records(PutRecords { stream: orders(), records: many });
    assert_eq!(code(refused), Some(ApiErrorCode::Validation));
    cloud.advance_seconds(240);
    let rejected = values(&mut cloud, kinesis_metric("WriteProvisionedThroughputExceeded", None), "Sum");
    assert_eq!(sum(&rejected), 2.0);
    assert_eq!(sum(&values(&mut cloud, kinesis_metric("PutRecords.ThrottledRecords", None), "Sum")), 2.0);
}

#[test]
fn a_record_of_one_mebibyte_is_the_largest() {
    let mut cloud = cloud(1);
    assert_eq!(code(put(&mut cloud, "k", &vec![0; 1 << 20])), Some(ApiErrorCode::Validation));
    assert_eq!(code(put(&mut cloud, "", b"x")), Some(ApiErrorCode::Validation));
    assert_eq!(code(put(&mut cloud, "k", &vec![0; (1 << 20) - 1])), None);
}
