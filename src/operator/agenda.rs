//! When each resource has its next pass: at its own interval, at a moment of the interval that its
//! UID alone decides, so that passes spread evenly and always the same way. Pure, but for what the
//! caller says the time is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::object::Key;

/// Between two beginnings of passes over one resource, whatever calls for the second: an annotation
/// that somebody changes in a loop costs AWS nothing.
const LEAST_GAP: Duration = Duration::from_secs(2);
/// The time over which the first passes of so many resources are spread, each.
const FIRST_GAP: Duration = Duration::from_millis(50);

/// Who is due when.
#[derive(Debug)]
pub struct Agenda {
    /// Where the grids of all resources begin.
    epoch: Instant,
    due: BTreeSet<(Instant, Key)>,
    at: BTreeMap<Key, Instant>,
    begun: BTreeMap<Key, Instant>,
}

impl Agenda {
    /// Nobody is due; the grids begin at `epoch`.
    pub fn new(epoch: Instant) -> Agenda {
        Agenda { epoch, due: BTreeSet::new(), at: BTreeMap::new(), begun: BTreeMap::new() }
    }

    /// The first pass of one of `count` resources: soon, and not all at once.
    pub fn first(&mut self, key: &Key, uid: &str, count: usize, interval: Duration, now: Instant) {
        let span = interval.min(FIRST_GAP * u32::try_from(count).unwrap_or(u32::MAX));
        self.set(key, now + span.mul_f64(share(uid)));
    }

    /// The next pass at the interval: the next point of the resource's grid, unless that is just now.
    /// Whoever comes onto the grid thus waits no longer than the interval either.
    pub fn next(&mut self, key: &Key, uid: &str, interval: Duration, now: Instant) {
        let interval = interval.max(Duration::from_secs(1));
        let elapsed = (now + LEAST_GAP.min(interval / 2)).saturating_duration_since(self.epoch);
        let phase = interval.mul_f64(share(uid));
        let late = Duration::from_nanos(nanos(elapsed.saturating_sub(phase)) % nanos(interval));
        let next = if elapsed < phase { phase } else { elapsed + (interval - late) };
        self.set(key, self.epoch + next);
    }

    /// A pass `after` some time.
    pub fn after(&mut self, key: &Key, after: Duration, now: Instant) {
        self.set(key, now + after);
    }

    /// A pass now, or as soon as one may be again; never later than it is due already.
    pub fn now(&mut self, key: &Key, now: Instant) {
        let soonest = self.begun.get(key).map_or(now, |begun| (*begun + LEAST_GAP).max(now));
        let known = self.at.get(key).copied();
        self.set(key, known.map_or(soonest, |known| known.min(soonest)));
    }

    /// When somebody is due next.
    pub fn soonest(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Whoever is due, and begins now.
    pub fn take(&mut self, now: Instant) -> Option<Key> {
        self.due.first().filter(|(at, _)| *at <= now)?;
        let (_, key) = self.due.pop_first()?;
        self.at.remove(&key);
        self.begun.insert(key.clone(), now);
        Some(key)
    }

    /// The resource is gone.
    pub fn forget(&mut self, key: &Key) {
        self.clear(key);
        self.begun.remove(key);
    }

    fn set(&mut self, key: &Key, at: Instant) {
        self.clear(key);
        self.due.insert((at, key.clone()));
        self.at.insert(key.clone(), at);
    }

    fn clear(&mut self, key: &Key) {
        if let Some(at) = self.at.remove(key) {
            self.due.remove(&(at, key.clone()));
        }
    }
}

/// A share from 0 to 1 that depends on the UID alone.
fn share(uid: &str) -> f64 {
    let digest = Sha256::digest(uid);
    let bits = digest.iter().take(4).fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_secs(60);

    fn key(number: usize) -> Key {
        Key::new("payments", &format!("orders-{number}"))
    }

    /// The moments of the first `passes` passes of `count` resources, each of which takes a second.
    fn passes(count: usize, passes: usize) -> Vec<(Instant, Key)> {
        let epoch = Instant::now();
        let mut agenda = Agenda::new(epoch);
        for number in 0..count {
            agenda.first(&key(number), &format!("uid-{number}"), count, MINUTE, epoch);
        }
        let mut taken = Vec::new();
        while taken.len() < passes {
            let now = agenda.soonest().expect("somebody is always due");
            let next = agenda.take(now).expect("due now");
            let number = next.name.rsplit('-').next().expect("a number").to_owned();
            agenda.next(&next, &format!("uid-{number}"), MINUTE, now + SECOND);
            taken.push((now, next));
        }
        taken
    }

    #[test]
    fn each_resource_has_a_pass_at_each_interval() {
        let taken = passes(20, 200);
        for number in 0..20 {
            let own: Vec<_> = taken.iter().filter(|(_, of)| *of == key(number)).map(|(at, _)| *at).collect();
            assert!((9..=12).contains(&own.len()), "{number}: {}", own.len());
            for pair in own.windows(2).skip(1) {
                assert_eq!(pair[1] - pair[0], MINUTE, "{number}");
            }
            assert!(own[1] - own[0] <= MINUTE + SECOND + LEAST_GAP, "{number}: the way onto the grid");
        }
    }

    #[test]
    fn passes_are_spread_evenly() {
        let taken = passes(1_000, 3_000);
        let start = taken[0].0;
        let last_round = &taken[2_000..];
        let mut of_second = BTreeMap::<u64, usize>::new();
        for (at, _) in last_round {
            *of_second.entry((*at - start).as_secs()).or_default() += 1;
        }
        let most = of_second.values().max().expect("some");
        // 1,000 in 60 seconds are 17 a second.
        assert!(*most < 40 && of_second.len() >= 55, "{most} at most, over {} s", of_second.len());
    }

    #[test]
    fn first_passes_come_soon_and_not_all_at_once() {
        let taken = passes(100, 100);
        let last = taken.last().expect("some").0 - taken[0].0;
        assert!(last > Duration::from_secs(4) && last <= Duration::from_secs(5), "{last:?}");
    }

    #[test]
    fn a_change_comes_first_and_a_flood_of_changes_costs_one_pass_in_two_seconds() {
        let epoch = Instant::now();
        let mut agenda = Agenda::new(epoch);
        agenda.after(&key(1), MINUTE, epoch);
        agenda.now(&key(1), epoch);
        assert_eq!(agenda.take(epoch), Some(key(1)));
        agenda.next(&key(1), "uid", MINUTE, epoch);
        for millis in 0..100 {
            agenda.now(&key(1), epoch + Duration::from_millis(millis));
        }
        assert_eq!(agenda.soonest(), Some(epoch + LEAST_GAP));
        assert_eq!(agenda.take(epoch + Duration::from_secs(1)), None);
        agenda.forget(&key(1));
        assert_eq!(agenda.soonest(), None);
    }
}
