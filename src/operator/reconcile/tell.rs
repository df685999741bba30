//! What a pass came to is written into the status, told as events, and logged.

use tokio::time::Instant;

use super::Shared;
use crate::operator::api::ApiError;
use crate::operator::audience;
use crate::operator::events;
use crate::operator::object::{APPROVE, Autoscaler, Key, RECONCILE_AT};
use crate::operator::outcome::{Outcome, Pass};
use crate::operator::planes::Planes;
use crate::operator::registry::View;
use crate::operator::session::Session;

impl<P: Planes> Shared<P> {
    /// Writes, tells and logs what a pass came to.
    pub(super) async fn conclude(
        &self,
        key: &Key,
        session: &mut Session,
        view: &View,
        outcome: Outcome,
        begun: Instant,
    ) {
        let pass = pass_of(key, &view.object, outcome);
        let now = (self.clock)();
        let before = session.status(&view.object).cloned().unwrap_or_default();
        let status = before.after(&pass, now);
        session.tell(events::events(&pass, &before, &status), now, Instant::now());
        // What the status says is no news to whoever takes over: it is told first, and may thus be told
        // twice, but not left out.
        self.post(session, &view.object).await;
        let new = session.is_worth_writing(&status, Instant::now());
        if new {
            let written = self.kube.write_status(&view.object, &status).await;
            match &written {
                Err(error @ ApiError::Gone) => tracing::debug!(%error, "the status cannot be written"),
                Err(error) => tracing::warn!(%error, "the status cannot be written"),
                Ok(_) => {}
            }
            session.wrote(status, written.as_ref().ok(), Instant::now());
        }
        audience::log(&pass, begun.elapsed(), new);
        if let Some(status) = session.status(&view.object) {
            self.audience.passed(&pass, status, begun.elapsed());
        }
    }

    /// Posts the events that wait, until one cannot be posted now.
    pub(super) async fn post(&self, session: &mut Session, object: &Autoscaler) {
        while let Some((at, event)) = session.next_event() {
            match self.kube.post(object, event, *at).await {
                Ok(()) => session.posted(),
                // It is meant, and would be refused again.
                Err(error @ (ApiError::Refused { code: 400..=428, .. } | ApiError::Gone)) => {
                    tracing::warn!(%error, event.reason, "an event is refused");
                    session.posted();
                }
                Err(error) => {
                    tracing::warn!(%error, event.reason, "an event waits");
                    return;
                }
            }
        }
    }
}

/// A pass over `object` that came to `outcome`.
pub(super) fn pass_of(key: &Key, object: &Autoscaler, outcome: Outcome) -> Pass {
    let own = |annotation: &str| object.annotation(annotation).map(str::to_owned);
    Pass {
        key: key.clone(),
        generation: object.generation(),
        token: own(RECONCILE_AT),
        approval: own(APPROVE),
        outcome,
    }
}
