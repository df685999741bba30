//! The report as one HTML file: no script, no external asset, a content security policy that allows
//! nothing but its own style sheet. Charts are SVG; each tells its figures in words too.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use super::Report;

mod chart;
mod cost;
mod key_space;
mod sections;
mod shards;

const STYLE: &str = include_str!("html/style.css");

/// Renders `reports`, one a stream, as one page. Whatever AWS or a manifest told is escaped.
pub fn html(reports: &[Report]) -> String {
    let title = match reports {
        [report] => format!("{}: {}", report.stream.name, report.summary),
        reports => format!("reshard: {}", super::count(reports.len(), "stream")),
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="generator" content=(concat!("reshard ", env!("CARGO_PKG_VERSION")));
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                @if let [report] = reports {
                    a.skip href=(format!("#{}", Ids(0).of("shards"))) { "Skip to the table of shards" }
                    main { (stream(report, Ids(0))) }
                } @else {
                    header { h1 { (title) }
                    nav aria-label="Streams" {
                        ul {
                            @for (at, report) in reports.iter().enumerate() {
                                li { a href=(format!("#{}", Ids(at).of("top"))) { (report.stream.name) } ": " (report.summary) }
                            }
                        }
                    } }
                    main { @for (at, report) in reports.iter().enumerate() { (stream(report, Ids(at))) } }
                }
            }
        }
    };
    // A figure and its unit stay on one line.
    page.into_string().replace(" %", "\u{a0}%")
}

/// Only this style sheet applies, and nothing is loaded, sent or run.
fn policy() -> String {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'")
}

/// Names of elements, unlike those of the other streams of the page.
#[derive(Debug, Clone, Copy)]
struct Ids(usize);

impl Ids {
    fn of(self, name: &str) -> String {
        format!("s{}-{name}", self.0)
    }
}

fn stream(report: &Report, ids: Ids) -> Markup {
    html! {
        article id=(ids.of("top")) {
            (sections::head(report))
            (sections::notices("Verdicts", "What no step can cure.", &report.verdicts))
            (key_space::section(report, ids))
            (sections::steps(report, ids))
            (sections::advice(report))
            (sections::utilization(report))
            (chart::section(report))
            (sections::hottest(report, ids))
            (sections::readers(report, ids))
            (sections::notices("Holds", "What waits, and why.", &report.holds))
            (cost::section(report))
            (shards::section(report, ids))
            (sections::foot(report))
        }
    }
}

/// A table that scrolls by itself where the window is narrow: the page never does.
fn scrolling(report: &Report, label: &str, table: Markup) -> Markup {
    let label = format!("{label} of {}", report.stream.name);
    html! { div.scroll role="region" aria-label=(label) tabindex="0" { (table) } }
}

#[cfg(test)]
mod tests;
