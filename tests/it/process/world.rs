//! A cluster, a sandbox as AWS with one stream in it, and operators as processes, all in real time.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::discovery::ApiResource;
use reshard::operator::object::Autoscaler;
use reshard::operator::status::Status;
use reshard::resource::{API_VERSION, KIND};
use reshard::sandbox::{Sandbox, SandboxOptions};
use reshard::simulator::fault::Operation;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::relay::{Relay, api_write, reshard};
use super::replica::Replica;
use crate::cli;
use crate::support::cluster::{Account, Cluster};

/// The resource; as it is shipped, the stream too.
pub const RESOURCE: &str = "orders";
/// How many times faster than ours the sandbox's clock runs.
const SPEED: &str = "10";
/// How long a test waits for what it expects: four leases and a few reshards.
const PATIENCE: Duration = Duration::from_secs(90);

/// The options of the sandbox, as on a command line.
#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    options: SandboxOptions,
}

/// All that a test works with.
pub struct World<'a> {
    cluster: &'a dyn Cluster,
    /// Of the resource.
    pub namespace: String,
    /// Of the operator.
    pub home: String,
    pub operator: Account,
    /// Of a name of its own: on a server that tests share, two on one stream would be rivals.
    stream: String,
    /// Which resources the operator acts on.
    selector: String,
    sandbox: Sandbox,
    files: TempDir,
    started: AtomicUsize,
}

impl<'a> World<'a> {
    /// Eight shards, each with a load of 125 % of what it takes: enough for sixteen. A step takes three
    /// seconds.
    pub async fn start(cluster: &'a dyn Cluster) -> World<'a> {
        World::with(cluster, "--shards 8 --rate 10MB --reshard-seconds 30").await
    }

    /// With another load, in namespaces of the test's own.
    pub async fn with(cluster: &'a dyn Cluster, load: &str) -> World<'a> {
        cluster.install_autoscaler().await;
        let (namespace, home) = (cluster.namespace().await, cluster.namespace().await);
        let world = World {
            selector: format!("test={namespace}"),
            ..World::at(cluster, &namespace, &home, &namespace, load).await
        };
        world.allow("*").await;
        world
    }

    /// Where everything is called as it is shipped, and is there already.
    pub async fn as_shipped(cluster: &'a dyn Cluster, load: &str) -> World<'a> {
        World::at(cluster, "payments", "reshard", RESOURCE, load).await
    }

    async fn at(
        cluster: &'a dyn Cluster,
        namespace: &str,
        home: &str,
        stream: &str,
        load: &str,
    ) -> World<'a> {
        let fixed = ["sandbox", "--listen", "127.0.0.1:0", "--stream", stream, "--enhanced-monitoring=ALL"];
        let line = fixed.into_iter().chain(["--speed", SPEED]).chain(load.split_whitespace());
        let Flags { options } = Flags::try_parse_from(line).unwrap();
        let objects = [super::shipped("rbac.yaml"), super::shipped("serviceaccount.yaml")].concat();
        World {
            cluster,
            namespace: namespace.to_owned(),
            home: home.to_owned(),
            operator: Account::of(objects, "reshard", &[("reshard", home)]),
            stream: stream.to_owned(),
            selector: String::new(),
            sandbox: Sandbox::open(&options, Timestamp::now()).await.unwrap(),
            files: TempDir::new().unwrap(),
            started: AtomicUsize::new(0),
        }
    }

    /// Lets the namespace touch these streams.
    pub async fn allow(&self, streams: &str) {
        let object = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": self.namespace, "annotations": {"reshard.dev/streams": streams}},
        });
        self.cluster.apply(&ApiResource::erase::<Namespace>(&()), None, object).await;
    }

    /// Puts the resource.
    pub async fn put(&self, mode: &str) {
        let object = json!({
            "apiVersion": API_VERSION, "kind": KIND,
            "metadata": {"name": RESOURCE, "labels": {"test": self.namespace}},
            "spec": {
                "streamRef": {"name": self.stream, "region": "us-east-1"}, "mode": mode,
                "minShards": 4, "maxShards": 16,
            },
        });
        self.cluster.apply(&ApiResource::erase::<Autoscaler>(&()), Some(&self.namespace), object).await;
    }

    pub fn api(&self) -> Api<Autoscaler> {
        Api::namespaced(self.cluster.client("test"), &self.namespace)
    }

    /// Sets annotations of the resource.
    pub async fn annotate(&self, annotations: Value) {
        let patch = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
        self.api().patch(RESOURCE, &PatchParams::default(), &patch).await.unwrap();
    }

    pub async fn status(&self) -> Status {
        self.api().get(RESOURCE).await.unwrap().status()
    }

    /// Waits until something is so.
    pub async fn until(&self, what: &str, is_so: impl AsyncFn() -> bool) {
        let start = Instant::now();
        while !is_so().await {
            if start.elapsed() > PATIENCE {
                let object = self.api().get_opt(RESOURCE).await;
                panic!("{what}: {object:#?}\n{:#?}", self.events().await);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the stream has so many shards, and the status says so.
    pub async fn until_shards(&self, count: u32) {
        let is_so = async || self.status().await.shards.is_some_and(|shards| shards.current == count);
        self.until(&format!("{count} shards"), is_so).await;
    }

    /// The events about the resource: their reasons, notes and reporters, oldest first.
    pub async fn events(&self) -> Vec<(String, String, String)> {
        let api: Api<Event> = Api::namespaced(self.cluster.client("test"), &self.namespace);
        let mut events = api.list(&ListParams::default()).await.unwrap().items;
        events.sort_by_key(|event| event.event_time.clone().map(|at| at.0));
        let text = |text: Option<String>| text.unwrap_or_default();
        let told = events.into_iter();
        told.map(|event| (text(event.reason), text(event.note), text(event.reporting_instance))).collect()
    }

    /// How often events with this reason were posted.
    pub async fn told(&self, reason: &str) -> usize {
        self.events().await.iter().filter(|(told, ..)| told == reason).count()
    }

    /// Who holds the lease of the replicas; nobody where it was given back.
    pub async fn holder(&self) -> String {
        let leases: Api<Lease> = Api::namespaced(self.cluster.client("test"), &self.home);
        let lease = leases.get_opt("reshard").await.unwrap();
        lease.and_then(|lease| lease.spec?.holder_identity).unwrap_or_default()
    }

    /// Waits until the replica leads.
    pub async fn until_leads(&self, replica: &Replica) {
        let leads = async || replica.identity().is_some_and(|_| replica.has_said("this replica leads"));
        self.until("it leads", leads).await;
        assert_eq!(Some(self.holder().await), replica.identity());
    }

    /// How often AWS was asked to split.
    pub fn splits(&self) -> u64 {
        self.sandbox.with_cloud(|cloud| cloud.calls(Operation::SplitShard))
    }

    /// How many shards the stream has ever had.
    pub fn shards_ever(&self) -> usize {
        self.sandbox.with_cloud(|cloud| cloud.truth(&self.stream).unwrap().shards.len())
    }

    /// Writes a file of the test.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The command line, as the account whose kubeconfig it is, against the sandbox at `aws`.
    pub fn command(&self, aws: &str, kubeconfig: &Path, arguments: &[&str]) -> Command {
        let mut command = cli::reshard(aws, arguments);
        command.args(["--clock-speed", SPEED]).env("KUBECONFIG", kubeconfig);
        command
    }

    /// The URL of the sandbox.
    pub fn aws(&self) -> String {
        self.sandbox.endpoint_url()
    }

    /// Starts an operator with the shipped rights, for the resource of this test alone.
    pub async fn replica(&self, name: &str) -> Replica {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let mut kubeconfig = self.cluster.admit(&self.operator).await;
        let server = &mut kubeconfig["clusters"][0]["cluster"]["server"];
        let plain = server.as_str().and_then(|url| url.strip_prefix("http://")?.parse::<SocketAddr>().ok());
        let api = match plain {
            Some(address) => Some(Relay::start(address, api_write).await),
            None => None,
        };
        if let Some(relay) = &api {
            *server = relay.url().into();
        }
        let aws = Relay::start(self.sandbox.address(), reshard).await;
        let kubeconfig = self.write(&format!("kubeconfig-{number}"), &kubeconfig.to_string());
        let fixed = ["operator", "--log-format", "json", "--listen", "127.0.0.1:0", "--cluster-id", "test"];
        let own = ["--selector", &self.selector, "--lease-namespace", &self.home, "--lease-name", "reshard"];
        let mut command = self.command(&aws.url(), &kubeconfig, &[&fixed[..], &own].concat());
        command.env("HOSTNAME", name);
        Replica::start(command, self.files.path().join(format!("log-{number}")), aws, api)
    }
}
