//! What the operator answers on HTTP: `/metrics`, `/healthz` (the loop moves) and `/readyz` (what it
//! acts on has been listed). Neither asks whether AWS can be reached, nor who leads.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::metrics::{CONTENT_TYPE, Metrics};

/// How long a connection may last: one request, its reply included, whoever is slow.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the head of a request may take to arrive.
const HEAD_TIMEOUT: Duration = Duration::from_secs(3);
/// How many connections are served at once. More wait in the kernel's queue.
const MOST_CONNECTIONS: usize = 32;
/// How long replies that are under way are waited for at the end.
const GOODBYE: Duration = Duration::from_secs(1);

/// Says that the loop moves. Clones share the beat.
#[derive(Debug, Clone)]
pub struct Heartbeat(Arc<Mutex<Instant>>);

impl Default for Heartbeat {
    /// It beats first now.
    fn default() -> Self {
        Heartbeat(Arc::new(Mutex::new(Instant::now())))
    }
}

impl Heartbeat {
    /// The loop has come round once more.
    pub fn beat(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// For how long it has not beaten.
    pub fn silence(&self) -> Duration {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}

/// Whether what the operator acts on has been listed. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// It has, or, once the watch has been lost for good, has not.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Relaxed);
    }

    /// Whether it has.
    pub fn is_ready(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// `/metrics`.
pub fn metrics_routes(metrics: Metrics) -> Router {
    Router::new()
        .route("/metrics", get(async move || ([(header::CONTENT_TYPE, CONTENT_TYPE)], metrics.render())))
}

/// `/healthz` and `/readyz`. The loop counts as stuck when it has not come round for `patience`.
pub fn probe_routes(heartbeat: Heartbeat, patience: Duration, readiness: Readiness) -> Router {
    let health = async move || {
        let silence = heartbeat.silence();
        if silence <= patience {
            return (StatusCode::OK, "ok\n".to_owned()).into_response();
        }
        let (silence, patience) = (silence.as_secs(), patience.as_secs());
        let why = format!("the loop has not come round for {silence} s; {patience} s are too many\n");
        (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
    };
    let ready = async move || match readiness.is_ready() {
        true => (StatusCode::OK, "ok\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "the resources have not been listed yet\n"),
    };
    Router::new().route("/healthz", get(health)).route("/readyz", get(ready))
}

/// A server on an address of its own.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    routes: Router,
    connection_timeout: Duration,
}

impl Server {
    /// Listens at `address`; port 0 takes any that is free.
    ///
    /// # Errors
    /// With the address, where nobody may listen there.
    pub async fn bind(address: SocketAddr, routes: Router) -> io::Result<Self> {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| io::Error::new(error.kind(), format!("cannot listen at {address}: {error}")))?;
        Ok(Server { listener, routes, connection_timeout: CONNECTION_TIMEOUT })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until `stop`; what is under way then has a second left.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let Server { listener, routes, connection_timeout } = self;
        let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let mut connections = JoinSet::new();
        let accepting = async {
            while let Ok(place) = Arc::clone(&places).acquire_owned().await {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        let routes = routes.clone();
                        connections.spawn(async move {
                            let _place = place;
                            // Whoever is too slow is not waited for.
                            let _late =
                                tokio::time::timeout(connection_timeout, answer(stream, routes)).await;
                        });
                        while connections.try_join_next().is_some() {}
                    }
                    // Out of file descriptors, or the client has gone again.
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
        };
        tokio::select! {
            () = accepting => {}
            () = stop => {}
        }
        drop(listener);
        let ended = async { while connections.join_next().await.is_some() {} };
        let _whoever_is_slow = tokio::time::timeout(GOODBYE, ended).await;
    }
}

/// One request and its reply.
async fn answer(stream: TcpStream, routes: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .keep_alive(false)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection broke off");
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use tokio::sync::oneshot;

    use super::*;

    /// A server, where it is, and what stops it and waits for its end.
    async fn serve(routes: Router) -> (SocketAddr, oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
        let mut server =
            Server::bind("127.0.0.1:0".parse().expect("an address"), routes).await.expect("bound");
        server.connection_timeout = Duration::from_millis(400);
        let address = server.address().expect("bound");
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(server.serve(async move { drop(stopped.await) }));
        (address, stop, served)
    }

    /// Sends `text` and reads until the server closes.
    async fn exchange(address: SocketAddr, text: &'static str) -> String {
        tokio::task::spawn_blocking(move || {
            let mut stream = std::net::TcpStream::connect(address).expect("it listens");
            stream.write_all(text.as_bytes()).expect("sent");
            let mut reply = String::new();
            let _reset_is_an_end = stream.read_to_string(&mut reply);
            reply
        })
        .await
        .expect("it ends")
    }

    const METRICS: &str = "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n";
    const HEALTH: &str = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    const READY: &str = "GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n";

    #[tokio::test]
    async fn metrics_are_open_metrics_text() {
        let metrics = Metrics::new("reshard", false);
        metrics.leading(true);
        let (address, _stop, _served) = serve(metrics_routes(metrics)).await;
        let reply = exchange(address, METRICS).await;
        assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
        assert!(reply.contains("content-type: application/openmetrics-text; version=1.0.0"), "{reply}");
        assert!(
            reply.contains("\nreshard_leader{lease=\"reshard\"} 1\n") && reply.ends_with("# EOF\n"),
            "{reply}"
        );
        assert!(exchange(address, HEALTH).await.starts_with("HTTP/1.1 404"), "probes are elsewhere");
        let posted = exchange(address, "POST /metrics HTTP/1.1\r\ncontent-length: 0\r\n\r\n").await;
        assert!(posted.starts_with("HTTP/1.1 405"), "{posted}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_stands_still_is_unhealthy_and_says_so() {
        let heartbeat = Heartbeat::default();
        let routes = probe_routes(heartbeat.clone(), Duration::from_secs(120), Readiness::default());
        let health = async || {
            use tower::ServiceExt as _;
            let request =
                axum::http::Request::get("/healthz").body(axum::body::Body::empty()).expect("a request");
            let reply = routes.clone().oneshot(request).await.expect("a reply");
            let status = reply.status().as_u16();
            let body = axum::body::to_bytes(reply.into_body(), 1_000).await.expect("a body");
            (status, String::from_utf8_lossy(&body).into_owned())
        };
        tokio::time::sleep(Duration::from_secs(120)).await;
        assert_eq!(health().await.0, 200);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (status, why) = health().await;
        assert_eq!(status, 503);
        assert!(why.contains("has not come round for 121 s"), "{why}");
        heartbeat.beat();
        assert_eq!(health().await.0, 200);
    }

    #[tokio::test]
    async fn who_has_listed_is_ready_whoever_leads() {
        let readiness = Readiness::default();
        let routes = probe_routes(Heartbeat::default(), Duration::from_secs(60), readiness.clone());
        let (address, _stop, _served) = serve(routes).await;
        assert!(exchange(address, READY).await.starts_with("HTTP/1.1 503"));
        readiness.set(true);
        assert!(exchange(address, READY).await.starts_with("HTTP/1.1 200"));
    }

    #[tokio::test]
    async fn who_sends_slowly_or_nothing_keeps_nobody_waiting() {
        let (address, _stop, _served) = serve(metrics_routes(Metrics::new("reshard", false))).await;
        let silent: Vec<_> = (0..MOST_CONNECTIONS + 5)
            .map(|_| std::net::TcpStream::connect(address).expect("connected"))
            .collect();
        let began = Instant::now();
        assert!(exchange(address, METRICS).await.starts_with("HTTP/1.1 200"));
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        drop(silent);
        let half = exchange(address, "GET /metrics HTT").await;
        assert!(!half.contains("200 OK"), "{half}");
    }

    #[tokio::test]
    async fn the_end_waits_for_replies_and_not_for_the_slow() {
        let (address, stop, served) = serve(metrics_routes(Metrics::new("reshard", false))).await;
        let _silent = std::net::TcpStream::connect(address).expect("connected");
        stop.send(()).expect("it runs");
        tokio::time::timeout(Duration::from_secs(3), served).await.expect("it ends").expect("well");
        assert!(std::net::TcpStream::connect(address).is_err(), "nobody listens any more");
    }

    #[tokio::test]
    async fn an_address_that_is_taken_is_named() {
        let (address, _stop, _served) = serve(Router::new()).await;
        let error = Server::bind(address, Router::new()).await.expect_err("taken");
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }
}
