//! A chart of each dimension against its ceiling over the minutes that the decision looked at.

use maud::{Markup, html};

use super::scrolling;
use crate::load::Load;
use crate::quota::Dimension;
use crate::report::history::DimensionHistory;
use crate::report::layout::{count, percent};
use crate::report::{History, Report};

/// The drawing's own units: a hundred a point across, a thousand up to the top.
const POINT: usize = 100;
const TOP: u64 = 1_000;

pub(super) fn section(report: &Report) -> Markup {
    html! {
        section {
            h2 { "Over time" }
            @match &report.history {
                None => p { "No metrics over time are known." },
                Some(history) => {
                    p.note {
                        (span(history)) " UTC, a shard’s ceiling being 100 %. Mean: what the stream accepted, shared among the "
                        (count(report.stream.shards, "shard")) " open now. Gaps: no data point, which is not zero."
                    }
                    div.charts { @for of in &history.dimensions { (chart(report, history, of)) } }
                    (rejects(history))
                    (table(report, history))
                },
            }
        }
    }
}

fn span(history: &History) -> String {
    let minutes = history.len() as i64 * i64::from(history.minutes_per_point);
    let end = history.start.as_second() + minutes * 60;
    let end = jiff::Timestamp::from_second(end).unwrap_or(history.start);
    let each = match history.minutes_per_point {
        1 => "a point a minute".to_owned(),
        minutes => format!("a point each {minutes} minutes"),
    };
    format!("{} to {}, {each},", history.start.strftime("%Y-%m-%d %H:%M"), end.strftime("%H:%M"))
}

fn target(report: &Report, dimension: Dimension) -> Load {
    report.utilization.iter().find(|of| of.dimension == dimension).map_or(Load::CEILING, |of| of.target)
}

/// What the chart shows, in words.
fn words(of: &DimensionHistory, target: Load) -> String {
    let told = |name: &str, values: &[Option<Load>]| {
        let known = || values.iter().flatten();
        let (low, high) = (known().min()?, known().max()?);
        let last = values.iter().rev().flatten().next()?;
        Some(format!("{name} {} to {}, last {}", percent(*low), percent(*high), percent(*last)))
    };
    let name = if of.dimension == Dimension::ReadCalls { "every shard" } else { "mean" };
    let parts = [told("hottest shard", &of.hottest), told(name, &of.mean)];
    let said: Vec<String> = parts.into_iter().flatten().collect();
    format!("{}; target {}", said.join("; "), percent(target))
}

fn chart(report: &Report, history: &History, of: &DimensionHistory) -> Markup {
    let target = target(report, of.dimension);
    let words = words(of, target);
    // The ceiling is always in the picture.
    let top = of.peak().unwrap_or_default().max(Load(1_250_000));
    let width = history.len() * POINT;
    let y = |load: Load| {
        TOP - u64::try_from(u128::from(load.0) * u128::from(TOP) / u128::from(top.0)).unwrap_or(TOP)
    };
    let pixels = |load: Load| y(load) * 130 / TOP;
    let window = report.window.map_or(0, |window| {
        usize::try_from(window.minutes).unwrap_or(0).div_ceil(history.minutes_per_point.max(1) as usize)
    });
    let window = window.min(history.len()) * POINT;
    html! {
        figure {
            figcaption { strong { (of.dimension.label()) } ": " (words) "." }
            div.plot {
                svg.axis width="52" height="150" aria-hidden="true" {
                    text x="46" y=(pixels(Load::CEILING) + 4) { "100 %" }
                    @if pixels(target).abs_diff(pixels(Load::CEILING)) > 14 && pixels(target).abs_diff(130) > 14 {
                        text x="46" y=(pixels(target) + 4) { (format!("{:.0} %", target.percent())) }
                    }
                    text x="46" y="134" { "0 %" }
                }
                svg.lines width="100%" height="130" viewBox=(format!("0 0 {width} {TOP}")) preserveAspectRatio="none"
                    role="img" aria-label=(format!("{}: {words}", of.dimension.label())) {
                    rect.window x=(width - window) y="0" width=(window) height=(TOP) {}
                    line.ceiling x1="0" x2=(width) y1=(y(Load::CEILING)) y2=(y(Load::CEILING)) {}
                    line.target x1="0" x2=(width) y1=(y(target)) y2=(y(target)) {}
                    @for run in runs(&of.mean) { polyline.mean points=(points(&run, y)) {} }
                    @for run in runs(&of.hottest) { polyline.hottest points=(points(&run, y)) {} }
                }
            }
        }
    }
}

/// The stretches of known values: each place with its value.
fn runs(values: &[Option<Load>]) -> Vec<Vec<(usize, Load)>> {
    let mut runs: Vec<Vec<(usize, Load)>> = Vec::new();
    let mut open = false;
    for (at, value) in values.iter().enumerate() {
        match (value, runs.last_mut()) {
            (Some(load), Some(run)) if open => run.push((at, *load)),
            (Some(load), _) => runs.push(vec![(at, *load)]),
            (None, _) => {}
        }
        open = value.is_some();
    }
    runs
}

/// A value alone is a short line.
fn points(run: &[(usize, Load)], y: impl Fn(Load) -> u64) -> String {
    let middle = |at: usize| at * POINT + POINT / 2;
    match run {
        [(at, load)] => {
            let (x, y) = (middle(*at), y(*load));
            format!("{},{y} {},{y}", x - POINT / 3, x + POINT / 3)
        }
        run => {
            let points: Vec<String> =
                run.iter().map(|(at, load)| format!("{},{}", middle(*at), y(*load))).collect();
            points.join(" ")
        }
    }
}

fn rejects(history: &History) -> Markup {
    let rejected = history.rejected_records.iter().flatten().copied().fold(0, u64::saturating_add);
    let points =
        history.rejected_records.iter().filter(|records| records.is_some_and(|some| some > 0)).count();
    let sample = |class: &str, words: &str| {
        html! { li { svg width="26" height="10" aria-hidden="true" { line class=(class) x1="0" x2="26" y1="5" y2="5" {} } " " (words) } }
    };
    html! {
        ul.legend aria-label="Lines of the charts" {
            (sample("hottest", "hottest shard"))
            (sample("mean", "mean"))
            (sample("target", "target"))
            (sample("ceiling", "ceiling"))
            li { svg width="18" height="12" aria-hidden="true" { rect.window width="18" height="12" {} } " the window that splits are decided on" }
        }
        p {
            @if rejected > 0 {
                "Writes were rejected at " (count(points, "point")) ": " (crate::cost::grouped(rejected)) " records in all."
            } @else if history.rejected_records.iter().any(Option::is_some) {
                "No write was rejected at any point."
            } @else {
                "Whether writes were rejected is not told: CloudWatch has no data point of it."
            }
        }
    }
}

fn table(report: &Report, history: &History) -> Markup {
    let figure = |values: &[Option<Load>], at: usize| {
        values.get(at).copied().flatten().map_or_else(|| "—".to_owned(), percent)
    };
    let inner = html! {
        table {
            thead {
                tr {
                    th scope="col" { "UTC" }
                    @for of in &history.dimensions {
                        @if !of.hottest.is_empty() { th.figure scope="col" { (of.dimension.label()) ", hottest" } }
                        th.figure scope="col" { (of.dimension.label()) ", mean" }
                    }
                    th.figure scope="col" { "rejected records" }
                }
            }
            tbody {
                @for at in 0..history.len() {
                    tr {
                        th scope="row" { (time(history, at)) }
                        @for of in &history.dimensions {
                            @if !of.hottest.is_empty() { td.figure { (figure(&of.hottest, at)) } }
                            td.figure { (figure(&of.mean, at)) }
                        }
                        td.figure { (history.rejected_records[at].map_or_else(|| "—".to_owned(), crate::cost::grouped)) }
                    }
                }
            }
        }
    };
    html! { details.on-screen { summary { "Figures of the charts" } (scrolling(report, "Figures of the charts", inner)) } }
}

fn time(history: &History, at: usize) -> String {
    let second = history.start.as_second() + at as i64 * 60 * i64::from(history.minutes_per_point);
    jiff::Timestamp::from_second(second).unwrap_or(history.start).strftime("%H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_breaks_the_line_and_a_value_alone_is_still_drawn() {
        let load = |percent| Some(Load::from_percent(percent));
        let runs = runs(&[load(1), load(2), None, load(3), None]);
        let places: Vec<Vec<usize>> =
            runs.iter().map(|run| run.iter().map(|(at, _)| *at).collect()).collect();
        assert_eq!(places, [vec![0, 1], vec![3]]);
        let y = |load: Load| load.0 / 10_000;
        assert_eq!(points(&runs[0], y), "50,1 150,2");
        assert_eq!(points(&runs[1], y), "317,3 383,3");
    }
}
