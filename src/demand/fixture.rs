//! Streams with a short history, told minute by minute, as CloudWatch and ListShards would tell
//! it: for tests.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::history::Amounts;
use crate::hash_key::{HashKey, HashKeyRange};
use crate::policy::{ScalingPolicy, SelectPolicy};
use crate::quota::Dimension;
use crate::snapshot::{
    MetricHistory, Minute, PastTopology, SNAPSHOT_FORMAT, Series, ShardMetric, Snapshot, StreamMetric,
};
use crate::stream::{Shard, ShardId, StreamMode, StreamStatus, StreamSummary};

/// The first minute of every story.
pub(crate) const FIRST: Minute = Minute(29_900_000);
/// How late the newest minutes are.
const UNSETTLED: i64 = 3;

/// What happened to a stream.
pub(crate) struct Story {
    pub(crate) shards: Vec<Shard>,
    /// What each shard reported, by minute.
    reports: Vec<Vec<Amounts>>,
    /// Which shards were open at the start of each minute.
    open_at: Vec<Vec<usize>>,
    /// Parents that closed in the middle of the minute to come, with their children.
    halfway: Vec<(usize, Vec<usize>)>,
}

/// A policy that looks at three minutes, and at ten for merges.
pub(crate) fn policy() -> ScalingPolicy {
    let mut policy = ScalingPolicy::of_round_numbers("orders", 200);
    policy.scale_down.stabilization_window = Duration::from_secs(600);
    policy.scale_up.select_policy = SelectPolicy::Max;
    policy
}

/// Records of 1,000 bytes.
pub(crate) fn kilobytes(records: u64) -> Amounts {
    Amounts { bytes: records * 1_000, records, rejected: 0 }
}

/// `percent` of what a shard takes in a minute, in records of 1,000 bytes.
pub(crate) fn percent(percent: u64) -> Amounts {
    kilobytes(Dimension::IngestRecords.ceiling_per_second() * 60 * percent / 100)
}

/// The share by width, exact for ranges of whole 65,536ths of the space.
pub(crate) fn by_width(range: HashKeyRange, whole: Amounts) -> Amounts {
    let units = ((range.end().0 >> 112) - (range.start().0 >> 112) + 1) as u64;
    Amounts {
        bytes: whole.bytes * units / 65_536,
        records: whole.records * units / 65_536,
        rejected: whole.rejected * units / 65_536,
    }
}

impl Story {
    /// A stream whose shards are equally wide.
    pub(crate) fn of(shards: u32) -> Story {
        let mut starts = vec![HashKey::MIN];
        if shards > 1 {
            starts.extend(HashKeyRange::WHOLE.inner_boundaries(shards));
        }
        let mut story =
            Story { shards: Vec::new(), reports: Vec::new(), open_at: Vec::new(), halfway: Vec::new() };
        for (at, start) in starts.iter().enumerate() {
            let end = starts.get(at + 1).map_or(HashKey::MAX, |next| HashKey(next.0 - 1));
            story.open(HashKeyRange::new(*start, end).expect("ascending"), [None, None]);
        }
        story
    }

    fn open(&mut self, range: HashKeyRange, parents: [Option<usize>; 2]) -> usize {
        let at = self.shards.len();
        let [parent, adjacent_parent] = parents.map(|at| at.map(|at: usize| self.shards[at].id.clone()));
        let id = ShardId::new(format!("shardId-{at:012}"));
        self.shards.push(Shard { id, range, parent, adjacent_parent, closed: false });
        self.reports.push(vec![Amounts::default(); self.open_at.len()]);
        at
    }

    pub(crate) fn open_shards(&self) -> Vec<usize> {
        let mut open: Vec<_> = (0..self.shards.len()).filter(|at| !self.shards[*at].closed).collect();
        open.sort_by_key(|at| self.shards[*at].range);
        open
    }

    /// Splits a shard, between two minutes or in the middle of the one to come.
    pub(crate) fn split_at(&mut self, shard: usize, at: HashKey, halfway: bool) -> [usize; 2] {
        let (low, high) = self.shards[shard].range.split(at).expect("a split point");
        self.shards[shard].closed = true;
        let children = [low, high].map(|range| self.open(range, [Some(shard), None]));
        if halfway {
            self.halfway.push((shard, children.to_vec()));
        }
        children
    }

    /// Splits a shard in the middle, between two minutes.
    pub(crate) fn split(&mut self, shard: usize) -> [usize; 2] {
        let middle = self.shards[shard].range.inner_boundaries(2).next().expect("wide enough");
        self.split_at(shard, middle, false)
    }

    /// Merges two neighbours.
    pub(crate) fn merge(&mut self, low: usize, high: usize, halfway: bool) -> usize {
        let range = self.shards[low].range.merge(self.shards[high].range).expect("neighbours");
        self.shards[low].closed = true;
        self.shards[high].closed = true;
        let child = self.open(range, [Some(low), Some(high)]);
        if halfway {
            self.halfway.extend([(low, vec![child]), (high, vec![child])]);
        }
        child
    }

    /// Lets minutes pass, in each of which a range carries what `traffic` says.
    pub(crate) fn pass(&mut self, minutes: usize, traffic: impl Fn(HashKeyRange) -> Amounts) -> &mut Self {
        for _ in 0..minutes {
            let open = self.open_shards();
            let mut now = vec![Amounts::default(); self.shards.len()];
            for at in &open {
                now[*at] = traffic(self.shards[*at].range);
            }
            let mut started = open.clone();
            for (parent, children) in std::mem::take(&mut self.halfway) {
                for child in children {
                    let part = self.shards[child].range.intersection(self.shards[parent].range);
                    let half = part.map(&traffic).map_or(Amounts::default(), |amounts| Amounts {
                        bytes: amounts.bytes / 2,
                        records: amounts.records / 2,
                        rejected: amounts.rejected / 2,
                    });
                    now[parent] = now[parent].plus(half);
                    now[child] = Amounts {
                        bytes: now[child].bytes - half.bytes,
                        records: now[child].records - half.records,
                        rejected: now[child].rejected - half.rejected,
                    };
                    started.retain(|at| *at != child);
                    if !started.contains(&parent) {
                        started.push(parent);
                    }
                }
            }
            started.sort_by_key(|at| self.shards[*at].range);
            self.open_at.push(started);
            for (reports, now) in self.reports.iter_mut().zip(now) {
                reports.push(now);
            }
        }
        self
    }

    /// How many minutes were told.
    pub(crate) fn minutes(&self) -> i64 {
        self.open_at.len() as i64
    }

    /// What one shard reported.
    pub(crate) fn reported(&self, shard: usize) -> &[Amounts] {
        &self.reports[shard]
    }

    /// The stream when the last minute told has just settled, with one poller at the tip, and its
    /// past topologies read at the start, and 20, 15, 10, 8, 6, 5, 3 and 2 minutes ago.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let end = FIRST.plus(self.minutes());
        let now = end.plus(UNSETTLED).start();
        let look_back_start = now - SignedDuration::from_mins(23 * 60 + 45);
        let topology = |minute: i64| {
            let told = usize::try_from(minute).ok().map(|at| self.open_at.get(at));
            // Before the story the stream was what it was at its start.
            let open = match told {
                None => self.open_at.first(),
                Some(told) => told,
            };
            let open = open.cloned().unwrap_or_else(|| self.open_shards());
            let open = open.iter().map(|at| self.shards[*at].id.clone()).collect();
            PastTopology { at: FIRST.plus(minute).start(), open }
        };
        let mut past_topologies: Vec<_> = [20, 15, 10, 8, 6, 5, 3, 2]
            .iter()
            .map(|ago| topology(self.minutes() + UNSETTLED - ago))
            .collect();
        past_topologies.insert(0, PastTopology { at: look_back_start, ..topology(-1) });
        Snapshot {
            format: SNAPSHOT_FORMAT,
            observed_at: now,
            summary: StreamSummary {
                arn: "arn:aws:kinesis:eu-west-1:111122223333:stream/orders".to_owned(),
                name: "orders".to_owned(),
                status: StreamStatus::Active,
                mode: StreamMode::Provisioned,
                created_at: now - SignedDuration::from_hours(24 * 30),
                retention_hours: 24,
                open_shard_count: self.open_shards().len(),
                enhanced_metrics: ShardMetric::INGEST.map(|metric| metric.name().to_owned()).to_vec(),
                consumer_count: 0,
            },
            shards: self.shards.clone(),
            look_back_start,
            update_shard_count_refused: None,
            past_topologies,
            metrics: self.metrics(end),
        }
    }

    fn metrics(&self, end: Minute) -> MetricHistory {
        let minutes = self.open_at.len();
        let sum = |of: fn(Amounts) -> u64, minute: usize| -> u64 {
            self.reports.iter().map(|reports| of(reports[minute])).sum()
        };
        let bytes = series((0..minutes).map(|minute| some(sum(|amounts| amounts.bytes, minute))));
        let stream = [
            (StreamMetric::IncomingBytes, bytes.clone()),
            (
                StreamMetric::IncomingRecords,
                series((0..minutes).map(|minute| some(sum(|amounts| amounts.records, minute)))),
            ),
            (
                StreamMetric::WriteProvisionedThroughputExceeded,
                series((0..minutes).map(|minute| some(sum(|amounts| amounts.rejected, minute)))),
            ),
            (StreamMetric::GetRecordsBytes, bytes),
            (
                StreamMetric::GetRecordsCalls,
                series(self.open_at.iter().map(|open| Some(60 * open.len() as u64))),
            ),
            (StreamMetric::GetRecordsIteratorAgeMilliseconds, series((0..minutes).map(|_| Some(0)))),
        ];
        let shard = |at: usize| {
            let of = |of: fn(Amounts) -> u64| series(self.reports[at].iter().map(|report| some(of(*report))));
            [
                (ShardMetric::IncomingBytes, of(|amounts| amounts.bytes)),
                (ShardMetric::IncomingRecords, of(|amounts| amounts.records)),
                (ShardMetric::WriteProvisionedThroughputExceeded, of(|amounts| amounts.rejected)),
            ]
        };
        MetricHistory {
            settled_until: Some(end),
            stream: stream.into(),
            shards: (0..self.shards.len()).map(|at| (self.shards[at].id.clone(), shard(at).into())).collect(),
            consumer_lag: [].into(),
            quarters: None,
        }
    }
}

fn series(values: impl Iterator<Item = Option<u64>>) -> Series {
    Series::new(FIRST, values.collect(), true)
}

/// CloudWatch has no data point where nothing happened.
fn some(amount: u64) -> Option<u64> {
    (amount > 0).then_some(amount)
}

/// The moment so many minutes before the observation.
pub(crate) fn ago(snapshot: &Snapshot, minutes: i64) -> Timestamp {
    snapshot.observed_at - SignedDuration::from_mins(minutes)
}
