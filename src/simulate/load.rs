//! The load: what producers offer in each tick, in shard-units, and over which hash keys.

use jiff::{SignedDuration, Timestamp};

use super::trace::Trace;
use crate::cost::{self, Money, Prices};
use crate::hash_key::{HashKey, HashKeyRange};
use crate::quota::{SHARD_WRITE_BYTES_PER_SECOND, SHARD_WRITE_RECORDS_PER_SECOND};
use crate::simulator::dice;
use crate::simulator::workload::KeySkew;
use crate::simulator::workload::keys::{KeyIndex, hash_of};

/// How a trace becomes a load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoadOptions {
    /// Seconds of a tick, a part of a minute.
    pub tick_seconds: u32,
    /// Bytes of a record, partition key included.
    pub record_bytes: u32,
    /// Partition keys of a trace with one column.
    pub keys: u32,
    /// Their skew: the k-th most frequent key weighs k^-skew.
    pub skew: f64,
    /// Partition keys of a tenant, `NAME#0` and so on, each of the same weight.
    pub keys_per_tenant: u32,
    /// Standard deviation of a tick's rate, as a share of its mean: bursts shorter than a minute.
    pub noise: f64,
    /// Where the keys fall, and the noise.
    pub seed: u64,
}

/// What one shard-unit is: the ceiling that records of this size meet first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShardUnit {
    /// Bytes a second.
    pub bytes_per_second: f64,
    /// Records a second.
    pub records_per_second: f64,
    /// Bytes of a record.
    pub record_bytes: u32,
}

impl ShardUnit {
    /// Of records of this size.
    pub fn of_records(record_bytes: u32) -> ShardUnit {
        let record_bytes = record_bytes.max(1);
        let record = f64::from(record_bytes);
        let records_per_second =
            (SHARD_WRITE_RECORDS_PER_SECOND as f64).min(SHARD_WRITE_BYTES_PER_SECOND as f64 / record);
        ShardUnit { bytes_per_second: records_per_second * record, records_per_second, record_bytes }
    }

    /// What the PUT payload units of so much accepted cost on shards.
    pub(super) fn put_payload_units(self, accepted_unit_seconds: f64, prices: &Prices) -> Money {
        let records = (accepted_unit_seconds * self.records_per_second).round() as u64;
        cost::of_put_payload_units(records, self.record_bytes, prices)
    }
}

/// What is offered over time, and to whom.
#[derive(Debug)]
pub struct Load {
    start: Timestamp,
    tick_seconds: u32,
    unit: ShardUnit,
    parts: Vec<Part>,
    /// All parts together, in shard-units, by tick.
    totals: Vec<f64>,
}

/// Traffic over keys of its own.
#[derive(Debug)]
struct Part {
    /// Shard-units, by tick.
    rates: Vec<f64>,
    keys: KeyIndex,
}

impl Load {
    /// The load of a trace in shard-units.
    pub fn new(trace: &Trace, options: &LoadOptions) -> Load {
        let ticks = trace.minutes() * 60 / options.tick_seconds as usize;
        let tenants = trace.columns().len() > 1;
        let mut parts: Vec<Part> = Vec::with_capacity(trace.columns().len());
        for (at, (name, mut rates)) in
            trace.columns().iter().zip(trace.ticks(options.tick_seconds, ticks)).enumerate()
        {
            if options.noise > 0.0 {
                for (tick, rate) in rates.iter_mut().enumerate() {
                    let draw = dice::normal(&[options.seed, at as u64, tick as u64]);
                    *rate *= (1.0 + options.noise * draw).max(0.0);
                }
            }
            let skew = if tenants {
                let key = |index| (hash_of(&format!("{name}#{index}")), 1.0);
                KeySkew::Weighted((0..options.keys_per_tenant.max(1)).map(key).collect())
            } else {
                KeySkew::zipf(options.keys.max(1), options.skew)
            };
            parts.push(Part { rates, keys: KeyIndex::new(&skew, options.seed) });
        }
        let total = |tick: usize| parts.iter().map(|part| part.rates[tick]).sum();
        let totals = (0..ticks).map(total).collect();
        let unit = ShardUnit::of_records(options.record_bytes);
        Load { start: trace.start(), tick_seconds: options.tick_seconds, unit, parts, totals }
    }

    /// When the first tick begins: at a whole minute.
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// Seconds of a tick.
    pub fn tick_seconds(&self) -> u32 {
        self.tick_seconds
    }

    /// What a shard-unit is.
    pub fn unit(&self) -> ShardUnit {
        self.unit
    }

    /// What is offered in each tick in all, in shard-units.
    pub fn totals(&self) -> &[f64] {
        &self.totals
    }

    /// The moment at which so many ticks are over.
    pub fn after(&self, ticks: usize) -> Timestamp {
        let seconds = ticks as i64 * i64::from(self.tick_seconds);
        self.start.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
    }

    /// How many parts there are.
    pub fn part_count(&self) -> usize {
        self.parts.len()
    }

    /// The part's shard-units in a tick.
    pub fn rate(&self, part: usize, tick: usize) -> f64 {
        self.parts[part].rates[tick]
    }

    /// Where as many ranges begin that carry as much as each other in a tick, as far as keys can be told
    /// apart.
    pub(super) fn equally_full(&self, count: u32, tick: usize) -> Vec<HashKey> {
        let below = |key: HashKey| {
            let Some(last) = key.0.checked_sub(1) else { return 0.0 };
            let range = HashKeyRange::new(HashKey::MIN, HashKey(last)).expect("it begins at the lowest key");
            self.shares(range).zip(&self.parts).map(|(share, part)| share * part.rates[tick]).sum::<f64>()
        };
        let mut starts = vec![HashKey::MIN];
        for at in 1..count {
            let wanted = self.totals[tick] * f64::from(at) / f64::from(count);
            // The highest key below which there is no more than wanted, to a 2^48th of the space.
            let mut key = 0_u128;
            for bit in (80..128).rev() {
                let next = key | 1 << bit;
                key = if below(HashKey(next)) <= wanted { next } else { key };
            }
            let after = starts[starts.len() - 1].0 + 1;
            starts.push(HashKey(key.max(after)));
        }
        starts
    }

    /// Which share of each part's traffic falls into a range.
    pub fn shares(&self, range: HashKeyRange) -> impl Iterator<Item = f64> + '_ {
        self.parts.iter().map(move |part| part.keys.share(range, None))
    }
}

/// The load of a CSV whose peak is `peak_units`, over a thousand keys.
#[cfg(test)]
pub(in crate::simulate) fn test_load(csv: &str, peak_units: f64, tick_seconds: u32) -> Load {
    use super::trace::{Scale, Span};
    let scale = Scale { peak_units, peak_quantile: None, clip_units: None };
    let trace = Trace::from_csv(csv).and_then(|trace| trace.scaled(Span::default(), scale)).expect("a trace");
    let options = LoadOptions {
        tick_seconds,
        record_bytes: 2_000,
        keys: 1_000,
        skew: 0.6,
        keys_per_tenant: 4,
        noise: 0.0,
        seed: 1,
    };
    Load::new(&trace, &options)
}

#[cfg(test)]
mod tests {
    use super::super::trace::{Scale, Span};
    use super::*;

    pub(in crate::simulate) const OPTIONS: LoadOptions = LoadOptions {
        tick_seconds: 30,
        record_bytes: 2_000,
        keys: 1_000,
        skew: 0.6,
        keys_per_tenant: 4,
        noise: 0.0,
        seed: 1,
    };

    fn load(text: &str, options: &LoadOptions) -> Load {
        let scale = Scale { peak_units: 4.0, peak_quantile: None, clip_units: None };
        let trace = Trace::from_csv(text).expect("good").scaled(Span::default(), scale).expect("whole");
        Load::new(&trace, options)
    }

    #[test]
    fn equally_full_ranges_carry_the_same_whatever_the_keys() {
        let load = test_load("0,1\n600,1\n", 10.0, 30);
        let starts = load.equally_full(5, 0);
        let ends = starts.iter().skip(1).map(|next| HashKey(next.0 - 1)).chain([HashKey::MAX]);
        for (start, end) in starts.iter().zip(ends) {
            let range = HashKeyRange::new(*start, end).expect("they ascend");
            let share: f64 = load.shares(range).sum();
            // A thousand keys of skew 0.6: the heaviest has 2.5 %.
            assert!((share - 0.2).abs() < 0.03, "{share} of {range}");
        }
    }

    #[test]
    fn small_records_meet_the_ceiling_of_records_and_large_ones_that_of_bytes() {
        let small = ShardUnit::of_records(300);
        assert_eq!((small.bytes_per_second, small.records_per_second), (300_000.0, 1_000.0));
        let large = ShardUnit::of_records(25_000);
        assert_eq!((large.bytes_per_second, large.records_per_second), (1_000_000.0, 40.0));
    }

    #[test]
    fn tenants_have_keys_of_their_own() {
        let load = load("t,a,b\n0,1,1\n60,3,1\n", &OPTIONS);
        assert_eq!((load.part_count(), load.totals().len()), (2, 2));
        let (low, high) = HashKeyRange::WHOLE.split(crate::hash_key::HashKey(1 << 127)).expect("in two");
        let sums: Vec<f64> = load.shares(low).zip(load.shares(high)).map(|(low, high)| low + high).collect();
        assert!(sums.iter().all(|sum| (sum - 1.0).abs() < 1e-9), "{sums:?}");
        assert_ne!(load.shares(low).next(), load.shares(low).nth(1));
    }

    #[test]
    fn noise_moves_ticks_and_keeps_the_mean() {
        let text = "0,1\n600000,1\n";
        let (calm, noisy) = (load(text, &OPTIONS), load(text, &LoadOptions { noise: 0.2, ..OPTIONS }));
        let mean = |load: &Load| load.totals().iter().sum::<f64>() / load.totals().len() as f64;
        assert!((mean(&calm) - 4.0).abs() < 1e-9 && (mean(&noisy) - 4.0).abs() < 0.05);
        assert!(noisy.totals().iter().any(|units| *units > 4.8));
    }
}
