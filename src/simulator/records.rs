//! Records that clients put, one by one, and the sequence numbers they get.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

mod read;
mod write;

pub(super) use read::{CALL_BYTES, CALL_RECORDS, LATENCY_MILLISECONDS as READ_LATENCY_MILLISECONDS};

/// A record's sequence number: it grows with time, and within a moment with every record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SequenceNumber {
    pub millisecond: i64,
    pub shard: u32,
    pub counter: u64,
}

impl fmt::Display for SequenceNumber {
    /// 56 digits, as AWS's have.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "49{:015}{:012}{:027}", self.millisecond, self.shard, self.counter)
    }
}

impl FromStr for SequenceNumber {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let part = |from, to| text.get(from..to).ok_or(());
        if text.len() != 56 || part(0, 2)? != "49" || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(());
        }
        Ok(SequenceNumber {
            millisecond: part(2, 17)?.parse().map_err(|_| ())?,
            shard: part(17, 29)?.parse().map_err(|_| ())?,
            counter: part(29, 56)?.parse().map_err(|_| ())?,
        })
    }
}

/// A stored record.
#[derive(Debug, Clone)]
struct Record {
    counter: u64,
    arrived_at: Timestamp,
    partition_key: String,
    data: Vec<u8>,
}

impl Record {
    /// What counts against a shard's rates: data and partition key.
    fn bytes(&self) -> u64 {
        (self.data.len() + self.partition_key.len()) as u64
    }
}

/// The stored records of a shard in the order of their arrival.
#[derive(Debug, Default)]
pub(super) struct RecordLog {
    records: VecDeque<Record>,
    bytes: u64,
    last_counter: u64,
}

impl RecordLog {
    fn push(&mut self, arrived_at: Timestamp, partition_key: String, data: Vec<u8>) -> u64 {
        self.last_counter += 1;
        let record = Record { counter: self.last_counter, arrived_at, partition_key, data };
        self.bytes += record.bytes();
        self.records.push_back(record);
        self.last_counter
    }

    fn pop(&mut self) {
        if let Some(record) = self.records.pop_front() {
            self.bytes -= record.bytes();
        }
    }

    /// Drops what arrived before `horizon`.
    pub fn trim(&mut self, horizon: Timestamp) {
        while self.records.front().is_some_and(|record| record.arrived_at < horizon) {
            self.pop();
        }
    }

    /// Bytes that are stored.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The counter of the next record; the first is 1.
    pub fn next_counter(&self) -> u64 {
        self.last_counter + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_number_is_read_as_it_is_written_and_grows() {
        let number = SequenceNumber { millisecond: 1_767_225_600_000, shard: 3, counter: 12 };
        let text = number.to_string();
        assert_eq!((text.len(), text.parse()), (56, Ok(number)));
        let later = SequenceNumber { millisecond: 1_767_225_600_001, shard: 0, counter: 1 };
        assert!(later > number && later.to_string() > text);
        for wrong in ["", "49", &text[1..], &text.replace("49", "50"), &text.replace('3', "x")] {
            assert_eq!(wrong.parse::<SequenceNumber>(), Err(()), "{wrong}");
        }
    }
}
