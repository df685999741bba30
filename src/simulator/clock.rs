//! Virtual time: what happens when, in order. Nothing else moves the clock.

use jiff::{SignedDuration, Timestamp};

use super::Cloud;
use super::reshard::Change;

impl Cloud {
    /// Lets time pass until `to`; nothing happens if that is past.
    pub fn advance_to(&mut self, to: Timestamp) {
        while self.now < to {
            self.now = self.next_moment().min(to);
            self.happen();
        }
    }

    /// Lets so much time pass.
    pub fn advance(&mut self, by: SignedDuration) {
        self.advance_to(self.now.checked_add(by).unwrap_or(Timestamp::MAX));
    }

    /// Lets so many seconds pass.
    pub fn advance_seconds(&mut self, seconds: i64) {
        self.advance(SignedDuration::from_secs(seconds));
    }

    /// The next moment after now at which something can happen.
    fn next_moment(&self) -> Timestamp {
        let flows = self.streams.values().any(|stream| stream.flows());
        // Minutes matter while something is to be published, hours for what expires.
        let step = match () {
            () if flows => 1,
            () if self.streams.values().any(|stream| stream.dirty) => 60,
            () => 3_600,
        };
        let next_step = (self.now.as_second().div_euclid(step) + 1) * step;
        let next_step = Timestamp::from_second(next_step).unwrap_or(Timestamp::MAX);
        let pending = self.streams.values().filter_map(|stream| stream.pending.as_ref());
        pending.map(|pending| pending.0).fold(next_step, Timestamp::min)
    }

    /// What happens at this very moment: first the second of traffic that ends now, then the minute
    /// of metrics that ends now, then changes that have taken their time.
    fn happen(&mut self) {
        let second = self.now.as_second();
        if self.now.subsec_nanosecond() == 0 {
            for stream in self.streams.values_mut().filter(|stream| stream.flows()) {
                stream.tick(self.now, &self.config);
            }
            if second % 60 == 0 {
                for stream in self.streams.values_mut() {
                    if std::mem::take(&mut stream.dirty) {
                        self.metrics.publish(stream, self.now, self.config.metrics.retention);
                    }
                    stream.expire(self.now);
                }
            }
        }
        self.settle();
    }

    /// Completes the changes that have taken their time by now.
    pub(super) fn settle(&mut self) {
        let now = self.now;
        let due = |pending: &Option<(Timestamp, Change)>| pending.as_ref().is_some_and(|(at, _)| *at <= now);
        self.streams.retain(|_, stream| {
            !(due(&stream.pending) && matches!(stream.pending, Some((_, Change::Delete))))
        });
        for stream in self.streams.values_mut().filter(|stream| due(&stream.pending)) {
            if let Some((at, change)) = stream.pending.take() {
                stream.complete(change, at, &self.config.limits);
            }
        }
    }
}
