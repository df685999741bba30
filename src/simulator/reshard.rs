//! SplitShard, MergeShards and UpdateShardCount, and what they come to when their time has passed.

use jiff::{SignedDuration, Timestamp};

use super::api::{MergeShards, SplitShard, StreamRef, UpdateShardCount, UpdateShardCountReply};
use super::fault::{Operation, Struck};
use super::limits::Limits;
use super::stream::{Shard, Stream, shard_id, shard_number};
use super::validate::{self, Constraints};
use super::{ApiError, ApiErrorCode, Cloud};
use crate::hash_key::{HashKey, HashKeyRange};
use crate::stream::{StreamMode, StreamStatus};

/// What a stream is on its way to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// From CREATING to ACTIVE with so many shards.
    Create(u32),
    /// From DELETING to nothing.
    Delete,
    /// Of a shard at a key.
    Split(u32, HashKey),
    /// Of two shards, the lower first.
    Merge(u32, u32),
    /// To so many shards of equal ranges.
    Count(u32),
    /// Anything that has taken its effect already and only keeps the stream UPDATING.
    Settings,
}

/// The most shards that UpdateShardCount scales to (API reference).
const MOST_SHARDS: u32 = 10_000;
/// An existing boundary this close to a wanted one stands for it: equal ranges of n and of 2n shards
/// differ by a few keys of rounding, which no shard should be made for.
const ROUNDING: u128 = 1 << 64;

impl Cloud {
    /// `SplitShard`: returns at once; the children open when the stream is ACTIVE again.
    ///
    /// # Errors
    /// AWS's, if the stream or shard cannot be split so or now.
    pub fn split_shard(&mut self, request: SplitShard) -> Result<(), ApiError> {
        let stream = request.stream.clone();
        self.call(Operation::SplitShard, Some(&stream), |cloud, struck| {
            let mut constraints = Constraints::default();
            constraints.stream(&request.stream).shard_id("shardToSplit", &request.shard_to_split);
            let at = constraints.hash_key("newStartingHashKey", &request.new_starting_hash_key);
            constraints.check()?;
            let name = cloud.resolve(&request.stream)?;
            cloud.ready_to_reshard(&name)?;
            let shard = cloud.open_shard(&name, &request.shard_to_split)?;
            let (range, number) = (shard.range, shard.number);
            let at = at.ok_or_else(|| cloud.bad_split_point(&name, number, range, &request))?;
            cloud.room_for_shards(1)?;
            range.split(at).map_err(|_| cloud.bad_split_point(&name, number, range, &request))?;
            cloud.begin(&name, Change::Split(number, at), cloud.config.timings.split, struck);
            Ok(())
        })
    }

    /// `MergeShards`: returns at once; the child opens when the stream is ACTIVE again. The shards
    /// must be given in the order of their hash keys.
    ///
    /// # Errors
    /// AWS's, if the shards cannot be merged so or now.
    pub fn merge_shards(&mut self, request: MergeShards) -> Result<(), ApiError> {
        let stream = request.stream.clone();
        self.call(Operation::MergeShards, Some(&stream), |cloud, struck| {
            let mut constraints = Constraints::default();
            constraints.stream(&request.stream);
            constraints.shard_id("shardToMerge", &request.shard_to_merge);
            constraints.shard_id("adjacentShardToMerge", &request.adjacent_shard_to_merge);
            constraints.check()?;
            let name = cloud.resolve(&request.stream)?;
            cloud.ready_to_reshard(&name)?;
            let low = cloud.open_shard(&name, &request.shard_to_merge)?;
            let high = cloud.open_shard(&name, &request.adjacent_shard_to_merge)?;
            if !low.range.is_followed_by(high.range) {
                return Err(ApiError::new(
                    ApiErrorCode::InvalidArgument,
                    format!(
                        "Shards {} and {} in stream {name} under account {} are not an adjacent pair of shards \
                         eligible for merging",
                        low.id(),
                        high.id(),
                        cloud.config.account_id
                    ),
                ));
            }
            let change = Change::Merge(low.number, high.number);
            cloud.begin(&name, change, cloud.config.timings.merge, struck);
            Ok(())
        })
    }

    /// `UpdateShardCount`: at least half (rounded up) and at most twice as many shards, of equal
    /// ranges when the stream is ACTIVE again.
    ///
    /// # Errors
    /// AWS's, if the stream cannot be scaled so or now.
    pub fn update_shard_count(
        &mut self,
        request: UpdateShardCount,
    ) -> Result<UpdateShardCountReply, ApiError> {
        let stream = request.stream.clone();
        self.call(Operation::UpdateShardCount, Some(&stream), |cloud, struck| {
            let mut constraints = Constraints::default();
            constraints.stream(&request.stream);
            constraints.at_least("targetShardCount", Some(request.target_shard_count), 1);
            constraints.one_of("scalingType", &request.scaling_type, &["UNIFORM_SCALING"]);
            constraints.check()?;
            let name = cloud.resolve(&request.stream)?;
            cloud.ready_to_reshard(&name)?;
            let (now, account) = (cloud.now, cloud.config.account_id.clone());
            let per_day = cloud.config.limits.update_shard_count_per_day;
            let stream = cloud.stream_mut(&name)?;
            let (current, target) = (stream.open.len() as u32, request.target_shard_count.unsigned_abs());
            let refused = if target > MOST_SHARDS {
                Some(format!("can not exceed {MOST_SHARDS}"))
            } else if target > current.saturating_mul(2) {
                Some(format!("can not exceed double the current open shard count: {current}"))
            } else if target < current.div_ceil(2) {
                Some(format!("can not be less than half the current open shard count: {current}"))
            } else {
                None
            };
            if let Some(why) = refused {
                return Err(ApiError::new(
                    ApiErrorCode::InvalidArgument,
                    format!(
                        "UpdateShardCount of stream {name} under account {account}: TargetShardCount {target} {why}."
                    ),
                ));
            }
            forget_before_a_day(&mut stream.shard_count_updates, now);
            if per_day.is_some_and(|limit| stream.shard_count_updates.len() >= limit as usize) {
                return Err(ApiError::new(
                    ApiErrorCode::LimitExceeded,
                    format!(
                        "Stream {name} under account {account} has had {} UpdateShardCount operations in the last \
                         24 hours, which is the limit.",
                        stream.shard_count_updates.len()
                    ),
                ));
            }
            let arn = stream.arn.clone();
            cloud.room_for_shards(target.saturating_sub(current))?;
            cloud.stream_mut(&name)?.shard_count_updates.push_back(now);
            cloud.begin(&name, Change::Count(target), cloud.config.timings.update_shard_count, struck);
            Ok(UpdateShardCountReply {
                stream_name: name,
                stream_arn: arn,
                current_shard_count: current as i32,
                target_shard_count: target as i32,
            })
        })
    }

    /// Puts the stream into UPDATING (or what else the change is called) until it has taken its time.
    pub(super) fn begin(&mut self, name: &str, change: Change, usual: SignedDuration, struck: &Struck) {
        let done_at = self.now.checked_add(struck.takes.unwrap_or(usual)).unwrap_or(Timestamp::MAX);
        let stream = self.streams.get_mut(name).expect("the caller resolved the name");
        stream.status = match change {
            Change::Create(_) => StreamStatus::Creating,
            Change::Delete => StreamStatus::Deleting,
            _ => StreamStatus::Updating,
        };
        stream.pending = Some((done_at, change));
        self.settle();
    }

    fn ready_to_reshard(&self, name: &str) -> Result<(), ApiError> {
        let stream = self.stream(name)?;
        let account = &self.config.account_id;
        if stream.mode == StreamMode::OnDemand {
            return Err(ApiError::new(
                ApiErrorCode::Validation,
                format!(
                    "Request is invalid. Stream {name} under account {account} is in On-Demand mode: its shards \
                     cannot be changed."
                ),
            ));
        }
        self.require_active(stream)
    }

    /// Refuses unless the stream is ACTIVE.
    pub(super) fn require_active(&self, stream: &Stream) -> Result<(), ApiError> {
        if stream.status == StreamStatus::Active {
            return Ok(());
        }
        Err(ApiError::new(
            ApiErrorCode::ResourceInUse,
            format!(
                "Stream {} under account {} not ACTIVE, instead in state {}",
                stream.name, self.config.account_id, stream.status
            ),
        ))
    }

    fn open_shard(&self, name: &str, id: &str) -> Result<&Shard, ApiError> {
        let account = &self.config.account_id;
        let shard =
            shard_number(id).and_then(|number| self.streams.get(name)?.shard(number)).ok_or_else(|| {
                ApiError::new(
                    ApiErrorCode::ResourceNotFound,
                    format!("Could not find shard {id} in stream {name} under account {account}."),
                )
            })?;
        if shard.closed_at.is_none() {
            return Ok(shard);
        }
        Err(ApiError::new(
            ApiErrorCode::InvalidArgument,
            format!(
                "Shard {} in stream {name} under account {account} has already been merged or split, and thus is \
                 not eligible for merging or splitting.",
                shard.id()
            ),
        ))
    }

    fn bad_split_point(
        &self,
        name: &str,
        number: u32,
        range: HashKeyRange,
        request: &SplitShard,
    ) -> ApiError {
        ApiError::new(
            ApiErrorCode::InvalidArgument,
            format!(
                "NewStartingHashKey {} used in SplitShard() on shard {} in stream {name} under account {} is not \
                 both greater than one plus the shard's StartingHashKey {} and less than the shard's \
                 EndingHashKey {}.",
                request.new_starting_hash_key,
                shard_id(number),
                self.config.account_id,
                range.start(),
                range.end()
            ),
        )
    }

    /// Refuses if the account's provisioned streams would have more open shards than its quota.
    pub(super) fn room_for_shards(&self, more: u32) -> Result<(), ApiError> {
        let (current, limit) = (self.provisioned_shards(), self.config.limits.shards);
        if more == 0 || current.saturating_add(more) <= limit {
            return Ok(());
        }
        Err(ApiError::new(
            ApiErrorCode::LimitExceeded,
            format!(
                "This request would exceed the shard limit for the account {} in {}. Current shard count for the \
                 account: {current}. Limit: {limit}. Number of additional shards that would have resulted from \
                 this request: {more}. Refer to the AWS Service Limits page \
                 (http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current limits and \
                 how to request higher limits.",
                self.config.account_id, self.config.region
            ),
        ))
    }

    /// Open shards of provisioned streams, those that a change under way will open included.
    pub(super) fn provisioned_shards(&self) -> u32 {
        let provisioned = self.streams.values().filter(|stream| stream.mode == StreamMode::Provisioned);
        provisioned
            .map(|stream| match stream.pending {
                Some((_, Change::Create(count) | Change::Count(count))) => {
                    count.max(stream.open.len() as u32)
                }
                Some((_, Change::Split(..))) => stream.open.len() as u32 + 1,
                _ => stream.open.len() as u32,
            })
            .sum()
    }

    /// The stream that a request means, by name or ARN.
    pub(super) fn resolve(&self, stream: &StreamRef) -> Result<String, ApiError> {
        let name = validate::stream_name(stream, &self.config)?;
        self.stream(&name).map(|stream| stream.name.clone())
    }
}

/// Forgets what happened longer than 24 h ago.
pub(super) fn forget_before_a_day(times: &mut std::collections::VecDeque<Timestamp>, now: Timestamp) {
    let day = SignedDuration::from_hours(24);
    while times.front().is_some_and(|&first| now.duration_since(first) >= day) {
        times.pop_front();
    }
}

impl Stream {
    /// Carries out a change whose time has passed. `Delete` is the caller's.
    pub fn complete(&mut self, change: Change, at: Timestamp, limits: &Limits) {
        match change {
            Change::Create(count) => self.create_shards(count, limits),
            Change::Split(number, key) => self.split(number, key, at, limits),
            Change::Merge(low, high) => self.merge(low, high, at, limits),
            Change::Count(target) => self.rescale(target, at, limits),
            Change::Settings | Change::Delete => {}
        }
        self.status = StreamStatus::Active;
    }

    fn create_shards(&mut self, count: u32, limits: &Limits) {
        let at = self.created_at;
        for range in equal_ranges(count) {
            self.open_shard(range, (None, None), at, limits);
        }
        self.reindex();
    }

    fn split(&mut self, number: u32, key: HashKey, at: Timestamp, limits: &Limits) {
        let range = self.shard(number).expect("an open shard does not expire").range;
        let (low, high) =
            cut(range, key).expect("the request was checked, and nothing else reshards meanwhile");
        self.replace(&[number], &[(low, Some(number), None), (high, Some(number), None)], at, limits);
    }

    fn merge(&mut self, low: u32, high: u32, at: Timestamp, limits: &Limits) {
        let range = |number| self.shard(number).expect("an open shard does not expire").range;
        let merged = range(low).merge(range(high)).expect("the request was checked");
        self.replace(&[low, high], &[(merged, Some(low), Some(high))], at, limits);
    }

    /// Splits at the boundaries of equal ranges that are not there, then merges at those that are
    /// not wanted. The shards in between live for no time, but they are in the lineage.
    fn rescale(&mut self, target: u32, at: Timestamp, limits: &Limits) {
        let existing: Vec<HashKey> = self.open.iter().map(|&at| self.shards[at].range.start()).collect();
        let wanted: Vec<HashKey> = equal_ranges(target)
            .map(|range| {
                let near = |key: &&HashKey| key.0.abs_diff(range.start().0) < ROUNDING;
                existing.iter().find(near).copied().unwrap_or(range.start())
            })
            .collect();
        for &key in wanted.iter().filter(|key| existing.binary_search(key).is_err()) {
            let owner = self.owner_of(key).expect("open shards tile the space");
            self.split(self.shards[owner].number, key, at, limits);
        }
        for key in existing.into_iter().filter(|key| wanted.binary_search(key).is_err()) {
            let high = self.owner_of(key).expect("open shards tile the space");
            let low = self.owner_of(HashKey(key.0 - 1)).expect("a boundary to remove is not the first");
            self.merge(self.shards[low].number, self.shards[high].number, at, limits);
        }
    }
}

/// `count` ranges that tile the space, equal but for the last.
fn equal_ranges(count: u32) -> impl Iterator<Item = HashKeyRange> {
    let starts: Vec<HashKey> =
        std::iter::once(HashKey::MIN).chain(HashKeyRange::WHOLE.inner_boundaries(count)).collect();
    (0..starts.len()).map(move |at| {
        let end = starts.get(at + 1).map_or(HashKey::MAX, |next| HashKey(next.0 - 1));
        HashKeyRange::new(starts[at], end).expect("boundaries ascend")
    })
}

/// The two parts of `range` whose upper starts at `key`, without AWS's margins: AWS's own cuts of
/// UpdateShardCount are not bound by them.
fn cut(range: HashKeyRange, key: HashKey) -> Option<(HashKeyRange, HashKeyRange)> {
    let below = HashKey(key.0.checked_sub(1)?);
    let low = HashKeyRange::new(range.start(), below).ok()?;
    let high = HashKeyRange::new(key, range.end()).ok()?;
    Some((low, high))
}
