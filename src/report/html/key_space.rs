//! The hash-key space as a strip before and after the plan: a bar a shard, as wide as its share of
//! the keys, as high as its fullest dimension. Height, marks and words say what colour repeats.

use maud::{Markup, html};

use super::Ids;
use crate::hash_key::HashKeyRange;
use crate::load::{Load, Loads};
use crate::plan::{Evidence, RangeLoad, Step};
use crate::report::Report;
use crate::report::layout::percent;

/// Height of the drawing in pixels; the ceiling lies at four fifths of it.
const HEIGHT: u64 = 120;
const CEILING_HEIGHT: u64 = HEIGHT * 4 / 5;
/// With more shards than this only the notable ones are tab stops; the table has all.
const MOST_TAB_STOPS: usize = 12;
/// With more shards than this, lines between them would hide them.
const MOST_OUTLINED: usize = 60;

pub(super) fn section(report: &Report, ids: Ids) -> Markup {
    let plan = &report.plan;
    html! {
        section {
            h2 { "Hash-key space" }
            @if plan.before.is_empty() {
                p { "Not shown: the listed shards do not cover it exactly." }
            } @else {
                p.note {
                    "A bar a shard: width is its share of the hash keys, height its fullest dimension. "
                    "Point at a bar, or tab to it, for its figures; follow it to its row of the table."
                }
                (strip("Now", &bars(report, ids)))
                @if !plan.steps().is_empty() { (strip("After the plan", &bars_after(report, ids))) }
                (legend(report))
            }
        }
    }
}

/// Ten-thousandths of the width between two marks: on a phone a mark is nearly as wide.
const MARK_SPACING: u64 = 400;

/// How hot a bar is: a step of the scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heat {
    /// Not known.
    Unknown,
    /// Within the targets; 0 to 4 by its load.
    Within(u64),
    /// Above a target.
    AboveTarget,
    /// Above a ceiling.
    AboveCeiling,
}

impl Heat {
    pub(super) fn of(shard: &RangeLoad, targets: Loads) -> Heat {
        let load = fullest(shard.loads);
        match load {
            _ if shard.evidence == Evidence::Unknown => Heat::Unknown,
            load if load > Load::CEILING => Heat::AboveCeiling,
            _ if !shard.loads.within(targets) => Heat::AboveTarget,
            load => Heat::Within((load.0 / 200_000).min(4)),
        }
    }

    fn class(self) -> &'static str {
        const WITHIN: [&str; 5] = ["u0", "u1", "u2", "u3", "u4"];
        match self {
            Heat::Unknown => "unknown",
            Heat::Within(fifth) => WITHIN[usize::try_from(fifth).unwrap_or(4).min(4)],
            Heat::AboveTarget => "hot",
            Heat::AboveCeiling => "over",
        }
    }

    /// In words; nothing where there is nothing to say.
    pub(super) fn words(self) -> Option<&'static str> {
        match self {
            Heat::Unknown => Some("load not known"),
            Heat::Within(_) => None,
            Heat::AboveTarget => Some("above target"),
            Heat::AboveCeiling => Some("above the ceiling"),
        }
    }
}

struct Bar {
    range: HashKeyRange,
    name: String,
    href: String,
    heat: Heat,
    load: Load,
    loads: Loads,
    evidence: Evidence,
    /// What the plan does to it.
    note: Option<String>,
}

fn fullest(loads: Loads) -> Load {
    loads.as_array().into_iter().max().unwrap_or_default()
}

fn bar(report: &Report, shard: &RangeLoad, name: String, href: String, note: Option<String>) -> Bar {
    let heat = Heat::of(shard, report.target_loads());
    let (loads, evidence) = (shard.loads, shard.evidence);
    Bar { range: shard.range, name, href, heat, load: fullest(loads), loads, evidence, note }
}

/// The number of the first step that consumes each range, with what it does.
pub(super) fn consumed_by(report: &Report, range: HashKeyRange) -> Option<String> {
    report.plan.steps().iter().zip(1..).find_map(|(step, number)| match step {
        Step::Split { range: of, .. } if *of == range => Some(format!("step {number} splits it")),
        Step::Merge { low, high } if *low == range || *high == range => {
            Some(format!("step {number} merges it"))
        }
        Step::UpdateShardCount { .. } => Some(format!("step {number} cuts all keys anew")),
        _ => None,
    })
}

/// The number of the last step that makes a range.
pub(super) fn made_by(report: &Report, range: HashKeyRange) -> Option<usize> {
    let makes = |step: &Step| match step {
        Step::Split { range: of, at } => of.split(*at).is_ok_and(|(low, high)| low == range || high == range),
        Step::Merge { low, high } => low.merge(*high) == Some(range),
        Step::UpdateShardCount { to, .. } => HashKeyRange::WHOLE.equal_parts(*to).contains(&range),
        Step::EnableShardMetrics { .. } => false,
    };
    report.plan.steps().iter().zip(1..).filter(|(step, _)| makes(step)).map(|(_, number)| number).last()
}

fn bars(report: &Report, ids: Ids) -> Vec<Bar> {
    let named = report.plan.before.iter().zip(&report.shards).enumerate();
    named
        .map(|(index, (shard, id))| {
            let name = id.as_ref().map_or_else(|| "A shard".to_owned(), |id| format!("Shard {}", id.short()));
            let href = format!("#{}", ids.of(&format!("shard-{index}")));
            bar(report, shard, name, href, consumed_by(report, shard.range))
        })
        .collect()
}

fn bars_after(report: &Report, ids: Ids) -> Vec<Bar> {
    report
        .plan
        .after
        .iter()
        .enumerate()
        .map(|(index, shard)| {
            let maker = made_by(report, shard.range);
            let kept = report.plan.before.iter().position(|before| before.range == shard.range);
            let id = kept.and_then(|at| report.shards.get(at)?.as_ref());
            let name = match (maker, id) {
                (None, Some(id)) => format!("Shard {}", id.short()),
                _ => format!("Shard of step {}", maker.unwrap_or_default()),
            };
            let note = maker.map(|number| format!("step {number} makes it"));
            bar(report, shard, name, format!("#{}", ids.of(&format!("after-{index}"))), note)
        })
        .collect()
}

/// The bars that are tab stops: all of few; of many the hottest that are above target or changed.
fn tab_stops(bars: &[Bar]) -> Vec<bool> {
    if bars.len() <= MOST_TAB_STOPS {
        return vec![true; bars.len()];
    }
    let mut notable: Vec<usize> =
        (0..bars.len()).filter(|at| bars[*at].heat.words().is_some() || bars[*at].note.is_some()).collect();
    notable.sort_by_key(|at| std::cmp::Reverse(bars[*at].load));
    notable.truncate(MOST_TAB_STOPS);
    (0..bars.len()).map(|at| notable.contains(&at)).collect()
}

/// Hundredths of a percent of the space, as text in percent.
fn share(hundredths: u64) -> String {
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}

/// Where a key lies, in ten-thousandths of the space.
fn place(key: crate::hash_key::HashKey) -> u64 {
    u64::try_from(((key.0 >> 64) * 10_000) >> 64).unwrap_or_default()
}

fn strip(title: &str, bars: &[Bar]) -> Markup {
    let outlined = if bars.len() <= MOST_OUTLINED { "bars" } else { "bars many" };
    let label = format!("{title}: {}", crate::report::count(bars.len(), "shard"));
    html! {
        figure.keys {
            figcaption { (label) }
            div.plot {
                svg.axis width="52" height=(HEIGHT + 18) aria-hidden="true" {
                    text x="46" y=(HEIGHT - CEILING_HEIGHT + 4) { "100 %" }
                    text x="46" y=(HEIGHT - CEILING_HEIGHT / 2 + 4) { "50 %" }
                    text x="46" y=(HEIGHT + 4) { "0 %" }
                }
                svg class=(outlined) width="100%" height=(HEIGHT + 76) role="group" aria-label=(format!("{label}, in hash-key order")) {
                    @for middle in marks(bars) {
                        text.mark x=(share(middle)) y=(HEIGHT + 14) aria-hidden="true" { "▲" }
                    }
                    @for (bar, stop) in bars.iter().zip(tab_stops(bars)) { (drawn(bar, stop)) }
                    line.ceiling x1="0" x2="100%" y1=(HEIGHT - CEILING_HEIGHT) y2=(HEIGHT - CEILING_HEIGHT) {}
                    text.hint x="0" y=(HEIGHT + 34) aria-hidden="true" { "Point at a bar or tab to it." }
                }
            }
        }
    }
}

/// Where the marks stand of what is above a target, in ten-thousandths of the space: in the middle of
/// each run of such bars, unless the one before is too near.
fn marks(bars: &[Bar]) -> Vec<u64> {
    let hot = |bar: &Bar| matches!(bar.heat, Heat::AboveTarget | Heat::AboveCeiling);
    let runs = bars.chunk_by(|a, b| hot(a) == hot(b)).filter(|run| run.first().is_some_and(hot));
    let middles = runs.filter_map(|run| {
        Some(u64::midpoint(place(run.first()?.range.start()), place(run.last()?.range.end())))
    });
    let mut marks: Vec<u64> = Vec::new();
    for middle in middles {
        if marks.last().is_none_or(|last| middle - last >= MARK_SPACING) {
            marks.push(middle);
        }
    }
    marks
}

fn drawn(bar: &Bar, tab_stop: bool) -> Markup {
    let (start, end) = (place(bar.range.start()), place(bar.range.end()).max(place(bar.range.start()) + 1));
    let pixels = bar.load.0.saturating_mul(CEILING_HEIGHT) / Load::CEILING.0;
    let height = if bar.heat == Heat::Unknown { CEILING_HEIGHT / 2 } else { pixels.clamp(2, HEIGHT) };
    let (x, width) = (share(start), share(end - start));
    let [bytes, records, reads] = bar.loads.as_array().map(percent);
    let evidence = match bar.evidence {
        Evidence::Measured => Some("measured"),
        Evidence::Estimated => Some("estimated"),
        Evidence::Unknown => None,
    };
    let said: Vec<&str> = [evidence, bar.heat.words(), bar.note.as_deref()].into_iter().flatten().collect();
    html! {
        a href=(bar.href) tabindex=[(!tab_stop).then_some("-1")] {
            rect.area x=(x) y="0" width=(width) height=(HEIGHT) {}
            rect class=(bar.heat.class()) x=(x) y=(HEIGHT - height) width=(width) height=(height) {}
            text.tip y=(HEIGHT + 34) {
                tspan x="0" { (bar.name) ": " (percent_of_space(bar.range)) " of the keys from " (share_text(start)) "; " }
                tspan x="0" dy="17" {
                    @if bar.heat != Heat::Unknown { "bytes " (bytes) ", records " (records) ", reads " (reads) "; " }
                }
                tspan x="0" dy="17" { (said.join("; ")) }
            }
        }
    }
}

pub(super) fn percent_of_space(range: HashKeyRange) -> String {
    format!("{:.2} %", range.fraction_of_space() * 100.0)
}

fn share_text(ten_thousandths: u64) -> String {
    format!("{}.{:02} %", ten_thousandths / 100, ten_thousandths % 100)
}

fn legend(report: &Report) -> Markup {
    let [bytes, records, reads] = report.target_loads().as_array().map(percent);
    let scale = [
        ("u0", "under 20 %"),
        ("u1", "20–40 %"),
        ("u2", "40–60 %"),
        ("u3", "60–80 %"),
        ("u4", "80–100 %"),
        ("hot", "▲ above target"),
        ("over", "▲ above the ceiling"),
        ("unknown", "? not known"),
    ];
    html! {
        ul.legend aria-label="Colours of the bars" {
            @for (class, words) in scale {
                li { svg width="18" height="12" aria-hidden="true" { rect class=(class) width="18" height="12" {} } " " (words) }
            }
        }
        p.note { "Targets: ingest bytes " (bytes) ", ingest records " (records) ", read bytes " (reads)
            ". The line is a shard’s ceiling; bars end at 125 %. A ▲ stands under each run of bars that are above a target." }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash_key::HashKey;

    #[test]
    fn a_place_is_the_share_of_the_keys_below_it() {
        let middle = HashKey(1 << 127);
        assert_eq!([HashKey::MIN, middle, HashKey::MAX].map(place), [0, 5_000, 9_999]);
        assert_eq!(share(1_250), "12.50%");
    }

    #[test]
    fn a_run_of_hot_bars_has_one_mark_and_marks_keep_their_distance() {
        let bars = |hot: &[usize]| -> Vec<Bar> {
            let mut sample = crate::cost::fixtures::even(100, 100_000);
            hot.iter().for_each(|at| sample.plan.before[*at].loads.ingest_bytes = Load::from_percent(90));
            let targets = sample.policy.targets.limits;
            let bar = |shard: &RangeLoad| Bar {
                range: shard.range,
                name: String::new(),
                href: String::new(),
                heat: Heat::of(shard, targets),
                load: fullest(shard.loads),
                loads: shard.loads,
                evidence: shard.evidence,
                note: None,
            };
            sample.plan.before.iter().map(bar).collect()
        };
        assert_eq!(marks(&bars(&[])), [0; 0]);
        assert_eq!(marks(&bars(&[10, 11, 12, 13])), [1_199]);
        assert_eq!(marks(&bars(&[10, 12, 14, 16])), [1_049, 1_449]);
    }

    #[test]
    fn the_scale_is_by_the_fullest_dimension_and_by_the_targets() {
        let targets = Loads::from_array([Load::from_percent(70); 3]);
        let heat = |percent, evidence| {
            let loads = Loads { ingest_records: Load::from_percent(percent), ..Loads::default() };
            Heat::of(&RangeLoad { range: HashKeyRange::WHOLE, loads, peak_loads: loads, evidence }, targets)
        };
        assert_eq!(heat(0, Evidence::Measured), Heat::Within(0));
        assert_eq!(heat(70, Evidence::Measured), Heat::Within(3));
        assert_eq!(heat(71, Evidence::Estimated), Heat::AboveTarget);
        assert_eq!(heat(101, Evidence::Measured), Heat::AboveCeiling);
        assert_eq!(heat(0, Evidence::Unknown), Heat::Unknown);
    }
}
