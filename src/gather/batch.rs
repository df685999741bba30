//! Requests that go in one call: which fit together, and the reply taken apart again.

use std::collections::VecDeque;
use std::ops::Range;

use super::{Answer, Waiting};
use crate::control_plane::{
    ControlPlane, ErrorClass, GetMetricData, MetricPage, MetricResult, Period, Reply, RequestError,
};
use crate::quota::{GET_METRIC_DATA_POINTS, GET_METRIC_DATA_QUERIES};
use crate::snapshot::Minute;

/// The minutes of a call are those of its requests together, and at most so many times as many as any
/// of them asks for: who looks back for a day has no company of those that look back for minutes.
const MOST_EXCESS: i64 = 2;
/// A call stays within one page by its size; more pages than this are a server's mistake.
const MOST_PAGES: usize = 50;

/// Requests that go in one call; never none.
#[derive(Debug)]
pub(super) struct Batch {
    members: Vec<Waiting>,
    size: Size,
}

/// What a call asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) queries: usize,
    pub(super) start: Minute,
    pub(super) end: Minute,
    /// The fewest minutes that a request asks for.
    fewest: i64,
    /// What a point stands for; `None` where requests do not agree, which no call can answer.
    period: Option<Period>,
}

impl Size {
    pub(super) fn of(request: &GetMetricData) -> Size {
        let GetMetricData { queries, start, end, period, next_token: _ } = request;
        let (fewest, period) = (end.since(*start), Some(*period));
        Size { queries: queries.len(), start: *start, end: *end, fewest, period }
    }

    fn with(self, other: Size) -> Size {
        Size {
            queries: self.queries + other.queries,
            start: self.start.min(other.start),
            end: self.end.max(other.end),
            fewest: self.fewest.min(other.fewest),
            period: self.period.filter(|period| other.period == Some(*period)),
        }
    }

    pub(super) fn points(self) -> usize {
        usize::try_from(self.end.since(self.start)).unwrap_or(0).saturating_mul(self.queries)
    }

    fn is_one_call(self) -> bool {
        self.period.is_some()
            && self.queries <= GET_METRIC_DATA_QUERIES
            && self.points() <= GET_METRIC_DATA_POINTS
            && self.end.since(self.start) <= MOST_EXCESS * self.fewest
    }
}

impl Batch {
    /// These in one call, of whom there is one at least.
    pub(super) fn of(members: Vec<Waiting>) -> Batch {
        let sizes = members.iter().map(|member| Size::of(&member.request));
        let size = sizes.reduce(Size::with).expect("a batch is never empty");
        Batch { members, size }
    }

    /// Takes whoever has waited longest, and in the same order all that fit; those who have given
    /// up are forgotten.
    pub(super) fn take(waiting: &mut VecDeque<Waiting>) -> Option<Batch> {
        waiting.retain(|one| !one.answer.is_closed());
        let mut batch = Batch::of(vec![waiting.pop_front()?]);
        let mut at = 0;
        while let Some(one) = waiting.get(at) {
            let size = batch.size.with(Size::of(&one.request));
            if !size.is_one_call() {
                at += 1;
            } else if let Some(one) = waiting.remove(at) {
                batch.members.push(one);
                batch.size = size;
            }
        }
        Some(batch)
    }

    /// Asks, and answers everybody. Dropped on the way, it leaves everybody without an answer.
    pub(super) async fn ask<P: ControlPlane>(self, plane: &P) {
        if let [alone] = self.members.as_slice() {
            let told = plane.get_metric_data(&alone.request).await;
            return self.tell(|_| Answer::Told(told.clone()));
        }
        match self.ask_for_all(plane).await {
            Ok(pages) => {
                let mut replies = self.taken_apart(pages).into_iter();
                self.tell(|_| replies.next().map_or(Answer::AskAlone, |reply| Answer::Told(Ok(reply))));
            }
            Err(Some(error)) if meets_everybody(error.class) => {
                self.tell(|_| Answer::Told(Err(error.clone())));
            }
            Err(_) => self.tell(|_| Answer::AskAlone),
        }
    }

    fn tell(self, mut answer: impl FnMut(&GetMetricData) -> Answer) {
        for Waiting { request, answer: to } in self.members {
            // Who has given up meanwhile hears nothing.
            let _gone = to.send(answer(&request));
        }
    }

    /// Every page of the joined call; no error where they do not end.
    async fn ask_for_all<P: ControlPlane>(
        &self,
        plane: &P,
    ) -> Result<Vec<Reply<MetricPage>>, Option<RequestError>> {
        let queries = self.members.iter().flat_map(|member| member.request.queries.iter().cloned());
        let Size { start, end, period, .. } = self.size;
        let period = period.unwrap_or_default();
        let mut request = GetMetricData { queries: queries.collect(), start, end, period, next_token: None };
        let mut pages = Vec::new();
        while pages.len() < MOST_PAGES {
            let mut page = plane.get_metric_data(&request).await.map_err(Some)?;
            request.next_token = page.value.next_token.take();
            pages.push(page);
            if request.next_token.is_none() {
                return Ok(pages);
            }
        }
        Err(None)
    }

    /// For each request, in their order, its part of all pages as one.
    pub(super) fn taken_apart(&self, pages: Vec<Reply<MetricPage>>) -> Vec<Reply<MetricPage>> {
        let Some(at) = pages.first().map(|page| page.at) else { return Vec::new() };
        let mut ends: Vec<usize> = Vec::with_capacity(self.members.len());
        for member in &self.members {
            ends.push(ends.last().copied().unwrap_or(0) + member.request.queries.len());
        }
        let mut replies = vec![Reply { value: MetricPage::default(), at }; self.members.len()];
        for result in pages.into_iter().flat_map(|page| page.value.results) {
            let member = ends.partition_point(|end| *end <= result.query);
            let (Some(Waiting { request, .. }), Some(reply)) =
                (self.members.get(member), replies.get_mut(member))
            else {
                continue;
            };
            let query = result.query + request.queries.len() - ends[member];
            let MetricResult { query: _, status, mut points } = result;
            let minutes = |size: &Size| Range { start: size.start, end: size.end };
            let (asked, own) = (minutes(&self.size), minutes(&Size::of(request)));
            // What nobody has asked for stays: whoever reads it sees that something is wrong.
            points.retain(|point| own.contains(&point.minute()) || !asked.contains(&point.minute()));
            reply.value.results.push(MetricResult { query, status, points });
        }
        replies
    }
}

/// Whether an error of this class would have met each of the requests by itself: it is about the
/// account's rate, the network or the server, not about what is asked or in whose name.
fn meets_everybody(class: ErrorClass) -> bool {
    match class {
        ErrorClass::LimitExceeded
        | ErrorClass::Throttled
        | ErrorClass::Unreachable
        | ErrorClass::Ambiguous => true,
        ErrorClass::ResourceInUse
        | ErrorClass::AccessDenied
        | ErrorClass::Credentials
        | ErrorClass::NotFound
        | ErrorClass::Invalid
        | ErrorClass::ExpiredToken => false,
    }
}
