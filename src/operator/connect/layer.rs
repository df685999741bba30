//! What every call to the API server goes through: a limit on its time, and somebody who counts.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Method, Request, Response};
use http_body_util::BodyExt;
use kube::client::{Body, DynBody};
use tokio::time::Instant;
use tower::{BoxError, Layer, Service};

/// A call to the API server that has ended, or, of a watch, begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiCall<'a> {
    /// get, list, watch, create, update, patch or delete.
    pub verb: &'static str,
    /// The plural, with the subresource where there is one: `leases`, `pods/status`.
    pub resource: &'a str,
    /// The status of the reply; none where there was no reply.
    pub status: Option<u16>,
    /// How long it took.
    pub took: Duration,
}

/// Who is told of every call.
#[derive(Clone)]
pub struct ApiCalls(Arc<dyn Fn(&ApiCall<'_>) + Send + Sync>);

impl ApiCalls {
    /// Calls `tell` after every call.
    pub fn tell(tell: impl Fn(&ApiCall<'_>) + Send + Sync + 'static) -> Self {
        ApiCalls(Arc::new(tell))
    }

    /// Nobody is told.
    pub fn untold() -> Self {
        ApiCalls::tell(|_| {})
    }
}

impl fmt::Debug for ApiCalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiCalls")
    }
}

/// No reply in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the API server has not answered within {} s", .0.as_secs_f64())]
pub(super) struct NoAnswer(Duration);

/// Puts a limit on every call.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    limit: Duration,
    calls: ApiCalls,
}

impl Limits {
    pub(super) fn new(limit: Duration, calls: ApiCalls) -> Self {
        Limits { limit, calls }
    }
}

impl<S> Layer<S> for Limits {
    type Service = Limited<S>;

    fn layer(&self, inner: S) -> Limited<S> {
        Limited { inner, limits: self.clone() }
    }
}

/// A service whose calls are limited.
#[derive(Debug, Clone)]
pub(super) struct Limited<S> {
    inner: S,
    limits: Limits,
}

impl<S> Service<Request<Body>> for Limited<S>
where
    S: Service<Request<Body>, Response = Response<Box<DynBody>>, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response<Box<DynBody>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Limits { limit, calls } = self.limits.clone();
        let named = Named::of(&request);
        let began = Instant::now();
        let reply = self.inner.call(request);
        Box::pin(async move {
            let whole = async {
                let reply = reply.await?;
                if named.verb == "watch" && reply.status().is_success() {
                    return Ok(reply);
                }
                // Read here, within the limit, and not whenever somebody gets to it.
                let (head, body) = reply.into_parts();
                let body = Body::from(body.collect().await?.to_bytes());
                Ok(Response::from_parts(head, Box::new(body.map_err(BoxError::from)) as Box<DynBody>))
            };
            let reply = match tokio::time::timeout(limit, whole).await {
                Ok(reply) => reply,
                Err(_) => Err(NoAnswer(limit).into()),
            };
            (calls.0)(&ApiCall {
                verb: named.verb,
                resource: &named.resource,
                status: reply.as_ref().ok().map(|reply| reply.status().as_u16()),
                took: began.elapsed(),
            });
            reply
        })
    }
}

/// What a request asks for, in the API's words.
#[derive(Debug, PartialEq, Eq)]
struct Named {
    verb: &'static str,
    resource: String,
}

impl Named {
    fn of<B>(request: &Request<B>) -> Named {
        let path: Vec<&str> = request.uri().path().split('/').filter(|part| !part.is_empty()).collect();
        // /api/v1/… or /apis/GROUP/VERSION/…, then namespaces/NAME/ for what lies in one.
        let rest = match path.as_slice() {
            ["api", _, rest @ ..] | ["apis", _, _, rest @ ..] => rest,
            _ => &[],
        };
        let (resource, named) = match rest {
            ["namespaces", _, resource, rest @ ..] => (*resource, rest),
            [resource, rest @ ..] => (*resource, rest),
            [] => ("discovery", &[][..]),
        };
        let watches = request.uri().query().is_some_and(|query| {
            query.split('&').any(|field| matches!(field, "watch=true" | "watch=1" | "watch"))
        });
        let verb = match (request.method(), named) {
            (&Method::GET, []) if watches => "watch",
            (&Method::GET, []) => "list",
            (&Method::GET, _) => "get",
            (&Method::POST, _) => "create",
            (&Method::PUT, _) => "update",
            (&Method::PATCH, _) => "patch",
            (&Method::DELETE, _) => "delete",
            _ => "other",
        };
        let resource = match named {
            [_, subresource, ..] => format!("{resource}/{subresource}"),
            _ => resource.to_owned(),
        };
        Named { verb, resource }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_named_in_the_words_of_the_api() {
        let ours = "/apis/reshard.dev/v1alpha1";
        for (method, uri, verb, resource) in [
            (
                Method::GET,
                format!("{ours}/kinesisstreamautoscalers?limit=500"),
                "list",
                "kinesisstreamautoscalers",
            ),
            (
                Method::GET,
                format!("{ours}/namespaces/a/kinesisstreamautoscalers"),
                "list",
                "kinesisstreamautoscalers",
            ),
            (
                Method::GET,
                format!("{ours}/kinesisstreamautoscalers?a=b&watch=true"),
                "watch",
                "kinesisstreamautoscalers",
            ),
            (
                Method::GET,
                format!("{ours}/namespaces/a/kinesisstreamautoscalers/orders"),
                "get",
                "kinesisstreamautoscalers",
            ),
            (
                Method::PATCH,
                format!("{ours}/namespaces/a/kinesisstreamautoscalers/orders/status?force=true"),
                "patch",
                "kinesisstreamautoscalers/status",
            ),
            (
                Method::PUT,
                "/apis/coordination.k8s.io/v1/namespaces/a/leases/reshard".to_owned(),
                "update",
                "leases",
            ),
            (Method::POST, "/apis/events.k8s.io/v1/namespaces/a/events?".to_owned(), "create", "events"),
            (Method::GET, "/api/v1/namespaces?watch=1".to_owned(), "watch", "namespaces"),
            (Method::GET, "/api/v1/namespaces/a".to_owned(), "get", "namespaces"),
            (Method::DELETE, "/api/v1/namespaces/a/pods/x".to_owned(), "delete", "pods"),
            (Method::GET, "/version".to_owned(), "list", "discovery"),
        ] {
            let request = Request::builder().method(method).uri(&uri).body(()).expect("a request");
            assert_eq!(Named::of(&request), Named { verb, resource: resource.to_owned() }, "{uri}");
        }
    }
}
