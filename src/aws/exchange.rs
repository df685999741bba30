//! What an HTTP exchange tells beside the operation's output: where the request went, whether it
//! was handed to the network at all, and the reply's `Date`.

use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

/// An interceptor that watches one operation. Clones see the same exchange.
#[derive(Debug, Clone, Default)]
pub(super) struct Exchange(Arc<Mutex<Seen>>);

/// What was seen of an exchange, its last attempt where there were several.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// Scheme, host and port of the endpoint; `None` where no request was ever handed to the
    /// network (no credentials, no endpoint, bad parameters), so nothing can have taken effect.
    pub(super) sent_to: Option<String>,
    /// The reply's `Date`.
    pub(super) date: Option<Timestamp>,
}

impl Exchange {
    /// What was seen so far.
    pub(super) fn seen(&self) -> Seen {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[dyn_dispatch_hint]
impl Intercept for Exchange {
    fn name(&self) -> &'static str {
        "Exchange"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let endpoint = endpoint_of(context.request().uri());
        self.note(|seen| *seen = Seen { sent_to: Some(endpoint), date: None });
        Ok(())
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date").and_then(parse_http_date);
        self.note(|seen| seen.date = date);
        Ok(())
    }
}

/// `https://kinesis.eu-west-1.amazonaws.com/path?query` without path and query.
fn endpoint_of(uri: &str) -> String {
    let host = uri.find("://").map_or(0, |at| at + 3);
    let end = uri[host..].find(['/', '?']).map_or(uri.len(), |at| host + at);
    uri[..end].to_owned()
}

/// An IMF-fixdate (RFC 9110 §5.6.7) is an RFC 2822 date in GMT.
fn parse_http_date(text: &str) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_uri_without_its_path() {
        for (uri, endpoint) in [
            ("https://kinesis.eu-west-1.amazonaws.com/", "https://kinesis.eu-west-1.amazonaws.com"),
            ("http://127.0.0.1:4567/service/Granite?x=1", "http://127.0.0.1:4567"),
            ("http://[::1]:80", "http://[::1]:80"),
        ] {
            assert_eq!(endpoint_of(uri), endpoint);
        }
    }

    #[test]
    fn the_date_of_a_reply_is_read_to_the_second() {
        let at = parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").expect("an IMF-fixdate");
        assert_eq!(at.to_string(), "1994-11-06T08:49:37Z");
        assert_eq!(parse_http_date("yesterday"), None);
    }
}
