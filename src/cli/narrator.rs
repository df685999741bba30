//! Tells what an executor does: finished steps on stdout, the one in flight in a spinner.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::output::{Output, Spinner};
use crate::control_plane::{ErrorClass, RequestId};
use crate::executor::{Event, StepOutcome};
use crate::report::{Report, StepReport};

/// Tells of the steps of one stream.
pub(super) struct Narrator {
    stream: String,
    output: Arc<Output>,
    spinner: Spinner,
    told: Mutex<Told>,
}

/// The steps of the latest plan in words, and the one that is under way.
#[derive(Default)]
struct Told {
    steps: Vec<StepReport>,
    current: usize,
    /// Why UpdateShardCount was refused last.
    refused: Option<ErrorClass>,
}

impl Narrator {
    pub fn new(stream: &str, output: &Arc<Output>) -> Narrator {
        Narrator {
            stream: stream.to_owned(),
            output: Arc::clone(output),
            spinner: output.spinner(format!("{stream}: looking")),
            told: Mutex::default(),
        }
    }

    /// The plan that the next events are about.
    pub fn plan(&self, report: &Report) {
        let mut told = self.told();
        (told.steps, told.current) = (report.steps.clone(), 0);
    }

    /// Says a line of result.
    pub fn say(&self, line: &str) {
        // Where nobody reads any more, the steps are still to be brought to their end.
        let _nobody_reads = self.output.sentences(&format!("{}: {line}", self.stream));
    }

    /// What became of the step at `index` of the plan.
    pub fn finished(&self, index: usize, outcome: StepOutcome) {
        let line = step_line(self.told().steps.get(index), outcome);
        self.say(&line);
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of an event.
    pub fn tell(&self, event: &Event<'_>) {
        let request_id = match event {
            Event::NotAccepted { error } => RequestId::of(*error),
            _ => None,
        };
        tracing::info!(stream = self.stream, request_id, "{event}");
        let mut told = self.told();
        match event {
            Event::Planned { .. } => {}
            // A step of another kind does instead, so that no error at the end tells of it. It is asked
            // for again before each of those, and told once.
            Event::NotAccepted { error } if error.operation == "UpdateShardCount" => {
                if told.refused.replace(error.class) != Some(error.class) {
                    self.say(&format!("{error}; splits and merges have to do"));
                }
            }
            Event::NotAccepted { .. } => {}
            Event::AwaitingTurn => {
                self.spinner.say(format!("{}: waiting for its turn, other streams reshard", self.stream));
            }
            Event::Sending { index, of, .. } => {
                told.current = *index;
                let action = told.steps.get(*index).map_or("", |step| step.action.as_str());
                self.spinner.say(format!("{}: step {} of {of}: {action}", self.stream, index + 1));
            }
            Event::Waiting { status, waited } => {
                let status = status.map_or_else(|| "unreadable".to_owned(), |status| status.to_string());
                self.spinner.say(format!("{}: the stream is {status} ({} s)", self.stream, waited.as_secs()));
            }
            Event::Finished { outcome, .. } => {
                let line = step_line(told.steps.get(told.current), *outcome);
                self.say(&line);
                self.spinner.say(format!("{}: looking", self.stream));
            }
            Event::Holding { plan, next_look_in } => {
                let reasons: Vec<_> = plan.holds.iter().map(|hold| hold.reason()).collect();
                let seconds = next_look_in.as_secs();
                self.spinner.say(format!(
                    "{}: waiting for {}, next look in {seconds} s",
                    self.stream,
                    reasons.join(", ")
                ));
            }
        }
    }
}

fn step_line(step: Option<&StepReport>, outcome: StepOutcome) -> String {
    match step {
        Some(step) if step.reason.is_empty() => format!("{}: {outcome}", step.action),
        Some(step) => format!("{}: {outcome} ({})", step.action, step.reason),
        None => format!("a step {outcome}"),
    }
}
