//! What a page holds, whatever the stream is called and however many shards it has.

use super::*;
use crate::cost::Prices;
use crate::cost::fixtures::{self, Sample};
use crate::demand::DemandSummary;
use crate::plan::{Evidence, Hold};
use crate::policy::{Consumer, ConsumerKind};
use crate::snapshot::{Minute, Series, ShardMetric, StreamMetric};

/// The report of a sample, with an hour of metrics.
fn report(mut sample: Sample) -> Report {
    let end = Minute::of(sample.snapshot.observed_at).plus(-2);
    let metrics = &mut sample.snapshot.metrics;
    metrics.settled_until = Some(end);
    let series = |bytes: u64| {
        let values = (0..60).map(|at| (at != 30).then_some(bytes + at * 1_000)).collect();
        Series::new(end.plus(-60), values, true)
    };
    let total: u64 = sample.plan.before.iter().map(|shard| shard.loads.ingest_bytes.0 * 60).sum();
    metrics.stream.insert(StreamMetric::IncomingBytes, series(total));
    metrics.stream.insert(StreamMetric::WriteProvisionedThroughputExceeded, series(7));
    for (shard, load) in sample.snapshot.shards.iter().zip(&sample.plan.before) {
        let of = series(load.loads.ingest_bytes.0 * 60);
        metrics.shards.entry(shard.id.clone()).or_default().insert(ShardMetric::IncomingBytes, of);
    }
    let demand = DemandSummary { window: Some((end.plus(-3), end)), ..DemandSummary::default() };
    Report::new(&sample.snapshot, &sample.policy, &demand, &sample.plan, &Prices::default())
}

#[test]
fn whatever_a_name_holds_it_stays_text() {
    let hostile = r#"<script>alert("1")</script>'&</style><img src=x onerror=y>"#;
    let mut sample = fixtures::one_hot_shard();
    sample.snapshot.summary.name = hostile.to_owned();
    sample.snapshot.summary.arn = format!("arn:aws:kinesis:{hostile}:1:stream/{hostile}");
    sample.plan.identity.stream_arn = sample.snapshot.summary.arn.clone();
    sample.snapshot.shards[1].id = crate::stream::ShardId::new(hostile);
    sample.policy.consumers = vec![Consumer { name: hostile.to_owned(), kind: ConsumerKind::Lambda }];
    sample.plan.holds = vec![
        Hold::ConsumerSilent { consumer: hostile.to_owned() },
        Hold::MetricsIncomplete { what: hostile.to_owned() },
    ];
    let page = html(&[report(sample)]);
    assert!(page.contains("&lt;script&gt;"));
    for tag in ["<script", "<img", "onerror=y>'", "</style><"] {
        let allowed = usize::from(tag == "</style><");
        assert_eq!(page.matches(tag).count(), allowed, "{tag}");
    }
}

#[test]
fn the_page_allows_its_own_style_sheet_and_nothing_else() {
    let page = html(&[report(fixtures::one_hot_shard())]);
    let (_, rest) = page.split_once("<style>").expect("a style sheet");
    let (style, _) = rest.split_once("</style>").expect("its end");
    let hash = STANDARD.encode(Sha256::digest(style));
    assert!(page.contains(&format!("default-src 'none'; style-src 'sha256-{hash}'")), "{hash}");
    for outside in ["http://", "https://", "url(", "@import", "<script", "<link", " style=", " src="] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn every_reference_within_the_page_leads_somewhere_and_no_name_is_given_twice() {
    let mut forty = fixtures::with_loads(&[900_000; 40]);
    fixtures::split(&mut forty, 3);
    fixtures::merge(&mut forty, 20);
    let page = html(&[report(forty), report(fixtures::one_hot_shard())]);
    let values = |attribute: &str| -> Vec<String> {
        let pieces = page.split(attribute).skip(1);
        pieces.filter_map(|rest| rest.split_once('"')).map(|(value, _)| value.to_owned()).collect()
    };
    let mut names = values(" id=\"");
    let references = values("href=\"#");
    assert!(references.len() > 80, "{}", references.len());
    for reference in references {
        assert!(names.contains(&reference), "{reference}");
    }
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[test]
fn two_hundred_shards_with_every_kind_of_step_fit_into_400_kilobytes() {
    let loads: Vec<_> = (0..200).map(|shard| 200_000 + (shard * 7_919 % 100) * 9_500).collect();
    let mut sample = fixtures::with_loads(&loads);
    for at in 0..20 {
        fixtures::split(&mut sample, at * 7);
    }
    let page = html(&[report(sample)]);
    println!("{} bytes", page.len());
    assert!(page.len() < 400_000, "{} bytes", page.len());
}

#[test]
fn what_is_not_known_is_told_as_that() {
    let mut sample = fixtures::even(4, 0);
    for shard in &mut sample.plan.before {
        shard.evidence = Evidence::Unknown;
    }
    sample.plan.after = sample.plan.before.clone();
    let nothing = DemandSummary::default();
    let report = Report::new(&sample.snapshot, &sample.policy, &nothing, &sample.plan, &Prices::default());
    let page = html(&[report]);
    for said in ["No metrics over time are known", "load not known", "no settled metrics", "not known</td>"] {
        assert!(page.contains(said), "{said}");
    }
    assert!(!page.contains("bytes 0.0\u{a0}%"));
}
