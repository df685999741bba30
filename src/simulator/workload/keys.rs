//! Where in the hash-key space the traffic falls: the share of any range in O(log keys).

use md5::{Digest as _, Md5};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::KeySkew;
use crate::hash_key::{HashKey, HashKeyRange};

/// Keys by position, with prefix sums of their weights.
#[derive(Debug)]
pub(crate) struct KeyIndex {
    /// Ascending; empty where the traffic is even.
    positions: Vec<HashKey>,
    /// The share of the keys before the one at the same place; one more for the whole.
    before: Vec<f64>,
}

/// A hot spot at one of its stays; in shares of the space.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spot {
    /// The part of the traffic that it takes.
    pub share: f64,
    /// 0 for a single key.
    pub width: f64,
    /// Where it begins; it wraps around the end of the space.
    pub position: f64,
}

impl KeyIndex {
    /// Lays the keys out. Where hashing puts a Zipf key is drawn from the seed.
    pub fn new(skew: &KeySkew, seed: u64) -> Self {
        let mut keys: Vec<(HashKey, f64)> = match skew {
            KeySkew::Even => Vec::new(),
            KeySkew::Zipf { keys, skew } => {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let mut hash = || u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64());
                (1..=*keys).map(|rank| (HashKey(hash()), f64::from(rank).powf(-skew))).collect()
            }
            KeySkew::Weighted(keys) => keys.clone(),
        };
        keys.sort_by_key(|(key, _)| *key);
        let total: f64 = keys.iter().map(|(_, weight)| weight).sum();
        let mut sum = 0.0;
        let mut before: Vec<f64> = keys
            .iter()
            .map(|(_, weight)| {
                let before = sum / total;
                sum += weight;
                before
            })
            .collect();
        before.push(1.0);
        KeyIndex { positions: keys.into_iter().map(|(key, _)| key).collect(), before }
    }

    /// The share of the traffic that falls into `range`. The shares of ranges that tile the space
    /// come to 1.
    pub fn share(&self, range: HashKeyRange, spot: Option<&Spot>) -> f64 {
        // The end of the space is beyond u128: everything is below it.
        let after = range.end().0.checked_add(1).map(HashKey);
        let base = after.map_or(1.0, |key| self.below(key)) - self.below(range.start());
        let Some(spot) = spot else { return base };
        let hot = after.map_or(1.0, |key| spot.below(key)) - spot.below(range.start());
        base * (1.0 - spot.share) + hot * spot.share
    }

    /// The share below `key`.
    fn below(&self, key: HashKey) -> f64 {
        if self.positions.is_empty() {
            return part_of_space(key);
        }
        self.before[self.positions.partition_point(|position| *position < key)]
    }
}

impl Spot {
    /// The share of the hot spot's traffic below `key`.
    fn below(&self, key: HashKey) -> f64 {
        let at = part_of_space(key);
        if self.width <= 0.0 {
            return f64::from(u8::from(self.position < at));
        }
        let end = self.position + self.width;
        let within = |from: f64, to: f64| (at.min(to) - from).max(0.0);
        (within(self.position, end.min(1.0)) + within(0.0, end - 1.0)) / self.width
    }
}

/// The key that AWS hashes a record to: MD5 of its partition key, big-endian.
pub(crate) fn hash_of(partition_key: &str) -> HashKey {
    HashKey(u128::from_be_bytes(Md5::digest(partition_key.as_bytes()).into()))
}

fn part_of_space(key: HashKey) -> f64 {
    key.0 as f64 / 2f64.powi(128)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tiling(boundaries: &[u128]) -> Vec<HashKeyRange> {
        let mut starts: Vec<u128> = boundaries.iter().copied().chain([0]).collect();
        starts.sort_unstable();
        starts.dedup();
        let end = |at: usize| starts.get(at + 1).map_or(u128::MAX, |next| next - 1);
        let range = |at: usize| HashKeyRange::new(HashKey(starts[at]), HashKey(end(at)));
        (0..starts.len()).map(|at| range(at).expect("boundaries ascend")).collect()
    }

    proptest! {
        #[test]
        fn the_shares_of_a_tiling_come_to_one(
            boundaries in proptest::collection::vec(any::<u128>(), 0..40),
            seed: u64,
            keys in 1u32..500,
            skew in 0.0f64..3.0,
            spot in (0.0f64..=1.0, prop_oneof![Just(0.0), 0.0001f64..=1.0], 0.0f64..1.0),
        ) {
            let (share, width, position) = spot;
            let spot = Spot { share, width, position };
            for skew in [KeySkew::Even, KeySkew::zipf(keys, skew)] {
                let index = KeyIndex::new(&skew, seed);
                let shares: Vec<f64> =
                    tiling(&boundaries).iter().map(|range| index.share(*range, Some(&spot))).collect();
                let sum: f64 = shares.iter().sum();
                prop_assert!((sum - 1.0).abs() < 1e-9, "{}", sum);
                prop_assert!(shares.iter().all(|share| *share > -1e-12));
            }
        }
    }

    #[test]
    fn a_zipf_key_of_rank_two_weighs_half_of_rank_one() {
        let weights = KeySkew::Weighted(vec![(HashKey(10), 2.0), (HashKey(5), 1.0)]);
        let index = KeyIndex::new(&weights, 0);
        let range = |start, end| HashKeyRange::new(HashKey(start), HashKey(end)).expect("a range");
        assert!((index.share(range(0, 9), None) - 1.0 / 3.0).abs() < 1e-12);
        assert!((index.share(range(10, 10), None) - 2.0 / 3.0).abs() < 1e-12);
        let zipf = KeyIndex::new(&KeySkew::zipf(2, 1.0), 3);
        let first = zipf.before[1];
        assert!((first - 1.0 / 3.0).abs() < 1e-12 || (first - 2.0 / 3.0).abs() < 1e-12, "{first}");
    }

    #[test]
    fn a_hot_spot_wraps_around_the_end_of_the_space() {
        let spot = Spot { share: 1.0, width: 0.5, position: 0.75 };
        let index = KeyIndex::new(&KeySkew::Even, 0);
        let quarters: Vec<f64> = tiling(&[1 << 126, 1 << 127, 3 << 126])
            .iter()
            .map(|range| index.share(*range, Some(&spot)))
            .collect();
        assert_eq!(quarters, [0.5, 0.0, 0.0, 0.5]);
    }
}
