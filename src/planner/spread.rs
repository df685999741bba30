//! Of tilings that cost the same, the one that spreads the load most evenly: where `minShards`
//! asks for more splits than the load does, they go where the heat is, and the cuts of one shard
//! leave parts as equal as they can be, or a part that a neighbour can take. And where not everything fits, the
//! places that are left go to what is fullest.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::grid::{Grid, Rules, fill};
use super::hand_over::{self, HandOver};
use super::optimum::Tiling;
use crate::load::Loads;

/// The same number of shards and steps, and so the same cost, with the load spread evenly.
pub(super) fn even(grid: &Grid, rules: &Rules, tiling: &Tiling) -> Tiling {
    equal_parts(grid, rules, &cuts_where_the_heat_is(grid, rules, tiling))
}

/// Of up to `max` shards those that are left, for what lies above the `trigger`, the fullest first: the limits of
/// `rules` were raised, as far as the fullest shards are relieved in no tiling, and others may be as full.
pub(super) fn relieved(grid: &Grid, rules: &Rules, trigger: Loads, tiling: &Tiling, max: usize) -> Tiling {
    let spare = max.saturating_sub(tiling.shard_count());
    let is_hot = |low, high| !grid.loads(low, high).within(trigger);
    let cuts = hottest_cuts(grid, rules, tiling.boundaries(), spare, is_hot);
    let mut boundaries = tiling.boundaries().to_vec();
    boundaries.extend(cuts);
    boundaries.sort_unstable();
    equal_parts(grid, rules, &Tiling::of(boundaries))
}

/// Takes back every split that the load does not need, and cuts the fullest shards instead, as
/// often.
fn cuts_where_the_heat_is(grid: &Grid, rules: &Rules, tiling: &Tiling) -> Tiling {
    let mut boundaries: Vec<usize> = Vec::with_capacity(tiling.boundaries().len());
    for (index, &position) in tiling.boundaries().iter().enumerate() {
        let needless = !grid.is_shard_boundary(position) && {
            let (low, high) = (boundaries[boundaries.len() - 1], tiling.boundaries()[index + 1]);
            is_needless(grid, rules, low, high)
        };
        if !needless {
            boundaries.push(position);
        }
    }
    let spare = tiling.boundaries().len() - boundaries.len();
    if spare == 0 {
        return tiling.clone();
    }
    let cuts = hottest_cuts(grid, rules, &boundaries, spare, |_, _| true);
    if cuts.len() < spare {
        return tiling.clone();
    }
    boundaries.extend(cuts);
    boundaries.sort_unstable();
    Tiling::of(boundaries)
}

/// Cuts each shard that stays within its own boundaries anew, into as many parts: equal ones, or two of
/// which a neighbour can take one.
fn equal_parts(grid: &Grid, rules: &Rules, tiling: &Tiling) -> Tiling {
    let mut boundaries = Vec::with_capacity(tiling.boundaries().len());
    boundaries.push(0);
    // Up to where neighbours have got a part.
    let mut served = 0;
    for group in tiling.groups(grid) {
        let [low, cuts @ .., high] = group else { continue };
        if !cuts.is_empty() && grid.shard_of(*low) == grid.shard_of(high - 1) {
            let hand_over = || hand_over::best(grid, rules, tiling, (*low, *high), served);
            if let Some(HandOver { cut, to }) = hand_over().filter(|_| cuts.len() == 1) {
                served = to.1;
                boundaries.push(cut);
            } else {
                boundaries.extend(most_equal_cuts(grid, rules, *low, *high, cuts.len()));
            }
        } else {
            boundaries.extend(cuts);
        }
        boundaries.push(*high);
    }
    Tiling::of(boundaries)
}

/// The `cuts` positions between `low` and `high` that leave parts which fit, the sum of their
/// squared loads being the least: a shortest path over the shard's few segments. Of equal loads
/// the more equal widths.
fn most_equal_cuts(grid: &Grid, rules: &Rules, low: usize, high: usize, cuts: usize) -> Vec<usize> {
    type Unevenness = (u128, u128);
    let part = |from: usize, to: usize| -> Unevenness {
        let load = fill(grid.loads(from, to), rules.limits.trigger);
        let width = grid.range(from, to).span() >> 72;
        (load.saturating_mul(load), width * width)
    };
    let positions = high - low + 1;
    // By position: the least unevenness up to it, and by number of parts the start of the last one.
    let mut reached: Vec<Option<Unevenness>> = vec![None; positions];
    reached[0] = Some((0, 0));
    let mut starts = vec![low; positions * (cuts + 1)];
    for (parts, start_of_last) in starts.chunks_exact_mut(positions).enumerate() {
        let mut next = vec![None; positions];
        for from in low + parts..high {
            let Some(sum) = reached[from - low] else { continue };
            // The last part ends at the shard's end.
            let nearest = if parts == cuts { high } else { from + 1 };
            // Parts are hereditary: where one does not fit, no longer one does.
            for to in (nearest..=high).take_while(|to| rules.part_fits(grid, from, *to)) {
                let more = part(from, to);
                let sum = (sum.0.saturating_add(more.0), sum.1.saturating_add(more.1));
                if next[to - low].is_none_or(|least| sum < least) {
                    next[to - low] = Some(sum);
                    start_of_last[to - low] = from;
                }
            }
        }
        reached = next;
    }
    let mut found = vec![high; cuts];
    let mut end = high;
    for (cut, start_of_last) in found.iter_mut().zip(starts[positions..].chunks_exact(positions)).rev() {
        end = start_of_last[end - low];
        *cut = end;
    }
    found
}

/// Whether the interval may be a shard as a part of one shard, or as that shard.
fn is_needless(grid: &Grid, rules: &Rules, low: usize, high: usize) -> bool {
    let shard = grid.shard_of(low);
    let whole = grid.is_shard_boundary(low) && grid.is_shard_boundary(high);
    shard == grid.shard_of(high - 1)
        && if whole { rules.may_keep(grid, shard, low, high) } else { rules.part_fits(grid, low, high) }
}

/// At most `count` cuts, each of the fullest shard that is `wanted` and can be cut then (of equally full ones the
/// widest).
fn hottest_cuts(
    grid: &Grid,
    rules: &Rules,
    boundaries: &[usize],
    count: usize,
    wanted: impl Fn(usize, usize) -> bool,
) -> Vec<usize> {
    let piece = |low, high| {
        let fill = fill(grid.loads(low, high), rules.limits.trigger);
        (fill, grid.range(low, high).span(), Reverse(low), high)
    };
    let is_wanted = |low, high| wanted(low, high) && rules.may_cut(grid, low, high);
    let whole = boundaries.windows(2).filter(|pair| is_wanted(pair[0], pair[1]));
    let mut pieces: BinaryHeap<_> = whole.map(|pair| piece(pair[0], pair[1])).collect();
    let mut cuts = Vec::with_capacity(count);
    while cuts.len() < count
        && let Some((_, _, Reverse(low), high)) = pieces.pop()
    {
        if let Some(cut) = best_cut(grid, rules, low, high) {
            cuts.push(cut);
            let parts = [(low, cut), (cut, high)].into_iter().filter(|(low, high)| is_wanted(*low, *high));
            pieces.extend(parts.map(|(low, high)| piece(low, high)));
        }
    }
    cuts
}

/// The cut into two parts that fit, at the position that leaves the smaller rest; a shard without
/// load is cut in its middle.
fn best_cut(grid: &Grid, rules: &Rules, low: usize, high: usize) -> Option<usize> {
    let fill = |low, high| fill(grid.loads(low, high), rules.limits.trigger);
    let width = |low, high| grid.range(low, high).span();
    (low + 1..high)
        .filter(|cut| rules.part_fits(grid, low, *cut) && rules.part_fits(grid, *cut, high))
        .min_by_key(|cut| {
            let uneven = width(low, *cut).abs_diff(width(*cut, high));
            (fill(low, *cut).max(fill(*cut, high)), uneven)
        })
}
