//! Events, derived from what a pass came to and from what the status said before and says now.
//! Pure. What the status says already is no news: so no event comes twice, restarts included.

use super::approval::{Ending, stands, was_approved};
use super::conditions::is_well;
use super::outcome::{Act, Decided, Outcome, Pass};
use super::status::{Condition, PlanState, PlanStatus, Status, ending_note};
use crate::executor::ExecuteError;

/// The most bytes of a note (events.k8s.io).
const MOST_BYTES: usize = 1_000;

/// Something that people are told of, once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Whether somebody may have to do something.
    pub warning: bool,
    /// What happened, in one CamelCase word.
    pub reason: String,
    /// What happened, for people.
    pub note: String,
}

/// What there is to tell of `pass`, where the status was `before` and is `after`.
pub fn events(pass: &Pass, before: &Status, after: &Status) -> Vec<Event> {
    let mut events = Vec::new();
    if let Outcome::Decided(decided) = &pass.outcome {
        happenings(decided, before, &mut events);
    }
    for condition in &after.conditions {
        let old = before.conditions.iter().find(|old| old.r#type == condition.r#type);
        let news = of_condition(condition, old);
        // Several conditions may turn for one reason.
        events.extend(news.filter(|news| events.iter().all(|told| told.reason != news.reason)));
    }
    events
}

fn happenings(decided: &Decided, before: &Status, events: &mut Vec<Event>) {
    let Decided { answer, act, foreign, caught_up, .. } = decided;
    if let Some(stepped) = caught_up {
        events.push(event(false, stepped.step.kind(), stepped.to_string()));
    }
    if let Some(foreign) = foreign {
        events.push(event(true, foreign.reason(), foreign.to_string()));
    }
    if let Some((plan, ending)) = &answer.ended {
        let reason = ending.reason(was_approved(plan));
        events.push(event(is_bad(plan, ending), reason, ending_note(plan, ending)));
    }
    if let Some(plan) = answer.plan.as_ref().filter(|plan| stands(plan)) {
        let known = before.plan.as_ref().filter(|known| stands(known) && known.hash == plan.hash);
        let PlanStatus { hash, summary, .. } = plan;
        match (plan.state, known.map(|known| known.state)) {
            (PlanState::AwaitingApproval, None) => {
                let note = format!("{summary}: approve it with the annotation reshard.dev/approve={hash}");
                events.push(event(false, "PlanProposed", note));
            }
            (PlanState::Running, Some(PlanState::Running)) => {}
            (PlanState::Running, _) => {
                events.push(event(
                    false,
                    "PlanBegins",
                    format!("{summary}: plan {hash} is approved and begins"),
                ));
            }
            _ => {}
        }
    }
    if let Some(plan) = answer.plan.as_ref().filter(|plan| plan.state == PlanState::Planned)
        && before.plan.as_ref().is_none_or(|known| known.hash != plan.hash)
    {
        let note = format!("{}: shown and not carried out, spec.mode is DryRun", plan.summary);
        events.push(event(false, "PlanShown", note));
    }
    match act {
        Act::Stepped(stepped) if stepped.result == Err(ExecuteError::Stopped) => {}
        Act::Stepped(stepped) if stepped.is_done() => {
            events.push(event(false, stepped.step.kind(), stepped.to_string()));
        }
        // The hold that this leaves is told as a condition, once for all the splits that make up for it.
        Act::Stepped(stepped) if matches!(stepped.result, Err(ExecuteError::CountRefused(_))) => {}
        Act::Stepped(stepped) => {
            let reason = format!("{}{}", stepped.step.kind(), stepped.reason());
            events.push(event(true, &reason, stepped.to_string()));
        }
        Act::Nothing | Act::Begins | Act::AwaitsTurn | Act::Unconfirmed(_) => {}
    }
}

/// Whether somebody who approved the plan, or was to, should know.
fn is_bad(plan: &PlanStatus, ending: &Ending) -> bool {
    match ending {
        Ending::Done => false,
        Ending::Expired => true,
        _ => was_approved(plan),
    }
}

/// What there is to tell of a condition that has turned.
fn of_condition(condition: &Condition, old: Option<&Condition>) -> Option<Event> {
    let Condition { r#type, reason, message, .. } = condition;
    let (turned, was_well) = match old {
        Some(old) => ((old.status, &old.reason) != (condition.status, reason), is_well(old)),
        None => (true, true),
    };
    let told = |warning| Some(event(warning, reason, message.clone()));
    match (r#type.as_str(), reason.as_str()) {
        // Told by the others.
        ("Ready", _) => None,
        ("PlanPending", "ApprovalOfAnotherPlan" | "ApprovalUsedUp") => {
            let is_new = turned || old.is_some_and(|old| old.message != *message);
            if is_new { told(true) } else { None }
        }
        ("PlanPending", _) => None,
        _ if !turned => None,
        (_, "DryRun" | "Suspended") => told(false),
        ("ScalingLimited", _) if !is_well(condition) => told(false),
        _ if !is_well(condition) => told(true),
        // A hold that is only waited for.
        ("AbleToScale", reason) if reason != "ReadyForSteps" => told(false),
        _ if !was_well => told(false),
        _ => None,
    }
}

fn event(warning: bool, reason: &str, note: String) -> Event {
    let mut note = note;
    if note.len() > MOST_BYTES {
        let end = (0..=MOST_BYTES - 3).rev().find(|at| note.is_char_boundary(*at)).unwrap_or(0);
        note.truncate(end);
        note.push('…');
    }
    Event { warning, reason: reason.to_owned(), note }
}

#[cfg(test)]
mod tests;
