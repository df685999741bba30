//! The report for people at a terminal.

use super::layout::{
    Cell, Painter, Tone, columns, count, facts, hang, natural_width, percent, set_columns, signed_hours,
};
use super::story::Story;
use super::strip::{self, BAR_LEGEND, Strip};
use super::{Notice, Report, Utilization, steps};
use crate::cost::{Bill, CostItem, HOURS_PER_MONTH, Money, grouped};
use crate::plan::{RangeLoad, ReadCallsSource};
use crate::stream::StreamMode;
use crate::units::{duration, rate};

mod inspection;
pub(super) mod readers;

pub use self::inspection::inspection;

/// How a table is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Columns of the terminal; 80 where it is not known. Under 60 it is drawn for 60.
    pub width: usize,
    /// Whether colours are used, beside the characters that say the same.
    pub color: bool,
}

const NARROWEST: usize = 60;
/// Wider lines are harder to read, not fuller.
const WIDEST: usize = 120;
const INDENT: &str = "  ";
/// How many of the hottest shards are listed.
const HOTTEST: usize = 5;

/// Draws `report`. No line is wider than `style.width`; each ends with a line feed.
pub fn table(report: &Report, style: Style) -> String {
    let page = Page::new(style).head(report).utilization(report).readers(report).over_time(report);
    page.key_space(report).steps(report).ending(report)
}

struct Page {
    width: usize,
    painter: Painter,
    lines: Vec<String>,
}

impl Page {
    fn new(style: Style) -> Page {
        Page {
            width: style.width.clamp(NARROWEST, WIDEST),
            painter: Painter { color: style.color },
            lines: Vec::new(),
        }
    }

    /// What is held back, what would help, what it costs; and the whole as text.
    fn ending(self, report: &Report) -> String {
        let page = self.notices("HOLDS", &report.holds, Tone::Warning);
        let page = page.notices("VERDICTS", &report.verdicts, Tone::Bad).advice(report).cost(report);
        let mut text = page.lines.join("\n");
        text.push('\n');
        text
    }

    fn section(&mut self, title: &str, note: &str) {
        self.lines.push(String::new());
        // The title stands apart by a second space.
        let mut lines = hang("", &format!("{title} {note}"), self.width - 1);
        if let Some(first) = lines.first_mut() {
            let rest = first.split_off(title.len().min(first.len()));
            *first = format!("{}{}", self.painter.paint(Tone::Heading, title), rest.replacen(' ', "  ", 1));
        }
        self.lines.extend(lines);
    }

    fn faint(&mut self, text: &str) {
        let lines = hang(INDENT, text, self.width);
        self.lines.extend(lines.iter().map(|line| self.painter.paint(Tone::Faint, line)));
    }

    fn rows(&mut self, rows: &[Vec<Cell>]) {
        let lines = set_columns(rows, self.width - INDENT.len(), self.painter);
        self.lines.extend(lines.into_iter().map(|line| format!("{INDENT}{line}").trim_end().to_owned()));
    }

    fn head(mut self, report: &Report) -> Page {
        let stream = &report.stream;
        let title = format!("{}: {}", stream.name, report.summary);
        self.lines
            .extend(hang("", &title, self.width).iter().map(|line| self.painter.paint(Tone::Heading, line)));
        for (name, told) in Story::of(report).told() {
            self.lines.extend(hang(&format!("{}: ", name.to_lowercase()), &told, self.width));
        }
        let about = [
            stream.region.clone(),
            stream.status.to_string(),
            mode_name(stream.mode).to_owned(),
            count(stream.shards, "shard"),
            format!("retention {} h", stream.retention_hours),
        ];
        self.lines.extend(facts("", &about, self.width));
        let policy = &report.policy;
        let mut wanted = vec![
            format!("policy: {} to {} shards", policy.min_shards, policy.max_shards),
            format!("mode {:?}", policy.mode),
        ];
        if !policy.schedules.is_empty() {
            wanted.push(format!("in force: {}", policy.schedules.join(", ")));
        }
        let learned = policy.learned_targets.iter().map(|of| of.label()).collect::<Vec<_>>();
        if !learned.is_empty() {
            let known = if policy.learned_target.is_some() { "learned" } else { "not learned yet" };
            wanted.push(format!("targets {known}: {}", learned.join(", ")));
        }
        self.lines.extend(facts("", &wanted, self.width));
        let seen = report.observed_at.strftime("%Y-%m-%d %H:%M:%S UTC");
        let window = match report.window {
            Some(window) => format!(
                "means over {} to {} ({} min)",
                window.start.strftime("%H:%M"),
                window.end.strftime("%H:%M"),
                window.minutes
            ),
            None => "no settled metrics".to_owned(),
        };
        let known =
            format!("nothing from before {} counts", report.look_back_start.strftime("%Y-%m-%d %H:%M"));
        self.lines.extend(facts("", &[format!("observed {seen}"), window, known], self.width));
        self
    }

    fn utilization(mut self, report: &Report) -> Page {
        self.section("UTILIZATION", "of a shard's ceilings");
        let heading = ["", "mean", "hottest", "shard", "target"]
            .map(|title| Cell::figure(title).tone(Tone::Faint))
            .to_vec();
        let mut rows = vec![heading];
        rows.extend(report.utilization.iter().map(utilization_row));
        let bar_width = (self.width - INDENT.len()).saturating_sub(natural_width(&rows) + 2).min(40);
        if bar_width >= 8 {
            for (row, of) in rows.iter_mut().skip(1).zip(&report.utilization) {
                let hottest = of.hottest.as_ref().map(|shard| shard.load);
                let bar = strip::bar(of.mean, hottest, of.target, bar_width);
                row.push(Cell::text(bar).tone(tone(of)));
            }
        }
        self.rows(&rows);
        if bar_width >= 8 && report.utilization.iter().any(|of| of.mean.is_some() || of.hottest.is_some()) {
            self.faint(BAR_LEGEND);
        }
        self.lines.extend(facts(INDENT, &traffic(report), self.width));
        if let Some(recovery) = &report.recovery {
            self.lines.extend(hang(INDENT, &format!("{recovery}"), self.width));
        }
        let hottest: Vec<String> = report
            .hottest_shards(HOTTEST)
            .iter()
            .map(|hot| format!("{}: {} {}", hot.shard.short(), percent(hot.load), hot.dimension.label()))
            .collect();
        if hottest.len() > 1 {
            self.lines.push(format!("{INDENT}hottest shards, of their ceilings"));
            self.lines.extend(facts("    ", &hottest, self.width));
        }
        self
    }

    fn over_time(mut self, report: &Report) -> Page {
        let Some(history) = &report.history else { return self };
        let minutes = history.len() as u64 * u64::from(history.minutes_per_point);
        let told = format!("the last {} known, each cell its highest", duration(minutes * 60));
        self.section("OVER TIME", &told);
        let name = history.dimensions.iter().map(|of| columns(of.dimension.label())).max().unwrap_or(0);
        let width = self.width - INDENT.len() - name - 2 - 20;
        for of in &history.dimensions {
            let values = if of.hottest.is_empty() { &of.mean } else { &of.hottest };
            let line = strip::sparkline(values, width.min(60));
            let peak = of.peak().map_or_else(|| "—".to_owned(), percent);
            let label = of.dimension.label();
            self.lines.push(format!("{INDENT}{label:<name$}  {line}  peak {peak}"));
        }
        let rejected = history.rejected_records.iter().flatten().copied().fold(0, u64::saturating_add);
        if rejected > 0 {
            self.faint(&format!("{} records were rejected meanwhile", grouped(rejected)));
        }
        self.faint("█ at a shard’s ceiling, · no data point; by the hottest shard where shards are known");
        self
    }

    fn key_space(mut self, report: &Report) -> Page {
        let plan = &report.plan;
        if plan.before.is_empty() {
            self.section("HASH-KEY SPACE", "not shown: the listed shards do not cover it exactly");
            return self;
        }
        self.section("HASH-KEY SPACE", "with the heat of each shard");
        let mut strips = vec![self.strip("now", &plan.before, report)];
        if !plan.steps().is_empty() {
            strips.push(self.strip("planned", &plan.after, report));
        }
        self.faint(&strip::legend(&strips));
        self
    }

    fn strip(&mut self, label: &str, shards: &[RangeLoad], report: &Report) -> Strip {
        let label = format!("{INDENT}{label:<7} {:>3}  ", shards.len());
        let targets = report.target_loads();
        let drawn = strip::draw(shards, targets, self.width - columns(&label));
        let mut line = label.clone();
        for run in drawn.heat.chunk_by(|(_, a), (_, b)| a == b) {
            let text: String = run.iter().map(|(glyph, _)| *glyph).collect();
            line.push_str(&self.painter.paint(run[0].1, &text));
        }
        self.lines.push(line);
        if !drawn.marks.is_empty() {
            self.lines.push(format!("{:indent$}{}", "", drawn.marks, indent = columns(&label)));
        }
        drawn
    }

    fn steps(mut self, report: &Report) -> Page {
        if report.steps.is_empty() {
            return self;
        }
        self.section("STEPS", "in this order, one at a time");
        let digits = report.steps.len().to_string().len();
        for step in &report.steps {
            let head = format!("{INDENT}{:>digits$}. ", step.number);
            self.lines.extend(hang(&head, &step.action, self.width));
            let why = if step.effect.is_empty() {
                step.reason.clone()
            } else {
                format!("{} → {}", step.reason, step.effect)
            };
            self.lines.extend(hang(&" ".repeat(head.len()), &why, self.width));
        }
        self
    }

    fn notices(mut self, title: &str, notices: &[Notice], tone: Tone) -> Page {
        if notices.is_empty() {
            return self;
        }
        let note = if title == "HOLDS" { "what waits, and why" } else { "what no step can cure" };
        self.section(title, note);
        for notice in notices {
            let name = self.painter.paint(tone, notice.reason);
            self.lines.push(format!("{INDENT}{name}"));
            self.lines.extend(hang("    ", &notice.message, self.width));
            if let Some(advice) = notice.advice {
                self.lines.extend(hang("    ", &format!("Advice: {advice}."), self.width));
            }
        }
        self
    }

    fn advice(mut self, report: &Report) -> Page {
        if report.advice.is_empty() {
            return self;
        }
        self.section("ADVICE", "what would help more than a shard");
        for of in &report.advice {
            self.lines.push(format!("{INDENT}{}", self.painter.paint(Tone::Warning, of.reason)));
            self.lines.extend(hang("    ", &format!("{}.", of.message), self.width));
            self.lines.extend(hang("    ", &format!("To do: {}.", of.remedy), self.width));
            let figures: Vec<String> =
                of.figures.iter().map(|figure| format!("{} {}", figure.name, figure.value)).collect();
            self.lines.extend(facts("    ", &figures, self.width));
        }
        self
    }

    fn cost(mut self, report: &Report) -> Page {
        let cost = &report.cost;
        self.section("COST", "a month");
        let changes = cost.before != cost.after;
        let mut rows = vec![heading(changes)];
        for item in items(&cost.before, &cost.after) {
            rows.push(money_row(item.to_string(), cost.before.of(item), cost.after.of(item), changes));
        }
        rows.push(
            money_row("total".to_owned(), cost.before.total, cost.after.total, changes)
                .into_iter()
                .map(|cell| cell.tone(Tone::Heading))
                .collect(),
        );
        rows.push(hours_row(&cost.before, &cost.after, changes));
        self.rows(&rows);
        for other in &cost.alternatives {
            let note = other.note.as_ref().map_or_else(String::new, |note| format!(" ({note})"));
            let text = format!("Instead, {}: {}{note}", other.name, other.bill.total);
            self.lines.extend(hang(INDENT, &text, self.width));
        }
        let said: Vec<_> = cost.assumptions.iter().take(2).map(String::as_str).collect();
        self.faint(&format!("{}; -o json has every assumption, --prices FILE sets prices", said.join("; ")));
        self.lines.push(String::new());
        self.lines.extend(hang("", &format!("plan {}", report.plan.hash), self.width));
        self
    }
}

fn tone(of: &Utilization) -> Tone {
    match of.hottest.as_ref().map(|shard| shard.load).max(of.mean) {
        Some(load) if load > crate::load::Load::CEILING => Tone::Bad,
        Some(load) if load > of.target => Tone::Warning,
        _ => Tone::Good,
    }
}

fn utilization_row(of: &Utilization) -> Vec<Cell> {
    let figure = |load: Option<_>| Cell::figure(load.map_or_else(|| "—".to_owned(), percent));
    let hottest = of.hottest.as_ref();
    let shard = hottest.map_or_else(|| "—".to_owned(), |hot| hot.shard.short().chars().take(12).collect());
    vec![
        Cell::text(of.dimension.label()),
        figure(of.mean),
        figure(hottest.map(|hot| hot.load)).tone(tone(of)),
        Cell::figure(shard),
        Cell::figure(percent(of.target)),
    ]
}

/// The stream's mode in AWS's words.
pub(super) fn mode_name(mode: StreamMode) -> &'static str {
    match mode {
        StreamMode::Provisioned => "provisioned",
        StreamMode::OnDemand => "on-demand",
    }
}

/// What flows, who reads it and how that is known.
pub(super) fn traffic(report: &Report) -> Vec<String> {
    let Some(facts) = &report.traffic else { return Vec::new() };
    let mut said = vec![format!(
        "{} in {} records/s",
        rate(facts.traffic.bytes_per_second, "B"),
        grouped(facts.traffic.records_per_second)
    )];
    if facts.rejected_millionths > 0 {
        said.push(format!("{:.2} % rejected", facts.rejected_millionths as f64 / 1e4));
    }
    if facts.rise_per_mille > 0 {
        said.push(format!("it rises: loads are {}", steps::raised(facts.rise_per_mille)));
    }
    if let Some(calls @ 1..) = facts.throttled_reads_per_minute {
        said.push(format!("{} read calls a minute throttled", grouped(calls)));
    }
    if facts.pollers_thousandths == Some(0) {
        said.push("nobody polls".to_owned());
    } else if let Some(pollers) = facts.pollers_thousandths {
        let how = if facts.pollers_declared { "declared" } else { "by what is read" };
        said.push(format!("{:.1} pollers ({how})", pollers as f64 / 1e3));
    }
    match facts.lag_millis {
        None => {}
        Some(0..1_000) => said.push("readers are at the tip".to_owned()),
        Some(lag) => said.push(format!("readers are {} behind", duration(lag / 1_000))),
    }
    match report.read_calls_source {
        Some(source) => said.push(format!("read calls from {}", source_name(source))),
        None if facts.pollers_thousandths == Some(0) => {}
        None => said.push("read calls not known".to_owned()),
    }
    said
}

/// What stood for the number of GetRecords calls.
pub(super) fn source_name(source: ReadCallsSource) -> &'static str {
    match source {
        ReadCallsSource::DeclaredConsumers => "the declared consumers",
        ReadCallsSource::GetRecordsSuccessSampleCount => "the sample count of GetRecords.Success",
    }
}

/// The items of either bill, in the order of [`CostItem`].
pub(super) fn items(before: &Bill, after: &Bill) -> Vec<CostItem> {
    let mut items: Vec<_> = before.items.iter().chain(&after.items).map(|line| line.item).collect();
    items.sort_unstable();
    items.dedup();
    items
}

fn heading(changes: bool) -> Vec<Cell> {
    let titles: &[&str] = if changes { &["", "now", "planned", "change"] } else { &["", "now"] };
    titles.iter().map(|title| Cell::figure(*title).tone(Tone::Faint)).collect()
}

fn money_row(name: String, before: Money, after: Money, changes: bool) -> Vec<Cell> {
    let mut row = vec![Cell::text(name), Cell::figure(before.to_string())];
    if changes {
        row.extend([Cell::figure(after.to_string()), Cell::figure(before.change_to(after))]);
    }
    row
}

fn hours_row(before: &Bill, after: &Bill, changes: bool) -> Vec<Cell> {
    let hours = |bill: &Bill| u64::from(bill.shards) * u64::from(HOURS_PER_MONTH);
    let mut row = vec![Cell::text("shard-hours"), Cell::figure(format!("{} h", grouped(hours(before))))];
    if changes {
        row.extend([
            Cell::figure(format!("{} h", grouped(hours(after)))),
            Cell::figure(signed_hours(hours(before), hours(after))),
        ]);
    }
    row
}
