//! The report as Markdown: for a pull request, a ticket or a chat.

use std::fmt::{self, Write};

use super::layout::{count, percent, signed_hours};
use super::story::Story;
use super::strip::{self, Strip};
use super::table::{items, readers, source_name};
use super::{Notice, Report, steps};
use crate::cost::{HOURS_PER_MONTH, grouped};
use crate::plan::RangeLoad;
use crate::units::duration;

/// How wide the strips are: fits most windows without scrolling.
const STRIP_WIDTH: usize = 72;
/// How many of the hottest shards are listed.
const HOTTEST: usize = 5;

/// Renders `report`; ends with a line feed.
pub fn markdown(report: &Report) -> String {
    let mut text = String::new();
    write(report, &mut text).expect("writing to a string does not fail");
    text
}

fn write(report: &Report, out: &mut String) -> fmt::Result {
    let Report { stream, policy, cost, plan, .. } = report;
    writeln!(out, "## `{}`: {}\n", stream.name, report.summary)?;
    for (name, told) in Story::of(report).told() {
        writeln!(out, "- **{name}**: {told}.")?;
    }
    writeln!(out)?;
    writeln!(
        out,
        "`{}` is {} with {}; {} to {} are allowed. Mode {:?}, observed {}.",
        stream.arn,
        stream.status,
        count(stream.shards, "shard"),
        policy.min_shards,
        policy.max_shards,
        policy.mode,
        report.observed_at
    )?;
    match report.window {
        Some(window) => writeln!(
            out,
            "Figures are means over {} to {} ({} min).",
            window.start, window.end, window.minutes
        )?,
        None => writeln!(out, "There are no settled metrics.")?,
    }
    if let Some(rise @ 1..) = report.traffic.as_ref().map(|traffic| traffic.rise_per_mille) {
        writeln!(out, "The stream's load rises: the loads of shards are {}.", steps::raised(rise))?;
    }
    writeln!(out, "Nothing from before {} counts.", report.look_back_start)?;
    if let Some(source) = report.read_calls_source {
        writeln!(out, "Read calls are from {}.", source_name(source))?;
    }
    writeln!(out, "\n| Utilization | Mean | Hottest | Shard | Target |\n|:--|--:|--:|--:|--:|")?;
    for of in &report.utilization {
        let figure = |load: Option<_>| load.map_or_else(|| "—".to_owned(), percent);
        let hottest = of.hottest.as_ref();
        writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            of.dimension.label(),
            figure(of.mean),
            figure(hottest.map(|hot| hot.load)),
            hottest.map_or_else(|| "—".to_owned(), |hot| format!("`{}`", hot.shard)),
            percent(of.target)
        )?;
    }
    if let Some(recovery) = &report.recovery {
        writeln!(out, "\nRecovery: {recovery}.")?;
    }
    write_over_time(out, report)?;
    if !plan.before.is_empty() {
        writeln!(out, "\n```text")?;
        let mut strips = vec![write_strip(out, "now", &plan.before, report)?];
        if !plan.steps().is_empty() {
            strips.push(write_strip(out, "planned", &plan.after, report)?);
        }
        writeln!(out, "```\n\n{}.", strip::legend(&strips))?;
    }
    let hottest = report.hottest_shards(HOTTEST);
    if hottest.len() > 1 {
        writeln!(out, "\n| Hottest shards | Fullest in | Load |\n|:--|:--|--:|")?;
        for hot in hottest {
            writeln!(out, "| `{}` | {} | {} |", hot.shard, hot.dimension.label(), percent(hot.load))?;
        }
    }
    write_readers(out, report)?;
    if !report.steps.is_empty() {
        writeln!(out, "\n### Steps\n")?;
        for step in &report.steps {
            let effect = if step.effect.is_empty() { String::new() } else { format!(" → {}", step.effect) };
            writeln!(out, "{}. {}: {}{effect}", step.number, step.action, step.reason)?;
        }
    }
    write_notices(out, "Holds", &report.holds)?;
    write_notices(out, "Verdicts", &report.verdicts)?;
    write_advice(out, report)?;
    writeln!(out, "\n### Cost a month\n\n| | Now | Planned | Change |\n|:--|--:|--:|--:|")?;
    for item in items(&cost.before, &cost.after) {
        let (before, after) = (cost.before.of(item), cost.after.of(item));
        writeln!(out, "| {item} | {before} | {after} | {} |", before.change_to(after))?;
    }
    let (before, after) = (cost.before.total, cost.after.total);
    writeln!(out, "| **total** | **{before}** | **{after}** | **{}** |", before.change_to(after))?;
    let [now, then] =
        [&cost.before, &cost.after].map(|bill| u64::from(bill.shards) * u64::from(HOURS_PER_MONTH));
    let change = signed_hours(now, then);
    writeln!(out, "| shard-hours | {} h | {} h | {change} |\n", grouped(now), grouped(then))?;
    for other in &cost.alternatives {
        let note = other.note.as_ref().map_or_else(String::new, |note| format!(" ({note})"));
        writeln!(out, "- Instead, {}: {}{note}", other.name, other.bill.total)?;
    }
    for assumption in &cost.assumptions {
        writeln!(out, "- Assumed: {assumption}")?;
    }
    writeln!(out, "\nPlan `{}`", plan.hash)
}

fn write_strip(
    out: &mut String,
    label: &str,
    shards: &[RangeLoad],
    report: &Report,
) -> Result<Strip, fmt::Error> {
    let drawn = strip::draw(shards, report.target_loads(), STRIP_WIDTH);
    let heat: String = drawn.heat.iter().map(|(glyph, _)| *glyph).collect();
    writeln!(out, "{label:<7} {:>3}  {heat}", shards.len())?;
    if !drawn.marks.is_empty() {
        writeln!(out, "{:13}{}", "", drawn.marks)?;
    }
    Ok(drawn)
}

fn write_readers(out: &mut String, report: &Report) -> fmt::Result {
    if report.readers_by_shard.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n| Readers, worst first | Read | Records | Throttled | Behind |\n|:--|--:|--:|--:|--:|")?;
    for of in report.readers_by_shard.iter().take(HOTTEST) {
        writeln!(out, "| `{}` | {} |", of.shard, readers::figures(of).join(" | "))?;
    }
    Ok(())
}

fn write_advice(out: &mut String, report: &Report) -> fmt::Result {
    if report.advice.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n### Advice\n")?;
    for of in &report.advice {
        writeln!(out, "- **{}**: {}. *{}*.", of.reason, of.message, of.remedy)?;
        for figure in &of.figures {
            writeln!(out, "  - {}: {} ({})", figure.name, figure.value, figure.source)?;
        }
    }
    Ok(())
}

fn write_over_time(out: &mut String, report: &Report) -> fmt::Result {
    let Some(history) = &report.history else { return Ok(()) };
    let minutes = history.len() as u64 * u64::from(history.minutes_per_point);
    writeln!(
        out,
        "\nThe last {} known, █ at a shard's ceiling, · no data point:\n\n```text",
        duration(minutes * 60)
    )?;
    let name = history.dimensions.iter().map(|of| of.dimension.label().len()).max().unwrap_or(0);
    for of in &history.dimensions {
        let values = if of.hottest.is_empty() { &of.mean } else { &of.hottest };
        let peak = of.peak().map_or_else(|| "—".to_owned(), percent);
        let line = strip::sparkline(values, STRIP_WIDTH - 8);
        writeln!(out, "{:<name$}  {line}  peak {peak}", of.dimension.label())?;
    }
    writeln!(out, "```")
}

fn write_notices(out: &mut String, title: &str, notices: &[Notice]) -> fmt::Result {
    if notices.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n### {title}\n")?;
    for notice in notices {
        let advice = notice.advice.map_or_else(String::new, |advice| format!(" *{advice}*."));
        writeln!(out, "- **{}**: {}.{advice}", notice.reason, notice.message)?;
    }
    Ok(())
}
