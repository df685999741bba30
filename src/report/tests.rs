//! What people see, at 1, 4, 40 and 200 shards, and what holds at any width.

use proptest::prelude::*;

use super::*;
use crate::cost::fixtures::{self, Sample};
use crate::hash_key::HashKeyRange;
use crate::snapshot::Minute;

const EIGHTY: Style = Style { width: 80, color: false };

/// What demand would say of the sample: its loads, over three minutes.
fn demand(sample: &Sample) -> DemandSummary {
    let count = sample.plan.before.len().max(1) as u64;
    let total: crate::load::Loads = sample.plan.before.iter().map(|shard| shard.loads).sum();
    let mean = Dimension::SPLITTABLE.iter().zip(total.as_array());
    let end = Minute::of(sample.snapshot.observed_at).plus(-3);
    DemandSummary {
        window: Some((end.plus(-3), end)),
        mean: mean.map(|(dimension, load)| (*dimension, Load(load.0 / count))).collect(),
        read_calls: Some((Load::from_percent(40), ReadCallsSource::GetRecordsSuccessSampleCount)),
        pollers_thousandths: Some(2_000),
        pollers_declared: false,
        lag_millis: Some(1_500),
        rejected_millionths: 12_000,
        ingest_bytes_per_second: total.ingest_bytes.0,
        ingest_records_per_second: total.ingest_records.0 / 1_000,
        ..DemandSummary::default()
    }
}

fn report(sample: &Sample) -> Report {
    Report::new(&sample.snapshot, &sample.policy, &demand(sample), &sample.plan, &Prices::default())
}

fn one_shard() -> Sample {
    fixtures::even(1, 420_000)
}

fn forty() -> Sample {
    let mut loads = vec![300_000; 40];
    loads[7] = 1_100_000;
    loads[30..38].fill(60_000);
    let mut sample = fixtures::with_loads(&loads);
    fixtures::split(&mut sample, 7);
    for index in [31, 32, 33] {
        fixtures::merge(&mut sample, index);
    }
    sample
}

fn two_hundred() -> Sample {
    let loads: Vec<_> = (0..200).map(|shard| 200_000 + (shard * 7_919 % 100) * 5_500).collect();
    let mut sample = fixtures::with_loads(&loads);
    sample.plan.holds.push(Hold::AtMaxShards {
        max_shards: 200,
        load: Load(744_500),
        dimension: Dimension::IngestBytes,
    });
    sample.plan.verdicts.push(Verdict::AtMaxShards { max_shards: 200 });
    sample
}

fn every_kind_of_trouble() -> Sample {
    let mut sample = fixtures::with_loads(&[50_000, 1_430_000, 40_000, 30_000]);
    let shard = ShardId::new("shardId-000000000001");
    let range = sample.plan.before[1].range;
    sample.plan.holds = vec![
        Hold::ConsumerLagging {
            consumer: Some("billing".into()),
            lag_millis: 400_000,
            limit_millis: 120_000,
        },
        Hold::LoadEstimated { shards: vec![shard.clone()] },
    ];
    sample.plan.verdicts = vec![
        Verdict::HotKey { range, shard, dimension: Dimension::IngestBytes, load: Load(1_430_000) },
        Verdict::ReadCallsSaturated {
            load: Load::from_percent(100),
            source: ReadCallsSource::GetRecordsSuccessSampleCount,
        },
    ];
    sample
}

#[test]
fn targets_that_are_learned_are_said_to_be_with_what_they_are_now() {
    let mut sample = fixtures::one_hot_shard();
    sample.policy.targets.learned = vec![Dimension::IngestBytes];
    sample.plan.limits.trigger.ingest_bytes = Load::from_percent(83);
    let told = |learned_target| {
        let demand = DemandSummary { learned_target, ..demand(&sample) };
        table(
            &Report::new(&sample.snapshot, &sample.policy, &demand, &sample.plan, &Prices::default()),
            EIGHTY,
        )
    };
    assert!(told(None).contains("targets not learned yet: ingest bytes"), "{}", told(None));
    let told = told(Some(Load::from_percent(83)));
    assert!(told.contains("targets learned: ingest bytes"), "{told}");
    assert!(
        told.lines().any(|line| line.trim().starts_with("ingest bytes") && line.contains("83.0 %")),
        "{told}"
    );
}

#[test]
fn a_stream_that_grows_is_said_to_beside_its_traffic_and_in_each_reason() {
    let sample = fixtures::one_hot_shard();
    let demand = DemandSummary { rise_per_mille: 194, ..demand(&sample) };
    let told = table(
        &Report::new(&sample.snapshot, &sample.policy, &demand, &sample.plan, &Prices::default()),
        Style { width: 120, color: false },
    );
    assert!(
        told.contains(
            "it rises: loads are up to 19.4 % above what was measured: what they will be in two minutes"
        ),
        "{told}"
    );
    assert_eq!(told.matches("up to 19.4 % above what was measured").count(), 2, "{told}");
    assert!(!table(&report(&sample), EIGHTY).contains("it rises"));
}

#[test]
fn one_shard_with_nothing_to_do() {
    insta::assert_snapshot!(table(&report(&one_shard()), EIGHTY));
}

#[test]
fn four_shards_with_a_hot_one() {
    insta::assert_snapshot!(table(&report(&fixtures::one_hot_shard()), EIGHTY));
}

#[test]
fn four_shards_with_a_hot_one_in_markdown() {
    insta::assert_snapshot!(markdown(&report(&fixtures::one_hot_shard())));
}

#[test]
fn four_shards_with_a_hot_one_for_machines() {
    insta::assert_json_snapshot!(report(&fixtures::one_hot_shard()));
}

#[test]
fn forty_shards_with_a_split_and_merges() {
    insta::assert_snapshot!(table(&report(&forty()), EIGHTY));
}

#[test]
fn two_hundred_shards_at_the_most() {
    insta::assert_snapshot!(table(&report(&two_hundred()), EIGHTY));
}

#[test]
fn two_hundred_shards_at_the_most_in_markdown() {
    insta::assert_snapshot!(markdown(&report(&two_hundred())));
}

#[test]
fn holds_and_verdicts_with_advice() {
    insta::assert_snapshot!(table(&report(&every_kind_of_trouble()), EIGHTY));
}

#[test]
fn a_stream_without_metrics() {
    let mut sample = fixtures::even(4, 0);
    for shard in &mut sample.plan.before {
        shard.evidence = Evidence::Unknown;
    }
    sample.plan.after = sample.plan.before.clone();
    sample.plan.holds = vec![Hold::SilentStream];
    let nothing = DemandSummary::default();
    let report = Report::new(&sample.snapshot, &sample.policy, &nothing, &sample.plan, &Prices::default());
    insta::assert_snapshot!(table(&report, EIGHTY));
}

#[test]
fn a_listing_that_does_not_tile() {
    let mut sample = fixtures::even(4, 100_000);
    let error = crate::stream::TilingError::Gap { range: HashKeyRange::WHOLE };
    sample.plan.holds = vec![Hold::ListingDoesNotTile { error }];
    sample.plan.before.clear();
    sample.plan.after.clear();
    sample.plan.identity.start.clear();
    let text = table(&report(&sample), EIGHTY);
    assert!(text.contains("do not cover it exactly"), "{text}");
    assert!(
        text.starts_with(
            "orders: no step now: the listed shards do not cover the hash keys\n(ListingDoesNotTile)\n"
        ),
        "{text}"
    );
}

#[test]
fn color_adds_nothing_that_the_characters_do_not_say() {
    for sample in [one_shard(), fixtures::one_hot_shard(), forty(), every_kind_of_trouble()] {
        let report = report(&sample);
        let painted = table(&report, Style { color: true, ..EIGHTY });
        let plain = table(&report, EIGHTY);
        assert!(!plain.contains('\u{1b}'));
        assert!(painted.contains('\u{1b}'));
        assert_eq!(without_escapes(&painted), plain);
    }
}

#[test]
fn a_report_for_machines_holds_the_plan_as_it_was() {
    let report = report(&forty());
    let json = serde_json::to_string(&report).expect("plain data");
    let read: serde_json::Value = serde_json::from_str(&json).expect("our own");
    let plan: Plan = serde_json::from_value(read["plan"].clone()).expect("the plan");
    assert_eq!(plan, report.plan);
    assert_eq!(plan.identity.hash(), plan.hash);
}

#[test]
fn one_line_names_the_dimension_nearest_its_target() {
    assert_eq!(
        line(&report(&fixtures::one_hot_shard())),
        "orders: 4 shards, ingest bytes 143.0 % in shard 2, mean 53.5 %; 4 → 5 shards in 1 step (1 split)"
    );
    assert_eq!(
        line(&report(&fixtures::even(1, 0))),
        "orders: 1 shard, read calls 40.0 %; nothing to do at 1 shard"
    );
}

#[test]
fn the_hottest_shard_is_named_and_the_first_of_equals() {
    let report = report(&fixtures::with_loads(&[10, 500, 500, 20]));
    let hottest = report.utilization[0].hottest.as_ref().expect("known");
    assert_eq!(hottest.shard.short(), "1");
}

#[test]
fn the_readers_of_shards_are_listed_those_with_most_trouble_first_in_every_form() {
    let figures = [(100_000, 0, 0), (1_900_000, 30, 700), (200_000, 0, 5)];
    let (sample, _) = fixtures::read_by(fixtures::even(4, 100_000), &figures);
    let report = report(&sample);
    let shown = table(&report, EIGHTY);
    let rows: Vec<&str> = shown.lines().skip_while(|line| !line.starts_with("READERS")).take(5).collect();
    assert_eq!(
        rows[1..],
        [
            "  shard         read  records  throttled       behind",
            "      1    1.90 MB/s  1,900/s     30/min  11 min 40 s",
            "      2  200.00 kB/s    200/s      0/min          5 s",
            "      0  100.00 kB/s    100/s      0/min          0 s",
        ]
    );
    assert!(shown.contains("30 read calls a minute throttled"), "{shown}");
    let row = "| `shardId-000000000001` | 1.90 MB/s | 1,900/s | 30/min | 11 min 40 s |";
    assert!(markdown(&report).contains(row), "{}", markdown(&report));
    let page = html(std::slice::from_ref(&report));
    assert!(page.contains("Readers by shard") && page.contains("11 min 40 s"), "{page}");
    assert!(!table(&super::tests::report(&fixtures::even(4, 100_000)), EIGHTY).contains("READERS"));
}

fn without_escapes(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    plain
}

proptest! {
    #[test]
    fn no_line_is_wider_than_the_terminal(
        width in 60usize..200,
        name in "[a-zA-Z0-9_.-]{1,128}",
        loads in prop::collection::vec(prop_oneof![0u64..2_000_000, Just(u64::MAX / 4)], 1..201),
        splits in 0usize..12,
        merges in 0usize..12,
        color: bool,
    ) {
        let mut sample = fixtures::with_loads(&loads);
        sample.snapshot.summary.name.clone_from(&name);
        for at in 0..splits {
            fixtures::split(&mut sample, at % loads.len());
        }
        for _ in 0..merges.min(sample.plan.after.len() - 1) {
            fixtures::merge(&mut sample, 0);
        }
        let trouble = every_kind_of_trouble();
        sample.plan.holds = trouble.plan.holds;
        sample.plan.verdicts = trouble.plan.verdicts;
        let (sample, _) = fixtures::read_by(sample, &[(u64::MAX / 200, 9_999_999, 31_536_000); 3]);
        let text = table(&report(&sample), Style { width, color });
        for line in without_escapes(&text).lines() {
            prop_assert!(line.chars().count() <= width, "{} > {width}: {line}", line.chars().count());
            prop_assert_eq!(line.trim_end(), line);
        }
    }
}
