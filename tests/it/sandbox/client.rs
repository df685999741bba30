//! A sandbox on a free port, SDK clients for it, and requests written byte by byte.

use aws_credential_types::Credentials;
use aws_sdk_kinesis::config::{BehaviorVersion, Region, retry::RetryConfig};
use reshard::sandbox::Sandbox;
use reshard::simulator::{Cloud, Config};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A sandbox with a model made by `config`.
pub async fn sandbox_of(config: Config, speed: u32) -> Sandbox {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    Sandbox::start(Cloud::new(config), speed, listener).expect("the listener has an address")
}

/// A sandbox whose time stands still unless a test skips some, its model as it comes.
pub async fn sandbox() -> Sandbox {
    sandbox_of(Config::default(), 0).await
}

fn credentials() -> Credentials {
    Credentials::for_tests()
}

/// A Kinesis client as any program makes one, without retries: a test wants to see each reply.
pub fn kinesis(endpoint_url: &str) -> aws_sdk_kinesis::Client {
    let config = aws_sdk_kinesis::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint_url)
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials())
        .retry_config(RetryConfig::disabled());
    aws_sdk_kinesis::Client::from_conf(config.build())
}

/// The same for CloudWatch.
pub fn cloudwatch(endpoint_url: &str) -> aws_sdk_cloudwatch::Client {
    let config = aws_sdk_cloudwatch::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint_url)
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials())
        .retry_config(RetryConfig::disabled());
    aws_sdk_cloudwatch::Client::from_conf(config.build())
}

/// A reply as it came.
#[derive(Debug)]
pub struct RawReply {
    pub status: u16,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl RawReply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is UTF-8")
    }
}

/// A request without any SDK.
pub struct RawRequest<'a> {
    pub line: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
}

impl RawRequest<'_> {
    /// Sends it and reads the reply; `None` if the connection ends without one.
    pub async fn send(&self, sandbox: &Sandbox) -> Option<RawReply> {
        let mut stream = TcpStream::connect(sandbox.address()).await.expect("the sandbox listens");
        let mut head = format!("{} HTTP/1.1\r\nhost: sandbox\r\nconnection: close\r\n", self.line);
        for (name, value) in self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("content-length: {}\r\n\r\n", self.body.len());
        stream.write_all(head.as_bytes()).await.expect("the sandbox reads");
        // A server that refuses a large body may close before it has all.
        let _refused_early = stream.write_all(self.body).await;
        let mut reply = Vec::new();
        let _reset_after_reply = stream.read_to_end(&mut reply).await;
        parse(&reply)
    }
}

fn parse(reply: &[u8]) -> Option<RawReply> {
    let end = reply.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&reply[..end]).expect("a head is text");
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().expect("a status is a number");
    let header = |line: &str| {
        let (name, value) = line.split_once(':').expect("a header has a colon");
        (name.to_ascii_lowercase(), value.trim().to_owned())
    };
    Some(RawReply { status, headers: lines.map(header).collect(), body: reply[end + 4..].to_vec() })
}

/// A signature of the right form: the sandbox wants one, and does not verify it.
pub const SIGNED: (&str, &str) = (
    "authorization",
    "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/kinesis/aws4_request, SignedHeaders=host, Signature=0",
);

/// A JSON request to Kinesis.
pub async fn kinesis_json(sandbox: &Sandbox, operation: &str, body: &str) -> RawReply {
    let target = format!("Kinesis_20131202.{operation}");
    let headers = [("x-amz-target", target.as_str()), ("content-type", "application/x-amz-json-1.1"), SIGNED];
    let request = RawRequest { line: "POST /", headers: &headers, body: body.as_bytes() };
    request.send(sandbox).await.expect("there is a reply")
}
