//! A server task and the signal that ends it.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long open calls may take to finish once a shutdown is asked for.
const GRACE: Duration = Duration::from_secs(1);

/// Owns a server task. Dropping it asks the server to stop without waiting for it.
#[derive(Debug)]
pub(crate) struct Running {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Running {
    /// Spawns `serve`, which must end soon after the receiver it is given resolves.
    pub(crate) fn spawn<F, S>(serve: F) -> Self
    where
        F: FnOnce(oneshot::Receiver<()>) -> S,
        S: Future<Output = ()> + Send + 'static,
    {
        let (stop, stopped) = oneshot::channel();
        Self { stop: Some(stop), task: tokio::spawn(serve(stopped)) }
    }

    /// Stops accepting, lets open calls finish for a moment, then gives them up.
    pub(crate) async fn shutdown(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if tokio::time::timeout(GRACE, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

/// How many tokens a server has issued that has just been started: a number no other start has. A token of an earlier
/// server on the same port is then neither good nor issued again, as with a vendor.
pub(crate) fn issued_before() -> u64 {
    RandomState::new().hash_one("issued") >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_starts_issue_the_same_tokens() {
        let starts: std::collections::HashSet<u64> = (0..100).map(|_| issued_before()).collect();
        assert!(starts.len() > 95, "{starts:?}");
        assert!(starts.iter().all(|start| *start <= u64::from(u32::MAX)));
    }
}
