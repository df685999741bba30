//! The way to the API server: which cluster, with a limit for every call, and errors for people.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use http::header::{HeaderValue, USER_AGENT};
use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

pub use self::layer::{ApiCall, ApiCalls};
use self::layer::{Limits, NoAnswer};

mod layer;

/// How the API server is reached.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// A context of the kubeconfig, before its current one.
    pub context: Option<String>,
    /// Until a connection stands.
    pub connect_timeout: Duration,
    /// A call, its reply included; of a watch, until it begins. Shorter than any lease.
    pub call_timeout: Duration,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        ClusterOptions {
            context: None,
            connect_timeout: Duration::from_secs(3),
            call_timeout: Duration::from_secs(5),
        }
    }
}

/// A connection to a cluster.
#[derive(Clone)]
pub struct Connection {
    /// The client. No call takes longer than the limit, and none is sent twice by itself.
    pub client: Client,
    /// The namespace of the context, or of the pod.
    pub namespace: String,
    /// The URL of the API server.
    pub server: String,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Connection { client: _, namespace, server } = self;
        f.debug_struct("Connection")
            .field("namespace", namespace)
            .field("server", server)
            .finish_non_exhaustive()
    }
}

/// Why there is no way to a cluster.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Neither a kubeconfig nor a pod.
    #[error(
        "no Kubernetes cluster: there is no kubeconfig (KUBECONFIG, ~/.kube/config), and this is no pod with a service account"
    )]
    NoCluster,
    /// The kubeconfig has no such context.
    #[error("the kubeconfig has no context \"{wanted}\", only {}", list(known))]
    NoSuchContext {
        /// What was asked for.
        wanted: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The kubeconfig cannot be used.
    #[error("the kubeconfig cannot be used: {0}")]
    Kubeconfig(#[from] KubeconfigError),
    /// The pod has no usable service account.
    #[error("the pod's service account cannot be used: {0}")]
    ServiceAccount(String),
    /// There is no client for it.
    #[error("no client for the API server {server}: {source}")]
    Client {
        /// Its URL.
        server: String,
        /// Why.
        source: kube::Error,
    },
}

fn list(known: &[String]) -> String {
    match known {
        [] => "none at all".to_owned(),
        known => known.join(", "),
    }
}

/// Finds the cluster as kubectl does, by `KUBECONFIG` or `~/.kube/config`, and else that of the pod
/// that this runs in. The API server is not asked anything yet. `calls` is told of every call.
///
/// # Errors
/// [`ConnectError`] where there is no cluster, no such context, or no way to use what there is.
pub async fn connect(options: &ClusterOptions, calls: ApiCalls) -> Result<Connection, ConnectError> {
    let config = match kubeconfig(options)? {
        Some(kubeconfig) => {
            let kubeconfig = with_context(kubeconfig, options.context.as_deref())?;
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?
        }
        None if std::env::var_os("KUBERNETES_SERVICE_HOST").is_none() => return Err(ConnectError::NoCluster),
        None => Config::incluster().map_err(|error| ConnectError::ServiceAccount(told(&error)))?,
    };
    open(config, options, calls)
}

fn open(mut config: Config, options: &ClusterOptions, calls: ApiCalls) -> Result<Connection, ConnectError> {
    config.connect_timeout = Some(options.connect_timeout);
    config.write_timeout = Some(options.call_timeout);
    // It is for a reply that stops halfway, and longer than a watch lasts, which may be silent all
    // the while; every other call ends earlier, by the limit on the whole of it.
    config.read_timeout = Some(Duration::from_secs(300));
    config.reset_reader_on_write = true;
    // It would send writes again, up to fifteen times in 160 s: longer than any lease.
    config.default_retry = false;
    config
        .headers
        .push((USER_AGENT, HeaderValue::from_static(concat!("reshard/", env!("CARGO_PKG_VERSION")))));
    let (server, namespace) = (config.cluster_url.to_string(), config.default_namespace.clone());
    let server = server.trim_end_matches('/').to_owned();
    let builder = ClientBuilder::try_from(config)
        .map_err(|source| ConnectError::Client { server: server.clone(), source })?;
    let client = builder.with_layer(&Limits::new(options.call_timeout, calls)).build();
    Ok(Connection { client, namespace, server })
}

/// The kubeconfig, where there is one: the file that `KUBECONFIG` names has to be there.
fn kubeconfig(options: &ClusterOptions) -> Result<Option<Kubeconfig>, ConnectError> {
    let named = std::env::var_os("KUBECONFIG").is_some_and(|value| !value.is_empty());
    match Kubeconfig::read() {
        Ok(kubeconfig) => Ok(Some(kubeconfig)),
        Err(KubeconfigError::ReadConfig(error, _))
            if error.kind() == std::io::ErrorKind::NotFound && !named && options.context.is_none() =>
        {
            Ok(None)
        }
        Err(KubeconfigError::FindPath) if options.context.is_none() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The kubeconfig with `wanted` as its current context, where one is wanted.
fn with_context(mut kubeconfig: Kubeconfig, wanted: Option<&str>) -> Result<Kubeconfig, ConnectError> {
    let Some(wanted) = wanted else { return Ok(kubeconfig) };
    if !kubeconfig.contexts.iter().any(|context| context.name == wanted) {
        let known = kubeconfig.contexts.into_iter().map(|context| context.name).collect();
        return Err(ConnectError::NoSuchContext { wanted: wanted.to_owned(), known });
    }
    kubeconfig.current_context = Some(wanted.to_owned());
    Ok(kubeconfig)
}

/// What a call's error says to people.
pub fn explain(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => match status.code {
            401 => format!("the API server does not accept these credentials: {}", status.message),
            // Of a missing object the message says which; of a missing kind it says nothing.
            404 if !status.message.contains("\" not found") => {
                "the API server does not know KinesisStreamAutoscalers: install them by `reshard crd | kubectl apply -f -`"
                    .to_owned()
            }
            code if status.message.is_empty() => format!("the API server answers {code} {}", status.reason),
            _ => status.message.clone(),
        },
        kube::Error::Service(source) => match sources(source.as_ref()).find_map(|source| source.downcast_ref::<NoAnswer>()) {
            Some(late) => late.to_string(),
            None => format!("the API server cannot be reached: {}", told(source.as_ref())),
        },
        kube::Error::Auth(error) => format!("no credentials for the API server: {}", told(error)),
        kube::Error::SerdeError(error) => format!("the API server's answer cannot be read: {error}"),
        other => told(other),
    }
}

fn sources<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

/// An error with all that caused it, each said once.
fn told(error: &(dyn StdError + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    for source in sources(error).map(ToString::to_string) {
        if !texts.iter().any(|text| text.contains(&source)) {
            texts.push(source);
        }
    }
    texts.join(": ")
}

#[cfg(test)]
mod tests;
