//! The wire between a client and an API server, in memory or real: it counts requests, and on it
//! things go wrong on purpose. A request that was sent arrives, though its sender has stopped waiting.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use kube::Client;
use kube::client::Body;
use tokio::time::Instant;
use tower::{BoxError, Service};

use self::broken::Breaking;
pub use self::fault::{Effect, Fault, Refused, When};
use self::fault::{Fate, Faults};
use super::kube::ApiServer;
use super::kube::call::Call;

mod broken;
mod fault;

/// What is shared by all clients of a cluster: the faults and the log.
#[derive(Debug, Clone)]
pub struct Wire(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    faults: Faults,
    log: Vec<Sent>,
}

/// A request that was sent.
#[derive(Debug, Clone)]
pub struct Sent {
    /// When it left the client.
    pub at: Instant,
    pub client: String,
    pub call: Call,
    /// What the client was answered; nothing before that, or where the connection broke.
    pub code: Option<u16>,
}

/// Where requests go.
#[derive(Clone)]
pub enum Upstream {
    Memory(ApiServer),
    Real(Client),
}

impl Wire {
    /// A wire whose chance its seed decides.
    pub fn new(seed: u64) -> Wire {
        Wire(Arc::new(Mutex::new(State { faults: Faults::new(seed), log: Vec::new() })))
    }

    /// A client of that name.
    pub fn client(&self, upstream: Upstream, name: &str, namespace: &str) -> Client {
        let client = name.to_owned();
        Client::new(End { wire: self.clone(), upstream, client, limit: None }, namespace)
    }

    /// The same, which waits for a reply no longer than `limit`, of a watch until it begins: as the
    /// product's own client does.
    pub fn limited_client(&self, upstream: Upstream, name: &str, limit: Duration) -> Client {
        let client = name.to_owned();
        Client::new(End { wire: self.clone(), upstream, client, limit: Some(limit) }, "default")
    }

    /// From now on this goes wrong besides.
    pub fn fault(&self, fault: Fault) {
        self.state().faults.add(fault);
    }

    /// Nothing goes wrong any more.
    pub fn heal(&self) {
        self.state().faults.clear();
    }

    /// All requests since the log was cleared.
    pub fn log(&self) -> Vec<Sent> {
        self.state().log.clone()
    }

    /// How many requests there were of this kind.
    pub fn count(&self, is: impl Fn(&Sent) -> bool) -> usize {
        self.state().log.iter().filter(|sent| is(sent)).count()
    }

    /// When the last request of this kind was sent.
    pub fn last(&self, is: impl Fn(&Sent) -> bool) -> Option<Instant> {
        self.state().log.iter().rev().find(|sent| is(sent)).map(|sent| sent.at)
    }

    pub fn clear_log(&self) {
        self.state().log.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client's end of the wire.
#[derive(Clone)]
struct End {
    wire: Wire,
    upstream: Upstream,
    client: String,
    limit: Option<Duration>,
}

type Reply = Response<UnsyncBoxBody<Bytes, BoxError>>;

impl Service<Request<Body>> for End {
    type Response = Reply;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Reply, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (end, limit) = (self.clone(), self.limit.unwrap_or(Duration::MAX));
        let travel = tokio::spawn(async move { end.carry(request).await });
        Box::pin(async move {
            match tokio::time::timeout(limit, travel).await {
                Ok(travelled) => travelled.unwrap_or_else(|error| Err(error.into())),
                Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
            }
        })
    }
}

impl End {
    async fn carry(self, request: Request<Body>) -> Result<Reply, BoxError> {
        let (head, body) = request.into_parts();
        let call = Call::of(&head);
        let (fate, number) = {
            let mut state = self.wire.state();
            let fate = state.faults.fate(&self.client, &call);
            let sent = Sent { at: Instant::now(), client: self.client.clone(), call, code: None };
            state.log.push(sent);
            (fate, state.log.len() - 1)
        };
        let Fate { before, after, effect, breaks } = fate;
        tokio::time::sleep(before).await;
        let reply = match effect {
            Some(Effect::LoseRequest) => return Err(reset()),
            Some(Effect::Silence) => std::future::pending().await,
            Some(Effect::Refuse(refused)) => refused.reply(),
            _ => self.upstream.send(&self.client, Request::from_parts(head, body)).await?,
        };
        tokio::time::sleep(after).await;
        if matches!(effect, Some(Effect::LoseReply)) {
            return Err(reset());
        }
        let code = reply.status().as_u16();
        if let Some(sent) = self.wire.state().log.get_mut(number) {
            sent.code = Some(code);
        }
        Ok(match breaks {
            Some(breaks) => reply.map(|body| Breaking::new(body, breaks).boxed_unsync()),
            None => reply,
        })
    }
}

impl Upstream {
    async fn send(&self, client: &str, request: Request<Body>) -> Result<Reply, BoxError> {
        match self {
            Upstream::Memory(server) => {
                let (head, body) = request.into_parts();
                let body = body.collect_bytes().await?;
                let reply = server.answer(client, &head, &body)?;
                Ok(reply.map(|body| body.map_err(BoxError::from).boxed_unsync()))
            }
            Upstream::Real(client) => {
                let reply = client.send(request).await?;
                Ok(reply.map(|body| body.map_err(BoxError::from).boxed_unsync()))
            }
        }
    }
}

fn reset() -> BoxError {
    io::Error::from(io::ErrorKind::ConnectionReset).into()
}
