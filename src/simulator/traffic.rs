//! The load's writes: second by second, shard by shard, in whole records.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::consumers::Readers;
use super::stream::Stream;
use super::workload::keys::{KeyIndex, Spot};
use super::workload::{Totals, Workload};
use super::{ApiError, ApiErrorCode, Cloud, Config, dice};
use crate::snapshot::ShardMetric;

/// A workload at work on a stream.
#[derive(Debug)]
pub(super) struct Flow {
    workload: Workload,
    keys: KeyIndex,
    readers: Readers,
    since: Timestamp,
    /// Draws of this stream differ from those of others.
    seed: u64,
    totals: Totals,
    /// What the shares were computed for: the stream's topology and the hot spot's stay.
    shares_of: Option<(u64, u64)>,
    /// By the place in `Stream::open`.
    shares: Vec<Share>,
}

/// A shard's part of the traffic.
#[derive(Debug, Clone, Copy, Default)]
struct Share {
    /// Of all records.
    of_traffic: f64,
    /// The part of a record that is due but not yet whole.
    carried: f64,
    /// Rejected records that are put again in the next second.
    retried: u64,
}

impl Cloud {
    /// Puts a load on the stream called `stream`, from now on, instead of the one it has. Its
    /// consumers begin anew.
    ///
    /// # Errors
    /// [`ApiErrorCode::ResourceNotFound`] if there is no such stream; [`ApiErrorCode::InvalidArgument`]
    /// for a number that is out of bounds, which it names.
    pub fn set_workload(&mut self, stream: &str, workload: Workload) -> Result<(), ApiError> {
        workload.check().map_err(|message| ApiError::new(ApiErrorCode::InvalidArgument, message))?;
        let (since, seed) = (self.now, dice::mix(&[self.config.seed, dice::text(stream)]));
        let stream = self.stream_mut(stream)?;
        for shard in &mut stream.shards {
            shard.arrivals.forget_positions();
        }
        stream.flow = Some(Flow {
            keys: KeyIndex::new(&workload.keys, seed),
            readers: Readers::new(&workload.consumers, &stream.name),
            workload,
            since,
            seed,
            totals: Totals::default(),
            shares_of: None,
            shares: Vec::new(),
        });
        Ok(())
    }

    /// Takes the load and its consumers off.
    ///
    /// # Errors
    /// [`ApiErrorCode::ResourceNotFound`] if there is no such stream.
    pub fn clear_workload(&mut self, stream: &str) -> Result<(), ApiError> {
        self.stream_mut(stream)?.flow = None;
        Ok(())
    }

    /// What the load has come to; `None` without a load.
    pub fn workload_totals(&self, stream: &str) -> Option<Totals> {
        Some(self.streams.get(stream)?.flow.as_ref()?.totals)
    }

    /// Bytes a second that the load offers to each open shard by the shard's ID, retries and bursts
    /// apart; empty without a load. What an observer of perfect sight would know.
    pub fn offered_bytes_per_second(&self, stream: &str) -> BTreeMap<String, f64> {
        let Some(stream) = self.streams.get(stream) else { return BTreeMap::new() };
        let Some(flow) = &stream.flow else { return BTreeMap::new() };
        let spot = flow.spot(self.now);
        let rate = flow.workload.curve.bytes_per_second(self.now);
        let shard = |&at: &usize| {
            let shard = &stream.shards[at];
            (shard.id(), rate * flow.keys.share(shard.range, spot.as_ref()))
        };
        stream.open.iter().map(shard).collect()
    }
}

impl Stream {
    /// One second of traffic and of reading, which ends at `now`.
    pub fn tick(&mut self, now: Timestamp, config: &Config) {
        let Some(mut flow) = self.flow.take() else { return };
        self.dirty = true;
        // Before the second's writes: they are the first that a new consumer reads.
        self.start_readers(&mut flow.readers, now);
        flow.write_second(self, now, config);
        let record_bytes = u64::from(flow.workload.record_bytes);
        self.read_second(&mut flow.readers, record_bytes, now, config);
        self.flow = Some(flow);
    }
}

impl Flow {
    /// How many times the hot spot has moved.
    fn stay(&self, at: Timestamp) -> u64 {
        let spot = self.workload.hot_spot.as_ref();
        let Some(every) = spot.and_then(|spot| spot.moves_every) else { return 0 };
        let elapsed = at.duration_since(self.since).as_millis().max(0);
        (elapsed / every.as_millis().max(1)) as u64
    }

    fn spot(&self, at: Timestamp) -> Option<Spot> {
        let hot = self.workload.hot_spot.as_ref()?;
        let stay = self.stay(at);
        let drawn = dice::share(&[self.seed, dice::text("hot spot"), stay]);
        let position = hot.position.filter(|_| stay == 0).unwrap_or(drawn);
        Some(Spot { share: hot.share, width: hot.width, position })
    }

    fn update_shares(&mut self, stream: &Stream, at: Timestamp) {
        let of = (stream.topology, self.stay(at));
        if self.shares_of == Some(of) {
            return;
        }
        let spot = self.spot(at);
        let mut retried: u64 = self.shares.iter().map(|share| share.retried).sum();
        let pool = retried as f64;
        self.shares = stream
            .open
            .iter()
            .map(|&at| {
                let of_traffic = self.keys.share(stream.shards[at].range, spot.as_ref());
                let here = ((pool * of_traffic) as u64).min(retried);
                retried -= here;
                Share { of_traffic, carried: 0.0, retried: here }
            })
            .collect();
        if let Some(last) = self.shares.last_mut() {
            last.retried += retried;
        }
        self.shares_of = Some(of);
    }

    /// The factor of a shard's mean rate in a second.
    fn unevenness(&self, shard: u32, second: u64) -> f64 {
        let mut factor = 1.0;
        if self.workload.noise > 0.0 {
            factor += self.workload.noise * dice::normal(&[self.seed, u64::from(shard), second]);
        }
        if let Some(bursts) = self.workload.bursts {
            let every = u64::from(bursts.every);
            let phase = dice::mix(&[self.seed, dice::text("burst"), u64::from(shard), second / every]);
            let latest = every - u64::from(bursts.length);
            let begins = if latest == 0 { 0 } else { phase % (latest + 1) };
            let inside = (begins..begins + u64::from(bursts.length)).contains(&(second % every));
            let burst = bursts.factor * f64::from(bursts.length);
            factor *= match inside {
                true => bursts.factor,
                false => (f64::from(bursts.every) - burst) / f64::from(bursts.every - bursts.length),
            };
        }
        factor.max(0.0)
    }

    fn write_second(&mut self, stream: &mut Stream, now: Timestamp, config: &Config) {
        let began = Timestamp::from_second(now.as_second() - 1).unwrap_or(now);
        self.update_shares(stream, began);
        let record_bytes = u64::from(self.workload.record_bytes);
        let records_per_second = self.workload.curve.bytes_per_second(began) / record_bytes as f64;
        let (mut calls, mut offered_in_all, mut rejected_in_all) = (0, 0, 0);
        for place in 0..stream.open.len() {
            let shard = &mut stream.shards[stream.open[place]];
            let factor = self.unevenness(shard.number, began.as_second().unsigned_abs());
            let share = &mut self.shares[place];
            let due = share.carried + records_per_second * share.of_traffic * factor;
            let whole = due.floor();
            share.carried = due - whole;
            let offered = whole as u64 + std::mem::take(&mut share.retried);
            if offered == 0 {
                continue;
            }
            let accepted = if config.limits.write_rates {
                let room = shard.write_bytes.available(now) / record_bytes;
                offered.min(room).min(shard.write_records.available(now))
            } else {
                offered
            };
            let (bytes, rejected) = (accepted * record_bytes, offered - accepted);
            shard.write_bytes.spend(if config.limits.write_rates { bytes } else { 0 });
            shard.write_records.spend(if config.limits.write_rates { accepted } else { 0 });
            shard.arrivals.write(bytes, began);
            share.retried = (rejected as f64 * self.workload.retried_share) as u64;
            let puts = offered.div_ceil(u64::from(self.workload.records_per_put));
            if accepted > 0 {
                shard.minute.of(ShardMetric::IncomingBytes).add_spread(bytes as f64, puts);
                shard.minute.of(ShardMetric::IncomingRecords).add_spread(accepted as f64, puts);
            }
            shard
                .minute
                .of(ShardMetric::WriteProvisionedThroughputExceeded)
                .add_spread(rejected as f64, puts);
            calls += puts;
            offered_in_all += offered;
            rejected_in_all += rejected;
        }
        if calls > 0 {
            let accepted = offered_in_all - rejected_in_all;
            stream.count_put_records(calls, offered_in_all, rejected_in_all, accepted * record_bytes);
            self.totals.offered_records += offered_in_all;
            self.totals.accepted_records += accepted;
            self.totals.rejected_records += rejected_in_all;
        }
    }
}
