//! A real API server: that of `KUBECONFIG`, or one that is started from the folder in
//! `KUBEBUILDER_ASSETS`. Where there is neither, tests on it are skipped and say so.

use std::process::{self, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::envtest::Envtest;
use super::{Account, Cluster, Unable, kubeconfig};
use crate::support::wire::{Upstream, Wire};

/// How long a server may take to answer after its start.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// The server of this run of the tests, if there is one to start.
static STARTED: OnceCell<Option<Arc<Envtest>>> = OnceCell::const_new();

static NAMES: AtomicUsize = AtomicUsize::new(0);

/// A real cluster, of which a test has a namespace or all.
pub struct Real {
    wire: Wire,
    client: Client,
    file: Kubeconfig,
    server: Option<Arc<Envtest>>,
    /// Whether no other test uses the server.
    alone: bool,
}

impl Real {
    /// The server that tests share.
    pub async fn shared() -> Result<Real, Unable> {
        if std::env::var_os("KUBECONFIG").is_some() {
            let file = Kubeconfig::read().expect("KUBECONFIG names a file that can be read");
            return Ok(Real::new(file, None, false).await);
        }
        let server = STARTED.get_or_init(async || Envtest::start().map(Arc::new)).await;
        let server = server.clone().ok_or(Unable("neither KUBECONFIG nor KUBEBUILDER_ASSETS is set"))?;
        let real = Real::new(server.kubeconfig(), Some(server), false).await;
        real.ready().await;
        Ok(real)
    }

    /// A server of the test's own, which it may stop.
    pub async fn alone() -> Result<Real, Unable> {
        let server = Envtest::start().map(Arc::new).ok_or(Unable("KUBEBUILDER_ASSETS is not set"))?;
        let real = Real::new(server.kubeconfig(), Some(server), true).await;
        real.ready().await;
        Ok(real)
    }

    /// `kubectl` as somebody who may do everything.
    pub fn kubectl(&self) -> Result<Command, Unable> {
        let kubectl = self.server.as_ref().and_then(|server| server.kubectl());
        kubectl.ok_or(Unable("there is no kubectl in the folder KUBEBUILDER_ASSETS"))
    }

    async fn new(file: Kubeconfig, server: Option<Arc<Envtest>>, alone: bool) -> Real {
        // On the way of requests nothing may hide what the wire does to them.
        let mut config = Config::from_custom_kubeconfig(file.clone(), &KubeConfigOptions::default())
            .await
            .expect("a sound kubeconfig");
        config.default_retry = false;
        let client = Client::try_from(config).expect("a client");
        let seed = NAMES.fetch_add(1, Ordering::Relaxed) as u64;
        Real { wire: Wire::new(seed), client, file, server, alone }
    }

    async fn ready(&self) {
        let start = Instant::now();
        let ask = async |path| {
            let request = http::Request::get(path).body(Vec::new()).unwrap();
            self.client.request_text(request).await
        };
        // It is ready a moment before its namespaces are there, and they before all of its paths.
        while let Err(error) = ask("/readyz").await.and(ask("/api/v1/namespaces/default").await) {
            let failure = self.server.as_ref().and_then(|server| server.failure());
            assert!(failure.is_none(), "the server does not run: {failure:?}");
            assert!(start.elapsed() < READY_WITHIN, "the server does not answer: {error}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Cluster for Real {
    fn wire(&self) -> &Wire {
        &self.wire
    }

    fn upstream(&self) -> Upstream {
        Upstream::Real(self.client.clone())
    }

    fn fresh_name(&self) -> String {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let seconds = since_epoch.map_or(0, |since| since.as_secs());
        format!("reshard-test-{seconds}-{}-{}", process::id(), NAMES.fetch_add(1, Ordering::Relaxed))
    }

    fn admit<'a>(&'a self, account: &'a Account) -> BoxFuture<'a, Value> {
        async {
            let cluster: &dyn Cluster = self;
            for object in &account.objects {
                cluster.apply_as_it_is(object.clone()).await;
            }
            let api: Api<ServiceAccount> = Api::namespaced(self.client.clone(), &account.namespace);
            let request = TokenRequest {
                spec: TokenRequestSpec { expiration_seconds: Some(3_600), ..TokenRequestSpec::default() },
                ..TokenRequest::default()
            };
            let made = api.create_token_request(&account.name, &PostParams::default(), &request).await;
            let token = made.unwrap().status.unwrap().token;
            let file = serde_json::to_value(&self.file).unwrap();
            let context = self.file.current_context.as_deref().expect("a context");
            let named = |list: &str, name: &str| {
                let mut entries = file[list].as_array().into_iter().flatten();
                entries.find(|entry| entry["name"] == name).cloned().expect("what the kubeconfig names")
            };
            let cluster = named("contexts", context)["context"]["cluster"].as_str().unwrap().to_owned();
            let cluster = named("clusters", &cluster)["cluster"].clone();
            kubeconfig(&cluster, &json!({"token": token}), &account.namespace)
        }
        .boxed()
    }

    fn stop(&self) -> BoxFuture<'_, Result<(), Unable>> {
        async {
            let server = self.server.as_ref().filter(|_| self.alone);
            server.ok_or(Unable("other tests use this server"))?.kill_api_server();
            Ok(())
        }
        .boxed()
    }

    fn start_again(&self) -> BoxFuture<'_, Result<(), Unable>> {
        async {
            let server = self.server.as_ref().filter(|_| self.alone);
            server.ok_or(Unable("other tests use this server"))?.start_api_server();
            self.ready().await;
            Ok(())
        }
        .boxed()
    }

    fn drop_watches(&self) -> Result<(), Unable> {
        Err(Unable("a real server keeps its connections until it stops"))
    }

    fn compact(&self) -> Result<(), Unable> {
        Err(Unable("a real server answers watches from memory, however etcd is compacted"))
    }
}
