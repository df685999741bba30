//! GetShardIterator and GetRecords.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::super::api::{
    ChildShard, GetRecords, GetRecordsReply, GetShardIterator, GetShardIteratorReply, RecordReply,
    ShardIteratorType, StreamRef,
};
use super::super::fault::Operation;
use super::super::listing::{TOKEN_LIFE, bounds};
use super::super::metrics::minute::CallMetric;
use super::super::stream::{Shard, Stream, shard_id, shard_number};
use super::super::validate::{self, Constraints};
use super::super::{ApiError, ApiErrorCode, Cloud, token};
use super::{Record, SequenceNumber};
use crate::snapshot::ShardMetric;

/// Records in one reply at the most (quota page).
pub(in crate::simulator) const CALL_RECORDS: u64 = 10_000;
/// Bytes in one reply at the most (quota page: 10 MB).
pub(in crate::simulator) const CALL_BYTES: u64 = 10 << 20;
/// What a read of the model takes, in milliseconds: `GetRecords.Latency` needs a value.
pub(in crate::simulator) const LATENCY_MILLISECONDS: f64 = 9.0;

/// What an iterator stands for.
#[derive(Serialize, Deserialize)]
struct Iterator {
    stream: String,
    created_millisecond: i64,
    shard: u32,
    /// The first record that it yields has this counter or a greater one.
    counter: u64,
    issued_millisecond: i64,
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(ApiErrorCode::InvalidArgument, message)
}

impl Cloud {
    /// `GetShardIterator`: good for 300 s.
    ///
    /// # Errors
    /// AWS's, for parameters that do not fit the type, no such shard, or more than 5 calls a second.
    pub fn get_shard_iterator(
        &mut self,
        request: GetShardIterator,
    ) -> Result<GetShardIteratorReply, ApiError> {
        let stream = request.stream.clone();
        self.call(Operation::GetShardIterator, Some(&stream), |cloud, _| {
            Constraints::default().stream(&request.stream).shard_id("shardId", &request.shard_id).check()?;
            let name = cloud.resolve_with_shards(&request.stream)?;
            let (now, account) = (cloud.now, cloud.config.account_id.clone());
            let limited = cloud.config.limits.read_rates;
            let stream = cloud.stream_mut(&name)?;
            let index = shard_number(&request.shard_id).and_then(|number| stream.index_of(number));
            let index = index.ok_or_else(|| {
                ApiError::new(
                    ApiErrorCode::ResourceNotFound,
                    format!(
                        "Shard {} in stream {name} under account {account} does not exist",
                        request.shard_id
                    ),
                )
            })?;
            let created_millisecond = stream.created_at.as_millisecond();
            let shard = &mut stream.shards[index];
            let counter = first_counter(&request, shard, &name, &account, now)?;
            if limited && !shard.iterator_calls.take(now, 1) {
                return Err(rate_exceeded(shard, &name, &account));
            }
            let iterator = Iterator {
                stream: name,
                created_millisecond,
                shard: shard.number,
                counter,
                issued_millisecond: now.as_millisecond(),
            };
            Ok(GetShardIteratorReply { shard_iterator: token::encode(&iterator) })
        })
    }

    /// `GetRecords`: records that clients put; the load generator's fluid has none.
    ///
    /// # Errors
    /// AWS's, for an iterator that has expired or is none, or a shard whose read rate is used up.
    pub fn get_records(&mut self, request: GetRecords) -> Result<GetRecordsReply, ApiError> {
        let iterator: Option<Iterator> = token::decode(&request.shard_iterator);
        let stream = iterator.as_ref().map(|iterator| StreamRef::name(&iterator.stream));
        self.call(Operation::GetRecords, stream.as_ref(), |cloud, _| {
            let mut constraints = Constraints::default();
            constraints.at_least("limit", request.limit, 1).at_most(
                "limit",
                request.limit,
                CALL_RECORDS as i32,
            );
            constraints.check()?;
            let iterator = iterator.ok_or_else(|| invalid("Invalid ShardIterator."))?;
            let name = iterator.stream.clone();
            if let Some(arn) = &request.stream_arn
                && validate::stream_name(&StreamRef::arn(arn), &cloud.config)? != name
            {
                return Err(invalid("Invalid ShardIterator."));
            }
            let now = cloud.now;
            let age = now.as_millisecond().saturating_sub(iterator.issued_millisecond);
            if age > TOKEN_LIFE.as_millis() as i64 {
                return Err(expired(iterator.issued_millisecond, now));
            }
            let (account, limited) = (cloud.config.account_id.clone(), cloud.config.limits.read_rates);
            let stream = cloud.stream_mut(&name)?;
            let index = stream.index_of(iterator.shard);
            let same = stream.created_at.as_millisecond() == iterator.created_millisecond;
            let Some(index) = index.filter(|_| same) else {
                return Err(ApiError::new(
                    ApiErrorCode::ResourceNotFound,
                    format!(
                        "Shard {} in stream {name} under account {account} does not exist",
                        shard_id(iterator.shard)
                    ),
                ));
            };
            stream.dirty = true;
            let shard = &mut stream.shards[index];
            let throttled =
                limited && !(shard.read_calls.take(now, 1) && shard.read_bytes.available(now) > 0);
            shard
                .minute
                .of(ShardMetric::ReadProvisionedThroughputExceeded)
                .add(f64::from(u8::from(throttled)));
            stream.minute.of(CallMetric::GetRecordsSuccess).add(f64::from(u8::from(!throttled)));
            stream.minute.of(CallMetric::GetRecordsLatency).add(LATENCY_MILLISECONDS);
            if throttled {
                return Err(rate_exceeded(shard, &name, &account));
            }
            Ok(stream.read(index, &iterator, &request, now, limited))
        })
    }
}

impl Stream {
    fn read(
        &mut self,
        index: usize,
        iterator: &Iterator,
        request: &GetRecords,
        now: Timestamp,
        limited: bool,
    ) -> GetRecordsReply {
        let shard = &mut self.shards[index];
        let most = request.limit.map_or(CALL_RECORDS, |limit| u64::from(limit.unsigned_abs()));
        let log = &shard.records.records;
        let first = log.partition_point(|record| record.counter < iterator.counter);
        let (mut bytes, mut end) = (0, first);
        while end < log.len() && ((end - first) as u64) < most {
            let size = log[end].bytes();
            if end > first && bytes + size > CALL_BYTES {
                break;
            }
            bytes += size;
            end += 1;
        }
        let read = log.range(first..end);
        let at_tip = end == log.len();
        let last = read.clone().next_back();
        let behind = |record: &Record| (now.as_millisecond() - record.arrived_at.as_millisecond()).max(0);
        // Without a record read, the iterator stands at the tip.
        let age = last.map_or(0, behind);
        let millis_behind_latest = if at_tip { 0 } else { age };
        let counter = last.map_or(iterator.counter, |record| record.counter + 1);
        let number = shard.number;
        let records: Vec<RecordReply> = read
            .map(|record| RecordReply {
                sequence_number: SequenceNumber {
                    millisecond: record.arrived_at.as_millisecond(),
                    shard: number,
                    counter: record.counter,
                }
                .to_string(),
                approximate_arrival_timestamp: record.arrived_at,
                data: record.data.clone(),
                partition_key: record.partition_key.clone(),
                encryption_type: "NONE",
            })
            .collect();
        if limited {
            shard.read_bytes.spend(bytes);
        }
        let count = records.len() as f64;
        shard.minute.of(ShardMetric::OutgoingBytes).add(bytes as f64);
        shard.minute.of(ShardMetric::OutgoingRecords).add(count);
        shard.minute.of(ShardMetric::IteratorAgeMilliseconds).add(age as f64);
        self.minute.of(CallMetric::GetRecordsBytes).add(bytes as f64);
        self.minute.of(CallMetric::GetRecordsRecords).add(count);
        self.minute.of(CallMetric::GetRecordsIteratorAge).add(age as f64);
        let ended = shard.closed_at.is_some() && at_tip;
        let next_shard_iterator = (!ended).then(|| {
            token::encode(&Iterator {
                stream: iterator.stream.clone(),
                created_millisecond: iterator.created_millisecond,
                shard: number,
                counter,
                issued_millisecond: now.as_millisecond(),
            })
        });
        let child_shards = if ended { self.children_of(number) } else { Vec::new() };
        GetRecordsReply { records, next_shard_iterator, millis_behind_latest, child_shards }
    }

    fn children_of(&self, number: u32) -> Vec<ChildShard> {
        let children = self.shards.iter().filter(|shard| shard.parents().any(|parent| parent == number));
        children
            .map(|shard| ChildShard {
                shard_id: shard.id(),
                parent_shards: shard.parents().map(shard_id).collect(),
                hash_key_range: bounds(shard.range),
            })
            .collect()
    }
}

/// Where an iterator of the requested type starts.
fn first_counter(
    request: &GetShardIterator,
    shard: &Shard,
    name: &str,
    account: &str,
    now: Timestamp,
) -> Result<u64, ApiError> {
    use ShardIteratorType::{AfterSequenceNumber, AtSequenceNumber, AtTimestamp, Latest, TrimHorizon};
    let id = shard.id();
    let kind = request.shard_iterator_type;
    match (kind, &request.starting_sequence_number) {
        (TrimHorizon, None) => Ok(0),
        (Latest, None) => Ok(shard.records.next_counter()),
        (AtTimestamp, None) => {
            let at = request.timestamp.ok_or_else(|| {
                invalid(
                    "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request \
                     has no timestamp parameter.",
                )
            })?;
            if at > now {
                return Err(invalid(format!(
                    "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. \
                     timestampInMillis: {}, currentTimestampInMillis: {}",
                    at.as_millisecond(),
                    now.as_millisecond()
                )));
            }
            let log = &shard.records.records;
            let first = log.partition_point(|record| record.arrived_at < at);
            Ok(log.get(first).map_or(shard.records.next_counter(), |record| record.counter))
        }
        (AtSequenceNumber | AfterSequenceNumber, Some(text)) => {
            let number: SequenceNumber = text.parse().map_err(|()| {
                invalid(format!(
                    "StartingSequenceNumber {text} used in GetShardIterator on shard {id} in stream {name} under \
                     account {account} is invalid."
                ))
            })?;
            if number.shard != shard.number {
                return Err(invalid(format!(
                    "Invalid StartingSequenceNumber. It encodes {}, while it was used in a call to a shard with {id}",
                    shard_id(number.shard)
                )));
            }
            if number < shard.starting_sequence_number() {
                return Err(invalid(format!(
                    "StartingSequenceNumber {text} used in GetShardIterator on shard {id} in stream {name} under \
                     account {account} is invalid because it did not come from this stream."
                )));
            }
            Ok(number.counter.saturating_add(u64::from(kind == AfterSequenceNumber)))
        }
        (_, given) => Err(invalid(format!(
            "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (2) \
             TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified {} and {}.",
            serde_json::to_value(kind).ok().as_ref().and_then(|name| name.as_str()).unwrap_or_default(),
            if given.is_some() { "also a StartingSequenceNumber" } else { "no StartingSequenceNumber" }
        ))),
    }
}

fn rate_exceeded(shard: &Shard, name: &str, account: &str) -> ApiError {
    ApiError::new(
        ApiErrorCode::ProvisionedThroughputExceeded,
        format!("Rate exceeded for shard {} in stream {name} under account {account}.", shard.id()),
    )
}

fn expired(issued_millisecond: i64, now: Timestamp) -> ApiError {
    let issued = Timestamp::from_millisecond(issued_millisecond).unwrap_or(now);
    // "Thu Jan 22 01:22:02 UTC 2015"
    let text = |at: Timestamp| at.to_zoned(TimeZone::UTC).strftime("%a %b %d %H:%M:%S UTC %Y").to_string();
    ApiError::new(
        ApiErrorCode::ExpiredIterator,
        format!(
            "Iterator expired. The iterator was created at time {} while right now it is {} which is further in the \
             future than the tolerated delay of 300000 milliseconds.",
            text(issued),
            text(now)
        ),
    )
}
