//! Lineage: the listed shards with their parents and children, and between which instants each of
//! them is proved to have opened and closed.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ops::{Deref, Range};

use jiff::Timestamp;

use crate::snapshot::{Minute, Series, ShardMetric, Snapshot};
use crate::stream::{Shard, ShardId, ShardIndex};

/// The listed shards, closed ones included, by their place in the listing.
pub(super) struct Lineage<'a> {
    members: Vec<Member<'a>>,
    /// Every member, each after its parents.
    order: Vec<usize>,
    /// Few ask for them.
    children: OnceCell<Children>,
}

/// A listed shard.
pub(super) struct Member<'a> {
    pub(super) shard: &'a Shard,
    /// Its parents: the one it was split from, or the two it was merged from in hash-key order.
    /// Empty where it has none, where one of them is not listed, and where the listed ranges
    /// contradict the lineage.
    pub(super) parents: Parents,
    /// Its metrics, where any were read.
    pub(super) metrics: Option<&'a BTreeMap<ShardMetric, Series>>,
    /// Whether it had a parent that is listed nowhere.
    parent_is_gone: bool,
    opening: Event,
    closing: Event,
}

/// None, one or two places in the listing.
#[derive(Clone, Copy, Default)]
pub(super) struct Parents {
    places: [usize; 2],
    count: usize,
}

impl Parents {
    fn push(&mut self, place: usize) {
        self.places[self.count] = place;
        self.count += 1;
    }
}

impl Deref for Parents {
    type Target = [usize];

    fn deref(&self) -> &[usize] {
        &self.places[..self.count]
    }
}

/// The children of all members, those of each together.
struct Children {
    /// By member, where its children begin; at the end, how many there are in all.
    from: Vec<usize>,
    places: Vec<usize>,
}

impl Children {
    fn of(members: &[Member]) -> Children {
        let mut from = vec![0; members.len() + 1];
        let links = || {
            let parents = members.iter().enumerate();
            parents.flat_map(|(child, member)| member.parents.iter().map(move |parent| (*parent, child)))
        };
        links().for_each(|(parent, _)| from[parent + 1] += 1);
        for at in 0..members.len() {
            from[at + 1] += from[at];
        }
        let (mut next, mut places) = (from.clone(), vec![0; from[members.len()]]);
        for (parent, child) in links() {
            places[next[parent]] = child;
            next[parent] += 1;
        }
        Children { from, places }
    }
}

/// Bounds for the instant of an event: it was yet to come at `after`, and past at `by`. Nothing proves an event that
/// came after the beginning of time and by its end.
#[derive(Clone, Copy)]
struct Event {
    after: Timestamp,
    by: Timestamp,
}

impl Event {
    const UNPROVED: Event = Event { after: Timestamp::MIN, by: Timestamp::MAX };

    fn narrow(&mut self, other: Event) {
        self.after = self.after.max(other.after);
        self.by = self.by.min(other.by);
    }

    fn after(self) -> Option<Timestamp> {
        Some(self.after).filter(|after| *after > Timestamp::MIN)
    }

    fn by(self) -> Option<Timestamp> {
        Some(self.by).filter(|by| *by < Timestamp::MAX)
    }
}

impl<'a> Lineage<'a> {
    /// Reads the listing, the past topologies and the first and last data points of each shard.
    pub(super) fn read(snapshot: &'a Snapshot) -> Lineage<'a> {
        let index = ShardIndex::of(&snapshot.shards);
        let mut members: Vec<Member> = snapshot
            .shards
            .iter()
            .map(|shard| {
                let (parents, parent_is_gone) = listed_parents(shard, &snapshot.shards, &index);
                let (opening, closing) = (Event::UNPROVED, Event::UNPROVED);
                Member { shard, parents, metrics: None, parent_is_gone, opening, closing }
            })
            .collect();
        for (id, metrics) in &snapshot.metrics.shards {
            if let Some(place) = index.place(id) {
                members[place].metrics = Some(metrics);
            }
        }
        let order = sort_by_descent(&mut members);
        witness(&mut members, snapshot, &index);
        // Parents close at the instant in which their children open. Twice: what one child tells
        // of the parent holds for its sibling too.
        for _ in 0..2 {
            for child in 0..members.len() {
                let parents = members[child].parents;
                for parent in parents.iter() {
                    let mut reshard = members[child].opening;
                    reshard.narrow(members[*parent].closing);
                    members[child].opening = reshard;
                    members[*parent].closing = reshard;
                }
            }
        }
        Lineage { members, order, children: OnceCell::new() }
    }

    /// The members, in the order of the listing.
    pub(super) fn members(&self) -> &[Member<'a>] {
        &self.members
    }

    /// Every member, each after its parents.
    pub(super) fn order(&self) -> &[usize] {
        &self.order
    }

    /// The shards that a member became.
    pub(super) fn children(&self, of: usize) -> &[usize] {
        let Children { from, places } = self.children.get_or_init(|| Children::of(&self.members));
        &places[from[of]..from[of + 1]]
    }
}

impl Member<'_> {
    /// The earliest instant since which the shard is proved to be open; `None` where nothing
    /// proves it before now.
    pub(super) fn opened_by(&self) -> Option<Timestamp> {
        // Contradicting witnesses (two clocks) are read as the younger shard.
        self.opening.by().map(|by| by.max(self.opening.after))
    }

    /// The latest instant at which the shard is proved not to have been open yet.
    pub(super) fn not_open_at(&self) -> Option<Timestamp> {
        self.opening.after()
    }

    /// The earliest instant at which the shard is proved to be closed.
    pub(super) fn closed_by(&self) -> Option<Timestamp> {
        self.closing.by()
    }

    /// The first minute before which the shard is proved to have opened: from then on its range was
    /// its own, or its children's.
    pub(super) fn opened_from(&self) -> Option<Minute> {
        self.opened_by().map(Minute::from_start)
    }

    /// The first minute before which the shard is proved to have been closed.
    pub(super) fn closed_from(&self) -> Option<Minute> {
        self.closed_by().map(Minute::from_start)
    }

    /// Whether the shard is proved to have opened before the minute began.
    pub(super) fn had_opened_before(&self, minute: Minute) -> bool {
        self.opened_from().is_some_and(|from| from <= minute)
    }

    /// The minutes at some instant of which the shard may have been open: nothing proves that it opened later or
    /// closed earlier.
    pub(super) fn may_have_been_open(&self) -> Range<Minute> {
        let from = self.opening.after().map_or(Minute(i64::MIN), Minute::of);
        from..self.closed_from().unwrap_or(Minute(i64::MAX))
    }

    /// Whether it was split from one shard, which is listed.
    pub(super) fn split_from(&self) -> Option<usize> {
        match self.parents[..] {
            [parent] => Some(parent),
            _ => None,
        }
    }
}

/// The parents in hash-key order, if all of them are listed and their ranges fit; and whether one of them is
/// listed nowhere.
fn listed_parents(shard: &Shard, listing: &[Shard], index: &ShardIndex) -> (Parents, bool) {
    let (mut parents, mut are_closed, mut is_gone) = (Parents::default(), true, false);
    for parent in shard.parents() {
        match index.place(parent) {
            Some(at) => {
                are_closed &= listing[at].closed;
                parents.push(at);
            }
            None => is_gone = true,
        }
    }
    let range = |at: usize| listing[at].range;
    if let [low, high] = *parents
        && range(high) < range(low)
    {
        parents.places = [high, low];
    }
    let fit = match *parents {
        [parent] => range(parent).contains_range(shard.range),
        [low, high] => range(low).merge(range(high)) == Some(shard.range),
        _ => false,
    };
    (if fit && are_closed && !is_gone { parents } else { Parents::default() }, is_gone)
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
            members[at].parents = Parents::default();
        }
    }
    order
}

/// What topologies and data points tell of each shard by itself. Each of them proves that the
/// shard was open at some instant between two ends; open shards are open without a break, so an
/// instant before the last proof at which it was not open lies before its opening. (When it closed,
/// its children tell.)
fn witness(members: &mut [Member], snapshot: &Snapshot, index: &ShardIndex) {
    // The first and the last instant by which, and at which, each was seen open.
    let mut seen = vec![(Timestamp::MAX, Timestamp::MIN); members.len()];
    let mut prove = |at: usize, from: Timestamp, to: Timestamp| {
        let (first, last) = seen[at];
        seen[at] = (first.min(to), last.max(from));
    };
    let topologies = Topologies::read(snapshot, index);
    for (moment, open) in snapshot.past_topologies.iter().zip(&topologies.open) {
        open.iter().for_each(|member| prove(*member, moment.at, moment.at));
    }
    for (at, member) in members.iter().enumerate() {
        if !member.shard.closed {
            prove(at, snapshot.observed_at, snapshot.observed_at);
        }
        // A parent that is listed nowhere was closed before the look-back began.
        if member.parent_is_gone {
            prove(at, snapshot.look_back_start, snapshot.look_back_start);
        }
        if let Some((first, last)) = ingest_span(member) {
            prove(at, first.start(), first.plus(1).start());
            prove(at, last.start(), last.plus(1).start());
        }
    }
    for (at, (member, (first, last))) in members.iter_mut().zip(seen).enumerate() {
        member.opening.by = first;
        if member.shard.closed {
            member.closing = Event { after: last, by: snapshot.observed_at };
        }
        if last > Timestamp::MIN {
            let moments = snapshot.past_topologies.iter().map(|topology| topology.at);
            let without =
                moments.zip(topologies.with(at)).filter(|(moment, is_open)| !is_open && *moment <= last);
            member.opening.after = without.map(|(moment, _)| moment).max().unwrap_or(Timestamp::MIN);
        }
    }
}

/// Which members were open at each known moment.
struct Topologies {
    /// By moment.
    open: Vec<Vec<usize>>,
    /// By member, and in it by moment, whether it was.
    is_open: Vec<bool>,
}

impl Topologies {
    /// One moment's shards are mostly those of the moment before, in the same order: only where they differ are they
    /// looked up.
    fn read(snapshot: &Snapshot, index: &ShardIndex) -> Topologies {
        let moments = &snapshot.past_topologies;
        let mut is_open = vec![false; moments.len() * snapshot.shards.len()];
        let mut open: Vec<Vec<usize>> = Vec::with_capacity(moments.len());
        let mut before: Vec<(&ShardId, Option<usize>)> = Vec::new();
        for (at, topology) in moments.iter().enumerate() {
            let is_as_before = at > 0 && moments[at - 1].open == topology.open;
            if !is_as_before {
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
                before = topology.open.iter().map(place).collect();
            }
            let mut members = Vec::with_capacity(before.len());
            members.extend(before.iter().filter_map(|(_, member)| *member));
            members.iter().for_each(|member: &usize| is_open[member * moments.len() + at] = true);
            open.push(members);
        }
        Topologies { open, is_open }
    }

    /// Whether a member was open, moment by moment.
    fn with(&self, member: usize) -> impl Iterator<Item = bool> {
        let moments = self.open.len();
        self.is_open[member * moments..(member + 1) * moments].iter().copied()
    }
}

/// The first and the last minute in which any ingest metric of a shard has something: nobody
/// writes to a shard that is not open.
fn ingest_span(member: &Member) -> Option<(Minute, Minute)> {
    let mut span: Option<(Minute, Minute)> = None;
    for series in ShardMetric::INGEST.into_iter().filter_map(|metric| member.metrics?.get(&metric)) {
        // Rejects are few: most often what was accepted tells of all the minutes that they could.
        let told = series.told();
        if span.is_some_and(|(first, last)| first <= told.start && told.end <= last.plus(1)) {
            continue;
        }
        let of_series = series.first_and_last(series.end(), |value| value.is_some_and(|value| value > 0));
        span = match (span, of_series) {
            (Some((first, last)), Some((from, to))) => Some((first.min(from), last.max(to))),
            (known, new) => known.or(new),
        };
    }
    span
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
        assert!(
            !idle.may_have_been_open().contains(&FIRST.plus(18))
                && idle.may_have_been_open().contains(&FIRST.plus(19))
        );
        assert!(parent.may_have_been_open().contains(&FIRST.plus(20)));
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
        assert!(
            !idle.may_have_been_open().contains(&FIRST.plus(19))
                && idle.may_have_been_open().contains(&FIRST.plus(20))
        );
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
            Lineage::read(&snapshot).members()[3].parents.to_vec()
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
        let late = PastTopology { at: FIRST.plus(23).start(), open: [snapshot.shards[1].id.clone()].into() };
        snapshot.past_topologies = vec![late];
        let lineage = Lineage::read(&snapshot);
        assert_eq!(lineage.members()[3].opened_by(), Some(FIRST.plus(23).start()));
    }
}
