//! A fuse in the line of every request, to the API server and to AWS: the operator that meets its
//! end dies there, before the request or after its effect.

use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use super::plane::{Answer, Way};

/// Where the operator dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// The request is not sent.
    Before,
    /// It has its effect, and nobody hears of it.
    After,
}

/// Counts requests, and ends the operator at one of them. Clones are the same fuse.
#[derive(Debug, Clone, Default)]
pub struct Fuse(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    blown: Notify,
}

#[derive(Debug, Default)]
struct State {
    count: usize,
    at: Option<(usize, Death)>,
    names: Vec<String>,
}

impl Fuse {
    /// It blows at the request `number`, counted from 0 from now on.
    pub fn set(&self, number: usize, death: Death) {
        let mut state = self.0.state.lock().unwrap();
        state.count = 0;
        state.at = Some((number, death));
    }

    /// What was asked so far.
    pub fn names(&self) -> Vec<String> {
        self.0.state.lock().unwrap().names.clone()
    }

    /// Waits until it has blown.
    pub async fn blown(&self) {
        self.0.blown.notified().await;
    }

    /// Lets a request pass, or does not.
    pub async fn pass<T>(&self, name: String, request: impl Future<Output = T>) -> T {
        let strikes = {
            let mut state = self.0.state.lock().unwrap();
            state.names.push(name);
            let number = state.count;
            state.count += 1;
            state.at.filter(|(at, _)| *at == number).map(|(_, death)| death)
        };
        if strikes == Some(Death::Before) {
            self.blow().await;
        }
        let reply = request.await;
        if strikes == Some(Death::After) {
            self.blow().await;
        }
        reply
    }

    async fn blow(&self) {
        self.0.state.lock().unwrap().at = None;
        self.0.blown.notify_one();
        std::future::pending().await
    }
}

impl Way for Fuse {
    async fn send<T: Send + 'static>(
        &self,
        operation: &'static str,
        request: impl Future<Output = Answer<T>> + Send + 'static,
    ) -> Answer<T> {
        self.pass(format!("aws {operation}"), request).await
    }
}
