//! The API server in memory behind HTTP on loopback, for clients that are other processes.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use http::{Response, StatusCode};

use super::kube::ApiServer;

/// Serves `server` until the process ends, whoever asks being `client`, and says where.
pub fn serve(server: ApiServer, client: &str) -> String {
    let client: Arc<str> = client.into();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let answer = move |request: Request| answer(server.clone(), client.clone(), request);
            axum::serve(listener, Router::new().fallback(answer)).await.unwrap();
        });
    });
    url
}

async fn answer(server: ApiServer, client: Arc<str>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    match server.answer(&client, &head, &body) {
        Ok(response) => response.map(Body::new),
        Err(_) => Response::builder().status(StatusCode::BAD_GATEWAY).body(Body::empty()).unwrap(),
    }
}
