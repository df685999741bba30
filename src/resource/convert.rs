//! The resource's way into a policy: every field is checked, every fault is noted.
//!
//! A field at fault stands in for itself with an empty value; with a fault noted, no policy comes
//! out, so that value decides nothing.

use std::cell::RefCell;
use std::time::Duration;

use super::check::{Field, FieldError, quoted};
use super::{KinesisStreamAutoscaler, KinesisStreamAutoscalerSpec, Metadata, names, ranges, spec};
use crate::load::{Load, Loads};
use crate::policy::{self, RateAmount, ScalingPolicy, ScalingRules, ShardBounds};
use crate::quota::{Dimension, MAX_SHARDS, MIN_SHARDS};

mod readers;
mod schedules;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// See [`KinesisStreamAutoscaler::to_policy`].
pub(super) fn to_policy(resource: &KinesisStreamAutoscaler) -> Result<ScalingPolicy, Vec<FieldError>> {
    let KinesisStreamAutoscaler { api_version: _, kind: _, metadata, spec } = resource;
    let faults = RefCell::default();
    let generation = check_metadata(metadata, &Field::top("metadata", &faults));
    let policy = convert_spec(spec, generation, &Field::top("spec", &faults));
    let faults = faults.into_inner();
    policy.filter(|_| faults.is_empty()).ok_or(faults)
}

/// The generation of a resource whose names are well formed.
fn check_metadata(metadata: &Metadata, at: &Field<'_>) -> u64 {
    let Metadata { name, namespace, generation } = metadata;
    at.at("name").require(names::is_dns_subdomain(name), || {
        format!(
            "{} is not the name of a Kubernetes object: give lower-case letters, digits, `-` and `.`, \
             a letter or digit at either end, at most 253 characters",
            quoted(name)
        )
    });
    if let Some(namespace) = namespace {
        at.at("namespace").require(names::is_dns_label(namespace), || {
            format!(
                "{} is not the name of a namespace: give lower-case letters, digits and `-`, \
                 a letter or digit at either end, at most 63 characters",
                quoted(namespace)
            )
        });
    }
    let generation = generation.unwrap_or(0);
    at.at("generation").require(generation >= 0, || format!("{generation} is negative: leave it out"));
    u64::try_from(generation).unwrap_or_default()
}

/// `None` only beside a noted fault.
fn convert_spec(
    spec: &KinesisStreamAutoscalerSpec,
    generation: u64,
    at: &Field<'_>,
) -> Option<ScalingPolicy> {
    let KinesisStreamAutoscalerSpec {
        stream_ref,
        aws,
        mode,
        suspend,
        interval,
        min_shards,
        max_shards,
        targets,
        metrics,
        behavior: spec::Behavior { scale_up, scale_down },
        tradeoff,
        pace,
        budgets,
        update_shard_count,
        hand_overs,
        approval,
        consumers,
        lag_guard: spec::LagGuard { max_iterator_age },
        schedules,
    } = spec;

    let stream = stream(stream_ref, &at.at("streamRef"));
    let role_arn = aws.as_ref().and_then(|aws| role_arn(aws, &at.at("aws")));
    let interval = at.at("interval").duration(interval, &ranges::INTERVAL);
    let bounds = bounds(*min_shards, *max_shards, at);
    let targets = convert_targets(targets, &at.at("targets"));
    let metrics = convert_metrics(metrics, &at.at("metrics"));
    let (up, down) = (at.at("behavior").at("scaleUp"), at.at("behavior").at("scaleDown"));
    let scale_up = ScalingRules {
        stabilization_window: stabilization_window(scale_up.stabilization_window_seconds, &up),
        select_policy: scale_up.select_policy,
        policies: rate_policies(&scale_up.policies, &up.at("policies")),
    };
    let tolerance_millionths =
        down.at("tolerance").millionths(scale_down.tolerance, ranges::TOLERANCE).unwrap_or_default();
    let scale_down = ScalingRules {
        stabilization_window: stabilization_window(scale_down.stabilization_window_seconds, &down),
        select_policy: scale_down.select_policy,
        policies: rate_policies(&scale_down.policies, &down.at("policies")),
    };
    let tradeoff = convert_tradeoff(tradeoff, &at.at("tradeoff"));
    let budgets = convert_budgets(budgets, &at.at("budgets"));
    let pace = convert_pace(pace, &at.at("pace"));
    let expire_after =
        at.at("approval").at("expireAfter").duration(&approval.expire_after, &ranges::EXPIRE_AFTER);
    let consumers = readers::convert(consumers, &at.at("consumers"));
    let max_iterator_age =
        at.at("lagGuard").at("maxIteratorAge").duration(max_iterator_age, &ranges::MAX_ITERATOR_AGE);
    let most_shards = bounds.map_or(MAX_SHARDS, ShardBounds::max);
    let schedules = schedules::convert(schedules, most_shards, &at.at("schedules"));

    Some(ScalingPolicy {
        stream: stream?,
        generation,
        role_arn,
        mode: *mode,
        suspend: *suspend,
        interval: interval?,
        bounds: bounds?,
        targets,
        metrics: metrics?,
        scale_up,
        scale_down,
        tolerance_millionths: u32::try_from(tolerance_millionths).ok()?,
        tradeoff: tradeoff?,
        pace: pace?,
        budgets: budgets?,
        update_shard_count: *update_shard_count,
        hand_overs: *hand_overs,
        approval: policy::Approval { required: approval.required, expire_after: expire_after? },
        consumers,
        max_iterator_age: max_iterator_age?,
        schedules,
    })
}

fn stream(stream: &spec::StreamReference, at: &Field<'_>) -> Option<policy::StreamRef> {
    let spec::StreamReference { name, arn, region } = stream;
    if let Some(region) = region {
        at.at("region").require(names::is_region(region), || {
            format!("{} is not the name of a region: give one such as eu-west-1", quoted(region))
        });
    }
    match (name, arn) {
        (None, None) => {
            at.fault("no stream is named: give its name or its arn");
            None
        }
        (Some(_), Some(_)) => {
            at.fault("both name and arn are given: give one of them");
            None
        }
        (Some(name), None) => {
            at.at("name").require(names::is_stream_name(name), || {
                format!(
                    "{} is not the name of a stream: give letters, digits, `_`, `.` and `-`, at most 128",
                    quoted(name)
                )
            });
            Some(policy::StreamRef { name: name.clone(), region: region.clone(), arn: None })
        }
        (None, Some(arn)) => {
            let Some(parsed) = names::parse_stream_arn(arn) else {
                at.at("arn").fault(format!(
                    "{} is not the ARN of a stream: give arn:aws:kinesis:<region>:<account>:stream/<name>, \
                     the account with 12 digits",
                    quoted(arn)
                ));
                return None;
            };
            if let Some(region) = region {
                at.at("region").require(region == parsed.region, || {
                    format!(
                        "{} is not the region in the ARN, `{}`: leave it out",
                        quoted(region),
                        parsed.region
                    )
                });
            }
            let (name, region) = (parsed.name.to_owned(), Some(parsed.region.to_owned()));
            Some(policy::StreamRef { name, region, arn: Some(arn.clone()) })
        }
    }
}

fn role_arn(aws: &spec::AwsAccess, at: &Field<'_>) -> Option<String> {
    let spec::AwsAccess { role_arn } = aws;
    let role_arn = role_arn.as_ref()?;
    at.at("roleArn").require(names::is_role_arn(role_arn), || {
        format!(
            "{} is not the ARN of a role: give arn:aws:iam::<account>:role/<path and name>, \
             the account with 12 digits",
            quoted(role_arn)
        )
    });
    Some(role_arn.clone())
}

fn bounds(min_shards: i64, max_shards: i64, at: &Field<'_>) -> Option<ShardBounds> {
    let min = at.at("minShards").integer(min_shards, ranges::SHARDS);
    let max = at.at("maxShards").integer(max_shards, ranges::SHARDS);
    let (min, max) = (min?, max?);
    let bounds = ShardBounds::new(min, max);
    at.at("minShards").require(bounds.is_some(), || more_than_max_shards(min, max));
    bounds
}

fn more_than_max_shards(min: u32, max: u32) -> String {
    format!("{min} is more than maxShards: give {MIN_SHARDS} to {max}, or raise maxShards")
}

fn convert_targets(targets: &spec::Targets, at: &Field<'_>) -> policy::Targets {
    let spec::Targets { ingest_bytes, ingest_records, read_bytes, read_calls } = targets;
    let fallback = policy::Targets::default().limits;
    let mut learned = Vec::new();
    let mut of = |target: &spec::Target, name: &str, dimension: Dimension| match target.utilization {
        spec::Utilization::Percent(percent) => percentage(percent, &at.at(name)),
        spec::Utilization::Auto => {
            learned.push(dimension);
            fallback.of(dimension)
        }
    };
    let limits = Loads {
        ingest_bytes: of(ingest_bytes, "ingestBytes", Dimension::IngestBytes),
        ingest_records: of(ingest_records, "ingestRecords", Dimension::IngestRecords),
        read_bytes: of(read_bytes, "readBytes", Dimension::ReadBytes),
    };
    policy::Targets { limits, learned, read_calls: percentage(read_calls.utilization, &at.at("readCalls")) }
}

fn percentage(percent: i64, at: &Field<'_>) -> Load {
    let percent = at.at("utilization").integer(percent, ranges::TARGET_PERCENT);
    Load::from_percent(percent.unwrap_or_default())
}

fn convert_metrics(metrics: &spec::Metrics, at: &Field<'_>) -> Option<policy::MetricsPolicy> {
    let spec::Metrics { source, window, max_age, enhanced_monitoring } = metrics;
    let window = at.at("window").duration(window, &ranges::WINDOW);
    let max_age = at.at("maxAge").duration(max_age, &ranges::MAX_AGE);
    Some(policy::MetricsPolicy {
        source: *source,
        window_minutes: u32::try_from(window?.as_secs() / MINUTE).ok()?,
        max_age: max_age?,
        enhanced_monitoring: *enhanced_monitoring,
    })
}

fn stabilization_window(seconds: i64, at: &Field<'_>) -> Duration {
    let seconds = at.at("stabilizationWindowSeconds").integer(seconds, ranges::STABILIZATION_SECONDS);
    Duration::from_secs(u64::from(seconds.unwrap_or_default()))
}

fn rate_policies(policies: &[spec::RatePolicy], at: &Field<'_>) -> Vec<policy::RatePolicy> {
    at.at_most(policies, ranges::MOST_RATE_POLICIES);
    let convert = |(index, policy): (usize, &spec::RatePolicy)| {
        let spec::RatePolicy { r#type, value, period_seconds } = policy;
        let at = at.item(index);
        let value_at = at.at("value");
        let amount = match r#type {
            spec::RatePolicyType::Percent => {
                value_at.integer(*value, ranges::CHANGE_PERCENT).map(RateAmount::Percent)
            }
            spec::RatePolicyType::Shards => value_at.integer(*value, ranges::SHARDS).map(RateAmount::Shards),
        };
        let seconds = at.at("periodSeconds").integer(*period_seconds, ranges::PERIOD_SECONDS);
        Some(policy::RatePolicy { amount: amount?, period: Duration::from_secs(u64::from(seconds?)) })
    };
    policies.iter().enumerate().filter_map(convert).collect()
}

fn convert_tradeoff(tradeoff: &spec::Tradeoff, at: &Field<'_>) -> Option<policy::Tradeoff> {
    let spec::Tradeoff { step_cost, horizon } = tradeoff;
    let millionths = at.at("stepCost").millionths(*step_cost, ranges::STEP_COST);
    let horizon = at.at("horizon").duration(horizon, &ranges::HORIZON);
    Some(policy::Tradeoff {
        step_cost_shard_seconds: (millionths? * HOUR + 500_000) / 1_000_000,
        horizon_seconds: horizon?.as_secs(),
    })
}

fn convert_pace(pace: &spec::Pace, at: &Field<'_>) -> Option<policy::Pace> {
    let spec::Pace { step, update_shard_count } = pace;
    let step = at.at("step").duration(step, &ranges::STEP_TIME);
    let update = at.at("updateShardCount").duration(update_shard_count, &ranges::UPDATE_TIME);
    Some(policy::Pace { step_seconds: step?.as_secs(), update_seconds: update?.as_secs() })
}

fn convert_budgets(budgets: &spec::Budgets, at: &Field<'_>) -> Option<policy::Budgets> {
    let spec::Budgets { max_steps_per_plan, max_merges_per_day } = budgets;
    let max_steps_per_plan = at.at("maxStepsPerPlan").integer(*max_steps_per_plan, ranges::STEPS_PER_PLAN);
    let max_merges_per_day = at.at("maxMergesPerDay").integer(*max_merges_per_day, ranges::MERGES_PER_DAY);
    Some(policy::Budgets { max_steps_per_plan: max_steps_per_plan?, max_merges_per_day: max_merges_per_day? })
}

#[cfg(test)]
mod tests {
    use super::super::DurationText;
    use super::*;

    #[test]
    fn a_resource_with_stream_and_max_shards_only_is_the_default_policy() {
        for max_shards in [1, 64, 200] {
            let policy =
                KinesisStreamAutoscaler::new("orders", "orders", max_shards).to_policy().expect("good");
            let expected = ScalingPolicy::for_stream("orders", max_shards);
            assert_eq!(format!("{policy:?}"), format!("{expected:?}"));
        }
    }

    #[test]
    fn a_target_that_is_learned_has_the_default_until_it_is() {
        let resource = KinesisStreamAutoscaler::new("orders", "orders", 8);
        let targets = |of: fn(&mut spec::Targets) -> &mut spec::Target| {
            let mut resource = resource.clone();
            let spec::Targets { ingest_bytes, ingest_records, read_bytes, .. } = &mut resource.spec.targets;
            for target in [ingest_bytes, ingest_records, read_bytes] {
                target.utilization = spec::Utilization::Percent(60);
            }
            of(&mut resource.spec.targets).utilization = spec::Utilization::Auto;
            let targets = resource.to_policy().expect("good").targets;
            (targets.learned, targets.limits.as_array().map(|load| load.0 / 10_000))
        };
        assert_eq!(targets(|all| &mut all.ingest_bytes), (vec![Dimension::IngestBytes], [95, 60, 60]));
        assert_eq!(targets(|all| &mut all.ingest_records), (vec![Dimension::IngestRecords], [60, 95, 60]));
        assert_eq!(targets(|all| &mut all.read_bytes), (vec![Dimension::ReadBytes], [60, 60, 95]));
    }

    #[test]
    fn all_faults_are_reported_together_and_in_order() {
        let mut resource = KinesisStreamAutoscaler::new("Orders", "or ders", 201);
        resource.spec.interval = DurationText("soon".to_owned());
        resource.spec.targets.read_calls.utilization = 101;
        resource.spec.budgets.max_steps_per_plan = 0;
        let faults = resource.to_policy().expect_err("six faults");
        let paths: Vec<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "metadata.name",
                "spec.streamRef.name",
                "spec.interval",
                "spec.maxShards",
                "spec.targets.readCalls.utilization",
                "spec.budgets.maxStepsPerPlan",
            ]
        );
    }

    #[test]
    fn shard_hours_become_whole_shard_seconds() {
        for (shard_hours, shard_seconds) in [(0.0, 0), (0.25, 900), (1.0 / 3.0, 1_200), (100.0, 360_000)] {
            let mut resource = KinesisStreamAutoscaler::new("orders", "orders", 8);
            resource.spec.tradeoff.step_cost = shard_hours;
            let policy = resource.to_policy().expect("good");
            assert_eq!(policy.tradeoff.step_cost_shard_seconds, shard_seconds);
        }
    }
}
