//! The operator at scale: a thousand resources of fifty shards each against the sandbox and the API
//! server in memory, which run here; the operator is a process of its own, so that its memory and
//! processor time are its alone. It takes twenty minutes and ends with a table.
//!
//! ```text
//! cargo bench --bench operator -- [--streams N] [--shards N] [--hot N] [--history MINUTES]
//!     [--rest MINUTES] [--heat MINUTES]
//! ```
//!
//! First all streams are at rest; then some become hot at once.

mod account;
mod cluster;
mod process;
mod table;
mod watch;

/// The tests' API server.
#[expect(clippy::unwrap_used, reason = "as in the tests")]
#[path = "../../tests/it/support"]
mod support {
    pub mod http;
    #[expect(dead_code, reason = "tests ask for more than the operator does")]
    pub mod kube;
}

use std::time::{Duration, Instant};

use self::account::Account;
use self::cluster::Cluster;
use self::process::Operator;
use self::table::Table;
use self::watch::Watch;

/// How large the world is, and how long it is watched.
#[derive(Debug, Clone, Copy)]
struct Scale {
    streams: usize,
    shards: u32,
    /// Streams that become hot.
    hot: usize,
    /// Minutes of load before the operator starts.
    history: u64,
    /// Minutes at rest.
    rest: u64,
    /// Minutes with hot streams.
    heat: u64,
}

impl Scale {
    /// What the arguments say; those that cargo adds are passed over.
    fn from_arguments() -> Scale {
        let mut scale = Scale { streams: 1_000, shards: 50, hot: 20, history: 75, rest: 6, heat: 8 };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut number = || {
                let value = arguments.next().and_then(|value| value.parse::<u64>().ok());
                value.unwrap_or_else(|| panic!("{argument} needs a number"))
            };
            let small = |number: u64| u32::try_from(number).expect("a small number");
            match argument.as_str() {
                "--streams" => scale.streams = small(number()) as usize,
                "--shards" => scale.shards = small(number()),
                "--hot" => scale.hot = small(number()) as usize,
                "--history" => scale.history = number(),
                "--rest" => scale.rest = number(),
                "--heat" => scale.heat = number(),
                _ => {}
            }
        }
        scale
    }
}

fn main() {
    let scale = Scale::from_arguments();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let begun = Instant::now();
    let account = runtime.block_on(Account::start(scale));
    let cluster = Cluster::start(scale);
    eprintln!("the world is made: {} s", begun.elapsed().as_secs());

    let operator = Operator::start(&cluster, &account);
    let mut watch = Watch::new(&operator, &account, scale);
    let started = Instant::now();
    watch.until_all_are_seen();
    let seen_after = started.elapsed();
    eprintln!("all have been looked at once: {} s", seen_after.as_secs());
    watch.rests(Duration::from_secs(60));
    let at_rest = watch.measure(Duration::from_secs(60 * scale.rest));
    account.heat_up();
    let hot = watch.measure(Duration::from_secs(60 * scale.heat));
    println!("{}", Table { scale, seen_after, at_rest, hot, peak_memory: operator.peak_memory() });
}
