//! A story of an election: what goes wrong, and when, decided by a seed.

use std::time::Duration;

use reshard::operator::elector::Timing;
use tokio::time::Instant;

use super::replica::Replicas;
use crate::support::cluster::Cluster;
use crate::support::dice::Dice;
use crate::support::kube::call::Verb;
use crate::support::wire::{Effect, Fault, Refused, When};

/// What happens, and for how long.
pub struct Story {
    dice: Dice,
    timing: Timing,
    replicas: u64,
    lasting: Duration,
    /// A second of what goes wrong with requests takes so long.
    second: Duration,
    /// A second between what happens, and of what lasts, takes so long.
    pace: Duration,
    /// Whether requests for leases alone go wrong.
    leases_alone: bool,
    log: Vec<String>,
    counts: Counts,
}

/// What a story came to.
pub struct Told {
    pub violations: Vec<String>,
    pub log: Vec<String>,
    pub counts: Counts,
}

/// How much of what happened.
#[derive(Debug, Default)]
pub struct Counts {
    pub leads: usize,
    pub freezes: usize,
    pub kills: usize,
    pub shutdowns: usize,
    pub stops: usize,
    pub requests: usize,
    pub refused: usize,
}

impl Counts {
    pub fn add(&mut self, other: &Counts) {
        let Counts { leads, freezes, kills, shutdowns, stops, requests, refused } = other;
        self.leads += leads;
        self.freezes += freezes;
        self.kills += kills;
        self.shutdowns += shutdowns;
        self.stops += stops;
        self.requests += requests;
        self.refused += refused;
    }
}

/// A tenth of the default.
pub fn short_timing() -> Timing {
    Timing {
        lease: Duration::from_secs(2),
        renew_deadline: Duration::from_millis(1_500),
        retry: Duration::from_millis(200),
        call_timeout: Duration::from_millis(500),
    }
}

impl Story {
    /// A story in virtual time. The closer the lease's duration is to the renew deadline, the less a
    /// mistake is forgiven.
    pub fn of(seed: u64) -> Story {
        let mut dice = Dice::new(seed);
        let timing = Timing { lease: Duration::from_secs(dice.from(11, 15)), ..Timing::default() };
        Story {
            timing,
            replicas: dice.from(2, 3),
            lasting: Duration::from_secs(180),
            second: Duration::from_secs(1),
            pace: Duration::from_secs(1),
            leases_alone: true,
            dice,
            log: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// A story in real time, six times as fast.
    pub fn short(seed: u64) -> Story {
        let story = Story::of(seed);
        let second = Duration::from_millis(166);
        let story = story.with(short_timing(), 3, Duration::from_secs(20));
        Story { second, pace: second, ..story }
    }

    pub fn with(self, timing: Timing, replicas: u64, lasting: Duration) -> Story {
        Story { timing, replicas, lasting, ..self }
    }

    /// Every request may go wrong; what happens comes, and lasts, by this pace.
    pub fn of_everything(self, pace: Duration) -> Story {
        Story { pace, leases_alone: false, ..self }
    }

    pub async fn tell(self, cluster: &dyn Cluster, namespace: &str) -> Told {
        let mut replicas = Replicas::new(cluster, namespace, self.timing);
        self.tell_of(&mut replicas, cluster).await
    }

    /// Tells it of replicas of which none has started.
    pub async fn tell_of(mut self, replicas: &mut Replicas<'_>, cluster: &dyn Cluster) -> Told {
        let mut violations = Vec::new();
        self.trouble(cluster);
        for name in self.names() {
            replicas.start(name);
        }
        let start = Instant::now();
        while start.elapsed() < self.lasting {
            let pause = self.lasting(1, 12);
            tokio::time::sleep(pause).await;
            let what = self.happen(cluster, replicas).await;
            self.log.push(format!("{:?} {what}; leads: {:?}", start.elapsed(), replicas.leader()));
        }
        cluster.wire().heal();
        let calm = Instant::now();
        // What a lease and a few tries take; a process may still be stopped for a while.
        let bound = self.timing.lease + 4 * (self.timing.retry + self.timing.call_timeout) + self.pace * 20;
        while replicas.leader().is_none() {
            if calm.elapsed() > bound {
                violations.push(format!("nobody leads {bound:?} after the last fault"));
                break;
            }
            tokio::time::sleep(self.second / 10).await;
        }
        let Some(leader) = replicas.leader() else { return self.told(cluster, replicas, violations) };
        // And it stays so: nobody takes the lead from one that is well.
        tokio::time::sleep(self.timing.lease + self.pace * 20).await;
        let leads = replicas.leads();
        tokio::time::sleep(2 * self.timing.lease).await;
        if replicas.leads() != leads || replicas.leader().is_none() {
            let now = replicas.leader();
            violations.push(format!("the lead moves without a reason: from {leader} to {now:?}"));
        }
        self.told(cluster, replicas, violations)
    }

    fn told(mut self, cluster: &dyn Cluster, replicas: &Replicas<'_>, more: Vec<String>) -> Told {
        self.counts.leads = replicas.leads();
        self.counts.requests = cluster.wire().log().len();
        self.counts.refused = cluster.wire().count(|sent| sent.code.is_some_and(|code| code >= 400));
        let mut violations = replicas.violations();
        violations.extend(more);
        Told { violations, log: self.log, counts: self.counts }
    }

    fn names(&self) -> Vec<&'static str> {
        ["a", "b", "c"].into_iter().take(self.replicas as usize).collect()
    }

    fn verbs(&self) -> &'static [Verb] {
        const OF_LEASES: [Verb; 3] = [Verb::Get, Verb::Update, Verb::Create];
        const ALL: [Verb; 6] = [Verb::Get, Verb::Update, Verb::Create, Verb::Patch, Verb::List, Verb::Watch];
        if self.leases_alone { &OF_LEASES } else { &ALL }
    }

    fn seconds(&mut self, low: u64, high: u64) -> Duration {
        self.second * self.dice.from(low * 1_000, high * 1_000) as u32 / 1_000
    }

    fn lasting(&mut self, low: u64, high: u64) -> Duration {
        self.pace * self.dice.from(low * 1_000, high * 1_000) as u32 / 1_000
    }

    async fn happen(&mut self, cluster: &dyn Cluster, replicas: &mut Replicas<'_>) -> String {
        let identities = replicas.identities();
        let whose = self.dice.one_of(&identities.iter().map(|name| &**name).collect::<Vec<_>>()).to_owned();
        let client = self.names().into_iter().find(|name| whose.starts_with(name)).expect("of one of them");
        match self.dice.from(0, 9) {
            0 | 1 => {
                let time = self.lasting(1, 20);
                replicas.freeze(&whose, time);
                self.counts.freezes += 1;
                format!("{whose} is stopped for {time:?}")
            }
            2 => {
                replicas.kill(&whose);
                replicas.start(client);
                self.counts.kills += 1;
                format!("{whose} is killed and begins anew")
            }
            3 => {
                // One that is stopped would be waited for.
                let leader = replicas.leader().filter(|leader| *leader == whose);
                replicas.shut_down(&whose).await;
                replicas.start(client);
                self.counts.shutdowns += 1;
                format!("{whose} shuts down (it led: {}) and begins anew", leader.is_some())
            }
            4 => {
                let time = self.lasting(1, 15);
                if cluster.stop().await.is_err() {
                    return "nothing".to_owned();
                }
                tokio::time::sleep(time).await;
                cluster.start_again().await.expect("what was stopped");
                self.counts.stops += 1;
                format!("the server was away for {time:?}")
            }
            5 => {
                cluster.wire().heal();
                "all is well".to_owned()
            }
            6 if !self.leases_alone => match cluster.compact().and_then(|()| cluster.drop_watches()) {
                Ok(()) => "all watches break, and the history is gone".to_owned(),
                Err(_) => "nothing".to_owned(),
            },
            _ => self.trouble(cluster),
        }
    }

    /// Sets faults on the wire.
    fn trouble(&mut self, cluster: &dyn Cluster) -> String {
        if self.dice.chance(0.5) {
            cluster.wire().heal();
        }
        let mut told = Vec::new();
        for _ in 0..self.dice.from(1, 3) {
            let when = match self.dice.from(0, 3) {
                0 => When::Always,
                1 => When::First(self.dice.from(1, 3)),
                _ => When::Chance(self.dice.share()),
            };
            let zero = Duration::ZERO;
            let effect = match self.dice.from(0, 9) {
                0..=3 => {
                    let (before, after) = (self.seconds(0, 12), self.seconds(0, 4));
                    Effect::Delay(zero..=before, zero..=after)
                }
                4 if !self.leases_alone && self.dice.chance(0.5) => {
                    let (soon, later) = (self.lasting(0, 2), self.lasting(2, 6));
                    if self.dice.chance(0.5) {
                        Effect::BreakOff(soon..=later)
                    } else {
                        Effect::FallSilent(soon..=later)
                    }
                }
                4 => Effect::LoseReply,
                5 => Effect::LoseRequest,
                6 => Effect::Silence,
                _ => Effect::Refuse(self.dice.one_of(&[
                    Refused::Conflict,
                    Refused::Gone,
                    Refused::TooManyRequests(1),
                    Refused::InternalError,
                    Refused::Unavailable,
                ])),
            };
            let of_watches = matches!(effect, Effect::BreakOff(_) | Effect::FallSilent(_));
            let mut fault = Fault::new(when, effect);
            if self.leases_alone || (!of_watches && self.dice.chance(0.3)) {
                fault = fault.to("leases");
            }
            if self.dice.chance(0.7) {
                fault = fault.of(self.dice.one_of(&self.names()));
            }
            if of_watches {
                fault = fault.on(&[Verb::Watch]);
            } else if self.dice.chance(0.6) {
                fault = fault.on(&[self.dice.one_of(self.verbs())]);
            }
            told.push(format!("{fault:?}"));
            cluster.wire().fault(fault);
        }
        told.join(", ")
    }
}
