//! The body of a reply that breaks off, or falls silent, while it is read.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::combinators::UnsyncBoxBody;
use tokio::time::Sleep;
use tower::BoxError;

use super::reset;

/// When and how a body ends before its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Break {
    after: Duration,
    silent: bool,
}

impl Break {
    pub fn off(after: Duration) -> Break {
        Break { after, silent: false }
    }

    pub fn silently(after: Duration) -> Break {
        Break { after, silent: true }
    }
}

/// A body that breaks.
pub(super) struct Breaking {
    body: UnsyncBoxBody<Bytes, BoxError>,
    at: Pin<Box<Sleep>>,
    silent: bool,
}

impl Breaking {
    pub fn new(body: UnsyncBoxBody<Bytes, BoxError>, breaks: Break) -> Breaking {
        Breaking { body, at: Box::pin(tokio::time::sleep(breaks.after)), silent: breaks.silent }
    }
}

impl Body for Breaking {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.at.is_elapsed() || self.at.as_mut().poll(context).is_ready() {
            return if self.silent { Poll::Pending } else { Poll::Ready(Some(Err(reset()))) };
        }
        Pin::new(&mut self.body).poll_frame(context)
    }
}
