//! What the readers of each shard do, for people at a terminal.

use super::{Page, Tone};
use crate::advice::ShardReaders;
use crate::cost::grouped;
use crate::report::Report;
use crate::report::layout::Cell;
use crate::units::{duration, rate};

/// How many shards are listed.
const WORST: usize = 5;

impl Page {
    pub(super) fn readers(mut self, report: &Report) -> Page {
        if report.readers_by_shard.is_empty() {
            return self;
        }
        self.section("READERS", "by shard, those with most trouble first; decides nothing");
        let heading = ["shard", "read", "records", "throttled", "behind"];
        let mut rows = vec![heading.map(|title| Cell::figure(title).tone(Tone::Faint)).to_vec()];
        for of in report.readers_by_shard.iter().take(WORST) {
            let bad = |is_bad: bool| if is_bad { Tone::Bad } else { Tone::Plain };
            let [read, records, throttled, behind] = figures(of);
            rows.push(vec![
                Cell::figure(of.shard.short()),
                Cell::figure(read),
                Cell::figure(records),
                Cell::figure(throttled).tone(bad(of.throttled_per_minute > Some(0))),
                Cell::figure(behind),
            ]);
        }
        self.rows(&rows);
        self
    }
}

/// Bytes, records, throttled calls and lag with their units; a dash where one is not known.
pub(in crate::report) fn figures(of: &ShardReaders) -> [String; 4] {
    let ShardReaders {
        shard: _,
        read_bytes_per_second,
        read_records_per_second,
        throttled_per_minute,
        lag_millis,
    } = of;
    [
        read_bytes_per_second.map(|bytes| rate(bytes, "B")),
        read_records_per_second.map(|records| format!("{}/s", grouped(records))),
        throttled_per_minute.map(|calls| format!("{}/min", grouped(calls))),
        lag_millis.map(|lag| duration(lag / 1_000)),
    ]
    .map(|figure| figure.unwrap_or_else(|| "—".to_owned()))
}
