//! Finding shards of a listing by their IDs.

use super::{Shard, ShardId};

/// The places of the shards in a listing.
///
/// Sorted by the last eight bytes of the IDs. AWS numbers shards and lists them in order, so that there is
/// nothing to sort, and one word is compared where whole IDs begin alike.
#[derive(Debug)]
pub struct ShardIndex<'a> {
    shards: &'a [Shard],
    places: Vec<(u64, usize)>,
}

impl<'a> ShardIndex<'a> {
    /// Of a listing.
    pub fn of(shards: &'a [Shard]) -> ShardIndex<'a> {
        let mut places: Vec<_> =
            shards.iter().enumerate().map(|(place, shard)| (tail(&shard.id), place)).collect();
        places.sort_unstable();
        ShardIndex { shards, places }
    }

    /// Where the shard is listed: the last place, if there are several.
    pub fn place(&self, id: &ShardId) -> Option<usize> {
        let tail = tail(id);
        let end = self.places.partition_point(|(known, _)| *known <= tail);
        let alike = self.places[..end].iter().rev().take_while(|(known, _)| *known == tail);
        alike.map(|(_, place)| *place).find(|place| self.shards[*place].id == *id)
    }

    /// The shard.
    pub fn get(&self, id: &ShardId) -> Option<&'a Shard> {
        self.place(id).map(|place| &self.shards[place])
    }
}

/// The last eight bytes of an ID.
fn tail(id: &ShardId) -> u64 {
    let bytes = id.as_str().as_bytes();
    match bytes.last_chunk() {
        Some(tail) => u64::from_be_bytes(*tail),
        None => bytes.iter().fold(0, |tail, byte| tail << 8 | u64::from(*byte)),
    }
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
        listing.push(shard("1"));
        assert_eq!(ShardIndex::of(&listing).place(&ShardId::new("1")), Some(ids.len()));
    }
}
