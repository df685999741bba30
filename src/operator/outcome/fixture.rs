//! Passes made by hand, for the tests of what is derived from them.

use super::*;
use crate::cost::Prices;
use crate::cost::fixtures::Sample;
use crate::demand::DemandSummary;
use crate::operator::approval::{Approval, Leave};
use crate::operator::status;
use crate::report;

/// A decision that gives no leave.
pub(crate) fn decided(sample: &Sample) -> Decided {
    let Sample { snapshot, policy, plan } = sample;
    let report = Report::new(snapshot, policy, &DemandSummary::default(), plan, &Prices::default());
    let answer =
        Answer { ended: None, plan: None, leave: Leave::Nothing, approval: Approval::None, handled: None };
    Decided {
        mode: Mode::Apply,
        counts: status::counts(plan),
        top: Vec::new(),
        report,
        stops: Vec::new(),
        answer,
        act: Act::Nothing,
        foreign: None,
        caught_up: None,
        metrics_requested: 7,
    }
}

/// A pass over `payments/orders` at generation 3.
pub(crate) fn pass(outcome: Outcome) -> Pass {
    let key = Key::new("payments", "orders");
    Pass { key, generation: 3, token: None, approval: None, outcome }
}

/// A pass that came to this decision.
pub(crate) fn pass_of(decided: Decided) -> Pass {
    pass(Outcome::Decided(Box::new(decided)))
}

/// The first step of the sample's plan, with how it ended.
pub(crate) fn stepped(sample: &Sample, result: Result<StepOutcome, ExecuteError>) -> Act {
    let step = sample.plan.steps()[0].clone();
    Act::Stepped(Box::new(Stepped {
        action: report::action_on(&step, &sample.snapshot.shards),
        step,
        why: Some("rejects writes".to_owned()),
        plan: sample.plan.hash.clone(),
        index: 0,
        of: sample.plan.steps().len(),
        result,
        at: sample.snapshot.observed_at,
        took: Duration::from_secs(31),
    }))
}

/// A request that AWS does not allow.
pub(crate) fn denied() -> RequestError {
    RequestError::new("SplitShard", ErrorClass::AccessDenied, "kinesis:SplitShard is not allowed")
}
