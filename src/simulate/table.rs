//! The scorecard as a table for people.

use super::contest::Contest;
use super::score::{Mean, Score};

/// A column: its two lines of heading, and its cells.
struct Column {
    heading: [&'static str; 2],
    cell: fn(&Score) -> String,
}

const fn column(heading: [&'static str; 2], cell: fn(&Score) -> String) -> Column {
    Column { heading, cell }
}

const COLUMNS: [Column; 14] = [
    column(["R", "π=20"], |score| format!("{:.2}", score.r20)),
    column(["R", "π=200"], |score| format!("{:.2}", score.r200)),
    column(["shard", "hours"], |score| {
        score.shard_hours.map_or("–".to_owned(), |hours| format!("{hours:.0}"))
    }),
    column(["", "$"], |score| format!("{:.0}", score.dollars)),
    column(["rejected", "%"], |score| format!("{:.4}", score.rejected_percent)),
    column(["time", "over %"], |score| format!("{:.2}", score.over_percent)),
    column(["steps", "a day"], |score| format!("{:.0}", score.steps_per_day)),
    column(["USC", "a day"], |score| format!("{:.1}", score.updates_per_day)),
    column(["absorbs", "min"], absorbs),
    column(["θU", "%"], |score| format!("{:.1}", score.under_percent)),
    column(["θO", "%"], |score| format!("{:.0}", score.surplus_percent)),
    column(["τU", "%"], |score| format!("{:.1}", score.under_time_percent)),
    column(["τO", "%"], |score| format!("{:.0}", score.surplus_time_percent)),
    column(["υ", "%"], |score| format!("{:.1}", score.wrong_way_percent)),
];

fn absorbs(score: &Score) -> String {
    match (score.absorb_minutes, score.shard_hours) {
        (Some(minutes), _) => format!("{minutes:.0}"),
        (None, Some(_)) => ">360".to_owned(),
        (None, None) => "–".to_owned(),
    }
}

/// What the columns mean.
pub const LEGEND: &str = "\
R: (shard-hours + π × rejected shard-unit-hours) ÷ the least that any policy could have had, knowing all beforehand.
With --retries each attempt that is rejected counts, in R and in %; the optimum knows none. $: shards, PUT payload units,
the shard-level metrics that are decided by, and what reshard itself reads; R has the shards alone. On-demand's $ is its
price for what is written; its R that price in shard-hours, less what PUT payload units would cost for the same records.
time over: in which a shard was offered more than it takes. USC: UpdateShardCount. absorbs: from a jump of the load to
thrice as much, the peak, until nothing is rejected. θU, θO: shards missing and spare, in percent of those needed; τU,
τO: for how much of the time; υ: minutes in which count and need moved differently.
";

/// The scorecard of one trace.
pub fn of_contest(title: &str, contest: &Contest) -> String {
    let load = &contest.load;
    let days = load.totals().len() as f64 * f64::from(load.tick_seconds()) / 86_400.0;
    let most = load.totals().iter().copied().fold(0.0, f64::max);
    let mean = load.totals().iter().sum::<f64>() / load.totals().len().max(1) as f64;
    let mut text = format!(
        "{title}: {days:.1} days, {mean:.1} shard-units in the mean and {most:.1} at most; the optimum is {:.0} shard-hours\n\n",
        contest.optimum.at20
    );
    text.push_str(&rows(&contest.scores));
    text
}

/// The policies over several traces.
pub fn of_suite(traces: usize, means: &[Mean]) -> String {
    let width = name_width(means.iter().map(|mean| &*mean.policy));
    let mut text = format!("all {traces} traces, geometric mean\n\n");
    text.push_str(&format!("  {:<width$}{:>8}{:>8}\n", "", "π=20", "π=200"));
    for Mean { policy, r20, r200 } in means {
        text.push_str(&format!("  {policy:<width$}{r20:>8.3}{r200:>8.3}\n"));
    }
    text
}

/// How wide the names of these policies are.
fn name_width<'a>(names: impl Iterator<Item = &'a str>) -> usize {
    names.map(|name| name.chars().count()).max().unwrap_or(0)
}

fn rows(scores: &[Score]) -> String {
    let cells: Vec<Vec<String>> = COLUMNS
        .iter()
        .map(|column| scores.iter().map(|score| (column.cell)(score)).collect::<Vec<_>>())
        .collect();
    let width = |at: usize| {
        let of = |text: &str| text.chars().count();
        let heading = COLUMNS[at].heading.iter().map(|line| of(line));
        heading.chain(cells[at].iter().map(|cell| of(cell))).max().unwrap_or(0) + 2
    };
    let names = name_width(scores.iter().map(|score| &*score.policy));
    let mut text = String::new();
    let mut line = |name: &str, cell: &dyn Fn(usize) -> String| {
        let mut line = format!("  {name:<names$}");
        for at in 0..COLUMNS.len() {
            let (cell, width) = (cell(at), width(at));
            line.push_str(&format!("{cell:>width$}"));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    };
    line("", &|at| COLUMNS[at].heading[0].to_owned());
    line("", &|at| COLUMNS[at].heading[1].to_owned());
    for (row, score) in scores.iter().enumerate() {
        line(&score.policy, &|at| cells[at][row].clone());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_each_other_however_long_names_are() {
        let mean = |policy: &str| Mean { policy: policy.to_owned(), r20: 1.5, r200: 12.25 };
        let text = of_suite(2, &[mean("reshard"), mean("… down over 10 h 30 min, tolerance 0.2")]);
        let ends = |line: &str| line.chars().count();
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| ends(line) == ends(lines[0])), "{text}");
    }
}
