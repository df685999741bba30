//! Ctrl-C and SIGTERM: the first ends a command after the step in flight, the second at once.

use std::process;
use std::sync::Arc;

use super::output::Output;
use crate::executor::{StopSignal, stop_signal};

/// The exit code of a command that was interrupted twice: 128 + SIGINT, as shells have it.
const INTERRUPTED: i32 = 130;

/// A signal that comes with the first Ctrl-C or SIGTERM, which is answered with `message`.
pub(super) fn stop_on_signal(output: &Arc<Output>, message: &'static str) -> StopSignal {
    let output = Arc::clone(output);
    stop_and_tell(move || output.note(message))
}

/// A signal that comes with the first Ctrl-C or SIGTERM, of which `tell` tells.
pub(super) fn stop_and_tell(tell: impl FnOnce() + Send + 'static) -> StopSignal {
    let (handle, signal) = stop_signal();
    tokio::spawn(async move {
        asked_to_stop().await;
        tell();
        handle.stop();
        asked_to_stop().await;
        process::exit(INTERRUPTED);
    });
    signal
}

/// Waits for Ctrl-C or SIGTERM.
async fn asked_to_stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    if tokio::signal::ctrl_c().await.is_err() {
        // Without a handler nobody can ask.
        std::future::pending::<()>().await;
    }
}
