//! Lineage: the listed shards with their parents and children, and between which instants each of
//! them is proved to have opened and closed.

use jiff::Timestamp;

use crate::snapshot::{Minute, ShardMetric, Snapshot};
use crate::stream::{Shard, ShardId, ShardIndex};

/// The listed shards, closed ones included, by their place in the listing.
pub(super) struct Lineage<'a> {
    members: Vec<Member<'a>>,
    /// Every member, each after its parents.
    order: Vec<usize>,
}

/// A listed shard.
pub(super) struct Member<'a> {
    pub(super) shard: &'a Shard,
    /// Its parents: the one it was split from, or the two it was merged from in hash-key order.
    /// Empty where it has none, where one of them is not listed, and where the listed ranges
    /// contradict the lineage.
    pub(super) parents: Vec<usize>,
    /// The shards that it became.
    pub(super) children: Vec<usize>,
    opening: Event,
    closing: Event,
}

/// Bounds for the instant of an event: it was yet to come at `after`, and past at `by`.
#[derive(Clone, Copy, Default)]
struct Event {
    after: Option<Timestamp>,
    by: Option<Timestamp>,
}

impl Event {
    fn narrow(&mut self, other: Event) {
        self.after = self.after.max(other.after);
        self.by = match (self.by, other.by) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
}

impl<'a> Lineage<'a> {
    /// Reads the listing, the past topologies and the first and last data points of each shard.
    pub(super) fn read(snapshot: &'a Snapshot) -> Lineage<'a> {
        let index = ShardIndex::of(&snapshot.shards);
        let mut members: Vec<Member> = snapshot
            .shards
            .iter()
            .map(|shard| Member {
                shard,
                parents: listed_parents(shard, snapshot, &index),
                children: Vec::new(),
                opening: Event::default(),
                closing: Event::default(),
            })
            .collect();
        let order = sort_by_descent(&mut members);
        for child in 0..members.len() {
            for parent in members[child].parents.clone() {
                members[parent].children.push(child);
            }
        }
        witness(&mut members, snapshot, &index);
        // Parents close at the instant in which their children open. Twice: what one child tells
        // of the parent holds for its sibling too.
        for _ in 0..2 {
            for child in 0..members.len() {
                for parent in members[child].parents.clone() {
                    let mut reshard = members[child].opening;
                    reshard.narrow(members[parent].closing);
                    members[child].opening = reshard;
                    members[parent].closing = reshard;
                }
            }
        }
        Lineage { members, order }
    }

    /// The members, in the order of the listing.
    pub(super) fn members(&self) -> &[Member<'a>] {
        &self.members
    }

    /// Every member, each after its parents.
    pub(super) fn order(&self) -> &[usize] {
        &self.order
    }
}

impl Member<'_> {
    /// The earliest instant since which the shard is proved to be open; `None` where nothing
    /// proves it before now.
    pub(super) fn opened_by(&self) -> Option<Timestamp> {
        // Contradicting witnesses (two clocks) are read as the younger shard.
        self.opening.by.max(self.opening.after.filter(|_| self.opening.by.is_some()))
    }

    /// The latest instant at which the shard is proved not to have been open yet.
    pub(super) fn not_open_at(&self) -> Option<Timestamp> {
        self.opening.after
    }

    /// The earliest instant at which the shard is proved to be closed.
    pub(super) fn closed_by(&self) -> Option<Timestamp> {
        self.closing.by
    }

    /// The first minute before which the shard is proved to have opened: from then on its range was
    /// its own, or its children's.
    pub(super) fn opened_from(&self) -> Option<Minute> {
        self.opened_by().map(Minute::from_start)
    }

    /// The first minute before which the shard is proved to have been closed.
    pub(super) fn closed_from(&self) -> Option<Minute> {
        self.closing.by.map(Minute::from_start)
    }

    /// Whether the shard is proved to have opened before the minute began.
    pub(super) fn had_opened_before(&self, minute: Minute) -> bool {
        self.opened_from().is_some_and(|from| from <= minute)
    }

    /// Whether the shard may have been open at some instant of the minute: nothing proves that it
    /// opened later or closed earlier.
    pub(super) fn may_have_been_open(&self, minute: Minute) -> bool {
        self.opening.after.is_none_or(|at| at < minute.plus(1).start())
            && self.closing.by.is_none_or(|at| minute.start() < at)
    }

    /// Whether it was split from one shard, which is listed.
    pub(super) fn split_from(&self) -> Option<usize> {
        match self.parents[..] {
            [parent] => Some(parent),
            _ => None,
        }
    }
}

/// The parents in hash-key order, if all of them are listed and their ranges fit.
fn listed_parents(shard: &Shard, snapshot: &Snapshot, index: &ShardIndex) -> Vec<usize> {
    let mut parents = Vec::with_capacity(2);
    for parent in shard.parents() {
        match index.place(parent) {
            Some(at) if snapshot.shards[at].closed => parents.push(at),
            _ => return Vec::new(),
        }
    }
    let range = |at: usize| snapshot.shards[at].range;
    parents.sort_by_key(|at| range(*at));
    let fit = match parents[..] {
        [parent] => range(parent).contains_range(shard.range),
        [low, high] => range(low).merge(range(high)) == Some(shard.range),
        _ => false,
    };
    if fit { parents } else { Vec::new() }
}

/// Sorts parents before children. A listing in which shards descend from each other in a circle
/// is broken: those links are dropped.
fn sort_by_descent(members: &mut [Member]) -> Vec<usize> {
    let mut order = Vec::with_capacity(members.len());
    let mut placed = vec![false; members.len()];
    while order.len() < members.len() {
        let before = order.len();
        for at in 0..members.len() {
            if !placed[at] && members[at].parents.iter().all(|parent| placed[*parent]) {
                placed[at] = true;
                order.push(at);
            }
        }
        if order.len() == before
            && let Some(at) = placed.iter().position(|placed| !placed)
        {
            members[at].parents.clear();
        }
    }
    order
}

/// What topologies and data points tell of each shard by itself. Each of them proves that the
/// shard was open at some instant between two ends; open shards are open without a break, so an
/// instant before the last proof at which it was not open lies before its opening. (When it closed,
/// its children tell.)
fn witness(members: &mut [Member], snapshot: &Snapshot, index: &ShardIndex) {
    let mut first_proof: Vec<Option<Timestamp>> = vec![None; members.len()];
    let mut last_proof = first_proof.clone();
    let mut prove = |at: usize, from: Timestamp, to: Timestamp| {
        first_proof[at] = Some(first_proof[at].map_or(to, |known| known.min(to)));
        last_proof[at] = last_proof[at].max(Some(from));
    };
    let topologies = listed_topologies(snapshot, index);
    for (at, open) in &topologies {
        for member in open {
            prove(*member, *at, *at);
        }
    }
    for (at, member) in members.iter().enumerate() {
        if !member.shard.closed {
            prove(at, snapshot.observed_at, snapshot.observed_at);
        }
        // A parent that is listed nowhere was closed before the look-back began.
        let parent_is_gone = |id: &ShardId| index.place(id).is_none();
        if member.shard.parents().any(parent_is_gone) {
            prove(at, snapshot.look_back_start, snapshot.look_back_start);
        }
        for (first, last) in ingest_span(snapshot, &member.shard.id) {
            prove(at, first.start(), first.plus(1).start());
            prove(at, last.start(), last.plus(1).start());
        }
    }
    for (at, member) in members.iter_mut().enumerate() {
        member.opening.by = first_proof[at];
        member.closing.after = last_proof[at].filter(|_| member.shard.closed);
        if member.shard.closed {
            member.closing.by = Some(snapshot.observed_at);
        }
    }
    for (moment, open) in &topologies {
        let mut listed = vec![false; members.len()];
        for member in open {
            listed[*member] = true;
        }
        for (at, member) in members.iter_mut().enumerate().filter(|(at, _)| !listed[*at]) {
            if last_proof[at].is_some_and(|last| *moment <= last) {
                member.opening.narrow(Event { after: Some(*moment), by: None });
            }
        }
    }
}

/// The members that were open at each known moment. One moment's shards are mostly those of the moment
/// before, in the same order: only where they differ are they looked up.
fn listed_topologies(snapshot: &Snapshot, index: &ShardIndex) -> Vec<(Timestamp, Vec<usize>)> {
    let mut before: Vec<(&ShardId, Option<usize>)> = Vec::new();
    let mut topologies = Vec::with_capacity(snapshot.past_topologies.len());
    for topology in &snapshot.past_topologies {
        let mut next = 0;
        let place = |id| {
            let upcoming = before.get(next..).unwrap_or_default().iter().take(3);
            let known = upcoming.enumerate().find(|(_, (known, _))| *known == id);
            if let Some((ahead, (_, member))) = known {
                next += ahead + 1;
                return (id, *member);
            }
            (id, index.place(id))
        };
        let open: Vec<_> = topology.open.iter().map(place).collect();
        topologies.push((topology.at, open.iter().filter_map(|(_, member)| *member).collect()));
        before = open;
    }
    topologies
}

/// The first and the last minute in which each ingest metric of a shard has something: nobody
/// writes to a shard that is not open.
fn ingest_span<'a>(snapshot: &'a Snapshot, id: &ShardId) -> impl Iterator<Item = (Minute, Minute)> + 'a {
    let series = snapshot.metrics.shards.get(id).into_iter().flatten();
    series.filter(|(metric, _)| ShardMetric::INGEST.contains(metric)).filter_map(|(_, series)| {
        series.first_and_last(series.end(), |value| value.is_some_and(|value| value > 0))
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{FIRST, Story, by_width, percent};
    use super::*;
    use crate::snapshot::PastTopology;

    /// Two shards, of which the first is split after 20 minutes; nothing but data points.
    fn split() -> Snapshot {
        let mut story = Story::of(2);
        story.pass(20, |range| by_width(range, percent(60)));
        story.split(0);
        story.pass(5, |range| if range.start().0 == 0 { Default::default() } else { percent(10) });
        let mut snapshot = story.snapshot();
        snapshot.past_topologies.clear();
        snapshot
    }

    #[test]
    fn one_childs_first_data_point_tells_when_its_sibling_opened_and_its_parent_closed() {
        let snapshot = split();
        let lineage = Lineage::read(&snapshot);
        let by = FIRST.plus(21).start();
        let [parent, _, idle, busy] = lineage.members() else { panic!("four are listed") };
        assert_eq!([idle.opened_by(), busy.opened_by(), parent.closed_by()], [Some(by); 3]);
        // The parent's last data point is from the minute before the reshard.
        assert!(!idle.may_have_been_open(FIRST.plus(18)) && idle.may_have_been_open(FIRST.plus(19)));
        assert!(parent.may_have_been_open(FIRST.plus(20)));
        assert_eq!(parent.closed_from(), Some(FIRST.plus(21)));
    }

    #[test]
    fn a_topology_tells_who_was_not_open_yet_and_who_no_longer() {
        let mut snapshot = split();
        let at =
            |minute: i64, seconds: i64| FIRST.plus(minute).start() + jiff::SignedDuration::from_secs(seconds);
        let open = |shards: &[usize]| shards.iter().map(|at| snapshot.shards[*at].id.clone()).collect();
        let topologies = vec![
            PastTopology { at: at(20, 5), open: open(&[0, 1]) },
            PastTopology { at: at(20, 10), open: open(&[1, 2, 3]) },
        ];
        snapshot.past_topologies = topologies;
        let lineage = Lineage::read(&snapshot);
        let [parent, _, idle, _] = lineage.members() else { panic!("four are listed") };
        assert_eq!([idle.opened_by(), parent.closed_by()], [Some(at(20, 10)); 2]);
        assert!(!idle.may_have_been_open(FIRST.plus(19)) && idle.may_have_been_open(FIRST.plus(20)));
        assert!(!idle.had_opened_before(FIRST.plus(20)) && idle.had_opened_before(FIRST.plus(21)));
    }

    #[test]
    fn a_shard_whose_parent_is_listed_nowhere_is_older_than_the_look_back() {
        let mut snapshot = split();
        snapshot.shards.remove(0);
        let lineage = Lineage::read(&snapshot);
        assert_eq!(lineage.members()[1].opened_by(), Some(snapshot.look_back_start));
    }

    #[test]
    fn a_lineage_that_the_ranges_contradict_is_not_believed() {
        let parents = |change: &dyn Fn(&mut Snapshot)| {
            let mut snapshot = split();
            change(&mut snapshot);
            Lineage::read(&snapshot).members()[3].parents.clone()
        };
        assert_eq!(parents(&|_| {}), [0]);
        let other_side = |snapshot: &mut Snapshot| snapshot.shards[0].range = snapshot.shards[1].range;
        assert_eq!(parents(&other_side), Vec::<usize>::new());
        // A parent that is still open has not become anything.
        assert_eq!(parents(&|snapshot| snapshot.shards[0].closed = false), Vec::<usize>::new());
    }

    #[test]
    fn shards_that_descend_from_each_other_do_not_hang_the_reading() {
        let mut snapshot = split();
        snapshot.shards[3].range = snapshot.shards[0].range;
        snapshot.shards[3].closed = true;
        snapshot.shards[0].parent = Some(snapshot.shards[3].id.clone());
        let lineage = Lineage::read(&snapshot);
        let place = |of: usize| lineage.order().iter().position(|at| *at == of);
        for (at, member) in lineage.members().iter().enumerate() {
            assert!(place(at).is_some());
            assert!(member.parents.iter().all(|parent| place(*parent) < place(at)));
        }
    }

    #[test]
    fn of_two_witnesses_that_contradict_each_other_the_younger_is_believed() {
        let mut snapshot = split();
        // Data of the child from before a topology that does not have it.
        let late = PastTopology { at: FIRST.plus(23).start(), open: vec![snapshot.shards[1].id.clone()] };
        snapshot.past_topologies = vec![late];
        let lineage = Lineage::read(&snapshot);
        assert_eq!(lineage.members()[3].opened_by(), Some(FIRST.plus(23).start()));
    }
}
