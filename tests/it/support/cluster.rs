//! A cluster for a test: in memory always, and real where there is one. Tests are written once and run
//! on both; what one of them cannot do is skipped, with the reason printed.

use std::fmt;

use futures::future::BoxFuture;
use kube::api::{Api, Patch, PatchParams};
use kube::core::{DynamicObject, GroupVersionKind};
use kube::discovery::ApiResource;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use super::wire::{Upstream, Wire};

pub use self::account::{Account, kubeconfig};
pub use self::memory::Memory;
pub use self::real::Real;

mod account;
mod envtest;
mod memory;
mod real;

/// What a cluster can do for a test.
pub trait Cluster: Send + Sync {
    /// The wire on which its requests are counted and go wrong.
    fn wire(&self) -> &Wire;

    /// The API server, asked as somebody who may do everything.
    fn upstream(&self) -> Upstream;

    /// A name that no other test uses.
    fn fresh_name(&self) -> String;

    /// A kubeconfig by which another process is the service account, and may do what its roles say.
    fn admit<'a>(&'a self, account: &'a Account) -> BoxFuture<'a, Value>;

    /// Kills the API server; what is stored stays.
    fn stop(&self) -> BoxFuture<'_, Result<(), Unable>>;

    /// Starts it again, and waits until it answers.
    fn start_again(&self) -> BoxFuture<'_, Result<(), Unable>>;

    /// Breaks all connections at once; the server goes on.
    fn drop_watches(&self) -> Result<(), Unable>;

    /// Forgets the history, so that old resource versions are gone.
    fn compact(&self) -> Result<(), Unable>;
}

/// What this cluster cannot do, and why.
#[derive(Debug, Clone, Copy)]
pub struct Unable(pub &'static str);

impl fmt::Display for Unable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "skipped: {}", self.0)
    }
}

impl dyn Cluster + '_ {
    /// A client of that name, by which faults and the log know it.
    pub fn client(&self, name: &str) -> Client {
        self.wire().client(self.upstream(), name, "default")
    }

    /// Makes a namespace of its own for a test.
    pub async fn namespace(&self) -> String {
        let name = self.fresh_name();
        let resource = ApiResource::erase::<k8s_openapi::api::core::v1::Namespace>(&());
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        self.apply(&resource, None, object).await;
        name
    }

    /// Installs a custom resource definition and waits until it is served.
    pub async fn install(&self, definition: Value) {
        type Definition =
            k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
        let name = definition["metadata"]["name"].as_str().unwrap().to_owned();
        self.apply(&ApiResource::erase::<Definition>(&()), None, definition).await;
        let api: Api<Definition> = Api::all(self.client("setup"));
        loop {
            let seen = api.get(&name).await.unwrap();
            let conditions = seen.status.and_then(|status| status.conditions).unwrap_or_default();
            if conditions.iter().any(|one| one.type_ == "Established" && one.status == "True") {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    /// Installs our own definition.
    pub async fn install_autoscaler(&self) {
        let definition = reshard::operator::crd::definition().unwrap();
        let mut definition = serde_json::to_value(definition).unwrap();
        definition["apiVersion"] = "apiextensions.k8s.io/v1".into();
        definition["kind"] = "CustomResourceDefinition".into();
        self.install(definition).await;
    }

    /// Makes the object, or makes it so.
    pub async fn apply(&self, resource: &ApiResource, namespace: Option<&str>, object: Value) {
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        let api: Api<DynamicObject> = match namespace {
            Some(namespace) => Api::namespaced_with(self.client("setup"), namespace, resource),
            None => Api::all_with(self.client("setup"), resource),
        };
        let params = PatchParams::apply("setup").force();
        api.patch(&object.name_any(), &params, &Patch::Apply(&object)).await.unwrap();
    }
}

impl dyn Cluster + '_ {
    /// Makes an object of a manifest, or makes it so.
    pub async fn apply_as_it_is(&self, object: Value) {
        let text = |name: &str| object[name].as_str().expect("a text").to_owned();
        let (group, version) = match text("apiVersion").split_once('/') {
            Some((group, version)) => (group.to_owned(), version.to_owned()),
            None => (String::new(), text("apiVersion")),
        };
        let resource = ApiResource::from_gvk(&GroupVersionKind { group, version, kind: text("kind") });
        let namespace = object["metadata"]["namespace"].as_str().map(str::to_owned);
        self.apply(&resource, namespace.as_deref(), object).await;
    }
}

/// Runs a test on the real server that tests share, or says why not.
pub async fn on_a_real_server(test: impl AsyncFn(&dyn Cluster)) {
    match Real::shared().await {
        Ok(cluster) => test(&cluster).await,
        Err(unable) => println!("{unable}"),
    }
}

/// Writes tests once for every cluster: each runs in memory in virtual time, and on a real server
/// where there is one.
macro_rules! on_every_cluster {
    ($($(#[$meta:meta])* async fn $name:ident($cluster:ident: &dyn Cluster) $body:block)*) => {$(
        mod $name {
            #[allow(unused_imports, reason = "not every test needs all of them")]
            use super::*;

            $(#[$meta])*
            async fn test($cluster: &dyn Cluster) $body

            #[tokio::test(start_paused = true)]
            async fn in_memory() {
                test(&$crate::support::cluster::Memory::start(0)).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_a_real_server() {
                $crate::support::cluster::on_a_real_server(test).await;
            }
        }
    )*};
}
pub(crate) use on_every_cluster;
