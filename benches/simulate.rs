//! How fast the simulation is: the product on two days of a load of 60 shard-units, and the optimum.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use jiff::SignedDuration;
use reshard::policy::ScalingPolicy;
use reshard::simulate::course;
use reshard::simulate::fluid::StreamOptions;
use reshard::simulate::load::{Load, LoadOptions};
use reshard::simulate::optimum::{Rules, least_cost};
use reshard::simulate::production::Production;
use reshard::simulate::trace::{Scale, Span, Trace};

const DAYS: i64 = 2;

/// A hump a day, with the ripple of a finer one.
fn load() -> Load {
    let hour = std::f64::consts::TAU / 24.0;
    let rate = |at: i64| 2.0 - (hour * at as f64 / 12.0).cos() + 0.2 * (5.0 * hour * at as f64 / 12.0).sin();
    let lines = (0..=DAYS * 288).map(|at| format!("{},{}\n", 300 * at, rate(at)));
    let text: String = lines.collect();
    let scale = Scale { peak_units: 60.0, peak_quantile: None, clip_units: None };
    let trace = Trace::from_csv(&text).and_then(|trace| trace.scaled(Span::default(), scale));
    let options = LoadOptions {
        tick_seconds: 30,
        record_bytes: 2_000,
        keys: 100_000,
        skew: 0.6,
        keys_per_tenant: 64,
        noise: 0.0,
        seed: 1,
    };
    Load::new(&trace.expect("a good trace"), &options)
}

fn simulating(criterion: &mut Criterion) {
    let load = load();
    let stream =
        StreamOptions { step_seconds: 30, update_seconds: 180, retried_share: 0.0, free_boundaries: false };
    let delay = SignedDuration::from_secs(120);
    let mut group = criterion.benchmark_group("simulating two days of 60 shard-units");
    group.sample_size(10).measurement_time(Duration::from_secs(20));
    group.bench_function("the product with its defaults", |bencher| {
        bencher.iter(|| {
            let mut ours = Production::new(ScalingPolicy::for_stream("bench", 200));
            black_box(course::play(&load, stream, delay, 30, &mut ours, &mut |_| {}));
            assert!(ours.counts().decisions > 0 && ours.counts().vetoes == 0);
        });
    });
    group.bench_function("the optimum", |bencher| {
        let rules = Rules { tick_seconds: 30, step_seconds: 30, update_seconds: 180, penalty: 20.0 };
        bencher.iter(|| least_cost(black_box(load.totals()), &rules));
    });
    group.finish();
}

criterion_group!(benches, simulating);
criterion_main!(benches);
