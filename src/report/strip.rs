//! Pictures made of characters: the hash-key space with the heat of each shard, and bars. The
//! characters alone carry the meaning; colour only repeats it.

use super::layout::{Painter, Tone};
use crate::hash_key::HashKey;
use crate::load::{Load, Loads};
use crate::plan::{Evidence, RangeLoad};

/// What the marks of strips mean.
pub(super) fn legend(strips: &[Strip]) -> String {
    let mut text =
        "width: share of the hash keys; height: the fullest dimension, █ at its ceiling; ▲ above target"
            .to_owned();
    if strips.iter().any(|strip| strip.marks.contains(BOUNDARY)) {
        text.push_str("; ╵ a boundary");
    }
    if strips.iter().any(|strip| strip.heat.iter().any(|(glyph, _)| *glyph == NOT_KNOWN)) {
        text.push_str("; ? load not known");
    }
    let crowding = strips.iter().map(|strip| strip.crowding).max().unwrap_or(0);
    // Two share a cell wherever a boundary lies within it.
    if crowding > 2 {
        text.push_str(&format!("; up to {crowding} shards share a cell, the hottest shows"));
    }
    text
}

const BOUNDARY: char = '╵';
const NOT_KNOWN: char = '?';

/// The hash-key space `width` cells wide, each as high as its hottest shard: for a live view.
pub fn heat_strip(shards: &[RangeLoad], targets: Loads, width: usize, color: bool) -> String {
    let painter = Painter { color };
    let cells = draw(shards, targets, width.max(1)).heat;
    cells.into_iter().map(|(glyph, tone)| painter.paint(tone, glyph.encode_utf8(&mut [0; 4]))).collect()
}

/// The hash-key space, `width` cells wide.
pub(super) struct Strip {
    /// One character a cell: how hot the hottest shard is that has keys in it.
    pub heat: Vec<(char, Tone)>,
    /// Under each cell: shards above target, and boundaries where they are few enough to tell.
    pub marks: String,
    /// The most shards that share a cell.
    pub crowding: usize,
}

#[derive(Clone, Copy, Default)]
struct CellHeat {
    known: bool,
    shards: usize,
    /// The largest load of any dimension.
    load: Load,
    above_target: bool,
    boundary: bool,
}

/// Draws shards in `width` cells.
pub(super) fn draw(shards: &[RangeLoad], targets: Loads, width: usize) -> Strip {
    let mut cells = vec![CellHeat::default(); width];
    for shard in shards {
        let (first, last) = (cell_of(shard.range.start(), width), cell_of(shard.range.end(), width));
        let load = shard.loads.as_array().into_iter().max().unwrap_or_default();
        for cell in &mut cells[first..=last] {
            cell.shards += 1;
            if shard.evidence != Evidence::Unknown {
                cell.known = true;
                cell.load = cell.load.max(load);
            }
        }
        cells[first].boundary |= shard.range.start() != HashKey::MIN;
        if shard.evidence != Evidence::Unknown && !shard.loads.within(targets) {
            cells[usize::midpoint(first, last)].above_target = true;
            for cell in &mut cells[first..=last] {
                cell.load = cell.load.max(load);
            }
        }
    }
    let crowded = shards.len() * 2 > width;
    let marks: String = cells
        .iter()
        .map(|cell| match cell {
            CellHeat { above_target: true, .. } => '▲',
            CellHeat { boundary: true, .. } if !crowded => BOUNDARY,
            _ => ' ',
        })
        .collect();
    Strip {
        heat: cells.iter().map(|cell| glyph(cell, targets)).collect(),
        marks: marks.trim_end().to_owned(),
        crowding: cells.iter().map(|cell| cell.shards).max().unwrap_or(0),
    }
}

/// The cell that holds a key: `key × width / 2^128`, by the upper half of the key.
fn cell_of(key: HashKey, width: usize) -> usize {
    let cell = ((key.0 >> 64) * width as u128) >> 64;
    usize::try_from(cell).unwrap_or(usize::MAX).min(width.saturating_sub(1))
}

fn glyph(cell: &CellHeat, targets: Loads) -> (char, Tone) {
    if !cell.known {
        return (NOT_KNOWN, Tone::Faint);
    }
    let lowest_target = targets.as_array().into_iter().min().unwrap_or(Load::CEILING);
    let tone = match cell.load {
        load if load > Load::CEILING => Tone::Bad,
        load if load > lowest_target => Tone::Warning,
        _ => Tone::Good,
    };
    (block(cell.load), tone)
}

/// A line over time, `width` cells wide at the most: each as high as the highest load in it, full at
/// the ceiling.
pub(super) fn sparkline(values: &[Option<Load>], width: usize) -> String {
    let cells = values.len().min(width.max(1));
    (0..cells)
        .map(|cell| {
            let (from, to) = (cell * values.len() / cells, (cell + 1) * values.len() / cells);
            values[from..to].iter().flatten().max().map_or('·', |load| block(*load))
        })
        .collect()
}

/// A load as a block: at the ceiling it is full.
fn block(load: Load) -> char {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let eighths = load.0.saturating_mul(8).div_ceil(Load::CEILING.0).clamp(1, 8);
    BLOCKS[eighths as usize - 1]
}

/// What the marks of a bar mean.
pub(super) const BAR_LEGEND: &str = "█ mean, ▒ up to the hottest shard, │ target, » beyond the ceiling";

/// A bar from nothing to the ceiling: filled to the mean, shaded to the hottest shard.
pub(crate) fn bar(mean: Option<Load>, hottest: Option<Load>, target: Load, width: usize) -> String {
    let cell = |load: Load| {
        usize::try_from(u128::from(load.0) * width as u128 / u128::from(Load::CEILING.0))
            .unwrap_or(usize::MAX)
    };
    let (Some(peak), mean) = (hottest.max(mean), mean.unwrap_or_default()) else {
        return String::new();
    };
    let target = cell(target).min(width.saturating_sub(1));
    (0..width)
        .map(|at| match at {
            _ if at + 1 == width && peak > Load::CEILING => '»',
            _ if at == target => '│',
            _ if at < cell(mean) => '█',
            _ if at < cell(peak) => '▒',
            _ => '·',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::fixtures;

    fn heat(sample: &fixtures::Sample, width: usize) -> (String, String) {
        let strip = draw(&sample.plan.before, sample.policy.targets.limits, width);
        (strip.heat.iter().map(|(glyph, _)| *glyph).collect(), strip.marks)
    }

    #[test]
    fn a_shard_is_as_wide_as_its_share_and_as_high_as_its_heat() {
        let sample = fixtures::with_loads(&[100_000, 500_000, 1_430_000, 0]);
        assert_eq!(heat(&sample, 16), ("▁▁▁▁▄▄▄▄████▁▁▁▁".to_owned(), "    ╵   ╵▲  ╵".to_owned()));
    }

    #[test]
    fn where_shards_share_a_cell_the_hottest_shows() {
        let mut loads = vec![10_000; 200];
        loads[101] = 1_200_000;
        let sample = fixtures::with_loads(&loads);
        let (heat, marks) = heat(&sample, 20);
        assert_eq!(heat, "▁▁▁▁▁▁▁▁▁▁█▁▁▁▁▁▁▁▁▁");
        assert_eq!(marks, "          ▲");
    }

    #[test]
    fn an_unknown_load_does_not_look_idle() {
        let mut sample = fixtures::even(2, 0);
        sample.plan.before[0].evidence = Evidence::Unknown;
        assert_eq!(heat(&sample, 4).0, "??▁▁");
        let said =
            |sample: &fixtures::Sample| legend(&[draw(&sample.plan.before, sample.policy.targets.limits, 4)]);
        assert!(said(&sample).contains("? load not known") && !said(&fixtures::even(2, 0)).contains('?'));
    }

    #[test]
    fn a_line_over_time_keeps_every_peak_and_shows_gaps() {
        let load = |percent| Some(Load::from_percent(percent));
        assert_eq!(sparkline(&[load(10), None, load(50), load(120)], 60), "▁·▄█");
        assert_eq!(sparkline(&[load(10), load(50), None, load(100), None, None], 3), "▄█·");
        assert_eq!(sparkline(&[], 60), "");
    }

    #[test]
    fn bars_show_mean_hottest_target_and_what_lies_beyond() {
        let load = |percent| Some(Load::from_percent(percent));
        let target = Load::from_percent(70);
        assert_eq!(bar(load(20), load(50), target, 10), "██▒▒▒··│··");
        assert_eq!(bar(load(20), load(143), target, 10), "██▒▒▒▒▒│▒»");
        assert_eq!(bar(load(100), None, target, 10), "███████│██");
        assert_eq!(bar(None, None, target, 10), "");
    }
}
