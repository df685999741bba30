//! Making, describing, listing and deleting streams, and the account's limits.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use super::api::{
    CreateStream, DeleteStream, DescribeLimitsReply, DescribeStreamSummary, DescribeStreamSummaryReply,
    EnhancedMetrics, ListStreams, ListStreamsReply, StreamDescriptionSummary, StreamListEntry,
    StreamModeDetails, StreamRef,
};
use super::fault::Operation;
use super::reshard::Change;
use super::settings::check_tags;
use super::stream::Stream;
use super::validate::{self, Constraints};
use super::{ApiError, ApiErrorCode, Cloud};
use crate::stream::{StreamMode, StreamStatus};

/// Shards that an on-demand stream begins with (API reference).
const ON_DEMAND_SHARDS: u32 = 4;

impl Cloud {
    /// `CreateStream`.
    ///
    /// # Errors
    /// AWS's, if the stream exists or a quota is full.
    pub fn create_stream(&mut self, request: CreateStream) -> Result<(), ApiError> {
        self.call(Operation::CreateStream, None, |cloud, struck| {
            let mut constraints = Constraints::default();
            constraints.name("streamName", &request.stream_name);
            constraints.at_least("shardCount", request.shard_count, 1);
            constraints.check()?;
            check_tags(&request.tags)?;
            let account = cloud.config.account_id.clone();
            let mode =
                request.stream_mode_details.map_or(StreamMode::Provisioned, |details| details.stream_mode);
            let count = match (mode, request.shard_count) {
                (StreamMode::OnDemand, None) => ON_DEMAND_SHARDS,
                (StreamMode::Provisioned, Some(count)) => count.unsigned_abs(),
                (StreamMode::OnDemand, Some(_)) => {
                    let message = "ShardCount must not be set for a stream in ON_DEMAND mode.";
                    return Err(ApiError::new(ApiErrorCode::Validation, message));
                }
                (StreamMode::Provisioned, None) => {
                    let message = "ShardCount must be set for a stream in PROVISIONED mode.";
                    return Err(ApiError::new(ApiErrorCode::Validation, message));
                }
            };
            if cloud.streams.contains_key(&request.stream_name) {
                return Err(ApiError::new(
                    ApiErrorCode::ResourceInUse,
                    format!("Stream {} under account {account} already exists.", request.stream_name),
                ));
            }
            let creating =
                cloud.streams.values().filter(|stream| stream.status == StreamStatus::Creating).count();
            let limits = &cloud.config.limits;
            if creating >= limits.creating_streams {
                return Err(ApiError::new(
                    ApiErrorCode::LimitExceeded,
                    format!(
                        "This request would exceed the limit of {} streams in CREATING state for the account \
                         {account}.",
                        limits.creating_streams
                    ),
                ));
            }
            match mode {
                StreamMode::Provisioned => cloud.room_for_shards(count)?,
                StreamMode::OnDemand => cloud.room_for_on_demand()?,
            }
            let name = request.stream_name;
            let stream = Stream {
                arn: validate::arn_prefix(&cloud.config) + &name,
                name: name.clone(),
                created_at: cloud.now,
                status: StreamStatus::Creating,
                mode,
                retention_hours: 24,
                shards: Vec::new(),
                open: Vec::new(),
                topology: 0,
                next_shard: 0,
                pending: None,
                monitored: BTreeMap::new(),
                tags: request.tags,
                consumers: BTreeMap::new(),
                shard_count_updates: VecDeque::new(),
                mode_switches: VecDeque::new(),
                flow: None,
                minute: Default::default(),
                dirty: false,
                stored_bytes: 0,
            };
            cloud.streams.insert(name.clone(), stream);
            cloud.begin(&name, Change::Create(count), cloud.config.timings.create, struck);
            Ok(())
        })
    }

    /// Refuses if the account has as many on-demand streams as it may.
    pub(super) fn room_for_on_demand(&self) -> Result<(), ApiError> {
        let limit = self.config.limits.on_demand_streams;
        if self.on_demand_streams() < limit {
            return Ok(());
        }
        Err(ApiError::new(
            ApiErrorCode::LimitExceeded,
            format!(
                "This request would exceed the limit of {limit} on-demand streams for the account {}.",
                self.config.account_id
            ),
        ))
    }

    fn on_demand_streams(&self) -> u32 {
        self.streams.values().filter(|stream| stream.mode == StreamMode::OnDemand).count() as u32
    }

    /// `DeleteStream`: the stream is DELETING, then gone; its metrics stay.
    ///
    /// # Errors
    /// AWS's, if there is no such stream, or it has consumers and their deletion is not enforced.
    pub fn delete_stream(&mut self, request: DeleteStream) -> Result<(), ApiError> {
        let stream = request.stream.clone();
        self.call(Operation::DeleteStream, Some(&stream), |cloud, struck| {
            let name = cloud.resolve(&request.stream)?;
            let stream = cloud.stream(&name)?;
            if stream.status == StreamStatus::Deleting {
                cloud.require_active(stream)?;
            }
            if !stream.consumers.is_empty() && request.enforce_consumer_deletion != Some(true) {
                return Err(ApiError::new(
                    ApiErrorCode::ResourceInUse,
                    format!(
                        "Stream {name} under account {} can't be deleted because it has {} registered consumers. \
                         Use EnforceConsumerDeletion to delete them with it.",
                        cloud.config.account_id,
                        stream.consumers.len()
                    ),
                ));
            }
            cloud.begin(&name, Change::Delete, cloud.config.timings.delete, struck);
            Ok(())
        })
    }

    /// `DescribeStreamSummary`.
    ///
    /// # Errors
    /// AWS's, if there is no such stream.
    pub fn describe_stream_summary(
        &mut self,
        request: DescribeStreamSummary,
    ) -> Result<DescribeStreamSummaryReply, ApiError> {
        let stream = request.stream.clone();
        self.call(Operation::DescribeStreamSummary, Some(&stream), |cloud, _| {
            Constraints::default().stream(&request.stream).check()?;
            let name = cloud.resolve(&request.stream)?;
            let stream = cloud.stream(&name)?;
            Ok(DescribeStreamSummaryReply {
                stream_description_summary: StreamDescriptionSummary {
                    stream_name: name,
                    stream_arn: stream.arn.clone(),
                    stream_status: stream.status,
                    stream_mode_details: StreamModeDetails { stream_mode: stream.mode },
                    retention_period_hours: stream.retention_hours,
                    stream_creation_timestamp: stream.created_at,
                    enhanced_monitoring: enhanced_monitoring(stream),
                    encryption_type: "NONE",
                    open_shard_count: stream.open.len() as i32,
                    consumer_count: stream.consumers.len() as i32,
                },
            })
        })
    }

    /// `ListStreams`.
    ///
    /// # Errors
    /// AWS's, for bad parameters.
    pub fn list_streams(&mut self, request: ListStreams) -> Result<ListStreamsReply, ApiError> {
        self.call(Operation::ListStreams, None, |cloud, _| {
            let mut constraints = Constraints::default();
            constraints.at_least("limit", request.limit, 1).at_most("limit", request.limit, 10_000);
            constraints.check()?;
            let after = request.next_token.as_ref().or(request.exclusive_start_stream_name.as_ref());
            let from = after.map_or(Bound::Unbounded, Bound::Excluded);
            let limit = request.limit.map_or(100, |limit| limit as usize);
            let mut following =
                cloud.streams.range::<String, _>((from, Bound::Unbounded)).map(|(_, stream)| stream);
            let page: Vec<&Stream> = following.by_ref().take(limit).collect();
            let has_more_streams = following.next().is_some();
            Ok(ListStreamsReply {
                stream_names: page.iter().map(|stream| stream.name.clone()).collect(),
                has_more_streams,
                next_token: page.last().filter(|_| has_more_streams).map(|stream| stream.name.clone()),
                stream_summaries: page
                    .iter()
                    .map(|stream| StreamListEntry {
                        stream_name: stream.name.clone(),
                        stream_arn: stream.arn.clone(),
                        stream_status: stream.status,
                        stream_mode_details: StreamModeDetails { stream_mode: stream.mode },
                        stream_creation_timestamp: stream.created_at,
                    })
                    .collect(),
            })
        })
    }

    /// `DescribeLimits`.
    ///
    /// # Errors
    /// AWS's, above one call a second.
    pub fn describe_limits(&mut self) -> Result<DescribeLimitsReply, ApiError> {
        self.call(Operation::DescribeLimits, None, |cloud, _| {
            let provisioned = cloud.streams.values().filter(|stream| stream.mode == StreamMode::Provisioned);
            Ok(DescribeLimitsReply {
                shard_limit: cloud.config.limits.shards as i32,
                open_shard_count: provisioned.map(|stream| stream.open.len() as i32).sum(),
                on_demand_stream_count: cloud.on_demand_streams() as i32,
                on_demand_stream_count_limit: cloud.config.limits.on_demand_streams as i32,
            })
        })
    }

    /// The stream called `name`.
    pub(super) fn stream(&self, name: &str) -> Result<&Stream, ApiError> {
        self.streams.get(name).ok_or_else(|| self.no_stream(name))
    }

    /// The same, to be changed.
    pub(super) fn stream_mut(&mut self, name: &str) -> Result<&mut Stream, ApiError> {
        let error = self.no_stream(name);
        self.streams.get_mut(name).ok_or(error)
    }

    pub(super) fn no_stream(&self, name: &str) -> ApiError {
        ApiError::new(
            ApiErrorCode::ResourceNotFound,
            format!("Stream {name} under account {} not found.", self.config.account_id),
        )
    }

    /// The stream that a request means, once it has shards: while it is CREATING, whatever concerns
    /// its records says that it is not there.
    pub(super) fn resolve_with_shards(&self, stream: &StreamRef) -> Result<String, ApiError> {
        let name = self.resolve(stream)?;
        match self.stream(&name)?.status {
            StreamStatus::Creating => Err(self.no_stream(&name)),
            _ => Ok(name),
        }
    }
}

/// The shard-level metrics that are on, as descriptions tell of them.
pub(super) fn enhanced_monitoring(stream: &Stream) -> Vec<EnhancedMetrics> {
    let shard_level_metrics = stream.monitored.keys().map(|metric| metric.name().to_owned()).collect();
    vec![EnhancedMetrics { shard_level_metrics }]
}
