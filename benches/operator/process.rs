//! The operator as a process: what it says of itself in its metrics, and what the kernel says of it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::account::Account;
use super::cluster::Cluster;

/// Ticks of a processor a second in `/proc`, on every Linux of today.
const TICKS_PER_SECOND: f64 = 100.0;
/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running operator; it is killed when it is dropped.
pub struct Operator {
    child: Child,
    address: SocketAddr,
}

/// A sample of its metrics: name with labels, and value.
pub type Sample = (String, f64);

impl Operator {
    /// Starts it, and waits until it answers.
    pub fn start(cluster: &Cluster, account: &Account) -> Operator {
        let address =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
        let log = std::env::var_os("OPERATOR_LOG").map(|path| std::fs::File::create(path).expect("a log"));
        let child = Command::new(env!("CARGO_BIN_EXE_reshard"))
            .args(["operator", "--cluster-id", "bench", "--listen", &address.to_string()])
            .env("KUBECONFIG", cluster.kubeconfig())
            .env("AWS_ENDPOINT_URL", account.endpoint_url())
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "bench")
            .env("AWS_SECRET_ACCESS_KEY", "bench")
            .stdout(Stdio::null())
            .stderr(log.map_or_else(Stdio::null, Stdio::from))
            .spawn()
            .expect("the binary is built");
        let operator = Operator { child, address };
        let begun = Instant::now();
        while operator.get().is_none() {
            assert!(begun.elapsed() < PATIENCE, "the operator does not answer");
            std::thread::sleep(Duration::from_millis(100));
        }
        operator
    }

    fn get(&self) -> Option<String> {
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n").ok()?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).ok()?;
        Some(reply.split_once("\r\n\r\n")?.1.to_owned())
    }

    /// All of its metrics.
    pub fn metrics(&self) -> Vec<Sample> {
        let text = self.get().expect("it answers");
        let samples = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        });
        samples.collect()
    }

    /// Seconds of a processor that it has used.
    pub fn processor_seconds(&self) -> f64 {
        let stat = self.proc("stat");
        // What follows the name of the program, which may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
        let ticks = |index: usize| fields[index].parse::<f64>().expect("a number");
        (ticks(11) + ticks(12)) / TICKS_PER_SECOND
    }

    /// Its resident memory in MB.
    pub fn memory(&self) -> f64 {
        self.megabytes("VmRSS:")
    }

    /// The most that it ever had.
    pub fn peak_memory(&self) -> f64 {
        self.megabytes("VmHWM:")
    }

    fn megabytes(&self, field: &str) -> f64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("Linux tells it");
        let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kilobytes * 1_024.0 / 1e6
    }

    fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).expect("the operator runs")
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
