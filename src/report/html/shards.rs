//! Every shard with its exact figures, before and after the plan: what the strips draw.

use maud::{Markup, html};

use super::key_space::{Heat, consumed_by, made_by, percent_of_space};
use super::{Ids, scrolling};
use crate::plan::{Evidence, RangeLoad};
use crate::report::Report;
use crate::report::layout::percent;

/// With more shards than this the table is folded.
const MOST_UNFOLDED: usize = 40;

pub(super) fn section(report: &Report, ids: Ids) -> Markup {
    let plan = &report.plan;
    let name = |index: usize| report.shards.get(index).and_then(Option::as_ref).map(ToString::to_string);
    let now = rows(report, &plan.before, &ids.of("shard"), name, |range| consumed_by(report, range));
    let then = |index: usize| {
        let range = plan.after.get(index)?.range;
        let kept = plan.before.iter().position(|before| before.range == range);
        kept.filter(|_| made_by(report, range).is_none()).and_then(name)
    };
    let after = rows(report, &plan.after, &ids.of("after"), then, |range| {
        made_by(report, range).map(|number| format!("step {number} makes it"))
    });
    html! {
        @if !plan.before.is_empty() {
            section id=(ids.of("shards")) tabindex="-1" {
                h2 { "Shards" }
                p.note { "Loads in percent of a shard’s ceilings, measured where nothing else is said. Peaks, which merges are decided on, are the highest in the stabilization window, or what is foreseen where that is more." }
                (folded(report, "Now", plan.before.len(), &now))
                @if !plan.steps().is_empty() { (folded(report, "After the plan", plan.after.len(), &after)) }
            }
        }
    }
}

fn folded(report: &Report, title: &str, shards: usize, table: &Markup) -> Markup {
    html! {
        details open[shards <= MOST_UNFOLDED] {
            summary { (title) ": " (super::super::count(shards, "shard")) }
            (scrolling(report, &format!("Shards, {title}"), table.clone()))
        }
    }
}

fn rows(
    report: &Report,
    shards: &[RangeLoad],
    id: &str,
    name: impl Fn(usize) -> Option<String>,
    note: impl Fn(crate::hash_key::HashKeyRange) -> Option<String>,
) -> Markup {
    let targets = report.target_loads();
    html! {
        table.shards {
            thead {
                tr {
                    th scope="col" { "Shard" }
                    th.figure scope="col" { "Share of the keys" }
                    th.figure scope="col" { "Ingest bytes" }
                    th.figure scope="col" { "Ingest records" }
                    th.figure scope="col" { "Read bytes" }
                    th.figure scope="col" { "Peak" }
                    th scope="col" { "Remarks" }
                    th.figure scope="col" { "First hash key" }
                }
            }
            tbody {
                @for (index, shard) in shards.iter().enumerate() {
                    @let known = shard.evidence != Evidence::Unknown;
                    tr id=(format!("{id}-{index}")) {
                        th scope="row" { (name(index).unwrap_or_else(|| "to be made".to_owned())) }
                        td.figure { (percent_of_space(shard.range)) }
                        @for load in shard.loads.as_array() { td.figure { @if known { (percent(load)) } @else { "—" } } }
                        td.figure { @if known { (percent(shard.peak_loads.binding(targets).1)) } @else { "—" } }
                        td { (remarks(shard, Heat::of(shard, targets), note(shard.range))) }
                        td.figure { (shard.range.start()) }
                    }
                }
            }
        }
    }
}

fn remarks(shard: &RangeLoad, heat: Heat, note: Option<String>) -> String {
    let estimated = (shard.evidence == Evidence::Estimated).then_some("estimated");
    let said = [estimated, heat.words()].into_iter().flatten().map(str::to_owned);
    said.chain(note).collect::<Vec<_>>().join("; ")
}
