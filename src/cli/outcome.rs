//! How a command ends: its exit code, and what is said of an error.

use std::io;
use std::process::ExitCode;

use super::output::Output;

/// How a command ended; of several, the worst counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// 0: done, or nothing to do.
    Done,
    /// 2: steps are planned (`--detailed-exitcode`).
    StepsPlanned,
    /// 1: something failed.
    Failed,
}

impl Outcome {
    pub fn exit_code(self) -> ExitCode {
        ExitCode::from(match self {
            Outcome::Done => 0,
            Outcome::StepsPlanned => 2,
            Outcome::Failed => 1,
        })
    }
}

/// Several things that are wrong at once, each with its place.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub(super) struct Faults(pub Vec<String>);

/// Says on stderr what went wrong. A reader of stdout who has had enough is no error.
pub(super) fn failed(error: &anyhow::Error, output: &Output) -> Outcome {
    let closed =
        error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
    if closed {
        return Outcome::Done;
    }
    match error.downcast_ref::<Faults>() {
        Some(Faults(faults)) => faults.iter().for_each(|fault| output.error(fault)),
        None => output.error(&chain(error)),
    }
    Outcome::Failed
}

/// Says what is wrong beside what is done: the outcome is then a failure, whatever else is done.
pub(super) fn told(faults: &[String], output: &Output) -> Outcome {
    faults.iter().for_each(|fault| output.error(fault));
    if faults.is_empty() { Outcome::Done } else { Outcome::Failed }
}

/// The error with those of its causes that it does not already tell.
pub(super) fn chain(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn a_failure_outweighs_planned_steps_and_those_outweigh_nothing_to_do() {
        assert!(Outcome::Failed > Outcome::StepsPlanned && Outcome::StepsPlanned > Outcome::Done);
    }

    #[test]
    fn a_cause_is_told_once() {
        let cause = || io::Error::other("disk on fire");
        let told = Err::<(), _>(cause()).context("cannot write a.json").expect_err("failed");
        assert_eq!(chain(&told), "cannot write a.json: disk on fire");
        let twice = Err::<(), _>(cause()).context("a.json: disk on fire").expect_err("failed");
        assert_eq!(chain(&twice), "a.json: disk on fire");
    }
}
