//! The client against servers on loopback that answer as they should not.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::AsyncBufReadExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// Answers every request with these pieces, with so much time before each; keeps the requests.
async fn server(pieces: &'static [(u64, &'static str)]) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let keep = Arc::clone(&keep);
            tokio::spawn(async move {
                let mut buffer = vec![0; 16_384];
                while let Ok(length @ 1..) = connection.read(&mut buffer).await {
                    let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
                    keep.lock().expect("not poisoned").push(request);
                    for (wait, piece) in pieces {
                        tokio::time::sleep(Duration::from_millis(*wait)).await;
                        if connection.write_all(piece.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    (url, asked)
}

const LIMIT: Duration = Duration::from_millis(300);

fn connection(url: &str, calls: ApiCalls) -> Connection {
    let options = ClusterOptions { call_timeout: LIMIT, ..ClusterOptions::default() };
    let config = Config::new(url.parse().expect("a URL"));
    open(config, &options, calls).expect("a client")
}

fn request(uri: &str) -> http::Request<Vec<u8>> {
    http::Request::get(uri).body(Vec::new()).expect("a request")
}

const ORDERS: &str = "/apis/reshard.dev/v1alpha1/namespaces/payments/kinesisstreamautoscalers/orders";

async fn get(url: &str) -> Result<serde_json::Value, kube::Error> {
    connection(url, ApiCalls::untold()).client.request(request(ORDERS)).await
}

#[tokio::test]
async fn a_call_without_an_answer_ends_in_time_and_is_told_of() {
    for pieces in
        [&[(60_000, "")][..], &[(0, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"), (60_000, "")]]
    {
        let (url, asked) = server(pieces).await;
        let told = Arc::new(AtomicUsize::new(0));
        let calls = ApiCalls::tell({
            let told = Arc::clone(&told);
            move |call| {
                assert_eq!(
                    (call.verb, call.resource, call.status),
                    ("get", "kinesisstreamautoscalers", None)
                );
                told.fetch_add(1, Ordering::Relaxed);
            }
        });
        let reply: Result<serde_json::Value, _> =
            connection(&url, calls).client.request(request(ORDERS)).await;
        let error = explain(&reply.expect_err("no answer"));
        assert_eq!(error, "the API server has not answered within 0.3 s");
        assert_eq!((asked.lock().expect("not poisoned").len(), told.load(Ordering::Relaxed)), (1, 1));
    }
}

#[tokio::test]
async fn nothing_is_sent_twice() {
    for busy in [
        "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 429 Too Many Requests\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 504 Gateway Timeout\r\ncontent-length: 0\r\n\r\n",
    ] {
        let pieces: &'static [(u64, &'static str)] = Box::leak(Box::new([(0, busy)]));
        let (url, asked) = server(pieces).await;
        let put = http::Request::put(ORDERS).body(b"{}".to_vec()).expect("a request");
        let reply: Result<serde_json::Value, _> =
            connection(&url, ApiCalls::untold()).client.request(put).await;
        reply.expect_err("refused");
        let asked = asked.lock().expect("not poisoned");
        assert_eq!(asked.len(), 1, "{busy}");
        assert!(asked[0].to_lowercase().contains("user-agent: reshard/"), "{}", asked[0]);
    }
}

#[tokio::test]
async fn a_watch_may_be_silent_for_longer_than_a_call() {
    let (url, _) = server(&[
        (0, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"),
        (900, "5\r\nlate\n\r\n0\r\n\r\n"),
    ])
    .await;
    let client = connection(&url, ApiCalls::untold()).client;
    let list = ORDERS.trim_end_matches("/orders");
    let reader = client.request_stream(request(&format!("{list}?watch=true"))).await.expect("it begins");
    let mut line = String::new();
    std::pin::pin!(reader).read_line(&mut line).await.expect("it goes on");
    assert_eq!(line, "late\n");
}

#[tokio::test]
async fn what_is_wrong_is_told_in_a_sentence() {
    let free = TcpListener::bind("127.0.0.1:0").await.expect("loopback").local_addr().expect("bound");
    let told = explain(&get(&format!("http://{free}")).await.expect_err("nobody listens"));
    assert!(told.starts_with("the API server cannot be reached: ") && told.contains("refused"), "{told}");

    let (url, _) = server(&[(
        0,
        "HTTP/1.1 403 Forbidden\r\ncontent-type: application/json\r\ncontent-length: 96\r\n\r\n\
         {\"kind\":\"Status\",\"code\":403,\"reason\":\"Forbidden\",\"status\":\"Failure\",\"message\":\"ann may not\"}    ",
    )])
    .await;
    assert_eq!(explain(&get(&url).await.expect_err("forbidden")), "ann may not");

    let (url, _) =
        server(&[(0, "HTTP/1.1 404 Not Found\r\ncontent-length: 19\r\n\r\n404 page not found\n")]).await;
    let told = explain(&get(&url).await.expect_err("no such resource"));
    assert!(told.contains("reshard crd | kubectl apply"), "{told}");
}

#[test]
fn a_context_that_is_not_there_is_refused_with_those_that_are() {
    let kubeconfig = || {
        Kubeconfig::from_yaml("{contexts: [{name: dev}, {name: prod}], current-context: dev}")
            .expect("a kubeconfig")
    };
    let chosen = with_context(kubeconfig(), Some("prod")).expect("it is there");
    assert_eq!(chosen.current_context.as_deref(), Some("prod"));
    assert_eq!(with_context(kubeconfig(), None).expect("as it is").current_context.as_deref(), Some("dev"));
    let told = with_context(kubeconfig(), Some("prd")).expect_err("it is not").to_string();
    assert_eq!(told, "the kubeconfig has no context \"prd\", only dev, prod");
}
