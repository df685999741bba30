//! Making and deleting streams, and their settings.

use std::collections::BTreeMap;

use super::*;
use crate::stream::StreamMode;

#[test]
fn a_stream_is_creating_then_active_then_deleting_then_gone() {
    let mut cloud = Cloud::new(Config::default());
    create(&mut cloud, "orders", 3);
    assert_eq!(status(&mut cloud), StreamStatus::Creating);
    assert_eq!(
        code(cloud.list_shards(ListShards { stream: orders(), ..ListShards::default() })),
        Some(ApiErrorCode::ResourceInUse)
    );
    cloud.advance_seconds(10);
    assert_eq!((status(&mut cloud), open(&mut cloud).len()), (StreamStatus::Active, 3));
    let twice =
        CreateStream { stream_name: "orders".into(), shard_count: Some(1), ..CreateStream::default() };
    assert_eq!(
        message(cloud.create_stream(twice)),
        "Stream orders under account 123456789012 already exists."
    );
    let gone = DeleteStream { stream: orders(), enforce_consumer_deletion: None };
    cloud.delete_stream(gone.clone()).expect("it is there");
    assert_eq!(status(&mut cloud), StreamStatus::Deleting);
    cloud.advance_seconds(10);
    assert_eq!(code(cloud.delete_stream(gone)), Some(ApiErrorCode::ResourceNotFound));
}

#[test]
fn a_stream_that_is_creating_takes_no_records() {
    let mut cloud = Cloud::new(Config::default());
    create(&mut cloud, "orders", 1);
    let record = PutRecord { stream: orders(), partition_key: "k".into(), ..PutRecord::default() };
    assert_eq!(code(cloud.put_record(record.clone())), Some(ApiErrorCode::ResourceNotFound));
    cloud.advance_seconds(10);
    assert_eq!(code(cloud.put_record(record)), None);
}

#[test]
fn a_stream_switches_its_mode_twice_a_day() {
    let mut cloud = cloud(1);
    let stream_arn = cloud.stream("orders").expect("it is there").arn.clone();
    let mut switch = |stream_mode| {
        let stream_mode_details = StreamModeDetails { stream_mode };
        let stream_arn = stream_arn.clone();
        let result = cloud.update_stream_mode(UpdateStreamMode { stream_arn, stream_mode_details });
        cloud.advance_seconds(60);
        code(result)
    };
    assert_eq!(switch(StreamMode::OnDemand), None);
    assert_eq!(switch(StreamMode::OnDemand), None, "it is on-demand already");
    assert_eq!(switch(StreamMode::Provisioned), None);
    assert_eq!(switch(StreamMode::OnDemand), Some(ApiErrorCode::LimitExceeded));
}

#[test]
fn a_stream_has_twenty_consumers() {
    let mut cloud = cloud(1);
    let stream_arn = cloud.stream("orders").expect("it is there").arn.clone();
    let mut register = |number: u32| {
        cloud.advance_seconds(1);
        let (stream_arn, consumer_name) = (stream_arn.clone(), format!("c{number}"));
        code(cloud.register_stream_consumer(RegisterStreamConsumer { stream_arn, consumer_name }))
    };
    assert!((0..20).all(|number| register(number).is_none()));
    assert_eq!(register(20), Some(ApiErrorCode::LimitExceeded));
}

#[test]
fn a_stream_made_anew_counts_its_shards_from_zero() {
    let mut cloud = cloud(1);
    split(&mut cloud, 0, MIDDLE).expect("a split point");
    let first = cloud.stream("orders").expect("it is there").created_at;
    cloud.advance_seconds(30);
    cloud
        .delete_stream(DeleteStream { stream: orders(), enforce_consumer_deletion: None })
        .expect("it is there");
    cloud.advance_seconds(10);
    create(&mut cloud, "orders", 1);
    cloud.advance_seconds(10);
    let listing = list(&mut cloud, None);
    assert_eq!(listing.len(), 1);
    assert_eq!(listing[0].shard_id, "shardId-000000000000");
    assert!(cloud.stream("orders").expect("it is there").created_at > first);
}

#[test]
fn streams_are_listed_by_name_in_pages() {
    let mut cloud = Cloud::new(Config::default());
    for name in ["c", "a", "b"] {
        create(&mut cloud, name, 1);
    }
    let first = cloud.list_streams(ListStreams { limit: Some(2), ..ListStreams::default() }).expect("good");
    assert_eq!((first.stream_names, first.has_more_streams), (vec!["a".to_owned(), "b".to_owned()], true));
    let next = ListStreams { next_token: first.next_token, ..ListStreams::default() };
    let rest = cloud.list_streams(next).expect("good");
    assert_eq!((rest.stream_names, rest.has_more_streams), (vec!["c".to_owned()], false));
}

#[test]
fn tags_are_added_removed_and_listed() {
    let mut cloud = cloud(1);
    let tags = BTreeMap::from([("team".to_owned(), "a".to_owned()), ("cost".to_owned(), "b".to_owned())]);
    cloud.add_tags_to_stream(AddTagsToStream { stream: orders(), tags }).expect("two are few");
    cloud
        .remove_tags_from_stream(RemoveTagsFromStream { stream: orders(), tag_keys: vec!["cost".into()] })
        .expect("it is there");
    let request = ListTagsForStream { stream: orders(), ..ListTagsForStream::default() };
    let listed = cloud.list_tags_for_stream(request).expect("it is there");
    assert_eq!(listed.tags, [Tag { key: "team".into(), value: "a".into() }]);
    let tags = (0..50).map(|i| (format!("k{i}"), String::new())).collect();
    let too_many = cloud.add_tags_to_stream(AddTagsToStream { stream: orders(), tags });
    assert_eq!(code(too_many), Some(ApiErrorCode::InvalidArgument));
}

#[test]
fn retention_moves_only_in_the_direction_that_the_call_is_called() {
    let mut cloud = cloud(1);
    let hours =
        |retention_period_hours| ChangeStreamRetentionPeriod { stream: orders(), retention_period_hours };
    cloud.increase_stream_retention_period(hours(48)).expect("longer");
    cloud.advance_seconds(5);
    assert_eq!(
        message(cloud.increase_stream_retention_period(hours(24))),
        "Requested retention period (24 hours) for stream orders can not be shorter than existing retention period (48 \
         hours)."
    );
    assert_eq!(code(cloud.decrease_stream_retention_period(hours(72))), Some(ApiErrorCode::InvalidArgument));
    assert_eq!(code(cloud.decrease_stream_retention_period(hours(23))), Some(ApiErrorCode::InvalidArgument));
    assert_eq!(cloud.decrease_stream_retention_period(hours(24)), Ok(()));
}

#[test]
fn monitoring_what_is_monitored_changes_nothing() {
    let mut cloud = cloud(1);
    monitor(&mut cloud);
    let request =
        |name: &str| ChangeEnhancedMonitoring { stream: orders(), shard_level_metrics: vec![name.into()] };
    let reply = cloud.enable_enhanced_monitoring(request("IncomingBytes")).expect("one of seven");
    assert_eq!(reply.desired_shard_level_metrics.len(), 7);
    assert_eq!(status(&mut cloud), StreamStatus::Active);
    assert_eq!(code(cloud.enable_enhanced_monitoring(request("CPU"))), Some(ApiErrorCode::Validation));
    let reply = cloud.disable_enhanced_monitoring(request("ALL")).expect("they are on");
    assert_eq!(reply.desired_shard_level_metrics, Vec::<String>::new());
    assert_eq!(status(&mut cloud), StreamStatus::Updating);
}

#[test]
fn a_consumer_is_registered_once_and_holds_the_stream() {
    let mut cloud = cloud(1);
    let stream_arn = cloud.stream("orders").expect("it is there").arn.clone();
    let register = RegisterStreamConsumer { stream_arn: stream_arn.clone(), consumer_name: "search".into() };
    assert!(cloud.register_stream_consumer(register.clone()).is_ok());
    assert_eq!(code(cloud.register_stream_consumer(register)), Some(ApiErrorCode::ResourceInUse));
    let delete = |enforce| DeleteStream { stream: orders(), enforce_consumer_deletion: enforce };
    assert_eq!(code(cloud.delete_stream(delete(None))), Some(ApiErrorCode::ResourceInUse));
    let listed = cloud.list_stream_consumers(ListStreamConsumers { stream_arn }).expect("it is there");
    assert_eq!(listed.consumers.len(), 1);
    assert_eq!(cloud.delete_stream(delete(Some(true))), Ok(()));
}
