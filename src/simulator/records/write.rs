//! PutRecord and PutRecords.

use jiff::Timestamp;

use super::super::api::{PutRecord, PutRecordReply, PutRecords, PutRecordsReply, PutRecordsResult};
use super::super::fault::Operation;
use super::super::metrics::minute::CallMetric;
use super::super::stream::Stream;
use super::super::validate::Constraints;
use super::super::workload::keys::hash_of;
use super::super::{ApiError, ApiErrorCode, Cloud, Config};
use super::SequenceNumber;
use crate::hash_key::HashKey;
use crate::snapshot::ShardMetric;

/// Records in one PutRecords call at the most (API reference).
const RECORDS: usize = 500;
/// Bytes in one PutRecords call at the most, partition keys included (API reference: 10 MiB).
const CALL_BYTES: usize = 10 << 20;
/// What a write of the model takes, in milliseconds: `PutRecord.Latency` needs a value.
pub(in crate::simulator) const LATENCY_MILLISECONDS: f64 = 12.0;

impl Cloud {
    /// `PutRecord`.
    ///
    /// # Errors
    /// AWS's, if the record is not allowed or the shard's write rate is used up.
    pub fn put_record(&mut self, request: PutRecord) -> Result<PutRecordReply, ApiError> {
        let stream = request.stream.clone();
        self.call(Operation::PutRecord, Some(&stream), |cloud, _| {
            let mut constraints = Constraints::default();
            constraints.stream(&request.stream);
            check_record(&mut constraints, &request.partition_key, &request.data, &cloud.config);
            constraints.check()?;
            let key = hash_key(&request.partition_key, request.explicit_hash_key.as_deref())?;
            let name = cloud.resolve_with_shards(&request.stream)?;
            let account = cloud.config.account_id.clone();
            if let Some(text) = &request.sequence_number_for_ordering
                && text.parse::<SequenceNumber>().is_err()
            {
                return Err(ApiError::new(
                    ApiErrorCode::InvalidArgument,
                    format!(
                        "ExclusiveMinimumSequenceNumber {text} used in PutRecord on stream {name} under account \
                         {account} is invalid."
                    ),
                ));
            }
            let (now, config) = (cloud.now, &cloud.config);
            let stream = cloud.streams.get_mut(&name).expect("the name was resolved");
            let bytes = (request.data.len() + request.partition_key.len()) as f64;
            let put = stream.put(key, request.partition_key, request.data, now, config);
            if put.is_ok() {
                stream.minute.of(CallMetric::PutRecordBytes).add(bytes);
            }
            stream.minute.of(CallMetric::PutRecordLatency).add(LATENCY_MILLISECONDS);
            stream.minute.of(CallMetric::PutRecordSuccess).add(f64::from(u8::from(put.is_ok())));
            let (shard_id, sequence_number) = put?;
            Ok(PutRecordReply { shard_id, sequence_number, encryption_type: "NONE" })
        })
    }

    /// `PutRecords`: records fail one by one.
    ///
    /// # Errors
    /// AWS's, if the request as a whole is not allowed.
    pub fn put_records(&mut self, request: PutRecords) -> Result<PutRecordsReply, ApiError> {
        let stream = request.stream.clone();
        self.call(Operation::PutRecords, Some(&stream), |cloud, _| {
            let count = request.records.len();
            let mut constraints = Constraints::default();
            constraints.stream(&request.stream);
            constraints.at_least("records", Some(count as i32), 1).at_most(
                "records",
                Some(count as i32),
                RECORDS as i32,
            );
            for record in &request.records {
                check_record(&mut constraints, &record.partition_key, &record.data, &cloud.config);
            }
            constraints.check()?;
            let size = |data: &Vec<u8>, key: &String| data.len() + key.len();
            let total: usize =
                request.records.iter().map(|record| size(&record.data, &record.partition_key)).sum();
            if total > CALL_BYTES {
                let message = format!("Records size exceeds {} MB limit", CALL_BYTES >> 20);
                return Err(ApiError::new(ApiErrorCode::InvalidArgument, message));
            }
            let keys = request
                .records
                .iter()
                .map(|record| hash_key(&record.partition_key, record.explicit_hash_key.as_deref()))
                .collect::<Result<Vec<_>, _>>()?;
            let name = cloud.resolve_with_shards(&request.stream)?;
            let (now, config) = (cloud.now, &cloud.config);
            let stream = cloud.streams.get_mut(&name).expect("the name was resolved");
            let (mut bytes, mut failed) = (0, 0);
            let mut records = Vec::with_capacity(count);
            for (record, key) in request.records.into_iter().zip(keys) {
                let size = size(&record.data, &record.partition_key);
                records.push(match stream.put(key, record.partition_key, record.data, now, config) {
                    Ok((shard_id, sequence_number)) => {
                        bytes += size;
                        PutRecordsResult {
                            shard_id: Some(shard_id),
                            sequence_number: Some(sequence_number),
                            ..PutRecordsResult::default()
                        }
                    }
                    Err(error) => {
                        failed += 1;
                        PutRecordsResult {
                            error_code: Some(error.code.name().to_owned()),
                            error_message: Some(error.message),
                            ..PutRecordsResult::default()
                        }
                    }
                });
            }
            stream.count_put_records(1, count as u64, failed, bytes as u64);
            Ok(PutRecordsReply { failed_record_count: failed as i32, records, encryption_type: "NONE" })
        })
    }
}

impl Stream {
    /// Notes `calls` PutRecords calls that came to so many records, rejected ones, and bytes taken.
    pub fn count_put_records(&mut self, calls: u64, records: u64, rejected: u64, bytes: u64) {
        let taken = records - rejected;
        let minute = &mut self.minute;
        let mut note = |metric, total: f64| minute.of(metric).add_spread(total, calls);
        if taken > 0 {
            note(CallMetric::PutRecordsBytes, bytes as f64);
        }
        note(CallMetric::PutRecordsLatency, LATENCY_MILLISECONDS * calls as f64);
        note(CallMetric::PutRecordsSuccess, if taken > 0 { calls as f64 } else { 0.0 });
        note(CallMetric::PutRecordsTotal, records as f64);
        note(CallMetric::PutRecordsSuccessful, taken as f64);
        note(CallMetric::PutRecordsFailed, 0.0);
        note(CallMetric::PutRecordsThrottled, rejected as f64);
    }

    /// Stores a record in the shard that owns `key`, if its rate allows.
    fn put(
        &mut self,
        key: HashKey,
        partition_key: String,
        data: Vec<u8>,
        now: Timestamp,
        config: &Config,
    ) -> Result<(String, String), ApiError> {
        let at = self.owner_of(key).expect("a stream with shards has one for every key");
        let shard = &mut self.shards[at];
        let bytes = (data.len() + partition_key.len()) as u64;
        self.dirty = true;
        let room = !config.limits.write_rates
            || shard.write_bytes.available(now) >= bytes && shard.write_records.available(now) >= 1;
        let rejected = f64::from(u8::from(!room));
        shard.minute.of(ShardMetric::WriteProvisionedThroughputExceeded).add(rejected);
        if !room {
            return Err(ApiError::new(
                ApiErrorCode::ProvisionedThroughputExceeded,
                format!(
                    "Rate exceeded for shard {} in stream {} under account {}.",
                    shard.id(),
                    self.name,
                    config.account_id
                ),
            ));
        }
        if config.limits.write_rates {
            shard.write_bytes.spend(bytes);
            shard.write_records.spend(1);
        }
        shard.minute.of(ShardMetric::IncomingBytes).add(bytes as f64);
        shard.minute.of(ShardMetric::IncomingRecords).add(1.0);
        shard.arrivals.write(bytes, now);
        let counter = shard.records.push(now, partition_key, data);
        let number = SequenceNumber { millisecond: now.as_millisecond(), shard: shard.number, counter };
        let reply = (shard.id(), number.to_string());
        self.stored_bytes += bytes;
        while self.stored_bytes > config.record_memory_bytes {
            self.drop_oldest();
        }
        Ok(reply)
    }

    fn drop_oldest(&mut self) {
        let oldest = |shard: &&mut super::super::stream::Shard| {
            shard.records.records.front().map_or(Timestamp::MAX, |record| record.arrived_at)
        };
        if let Some(shard) = self.shards.iter_mut().min_by_key(oldest) {
            let before = shard.records.bytes();
            shard.records.pop();
            self.stored_bytes -= before - shard.records.bytes();
        }
    }
}

fn check_record(constraints: &mut Constraints, partition_key: &str, data: &[u8], config: &Config) {
    constraints.length("partitionKey", partition_key, 1, 256);
    let most = config.limits.record_bytes;
    if data.len() + partition_key.len() > most {
        constraints.too_long("data", most);
    }
}

/// The key that AWS hashes a record to: MD5 of the partition key, big-endian, or the one it names.
fn hash_key(partition_key: &str, explicit: Option<&str>) -> Result<HashKey, ApiError> {
    let Some(text) = explicit else {
        return Ok(hash_of(partition_key));
    };
    text.parse().map_err(|_| {
        ApiError::new(
            ApiErrorCode::InvalidArgument,
            format!(
                "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was \
                 {text}"
            ),
        )
    })
}
