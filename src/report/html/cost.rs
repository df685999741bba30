//! What the stream costs now, after the plan and in the other modes, with prices and assumptions.

use maud::{Markup, html};

use super::scrolling;
use crate::cost::{Bill, CostItem, HOURS_PER_MONTH, Money, Prices, grouped};
use crate::report::Report;

pub(super) fn section(report: &Report) -> Markup {
    let cost = &report.cost;
    let planned = cost.before != cost.after;
    let mut columns: Vec<(String, &Bill)> = vec![("Now".to_owned(), &cost.before)];
    if planned {
        columns.push(("After the plan".to_owned(), &cost.after));
    }
    columns.extend(cost.alternatives.iter().map(|other| (format!("As {}", other.name), &other.bill)));
    let mut items: Vec<CostItem> =
        columns.iter().flat_map(|(_, bill)| bill.items.iter().map(|line| line.item)).collect();
    items.sort_unstable();
    items.dedup();
    let amount = |money: Money| if money == Money::ZERO { "—".to_owned() } else { money.to_string() };
    let change = |before: Money, after: Money| before.change_to(after);
    let table = html! {
        table {
            thead {
                tr {
                    th scope="col" { "A month" }
                    @for (name, _) in &columns { th.figure scope="col" { (name) } }
                    @if planned { th.figure scope="col" { "Change by the plan" } }
                }
            }
            tbody {
                @for item in items {
                    tr {
                        th scope="row" { (item.to_string()) }
                        @for (_, bill) in &columns { td.figure { (amount(bill.of(item))) } }
                        @if planned { td.figure { (change(cost.before.of(item), cost.after.of(item))) } }
                    }
                }
            }
            tfoot {
                tr {
                    th scope="row" { "total" }
                    @for (_, bill) in &columns { td.figure { (bill.total) } }
                    @if planned { td.figure { (change(cost.before.total, cost.after.total)) } }
                }
                tr {
                    th scope="row" { "shard-hours" }
                    @for (_, bill) in &columns { td.figure { (hours(bill)) } }
                    @if planned { td.figure { (super::super::layout::signed_hours(shard_hours(&cost.before), shard_hours(&cost.after))) } }
                }
            }
        }
    };
    html! {
        section {
            h2 { "Cost" }
            p.note { "What AWS would bill for " (HOURS_PER_MONTH) " hours like this one, in US dollars, monitoring included." }
            (scrolling(report, "Cost a month", table))
            ul {
                @for other in &cost.alternatives {
                    @if let Some(note) = &other.note { li { "As " (other.name) ": " (note) "." } }
                }
                @if !cost.alternatives.is_empty() {
                    li { "On-demand modes are shown without what reshard reads: AWS keeps their shards, and a hot key stays hot in them." }
                }
                li { "While the stream rejects or changes, metrics are read at every interval: up to " (cost.metric_reads_near_target) " a month in place of “reading metrics”." }
                @for assumption in &cost.assumptions { li { "Assumed: " (assumption) "." } }
            }
            details { summary { "Prices" } (prices(report)) }
        }
    }
}

fn shard_hours(bill: &Bill) -> u64 {
    u64::from(bill.shards) * u64::from(HOURS_PER_MONTH)
}

fn hours(bill: &Bill) -> String {
    match shard_hours(bill) {
        0 => "—".to_owned(),
        hours => format!("{} h", grouped(hours)),
    }
}

fn prices(report: &Report) -> Markup {
    let Prices {
        region,
        as_of,
        shard_hour,
        million_put_payload_units,
        extended_retention_shard_hour,
        fan_out_consumer_shard_hour,
        fan_out_gigabyte,
        metric_month,
        thousand_metrics_read,
        on_demand_stream_hour,
        on_demand_gigabyte_in,
        on_demand_record_bytes,
        on_demand_gigabyte_out,
        on_demand_advantage_gigabyte_in,
        on_demand_advantage_record_bytes,
        on_demand_advantage_gigabyte_out,
        on_demand_advantage_minimum_bytes_per_second,
    } = &report.cost.prices;
    let rows = [
        ("a shard for an hour", shard_hour),
        ("a million PUT payload units, each record a unit for every 25 KB begun", million_put_payload_units),
        ("retention beyond 24 hours, a shard for an hour", extended_retention_shard_hour),
        ("an enhanced fan-out consumer on a shard for an hour", fan_out_consumer_shard_hour),
        ("a gigabyte read by enhanced fan-out", fan_out_gigabyte),
        ("a shard-level metric for a month", metric_month),
        ("a thousand metrics read", thousand_metrics_read),
        ("an on-demand stream for an hour", on_demand_stream_hour),
        ("on-demand, a gigabyte in", on_demand_gigabyte_in),
        ("on-demand, a gigabyte out", on_demand_gigabyte_out),
        ("On-demand Advantage, a gigabyte in", on_demand_advantage_gigabyte_in),
        ("On-demand Advantage, a gigabyte out", on_demand_advantage_gigabyte_out),
    ];
    let rounding = [
        ("on-demand rounds each record up to a multiple of", on_demand_record_bytes),
        ("On-demand Advantage rounds each record up to a multiple of", on_demand_advantage_record_bytes),
    ];
    let table = html! {
        table {
            thead { tr { th scope="col" { "For" } th.figure scope="col" { "US dollars, or as said" } } }
            tbody {
                @for (name, price) in rows {
                    tr { th scope="row" { (name) } td.figure { (exact(*price)) } }
                }
                @for (name, bytes) in rounding {
                    tr { th scope="row" { (name) } td.figure { (grouped(*bytes)) " B" } }
                }
                tr {
                    th scope="row" { "On-demand Advantage bills an account at least, in and out each" }
                    td.figure { (crate::units::rate(*on_demand_advantage_minimum_bytes_per_second, "B")) }
                }
            }
        }
    };
    html! {
        p { "List prices of " (region) ", " (as_of) "; " code { "--prices FILE" } " sets any of them." }
        (scrolling(report, "Prices", table))
    }
}

/// All of the digits that matter, at least two.
fn exact(price: Money) -> String {
    let nano = price.nano_dollars();
    let digits = format!("{:09}", nano % 1_000_000_000);
    let kept = digits.trim_end_matches('0');
    format!("${}.{kept:0<2}", grouped(nano / 1_000_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_keeps_its_digits_and_has_at_least_two() {
        let told = |nano| exact(Money::from_nano_dollars(nano));
        assert_eq!([14, 15_000_000, 300_000_000, 0].map(told), ["$0.000000014", "$0.015", "$0.30", "$0.00"]);
    }
}
