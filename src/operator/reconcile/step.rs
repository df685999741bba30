//! One step that was decided on: the API server takes in that it begins, and it is carried out.

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use tracing::Instrument;

use super::Shared;
use super::tell::pass_of;
use crate::executor::{Executor, StopSignal};
use crate::operator::events;
use crate::operator::fence::Fenced;
use crate::operator::object::{APPROVE, Key};
use crate::operator::outcome::{Act, Decided, Outcome, Pass, Stepped};
use crate::operator::planes::Planes;
use crate::operator::registry::View;
use crate::operator::session::Session;
use crate::plan::Plan;

/// A step that may be taken, with the way to AWS on which it was decided.
pub(super) struct Work<P> {
    pub(super) plane: P,
    pub(super) plan: Box<Plan>,
    pub(super) index: usize,
    /// What the step does, for people.
    pub(super) action: String,
    /// Why, for people.
    pub(super) why: Option<String>,
    pub(super) urgency: u64,
    pub(super) observed_at: Timestamp,
    pub(super) looked: Instant,
}

impl<P: Planes> Shared<P> {
    /// Takes the step, once the API server has taken in that it begins, and has confirmed that the
    /// resource still asks for it.
    pub(super) async fn act(
        &self,
        key: &Key,
        session: &mut Session,
        view: &View,
        decided: &mut Decided,
        work: Work<Fenced<P::Plane>>,
        stop: &StopSignal,
    ) {
        let Ok(policy) = &*view.policy else { return };
        decided.act = Act::Begins;
        let begins = Outcome::Decided(Box::new(decided.clone()));
        let pass = pass_of(key, &view.object, begins);
        if let Err(why) = self.confirm(session, view, &pass).await {
            session.unconfirmed = session.unconfirmed.saturating_add(1);
            decided.act = Act::Unconfirmed(why);
            return;
        }
        session.unconfirmed = 0;
        let Work { plane, plan, index, action, why, urgency: _, observed_at, looked } = work;
        let plane = match self.plane(&self.identity(key, policy, Some(&plan))).await {
            Ok(named) => named,
            // It was there a moment ago, without the plan in its name.
            Err(_) => plane,
        };
        let Some(step) = plan.steps().get(index).cloned() else { return };
        let begun = Instant::now();
        let span = tracing::error_span!("step", plan = plan.hash.as_str());
        let executor = Executor::new(&plane, policy).with_stop(stop.clone());
        let result = async {
            tracing::info!(why, "begins: {action}");
            executor.execute_step(&plan, index).await
        }
        .instrument(span)
        .await;
        let passed = SignedDuration::try_from(looked.elapsed()).unwrap_or_default();
        let stepped = Stepped {
            step,
            action,
            why,
            plan: plan.hash.clone(),
            index,
            of: plan.steps().len(),
            result,
            at: observed_at.checked_add(passed).unwrap_or(observed_at),
            took: begun.elapsed(),
        };
        session.stepped(&stepped);
        if stepped.needs_a_person() {
            // It is tried again when the clock says so.
            session.observer.decided(&decided.report.plan, false);
        }
        decided.act = Act::Stepped(Box::new(stepped));
    }

    /// Writes that a step begins, and looks at the resource that comes back: the freshest there is.
    async fn confirm(&self, session: &mut Session, view: &View, pass: &Pass) -> Result<(), String> {
        let before = session.status(&view.object).cloned().unwrap_or_default();
        let now = (self.clock)();
        let status = before.after(pass, now);
        session.tell(events::events(pass, &before, &status), now, Instant::now());
        self.post(session, &view.object).await;
        let written = self.kube.write_status(&view.object, &status).await;
        session.wrote(status, written.as_ref().ok(), Instant::now());
        let fresh = written.map_err(|error| error.to_string())?;
        if fresh.metadata.deletion_timestamp.is_some() {
            return Err("the resource is being deleted".to_owned());
        }
        if fresh.generation() != view.object.generation() {
            return Err("the resource has just been changed".to_owned());
        }
        if fresh.annotation(APPROVE) != view.object.annotation(APPROVE) {
            return Err("the approval has just been changed".to_owned());
        }
        Ok(())
    }
}
