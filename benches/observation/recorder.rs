//! An HTTP client that asks once and from then on answers from memory, and that keeps account of the
//! time from the beginning of a request to its being sent.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;

use super::thread_time;

/// The client and its account. Clones are the same.
#[derive(Debug, Clone)]
pub struct Recorder(Arc<Mutex<Records>>);

#[derive(Debug, Default)]
struct Records {
    address: String,
    replies: HashMap<(String, Vec<u8>), Reply>,
    begun: Option<Duration>,
    building: Duration,
}

#[derive(Debug, Clone)]
struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Recorder {
    /// For the server at `http://…`.
    pub fn new(endpoint: &str) -> Recorder {
        let address = endpoint.strip_prefix("http://").expect("plain HTTP").to_owned();
        Recorder(Arc::new(Mutex::new(Records { address, ..Records::default() })))
    }

    /// As the SDK takes it.
    pub fn client(&self) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(self.clone());
        http_client_fn(move |_, _| connector.clone())
    }

    /// What follows until a request is sent is building that request.
    pub fn begin_request(&self) {
        self.records().begun = Some(thread_time());
    }

    /// The time that building requests has taken.
    pub fn building(&self) -> Duration {
        self.records().building
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.0.lock().expect("nobody panics with the lock held")
    }
}

impl HttpConnector for Recorder {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut records = self.records();
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let body = request.body().bytes().expect("in memory").to_vec();
        let key = (format!("{} {target}", request.uri()), body);
        if !records.replies.contains_key(&key) {
            let reply = ask(&records.address, &request, &key.1);
            records.replies.insert(key.clone(), reply);
        }
        let Reply { status, headers, body } = records.replies[&key].clone();
        let mut response = HttpResponse::new(status.try_into().expect("a status"), SdkBody::from(body));
        for (name, value) in headers {
            response.headers_mut().append(name, value);
        }
        if let Some(begun) = records.begun.take() {
            records.building += thread_time() - begun;
        }
        HttpConnectorFuture::ready(Ok(response))
    }
}

/// One request over a connection of its own.
fn ask(address: &str, request: &HttpRequest, body: &[u8]) -> Reply {
    let path = request.uri().split_once(address).map_or("/", |(_, path)| path);
    let mut head = format!(
        "{} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n",
        request.method(),
        body.len()
    );
    let own = ["host", "connection", "content-length"];
    for (name, value) in request.headers().iter().filter(|(name, _)| !own.contains(name)) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let mut stream = TcpStream::connect(address).expect("somebody listens");
    stream.write_all(format!("{head}\r\n").as_bytes()).expect("the request's head");
    stream.write_all(body).expect("the request's body");
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).expect("a reply");
    let end = reply.windows(4).position(|four| four == b"\r\n\r\n").expect("the end of the head");
    let head = str::from_utf8(&reply[..end]).expect("text");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status line");
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let body = reply[end + 4..].to_vec();
    let length = headers.iter().find(|(name, _)| name == "content-length").expect("not in chunks");
    assert_eq!(length.1, body.len().to_string());
    Reply { status: status.parse().expect("a number"), headers, body }
}
