//! What goes wrong with which requests: scripted, and seeded where chance has a part.

use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use tokio::time::Instant;
use tower::BoxError;

use super::Reply;
use super::broken::Break;
use crate::support::dice::Dice;
use crate::support::kube::call::{Call, Verb};
use crate::support::kube::refusal::Refusal;

/// A fault: which requests, how often, and what happens to them.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Of which client; none: of each.
    client: Option<String>,
    /// With which verbs; empty: with each.
    verbs: Vec<Verb>,
    /// Of which resource, subresource included; none: of each.
    resource: Option<String>,
    when: When,
    effect: Effect,
}

/// Which requests of its kind a fault strikes.
#[derive(Debug, Clone)]
pub enum When {
    Always,
    /// The n-th from when the fault was set, counted from 1.
    Nth(u64),
    /// So many from when the fault was set.
    First(u64),
    /// Each with this chance, 0 to 1.
    Chance(f64),
    /// Those that are sent before.
    Until(Instant),
}

/// What happens to a request that a fault strikes.
#[derive(Debug, Clone)]
pub enum Effect {
    /// It takes so long on its way to the server, and its reply so long on the way back.
    Delay(RangeInclusive<Duration>, RangeInclusive<Duration>),
    /// It is refused and has no effect.
    Refuse(Refused),
    /// It is carried out, and then the connection breaks.
    LoseReply,
    /// The connection breaks before it arrives.
    LoseRequest,
    /// It does not arrive, and nobody ever says so.
    Silence,
    /// The reply breaks off after so long: what a watch fears.
    BreakOff(RangeInclusive<Duration>),
    /// The reply falls silent after so long, without an end.
    FallSilent(RangeInclusive<Duration>),
}

/// How a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    Forbidden,
    Conflict,
    Gone,
    /// Ask again after so many seconds.
    TooManyRequests(u32),
    InternalError,
    Unavailable,
}

impl Fault {
    /// A fault of every request.
    pub fn new(when: When, effect: Effect) -> Fault {
        Fault { client: None, verbs: Vec::new(), resource: None, when, effect }
    }

    /// Of this client alone.
    pub fn of(self, client: &str) -> Fault {
        Fault { client: Some(client.to_owned()), ..self }
    }

    /// With these verbs alone.
    pub fn on(self, verbs: &[Verb]) -> Fault {
        Fault { verbs: verbs.to_vec(), ..self }
    }

    /// Of this resource alone: `leases`, `kinesisstreamautoscalers/status`.
    pub fn to(self, resource: &str) -> Fault {
        Fault { resource: Some(resource.to_owned()), ..self }
    }

    fn is_about(&self, client: &str, call: &Call) -> bool {
        self.client.as_ref().is_none_or(|name| name == client)
            && (self.verbs.is_empty() || self.verbs.contains(&call.verb))
            && self.resource.as_ref().is_none_or(|resource| *resource == call.full_resource())
    }
}

/// The faults that are set.
#[derive(Debug)]
pub(super) struct Faults {
    dice: Dice,
    /// With how many requests each has met.
    set: Vec<(Fault, u64)>,
}

/// What becomes of one request.
#[derive(Debug, Default)]
pub(super) struct Fate {
    pub before: Duration,
    pub after: Duration,
    pub effect: Option<Effect>,
    pub breaks: Option<Break>,
}

impl Faults {
    pub fn new(seed: u64) -> Faults {
        Faults { dice: Dice::new(seed), set: Vec::new() }
    }

    pub fn add(&mut self, fault: Fault) {
        self.set.push((fault, 0));
    }

    pub fn clear(&mut self) {
        self.set.clear();
    }

    /// Delays add up; of all else the first that strikes counts.
    pub fn fate(&mut self, client: &str, call: &Call) -> Fate {
        let Faults { dice, set } = self;
        let mut fate = Fate::default();
        for (fault, met) in set.iter_mut().filter(|(fault, _)| fault.is_about(client, call)) {
            *met += 1;
            let strikes = match fault.when {
                When::Always => true,
                When::Nth(n) => *met == n,
                When::First(n) => *met <= n,
                When::Chance(chance) => dice.chance(chance),
                When::Until(end) => Instant::now() < end,
            };
            if !strikes {
                continue;
            }
            match &fault.effect {
                Effect::Delay(before, after) => {
                    fate.before += within(dice, before);
                    fate.after += within(dice, after);
                }
                Effect::BreakOff(after) => fate.breaks = Some(Break::off(within(dice, after))),
                Effect::FallSilent(after) => fate.breaks = Some(Break::silently(within(dice, after))),
                effect if fate.effect.is_none() => fate.effect = Some(effect.clone()),
                _ => {}
            }
        }
        fate
    }
}

impl Refused {
    /// The reply of a server that refuses so.
    pub(super) fn reply(self) -> Reply {
        let mut refusal = match self {
            Refused::Forbidden => Refusal::new(403, "Forbidden", "the user may not do that"),
            Refused::Conflict => Refusal::new(409, "Conflict", "the object has been modified"),
            Refused::Gone => Refusal::expired("too old resource version"),
            Refused::TooManyRequests(_) => Refusal::new(429, "TooManyRequests", "too many requests"),
            Refused::InternalError => Refusal::new(500, "InternalError", "an internal error occurred"),
            Refused::Unavailable => Refusal::new(503, "ServiceUnavailable", "the server is not ready"),
        };
        let mut response =
            Response::builder().status(refusal.code).header(header::CONTENT_TYPE, "application/json");
        if let Refused::TooManyRequests(seconds) = self {
            refusal.retry_after = Some(seconds);
            response = response.header(header::RETRY_AFTER, seconds);
        }
        response.body(whole(&refusal.status().to_string())).expect("a response of sound parts")
    }
}

fn whole(text: &str) -> UnsyncBoxBody<Bytes, BoxError> {
    Full::from(text.to_owned()).map_err(|never| match never {}).boxed_unsync()
}

fn within(dice: &mut Dice, range: &RangeInclusive<Duration>) -> Duration {
    let micros = |time: &Duration| time.as_micros() as u64;
    Duration::from_micros(dice.from(micros(range.start()), micros(range.end())))
}
