//! What can be set on a stream beside its shards: mode, retention, monitoring, tags, consumers.

use std::collections::{BTreeMap, BTreeSet};

use super::api::{
    AddTagsToStream, ChangeEnhancedMonitoring, ChangeEnhancedMonitoringReply, ChangeStreamRetentionPeriod,
    ConsumerDescription, DeregisterStreamConsumer, ListStreamConsumers, ListStreamConsumersReply,
    ListTagsForStream, ListTagsForStreamReply, RegisterStreamConsumer, RegisterStreamConsumerReply,
    RemoveTagsFromStream, StreamRef, Tag, UpdateStreamMode,
};
use super::fault::Operation;
use super::reshard::{Change, forget_before_a_day};
use super::validate::Constraints;
use super::{ApiError, ApiErrorCode, Cloud};
use crate::snapshot::ShardMetric;
use crate::stream::StreamMode;

/// Tags of a stream at the most (API reference).
const TAGS: usize = 50;
/// Enhanced fan-out consumers of a stream at the most (quota page).
const CONSUMERS: usize = 20;
/// The shortest and the longest retention in hours (API reference).
const RETENTION_HOURS: (i32, i32) = (24, 8_760);

impl Cloud {
    /// `UpdateStreamMode`.
    ///
    /// # Errors
    /// AWS's, if the stream is not ACTIVE or has been switched twice in 24 h.
    pub fn update_stream_mode(&mut self, request: UpdateStreamMode) -> Result<(), ApiError> {
        let stream = StreamRef::arn(&request.stream_arn);
        self.call(Operation::UpdateStreamMode, Some(&stream), |cloud, struck| {
            let name = cloud.resolve(&stream)?;
            cloud.require_active(cloud.stream(&name)?)?;
            let (now, mode) = (cloud.now, request.stream_mode_details.stream_mode);
            if mode == cloud.stream(&name)?.mode {
                return Ok(());
            }
            if mode == StreamMode::OnDemand {
                cloud.room_for_on_demand()?;
            }
            let (account, limit) = (cloud.config.account_id.clone(), cloud.config.limits.mode_switches_per_day);
            let stream = cloud.stream_mut(&name)?;
            forget_before_a_day(&mut stream.mode_switches, now);
            if limit.is_some_and(|limit| stream.mode_switches.len() >= limit as usize) {
                return Err(ApiError::new(
                    ApiErrorCode::LimitExceeded,
                    format!(
                        "Stream {name} under account {account} has switched its capacity mode {} times in the last \
                         24 hours, which is the limit.",
                        stream.mode_switches.len()
                    ),
                ));
            }
            stream.mode_switches.push_back(now);
            stream.mode = mode;
            cloud.begin(&name, Change::Settings, cloud.config.timings.other_update, struck);
            Ok(())
        })
    }

    /// `IncreaseStreamRetentionPeriod`.
    ///
    /// # Errors
    /// AWS's, if the period is shorter than it is, or out of bounds.
    pub fn increase_stream_retention_period(
        &mut self,
        request: ChangeStreamRetentionPeriod,
    ) -> Result<(), ApiError> {
        self.change_retention(Operation::IncreaseStreamRetentionPeriod, request, "shorter", |wanted, is| {
            wanted < is
        })
    }

    /// `DecreaseStreamRetentionPeriod`.
    ///
    /// # Errors
    /// AWS's, if the period is longer than it is, or out of bounds.
    pub fn decrease_stream_retention_period(
        &mut self,
        request: ChangeStreamRetentionPeriod,
    ) -> Result<(), ApiError> {
        self.change_retention(Operation::DecreaseStreamRetentionPeriod, request, "longer", |wanted, is| {
            wanted > is
        })
    }

    fn change_retention(
        &mut self,
        operation: Operation,
        request: ChangeStreamRetentionPeriod,
        wrong: &str,
        is_wrong: fn(i32, i32) -> bool,
    ) -> Result<(), ApiError> {
        let stream = request.stream.clone();
        self.call(operation, Some(&stream), |cloud, struck| {
            let name = cloud.resolve(&request.stream)?;
            let stream = cloud.stream(&name)?;
            cloud.require_active(stream)?;
            let (hours, is) = (request.retention_period_hours, stream.retention_hours);
            let (least, most) = RETENTION_HOURS;
            let refused = if hours < least {
                Some(format!(
                    "Minimum allowed retention period is {least} hours. Requested retention period ({hours} hours) \
                     is too short."
                ))
            } else if hours > most {
                Some(format!(
                    "Maximum allowed retention period is {most} hours. Requested retention period ({hours} hours) \
                     is too long."
                ))
            } else if is_wrong(hours, is) {
                Some(format!(
                    "Requested retention period ({hours} hours) for stream {name} can not be {wrong} than existing \
                     retention period ({is} hours)."
                ))
            } else {
                None
            };
            if let Some(message) = refused {
                return Err(ApiError::new(ApiErrorCode::InvalidArgument, message));
            }
            cloud.stream_mut(&name)?.retention_hours = hours;
            cloud.begin(&name, Change::Settings, cloud.config.timings.other_update, struck);
            Ok(())
        })
    }

    /// `EnableEnhancedMonitoring`. Turning on what is on changes nothing.
    ///
    /// # Errors
    /// AWS's, for metrics that are none of the seven, or a stream that is not ACTIVE.
    pub fn enable_enhanced_monitoring(
        &mut self,
        request: ChangeEnhancedMonitoring,
    ) -> Result<ChangeEnhancedMonitoringReply, ApiError> {
        self.change_monitoring(Operation::EnableEnhancedMonitoring, request)
    }

    /// `DisableEnhancedMonitoring`.
    ///
    /// # Errors
    /// AWS's, for metrics that are none of the seven, or a stream that is not ACTIVE.
    pub fn disable_enhanced_monitoring(
        &mut self,
        request: ChangeEnhancedMonitoring,
    ) -> Result<ChangeEnhancedMonitoringReply, ApiError> {
        self.change_monitoring(Operation::DisableEnhancedMonitoring, request)
    }

    fn change_monitoring(
        &mut self,
        operation: Operation,
        request: ChangeEnhancedMonitoring,
    ) -> Result<ChangeEnhancedMonitoringReply, ApiError> {
        let stream = request.stream.clone();
        self.call(operation, Some(&stream), |cloud, struck| {
            let named = named_metrics(&request.shard_level_metrics)?;
            let name = cloud.resolve(&request.stream)?;
            cloud.require_active(cloud.stream(&name)?)?;
            let now = cloud.now;
            let stream = cloud.stream_mut(&name)?;
            let names = |metrics: &BTreeMap<ShardMetric, jiff::Timestamp>| {
                metrics.keys().map(|metric| metric.name().to_owned()).collect::<Vec<_>>()
            };
            let before = names(&stream.monitored);
            for metric in named {
                if operation == Operation::EnableEnhancedMonitoring {
                    stream.monitored.entry(metric).or_insert(now);
                } else {
                    stream.monitored.remove(&metric);
                }
            }
            let after = names(&stream.monitored);
            let arn = stream.arn.clone();
            if before != after {
                cloud.begin(&name, Change::Settings, cloud.config.timings.other_update, struck);
            }
            Ok(ChangeEnhancedMonitoringReply {
                stream_name: name,
                stream_arn: arn,
                current_shard_level_metrics: before,
                desired_shard_level_metrics: after,
            })
        })
    }

    /// `AddTagsToStream`.
    ///
    /// # Errors
    /// AWS's, above 50 tags or for keys and values that are too long.
    pub fn add_tags_to_stream(&mut self, request: AddTagsToStream) -> Result<(), ApiError> {
        let stream = request.stream.clone();
        self.call(Operation::AddTagsToStream, Some(&stream), |cloud, _| {
            check_tags(&request.tags)?;
            let name = cloud.resolve(&request.stream)?;
            let stream = cloud.stream_mut(&name)?;
            let new = request.tags.keys().filter(|key| !stream.tags.contains_key(*key)).count();
            if stream.tags.len() + new > TAGS {
                return Err(ApiError::new(
                    ApiErrorCode::InvalidArgument,
                    format!("Failed to add tags to stream {name}: a given stream cannot have more than {TAGS} tags."),
                ));
            }
            stream.tags.extend(request.tags);
            Ok(())
        })
    }

    /// `RemoveTagsFromStream`. Removing what is not there changes nothing.
    ///
    /// # Errors
    /// AWS's, if there is no such stream.
    pub fn remove_tags_from_stream(&mut self, request: RemoveTagsFromStream) -> Result<(), ApiError> {
        let stream = request.stream.clone();
        self.call(Operation::RemoveTagsFromStream, Some(&stream), |cloud, _| {
            let name = cloud.resolve(&request.stream)?;
            cloud.stream_mut(&name)?.tags.retain(|key, _| !request.tag_keys.contains(key));
            Ok(())
        })
    }

    /// `ListTagsForStream`.
    ///
    /// # Errors
    /// AWS's, if there is no such stream.
    pub fn list_tags_for_stream(
        &mut self,
        request: ListTagsForStream,
    ) -> Result<ListTagsForStreamReply, ApiError> {
        let stream = request.stream.clone();
        self.call(Operation::ListTagsForStream, Some(&stream), |cloud, _| {
            let mut constraints = Constraints::default();
            constraints.at_least("limit", request.limit, 1).at_most("limit", request.limit, TAGS as i32);
            constraints.check()?;
            let name = cloud.resolve(&request.stream)?;
            let after = request.exclusive_start_tag_key.unwrap_or_default();
            let mut following = cloud.stream(&name)?.tags.iter().filter(|(key, _)| **key > after);
            let limit = request.limit.map_or(TAGS, |limit| limit as usize);
            let tag = |(key, value): (&String, &String)| Tag { key: key.clone(), value: value.clone() };
            let tags = following.by_ref().take(limit).map(tag).collect();
            Ok(ListTagsForStreamReply { tags, has_more_tags: following.next().is_some() })
        })
    }

    /// `RegisterStreamConsumer`: ACTIVE at once.
    ///
    /// # Errors
    /// AWS's, if the name is taken or there are 20.
    pub fn register_stream_consumer(
        &mut self,
        request: RegisterStreamConsumer,
    ) -> Result<RegisterStreamConsumerReply, ApiError> {
        let stream = StreamRef::arn(&request.stream_arn);
        self.call(Operation::RegisterStreamConsumer, Some(&stream), |cloud, _| {
            Constraints::default().name("consumerName", &request.consumer_name).check()?;
            let name = cloud.resolve(&stream)?;
            let (now, account) = (cloud.now, cloud.config.account_id.clone());
            let stream = cloud.stream_mut(&name)?;
            let consumer = &request.consumer_name;
            if stream.consumers.contains_key(consumer) {
                return Err(ApiError::new(
                    ApiErrorCode::ResourceInUse,
                    format!("Consumer {consumer} under stream {name} already exists for account {account}."),
                ));
            }
            if stream.consumers.len() >= CONSUMERS {
                return Err(ApiError::new(
                    ApiErrorCode::LimitExceeded,
                    format!(
                        "Stream {name} under account {account} has {CONSUMERS} consumers, which is the limit."
                    ),
                ));
            }
            stream.consumers.insert(consumer.clone(), now);
            Ok(RegisterStreamConsumerReply { consumer: describe_consumer(&stream.arn, consumer, now) })
        })
    }

    /// `DeregisterStreamConsumer`, by stream and name.
    ///
    /// # Errors
    /// AWS's, if there is no such consumer.
    pub fn deregister_stream_consumer(&mut self, request: DeregisterStreamConsumer) -> Result<(), ApiError> {
        let stream = StreamRef::arn(&request.stream_arn);
        self.call(Operation::DeregisterStreamConsumer, Some(&stream), |cloud, _| {
            let name = cloud.resolve(&stream)?;
            let (account, consumer) = (cloud.config.account_id.clone(), &request.consumer_name);
            match cloud.stream_mut(&name)?.consumers.remove(consumer) {
                Some(_) => Ok(()),
                None => Err(ApiError::new(
                    ApiErrorCode::ResourceNotFound,
                    format!("Consumer {consumer} under stream {name} not found for account {account}."),
                )),
            }
        })
    }

    /// `ListStreamConsumers`; all of them in one page.
    ///
    /// # Errors
    /// AWS's, if there is no such stream.
    pub fn list_stream_consumers(
        &mut self,
        request: ListStreamConsumers,
    ) -> Result<ListStreamConsumersReply, ApiError> {
        let stream = StreamRef::arn(&request.stream_arn);
        self.call(Operation::ListStreamConsumers, Some(&stream), |cloud, _| {
            let name = cloud.resolve(&stream)?;
            let stream = cloud.stream(&name)?;
            let consumers = stream.consumers.iter();
            let consumers =
                consumers.map(|(name, &since)| describe_consumer(&stream.arn, name, since)).collect();
            Ok(ListStreamConsumersReply { consumers })
        })
    }
}

fn describe_consumer(stream_arn: &str, name: &str, since: jiff::Timestamp) -> ConsumerDescription {
    ConsumerDescription {
        consumer_name: name.to_owned(),
        consumer_arn: format!("{stream_arn}/consumer/{name}:{}", since.as_second()),
        consumer_status: "ACTIVE",
        consumer_creation_timestamp: since,
    }
}

fn named_metrics(names: &[String]) -> Result<BTreeSet<ShardMetric>, ApiError> {
    if names.is_empty() {
        let message = "1 validation error detected: Value '[]' at 'shardLevelMetrics' failed to satisfy constraint: \
                       Member must have length greater than or equal to 1";
        return Err(ApiError::new(ApiErrorCode::Validation, message));
    }
    let mut named = BTreeSet::new();
    for name in names {
        match ShardMetric::ALL.into_iter().find(|metric| metric.name() == name) {
            Some(metric) => drop(named.insert(metric)),
            None if name == "ALL" => named.extend(ShardMetric::ALL),
            None => {
                let mut words: Vec<&str> = ShardMetric::ALL.iter().map(|metric| metric.name()).collect();
                words.push("ALL");
                Constraints::default().one_of("shardLevelMetrics", name, &words).check()?;
            }
        }
    }
    Ok(named)
}

/// Keys of 1 to 128 and values of up to 256 characters (API reference).
pub(super) fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), ApiError> {
    let mut constraints = Constraints::default();
    for (key, value) in tags {
        constraints.length("tags", key, 1, 128).length("tags", value, 0, 256);
    }
    constraints.check()
}
