//! A replica: `reshard operator` as a process.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::relay::Relay;

/// Kills the process whose ID it is given once its standard input ends, as it does with whoever holds
/// the other end, however that ends.
const UNTIL_INPUT_ENDS: &str = r#"trap "" HUP INT TERM; read -r _; kill -9 "$1""#;

/// A process that runs the operator, and the ways it takes to AWS and, where that is no secret, to the
/// API server.
pub struct Replica {
    child: Child,
    guard: Child,
    log: PathBuf,
    pub aws: Relay,
    pub api: Option<Relay>,
}

impl Replica {
    /// Starts the command, which is to log JSON, into the file `log`.
    pub fn start(mut command: Command, log: PathBuf, aws: Relay, api: Option<Relay>) -> Replica {
        let child = command.stdout(Stdio::null()).stderr(File::create(&log).unwrap()).spawn().unwrap();
        let guard = Command::new("sh")
            .args(["-c", UNTIL_INPUT_ENDS, "sh", &child.id().to_string()])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Replica { child, guard, log, aws, api }
    }

    /// The lines of its log; all are JSON.
    pub fn log(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.log).unwrap();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let read =
            |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}\n{text}"));
        whole.lines().map(read).collect()
    }

    /// Whether it has logged such a message.
    pub fn has_said(&self, message: &str) -> bool {
        self.log().iter().any(|line| line["message"].as_str().is_some_and(|said| said.contains(message)))
    }

    /// What it has logged of this severity.
    pub fn said_at(&self, level: &str) -> Vec<String> {
        self.log().iter().filter(|line| line["level"] == level).map(ToString::to_string).collect()
    }

    fn beginning(&self, field: &str) -> Option<String> {
        let log = self.log();
        let first = log.iter().find(|line| line["message"] == "the operator starts")?;
        Some(first[field].as_str().expect("a text").to_owned())
    }

    /// By which name it takes part in the election; once it has started.
    pub fn identity(&self) -> Option<String> {
        self.beginning("instance")
    }

    /// What it answers to a GET, head and body; once it has started.
    pub async fn get(&self, path: &str) -> Option<String> {
        let mut stream = tokio::net::TcpStream::connect(self.beginning("address")?).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: replica\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.ok()?;
        Some(reply)
    }

    /// Whether it says that it is ready.
    pub async fn is_ready(&self) -> bool {
        self.get("/readyz").await.is_some_and(|reply| reply.starts_with("HTTP/1.1 200"))
    }

    /// How often it has asked AWS to split or merge.
    pub fn reshards(&self) -> usize {
        self.aws.noted().len()
    }

    /// What it has written, to AWS and, as far as that is seen, to the API server.
    pub fn writes(&self) -> Vec<String> {
        let api = self.api.as_ref().map(Relay::noted).unwrap_or_default();
        [self.aws.noted(), api].concat()
    }

    /// Sends it a signal: STOP, CONT, TERM, KILL.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([&format!("-{signal}"), &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success(), "it runs");
    }

    /// Waits until it has ended: how, and how long that took.
    pub async fn ended(&mut self, within: Duration) -> (ExitStatus, Duration) {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, start.elapsed());
            }
            assert!(start.elapsed() < within, "it does not end:\n{}", fs::read_to_string(&self.log).unwrap());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        // The guard first: it must not meet whoever has the number next.
        for process in [&mut self.guard, &mut self.child] {
            let _already_ended = process.kill();
            let _reaped = process.wait();
        }
    }
}
