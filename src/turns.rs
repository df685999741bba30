//! Turns at resharding: of the streams of one account and region only a few reshard at once, and of
//! those that wait the one with the most rejected traffic goes next. Now and then it is whoever has
//! waited longest: streams that reject without end must not keep all others waiting for good.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::policy::ScalingPolicy;
use crate::quota::CONCURRENT_RESHARDS_PER_REGION;
use crate::snapshot::{Snapshot, StreamMetric};

/// Of so many places that are passed on, one goes to whoever has waited longest.
const LONGEST_WAIT_EVERY: usize = 5;

/// Gives out turns. Clones share their places.
///
/// A place that becomes free goes at once to whoever waits with the greatest urgency, of equals to
/// whoever has waited longest; so nobody who comes later overtakes with the same urgency. Each fifth
/// goes to whoever has waited longest, whatever the urgency: of `n` that wait, none is passed over by
/// more than `5 n`. A future that is dropped before it is ready, or just as its turn comes, leaves
/// its place to the next.
#[derive(Debug, Clone)]
pub struct Turns {
    places: usize,
    arrivals: Arc<AtomicU64>,
    scopes: Arc<Mutex<BTreeMap<String, Scope>>>,
}

/// One account and region. Nobody waits where a place is free.
#[derive(Debug, Default)]
struct Scope {
    taken: usize,
    /// How many places were passed on to somebody who waited.
    passed_on: usize,
    waiting: Vec<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    urgency: u64,
    arrival: Arrival,
    turn: oneshot::Sender<Turn>,
}

/// When somebody came who waits for a turn: earlier is less. Whoever gives up to look how urgent it
/// still is, and comes back with it, has lost no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrival(u64);

/// The right to reshard one stream; given back when it is dropped. It is meant to last for one
/// step, not for the wait between two.
#[derive(Debug)]
#[must_use = "a turn that is dropped is given back"]
pub struct Turn {
    turns: Turns,
    scope: String,
}

impl Default for Turns {
    /// With [`CONCURRENT_RESHARDS_PER_REGION`] places in each scope.
    fn default() -> Self {
        Turns::with_places(CONCURRENT_RESHARDS_PER_REGION as usize)
    }
}

impl Turns {
    /// With so many places in each scope; with none, nobody's turn ever comes.
    pub fn with_places(places: usize) -> Turns {
        Turns { places, arrivals: Arc::default(), scopes: Arc::default() }
    }

    /// A turn in `scope` (see [`scope_of`]), if one is free.
    pub fn try_acquire(&self, scope: &str) -> Option<Turn> {
        self.enter(&mut self.scopes(), scope)
    }

    /// Somebody comes now.
    pub fn arrive(&self) -> Arrival {
        Arrival(self.arrivals.fetch_add(1, Ordering::Relaxed))
    }

    /// Waits for a turn in `scope` (see [`scope_of`]); `urgency` (see [`urgency_of`]) says who of
    /// those that wait goes first.
    pub async fn acquire(&self, scope: &str, urgency: u64) -> Turn {
        self.acquire_since(scope, urgency, self.arrive()).await
    }

    /// The same for one who came earlier, and has given up meanwhile.
    pub async fn acquire_since(&self, scope: &str, urgency: u64, arrival: Arrival) -> Turn {
        let comes = {
            let mut scopes = self.scopes();
            if let Some(turn) = self.enter(&mut scopes, scope) {
                return turn;
            }
            let (turn, comes) = oneshot::channel();
            let waiting = &mut scopes.entry(scope.to_owned()).or_default().waiting;
            // Whoever gave up is forgotten here too: turns may be given back seldom.
            waiting.retain(|waiter| !waiter.turn.is_closed());
            waiting.push(Waiter { urgency, arrival, turn });
            comes
        };
        comes.await.expect("only whoever gave up is forgotten")
    }

    fn enter(&self, scopes: &mut BTreeMap<String, Scope>, scope: &str) -> Option<Turn> {
        if scopes.get(scope).map_or(0, |scope| scope.taken) >= self.places {
            return None;
        }
        scopes.entry(scope.to_owned()).or_default().taken += 1;
        Some(Turn { turns: self.clone(), scope: scope.to_owned() })
    }

    /// Passes a place of `scope` on to who is next, else frees it.
    fn pass_on(&self, scope: &str) {
        let mut scopes = self.scopes();
        let Some(queue) = scopes.get_mut(scope) else { return };
        queue.waiting.retain(|waiter| !waiter.turn.is_closed());
        let turn_of_the_longest = (queue.passed_on + 1).is_multiple_of(LONGEST_WAIT_EVERY);
        let next = queue.waiting.iter().enumerate().max_by_key(|(_, waiter)| {
            let urgency = if turn_of_the_longest { 0 } else { waiter.urgency };
            (urgency, Reverse(waiter.arrival))
        });
        let Some(next) = next.map(|(index, _)| index) else {
            queue.taken -= 1;
            if queue.taken == 0 {
                scopes.remove(scope);
            }
            return;
        };
        let next = queue.waiting.remove(next);
        queue.passed_on += 1;
        drop(scopes);
        // Where it has just been given up, the turn is dropped here, and passed on again.
        let _given_up = next.turn.send(Turn { turns: self.clone(), scope: scope.to_owned() });
    }

    fn scopes(&self) -> MutexGuard<'_, BTreeMap<String, Scope>> {
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.pass_on(&self.scope);
    }
}

/// The account and region of a stream, by its ARN: what comes before the stream's name.
pub fn scope_of(stream_arn: &str) -> &str {
    stream_arn.split_once('/').map_or(stream_arn, |(scope, _)| scope)
}

/// How urgent a step on the stream is: the records that it was seen to reject over the policy's
/// window. What is unknown does not count.
pub fn urgency_of(snapshot: &Snapshot, policy: &ScalingPolicy) -> u64 {
    let metric = StreamMetric::WriteProvisionedThroughputExceeded;
    snapshot.metrics.newest(metric, policy.metrics.window_minutes).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use proptest::prelude::*;

    use super::*;
    use crate::cost::fixtures;
    use crate::snapshot::{Minute, Series};

    type Waiting<'t> = Pin<Box<dyn Future<Output = Turn> + 't>>;

    fn ready(waiting: &mut Waiting<'_>) -> Option<Turn> {
        match waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(turn) => Some(turn),
            Poll::Pending => None,
        }
    }

    /// One who waits and has been polled, so that it has its place in the queue.
    fn waits<'t>(turns: &'t Turns, scope: &'t str, urgency: u64) -> Waiting<'t> {
        let mut waiting: Waiting<'_> = Box::pin(turns.acquire(scope, urgency));
        assert!(ready(&mut waiting).is_none(), "no place is free");
        waiting
    }

    #[test]
    fn so_many_go_at_once_in_each_scope_and_no_more() {
        let turns = Turns::default();
        let scopes = ["account-a/eu-west-1", "account-a/eu-west-2"];
        let held = scopes.map(|scope| (0..5).map(|_| turns.try_acquire(scope)).collect::<Vec<_>>());
        assert!(held.iter().flatten().all(Option::is_some));
        assert!(scopes.iter().all(|scope| turns.clone().try_acquire(scope).is_none()));
        drop(held);
        assert!(turns.scopes().is_empty(), "nothing is kept of a scope that rests");
    }

    #[test]
    fn of_those_that_wait_the_most_urgent_goes_next_and_of_equals_the_first() {
        let turns = Turns::with_places(1);
        let mut current = turns.try_acquire("here");
        let mut queue: Vec<_> = [3, 9, 0, 9, 3].map(|urgency| Some(waits(&turns, "here", urgency))).into();
        for next in [1, 3, 0, 4, 2] {
            drop(current.take());
            assert!(turns.try_acquire("here").is_none(), "nobody overtakes those that wait");
            let ready: Vec<_> = queue
                .iter_mut()
                .enumerate()
                .filter_map(|(index, waiting)| Some((index, ready(waiting.as_mut()?)?)))
                .collect();
            let [(index, turn)] = <[_; 1]>::try_from(ready).expect("it is the turn of one");
            assert_eq!(index, next);
            (queue[index], current) = (None, Some(turn));
        }
    }

    #[test]
    fn whoever_rejects_nothing_gets_a_turn_though_others_reject_without_end() {
        let turns = Turns::with_places(1);
        let mut current = turns.try_acquire("here");
        let mut calm = waits(&turns, "here", 0);
        let mut hot: Vec<_> = (0..3).map(|_| waits(&turns, "here", 1_000)).collect();
        for passed in 1.. {
            drop(current.take());
            current = ready(&mut calm);
            if current.is_some() {
                assert_eq!(passed, LONGEST_WAIT_EVERY);
                break;
            }
            let (index, turn) = hot
                .iter_mut()
                .enumerate()
                .find_map(|(index, waiting)| Some((index, ready(waiting)?)))
                .expect("it is the turn of one");
            current = Some(turn);
            // It takes its step, and wants the next one.
            hot[index] = waits(&turns, "here", 1_000);
        }
    }

    #[test]
    fn who_gives_up_to_look_again_comes_back_to_the_same_place_in_line() {
        let turns = Turns::with_places(1);
        let current = turns.try_acquire("here");
        let arrival = turns.arrive();
        let early: Waiting<'_> = Box::pin(turns.acquire_since("here", 3, arrival));
        let mut late = waits(&turns, "here", 3);
        drop(early);
        let mut early: Waiting<'_> = Box::pin(turns.acquire_since("here", 3, arrival));
        assert!(ready(&mut early).is_none());
        drop(current);
        assert!(ready(&mut late).is_none() && ready(&mut early).is_some());
    }

    #[test]
    fn who_gives_up_before_or_as_the_turn_comes_leaves_it_to_the_next() {
        let turns = Turns::with_places(1);
        let current = turns.try_acquire("here");
        let early = waits(&turns, "here", 3);
        let as_it_comes = waits(&turns, "here", 2);
        let mut patient = waits(&turns, "here", 1);
        drop(early);
        drop(current);
        assert!(ready(&mut patient).is_none(), "it is another's turn");
        drop(as_it_comes);
        assert!(ready(&mut patient).is_some());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_turn_is_lost_among_threads() {
        let turns = Turns::with_places(2);
        let tasks = (0..200u64).map(|n| {
            let turns = turns.clone();
            tokio::spawn(async move {
                let mut taken = 0;
                for i in 0..20 {
                    let waiting = turns.acquire("here", (n * i) % 7);
                    // Some give up, whether their turn has come or not.
                    tokio::select! {
                        biased;
                        () = tokio::task::yield_now(), if (n + i) % 3 == 0 => {}
                        turn = waiting => { taken += 1; tokio::task::yield_now().await; drop(turn); }
                    }
                }
                taken
            })
        });
        let mut taken = 0;
        for task in tasks.collect::<Vec<_>>() {
            taken += task.await.expect("it ends");
        }
        assert!(taken > 0 && turns.scopes().is_empty(), "{taken} taken, {:?}", turns.scopes());
    }

    /// What may happen at the turnstile.
    #[derive(Debug, Clone)]
    enum Act {
        Come { urgency: u64 },
        GiveUp { who: prop::sample::Index },
        GiveBack { who: prop::sample::Index },
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            3 => (0u64..4).prop_map(|urgency| Act::Come { urgency }),
            1 => any::<prop::sample::Index>().prop_map(|who| Act::GiveUp { who }),
            2 => any::<prop::sample::Index>().prop_map(|who| Act::GiveBack { who }),
        ]
    }

    proptest! {
        #[test]
        fn turns_go_as_a_sorted_list_has_them(
            places in 1usize..4,
            acts in prop::collection::vec(act(), 0..60),
        ) {
            let turns = Turns::with_places(places);
            // By number: who holds a turn, and who waits with which urgency.
            let mut held: Vec<(usize, Turn)> = Vec::new();
            let mut waiting: Vec<(usize, u64, Waiting<'_>)> = Vec::new();
            let mut passed_on = 0;
            for (number, act) in acts.into_iter().enumerate() {
                match act {
                    Act::Come { urgency } if held.len() < places => {
                        prop_assert!(waiting.is_empty());
                        held.push((number, ready(&mut (Box::pin(turns.acquire("here", urgency)) as _)).expect("free")));
                    }
                    Act::Come { urgency } => waiting.push((number, urgency, waits(&turns, "here", urgency))),
                    Act::GiveUp { who } if !waiting.is_empty() => {
                        drop(waiting.remove(who.index(waiting.len())));
                    }
                    Act::GiveBack { who } if !held.is_empty() => {
                        drop(held.swap_remove(who.index(held.len())));
                        passed_on += usize::from(!waiting.is_empty());
                        let longest = passed_on % LONGEST_WAIT_EVERY == 0;
                        waiting.sort_by_key(|(number, urgency, _)| {
                            (Reverse(if longest { 0 } else { *urgency }), *number)
                        });
                        for (place, (number, _, waiting)) in waiting.iter_mut().enumerate() {
                            let turn = ready(waiting);
                            prop_assert_eq!(turn.is_some(), place == 0, "the first of the list and no other");
                            held.extend(turn.map(|turn| (*number, turn)));
                        }
                        waiting.retain(|(number, ..)| held.iter().all(|(holder, _)| holder != number));
                        // Nothing is kept of a scope that rests.
                        passed_on *= usize::from(!held.is_empty());
                    }
                    Act::GiveUp { .. } | Act::GiveBack { .. } => {}
                }
                prop_assert!(held.len() <= places);
                prop_assert!(waiting.is_empty() || held.len() == places, "nobody waits beside a free place");
            }
        }
    }

    #[test]
    fn the_scope_of_a_stream_is_its_account_and_region() {
        let scope = scope_of("arn:aws:kinesis:eu-west-1:111122223333:stream/orders");
        assert_eq!(scope, "arn:aws:kinesis:eu-west-1:111122223333:stream");
        for other in ["eu-west-2:111122223333", "eu-west-1:444455556666"] {
            assert_ne!(scope_of(&format!("arn:aws:kinesis:{other}:stream/orders")), scope);
        }
    }

    #[test]
    fn urgency_is_what_was_rejected_over_the_window() {
        let fixtures::Sample { mut snapshot, policy, .. } = fixtures::one_hot_shard();
        let metric = StreamMetric::WriteProvisionedThroughputExceeded;
        snapshot.metrics.stream.remove(&metric);
        assert_eq!(urgency_of(&snapshot, &policy), 0, "unknown");
        let end = Minute::of(snapshot.observed_at).plus(-2);
        snapshot.metrics.settled_until = Some(end);
        assert_eq!(policy.metrics.window_minutes, 3);
        let values = vec![Some(1_000), Some(7), None, Some(30)];
        snapshot.metrics.stream.insert(metric, Series::new(end.plus(-4), values, true));
        assert_eq!(urgency_of(&snapshot, &policy), 37);
    }
}
