//! The book: what was true minute by minute, what each actor decided and sent, and what was wrong
//! with it. The oracles read the truth and the story, never what the product believes.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use reshard::control_plane::ErrorClass;
use reshard::hash_key::HashKeyRange;
use reshard::policy::{RateAmount, ScalingRules, SelectPolicy};
use reshard::simulator::fault::MetricEffect;
use reshard::simulator::truth::{TrueShard, Truth};
use reshard::snapshot::Minute;
use reshard::stream::{StreamMode, StreamStatus};

use super::story::Story;

/// A minute's truth: whose stream it was, and what each open shard was offered as it began.
struct Sample {
    created_at: Timestamp,
    open: Vec<(HashKeyRange, f64)>,
}

/// A split or merge that was sent.
pub struct Sent {
    pub at: Timestamp,
    pub merge: bool,
    /// `None`: accepted.
    pub class: Option<ErrorClass>,
    /// Whether the stream began to change.
    pub effect: bool,
}

/// What an actor does since its last decision.
#[derive(Default)]
struct Actor {
    decided_at: Option<Timestamp>,
    sent: Vec<Sent>,
}

/// Counts of what was seen, so that a run that checks nothing shows.
#[derive(Default, Debug, Clone, Copy)]
pub struct Counts {
    pub decisions: u64,
    pub replays: u64,
    pub splits: u64,
    pub merges: u64,
    pub refused: u64,
    pub unclear: u64,
}

impl Counts {
    pub fn plus(self, other: Counts) -> Counts {
        Counts {
            decisions: self.decisions + other.decisions,
            replays: self.replays + other.replays,
            splits: self.splits + other.splits,
            merges: self.merges + other.merges,
            refused: self.refused + other.refused,
            unclear: self.unclear + other.unclear,
        }
    }
}

#[derive(Default)]
pub struct Book {
    minutes: BTreeMap<Minute, Sample>,
    actors: BTreeMap<usize, Actor>,
    /// What happened, for people.
    pub log: Vec<String>,
    pub violations: Vec<String>,
    pub counts: Counts,
    pub last_effect: Option<Timestamp>,
    pub suspended: bool,
    /// Whether two actors are at work: each may be overtaken between its look and its request.
    pub twins: bool,
}

/// What truth and metrics may differ by: rounding, a minute's edges, chance.
const RELATIVE_ERROR: f64 = 0.04;
const ABSOLUTE_ERROR: f64 = 0.02;
/// The same under noise and bursts.
const ROUGH_ERROR: f64 = 0.25;

impl Book {
    pub fn sample(&mut self, now: Timestamp, truth: Option<Truth>) {
        let Some(truth) = truth else { return };
        let open = truth.shards.iter().filter(|shard| shard.closed_at.is_none());
        let open = open.map(|shard| (shard.range, shard.offered_bytes_per_second)).collect();
        self.minutes.insert(Minute::of(now), Sample { created_at: truth.created_at, open });
    }

    pub fn note(&mut self, now: Timestamp, what: String) {
        self.log.push(format!("{now} {what}"));
    }

    pub fn broken(&mut self, what: String) {
        self.log.push(format!("VIOLATION {what}"));
        self.violations.push(what);
    }

    /// After every request: the open shards tile the space.
    pub fn see(&mut self, open: &[TrueShard], now: Timestamp) {
        let mut next = Some(0_u128);
        for shard in open {
            if next != Some(shard.range.start().0) {
                self.broken(format!("{now}: the open shards do not tile at {}", shard.range));
                return;
            }
            next = shard.range.end().0.checked_add(1);
        }
        if !open.is_empty() && next.is_some() {
            self.broken(format!("{now}: the open shards end before the space does"));
        }
    }

    /// An actor decides anew.
    pub fn decided(&mut self, actor: usize, at: Timestamp, steps: usize, story: &Story) {
        self.counts.decisions += 1;
        self.actors.insert(actor, Actor { decided_at: Some(at), sent: Vec::new() });
        if steps > story.policy.budgets.max_steps_per_plan as usize {
            self.broken(format!("{at}: a plan of {steps} steps is over its budget"));
        }
    }

    /// What an actor's request came to.
    pub fn sent(&mut self, actor: usize, sent: Sent) {
        let what = if sent.merge { "merge" } else { "split" };
        self.note(sent.at, format!("{what} {:?} effect {}", sent.class, sent.effect));
        match (sent.effect, sent.merge, sent.class) {
            (true, true, _) => self.counts.merges += 1,
            (true, false, _) => self.counts.splits += 1,
            (false, _, Some(ErrorClass::Ambiguous)) => self.counts.unclear += 1,
            (false, ..) => self.counts.refused += 1,
        }
        if sent.effect {
            self.last_effect = Some(sent.at);
        }
        self.actors.entry(actor).or_default().sent.push(sent);
    }

    /// A split (one shard) or merge (two) that is about to be sent.
    pub fn judge(
        &mut self,
        actor: usize,
        story: &Story,
        now: Timestamp,
        truth: Option<&Truth>,
        ids: &[&str],
    ) {
        let merge = ids.len() == 2;
        let what = format!("{now}: {} {}", if merge { "merge" } else { "split" }, ids.join(" "));
        let mut wrong: Vec<String> = Vec::new();
        self.judge_resend(actor, &mut wrong);
        if self.suspended {
            wrong.push("while suspended".to_owned());
        }
        let Some(truth) = truth else {
            // A stream that went between the look and the request: AWS refuses it.
            return;
        };
        if truth.status != StreamStatus::Active && !self.twins {
            wrong.push(format!("while the stream is {}", truth.status));
        }
        if truth.mode != StreamMode::Provisioned {
            wrong.push("on an on-demand stream".to_owned());
        }
        judge_bounds(story, now, truth, merge, &mut wrong);
        let ranges: Vec<_> = truth
            .shards
            .iter()
            .filter(|shard| ids.contains(&shard.id.as_str()))
            .map(|shard| shard.range)
            .collect();
        let decided_at = self.actors.get(&actor).and_then(|actor| actor.decided_at);
        match decided_at {
            None => wrong.push("without a decision".to_owned()),
            Some(decided_at) => {
                self.judge_darkness(story, decided_at, &mut wrong);
                if merge && ranges.len() == 2 {
                    self.judge_merge(story, decided_at, truth, [ranges[0], ranges[1]], &mut wrong);
                }
                self.judge_rates(story, decided_at, truth, merge, &mut wrong);
            }
        }
        for wrong in wrong {
            self.broken(format!("{what}: {wrong}"));
        }
    }

    /// One request a decision: again only after a refusal, and not for ever.
    fn judge_resend(&self, actor: usize, wrong: &mut Vec<String>) {
        let Some(actor) = self.actors.get(&actor) else { return };
        if actor.sent.iter().any(|sent| sent.class.is_none_or(|class| !class.is_refusal())) {
            wrong.push("sent again though the one before was not refused".to_owned());
        }
        if actor.sent.len() >= 5 {
            wrong.push(format!("sent {} times already under one decision", actor.sent.len()));
        }
    }

    /// No step on metrics that are missing or nonsense throughout the window.
    fn judge_darkness(&self, story: &Story, decided_at: Timestamp, wrong: &mut Vec<String>) {
        let settled = Minute::of(decided_at).plus(-2);
        for fault in &story.metric_faults {
            let dark = match fault.effect {
                MetricEffect::Missing
                | MetricEffect::NotANumber
                | MetricEffect::Negative
                | MetricEffect::PartialData => true,
                MetricEffect::Late(by) => {
                    let published = settled.start() + by;
                    decided_at < published - SignedDuration::from_mins(5)
                }
                MetricEffect::Scaled(_) | MetricEffect::Future(_) => false,
            };
            let all = fault.metric_name.as_deref() != Some("IncomingRecords")
                && fault.dimension_value.is_none()
                && fault.chance == 1.0;
            let minutes = 1..=i64::from(story.policy.metrics.window_minutes);
            let throughout = minutes
                .map(|back| settled.plus(-back).start())
                .all(|minute| fault.from <= minute && minute < fault.until);
            if dark && all && throughout && decided_at < story.calm_at {
                wrong.push(format!("in the dark: {fault:?}"));
            }
        }
    }

    /// A merge needs a range that was its shards' own throughout the newest minutes of the stabilisation window, and
    /// whose load fits in every window of it, each counting the less the longer ago it was.
    fn judge_merge(
        &self,
        story: &Story,
        decided_at: Timestamp,
        truth: &Truth,
        [low, high]: [HashKeyRange; 2],
        wrong: &mut Vec<String>,
    ) {
        let policy = &story.policy;
        let (start, end) = (low.start().min(high.start()), low.end().max(high.end()));
        let whole = HashKeyRange::new(start, end).unwrap();
        let settled = Minute::of(decided_at).plus(-2);
        let mean = i64::from(policy.metrics.window_minutes);
        let down = (policy.scale_down.stabilization_window.as_secs().div_ceil(60) as i64).max(mean);
        let measured = down.min(3).max(mean);
        let mut offered = Vec::new();
        'minutes: for back in 1..=down {
            let minute = settled.plus(-back);
            let Some(sample) =
                self.minutes.get(&minute).filter(|sample| sample.created_at == truth.created_at)
            else {
                wrong.push(format!("on estimates: there was no stream at {}", minute.start()));
                return;
            };
            let mut sum = 0.0;
            for (range, bytes) in &sample.open {
                if whole.contains_range(*range) {
                    sum += bytes;
                } else if whole.intersection(*range).is_some() && *bytes > 0.0 {
                    if back > measured {
                        break 'minutes;
                    }
                    wrong.push(format!("on estimates: {range} was open at {}", minute.start()));
                    return;
                }
            }
            offered.push(sum);
        }
        let worst = offered
            .windows(mean as usize)
            .enumerate()
            .map(|(age, window)| {
                let faded = (down as usize - age) as f64 / down as f64;
                faded * window.iter().sum::<f64>() / mean as f64
            })
            .fold(0.0, f64::max);
        let (used, limit) = self.fill(story, worst);
        let relative = if story.rough { ROUGH_ERROR } else { RELATIVE_ERROR };
        if used > limit * (1.0 + relative) + ABSOLUTE_ERROR {
            wrong.push(format!("its true load is {used:.3} of a shard, the pack limit {limit:.3}"));
        }
    }

    /// The load of so many bytes a second in the dimension that is fuller against its pack limit,
    /// and that limit.
    fn fill(&self, story: &Story, bytes: f64) -> (f64, f64) {
        let keep = 1.0 - f64::from(story.policy.tolerance_millionths) / 1e6;
        let limits = story.policy.targets.limits;
        let of_bytes = (bytes / 1e6, limits.ingest_bytes.0 as f64 / 1e6 * keep);
        let records = bytes / f64::from(story.calm.record_bytes) / 1e3;
        let of_records = (records, limits.ingest_records.0 as f64 / 1e6 * keep);
        if of_bytes.0 / of_bytes.1 >= of_records.0 / of_records.1 { of_bytes } else { of_records }
    }

    /// Merges of a day, and net shards within each period. A split of a shard that rejects is free.
    fn judge_rates(
        &self,
        story: &Story,
        decided_at: Timestamp,
        truth: &Truth,
        merge: bool,
        wrong: &mut Vec<String>,
    ) {
        let policy = &story.policy;
        let open = truth.shards.iter().filter(|shard| shard.closed_at.is_none()).count() as i64;
        if !merge {
            return;
        }
        let day = decided_at - SignedDuration::from_hours(24);
        let merges = truth.shards.iter().filter(|shard| shard.parents == 2 && shard.opened_at > day).count();
        if merges >= policy.budgets.max_merges_per_day as usize {
            wrong.push(format!("after {merges} merges within a day"));
        }
        if story.stale_listings {
            return;
        }
        let Some(fewest) = self.fewest(&policy.scale_down, decided_at, truth, open) else { return };
        if open - 1 < fewest {
            wrong.push(format!("from {open} shards, where behavior allows {fewest}"));
        }
    }

    /// The fewest shards that `behavior.scaleDown` allows; `None` where the past is not known.
    fn fewest(&self, rules: &ScalingRules, decided_at: Timestamp, truth: &Truth, open: i64) -> Option<i64> {
        if rules.select_policy == SelectPolicy::Disabled {
            return Some(open);
        }
        let mut allowed = Vec::new();
        for policy in &rules.policies {
            let start = Minute::of(decided_at).plus(-(policy.period.as_secs().div_ceil(60) as i64));
            let samples = [-1, 0, 1].map(|minute| self.minutes.get(&start.plus(minute)));
            let counts = samples
                .into_iter()
                .map(|sample| sample.filter(|sample| sample.created_at == truth.created_at))
                .map(|sample| sample.map(|sample| sample.open.len() as i64));
            let then = counts.collect::<Option<Vec<i64>>>()?.into_iter().min()?;
            allowed.push(match policy.amount {
                RateAmount::Shards(shards) => then - i64::from(shards),
                RateAmount::Percent(percent) => then - (then * i64::from(percent) + 99) / 100,
            });
        }
        match rules.select_policy {
            SelectPolicy::Min => allowed.into_iter().max(),
            _ => allowed.into_iter().min(),
        }
    }
}

/// Bounds and directions at the moment, by the story's own clock.
fn judge_bounds(story: &Story, now: Timestamp, truth: &Truth, merge: bool, wrong: &mut Vec<String>) {
    let (mut min, max) = (story.policy.bounds.min(), story.policy.bounds.max());
    if let Some(window) = story.window {
        let is_open = window.opens <= now && now < window.closes;
        let leads = window.opens - window.lead <= now && now < window.closes;
        if let Some(of_window) = window.min_shards.filter(|_| leads) {
            min = min.max(of_window.min(max));
        }
        let allowed = if merge { window.allow.scale_down() } else { window.allow.scale_up() };
        if is_open && !allowed {
            wrong.push("in a window that freezes it".to_owned());
        }
    }
    let open = truth.shards.iter().filter(|shard| shard.closed_at.is_none()).count() as u32;
    if merge && open <= min {
        wrong.push(format!("at {open} shards, the minimum is {min}"));
    }
    if !merge && open >= max {
        wrong.push(format!("at {open} shards, the maximum is {max}"));
    }
}
