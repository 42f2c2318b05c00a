//! Ctrl-C and polite requests to end.

use tokio::signal::unix::{SignalKind, signal};

/// Waits until the user or the system wants the program to end.
pub async fn wait() {
    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()), signal(SignalKind::hangup()));
    if let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = signals {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    } else {
        // Without handlers the system ends the program by itself.
        std::future::pending::<()>().await;
    }
}
