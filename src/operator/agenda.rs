//! When each resource has its next pass: in each round of its interval, at a moment that its UID and the
//! number of resources decide, so that passes are no more spread than they need be, evenly and always the
//! same way. Pure, but for what the caller says the time is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::object::Key;
use crate::rounds::{LEAST_GAP, spread};

/// Who is due when.
#[derive(Debug, Default)]
pub struct Agenda {
    due: BTreeSet<(Instant, Key)>,
    known: BTreeMap<Key, Entry>,
}

/// What is known of one resource.
#[derive(Debug, Default)]
struct Entry {
    due: Option<Instant>,
    /// When its last pass began.
    begun: Option<Instant>,
}

impl Agenda {
    /// The first pass of one of `count` resources: soon, and not all at once.
    pub fn first(&mut self, key: &Key, uid: &str, count: usize, interval: Duration, now: Instant) {
        self.set(key, now + spread(count, interval).mul_f64(share(uid)));
    }

    /// The next pass at the interval: in the next round, unless the resource's moment of it is just now.
    /// Rounds begin at `round` and whole intervals before and after it. Whoever comes onto them thus waits
    /// no longer than the interval either.
    pub fn next(&mut self, key: &Key, uid: &str, interval: Duration, round: Instant, now: Instant) {
        let interval = interval.max(Duration::from_secs(1));
        let earliest = now + LEAST_GAP.min(interval / 2);
        let moment = round + spread(self.known.len(), interval).mul_f64(share(uid));
        let late = earliest.saturating_duration_since(moment);
        let early = moment.saturating_duration_since(earliest);
        let wait = match early.is_zero() {
            true => nanos(interval) - nanos(late) % nanos(interval),
            // A whole interval early is in time for the round before.
            false => (nanos(early) - 1) % nanos(interval) + 1,
        };
        self.set(key, earliest + Duration::from_nanos(wait));
    }

    /// A pass `after` some time.
    pub fn after(&mut self, key: &Key, after: Duration, now: Instant) {
        self.set(key, now + after);
    }

    /// A pass now, or as soon as one may be again, whatever calls for it: an annotation that somebody
    /// changes in a loop costs AWS nothing. Never later than it is due already.
    pub fn now(&mut self, key: &Key, now: Instant) {
        let known = self.known.get(key);
        let begun = known.and_then(|entry| entry.begun);
        let soonest = begun.map_or(now, |begun| (begun + LEAST_GAP).max(now));
        let due = known.and_then(|entry| entry.due);
        self.set(key, due.map_or(soonest, |due| due.min(soonest)));
    }

    /// When somebody is due next.
    pub fn soonest(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Whoever is due, and begins now.
    pub fn take(&mut self, now: Instant) -> Option<Key> {
        self.due.first().filter(|(at, _)| *at <= now)?;
        let (_, key) = self.due.pop_first()?;
        self.known.insert(key.clone(), Entry { due: None, begun: Some(now) });
        Some(key)
    }

    /// The resource is gone.
    pub fn forget(&mut self, key: &Key) {
        if let Some(Entry { due: Some(at), .. }) = self.known.remove(key) {
            self.due.remove(&(at, key.clone()));
        }
    }

    fn set(&mut self, key: &Key, at: Instant) {
        let entry = self.known.entry(key.clone()).or_default();
        if let Some(before) = entry.due.replace(at) {
            self.due.remove(&(before, key.clone()));
        }
        self.due.insert((at, key.clone()));
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
    /// How long after a whole minute the process starts.
    const START: Duration = Duration::from_secs(17);

    fn key(number: usize) -> Key {
        Key::new("payments", &format!("orders-{number}"))
    }

    fn uid(number: usize) -> String {
        format!("uid-{number}")
    }

    /// A whole minute, and an agenda that has just been opened for `count` resources.
    fn opened(count: usize) -> (Instant, Agenda) {
        let (round, mut agenda) = (Instant::now(), Agenda::default());
        for number in 0..count {
            agenda.first(&key(number), &uid(number), count, MINUTE, round + START);
        }
        (round, agenda)
    }

    /// The next pass, of a second.
    fn pass(agenda: &mut Agenda, round: Instant) -> (Instant, Key) {
        let now = agenda.soonest().expect("somebody is always due");
        let next = agenda.take(now).expect("due now");
        let number = next.name.rsplit('-').next().and_then(|number| number.parse().ok()).expect("a number");
        agenda.next(&next, &uid(number), MINUTE, round, now + SECOND);
        (now, next)
    }

    /// The moments of the first `passes` passes of `count` resources, and a whole minute.
    fn passes(count: usize, passes: usize) -> (Vec<(Instant, Key)>, Instant) {
        let (round, mut agenda) = opened(count);
        ((0..passes).map(|_| pass(&mut agenda, round)).collect(), round)
    }

    /// How long after a whole minute that is.
    fn after_the_minute(at: Instant, round: Instant) -> Duration {
        Duration::from_nanos(nanos(at - round) % nanos(MINUTE))
    }

    #[test]
    fn each_resource_has_a_pass_at_each_interval() {
        let (taken, _) = passes(20, 200);
        for number in 0..20 {
            let own: Vec<_> = taken.iter().filter(|(_, of)| *of == key(number)).map(|(at, _)| *at).collect();
            assert!((9..=12).contains(&own.len()), "{number}: {}", own.len());
            for pair in own.windows(2).skip(1) {
                assert_eq!(pair[1] - pair[0], MINUTE, "{number}");
            }
            assert!(own[1] - own[0] <= MINUTE + SECOND + LEAST_GAP, "{number}: the way onto the rounds");
        }
    }

    #[test]
    fn few_resources_are_looked_at_as_soon_as_the_minute_has_settled() {
        for (count, within) in [(1, 50), (20, 1_000)] {
            let (taken, round) = passes(count, 10 * count);
            for (at, key) in &taken[count..] {
                let late = after_the_minute(*at, round);
                assert!(late <= Duration::from_millis(within), "{key}: {late:?}");
            }
        }
    }

    #[test]
    fn passes_are_spread_evenly() {
        let (taken, round) = passes(1_000, 3_000);
        let last_round = &taken[2_000..];
        let mut of_second = BTreeMap::<u64, usize>::new();
        for (at, _) in last_round {
            *of_second.entry((*at - round).as_secs()).or_default() += 1;
        }
        let most = of_second.values().max().expect("some");
        // 1,000 in 50 seconds are 20 a second.
        assert!(*most < 40 && of_second.len() >= 50, "{most} at most, over {} s", of_second.len());
    }

    #[test]
    fn more_resources_than_an_interval_takes_are_spread_over_all_of_it() {
        let (taken, round) = passes(2_000, 6_000);
        let late = taken[4_000..].iter().map(|(at, _)| after_the_minute(*at, round));
        let (first, last) =
            late.fold((MINUTE, Duration::ZERO), |(first, last), at| (first.min(at), last.max(at)));
        assert!(first < SECOND && last > 59 * SECOND, "{first:?} {last:?}");
    }

    #[test]
    fn where_rounds_are_told_by_a_later_or_an_earlier_one_it_is_the_same() {
        let (round, now) = (Instant::now() + 10 * MINUTE, Instant::now() + 5 * MINUTE);
        let due = |told: Instant, after: Duration| {
            let mut agenda = Agenda::default();
            agenda.next(&key(1), "uid", MINUTE, told, now + after);
            agenda.soonest().expect("due")
        };
        for millis in (0..120_000).step_by(100) {
            let after = Duration::from_millis(millis);
            let at = due(round, after);
            assert_eq!(at, due(round - 10 * MINUTE, after), "{millis}");
            assert!(at > now + after + LEAST_GAP && at <= now + after + LEAST_GAP + MINUTE, "{millis}");
        }
    }

    #[test]
    fn while_resources_come_and_go_nobody_waits_longer_than_an_interval_or_has_two_passes_at_once() {
        let (round, mut agenda) = opened(10);
        let mut last = BTreeMap::<Key, Instant>::new();
        let (mut count, mut most) = (10, 10);
        for number in 0..20_000 {
            let (at, of) = pass(&mut agenda, round);
            if let Some(before) = last.insert(of.clone(), at) {
                let gap = at - before;
                assert!(gap > LEAST_GAP && gap <= MINUTE + SECOND + LEAST_GAP, "{of}: {gap:?}");
            }
            // A thousand come one by one, and all but ten go again.
            if number % 3 == 0 && most < 1_000 {
                agenda.now(&key(most), at);
                (count, most) = (count + 1, most + 1);
            } else if most == 1_000 && count > 10 {
                count -= 1;
                agenda.forget(&key(count));
            }
        }
        assert_eq!((count, most), (10, 1_000));
        for _ in 0..10 {
            let (at, of) = pass(&mut agenda, round);
            assert!(after_the_minute(at, round) <= spread(10, MINUTE), "{of} is back at the minute");
        }
    }

    #[test]
    fn first_passes_come_soon_and_not_all_at_once() {
        let (mut agenda, mut taken) = (opened(100).1, Vec::new());
        while let Some(at) = agenda.soonest() {
            agenda.take(at);
            taken.push(at);
        }
        let last = taken[99] - taken[0];
        assert!(last > Duration::from_secs(4) && last <= Duration::from_secs(5), "{last:?}");
    }

    #[test]
    fn a_change_comes_first_and_a_flood_of_changes_costs_one_pass_in_two_seconds() {
        let (now, mut agenda) = (Instant::now(), Agenda::default());
        agenda.after(&key(1), MINUTE, now);
        agenda.now(&key(1), now);
        assert_eq!(agenda.take(now), Some(key(1)));
        agenda.next(&key(1), "uid", MINUTE, now, now);
        for millis in 0..100 {
            agenda.now(&key(1), now + Duration::from_millis(millis));
        }
        assert_eq!(agenda.soonest(), Some(now + LEAST_GAP));
        assert_eq!(agenda.take(now + Duration::from_secs(1)), None);
        agenda.forget(&key(1));
        assert_eq!(agenda.soonest(), None);
    }
}
