//! The stream as a fluid: in each tick a shard takes what its hash keys carry, up to its ceiling, and
//! rejects the rest. Coarser than [`crate::simulator`] (no records, no requests) and a thousand times
//! as fast; `tests` holds the two against each other.

use jiff::{SignedDuration, Timestamp};

use super::load::Load;
use crate::hash_key::{HashKey, HashKeyRange};
use crate::quota::UPDATE_SHARD_COUNT_CALLS_PER_DAY;
use crate::snapshot::Minute;
use crate::stream::{Shard, ShardId};

/// What a scaler may ask of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// `SplitShard`.
    Split {
        /// The shard's keys.
        range: HashKeyRange,
        /// Where the upper child begins.
        at: HashKey,
    },
    /// `MergeShards`.
    Merge {
        /// The lower shard's keys.
        low: HashKeyRange,
        /// The upper shard's keys.
        high: HashKeyRange,
    },
    /// `UpdateShardCount`: so many shards, of equal ranges.
    UpdateShardCount(u32),
}

/// How long changes take, and what becomes of rejected records.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StreamOptions {
    /// Seconds from a SplitShard or MergeShards until its children are open.
    pub step_seconds: u32,
    /// Seconds from an UpdateShardCount until its shards are open.
    pub update_seconds: u32,
    /// Which share of the rejected records their producers put again in the next tick.
    pub retried_share: f64,
    /// Whether a split or a merge leaves shards that are equally full, as none can.
    pub free_boundaries: bool,
}

/// What a tick came to, in shard-units.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Tick {
    /// Taken.
    pub accepted: f64,
    /// Turned away, retries that were turned away again included.
    pub rejected: f64,
    /// Shards that were open.
    pub shards: u32,
    /// Whether any shard was offered more than it takes.
    pub is_over: bool,
}

/// What the shards reported of a minute.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MinuteReport {
    pub(super) minute: Minute,
    /// Bytes, records and rejected records of each shard that was open in it, ascending by number.
    pub(super) shards: Vec<(ShardId, [u64; 3])>,
    /// How many were open at its end.
    pub(super) open: u32,
}

/// A shard of the listing.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub(super) shard: Shard,
    pub(super) closed_at: Option<Timestamp>,
}

/// An open shard and what it has done in this minute, in shard-unit-seconds.
#[derive(Debug, Clone)]
struct Open {
    number: u32,
    id: ShardId,
    range: HashKeyRange,
    accepted: f64,
    rejected: f64,
    /// Shard-units that wait to be put again.
    waiting: f64,
}

/// The modelled stream.
#[derive(Debug)]
pub struct Fluid<'a> {
    load: &'a Load,
    options: StreamOptions,
    created_at: Timestamp,
    /// Ascending by number; those closed longer than a day ago are gone.
    listing: Vec<Listed>,
    next_number: u32,
    /// In hash-key order.
    open: Vec<Open>,
    /// For each open shard, its share of each part of the load.
    shares: Vec<f64>,
    /// What shards that closed in this minute did in it.
    closed_in_minute: Vec<Open>,
    pending: Option<(Timestamp, Action)>,
    updates: Vec<Timestamp>,
    /// Counts changes of the shards.
    topology: u64,
}

/// Boundaries of equal ranges that lie closer to each other are the same but for rounding.
pub(super) const ROUNDING: u128 = 1 << 64;

/// How long closed shards are listed: the default retention.
const RETENTION: SignedDuration = SignedDuration::from_hours(24);

impl<'a> Fluid<'a> {
    /// A stream of `shards` equal shards, made as the load begins.
    pub fn new(load: &'a Load, options: StreamOptions, shards: u32) -> Fluid<'a> {
        let created_at = load.start();
        let mut stream = Fluid {
            load,
            options,
            created_at,
            listing: Vec::new(),
            next_number: 0,
            open: Vec::new(),
            shares: Vec::new(),
            closed_in_minute: Vec::new(),
            pending: None,
            updates: Vec::new(),
            topology: 0,
        };
        let starts = equal_starts(shards.max(1));
        for (at, start) in starts.iter().enumerate() {
            let end = starts.get(at + 1).map_or(HashKey::MAX, |next| HashKey(next.0 - 1));
            let range = HashKeyRange::new(*start, end).expect("starts ascend");
            let opened = stream.open_shard(range, [None, None]);
            stream.open.push(opened);
        }
        stream.reindex();
        stream
    }

    /// When it was made.
    pub fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// The shards that are open, in hash-key order.
    pub fn ranges(&self) -> impl ExactSizeIterator<Item = HashKeyRange> + '_ {
        self.open.iter().map(|shard| shard.range)
    }

    /// Their IDs, in hash-key order.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = &ShardId> + '_ {
        self.open.iter().map(|shard| &shard.id)
    }

    /// How many are open.
    pub fn open_count(&self) -> u32 {
        u32::try_from(self.open.len()).unwrap_or(u32::MAX)
    }

    /// Whether nothing is under way.
    pub fn is_active(&self) -> bool {
        self.pending.is_none()
    }

    /// Counts changes of the shards: whatever was derived from them is stale then.
    pub(super) fn topology(&self) -> u64 {
        self.topology
    }

    /// The shards, those closed within a day included.
    pub(super) fn listing(&self) -> &[Listed] {
        &self.listing
    }

    /// What an observer of perfect sight knows: the load of each open shard in a tick, in hash-key order.
    pub fn loads(&self, tick: usize) -> impl Iterator<Item = f64> + '_ {
        let parts = self.load.part_count();
        self.shares
            .chunks_exact(parts)
            .map(move |shares| (0..parts).map(|part| self.load.rate(part, tick) * shares[part]).sum())
    }

    /// Whether UpdateShardCount takes this target now: at most double, at least half, and ten times in
    /// 24 hours.
    pub fn takes_count(&self, target: u32, now: Timestamp) -> bool {
        let count = self.open_count();
        let day = SignedDuration::from_hours(24);
        let recent = self.updates.iter().filter(|at| now.duration_since(**at) < day).count();
        target != count
            && target <= 2 * count
            && 2 * target >= count
            && recent < UPDATE_SHARD_COUNT_CALLS_PER_DAY as usize
    }

    /// Begins a change. Whether it was taken: nothing else is under way, and its shards are there.
    pub fn begin(&mut self, action: Action, now: Timestamp) -> bool {
        let is_open = |range: &HashKeyRange| self.place(*range).is_some();
        let is_right = match &action {
            Action::Split { range, at } => is_open(range) && range.split(*at).is_ok(),
            Action::Merge { low, high } => is_open(low) && is_open(high) && low.merge(*high).is_some(),
            Action::UpdateShardCount(target) => self.takes_count(*target, now),
        };
        if self.pending.is_some() || !is_right {
            return false;
        }
        let seconds = match action {
            Action::Split { .. } | Action::Merge { .. } => self.options.step_seconds,
            Action::UpdateShardCount(_) => {
                self.updates.push(now);
                self.options.update_seconds
            }
        };
        let due = now.checked_add(SignedDuration::from_secs(i64::from(seconds))).unwrap_or(Timestamp::MAX);
        self.pending = Some((due, action));
        true
    }

    /// Carries out the change whose time has passed, if any, and gives it.
    pub fn settle(&mut self, now: Timestamp) -> Option<Action> {
        let (_, action) = self.pending.take_if(|(due, _)| *due <= now)?;
        match action {
            Action::Split { range, at } => self.split(range, at, now),
            Action::Merge { low, high } => self.merge(low, high, now),
            Action::UpdateShardCount(target) => self.rescale(target, now),
        }
        if self.options.free_boundaries {
            self.even_out(now);
        }
        self.listing.retain(|listed| listed.closed_at.is_none_or(|at| now.duration_since(at) <= RETENTION));
        self.reindex();
        Some(action)
    }

    /// Plays one tick of the load.
    pub fn tick(&mut self, tick: usize) -> Tick {
        let parts = self.load.part_count();
        let seconds = f64::from(self.load.tick_seconds());
        let rates: Vec<f64> = (0..parts).map(|part| self.load.rate(part, tick)).collect();
        let mut outcome = Tick { shards: self.open_count(), ..Tick::default() };
        for (shard, shares) in self.open.iter_mut().zip(self.shares.chunks_exact(parts)) {
            let fresh: f64 = rates.iter().zip(shares).map(|(rate, share)| rate * share).sum();
            let offered = fresh + shard.waiting;
            let accepted = offered.min(1.0);
            let rejected = offered - accepted;
            shard.waiting = rejected * self.options.retried_share;
            shard.accepted += accepted * seconds;
            shard.rejected += rejected * seconds;
            outcome.accepted += accepted;
            outcome.rejected += rejected;
            outcome.is_over |= rejected > 0.0;
        }
        outcome
    }

    /// Ends a minute: what each shard did in it.
    pub(super) fn report(&mut self, minute: Minute) -> MinuteReport {
        let unit = self.load.unit();
        let record_bytes = f64::from(unit.record_bytes);
        let mut told: Vec<(u32, ShardId, [u64; 3])> = Vec::with_capacity(self.open.len());
        for shard in self.closed_in_minute.drain(..).chain(self.open.iter_mut().map(Open::take)) {
            let records = (shard.accepted * unit.records_per_second).round();
            let rejected = (shard.rejected * unit.records_per_second).round();
            let amounts = [records * record_bytes, records, rejected].map(|amount| amount.round() as u64);
            told.push((shard.number, shard.id, amounts));
        }
        told.sort_by_key(|(number, ..)| *number);
        let shards = told.into_iter().map(|(_, id, amounts)| (id, amounts)).collect();
        MinuteReport { minute, shards, open: self.open_count() }
    }

    fn place(&self, range: HashKeyRange) -> Option<usize> {
        self.open.binary_search_by_key(&range, |shard| shard.range).ok()
    }

    fn open_shard(&mut self, range: HashKeyRange, [parent, adjacent_parent]: [Option<ShardId>; 2]) -> Open {
        let number = self.next_number;
        self.next_number += 1;
        let id = ShardId::new(format!("shardId-{number:012}"));
        let shard = Shard { id: id.clone(), range, parent, adjacent_parent, closed: false };
        self.listing.push(Listed { shard, closed_at: None });
        Open { number, id, range, accepted: 0.0, rejected: 0.0, waiting: 0.0 }
    }

    fn close(&mut self, place: usize, at: Timestamp) -> Open {
        let shard = self.open.remove(place);
        if let Ok(index) = self.listing.binary_search_by_key(&&shard.id, |listed| &listed.shard.id) {
            self.listing[index].closed_at = Some(at);
            self.listing[index].shard.closed = true;
        }
        self.closed_in_minute.push(Open { waiting: 0.0, ..shard.clone() });
        shard
    }

    fn split(&mut self, range: HashKeyRange, at: HashKey, now: Timestamp) {
        let (Some(place), Some(below)) = (self.place(range), at.0.checked_sub(1)) else { return };
        let low = HashKeyRange::new(range.start(), HashKey(below));
        let (Ok(low), Ok(high)) = (low, HashKeyRange::new(at, range.end())) else { return };
        let parent = self.close(place, now);
        // What waits to be put again is a matter of seconds: each half may have half of it.
        for (offset, range) in [low, high].into_iter().enumerate() {
            let mut child = self.open_shard(range, [Some(parent.id.clone()), None]);
            child.waiting = parent.waiting / 2.0;
            self.open.insert(place + offset, child);
        }
    }

    fn merge(&mut self, low: HashKeyRange, high: HashKeyRange, now: Timestamp) {
        let (Some(place), Some(range)) = (self.place(low), low.merge(high)) else { return };
        let low = self.close(place, now);
        let high = self.close(place, now);
        let mut child = self.open_shard(range, [Some(low.id), Some(high.id)]);
        child.waiting = low.waiting + high.waiting;
        self.open.insert(place, child);
    }

    /// Splits at the boundaries of equal ranges that are not there, then merges at those that are not
    /// wanted, as [`crate::simulator`] does; the shards in between live for no time.
    fn rescale(&mut self, target: u32, now: Timestamp) {
        let near = |start: HashKey| {
            let mut starts = self.open.iter().map(|shard| shard.range.start());
            starts.find(|known| known.0.abs_diff(start.0) < ROUNDING).unwrap_or(start)
        };
        let wanted: Vec<HashKey> = equal_starts(target).into_iter().map(near).collect();
        for start in &wanted {
            let owner = self.open.iter().find(|shard| shard.range.contains(*start)).map(|shard| shard.range);
            if let Some(range) = owner.filter(|range| range.start() != *start) {
                self.split(range, *start, now);
            }
        }
        let unwanted: Vec<HashKey> = self
            .open
            .iter()
            .map(|shard| shard.range.start())
            .filter(|start| wanted.binary_search(start).is_err())
            .collect();
        for start in unwanted {
            let place = self.open.partition_point(|shard| shard.range.start() < start);
            let (low, high) = (self.open[place - 1].range, self.open[place].range);
            self.merge(low, high, now);
        }
    }

    /// Moves every boundary to where the shards are equally full.
    fn even_out(&mut self, now: Timestamp) {
        let elapsed = now.duration_since(self.created_at).as_secs() / i64::from(self.load.tick_seconds());
        let tick = usize::try_from(elapsed).unwrap_or(0).min(self.load.totals().len() - 1);
        let starts = self.load.equally_full(self.open_count(), tick);
        while !self.open.is_empty() {
            self.close(0, now);
        }
        for (at, start) in starts.iter().enumerate() {
            let end = starts.get(at + 1).map_or(HashKey::MAX, |next| HashKey(next.0 - 1));
            let range = HashKeyRange::new(*start, end).expect("starts ascend");
            let opened = self.open_shard(range, [None, None]);
            self.open.push(opened);
        }
    }

    fn reindex(&mut self) {
        self.topology += 1;
        self.shares.clear();
        for shard in &self.open {
            self.shares.extend(self.load.shares(shard.range));
        }
    }
}

impl Open {
    /// What it did in this minute, which begins anew.
    fn take(&mut self) -> Open {
        let told = self.clone();
        (self.accepted, self.rejected) = (0.0, 0.0);
        told
    }
}

/// Where `count` equal ranges begin.
pub(super) fn equal_starts(count: u32) -> Vec<HashKey> {
    std::iter::once(HashKey::MIN).chain(HashKeyRange::WHOLE.inner_boundaries(count)).collect()
}
