//! A kube-apiserver with its etcd, started from `KUBEBUILDER_ASSETS` on free ports of loopback. Both
//! end with the process that started them, however that ends.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::config::Kubeconfig;
use serde_json::json;
use tempfile::TempDir;

/// The token of the test, who may do everything.
const TOKEN: &str = "test-admin-token";

/// Runs what follows until the standard input ends, which it does with whoever holds its other end.
/// Signals to the whole group of processes do not end it before that. With etcd the folder goes.
const UNTIL_INPUT_ENDS: &str = r#"trap "" HUP INT TERM; log=$1; shift; "$@" >>"$log" 2>&1 & c=$!; read -r _
kill -9 $c; wait $c; case $1 in */etcd) sleep 1; rm -rf "${log%/*}" ;; esac"#;

/// The servers and their folder.
#[derive(Debug)]
pub struct Envtest {
    assets: PathBuf,
    folder: TempDir,
    etcd_port: u16,
    port: u16,
    etcd: Mutex<Option<Child>>,
    api_server: Mutex<Option<Child>>,
}

impl Envtest {
    /// Starts both; nothing where the variable is not set.
    pub fn start() -> Option<Envtest> {
        let assets = PathBuf::from(std::env::var_os("KUBEBUILDER_ASSETS")?);
        let folder = tempfile::Builder::new().prefix("reshard-envtest-").tempdir().expect("a folder");
        let [etcd_port, port, peer_port] = free_ports();
        fs::write(folder.path().join("tokens.csv"), format!("{TOKEN},test-admin,1,system:masters\n"))
            .unwrap();
        let [private, public] = signing_keys();
        fs::write(folder.path().join("sa.key"), private).unwrap();
        fs::write(folder.path().join("sa.pub"), public).unwrap();
        let url = |port| format!("http://127.0.0.1:{port}");
        let etcd = run(
            folder.path(),
            &assets.join("etcd"),
            &[
                format!("--data-dir={}", folder.path().join("etcd").display()),
                format!("--listen-client-urls={}", url(etcd_port)),
                format!("--advertise-client-urls={}", url(etcd_port)),
                format!("--listen-peer-urls={}", url(peer_port)),
                "--unsafe-no-fsync".to_owned(),
            ],
        );
        let (etcd, api_server) = (Mutex::new(Some(etcd)), Mutex::new(None));
        let envtest = Envtest { assets, folder, etcd_port, port, etcd, api_server };
        envtest.start_api_server();
        let file = serde_json::to_string(&envtest.kubeconfig()).expect("it can be written");
        fs::write(envtest.kubeconfig_file(), file).unwrap();
        Some(envtest)
    }

    /// Starts it, on the port and the data that it had before.
    pub fn start_api_server(&self) {
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        let arguments = [
            format!("--etcd-servers=http://127.0.0.1:{}", self.etcd_port),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={}", self.port),
            "--advertise-address=127.0.0.1".to_owned(),
            "--endpoint-reconciler-type=none".to_owned(),
            "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
            "--authorization-mode=RBAC".to_owned(),
            "--disable-admission-plugins=ServiceAccount".to_owned(),
            format!("--cert-dir={}", file("certificates")),
            format!("--token-auth-file={}", file("tokens.csv")),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", file("sa.pub")),
            format!("--service-account-signing-key-file={}", file("sa.key")),
        ];
        let child = run(self.folder.path(), &self.assets.join("kube-apiserver"), &arguments);
        *lock(&self.api_server) = Some(child);
        // It makes its certificate before it answers.
        for _ in 0..600 {
            if Path::new(&file("certificates/apiserver.crt")).exists() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the API server makes no certificate: {:?}", self.failure());
    }

    /// What the API server says where it cannot go on.
    pub fn failure(&self) -> Option<String> {
        let log = fs::read_to_string(self.folder.path().join("kube-apiserver.log")).ok()?;
        log.lines().find(|line| line.contains("command failed")).map(str::to_owned)
    }

    pub fn kill_api_server(&self) {
        end(&mut lock(&self.api_server));
    }

    pub fn kubeconfig(&self) -> Kubeconfig {
        let server = format!("https://127.0.0.1:{}", self.port);
        let authority = self.folder.path().join("certificates/apiserver.crt");
        serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": server, "certificate-authority": authority}}],
            "users": [{"name": "test", "user": {"token": TOKEN}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        }))
        .expect("a sound kubeconfig")
    }

    /// `kubectl` as somebody who may do everything, where it lies beside the servers.
    pub fn kubectl(&self) -> Option<Command> {
        let program = self.assets.join("kubectl");
        program.exists().then(|| {
            let mut command = Command::new(program);
            command.arg("--kubeconfig").arg(self.kubeconfig_file());
            command
        })
    }

    pub fn kubeconfig_file(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }
}

impl Drop for Envtest {
    fn drop(&mut self) {
        end(&mut lock(&self.api_server));
        end(&mut lock(&self.etcd));
    }
}

/// A process that ends with this one: its shell sees the pipe close, whoever closes it.
fn run(folder: &Path, program: &Path, arguments: &[String]) -> Child {
    let name = program.file_name().expect("a program").to_string_lossy();
    Command::new("sh")
        .args(["-c", UNTIL_INPUT_ENDS, "sh"])
        .arg(folder.join(format!("{name}.log")))
        .arg(program)
        .args(arguments)
        .stdin(Stdio::piped())
        // The shell says there that it has killed what it ran.
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run {}: {error}", program.display()))
}

fn end(child: &mut Option<Child>) {
    if let Some(mut child) = child.take() {
        drop(child.stdin.take());
        child.wait().expect("its shell ends");
    }
}

/// Free when they were asked for; nobody else is told of them.
fn free_ports<const N: usize>() -> [u16; N] {
    let listeners: [TcpListener; N] =
        std::array::from_fn(|_| TcpListener::bind(("127.0.0.1", 0)).expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("an address").port())
}

/// The keys for the tokens of service accounts, private and public, in PEM.
fn signing_keys() -> [String; 2] {
    let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
    let private = made.expect("a new key");
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, private.as_ref());
    let public: PublicKeyX509Der<'_> =
        pair.expect("the new key").public_key().as_der().expect("its public half");
    [pem("PRIVATE KEY", private.as_ref()), pem("PUBLIC KEY", public.as_ref())]
}

fn pem(what: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {what}-----\n{}\n-----END {what}-----\n", lines.join("\n"))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
