//! The binary, from its command line: what it prints where, and its exit codes.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

mod apply;
mod bad_input;
mod cluster;
mod plan;
mod simulate;
mod usage;

/// A port of loopback on which nobody listens: whoever touches AWS by mistake fails.
pub const NOBODY: &str = "http://127.0.0.1:1";

/// The command line, with an environment that holds nothing but keys and an endpoint.
pub fn reshard(endpoint: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reshard"));
    command
        .args(arguments)
        .env_clear()
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", "/nonexistent/config")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials")
        .stdin(Stdio::null());
    command
}

/// What a command line printed, and its exit code.
#[derive(Debug)]
pub struct Ran {
    pub stdout: String,
    pub stderr: String,
    pub code: Option<i32>,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        Ran {
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code(),
        }
    }
}

pub fn run(endpoint: &str, arguments: &[&str]) -> Ran {
    reshard(endpoint, arguments).output().unwrap().into()
}

/// Files of a test.
pub struct Files(TempDir);

impl Files {
    pub fn new() -> Files {
        Files(TempDir::new().unwrap())
    }

    pub fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// A manifest for the stream `orders`, with these lines in its `spec`.
    pub fn manifest(&self, name: &str, spec: &str) -> String {
        let mut text = String::from(
            "apiVersion: reshard.dev/v1alpha1\nkind: KinesisStreamAutoscaler\nmetadata: {name: orders}\nspec:\n  \
             streamRef: {name: orders, region: us-east-1}\n",
        );
        for line in spec.lines() {
            text.push_str(&format!("  {line}\n"));
        }
        self.write(name, &text)
    }
}

/// `reshard sandbox` with a stream `orders`, on a port of its own; ends with the test.
struct Sandbox {
    process: Child,
    url: String,
}

impl Sandbox {
    /// How many times faster than ours its clock runs.
    const SPEED: &str = "60";

    /// Four shards, half of the load on a twentieth of the keys: one shard is hot.
    fn with_a_hot_shard() -> Sandbox {
        Sandbox::start(&["--shards", "4", "--rate", "2MB", "--hot-spot", "0.5:0.05"])
    }

    fn start(load: &[&str]) -> Sandbox {
        let fixed = ["sandbox", "--listen", "127.0.0.1:0", "--stream", "orders", "--enhanced-monitoring=ALL"];
        let mut process = reshard(NOBODY, &fixed)
            .args(["--speed", Sandbox::SPEED, "--reshard-seconds", "10"])
            .args(load)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut first = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut first).unwrap();
        let url = first.split([' ', ',', '\n']).find(|word| word.starts_with("http://"));
        Sandbox { url: url.unwrap_or_else(|| panic!("no URL in {first:?}")).to_owned(), process }
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        run(&self.url, arguments)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _already_ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// Sends the signal that `kill` and a pod's end send.
fn terminate(process: &Child) {
    let killed = Command::new("kill").arg(process.id().to_string()).status().unwrap();
    assert!(killed.success());
}

fn read_to_end(stream: Option<impl Read>) -> String {
    let mut text = String::new();
    stream.unwrap().read_to_string(&mut text).unwrap();
    text
}

fn exists(path: &str) -> bool {
    PathBuf::from(path).exists() && Path::new(path).is_file()
}
