//! The series of each resource: one map, so that all of them go when the resource goes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::cost::{Bill, CostItem};
use crate::load::Load;
use crate::operator::status::{Condition, ConditionStatus};
use crate::plan::Evidence;
use crate::quota::Dimension;
use crate::report::Report;

/// The hours of a month, as AWS's calculator has them: 365 days / 12.
const HOURS_OF_A_MONTH: f64 = 730.0;

/// All resources, by namespace and name.
#[derive(Debug)]
pub(super) struct Resources {
    per_shard: bool,
    series: BTreeMap<(String, String), Series>,
}

/// What is told of one resource.
#[derive(Debug, Default)]
pub(super) struct Series {
    look: Option<Look>,
    conditions: Vec<(String, ConditionStatus)>,
    steps: BTreeMap<(&'static str, String), u64>,
    passes: BTreeMap<String, u64>,
    last_pass: Option<Timestamp>,
}

/// What was decided last.
#[derive(Debug)]
struct Look {
    current: usize,
    desired: u32,
    /// Mean and highest load, by dimension.
    utilization: Vec<(Dimension, Option<Load>, Option<Load>)>,
    targets: Vec<(Dimension, Load)>,
    holds: BTreeMap<&'static str, u64>,
    verdicts: BTreeMap<&'static str, u64>,
    /// Seconds between the newest minute that was read and AWS's clock.
    metric_age: Option<f64>,
    cost: Bill,
    shards: Vec<(String, [Load; 3])>,
}

impl Resources {
    pub(super) fn new(per_shard: bool) -> Self {
        Resources { per_shard, series: BTreeMap::new() }
    }

    /// The series of a resource, which begin when they are first asked for.
    pub(super) fn of(&mut self, namespace: &str, name: &str) -> &mut Series {
        self.series.entry((namespace.to_owned(), name.to_owned())).or_default()
    }

    pub(super) fn forget(&mut self, namespace: &str, name: &str) {
        self.series.remove(&(namespace.to_owned(), name.to_owned()));
    }

    pub(super) fn forget_all(&mut self) {
        self.series.clear();
    }
}

impl Series {
    pub(super) fn passed(&mut self, outcome: &str, at: Timestamp) {
        *self.passes.entry(outcome.to_owned()).or_default() += 1;
        self.last_pass = Some(at);
    }

    pub(super) fn stepped(&mut self, kind: &'static str, result: &str) {
        *self.steps.entry((kind, result.to_owned())).or_default() += 1;
    }

    pub(super) fn conditions(&mut self, conditions: &[Condition]) {
        let of = |condition: &Condition| (condition.r#type.clone(), condition.status);
        self.conditions = conditions.iter().map(of).collect();
    }

    pub(super) fn undecided(&mut self) {
        self.look = None;
    }

    pub(super) fn decided(&mut self, report: &Report) {
        let count = |reasons: Vec<&'static str>| {
            let mut counts = BTreeMap::new();
            reasons.into_iter().for_each(|reason| *counts.entry(reason).or_default() += 1);
            counts
        };
        let known = report.plan.before.iter().zip(&report.shards);
        let known = known.filter(|(shard, _)| shard.evidence != Evidence::Unknown);
        let hottest = |of: &crate::report::Utilization| of.hottest.as_ref().map(|hottest| hottest.load);
        self.look = Some(Look {
            current: report.stream.shards,
            desired: report.plan.desired_shards,
            utilization: report.utilization.iter().map(|of| (of.dimension, of.mean, hottest(of))).collect(),
            targets: report.utilization.iter().map(|of| (of.dimension, of.target)).collect(),
            holds: count(report.plan.holds.iter().map(|hold| hold.reason()).collect()),
            verdicts: count(report.plan.verdicts.iter().map(|verdict| verdict.reason()).collect()),
            metric_age: report
                .window
                .map(|window| report.observed_at.duration_since(window.end).as_secs_f64()),
            cost: report.cost.before.clone(),
            shards: known
                .filter_map(|(shard, id)| Some((id.as_ref()?.as_str().to_owned(), shard.loads.as_array())))
                .collect(),
        });
    }
}

/// One sample: the labels beside namespace and name, and the value.
type Sample<V> = (Vec<(&'static str, String)>, V);

/// A metric of resources.
struct Described<V> {
    name: &'static str,
    help: &'static str,
    unit: Option<&'static Unit>,
    samples: fn(&Series) -> Vec<Sample<V>>,
    /// Whether it is there only where each shard is told of.
    per_shard: bool,
}

impl<V> Described<V> {
    const fn new(name: &'static str, help: &'static str, samples: fn(&Series) -> Vec<Sample<V>>) -> Self {
        Described { name, help, unit: None, samples, per_shard: false }
    }

    const fn in_seconds(self) -> Self {
        Described { unit: Some(&SECONDS), ..self }
    }
}

static SECONDS: Unit = Unit::Seconds;

const GAUGES: [Described<f64>; 10] = [
    Described::new("shards_current", "The open shards", |series| {
        of_look(series, |look| vec![(vec![], look.current as f64)])
    }),
    Described::new(
        "shards_desired",
        "The shards that the policy asks for, once nothing is held back",
        |series| of_look(series, |look| vec![(vec![], f64::from(look.desired))]),
    ),
    Described::new(
        "utilization_ratio",
        "The load in parts of a shard's ceiling: the mean of all shards, and the highest of any",
        |series| {
            of_look(series, |look| {
                let sample = |dimension: Dimension, statistic: &str, load: Option<Load>| {
                    let labels = vec![("dimension", word(dimension)), ("statistic", statistic.to_owned())];
                    load.map(|load| (labels, ratio(load)))
                };
                look.utilization
                    .iter()
                    .flat_map(|(of, mean, max)| [sample(*of, "mean", *mean), sample(*of, "max", *max)])
                    .flatten()
                    .collect()
            })
        },
    ),
    Described::new("target_ratio", "The utilization that shards are kept below", |series| {
        of_look(series, |look| {
            let sample = |(of, load): &(Dimension, Load)| (vec![("dimension", word(*of))], ratio(*load));
            look.targets.iter().map(sample).collect()
        })
    }),
    Described::new("holds", "What is held back now, by reason", |series| {
        of_look(series, |look| by_reason(&look.holds))
    }),
    Described::new("verdicts", "What no step can cure, by reason", |series| {
        of_look(series, |look| by_reason(&look.verdicts))
    }),
    Described::new("metric_age", "How old the newest metrics were at the last decision", |series| {
        of_look(series, |look| look.metric_age.map(|age| (vec![], age)).into_iter().collect())
    })
    .in_seconds(),
    Described::new(
        "estimated_cost_dollars_per_hour",
        "What the stream costs at list prices: its shards, their metrics, and reading these",
        |series| {
            of_look(series, |look| {
                let parts = [
                    ("shards", CostItem::Shards),
                    ("shardMetrics", CostItem::ShardMetrics),
                    ("metricReads", CostItem::MetricReads),
                ];
                let hourly = |item| look.cost.of(item).nano_dollars() as f64 / 1e9 / HOURS_OF_A_MONTH;
                parts.map(|(part, item)| (vec![("part", part.to_owned())], hourly(item))).into()
            })
        },
    ),
    Described::new("condition", "1 for each condition, by the status that it has", |series| {
        let labels = |(of, status): &(String, ConditionStatus)| {
            vec![("type", of.clone()), ("status", format!("{status:?}"))]
        };
        series.conditions.iter().map(|condition| (labels(condition), 1.0)).collect()
    }),
    Described {
        per_shard: true,
        ..Described::new(
            "shard_load_ratio",
            "The load of a shard in parts of its ceiling (opt-in)",
            |series| {
                of_look(series, |look| {
                    let of_shard = |(id, loads): &(String, [Load; 3])| {
                        let sample = |(of, load): (Dimension, Load)| {
                            (vec![("shard", id.clone()), ("dimension", word(of))], ratio(load))
                        };
                        Dimension::SPLITTABLE.into_iter().zip(*loads).map(sample).collect::<Vec<_>>()
                    };
                    look.shards.iter().flat_map(of_shard).collect()
                })
            },
        )
    },
];

/// Since this replica leads. Prometheus adds `_total`.
const COUNTERS: [Described<u64>; 2] = [
    Described::new("steps", "Steps that ended, by kind and result", |series| {
        let labels = |(kind, result): &(&'static str, String)| {
            vec![("kind", (*kind).to_owned()), ("result", result.clone())]
        };
        series.steps.iter().map(|(step, count)| (labels(step), *count)).collect()
    }),
    Described::new("reconciles", "Passes that ended, by what they came to", |series| {
        let labels = |outcome: &String| vec![("outcome", outcome.clone())];
        series.passes.iter().map(|(outcome, count)| (labels(outcome), *count)).collect()
    }),
];

const LAST_PASS: Described<f64> =
    Described::new("last_reconcile_timestamp", "When the last pass ended, in seconds since 1970", |series| {
        series.last_pass.map(|at| (vec![], at.as_millisecond() as f64 / 1e3)).into_iter().collect()
    })
    .in_seconds();

fn of_look(series: &Series, samples: impl FnOnce(&Look) -> Vec<Sample<f64>>) -> Vec<Sample<f64>> {
    series.look.as_ref().map(samples).unwrap_or_default()
}

fn by_reason(counts: &BTreeMap<&'static str, u64>) -> Vec<Sample<f64>> {
    counts.iter().map(|(reason, count)| (vec![("reason", (*reason).to_owned())], *count as f64)).collect()
}

fn ratio(load: Load) -> f64 {
    load.percent() / 100.0
}

/// The dimension as the resource's `spec.targets` calls it.
fn word(dimension: Dimension) -> String {
    match dimension {
        Dimension::IngestBytes => "ingestBytes",
        Dimension::IngestRecords => "ingestRecords",
        Dimension::ReadBytes => "readBytes",
        Dimension::ReadCalls => "readCalls",
    }
    .to_owned()
}

/// Tells of all resources whenever somebody reads.
#[derive(Debug)]
pub(super) struct Collected(pub(super) Arc<Mutex<Resources>>);

impl Collector for Collected {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let resources = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for gauge in GAUGES.iter().chain([&LAST_PASS]) {
            tell(&resources, gauge, MetricType::Gauge, &mut encoder, |value, encoder| {
                ConstGauge::new(value).encode(encoder)
            })?;
        }
        for counter in &COUNTERS {
            tell(&resources, counter, MetricType::Counter, &mut encoder, |value, encoder| {
                ConstCounter::new(value).encode(encoder)
            })?;
        }
        Ok(())
    }
}

fn tell<V>(
    resources: &Resources,
    metric: &Described<V>,
    kind: MetricType,
    encoder: &mut DescriptorEncoder<'_>,
    encode: impl Fn(V, MetricEncoder<'_>) -> fmt::Result,
) -> fmt::Result {
    if metric.per_shard && !resources.per_shard {
        return Ok(());
    }
    let mut encoder = encoder.encode_descriptor(metric.name, metric.help, metric.unit, kind)?;
    for ((namespace, name), series) in &resources.series {
        for (mut labels, value) in (metric.samples)(series) {
            labels.splice(0..0, [("namespace", namespace.clone()), ("name", name.clone())]);
            encode(value, encoder.encode_family(&labels)?)?;
        }
    }
    Ok(())
}
