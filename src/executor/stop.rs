//! The signal that ends a run after the step in flight.

use tokio::sync::watch;

/// Where somebody may ask for an end.
#[derive(Debug, Clone)]
pub struct StopHandle(watch::Sender<bool>);

/// Where it is seen.
#[derive(Debug, Clone)]
pub struct StopSignal(Option<watch::Receiver<bool>>);

/// A handle and the signal that it gives.
pub fn stop_signal() -> (StopHandle, StopSignal) {
    let (sender, receiver) = watch::channel(false);
    (StopHandle(sender), StopSignal(Some(receiver)))
}

impl StopHandle {
    /// Asks for the end.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl StopSignal {
    /// A signal that never comes.
    pub fn never() -> Self {
        StopSignal(None)
    }

    /// Whether it has come.
    pub fn is_set(&self) -> bool {
        self.0.as_ref().is_some_and(|receiver| *receiver.borrow())
    }

    /// Waits for it, forever if nobody can give it any more.
    pub async fn given(&self) {
        if let Some(mut receiver) = self.0.clone()
            && receiver.wait_for(|stop| *stop).await.is_ok()
        {
            return;
        }
        std::future::pending().await
    }
}
