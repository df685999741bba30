//! Traffic and consumers of a stream, as the load generator makes them.
//!
//! Traffic is a fluid: a rate over time, spread over the hash-key space by skewed keys, in whole
//! records a second and shard. Consumers are a fluid too: a backlog per shard.

use jiff::{SignedDuration, Timestamp};

mod curve;
pub(crate) mod keys;

pub use curve::{Curve, CurveError, Scale};

/// More than any stream takes: 10,000 shards take 10 GB/s. Sums stay far from overflow below it.
const MOST_BYTES_PER_SECOND: u64 = 1_000_000_000_000;

/// What is written to a stream, and who reads it.
#[derive(Debug, Clone)]
pub struct Workload {
    /// Bytes a second over time.
    pub curve: Curve,
    /// Bytes of a record, partition key included. Default 1,000.
    pub record_bytes: u32,
    /// Records of one shard in a PutRecords call at the most. Default 100.
    pub records_per_put: u32,
    /// How the records' hash keys are spread.
    pub keys: KeySkew,
    /// A part of the traffic that goes to one place.
    pub hot_spot: Option<HotSpot>,
    /// Standard deviation of a second's rate on a shard, as a share of its mean. Default 0.
    pub noise: f64,
    /// Traffic that comes in bursts shorter than a minute.
    pub bursts: Option<Bursts>,
    /// The share of rejected records that their producer puts again a second later. Default 0.
    pub retried_share: f64,
    /// Who reads.
    pub consumers: Vec<Consumer>,
}

impl Workload {
    /// Traffic along `curve` in records of 1,000 bytes with even keys and without consumers.
    pub fn new(curve: Curve) -> Self {
        Workload {
            curve,
            record_bytes: 1_000,
            records_per_put: 100,
            keys: KeySkew::Even,
            hot_spot: None,
            noise: 0.0,
            bursts: None,
            retried_share: 0.0,
            consumers: Vec::new(),
        }
    }

    /// The same with these keys.
    pub fn keys(self, keys: KeySkew) -> Self {
        Workload { keys, ..self }
    }

    /// What is out of bounds, if anything is.
    pub(super) fn check(&self) -> Result<(), String> {
        let share = |name: &str, share: f64| match (0.0..=1.0).contains(&share) {
            true => Ok(()),
            false => Err(format!("the workload's {name} is {share}: it must be from 0 to 1")),
        };
        if self.record_bytes == 0 || self.records_per_put == 0 {
            return Err("the workload's record_bytes and records_per_put must be at least 1".to_owned());
        }
        let peak = self.curve.peak_bytes_per_second();
        if peak > MOST_BYTES_PER_SECOND {
            return Err(format!(
                "the workload's curve peaks at {peak} bytes a second: it must stay at or below {MOST_BYTES_PER_SECOND}"
            ));
        }
        match &self.keys {
            KeySkew::Even => {}
            KeySkew::Zipf { keys, skew } if *keys > 0 && skew.is_finite() && *skew >= 0.0 => {}
            KeySkew::Zipf { keys, skew } => {
                return Err(format!(
                    "the workload has {keys} keys of skew {skew}: there must be at least 1, of a skew of 0 or more"
                ));
            }
            KeySkew::Weighted(keys) => {
                let good = keys.iter().all(|(_, weight)| weight.is_finite() && *weight >= 0.0);
                if !good || keys.iter().all(|(_, weight)| *weight == 0.0) {
                    return Err("the workload's weights must be 0 or more, and one above 0".to_owned());
                }
            }
        }
        if let Some(spot) = &self.hot_spot {
            share("hot spot's share", spot.share)?;
            share("hot spot's width", spot.width)?;
            share("hot spot's position", spot.position.unwrap_or_default())?;
            if spot.moves_every.is_some_and(|every| every <= SignedDuration::ZERO) {
                return Err("the workload's hot spot must stay longer than 0 s".to_owned());
            }
        }
        if !(self.noise.is_finite() && self.noise >= 0.0) {
            return Err(format!("the workload's noise is {}: it must be 0 or more", self.noise));
        }
        if let Some(Bursts { every, length, factor }) = self.bursts {
            let good = (1..every).contains(&length)
                && factor >= 0.0
                && factor * f64::from(length) <= f64::from(every);
            if !good {
                return Err(format!(
                    "the workload's bursts are {factor} times the mean for {length} s out of {every}: the length must \
                     be from 1 to below that, and factor × length at most that"
                ));
            }
        }
        share("retried share", self.retried_share)?;
        for consumer in &self.consumers {
            if let ConsumerKind::Polling { interval } = consumer.kind
                && interval < SignedDuration::from_millis(1)
            {
                return Err(format!(
                    "the consumer {} must poll at an interval of 1 ms or more",
                    consumer.name
                ));
            }
        }
        Ok(())
    }

    /// The same with one more consumer.
    pub fn consumer(mut self, consumer: Consumer) -> Self {
        self.consumers.push(consumer);
        self
    }
}

/// How traffic is spread over the hash-key space.
#[derive(Debug, Clone, PartialEq)]
pub enum KeySkew {
    /// Evenly, as very many keys of the same weight are.
    Even,
    /// Over so many partition keys, the k-th most frequent of which has a weight of k^-skew.
    Zipf {
        /// Partition keys, at least 1.
        keys: u32,
        /// The exponent, 0 for equal weights.
        skew: f64,
    },
    /// Weights of given hash keys.
    Weighted(Vec<(crate::hash_key::HashKey, f64)>),
}

impl KeySkew {
    /// [`KeySkew::Zipf`].
    pub fn zipf(keys: u32, skew: f64) -> Self {
        KeySkew::Zipf { keys, skew }
    }
}

/// A part of the traffic that goes to one place of the hash-key space.
#[derive(Debug, Clone, PartialEq)]
pub struct HotSpot {
    /// The part of the traffic that it takes, 0 to 1.
    pub share: f64,
    /// How much of the space it covers: 0 for a single key, up to 1.
    pub width: f64,
    /// Where it begins, 0 to 1 of the space; `None`: drawn from the seed.
    pub position: Option<f64>,
    /// How long it stays before it moves to a drawn place; `None`: for ever.
    pub moves_every: Option<SignedDuration>,
}

/// Traffic that comes in bursts: on each shard by itself, `length` seconds out of `every` have
/// `factor` times the mean, the others accordingly less, so that the mean stays.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bursts {
    /// Seconds from a burst to the next.
    pub every: u32,
    /// Seconds that a burst lasts.
    pub length: u32,
    /// How many times the mean; `factor × length ≤ every`.
    pub factor: f64,
}

/// A reader of the whole stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Consumer {
    /// The application's, function's or delivery stream's name: its lag metric bears it.
    pub name: String,
    /// How it reads and where its lag is published.
    pub kind: ConsumerKind,
    /// Bytes a second that it can process from one shard; `None`: as fast as it is given them.
    pub bytes_per_second: Option<u64>,
    /// From when on it reads; what was written before is backlog if `from_trim_horizon`.
    pub starts_at: Option<Timestamp>,
    /// Whether it begins at the oldest stored byte (a replay) instead of the newest.
    pub from_trim_horizon: bool,
}

impl Consumer {
    /// A consumer called `name` that has read everything so far and reads as fast as it can.
    pub fn new(name: impl Into<String>, kind: ConsumerKind) -> Self {
        Consumer {
            name: name.into(),
            kind,
            bytes_per_second: None,
            starts_at: None,
            from_trim_horizon: false,
        }
    }
}

/// How a consumer reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConsumerKind {
    /// A KCL application: GetRecords every so often; `MillisBehindLatest` in the namespace of its name.
    Polling {
        /// From one GetRecords call of a shard to the next.
        interval: SignedDuration,
    },
    /// One call a second and shard; `AWS/Firehose KinesisMillisBehindLatest`.
    Firehose,
    /// One call a second and shard; `AWS/Lambda IteratorAge`.
    Lambda,
    /// Outside the shared read limits; `AWS/Kinesis SubscribeToShardEvent.MillisBehindLatest`.
    EnhancedFanOut,
}

/// What the generator has done to a stream since its workload was set, in records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Put, retries included: accepted + rejected.
    pub offered_records: u64,
    /// Taken by a shard.
    pub accepted_records: u64,
    /// Refused by a shard.
    pub rejected_records: u64,
}
