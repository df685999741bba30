//! What can be seen of the modelled stream: `ListShards` and CloudWatch, late by the publication delay,
//! as the very snapshot that an observation of the stream would give.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::fluid::{Fluid, MinuteReport};
use crate::observe::{Span, UNSETTLED_MINUTES, quarters};
use crate::policy::{ScalingPolicy, UpdateShardCount};
use crate::snapshot::{
    MetricHistory, Minute, PastTopology, QUARTER_MINUTES, Quarters, SNAPSHOT_FORMAT, Series, ShardMetric,
    Snapshot, StreamMetric,
};
use crate::stream::{ShardId, StreamMode, StreamStatus, StreamSummary};

/// A minute of the stream as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamMinute {
    /// Accepted bytes.
    pub bytes: u64,
    /// Accepted records.
    pub records: u64,
    /// Rejected records.
    pub rejected: u64,
}

/// The observer's side of the model.
#[derive(Debug)]
pub struct Watch {
    delay: SignedDuration,
    /// Minutes that are not public yet.
    unpublished: VecDeque<MinuteReport>,
    first_minute: Minute,
    /// Every public minute of the stream.
    minutes: Vec<StreamMinute>,
    /// Where shards' metrics are wanted.
    by_shard: Option<ByShard>,
}

/// What decisions on shards are made from.
#[derive(Debug)]
struct ByShard {
    snapshot: Snapshot,
    /// All that each listed shard has reported, minute by minute from its first.
    archive: HashMap<ShardId, Reported>,
    /// The shards that were open from each moment on.
    topologies: VecDeque<(Timestamp, Arc<[ShardId]>)>,
    topology: Option<u64>,
}

#[derive(Debug)]
struct Reported {
    first: Minute,
    values: Vec<[u64; 3]>,
}

/// Longest look-back, and a little more.
const KEPT_MINUTES: usize = 25 * 60;

/// What CloudWatch has of bytes, records and rejected records: no data points of a minute in which nobody wrote.
fn data_points(amounts: [u64; 3]) -> [Option<u64>; 3] {
    amounts.map(|amount| (amounts != [0; 3]).then_some(amount))
}

/// The metrics of a stream that somebody reads at the tip, one call a second on each shard.
fn stream_values(minute: StreamMinute, open: u32) -> [(StreamMetric, Option<u64>); 10] {
    let StreamMinute { bytes, records, rejected } = minute;
    let [written, puts, refused] = data_points([bytes, records, rejected]);
    let calls = 60 * u64::from(open);
    [
        (StreamMetric::IncomingBytes, written),
        (StreamMetric::IncomingRecords, puts),
        (StreamMetric::WriteProvisionedThroughputExceeded, refused),
        (StreamMetric::ReadProvisionedThroughputExceeded, Some(0)),
        (StreamMetric::GetRecordsBytes, Some(bytes)),
        (StreamMetric::GetRecordsRecords, Some(records)),
        (StreamMetric::GetRecordsSuccess, Some(calls)),
        (StreamMetric::GetRecordsCalls, Some(calls)),
        (StreamMetric::GetRecordsLatency, Some(20)),
        (StreamMetric::GetRecordsIteratorAgeMilliseconds, Some(0)),
    ]
}

impl Watch {
    /// Sees the stream as a whole, minute by minute, each `delay` after its end.
    pub fn of_stream(stream: &Fluid, delay: SignedDuration) -> Watch {
        Watch {
            delay,
            unpublished: VecDeque::new(),
            first_minute: Minute::of(stream.created_at()),
            minutes: Vec::new(),
            by_shard: None,
        }
    }

    /// Sees the shards too.
    pub fn of_shards(stream: &Fluid, delay: SignedDuration) -> Watch {
        let snapshot = bare_snapshot(stream);
        let by_shard =
            ByShard { snapshot, archive: HashMap::new(), topologies: VecDeque::new(), topology: None };
        // The product itself waits for two minutes to settle, however soon they are public.
        let delay = delay.max(SignedDuration::from_mins(UNSETTLED_MINUTES - 1));
        Watch { by_shard: Some(by_shard), ..Watch::of_stream(stream, delay) }
    }

    /// The stream's public minutes, oldest first; the last one ended `delay` ago.
    pub fn minutes(&self) -> &[StreamMinute] {
        &self.minutes
    }

    /// Bytes, records and rejected records of a shard over its newest `count` public minutes, oldest
    /// first; `None` where it has reported fewer.
    pub fn shard_minutes(&self, id: &ShardId, count: usize) -> Option<&[[u64; 3]]> {
        let reported = self.by_shard.as_ref()?.archive.get(id)?;
        reported.values.len().checked_sub(count).map(|from| &reported.values[from..])
    }

    /// Takes what the shards did in a minute; it is public once its delay has passed.
    pub(super) fn take(&mut self, report: MinuteReport) {
        self.unpublished.push_back(report);
    }

    /// Notes who is open now.
    pub(super) fn note_topology(&mut self, stream: &Fluid, now: Timestamp) {
        if let Some(by_shard) = &mut self.by_shard {
            by_shard.note_topology(stream, now);
        }
    }

    /// Publishes what is due by now.
    pub(super) fn publish(&mut self, now: Timestamp) {
        let public = now.checked_sub(self.delay).unwrap_or(Timestamp::MIN);
        while self.unpublished.front().is_some_and(|report| report.minute.plus(1).start() <= public) {
            let Some(report) = self.unpublished.pop_front() else { return };
            let sum = |of: usize| report.shards.iter().map(|(_, amounts)| amounts[of]).sum();
            let minute = StreamMinute { bytes: sum(0), records: sum(1), rejected: sum(2) };
            self.minutes.push(minute);
            if let Some(by_shard) = &mut self.by_shard {
                by_shard.append(&report, minute);
            }
        }
    }

    /// The stream's metrics alone, as an idle pass reads them.
    pub(super) fn stream_metrics(
        &mut self,
        policy: &ScalingPolicy,
        now: Timestamp,
    ) -> Option<&MetricHistory> {
        let by_shard = self.by_shard.as_mut()?;
        let span = by_shard.reach(now);
        let metrics = &mut by_shard.snapshot.metrics;
        // An idle pass does not ask for the shards'.
        let shards = std::mem::take(&mut metrics.shards);
        metrics.settled_until = Some(span.told_until(metrics, policy));
        metrics.shards = shards;
        Some(metrics)
    }

    /// What an observation of the stream gives now, after a refusal of an UpdateShardCount if there was one.
    pub(super) fn snapshot(
        &mut self,
        stream: &Fluid,
        policy: &ScalingPolicy,
        now: Timestamp,
        refused: Option<String>,
    ) -> Option<&Snapshot> {
        let (first_minute, public_until, minutes) = (self.first_minute, self.public_until(), &self.minutes);
        let by_shard = self.by_shard.as_mut()?;
        by_shard.snapshot.update_shard_count_refused = refused;
        by_shard.update(stream, policy, now, public_until);
        if policy.update_shard_count == UpdateShardCount::Auto {
            by_shard.add_quarters(first_minute, minutes);
        }
        Some(&by_shard.snapshot)
    }

    /// The same with all that some shards have reported since the start of the look-back.
    pub(super) fn snapshot_since_the_look_back<'a>(
        &mut self,
        shards: impl IntoIterator<Item = &'a ShardId>,
    ) -> Option<&Snapshot> {
        let public_until = self.public_until();
        let by_shard = self.by_shard.as_mut()?;
        let Span { first_minute, settled_until, .. } =
            Span::of(by_shard.snapshot.observed_at, &by_shard.snapshot.summary);
        for id in shards {
            by_shard.widen(id, [first_minute, settled_until.max(public_until)]);
        }
        Some(&by_shard.snapshot)
    }

    /// The first minute that is not public yet.
    fn public_until(&self) -> Minute {
        let public = i64::try_from(self.minutes.len()).unwrap_or(i64::MAX);
        self.first_minute.plus(public)
    }
}

impl ByShard {
    fn note_topology(&mut self, stream: &Fluid, now: Timestamp) {
        self.topologies.push_back((now, stream.ids().cloned().collect()));
    }

    /// Adds a public minute to every series.
    fn append(&mut self, report: &MinuteReport, stream: StreamMinute) {
        for (metric, value) in stream_values(stream, report.open) {
            let series = self
                .snapshot
                .metrics
                .stream
                .entry(metric)
                .or_insert_with(|| Series::new(report.minute, Vec::new(), true));
            series.end_at(report.minute);
            series.push(value);
        }
        let mut told = report.shards.iter().peekable();
        for (id, metrics) in &mut self.snapshot.metrics.shards {
            while told.next_if(|(known, _)| known < id).is_some() {}
            let amounts = told.next_if(|(known, _)| known == id).map_or([0; 3], |(_, amounts)| *amounts);
            // In the order of the metrics, which is that of the amounts.
            for (series, value) in metrics.values_mut().zip(data_points(amounts)) {
                series.end_at(report.minute);
                series.push(value);
            }
        }
        for (id, amounts) in &report.shards {
            if !self.archive.contains_key(id) {
                let first = Reported { first: report.minute, values: Vec::new() };
                self.archive.insert(id.clone(), first);
            }
            let Some(reported) = self.archive.get_mut(id) else { continue };
            reported.values.push(*amounts);
            if reported.values.len() > 2 * KEPT_MINUTES {
                reported.values.drain(..KEPT_MINUTES);
                reported.first = reported.first.plus(KEPT_MINUTES as i64);
            }
        }
    }

    /// Lets every series reach as far as an observation asks for: up to what should be settled, with no data points of
    /// what is not public yet.
    fn reach(&mut self, now: Timestamp) -> Span {
        let Snapshot { summary, metrics, .. } = &mut self.snapshot;
        let span = Span::of(now, summary);
        let of_shards = metrics.shards.values_mut().flat_map(BTreeMap::values_mut);
        for series in
            metrics.stream.values_mut().chain(of_shards).filter(|series| series.end() < span.settled_until)
        {
            series.end_at(span.settled_until);
        }
        span
    }

    fn update(&mut self, stream: &Fluid, policy: &ScalingPolicy, now: Timestamp, public_until: Minute) {
        let span = self.reach(now);
        let until = span.settled_until.max(public_until);
        let ByShard { snapshot, archive, topologies, topology } = self;
        snapshot.observed_at = now;
        snapshot.look_back_start = span.look_back_start;
        let listed = |listed: &&super::fluid::Listed| {
            listed.closed_at.is_none_or(|closed| closed > span.look_back_start)
        };
        let expired = snapshot.shards.len() != stream.listing().iter().filter(listed).count();
        if *topology != Some(stream.topology()) || expired {
            *topology = Some(stream.topology());
            // Those that were listed before are, but for the expired ones, the first of those that are now.
            let mut now_listed =
                stream.listing().iter().filter(listed).map(|listed| &listed.shard).peekable();
            snapshot.shards.retain_mut(|shard| {
                let still = now_listed.next_if(|listed| listed.id == shard.id);
                still.is_some_and(|listed| {
                    shard.closed = listed.closed;
                    true
                })
            });
            snapshot.shards.extend(now_listed.cloned());
            snapshot.summary.open_shard_count = stream.open_count() as usize;
            // Now and then, for it costs a look at each.
            if archive.len() > 2 * snapshot.shards.len() {
                let first = snapshot.shards.first().map(|shard| &shard.id);
                archive.retain(|id, _| Some(id) >= first);
            }
        }
        while topologies.get(1).is_some_and(|(from, _)| *from <= span.look_back_start) {
            topologies.pop_front();
        }
        let open_at = |at: Timestamp| {
            let after = topologies.partition_point(|(from, _)| *from <= at);
            let (_, open) = topologies.get(after.checked_sub(1)?)?;
            Some(PastTopology { at, open: open.clone() })
        };
        snapshot.past_topologies = span.past_moments(policy).into_iter().filter_map(open_at).collect();

        for series in snapshot.metrics.stream.values_mut() {
            series.begin_at(span.first_minute);
        }
        // The series that an observation asks for: of every shard that was open since `from`.
        let from = span.shard_metrics_from(policy).min(public_until);
        let shards = &mut snapshot.metrics.shards;
        let since = from.start();
        let is_wanted = |listed: &&super::fluid::Listed| listed.closed_at.is_none_or(|at| at > since);
        let mut wanted = stream.listing().iter().filter(is_wanted).map(|listed| &listed.shard.id).peekable();
        let mut missing = Vec::new();
        shards.retain(|id, metrics| {
            while let Some(unknown) = wanted.next_if(|wanted| *wanted < id) {
                missing.push(unknown);
            }
            let is_wanted = wanted.next_if(|wanted| *wanted == id).is_some();
            if is_wanted {
                metrics.values_mut().for_each(|series| series.begin_at(from));
            }
            is_wanted
        });
        for id in missing.into_iter().chain(wanted) {
            shards.insert(id.clone(), reported_between(archive.get(id), from, until));
        }
        snapshot.metrics.settled_until = Some(span.told_until(&snapshot.metrics, policy));
    }

    /// Adds the quarters that are over, of the public minutes from `first_minute` on.
    fn add_quarters(&mut self, first_minute: Minute, minutes: &[StreamMinute]) {
        let metrics = &mut self.snapshot.metrics;
        let public_until = first_minute.plus(i64::try_from(minutes.len()).unwrap_or(i64::MAX));
        let Some(settled) = metrics.settled_until.map(|settled| settled.min(public_until)) else { return };
        let first = quarters::first_of(&self.snapshot.summary, settled);
        let quarters = metrics.quarters.get_or_insert_with(|| Quarters::from(first));
        quarters.begin_at(first);
        let place =
            |minute: Minute| usize::try_from(minute.since(first_minute)).unwrap_or(0).min(minutes.len());
        while quarters.end().plus(QUARTER_MINUTES) <= settled {
            let of = &minutes[place(quarters.end())..place(quarters.end().plus(QUARTER_MINUTES))];
            let sum = |of_minute: fn(&StreamMinute) -> u64| of.iter().map(of_minute).sum::<u64>();
            let writes =
                [sum(|minute| minute.bytes), sum(|minute| minute.records), sum(|minute| minute.rejected)];
            quarters.values.push(Some(writes));
        }
    }

    /// Lets the series of a shard begin at `start`, and go on to `end`.
    fn widen(&mut self, id: &ShardId, [start, end]: [Minute; 2]) {
        let reported = self.archive.get(id);
        let whole = || reported_between(reported, start, end);
        match self.snapshot.metrics.shards.entry(id.clone()) {
            Entry::Vacant(unknown) => {
                unknown.insert(whole());
            }
            Entry::Occupied(mut known) => {
                // Before it had reported anything there is nothing to add.
                let is_new =
                    |series: &Series| reported.is_some_and(|reported| series.start <= reported.first);
                if known.get().values().all(is_new) {
                    known.get_mut().values_mut().for_each(|series| series.reach_back_to(start));
                } else {
                    known.insert(whole());
                }
            }
        }
    }
}

/// What is always so of the modelled stream, without shards and metrics.
pub(super) fn bare_snapshot(stream: &Fluid) -> Snapshot {
    let name = "simulated";
    let summary = StreamSummary {
        arn: format!("arn:aws:kinesis:us-east-1:123456789012:stream/{name}"),
        name: name.to_owned(),
        status: StreamStatus::Active,
        mode: StreamMode::Provisioned,
        created_at: stream.created_at(),
        retention_hours: 24,
        open_shard_count: 0,
        enhanced_metrics: ShardMetric::ALL.iter().map(|metric| metric.name().to_owned()).collect(),
        consumer_count: 0,
    };
    Snapshot {
        format: SNAPSHOT_FORMAT,
        observed_at: stream.created_at(),
        summary,
        shards: Vec::new(),
        look_back_start: stream.created_at(),
        past_topologies: Vec::new(),
        metrics: MetricHistory {
            settled_until: Some(Minute::of(stream.created_at())),
            ..MetricHistory::default()
        },
        update_shard_count_refused: None,
    }
}

/// The series of a shard: its reports, and no data where it has none.
fn reported_between(reported: Option<&Reported>, from: Minute, to: Minute) -> BTreeMap<ShardMetric, Series> {
    let (first, rows) = reported.map_or((from, &[][..]), |reported| {
        let place = |minute: Minute| {
            let after = usize::try_from(minute.since(reported.first)).unwrap_or(0);
            after.min(reported.values.len())
        };
        (reported.first.max(from), &reported.values[place(from)..place(to).max(place(from))])
    });
    let series = |of: usize| {
        Series::of_span(from, to, first, rows.iter().map(|amounts| data_points(*amounts)[of]).collect())
    };
    BTreeMap::from(std::array::from_fn::<_, 3, _>(|of| (ShardMetric::INGEST[of], series(of))))
}
