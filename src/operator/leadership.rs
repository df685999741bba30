//! Until when this replica may act. The elector says it, and everything that writes to AWS asks.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// Where the elector says until when this replica leads.
#[derive(Debug)]
pub struct LeadershipHandle(watch::Sender<Option<Instant>>);

/// Whether this replica leads, and for how long it certainly still does.
#[derive(Debug, Clone)]
pub struct Leadership(Held);

#[derive(Debug, Clone)]
enum Held {
    Always,
    Until(watch::Receiver<Option<Instant>>),
}

/// A handle and what it tells; nobody leads yet.
pub fn leadership() -> (LeadershipHandle, Leadership) {
    let (sender, receiver) = watch::channel(None);
    (LeadershipHandle(sender), Leadership(Held::Until(receiver)))
}

impl LeadershipHandle {
    /// This replica leads until `deadline`, by the monotonic clock.
    pub fn holds_until(&self, deadline: Instant) {
        self.0.send_replace(Some(deadline));
    }

    /// This replica does not lead.
    pub fn lost(&self) {
        self.0.send_replace(None);
    }
}

impl Leadership {
    /// Of one that has no rival: the one-shot run.
    pub fn always() -> Self {
        Leadership(Held::Always)
    }

    /// For how long this replica certainly still leads; zero where it does not.
    pub fn remaining(&self) -> Duration {
        match &self.0 {
            Held::Always => Duration::MAX,
            Held::Until(receiver) => receiver
                .borrow()
                .map_or(Duration::ZERO, |deadline| deadline.saturating_duration_since(Instant::now())),
        }
    }

    /// Waits until this replica leads.
    pub async fn gained(&self) {
        while self.remaining().is_zero() {
            let Held::Until(receiver) = &self.0 else { return };
            let mut receiver = receiver.clone();
            receiver.borrow_and_update();
            if self.remaining().is_zero() && receiver.changed().await.is_err() {
                // Nobody can give it any more.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits until this replica does not lead any more: it was told so, or nobody renewed in time.
    pub async fn ended(&self) {
        let Held::Until(receiver) = &self.0 else { return std::future::pending().await };
        let mut receiver = receiver.clone();
        loop {
            let deadline = *receiver.borrow_and_update();
            let Some(deadline) = deadline.filter(|deadline| *deadline > Instant::now()) else { return };
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => {}
                changed = receiver.changed() => if changed.is_err() {
                    return tokio::time::sleep_until(deadline).await;
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn leadership_that_nobody_renews_ends_by_itself() {
        let (handle, leadership) = leadership();
        assert_eq!(leadership.remaining(), Duration::ZERO);
        let start = Instant::now();
        handle.holds_until(start + Duration::from_secs(10));
        leadership.gained().await;
        assert_eq!(leadership.remaining(), Duration::from_secs(10));
        leadership.ended().await;
        assert_eq!(start.elapsed(), Duration::from_secs(10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewal_goes_on_and_a_loss_ends_at_once() {
        let (handle, leadership) = leadership();
        let start = Instant::now();
        handle.holds_until(start + Duration::from_secs(10));
        let ended = tokio::spawn({
            let leadership = leadership.clone();
            async move { leadership.ended().await }
        });
        tokio::time::sleep(Duration::from_secs(5)).await;
        handle.holds_until(start + Duration::from_secs(15));
        tokio::time::sleep(Duration::from_secs(7)).await;
        assert!(!ended.is_finished());
        handle.lost();
        ended.await.expect("it ends");
        assert_eq!(start.elapsed(), Duration::from_secs(12));
    }
}
