//! Splits, merges and UpdateShardCount.

use proptest::prelude::*;

use super::*;
use crate::stream::StreamMode;

#[test]
fn a_parent_stays_open_until_the_reshard_is_done() {
    let mut cloud = cloud(1);
    split(&mut cloud, 0, MIDDLE).expect("the middle is a split point");
    assert_eq!((status(&mut cloud), open(&mut cloud).len()), (StreamStatus::Updating, 1));
    cloud.advance(SignedDuration::from_millis(29_999));
    assert_eq!((status(&mut cloud), open(&mut cloud).len()), (StreamStatus::Updating, 1));
    cloud.advance(SignedDuration::from_millis(1));
    assert_eq!((status(&mut cloud), open(&mut cloud).len()), (StreamStatus::Active, 2));
    let listing = list(&mut cloud, None);
    assert!(listing[0].sequence_number_range.ending_sequence_number.is_some());
    assert!(
        listing[1..].iter().all(|child| child.parent_shard_id.as_deref() == Some("shardId-000000000000"))
    );
}

#[test]
fn only_one_reshard_runs_at_a_time() {
    let mut cloud = cloud(2);
    split(&mut cloud, 0, HashKey(1 << 126)).expect("a split point");
    let expected = "Stream orders under account 123456789012 not ACTIVE, instead in state UPDATING";
    let error = merge(&mut cloud, 0, 1).expect_err("a reshard is under way");
    assert_eq!((error.code, error.message.as_str()), (ApiErrorCode::ResourceInUse, expected));
    assert_eq!(code(scale(&mut cloud, 3)), Some(ApiErrorCode::ResourceInUse));
}

#[test]
fn split_points_outside_the_margins_are_refused_in_aws_words() {
    let mut cloud = cloud(1);
    for at in [0, 1, u128::MAX] {
        let error = split(&mut cloud, 0, HashKey(at)).expect_err("outside the margins");
        assert_eq!(error.code, ApiErrorCode::InvalidArgument);
        assert_eq!(
            error.message,
            format!(
                "NewStartingHashKey {at} used in SplitShard() on shard shardId-000000000000 in stream orders under \
                 account 123456789012 is not both greater than one plus the shard's StartingHashKey 0 and less than \
                 the shard's EndingHashKey 340282366920938463463374607431768211455."
            )
        );
    }
    assert_eq!(split(&mut cloud, 0, HashKey(2)), Ok(()));
}

#[test]
fn closed_missing_and_reversed_shards_are_refused() {
    let mut cloud = cloud(2);
    merge(&mut cloud, 0, 1).expect("they are adjacent");
    cloud.advance_seconds(30);
    assert_eq!(code(split(&mut cloud, 0, HashKey(7))), Some(ApiErrorCode::InvalidArgument));
    assert_eq!(code(merge(&mut cloud, 0, 1)), Some(ApiErrorCode::InvalidArgument));
    assert_eq!(
        message(split(&mut cloud, 9, HashKey(7))),
        "Could not find shard shardId-000000000009 in stream orders under account 123456789012."
    );
    split(&mut cloud, 2, MIDDLE).expect("a split point");
    cloud.advance_seconds(30);
    assert_eq!(
        message(merge(&mut cloud, 4, 3)),
        "Shards shardId-000000000004 and shardId-000000000003 in stream orders under account 123456789012 are not an \
         adjacent pair of shards eligible for merging"
    );
    assert_eq!(merge(&mut cloud, 3, 4), Ok(()));
}

#[test]
fn an_on_demand_stream_is_not_resharded() {
    let mut cloud = cloud(2);
    let stream_arn = cloud.stream("orders").expect("it is there").arn.clone();
    let stream_mode_details = StreamModeDetails { stream_mode: StreamMode::OnDemand };
    cloud.update_stream_mode(UpdateStreamMode { stream_arn, stream_mode_details }).expect("ACTIVE");
    cloud.advance_seconds(60);
    assert_eq!(code(split(&mut cloud, 0, HashKey(7))), Some(ApiErrorCode::Validation));
    assert_eq!(code(merge(&mut cloud, 0, 1)), Some(ApiErrorCode::Validation));
    assert_eq!(code(scale(&mut cloud, 4)), Some(ApiErrorCode::Validation));
}

#[test]
fn update_shard_count_doubles_or_halves_at_the_most() {
    let mut cloud = cloud(5);
    assert_eq!(code(scale(&mut cloud, 11)), Some(ApiErrorCode::InvalidArgument));
    assert_eq!(code(scale(&mut cloud, 2)), Some(ApiErrorCode::InvalidArgument));
    assert_eq!(scale(&mut cloud, 10).map(|reply| reply.current_shard_count), Ok(5));
    cloud.advance_seconds(180);
    assert_eq!(open(&mut cloud).len(), 10);
    assert_eq!(code(scale(&mut cloud, 5)), None);
    cloud.advance_seconds(180);
    assert_eq!(code(scale(&mut cloud, 3)), None);
    cloud.advance_seconds(180);
    assert_eq!(open(&mut cloud).len(), 3);
}

#[test]
fn update_shard_count_makes_no_shard_of_a_rounding() {
    // A sixth of the space, twice, is one key short of a third.
    let mut cloud = cloud(3);
    scale(&mut cloud, 6).expect("twice as many");
    cloud.advance_seconds(180);
    assert_eq!(list(&mut cloud, None).len(), 3 + 6);
    scale(&mut cloud, 3).expect("half as many");
    cloud.advance_seconds(180);
    assert_eq!(list(&mut cloud, None).len(), 3 + 6 + 3);
}

#[test]
fn a_split_under_way_counts_against_the_quota() {
    let mut config = Config::default();
    config.limits.shards = 3;
    let mut cloud = cloud_with(config, 1);
    create(&mut cloud, "other", 1);
    cloud.advance_seconds(10);
    split(&mut cloud, 0, MIDDLE).expect("the third shard");
    let request = SplitShard {
        stream: StreamRef::name("other"),
        shard_to_split: stream::shard_id(0),
        new_starting_hash_key: MIDDLE.to_string(),
    };
    assert_eq!(code(cloud.split_shard(request)), Some(ApiErrorCode::LimitExceeded));
}

#[test]
fn update_shard_count_is_for_ten_calls_in_any_24_hours() {
    let mut cloud = cloud(4);
    for call in 0..10 {
        scale(&mut cloud, if call % 2 == 0 { 8 } else { 4 }).expect("one of ten");
        cloud.advance_seconds(3_600);
    }
    assert_eq!(code(scale(&mut cloud, 8)), Some(ApiErrorCode::LimitExceeded));
    cloud.advance_seconds(14 * 3_600 - 1);
    assert_eq!(code(scale(&mut cloud, 8)), Some(ApiErrorCode::LimitExceeded));
    cloud.advance_seconds(1);
    assert_eq!(code(scale(&mut cloud, 8)), None);
    cloud.advance_seconds(180);
    assert_eq!(code(scale(&mut cloud, 4)), Some(ApiErrorCode::LimitExceeded), "one of ten has expired");
}

#[test]
fn the_account_s_shard_quota_holds_exactly() {
    let mut config = Config::default();
    config.limits.shards = 3;
    let mut cloud = cloud_with(config, 2);
    assert_eq!(code(scale(&mut cloud, 4)), Some(ApiErrorCode::LimitExceeded));
    split(&mut cloud, 0, HashKey(1 << 100)).expect("the third shard");
    cloud.advance_seconds(30);
    assert_eq!(
        message(split(&mut cloud, 1, HashKey(u128::MAX - 9))),
        "This request would exceed the shard limit for the account 123456789012 in us-east-1. Current shard count for \
         the account: 3. Limit: 3. Number of additional shards that would have resulted from this request: 1. Refer to \
         the AWS Service Limits page (http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for \
         current limits and how to request higher limits."
    );
    let request = CreateStream { stream_name: "b".into(), shard_count: Some(1), ..CreateStream::default() };
    assert_eq!(code(cloud.create_stream(request)), Some(ApiErrorCode::LimitExceeded));
}

/// Every listed shard's parents span exactly what it came from: a child of a split lies in its
/// parent, a child of a merge is the union of two.
fn lineage_is_sound(shards: &[Shard]) {
    let find = |id: &ShardId| shards.iter().find(|shard| shard.id == *id).expect("nothing has expired");
    for shard in shards {
        match (&shard.parent, &shard.adjacent_parent) {
            (None, None) => {
                assert!(shard.id.as_str() < "shardId-000000000004", "{shard:?} came from nowhere")
            }
            (Some(parent), None) => {
                let parent = find(parent);
                assert!(
                    parent.closed && parent.range.contains_range(shard.range) && parent.range != shard.range
                );
            }
            (Some(low), Some(high)) => {
                let (low, high) = (find(low), find(high));
                assert!(low.closed && high.closed);
                assert_eq!(low.range.merge(high.range), Some(shard.range));
            }
            (None, Some(_)) => panic!("{shard:?} has only an adjacent parent"),
        }
        let children: Vec<&Shard> =
            shards.iter().filter(|child| child.parents().any(|parent| *parent == shard.id)).collect();
        assert!(if shard.closed { matches!(children.len(), 1 | 2) } else { children.is_empty() });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn open_shards_tile_and_lineage_is_sound_under_any_reshards(
        steps in proptest::collection::vec((0u8..4, any::<u32>(), any::<u128>()), 1..24)
    ) {
        let mut cloud = cloud(4);
        let mut past = vec![(cloud.now(), open(&mut cloud))];
        for (kind, which, key) in steps {
            let before = open(&mut cloud);
            let at = which as usize % before.len();
            let shard = &before.as_slice()[at];
            let number = stream::shard_number(shard.id.as_str()).expect("one of ours");
            let (low, high) = (shard.range.start().0, shard.range.end().0);
            let key = HashKey(low + if high - low == u128::MAX { key } else { key % (high - low + 1) });
            let taken = match kind {
                0 | 1 => (split(&mut cloud, number, key).is_ok(), shard.range.split(key).is_ok()),
                2 => match before.as_slice().get(at + 1) {
                    Some(next) => {
                        let next = stream::shard_number(next.id.as_str()).expect("one of ours");
                        (merge(&mut cloud, number, next).is_ok(), true)
                    }
                    None => continue,
                },
                _ => {
                    let count = before.len() as i32;
                    let target = (count + 1) / 2 + (which % (count as u32 * 3 / 2 + 1)) as i32;
                    let today = cloud.stream("orders").expect("it is there").shard_count_updates.len();
                    (scale(&mut cloud, target).is_ok(), target <= count * 2 && today < 10)
                }
            };
            prop_assert_eq!(taken.0, taken.1);
            prop_assert_eq!(&open(&mut cloud), &before, "nothing changes before its time");
            cloud.advance_seconds(180);
            past.push((cloud.now(), open(&mut cloud)));
            cloud.advance_seconds(60);
        }
        lineage_is_sound(&modelled(&list(&mut cloud, None)));
        for (at, was_open) in past {
            let filter = ShardFilter { r#type: ShardFilterType::AtTimestamp, shard_id: None, timestamp: Some(at) };
            let mut listed = modelled(&list(&mut cloud, Some(filter)));
            for shard in &mut listed {
                shard.closed = false;
            }
            prop_assert_eq!(OpenShards::tile(&listed).ok(), Some(was_open));
        }
    }

    #[test]
    fn update_shard_count_leaves_equal_ranges(counts in proptest::collection::vec(0u32..1_000, 1..6)) {
        let mut cloud = cloud(3);
        for draw in counts {
            let count = open(&mut cloud).len() as u32;
            let target = count.div_ceil(2) + draw % (count * 2 - count.div_ceil(2) + 1);
            scale(&mut cloud, target as i32).expect("within the bounds");
            cloud.advance_seconds(180);
            let shards = open(&mut cloud);
            prop_assert_eq!(shards.len() as u32, target);
            let width = u128::MAX / u128::from(target);
            for range in shards.ranges() {
                prop_assert!(range.span().abs_diff(width) < 1 << 66, "{} of {}", range, target);
            }
        }
    }
}
