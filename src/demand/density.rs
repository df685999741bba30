//! Density: how the load of a shard is spread over its keys, as far as the shards that it was
//! made from tell; evenly where nothing tells.

use crate::hash_key::{HashKey, HashKeyRange};
use crate::load::{Load, Loads};
use crate::quota::NARROWEST_SPLIT_SHARE;

use super::Segment;
use super::history::Amounts;
use super::lineage::Lineage;

/// Parts into which a shard is cut for planning. A cut is off by at most half a part, 3 % of the
/// shard, which is well within the tolerance (20 % of the target by default), and 200 shards still
/// make a row of only 3,200 parts.
pub(crate) const SEGMENTS: usize = 16;

/// Minutes of the parents before a merge that tell how much each side carried.
const WEIGHING_MINUTES: i64 = 60;

/// Bits by which weights are scaled up, so that parts of small weights keep their digits.
const SCALE_BITS: u32 = 20;

/// Adjacent pieces, each even in itself, that together are a range.
#[derive(Clone, Debug)]
pub(super) struct Density {
    pieces: Vec<Piece>,
}

/// Keys over which the load is taken as even.
#[derive(Clone, Copy, Debug)]
struct Piece {
    range: HashKeyRange,
    /// The weight in bytes, and in records: only their proportions count.
    weights: [u64; 2],
    /// Whether it once was a shard of its own, which was weighed.
    measured: bool,
}

impl Density {
    /// The same everywhere.
    pub(super) fn even(range: HashKeyRange) -> Density {
        Density { pieces: vec![Piece { range, weights: [1 << 62; 2], measured: false }] }
    }

    /// What the lineage tells of the open members, and of the parents of those of which minutes are `needed`; of
    /// all others nothing. `carried_before` gives what each of the two parents of a merge carried over the same
    /// minutes before it.
    pub(super) fn of_lineage(
        lineage: &Lineage,
        needed: &[usize],
        carried_before: impl Fn([usize; 2], i64) -> Option<[Amounts; 2]>,
    ) -> Vec<Density> {
        let members = lineage.members();
        // Most of a day's shards are past telling anything: no more is worked out than what the open ones hang on.
        let mut wanted: Vec<bool> = members.iter().map(|member| !member.shard.closed).collect();
        let mut weighed: Vec<Option<[Amounts; 2]>> = vec![None; members.len()];
        for at in lineage.order().iter().rev() {
            match *members[*at].parents {
                [parent] => wanted[parent] |= wanted[*at] || needed[*at] > 0,
                [low, high] if wanted[*at] => {
                    weighed[*at] = carried_before([low, high], WEIGHING_MINUTES);
                    let tells = weighed[*at].is_some();
                    (wanted[low], wanted[high]) = (wanted[low] || tells, wanted[high] || tells);
                }
                _ => {}
            }
        }
        let mut densities = vec![Density { pieces: Vec::new() }; members.len()];
        for at in lineage.order().iter().filter(|at| wanted[**at]) {
            let range = members[*at].shard.range;
            let density = match *members[*at].parents {
                [parent] => densities[parent].within(range),
                [low, high] => {
                    weighed[*at].map(|amounts| Density::joined([&densities[low], &densities[high]], amounts))
                }
                _ => None,
            };
            densities[*at] = density.unwrap_or_else(|| Density::even(range));
        }
        densities
    }

    /// The part that lies in `range`.
    fn within(&self, range: HashKeyRange) -> Option<Density> {
        let mut pieces = Vec::with_capacity(self.pieces.len());
        for piece in &self.pieces {
            if let Some(part) = piece.range.intersection(range) {
                let measured = piece.measured && part == piece.range;
                pieces.push(Piece {
                    range: part,
                    weights: [0, 1].map(|of| piece.weight(part, of)),
                    measured,
                });
            }
        }
        (!pieces.is_empty()).then(|| Density { pieces }.normalized())
    }

    /// Two densities side by side, weighed by what each side carried.
    fn joined(sides: [&Density; 2], amounts: [Amounts; 2]) -> Density {
        let mut pieces = Vec::new();
        for (side, amounts) in sides.iter().zip(amounts) {
            let totals = [0, 1].map(|of| side.total(of));
            let carried = [amounts.offered_bytes(), amounts.offered_records()];
            pieces.extend(side.pieces.iter().map(|piece| Piece {
                range: piece.range,
                measured: piece.measured || side.pieces.len() == 1,
                weights: [0, 1].map(|of| {
                    let scaled = carried[of].saturating_mul(1 << SCALE_BITS);
                    portion(scaled, piece.weights[of], totals[of])
                }),
            }));
        }
        Density { pieces }.normalized()
    }

    /// At most [`SEGMENTS`] pieces, and by width where nothing was carried.
    fn normalized(mut self) -> Density {
        while self.pieces.len() > SEGMENTS {
            let weight = |at: usize| {
                let pair = &self.pieces[at..=at + 1];
                pair.iter().map(|piece| u128::from(piece.weights[0]) + u128::from(piece.weights[1])).sum()
            };
            let lightest: usize =
                (0..self.pieces.len() - 1).min_by_key(|at| -> u128 { weight(*at) }).unwrap_or(0);
            let high = self.pieces.remove(lightest + 1);
            let low = &mut self.pieces[lightest];
            low.range = low.range.merge(high.range).unwrap_or(low.range);
            low.measured &= high.measured;
            low.weights = [0, 1].map(|of| low.weights[of].saturating_add(high.weights[of]));
        }
        for of in [0, 1] {
            if self.pieces.iter().all(|piece| piece.weights[of] == 0) {
                for piece in &mut self.pieces {
                    piece.weights[of] = width_weight(piece.range);
                    piece.measured = false;
                }
            }
        }
        self
    }

    fn total(&self, of: usize) -> u64 {
        self.pieces.iter().fold(0, |sum, piece| sum.saturating_add(piece.weights[of]))
    }

    /// The shares of the load that lie below keys which do not descend, of bytes and of records.
    fn shares_below(&self) -> impl FnMut(HashKey) -> [Share; 2] + '_ {
        let totals = [0, 1].map(|of| self.total(of));
        // Where both are spread alike, one is worked out.
        let alike = self.pieces.iter().all(|piece| piece.weights[0] == piece.weights[1]);
        let (mut passed, mut passed_weights) = (0, [0_u64; 2]);
        move |key| {
            while let Some(piece) = self.pieces.get(passed).filter(|piece| piece.range.end() < key) {
                passed_weights = [0, 1].map(|of| passed_weights[of].saturating_add(piece.weights[of]));
                passed += 1;
            }
            let here = self.pieces.get(passed).filter(|piece| piece.range.start() < key);
            let share = |of: usize| {
                let below = here.map_or(0, |piece| piece.below(key, of));
                Share::of(passed_weights[of].saturating_add(below), totals[of])
            };
            let bytes = share(0);
            [bytes, if alike { bytes } else { share(1) }]
        }
    }

    /// The share of `range` in what the whole carries. Shares of adjacent ranges lose nothing:
    /// together they give what their union gives.
    pub(super) fn share(&self, range: HashKeyRange) -> RangeShare {
        let mut share_below = self.shares_below();
        let below = share_below(range.start());
        let up_to = range.end().0.checked_add(1).map_or([Share::WHOLE; 2], |next| share_below(HashKey(next)));
        RangeShare { below, up_to }
    }

    /// Cuts the range into at most [`SEGMENTS`] segments, finer where more is carried. Cuts are
    /// split points that AWS takes.
    pub(super) fn segments(&self) -> Vec<HashKeyRange> {
        let whole = match (self.pieces.first(), self.pieces.last()) {
            (Some(first), Some(last)) => first.range.start()..=last.range.end(),
            _ => return Vec::new(),
        };
        let whole = HashKeyRange::new(*whole.start(), *whole.end()).expect("pieces ascend");
        let cuts = self.pieces.iter().zip(self.parts()).flat_map(|(piece, parts)| {
            std::iter::once(piece.range.start()).chain(piece.range.inner_boundaries(parts))
        });
        let mut segments = Vec::with_capacity(SEGMENTS);
        let (mut rest, split_points) = (whole, whole.split_points());
        for cut in cuts {
            let legal = split_points.is_some_and(|(low, high)| low <= cut && cut <= high);
            if legal && rest.start() < cut {
                let below = HashKeyRange::new(rest.start(), HashKey(cut.0 - 1));
                segments.push(below.expect("the cut lies above the start"));
                rest = HashKeyRange::new(cut, whole.end()).expect("a split point lies below the end");
            }
        }
        segments.push(rest);
        segments
    }

    /// Into how many parts each piece is cut, so that they are [`SEGMENTS`] together.
    fn parts(&self) -> [u32; SEGMENTS] {
        let pieces = self.pieces.len();
        if pieces == 1 {
            return [SEGMENTS as u32; SEGMENTS];
        }
        let totals = [0, 1].map(|of| u128::from(self.total(of).max(1)));
        let mut weights = [0; SEGMENTS];
        for (weight, piece) in weights.iter_mut().zip(&self.pieces) {
            let share = |of: usize| u128::from(piece.weights[of]) * (1 << 32) / totals[of];
            *weight = share(0).max(share(1)) * 1_000;
        }
        // The part that carries most is cut next.
        let (mut parts, mut of_a_part) = ([1; SEGMENTS], weights);
        for _ in pieces..SEGMENTS {
            let heaviest = (0..pieces).max_by_key(|at| (of_a_part[*at], std::cmp::Reverse(*at))).unwrap_or(0);
            parts[heaviest] += 1;
            of_a_part[heaviest] = weights[heaviest] / u128::from(parts[heaviest]);
        }
        parts
    }

    /// Whether each of these segments was weighed as a shard of its own.
    pub(super) fn is_measured(&self, segments: &[HashKeyRange]) -> bool {
        segments.len() == self.pieces.len() && self.pieces.iter().all(|piece| piece.measured)
    }

    /// Spreads loads over the segments; their sums are exactly the loads.
    pub(super) fn spread(&self, segments: &[HashKeyRange], loads: Loads, peaks: Loads) -> Vec<Segment> {
        // What the peak has more is spread by itself, so that no rounding puts a segment's peak
        // under its load.
        let more = peaks.zip(loads, |peak, load| Load(peak.0.saturating_sub(load.0)));
        let mut share_below = self.shares_below();
        let mut below = [Loads::default(); 2];
        let spread = segments.iter().enumerate().map(|(at, range)| {
            let next = segments.get(at + 1);
            let share = next.map_or([Share::WHOLE; 2], |next| share_below(next.start()));
            let up_to = [loads, more].map(|loads| of_loads(share, loads));
            let [loads, more] =
                [0, 1].map(|at| up_to[at].zip(below[at], |up_to, below| Load(up_to.0 - below.0)));
            below = up_to;
            Segment { range: *range, loads, peak_loads: loads + more }
        });
        spread.collect()
    }
}

impl Piece {
    /// The weight of the keys of this piece that lie below `key`.
    fn below(&self, key: HashKey, of: usize) -> u64 {
        self.range.portion_below(self.weights[of], key)
    }

    fn weight(&self, part: HashKeyRange, of: usize) -> u64 {
        let up_to = match part.end().0.checked_add(1) {
            Some(next) => self.below(HashKey(next), of),
            None => self.weights[of],
        };
        up_to - self.below(part.start(), of)
    }
}

/// A share of a whole, from none to all of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Share(u64);

impl Share {
    /// Parts of a whole: a power of two, so that taking a share is a product and a shift.
    const BITS: u32 = 62;
    const WHOLE: Share = Share(1 << Share::BITS);

    fn of(weight: u64, total: u64) -> Share {
        // Rounded up, so that a share that comes out even is not a unit short.
        let (part, total) = (u128::from(weight) << Share::BITS, u128::from(total.max(1)));
        let share = if total.is_power_of_two() {
            // So are the weights of what was never weighed, and a shift takes no call.
            (part + (total - 1)) >> total.trailing_zeros()
        } else {
            let share = part / total;
            share + u128::from(share * total < part)
        };
        u64::try_from(share).map_or(Share::WHOLE, |share| Share(share).min(Share::WHOLE))
    }

    fn of_amount(self, amount: u64) -> u64 {
        u64::try_from((u128::from(amount) * u128::from(self.0)) >> Share::BITS).unwrap_or(u64::MAX)
    }
}

/// The share of a range in bytes and in records: what lies below its end less what lies below it.
#[derive(Clone, Copy)]
pub(super) struct RangeShare {
    below: [Share; 2],
    up_to: [Share; 2],
}

impl RangeShare {
    /// The share of bytes.
    pub(super) fn of_bytes(&self, amount: u64) -> u64 {
        self.part(0, amount)
    }

    /// The share of records.
    pub(super) fn of_records(&self, amount: u64) -> u64 {
        self.part(1, amount)
    }

    fn part(&self, of: usize, amount: u64) -> u64 {
        self.up_to[of].of_amount(amount) - self.below[of].of_amount(amount)
    }
}

/// The share of bytes and of records in loads. What is read is spread as the bytes are that were written.
fn of_loads([bytes, records]: [Share; 2], loads: Loads) -> Loads {
    Loads {
        ingest_bytes: Load(bytes.of_amount(loads.ingest_bytes.0)),
        ingest_records: Load(records.of_amount(loads.ingest_records.0)),
        read_bytes: Load(bytes.of_amount(loads.read_bytes.0)),
    }
}

/// Whether a range is too narrow to be split any further.
pub(super) fn is_narrow(range: HashKeyRange) -> bool {
    range.span() < u128::MAX / u128::from(NARROWEST_SPLIT_SHARE)
}

/// amount × weight / total, rounded down; the whole amount for the whole weight.
fn portion(amount: u64, weight: u64, total: u64) -> u64 {
    let part = u128::from(amount) * u128::from(weight) / u128::from(total.max(1));
    u64::try_from(part).unwrap_or(u64::MAX)
}

/// A weight in proportion to the width; those of the whole space fit a `u64`.
fn width_weight(range: HashKeyRange) -> u64 {
    u64::try_from(range.span() >> 66).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u128, end: u128) -> HashKeyRange {
        HashKeyRange::new(HashKey(start), HashKey(end)).expect("ascending")
    }

    fn carried(records: u64) -> Amounts {
        Amounts { bytes: records * 10, records, rejected: 0 }
    }

    fn joined(low: (HashKeyRange, u64), high: (HashKeyRange, u64)) -> Density {
        Density::joined([&Density::even(low.0), &Density::even(high.0)], [carried(low.1), carried(high.1)])
    }

    #[test]
    fn a_range_of_few_keys_is_cut_only_where_aws_takes_a_cut() {
        let segments = Density::even(range(10, 40)).segments();
        assert_eq!((segments.len(), segments[0]), (15, range(10, 11)));
        assert_eq!(Density::even(range(10, 12)).segments(), [range(10, 12)]);
        // A border with a single key below it.
        let density = joined((range(10, 10), 5), (range(11, 20), 5));
        assert!(
            density.segments().iter().skip(1).all(|segment| range(10, 20).split(segment.start()).is_ok())
        );
    }

    #[test]
    fn what_two_sides_carried_is_kept_through_a_merge_and_a_split_elsewhere() {
        let whole = joined((range(0, 99), 300), (range(100, 199), 100));
        assert_eq!(whole.share(range(0, 99)).of_records(400), 300);
        let upper = whole.within(range(50, 199)).expect("a part of it");
        assert_eq!(upper.share(range(50, 99)).of_records(250), 150);
    }

    #[test]
    fn a_spread_is_measured_only_where_every_segment_once_was_a_shard() {
        let pieces = (0..16).map(|at| Piece {
            range: range(at * 1_000, at * 1_000 + 999),
            weights: [at as u64 + 1; 2],
            measured: true,
        });
        let sixteen = Density { pieces: pieces.collect() };
        assert!(sixteen.is_measured(&sixteen.segments()));
        let clipped = sixteen.within(range(500, 15_999)).expect("a part of it");
        assert!(!clipped.is_measured(&clipped.segments()));
        let two = joined((range(0, 99), 300), (range(100, 199), 100));
        assert!(!two.is_measured(&two.segments()));
    }

    #[test]
    fn no_more_pieces_are_kept_than_segments() {
        let pieces = (0..40).map(|at| Piece {
            range: range(at * 1_000, at * 1_000 + 999),
            weights: [at as u64 % 7; 2],
            measured: true,
        });
        let density = Density { pieces: pieces.collect() };
        let total = density.total(0);
        let fewer = density.normalized();
        assert_eq!((fewer.pieces.len(), fewer.total(0)), (SEGMENTS, total));
    }

    #[test]
    fn where_nothing_was_carried_the_width_tells() {
        let idle = joined((range(0, (1 << 127) - 1), 0), (range(1 << 127, u128::MAX), 0));
        assert_eq!(idle.share(range(0, (1 << 127) - 1)).of_bytes(1_000), 500);
    }
}
