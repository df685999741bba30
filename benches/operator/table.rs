//! What was seen, as a table.

use std::fmt;
use std::time::Duration;

use reshard::cost::Prices;

use super::Scale;
use super::watch::Seen;

const SECONDS_PER_HOUR: f64 = 3_600.0;
const SECONDS_PER_MONTH: f64 = 730.0 * SECONDS_PER_HOUR;

/// The end of the bench.
pub struct Table {
    pub scale: Scale,
    pub seen_after: Duration,
    pub at_rest: Seen,
    pub hot: Seen,
    pub peak_memory: f64,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Table { scale, seen_after, at_rest, hot, peak_memory } = self;
        let Scale { streams, shards, hot: heated, history, .. } = scale;
        writeln!(
            f,
            "{streams} resources × {shards} shards, {history} minutes of history, {heated} become hot"
        )?;
        writeln!(f, "all looked at once after {} s; {peak_memory:.0} MB at the most", seen_after.as_secs())?;
        for (title, seen) in [("at rest", at_rest), ("some hot", hot)] {
            writeln!(f, "\n{title}, {:.0} s", seen.seconds)?;
            self.of(seen, f)?;
        }
        Ok(())
    }
}

impl Table {
    fn of(&self, seen: &Seen, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |what: &str, text: String| writeln!(f, "  {what:<34} {text}");
        let cores = seen.processor_seconds / seen.seconds;
        line("processor", format!("{:.1} s, {cores:.3} of a core", seen.processor_seconds))?;
        line("resident memory", format!("{:.0} MB", seen.memory))?;
        let passes = seen.passes.iter().map(|(outcome, count)| format!("{count:.0} {outcome}"));
        line("passes", passes.collect::<Vec<_>>().join(", "))?;
        line(
            "late",
            format!(
                "{}; the longest time between two is {:.0} s; {:.1} % take less than 1 s",
                seen.late,
                seen.longest_gap,
                100.0 * seen.quick
            ),
        )?;
        if seen.longest_gap_of_hot > 0.0 {
            let text = format!("the longest time between two is {:.0} s", seen.longest_gap_of_hot);
            line("passes that may take a step", text)?;
        }
        for (operation, rate, most) in &seen.calls {
            line(operation, format!("{rate:.2} a second, {most} in one at the most"))?;
        }
        line("refused for a rate", format!("{:.0}", seen.throttles))?;
        line("metrics read", format!("{:.0}, {}", seen.metrics_read, self.share(seen)))?;
        let api = seen.api.iter().map(|(call, count)| format!("{count:.0} {call}"));
        line("API server", api.collect::<Vec<_>>().join(", "))?;
        line(
            "resharding",
            format!(
                "{} at once at the most, {} streams, {:.0} steps",
                seen.most_resharding, seen.resharded, seen.steps
            ),
        )
    }

    /// What monitoring costs beside the shards.
    fn share(&self, seen: &Seen) -> String {
        let prices = Prices::default();
        let dollars = |money: reshard::cost::Money| money.nano_dollars() as f64 / 1e9;
        let shards = self.scale.streams as f64 * f64::from(self.scale.shards);
        let hours = seen.seconds / SECONDS_PER_HOUR;
        let of_shards = shards * hours * dollars(prices.shard_hour);
        let reads = seen.metrics_read / 1_000.0 * dollars(prices.thousand_metrics_read);
        let metrics = 3.0 * shards * seen.seconds / SECONDS_PER_MONTH * dollars(prices.metric_month);
        format!(
            "{:.1} % of the shards' price, {:.1} % with the shards' metrics themselves",
            100.0 * reads / of_shards,
            100.0 * (reads + metrics) / of_shards
        )
    }
}
