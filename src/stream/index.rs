//! Finding shards of a listing by their IDs.

use super::{Shard, ShardId};

/// The places of the shards in a listing.
///
/// Sorted by the number that the last eight characters of the IDs spell (whatever is no digit counts as some): one word
/// is compared where whole IDs begin alike. AWS numbers shards and lists them in order, so that there is nothing to
/// sort, and of young shards, none of which has expired, the number tells the place.
#[derive(Debug)]
pub struct ShardIndex<'a> {
    shards: &'a [Shard],
    places: Vec<(u64, usize)>,
}

impl<'a> ShardIndex<'a> {
    /// Of a listing.
    pub fn of(shards: &'a [Shard]) -> ShardIndex<'a> {
        let mut places: Vec<_> =
            shards.iter().enumerate().map(|(place, shard)| (number(&shard.id), place)).collect();
        places.sort_unstable();
        ShardIndex { shards, places }
    }

    /// Where the shard is listed: the last place, if there are several.
    pub fn place(&self, id: &ShardId) -> Option<usize> {
        let number = number(id);
        let alike = self.places[..self.end_of(number)].iter().rev().take_while(|(known, _)| *known == number);
        alike.map(|(_, place)| *place).find(|place| self.shards[*place].id == *id)
    }

    /// Where larger numbers begin.
    fn end_of(&self, number: u64) -> usize {
        let below_the_last = self.places.last().and_then(|(last, _)| last.checked_sub(number));
        let expected =
            below_the_last.and_then(|below| self.places.len().checked_sub(usize::try_from(below).ok()?));
        let is_end = |end: &usize| {
            *end > 0
                && self.places[*end - 1].0 == number
                && self.places.get(*end).is_none_or(|(next, _)| *next > number)
        };
        expected.filter(is_end).unwrap_or_else(|| self.places.partition_point(|(known, _)| *known <= number))
    }

    /// The shard.
    pub fn get(&self, id: &ShardId) -> Option<&'a Shard> {
        self.place(id).map(|place| &self.shards[place])
    }
}

/// What the last eight characters of an ID spell, digit by digit from the lowest in pairs, fours and all eight.
fn number(id: &ShardId) -> u64 {
    let Some(digits) = id.as_str().as_bytes().last_chunk() else { return 0 };
    let ones = u64::from_le_bytes(*digits) & 0x0f0f_0f0f_0f0f_0f0f;
    let tens = (ones.wrapping_mul(10 << 8 | 1) >> 8) & 0x00ff_00ff_00ff_00ff;
    let hundreds = (tens.wrapping_mul(100 << 16 | 1) >> 16) & 0x0000_ffff_0000_ffff;
    hundreds.wrapping_mul(10_000 << 32 | 1) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash_key::HashKeyRange;

    #[test]
    fn each_shard_is_found_where_it_stands_however_alike_the_ids_end() {
        let ids = ["shardId-000000000002", "b-00000000001", "a-00000000001", "", "1", "shardId-000000000010"];
        let shard = |id: &str| Shard {
            id: ShardId::new(id),
            range: HashKeyRange::WHOLE,
            parent: None,
            adjacent_parent: None,
            closed: false,
        };
        let mut listing: Vec<Shard> = ids.map(shard).into();
        let index = ShardIndex::of(&listing);
        for (place, id) in ids.into_iter().enumerate() {
            assert_eq!(index.place(&ShardId::new(id)), Some(place), "{id}");
            assert_eq!(index.get(&ShardId::new(id)), Some(&listing[place]));
        }
        for unknown in ["shardId-000000000003", "c-00000000001", "2"] {
            assert_eq!(index.place(&ShardId::new(unknown)), None);
        }
        assert_eq!(number(&ShardId::new("shardId-000098765432")), 98_765_432);
        listing.push(shard("1"));
        assert_eq!(ShardIndex::of(&listing).place(&ShardId::new("1")), Some(ids.len()));
    }
}
