//! What the page says in words and small tables: the stream, its utilization, the steps, what is
//! held back and what no step can cure.

use maud::{Markup, html};

use super::{Ids, scrolling};
use crate::report::layout::{count, percent};
use crate::report::story::Story;
use crate::report::table::readers::figures;
use crate::report::table::{mode_name, traffic};
use crate::report::{Notice, Report};

/// How many of the hottest shards are listed.
const HOTTEST: usize = 10;

pub(super) fn head(report: &Report) -> Markup {
    let (stream, policy) = (&report.stream, &report.policy);
    let window = match report.window {
        Some(window) => format!(
            "means over {} to {} UTC ({} min)",
            window.start.strftime("%H:%M"),
            window.end.strftime("%H:%M"),
            window.minutes
        ),
        None => "no settled metrics: what is not known is not shown as zero".to_owned(),
    };
    let facts = [
        ("Stream", stream.arn.clone()),
        (
            "State",
            format!(
                "{}, {}, {}, retention {}\u{a0}h",
                stream.status,
                mode_name(stream.mode),
                count(stream.shards, "shard"),
                stream.retention_hours
            ),
        ),
        ("Policy", format!("{} to {} shards, mode {:?}", policy.min_shards, policy.max_shards, policy.mode)),
        ("Observed", report.observed_at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()),
        ("Unknown", format!("what was before {}", report.look_back_start.strftime("%Y-%m-%d %H:%M UTC"))),
        ("Figures", window),
    ];
    html! {
        header {
            h1 { span.name { (stream.name) } " " span.summary { (report.summary) } }
            dl.facts.story {
                @for (name, value) in Story::of(report).told() { div { dt { (name) } dd { (value) "." } } }
            }
            dl.facts {
                @for (name, value) in &facts { div { dt { (name) } dd { (value) } } }
                @if !policy.schedules.is_empty() {
                    div { dt { "In force" } dd { (policy.schedules.join(", ")) } }
                }
                @let said = traffic(report);
                @if !said.is_empty() { div { dt { "Traffic" } dd { (said.join("; ")) } } }
                @if let Some(recovery) = &report.recovery { div { dt { "Recovery" } dd { (recovery) } } }
            }
        }
    }
}

pub(super) fn notices(title: &str, note: &str, notices: &[Notice]) -> Markup {
    html! {
        @if !notices.is_empty() {
            section.notices {
                h2 { (title) }
                p.note { (note) }
                ul {
                    @for notice in notices {
                        li {
                            strong { (notice.reason) } ": " (notice.message) "."
                            @if let Some(advice) = notice.advice { " " span.advice { "Advice: " (advice) "." } }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn advice(report: &Report) -> Markup {
    html! {
        @if !report.advice.is_empty() {
            section.notices {
                h2 { "Advice" }
                p.note { "What would help more than a shard, with the numbers it rests on." }
                ul {
                    @for of in &report.advice {
                        li {
                            strong { (of.reason) } ": " (of.message) "."
                            span.advice { "To do: " (of.remedy) "." }
                            dl.figures {
                                @for figure in &of.figures {
                                    div { dt { (figure.name) } dd { (figure.value) " " span.source { "(" (figure.source) ")" } } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn steps(report: &Report, ids: Ids) -> Markup {
    html! {
        section {
            h2 { "Steps" }
            @if report.steps.is_empty() {
                p { "None now." }
            } @else {
                p.note { "In this order, one at a time; after each the stream is observed and planned anew." }
                ol.steps {
                    @for step in &report.steps {
                        li id=(ids.of(&format!("step-{}", step.number))) {
                            div.action { (step.action) }
                            @if !step.reason.is_empty() { div { span.label { "Why" } " " (step.reason) } }
                            @if !step.effect.is_empty() { div { span.label { "Leaves" } " " (step.effect) } }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn utilization(report: &Report) -> Markup {
    let figure = |load: Option<_>| load.map_or_else(|| "not known".to_owned(), percent);
    let table = html! {
        table {
            thead {
                tr {
                    th scope="col" { "Dimension" }
                    th.figure scope="col" { "Ceiling of a shard" }
                    th.figure scope="col" { "Mean" }
                    th.figure scope="col" { "Hottest" }
                    th.figure scope="col" { "Shard" }
                    th.figure scope="col" { "Target" }
                }
            }
            tbody {
                @for of in &report.utilization {
                    @let hottest = of.hottest.as_ref();
                    tr {
                        th scope="row" { (of.dimension.label()) }
                        td.figure { (crate::cost::grouped(of.ceiling_per_second)) "/s" }
                        td.figure { (figure(of.mean)) }
                        td.figure { (figure(hottest.map(|hot| hot.load))) }
                        td.figure { (hottest.map_or("—", |hot| hot.shard.short())) }
                        td.figure { (percent(of.target)) }
                    }
                }
            }
        }
    };
    html! {
        section {
            h2 { "Utilization" }
            p.note { "Of a shard’s ceilings. Every poller polls every shard, so read calls are the same for all." }
            (scrolling(report, "Utilization", table))
        }
    }
}

pub(super) fn hottest(report: &Report, ids: Ids) -> Markup {
    let hot = report.hottest_shards(HOTTEST);
    let table = html! {
        table {
            thead {
                tr {
                    th scope="col" { "Shard" }
                    th scope="col" { "Fullest in" }
                    th.figure scope="col" { "Load" }
                    th.figure scope="col" { "Ingest bytes" }
                    th.figure scope="col" { "Ingest records" }
                    th.figure scope="col" { "Read bytes" }
                }
            }
            tbody {
                @for of in &hot {
                    tr {
                        th scope="row" { a href=(format!("#{}", ids.of(&format!("shard-{}", of.index)))) { (of.shard) } }
                        td { (of.dimension.label()) }
                        td.figure { (percent(of.load)) }
                        @for load in of.loads.as_array() { td.figure { (percent(load)) } }
                    }
                }
            }
        }
    };
    html! {
        @if !hot.is_empty() {
            section { h2 { "Hottest shards" } (scrolling(report, "Hottest shards", table)) }
        }
    }
}

pub(super) fn readers(report: &Report, ids: Ids) -> Markup {
    let table = html! {
        table {
            thead {
                tr {
                    th scope="col" { "Shard" }
                    @for title in ["Read", "Records", "Throttled calls", "Behind"] { th.figure scope="col" { (title) } }
                }
            }
            tbody {
                @for of in report.readers_by_shard.iter().take(HOTTEST) {
                    @let place = report.shards.iter().position(|shard| shard.as_ref() == Some(&of.shard));
                    tr {
                        th scope="row" {
                            @if let Some(place) = place {
                                a href=(format!("#{}", ids.of(&format!("shard-{place}")))) { (of.shard) }
                            } @else { (of.shard) }
                        }
                        @for figure in figures(of) { td.figure { (figure) } }
                    }
                }
            }
        }
    };
    html! {
        @if !report.readers_by_shard.is_empty() {
            section {
                h2 { "Readers by shard" }
                p.note { "Those with most trouble first. No decision rests on it: what is read back or late is not cured by shards. Enhanced fan-out counts in what is read." }
                (scrolling(report, "Readers by shard", table))
            }
        }
    }
}

pub(super) fn foot(report: &Report) -> Markup {
    html! {
        footer {
            p { "Plan " code { (report.plan.hash) } ". The same snapshot and policy give this hash on every machine: "
                code { "reshard plan --record" } " keeps a snapshot, " code { "--snapshot" } " decides from it again." }
        }
    }
}
