//! Watching the operator for a while: what it asked for, how late it was, what it took.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Scale;
use super::account::{Account, OPERATIONS};
use super::process::{Operator, Sample};

/// Between two looks at the account.
const SECOND: Duration = Duration::from_secs(1);
/// Between two looks at the operator's metrics, as Prometheus takes them.
const SCRAPE: Duration = Duration::from_secs(15);
/// Seconds between the ends of two passes over one resource, beyond which the second was late: its
/// interval of 60 s, and five more.
const LATE_SECONDS: f64 = 65.0;

/// Who watches.
pub struct Watch<'w> {
    operator: &'w Operator,
    account: &'w Account,
    scale: Scale,
}

/// What was seen.
#[derive(Debug, Default)]
pub struct Seen {
    pub seconds: f64,
    pub processor_seconds: f64,
    /// Resident memory at the end, in MB.
    pub memory: f64,
    /// Passes by what they came to.
    pub passes: BTreeMap<String, f64>,
    /// The longest time between the ends of two passes over one resource, in seconds.
    pub longest_gap: f64,
    /// Passes that ended late.
    pub late: usize,
    /// The longest time between the ends of two passes over a hot stream, in seconds: one that takes a
    /// step ends with it.
    pub longest_gap_of_hot: f64,
    /// The share of passes that took less than a second.
    pub quick: f64,
    /// Calls to AWS: their rate, and the most within one second.
    pub calls: Vec<(String, f64, u64)>,
    pub throttles: f64,
    /// Metrics that were read, each of which is billed.
    pub metrics_read: f64,
    /// Requests to the API server by verb and kind, watches apart.
    pub api: BTreeMap<String, f64>,
    pub most_resharding: usize,
    pub resharded: usize,
    pub steps: f64,
}

impl<'w> Watch<'w> {
    pub fn new(operator: &'w Operator, account: &'w Account, scale: Scale) -> Watch<'w> {
        Watch { operator, account, scale }
    }

    /// Waits until each resource has had a pass.
    pub fn until_all_are_seen(&mut self) {
        while last_passes(&self.operator.metrics()).len() < self.scale.streams {
            sleep(2 * SECOND);
        }
    }

    /// Lets time pass.
    pub fn rests(&self, time: Duration) {
        sleep(time);
    }

    /// Watches for so long.
    pub fn measure(&mut self, time: Duration) -> Seen {
        let mut seen = Seen::default();
        let first = self.operator.metrics();
        let mut passed = last_passes(&first);
        let (begun, processor) = (Instant::now(), self.operator.processor_seconds());
        let (calls_before, mut calls) = (self.account.calls(), self.account.calls());
        let (mut most, mut next_scrape) = ([0; OPERATIONS.len()], begun + SCRAPE);
        let mut last = first.clone();
        let mut second = begun + SECOND;
        while begun.elapsed() < time {
            sleep(second.saturating_duration_since(Instant::now()));
            second += SECOND;
            let now = self.account.calls();
            for (most, (now, before)) in most.iter_mut().zip(now.iter().zip(calls)) {
                *most = (*most).max(now - before);
            }
            calls = now;
            seen.most_resharding = seen.most_resharding.max(self.account.resharding());
            if Instant::now() >= next_scrape {
                next_scrape += SCRAPE;
                last = self.operator.metrics();
                seen.take_in_gaps(&mut passed, last_passes(&last), self.account);
            }
        }
        seen.seconds = begun.elapsed().as_secs_f64();
        seen.processor_seconds = self.operator.processor_seconds() - processor;
        seen.memory = self.operator.memory();
        for (index, operation) in OPERATIONS.iter().enumerate() {
            let rate = (calls[index] - calls_before[index]) as f64 / seen.seconds;
            seen.calls.push((format!("{operation:?}"), rate, most[index]));
        }
        seen.resharded = self.account.resharded();
        seen.tally(&first, &last);
        seen
    }
}

impl Seen {
    fn take_in_gaps(
        &mut self,
        passed: &mut BTreeMap<String, f64>,
        now: BTreeMap<String, f64>,
        account: &Account,
    ) {
        for (resource, at) in &now {
            let gap = passed.get(resource).map_or(0.0, |before| at - before);
            if account.is_hot(resource) {
                self.longest_gap_of_hot = self.longest_gap_of_hot.max(gap);
                continue;
            }
            self.longest_gap = self.longest_gap.max(gap);
            self.late += usize::from(gap > LATE_SECONDS);
        }
        *passed = now;
    }

    /// What has been counted between two looks at the metrics.
    fn tally(&mut self, first: &[Sample], last: &[Sample]) {
        let before: BTreeMap<&str, f64> = first.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let (mut quick, mut all) = (0.0, 0.0);
        for (name, value) in last {
            let more = value - before.get(name.as_str()).copied().unwrap_or(0.0);
            if more == 0.0 {
                continue;
            }
            let label = |label: &str| label_of(name, label).unwrap_or_default().to_owned();
            match name.split('{').next().unwrap_or_default() {
                "reshard_reconciles_total" => *self.passes.entry(label("outcome")).or_default() += more,
                "reshard_aws_throttles_total" => self.throttles += more,
                "reshard_aws_metrics_requested_total" => self.metrics_read += more,
                "reshard_steps_total" => self.steps += more,
                "reshard_kubernetes_requests_total" => {
                    let call = format!("{} {}", label("verb"), label("resource"));
                    *self.api.entry(call).or_default() += more;
                }
                "reshard_reconcile_duration_seconds_bucket" if label("le") == "1.0" => quick += more,
                "reshard_reconcile_duration_seconds_count" => all += more,
                _ => {}
            }
        }
        self.quick = quick / f64::max(all, 1.0);
    }
}

/// When each resource, by its name, had its last pass.
fn last_passes(metrics: &[Sample]) -> BTreeMap<String, f64> {
    let of = |(name, value): &Sample| {
        let labels = name.strip_prefix("reshard_last_reconcile_timestamp_seconds")?;
        Some((label_of(labels, "name")?.to_owned(), *value))
    };
    metrics.iter().filter_map(of).collect()
}

fn label_of<'n>(name: &'n str, label: &str) -> Option<&'n str> {
    let (_, rest) = name.split_once(&format!("{label}=\""))?;
    rest.split('"').next()
}
