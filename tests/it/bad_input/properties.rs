//! Whatever is written, reading it gives resources or an error, and a resource reads back as itself.

use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use reshard::manifest;
use reshard::policy::{
    Allow, ApprovalRequired, EnhancedMonitoring, MetricsSource, Mode, SelectPolicy, UpdateShardCount,
};
use reshard::resource::{
    Approval, AwsAccess, Behavior, Budgets, CallsTarget, Consumer, ConsumerType, DurationText,
    KinesisStreamAutoscaler, LagGuard, Metrics, Pace, RatePolicy, RatePolicyType, ScaleDown, ScaleUp,
    Schedule, StreamReference, Target, Targets, Tradeoff, Utilization,
};

use super::fixture;

fn seconds(least: u64, most: u64) -> impl Strategy<Value = DurationText> {
    (least..=most).prop_map(|seconds| Duration::from_secs(seconds).into())
}

fn stream() -> impl Strategy<Value = StreamReference> {
    let region = || prop_oneof![Just("eu-west-1"), Just("us-gov-east-1")].prop_map(str::to_owned);
    prop_oneof![
        ("[a-zA-Z0-9_.-]{1,128}", option::of(region())).prop_map(|(name, region)| StreamReference {
            name: Some(name),
            arn: None,
            region
        }),
        ("[a-zA-Z0-9_.-]{1,128}", region(), "[0-9]{12}").prop_map(|(name, region, account)| {
            let arn = Some(format!("arn:aws:kinesis:{region}:{account}:stream/{name}"));
            StreamReference { name: None, arn, region: None }
        }),
    ]
}

fn targets() -> impl Strategy<Value = Targets> {
    let percent = (1..=100_i64).prop_map(Utilization::Percent);
    let target = prop_oneof![4 => percent, 1 => Just(Utilization::Auto)];
    let target = target.prop_map(|utilization| Target { utilization });
    (target.clone(), target.clone(), target, 1..=100_i64).prop_map(
        |(ingest_bytes, ingest_records, read_bytes, utilization)| Targets {
            ingest_bytes,
            ingest_records,
            read_bytes,
            read_calls: CallsTarget { utilization },
        },
    )
}

fn metrics() -> impl Strategy<Value = Metrics> {
    (any::<bool>(), 1..=60_u64, seconds(180, 3_600), any::<bool>()).prop_map(
        |(by_shard, minutes, max_age, managed)| Metrics {
            source: if by_shard { MetricsSource::Shard } else { MetricsSource::Stream },
            window: Duration::from_secs(60 * minutes).into(),
            max_age,
            enhanced_monitoring: if managed {
                EnhancedMonitoring::Manage
            } else {
                EnhancedMonitoring::Require
            },
        },
    )
}

fn behavior() -> impl Strategy<Value = Behavior> {
    let policies = || {
        let policy =
            (any::<bool>(), 1..=200_i64, 1..=86_400_i64).prop_map(|(percent, value, period_seconds)| {
                let r#type = if percent { RatePolicyType::Percent } else { RatePolicyType::Shards };
                RatePolicy { r#type, value, period_seconds }
            });
        vec(policy, 0..=10)
    };
    let select =
        || prop_oneof![Just(SelectPolicy::Max), Just(SelectPolicy::Min), Just(SelectPolicy::Disabled)];
    let window = || 0..=82_800_i64;
    let up = (window(), select(), policies()).prop_map(
        |(stabilization_window_seconds, select_policy, policies)| ScaleUp {
            stabilization_window_seconds,
            select_policy,
            policies,
        },
    );
    let down = (window(), select(), 0.0..=0.9, policies()).prop_map(
        |(stabilization_window_seconds, select_policy, tolerance, policies)| ScaleDown {
            stabilization_window_seconds,
            select_policy,
            tolerance,
            policies,
        },
    );
    (up, down).prop_map(|(scale_up, scale_down)| Behavior { scale_up, scale_down })
}

/// Names are numbered, so that no two are alike.
fn consumers() -> impl Strategy<Value = Vec<Consumer>> {
    let consumer = prop_oneof![
        Just((ConsumerType::Firehose, None)),
        Just((ConsumerType::Lambda, None)),
        Just((ConsumerType::EnhancedFanOut, None)),
        option::of((200..=3_600_000_u64).prop_map(|ms| Duration::from_millis(ms).into()))
            .prop_map(|poll_interval| (ConsumerType::Polling, poll_interval)),
    ];
    vec(("[!-~]([ -~]{0,30}[!-~])?", consumer), 0..6).prop_map(|consumers| {
        let numbered = (0..).zip(consumers);
        numbered
            .map(|(number, (name, (r#type, poll_interval)))| Consumer {
                name: format!("{number}{name}"),
                r#type,
                poll_interval,
                transform: None,
            })
            .collect()
    })
}

fn schedules(max_shards: i64) -> impl Strategy<Value = Vec<Schedule>> {
    let allow = prop_oneof![
        Just(Allow::All),
        Just(Allow::ScaleUpOnly),
        Just(Allow::ScaleDownOnly),
        Just(Allow::None)
    ];
    let cron = (0..60, 0..24, 1..=28, 1..=12, 0..=7)
        .prop_map(|(minute, hour, day, month, weekday)| format!("{minute} {hour} {day} {month} {weekday}"));
    let zone = prop_oneof![Just("UTC"), Just("Europe/Paris"), Just("America/St_Johns")];
    let schedule =
        (cron, zone, seconds(60, 31_622_400), seconds(0, 86_400), 1..=max_shards, option::of(allow));
    vec(schedule, 0..4).prop_map(|schedules| {
        let numbered = (0..).zip(schedules);
        numbered
            .map(|(number, (schedule, zone, duration, lead_time, min_shards, allow))| Schedule {
                name: format!("schedule {number}"),
                schedule,
                time_zone: zone.to_owned(),
                duration,
                lead_time,
                min_shards: Some(min_shards),
                allow,
            })
            .collect()
    })
}

const LEAVES: [UpdateShardCount; 3] =
    [UpdateShardCount::Never, UpdateShardCount::Emergency, UpdateShardCount::Auto];

prop_compose! {
    pub fn resource()(max_shards in 1..=200_i64)(
        names in ("[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", option::of("[a-z]{1,63}"), option::of(0..=i64::MAX)),
        stream_ref in stream(),
        role in option::of("[a-zA-Z0-9+=,.@_-]{1,64}"),
        mode in prop_oneof![Just(Mode::DryRun), Just(Mode::Approve), Just(Mode::Apply)],
        suspend in any::<bool>(),
        durations in (seconds(10, 3_600), seconds(300, 2_592_000), seconds(60, 604_800), seconds(1, 86_400)),
        bounds in (1..=max_shards, Just(max_shards)),
        (targets, metrics, behavior) in (targets(), metrics(), behavior()),
        step_cost in 0.0..=100.0,
        budgets in (1..=400_i64, 0..=10_000_i64),
        scale_down_only in any::<bool>(),
        pace in (seconds(1, 600), seconds(10, 7_200)),
        update_shard_count in select(LEAVES.to_vec()),
        consumers in consumers(),
        schedules in schedules(max_shards),
    ) -> KinesisStreamAutoscaler {
        let mut resource = KinesisStreamAutoscaler::new(names.0, "", 1);
        resource.metadata.namespace = names.1;
        resource.metadata.generation = names.2;
        let (interval, horizon, expire_after, max_iterator_age) = durations;
        let required = if scale_down_only { ApprovalRequired::ScaleDown } else { ApprovalRequired::All };
        let spec = &mut resource.spec;
        spec.stream_ref = stream_ref;
        spec.aws = role.map(|role| {
            AwsAccess { role_arn: Some(format!("arn:aws:iam::111122223333:role/{role}")) }
        });
        spec.mode = mode;
        spec.suspend = suspend;
        spec.interval = interval;
        (spec.min_shards, spec.max_shards) = bounds;
        spec.targets = targets;
        spec.metrics = metrics;
        spec.behavior = behavior;
        spec.tradeoff = Tradeoff { step_cost, horizon };
        spec.budgets = Budgets { max_steps_per_plan: budgets.0, max_merges_per_day: budgets.1 };
        spec.pace = Pace { step: pace.0, update_shard_count: pace.1 };
        spec.update_shard_count = update_shard_count;
        spec.approval = Approval { required, expire_after };
        spec.consumers = consumers;
        spec.lag_guard = LagGuard { max_iterator_age };
        spec.schedules = schedules;
        resource
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_valid_resource_reads_back_as_itself(resource in resource()) {
        let yaml = manifest::to_yaml(&resource).unwrap();
        let [read] = manifest::read_from(yaml.as_bytes(), "orders.yaml").unwrap().try_into().unwrap();
        prop_assert_eq!(&read.resource, &resource);
        prop_assert_eq!(format!("{:?}", read.policy), format!("{:?}", resource.to_policy().unwrap()));
    }

    #[test]
    fn bytes_of_any_kind_are_read_or_refused(bytes in vec(any::<u8>(), 0..400)) {
        let _ = manifest::read_from(bytes.as_slice(), "bytes");
    }

    #[test]
    fn text_that_looks_like_yaml_is_read_or_refused(text in "([-?:&*!|>%@`'\"{}\\[\\],#\n\t a-c0-9<]|: |- |\n  ){0,60}") {
        let _ = manifest::read_from(text.as_bytes(), "text");
    }

    #[test]
    fn a_damaged_manifest_is_read_or_refused(
        edits in vec((any::<prop::sample::Index>(), 0..6_usize, "[ -~\n\t]{0,6}"), 1..6),
    ) {
        let mut text = std::fs::read_to_string(fixture("orders.yaml")).unwrap();
        for (at, length, with) in edits {
            let start = at.index(text.len());
            let end = text.len().min(start + length);
            text.replace_range(start..end, &with);
        }
        if let Err(error) = manifest::read_from(text.as_bytes(), "orders.yaml") {
            prop_assert!(error.to_string().starts_with("orders.yaml: "), "{}", error);
        }
    }

    #[test]
    fn any_text_in_a_text_field_is_taken_or_refused(texts in prop::array::uniform8(".{0,12}")) {
        let [name, stream, region, role, interval, cron, zone, consumer] = texts;
        let mut resource = KinesisStreamAutoscaler::new(name, stream, 8);
        resource.spec.stream_ref.region = Some(region);
        resource.spec.aws = Some(AwsAccess { role_arn: Some(role) });
        resource.spec.interval = DurationText(interval);
        resource.spec.consumers =
            vec![Consumer { name: consumer, r#type: ConsumerType::Lambda, poll_interval: None, transform: None }];
        resource.spec.schedules = vec![Schedule {
            name: "any".to_owned(),
            schedule: cron,
            time_zone: zone,
            duration: DurationText("1h".to_owned()),
            lead_time: DurationText("0s".to_owned()),
            min_shards: Some(2),
            allow: None,
        }];
        let _ = resource.to_policy();
    }

    #[test]
    fn anything_like_a_cron_expression_is_taken_or_refused(
        fields in prop::array::uniform5("(\\*|[0-9]{1,3}|[LW?+]|MON|jan)([-/#,](\\*|[0-9]{1,2}|L))?[LW]?"),
    ) {
        let mut resource = KinesisStreamAutoscaler::new("orders", "orders", 8);
        resource.spec.schedules = vec![Schedule {
            name: "any".to_owned(),
            schedule: fields.join(" "),
            time_zone: "Europe/Paris".to_owned(),
            duration: DurationText("1h".to_owned()),
            lead_time: DurationText("0s".to_owned()),
            min_shards: Some(2),
            allow: None,
        }];
        if let Ok(policy) = resource.to_policy() {
            policy.in_force("2026-11-22T04:00:00Z".parse().unwrap());
        }
    }
}
