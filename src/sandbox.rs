//! Kinesis and CloudWatch on loopback: the simulator behind AWS's wire protocols, for the AWS SDKs,
//! the AWS CLI and boto3 as they are.
//!
//! # Use
//!
//! ```text
//! $ reshard sandbox --stream orders --shards 4 --rate 3MB --zipf 1.1 &
//! $ export AWS_ENDPOINT_URL=http://127.0.0.1:4567 AWS_DEFAULT_REGION=us-east-1
//! $ export AWS_ACCESS_KEY_ID=sandbox AWS_SECRET_ACCESS_KEY=sandbox
//! $ aws kinesis list-shards --stream-name orders
//! $ aws kinesis split-shard --stream-name orders --shard-to-split shardId-000000000000 \
//!       --new-starting-hash-key 42535295865117307932921825928971026432
//! $ aws cloudwatch list-metrics --namespace AWS/Kinesis
//! ```
//!
//! In a test:
//!
//! ```
//! use reshard::sandbox::Sandbox;
//! use reshard::simulator::{Cloud, Config};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let sandbox = Sandbox::start(Cloud::new(Config::default()), 60, listener)?;
//! println!("AWS_ENDPOINT_URL={}", sandbox.endpoint_url());
//! sandbox.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! # What it speaks
//!
//! - Kinesis: AWS JSON 1.1, and the CBOR 1.1 of the Java SDK. CloudWatch: Smithy RPC v2 CBOR, AWS
//!   JSON 1.0, and the Query protocol of older clients. STS, for clients that assume a role: whoever asks
//!   gets any. Gzip-packed requests are taken.
//! - Requests must bear a signature, as on AWS; it is not verified.
//! - Time is the sandbox's own: it begins where the model's does and runs `speed` times as fast as
//!   the machine's. Every reply's `Date` header tells it, so a client that asks AWS what time it is
//!   sees the sandbox's. SDKs that correct their clock by that header sign with the sandbox's time.

mod cbor;
mod clock;
mod cloudwatch;
mod connection;
mod error;
mod json;
mod kinesis;
mod operation;
mod options;
mod protocol;
mod query;
mod server;
mod sts;
mod validation;
mod value;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::any;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use clock::Clock;
pub use options::{
    ByteRate, ConsumerOption, HotSpotOption, OptionsError, ParseError, SandboxOptions, Seconds, Shape,
};

use crate::simulator::Cloud;
use connection::{BreakableListener, Breaker};
use server::Shared;

/// How often the model is brought to the clock's time while nobody asks.
const TICK: Duration = Duration::from_millis(100);
/// How long connections may take to end when the sandbox stops.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// Why a sandbox did not start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The options are wrong.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

/// A running sandbox. It stops when it is dropped.
#[derive(Debug)]
pub struct Sandbox {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
    ticker: JoinHandle<()>,
}

impl Sandbox {
    /// Serves `cloud` on `listener`. Its time goes on from [`Cloud::now`], `speed` times as fast as
    /// the machine's; at 0 it stands still but for [`Clock::skip`].
    ///
    /// # Errors
    /// If the listener has no address.
    pub fn start(cloud: Cloud, speed: u32, listener: TcpListener) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let clock = Clock::start(cloud.now(), speed);
        let shared = Arc::new(Shared::new(cloud, clock));
        let app = Router::new().fallback(any(server::handle)).with_state(Arc::clone(&shared));
        let app = app.into_make_service_with_connect_info::<Breaker>();
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(async move {
            let server = axum::serve(BreakableListener(listener), app);
            let server = server.with_graceful_shutdown(async {
                // A dropped sender stops the server as a sent message does.
                let _stopped_or_dropped = stopped.await;
            });
            if let Err(error) = server.await {
                tracing::error!(%error, "the sandbox's server ended");
            }
        });
        let ticking = Arc::clone(&shared);
        let ticker = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(TICK);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                drop(ticking.cloud_now());
            }
        });
        Ok(Sandbox { address, shared, stop: Some(stop), server, ticker })
    }

    /// Makes the model that `options` describe, its time being `now` (that of the machine's clock
    /// unless a test wants another), and serves it where they say.
    ///
    /// # Errors
    /// [`SandboxError`] says which option is wrong, or why the address cannot be listened on.
    pub async fn open(options: &SandboxOptions, now: Timestamp) -> Result<Self, SandboxError> {
        options.check()?;
        let listen = |source| SandboxError::Listen { address: options.listen, source };
        let listener = TcpListener::bind(options.listen).await.map_err(listen)?;
        Sandbox::start(options.build(now)?, options.speed, listener).map_err(listen)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What `AWS_ENDPOINT_URL` wants.
    pub fn endpoint_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its time.
    pub fn clock(&self) -> &Clock {
        self.shared.clock()
    }

    /// Does something with the model, at the time that the clock shows.
    pub fn with_cloud<T>(&self, action: impl FnOnce(&mut Cloud) -> T) -> T {
        action(&mut self.shared.cloud_now())
    }

    /// Takes no more requests and waits for those under way, two seconds at the most.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            // An error means that the server has already ended.
            let _already_ended = stop.send(());
        }
        let _timed_out = tokio::time::timeout(SHUTDOWN, &mut self.server).await;
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.ticker.abort();
        self.server.abort();
    }
}
