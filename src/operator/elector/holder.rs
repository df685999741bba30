//! Who holds a lease, seen from outside: what the one-shot `apply` asks before it acts on a resource
//! of the cluster.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::GetParams;
use kube::client::Body;
use kube::{Client, Resource, ResourceExt};
use tokio::time::{sleep, timeout};

use super::{CallError, Timing, holder_of, lease_duration};

/// For how long an expired lease is watched at the most, whatever duration it gives: our operator's is a quarter of it.
const MOST_WATCHED: Duration = Duration::from_secs(60);

/// Why it is not known who holds a lease.
#[derive(Debug, thiserror::Error)]
#[error("cannot tell who holds the lease {namespace}/{name}: {source}")]
pub struct HolderError {
    namespace: String,
    name: String,
    source: CallError,
}

/// Who holds the lease: the identity of one who may be acting now, or nobody.
///
/// Somebody does if the lease was renewed within its duration by the API server's clock (the `Date`
/// of its reply), which is known at once. A lease that looks expired may be one whose holder's clock
/// is wrong: then it is watched for its duration, and whoever renews it meanwhile holds it. So
/// "nobody" is true whatever the clocks say, but for a suspended machine, and takes a lease's
/// duration to say, unless the lease was given back or never taken. It is true for now: an operator
/// that starts in the next moment is not foreseen.
///
/// # Errors
/// Where the API server refuses, or does not answer.
pub async fn holder(
    client: &Client,
    namespace: &str,
    name: &str,
    timing: Timing,
) -> Result<Option<String>, HolderError> {
    let wrap = |source| HolderError { namespace: namespace.to_owned(), name: name.to_owned(), source };
    let first = look(client, namespace, name, timing).await.map_err(wrap)?;
    let Some((lease, now)) = first else { return Ok(None) };
    let Some(holder) = holder_of(&lease) else { return Ok(None) };
    let duration = lease_duration(&lease).unwrap_or(timing.lease);
    if is_fresh(&lease, duration, now) {
        return Ok(Some(holder.to_owned()));
    }
    let watched = duration.min(MOST_WATCHED);
    let mut waited = Duration::ZERO;
    while waited < watched {
        let pause = timing.retry.min(watched - waited);
        sleep(pause).await;
        waited += pause;
        let Some((later, _)) = look(client, namespace, name, timing).await.map_err(wrap)? else {
            return Ok(None);
        };
        if later.resource_version() != lease.resource_version() {
            return Ok(holder_of(&later).map(str::to_owned));
        }
    }
    Ok(None)
}

/// Whether the lease was renewed within its duration; not where one of the times is not known.
fn is_fresh(lease: &Lease, duration: Duration, now: Option<Timestamp>) -> bool {
    let renewed = lease.spec.as_ref().and_then(|spec| spec.renew_time.as_ref());
    let (Some(renewed), Some(now)) = (renewed, now) else { return false };
    let age = now.duration_since(renewed.0);
    // Clocks of one cluster differ by a little: `Date` has whole seconds.
    age < SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
        && age > SignedDuration::from_secs(-2)
}

/// The lease, if there is one, and what the server's clock shows.
async fn look(
    client: &Client,
    namespace: &str,
    name: &str,
    timing: Timing,
) -> Result<Option<(Lease, Option<Timestamp>)>, CallError> {
    let ask = async {
        let path = Lease::url_path(&(), Some(namespace));
        let request = kube::core::Request::new(path).get(name, &GetParams::default());
        let request = request.map_err(kube::Error::BuildRequest)?;
        let reply = client.send(request.map(Body::from)).await?;
        let date = reply.headers().get(http::header::DATE).and_then(|date| date.to_str().ok());
        let now = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
        let status = reply.status();
        let body = reply.into_body().collect_bytes().await?;
        if status == http::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if !status.is_success() {
            let refusal = serde_json::from_slice(&body).map_err(kube::Error::SerdeError)?;
            return Err(kube::Error::Api(refusal));
        }
        let lease = serde_json::from_slice(&body).map_err(kube::Error::SerdeError)?;
        Ok(Some((lease, now.map(|now| now.timestamp()))))
    };
    match timeout(timing.call_timeout, ask).await {
        Ok(outcome) => outcome.map_err(CallError::from),
        Err(_) => Err(CallError::TimedOut(timing.call_timeout)),
    }
}
