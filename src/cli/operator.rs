//! `reshard operator`: the reconcile loop on custom resources.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use jiff::Timestamp;
use tokio::sync::oneshot;

use super::aws::AwsFlags;
use super::documents;
use super::outcome::Outcome;
use super::signals::stop_and_tell;
use crate::aws::Timeouts;
use crate::operator::connect::{self, ClusterOptions};
use crate::operator::elector::{self, Elector, Timing};
use crate::operator::leadership::leadership;
use crate::operator::metrics::{CountedPlanes, Metrics};
use crate::operator::planes::{AwsPlanes, GatheredPlanes};
use crate::operator::run::{Operator, Options};
use crate::operator::selector::LabelSelector;
use crate::operator::server::{Heartbeat, Readiness, Server, metrics_routes, probe_routes};

/// For how long the loop may not come round: it does every few seconds, whatever AWS does.
const LOOP_PATIENCE: Duration = Duration::from_secs(60);
/// How long giving back the lease may take at the end.
const FAREWELL: Duration = Duration::from_secs(2);

/// Keep the streams of a cluster's KinesisStreamAutoscalers matched to their load
#[derive(Debug, Args)]
#[command(after_help = "\
Of several replicas one works, the others stand by. SIGTERM ends after the bookkeeping of the step in \
flight, in less than 10 s.

What a resource may touch is said by annotations of its namespace: reshard.dev/streams and \
reshard.dev/roles, patterns of ARNs. Without one that matches nothing is touched.")]
pub(super) struct OperatorArgs {
    /// Act on the resources with these labels only, as in kubectl -l; each selector has a leader of
    /// its own. The others are still watched, so that two on one stream are seen
    #[arg(short = 'l', long, value_name = "SELECTOR", default_value = "")]
    selector: LabelSelector,
    /// Let every namespace touch every stream: for a cluster with one tenant
    #[arg(long)]
    allow_all_namespaces: bool,
    /// Where the Lease of the replicas is; default: the namespace of the pod, or of the context
    #[arg(long, value_name = "NAMESPACE")]
    lease_namespace: Option<String>,
    /// The name of the Lease of the replicas; default: reshard, with --selector a name for each
    #[arg(long, value_name = "NAME")]
    lease_name: Option<String>,
    /// Where /metrics, /healthz and /readyz are
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// Metrics for each shard too: some 150 series for a stream of 50 shards
    #[arg(long)]
    per_shard_metrics: bool,
    /// The context of the kubeconfig, before its current one
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// A file of prices, before those of us-east-1
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    #[command(flatten)]
    aws: AwsFlags,
}

/// The first part of all external IDs: what they may contain ("AssumeRole" in the API reference of
/// STS), but for the slash that ends it.
fn cluster_id(given: Option<&str>) -> anyhow::Result<String> {
    let Some(id) = given else {
        bail!(
            "what the cluster is called is not known: give --cluster-id or RESHARD_CLUSTER_ID, of which the external IDs of roles are made"
        )
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || "_+=,.@:-".contains(c);
    if !(1..=512).contains(&id.len()) || !id.chars().all(fits) {
        bail!("--cluster-id {id:?}: give letters, digits and _+=,.@:-, 512 characters at most");
    }
    Ok(id.to_owned())
}

pub(super) async fn run(arguments: &OperatorArgs) -> anyhow::Result<Outcome> {
    let cluster_id = cluster_id(arguments.aws.cluster_id())?;
    let prices = documents::prices(arguments.prices.as_deref())?;
    let lease = arguments.lease_name.clone().unwrap_or_else(|| arguments.selector.lease_name());
    let metrics = Metrics::new(&lease, arguments.per_shard_metrics);
    let cluster = ClusterOptions { context: arguments.context.clone(), ..ClusterOptions::default() };
    let connection = connect::connect(&cluster, metrics.api_calls()).await?;
    let aws = arguments.aws.own_options();
    let planes = AwsPlanes::open(&aws).await?;
    let stop =
        stop_and_tell(|| tracing::info!("asked to end: what a step in flight has to write down is written"));

    let (heartbeat, readiness) = (Heartbeat::default(), Readiness::default());
    let probes = probe_routes(heartbeat.clone(), LOOP_PATIENCE, readiness.clone());
    let server = Server::bind(arguments.listen, metrics_routes(metrics.clone()).merge(probes)).await?;
    let address = server.address()?;
    let serving = tokio::spawn({
        let stop = stop.clone();
        server.serve(async move { stop.given().await })
    });

    let instance = elector::identity(&std::env::var("HOSTNAME").unwrap_or_else(|_| "reshard".to_owned()));
    let namespace = arguments.lease_namespace.clone().unwrap_or_else(|| connection.namespace.clone());
    let (handle, leadership) = leadership();
    let client = connection.client.clone();
    let elector =
        Elector::new(client.clone(), &namespace, &lease, instance.clone(), Timing::default(), handle)?;
    let (rested, at_rest) = oneshot::channel::<()>();
    let electing = tokio::spawn(elector.run(async move { drop(at_rest.await) }));

    let selector = Some(arguments.selector.to_string()).filter(|selector| !selector.is_empty());
    tracing::info!(
        server = connection.server,
        lease = format!("{namespace}/{lease}"),
        instance,
        %address,
        selector,
        "the operator starts"
    );
    let options = Options {
        selector: arguments.selector.clone(),
        one_tenant: arguments.allow_all_namespaces,
        cluster_id,
        instance,
        write_timeout: Timeouts::default().write,
        prices,
        clock_speed: arguments.aws.clock_speed(),
        clock: Arc::new(Timestamp::now),
        audience: Arc::new(metrics.clone()),
        heartbeat,
        readiness,
    };
    // What is counted is what goes over the wire.
    let planes = GatheredPlanes::new(CountedPlanes::new(planes, metrics));
    Operator::new(client, planes, leadership, options).run(stop).await;
    drop(rested);
    let ended = tokio::time::timeout(FAREWELL, electing).await;
    if ended.is_err() {
        tracing::warn!("the lease could not be given back in time: it expires by itself");
    }
    serving.await.context("the server of metrics and probes")?;
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_id_is_what_sts_takes_and_has_no_slash() {
        for id in ["prod", "arn:aws:eks:eu-west-1:111122223333:cluster.prod", "a_b+c=d,e.f@g-h"] {
            assert!(cluster_id(Some(id)).is_ok(), "{id}");
        }
        for id in ["", "a/b", "a b", "ä", &"x".repeat(513)] {
            assert!(cluster_id(Some(id)).is_err(), "{id}");
        }
        assert!(cluster_id(None).is_err());
    }
}
