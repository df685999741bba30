//! Shard listings: every page, and the shards that were open at a past moment.

use jiff::Timestamp;

use super::ObserveError;
use crate::control_plane::{ControlPlane, ErrorClass, ListShards, Reply, ShardFilter, StreamId};
use crate::snapshot::PastTopology;
use crate::stream::{OpenShards, Shard};

const OPERATION: &str = "ListShards";
/// Twice the 20,000 shards of the largest default quota, in pages of 1,000.
const MAX_PAGES: u32 = 40;
/// A token is good for 300 s; a listing that takes longer is begun anew so many times.
const MAX_BEGINNINGS: u32 = 3;

/// All pages of a listing, with the `Date` of its first page.
///
/// # Errors
/// [`ObserveError`] where a request fails, the tokens keep expiring or the listing does not end.
pub async fn list_shards<P: ControlPlane>(
    plane: &P,
    stream: &StreamId,
    filter: ShardFilter,
) -> Result<Reply<Vec<Shard>>, ObserveError> {
    for _ in 0..MAX_BEGINNINGS {
        if let Some(listing) = list_from_the_beginning(plane, stream, filter).await? {
            return Ok(listing);
        }
    }
    Err(ObserveError::ListingExpires { operation: OPERATION, times: MAX_BEGINNINGS })
}

/// `None` where a token expired.
async fn list_from_the_beginning<P: ControlPlane>(
    plane: &P,
    stream: &StreamId,
    filter: ShardFilter,
) -> Result<Option<Reply<Vec<Shard>>>, ObserveError> {
    let first = plane.list_shards(&ListShards::First { stream: stream.clone(), filter }).await?;
    let (at, mut shards, mut next) = (first.at, first.value.shards, first.value.next_token);
    for _ in 1..MAX_PAGES {
        let Some(token) = next else { return Ok(Some(Reply { value: shards, at })) };
        match plane.list_shards(&ListShards::Next { token }).await {
            Ok(page) => {
                shards.extend(page.value.shards);
                next = page.value.next_token;
            }
            Err(error) if error.class == ErrorClass::ExpiredToken => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
    match next {
        None => Ok(Some(Reply { value: shards, at })),
        Some(_) => Err(ObserveError::EndlessListing { operation: OPERATION, pages: MAX_PAGES }),
    }
}

/// The shards that were open at `at`. `None` where that is not to be had: the moment is refused, or
/// what is listed does not tile the hash-key space, as with servers that ignore the filter and list
/// parents beside their children.
pub(super) async fn past_topology<P: ControlPlane>(
    plane: &P,
    stream: &StreamId,
    at: Timestamp,
) -> Result<Option<PastTopology>, ObserveError> {
    let listed = match list_shards(plane, stream, ShardFilter::AtTimestamp(at)).await {
        Ok(listing) => listing.value,
        Err(ObserveError::Request(error)) if error.class == ErrorClass::Invalid => return Ok(None),
        Err(error) => return Err(error),
    };
    // Open then, whatever became of them since.
    let open_then: Vec<Shard> = listed.into_iter().map(|shard| Shard { closed: false, ..shard }).collect();
    Ok(OpenShards::tile(&open_then).ok().map(|tiling| PastTopology {
        at,
        open: tiling.as_slice().iter().map(|shard| shard.id.clone()).collect(),
    }))
}
