//! ListShards with its filters and tokens, and DescribeStream.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::api::{
    DescribeStream, DescribeStreamReply, HashKeyBounds, ListShards, ListShardsReply, SequenceNumberRange,
    ShardDescription, ShardFilter, ShardFilterType, StreamDescription, StreamModeDetails,
};
use super::fault::Operation;
use super::stream::{Shard, Stream, shard_id, shard_number};
use super::streams::enhanced_monitoring;
use super::validate::Constraints;
use super::{ApiError, ApiErrorCode, Cloud, token};
use crate::hash_key::HashKeyRange;
use crate::quota;
use crate::stream::StreamStatus;

/// How long tokens and iterators are good (API reference).
pub(super) const TOKEN_LIFE: SignedDuration = SignedDuration::from_secs(300);

/// What a page's token stands for.
#[derive(Serialize, Deserialize)]
struct PageToken {
    stream: String,
    created_millisecond: i64,
    issued_millisecond: i64,
    after_shard: u32,
    filter: Option<ShardFilter>,
}

impl Cloud {
    /// `ListShards`.
    ///
    /// # Errors
    /// AWS's, for parameters that exclude each other, a token that has expired, or no such stream.
    pub fn list_shards(&mut self, request: ListShards) -> Result<ListShardsReply, ApiError> {
        let stream = request.stream.clone();
        self.call(Operation::ListShards, Some(&stream), |cloud, struck| {
            let mut constraints = Constraints::default();
            constraints.stream(&request.stream);
            constraints.at_least("maxResults", request.max_results, 1);
            constraints.at_most("maxResults", request.max_results, 10_000);
            constraints.check()?;
            let (name, after, filter) = match &request.next_token {
                Some(token) => cloud.next_page(&request, token)?,
                None => cloud.first_page(&request)?,
            };
            let stream = cloud.stream(&name)?;
            let seen_at = cloud.now.checked_sub(struck.stale.unwrap_or_default()).unwrap_or(Timestamp::MIN);
            let limit =
                request.max_results.unwrap_or(quota::LIST_SHARDS_PAGE).min(quota::LIST_SHARDS_PAGE) as usize;
            let mut matching = stream
                .shards
                .iter()
                .filter(|shard| after.is_none_or(|after| shard.number > after) && shard.opened_at <= seen_at)
                .filter(|shard| filter.as_ref().is_none_or(|filter| passes(filter, shard, stream, seen_at)));
            let page: Vec<&Shard> = matching.by_ref().take(limit).collect();
            let last = page.last().filter(|_| matching.next().is_some());
            let next_token = last.map(|last| {
                token::encode(&PageToken {
                    stream: name.clone(),
                    created_millisecond: stream.created_at.as_millisecond(),
                    issued_millisecond: cloud.now.as_millisecond(),
                    after_shard: last.number,
                    filter: filter.clone(),
                })
            });
            Ok(ListShardsReply {
                shards: page.iter().map(|shard| describe(shard, seen_at)).collect(),
                next_token,
            })
        })
    }

    fn first_page(
        &self,
        request: &ListShards,
    ) -> Result<(String, Option<u32>, Option<ShardFilter>), ApiError> {
        let invalid = |message: &str| Err(ApiError::new(ApiErrorCode::InvalidArgument, message));
        if request.stream.stream_name.is_none() && request.stream.stream_arn.is_none() {
            return invalid("Either NextToken or StreamName should be provided.");
        }
        let name = self.resolve(&request.stream)?;
        let stream = self.stream(&name)?;
        if request.stream_creation_timestamp.is_some_and(|at| at.as_second() != stream.created_at.as_second())
        {
            return Err(self.no_stream(&name));
        }
        if stream.status == StreamStatus::Creating {
            self.require_active(stream)?;
        }
        let after = match &request.exclusive_start_shard_id {
            Some(id) => Some(number_of(id)?),
            None => None,
        };
        if let Some(filter) = &request.shard_filter {
            use ShardFilterType::{AfterShardId, AtTimestamp, FromTimestamp};
            match filter.r#type {
                AfterShardId if filter.shard_id.is_none() => {
                    return invalid(
                        "ShardId must be supplied in a ShardFilter with a Type of AFTER_SHARD_ID.",
                    );
                }
                AtTimestamp | FromTimestamp if filter.timestamp.is_none() => {
                    return invalid(
                        "Timestamp must be supplied in a ShardFilter with a Type of FROM_TIMESTAMP or AT_TIMESTAMP.",
                    );
                }
                _ => {}
            }
            if let Some(id) = &filter.shard_id {
                number_of(id)?;
            }
        }
        Ok((name, after, request.shard_filter.clone()))
    }

    fn next_page(
        &self,
        request: &ListShards,
        text: &str,
    ) -> Result<(String, Option<u32>, Option<ShardFilter>), ApiError> {
        let ListShards {
            stream,
            next_token: _,
            exclusive_start_shard_id,
            max_results: _,
            stream_creation_timestamp,
            shard_filter,
        } = request;
        let besides = [
            ("StreamName", stream.stream_name.is_some()),
            ("StreamARN", stream.stream_arn.is_some()),
            ("ExclusiveStartShardId", exclusive_start_shard_id.is_some()),
            ("StreamCreationTimestamp", stream_creation_timestamp.is_some()),
            ("ShardFilter", shard_filter.is_some()),
        ];
        if let Some((field, _)) = besides.iter().find(|(_, given)| *given) {
            return Err(ApiError::new(
                ApiErrorCode::InvalidArgument,
                format!("NextToken and {field} cannot be provided together."),
            ));
        }
        let page: PageToken = token::decode(text)
            .ok_or_else(|| ApiError::new(ApiErrorCode::InvalidArgument, "NextToken is invalid."))?;
        if self.now.as_millisecond().saturating_sub(page.issued_millisecond) > TOKEN_LIFE.as_millis() as i64 {
            return Err(ApiError::new(
                ApiErrorCode::ExpiredNextToken,
                "The pagination token passed to the operation is expired: it is good for 300 seconds.",
            ));
        }
        let same = |stream: &&Stream| stream.created_at.as_millisecond() == page.created_millisecond;
        match self.streams.get(&page.stream).filter(same) {
            Some(_) => Ok((page.stream, Some(page.after_shard), page.filter)),
            None => Err(self.no_stream(&page.stream)),
        }
    }

    /// `DescribeStream`.
    ///
    /// # Errors
    /// AWS's, if there is no such stream.
    pub fn describe_stream(&mut self, request: DescribeStream) -> Result<DescribeStreamReply, ApiError> {
        let stream = request.stream.clone();
        self.call(Operation::DescribeStream, Some(&stream), |cloud, _| {
            let mut constraints = Constraints::default();
            constraints.stream(&request.stream);
            constraints.at_least("limit", request.limit, 1).at_most("limit", request.limit, 10_000);
            constraints.check()?;
            let name = cloud.resolve(&request.stream)?;
            let stream = cloud.stream(&name)?;
            let after = match &request.exclusive_start_shard_id {
                Some(id) => Some(number_of(id)?),
                None => None,
            };
            // "If you specify a value greater than 100, at most 100 results are returned" (API).
            let limit = request.limit.map_or(100, |limit| limit.min(100) as usize);
            let mut following =
                stream.shards.iter().filter(|shard| after.is_none_or(|after| shard.number > after));
            let shards = following.by_ref().take(limit).map(|shard| describe(shard, cloud.now)).collect();
            Ok(DescribeStreamReply {
                stream_description: StreamDescription {
                    stream_name: name,
                    stream_arn: stream.arn.clone(),
                    stream_status: stream.status,
                    stream_mode_details: StreamModeDetails { stream_mode: stream.mode },
                    shards,
                    has_more_shards: following.next().is_some(),
                    retention_period_hours: stream.retention_hours,
                    stream_creation_timestamp: stream.created_at,
                    enhanced_monitoring: enhanced_monitoring(stream),
                    encryption_type: "NONE",
                },
            })
        })
    }
}

fn number_of(id: &str) -> Result<u32, ApiError> {
    shard_number(id)
        .ok_or_else(|| ApiError::new(ApiErrorCode::InvalidArgument, format!("ShardId {id} is not valid.")))
}

/// Whether `filter` lets `shard` through, as seen at `now`. A shard was open from its opening up to,
/// not including, its closing, so that those open at a moment always tile the space.
fn passes(filter: &ShardFilter, shard: &Shard, stream: &Stream, now: Timestamp) -> bool {
    let horizon = stream.trim_horizon(now);
    let timestamp = filter.timestamp.map_or(now, |at| at.max(horizon).min(now));
    let open_since = |at: Timestamp| shard.closed_at.is_none_or(|closed| closed > at);
    match filter.r#type {
        ShardFilterType::AfterShardId => {
            let after = filter.shard_id.as_deref().and_then(shard_number);
            after.is_none_or(|after| shard.number > after)
        }
        ShardFilterType::AtTrimHorizon => shard.is_open_at(horizon),
        ShardFilterType::FromTrimHorizon => true,
        ShardFilterType::AtLatest => shard.is_open_at(now),
        ShardFilterType::AtTimestamp => shard.is_open_at(timestamp),
        ShardFilterType::FromTimestamp => open_since(timestamp),
    }
}

/// A shard as it is listed at `now`.
fn describe(shard: &Shard, now: Timestamp) -> ShardDescription {
    let closed = shard.closed_at.filter(|&closed| closed <= now);
    ShardDescription {
        shard_id: shard.id(),
        parent_shard_id: shard.parent.map(shard_id),
        adjacent_parent_shard_id: shard.adjacent_parent.map(shard_id),
        hash_key_range: bounds(shard.range),
        sequence_number_range: SequenceNumberRange {
            starting_sequence_number: shard.starting_sequence_number().to_string(),
            ending_sequence_number: closed.map(|at| shard.ending_sequence_number(at).to_string()),
        },
    }
}

/// A range as it is on the wire.
pub(super) fn bounds(range: HashKeyRange) -> HashKeyBounds {
    HashKeyBounds { starting_hash_key: range.start(), ending_hash_key: range.end() }
}
