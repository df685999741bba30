//! `reshard status`: how a resource of the cluster stands, at a glance, and what to do next.

use std::io::{self, IsTerminal};

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use self::page::{Facts, page};
use super::documents;
use super::outcome::Outcome;
use super::output::Output;
use super::selection::Named;
use crate::manifest;
use crate::operator::cluster;
use crate::operator::object::Autoscaler;
use crate::operator::status::{ConditionStatus, PlanState, Status};
use crate::policy::{Mode, ScalingPolicy};
use crate::resource::FieldError;

mod page;

/// Show how a resource of the cluster stands: shards, heat, plan, conditions, and what to do next
#[derive(Debug, Args)]
#[command(after_help = "\
It shows what the operator wrote last, and asks nothing of AWS: reshard plan NAME looks anew. \
Exit codes: 0 shown, 1 an error.")]
pub(super) struct StatusArgs {
    #[command(flatten)]
    resource: Named,
    /// How it is shown
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

/// How a status is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people at a terminal
    Table,
    /// For programs
    Json,
    /// For programs
    Yaml,
}

/// The status for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    namespace: &'a str,
    name: &'a str,
    generation: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<Mode>,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    status: &'a Status,
}

pub(super) async fn run(arguments: &StatusArgs, output: &Output) -> anyhow::Result<Outcome> {
    let (_, object) = arguments.resource.find().await?;
    let (key, policy, status) = (object.key(), object.policy(), object.status());
    let now = Timestamp::now();
    let next = next(&object, &policy, &status, &arguments.resource.arguments(&key), now);
    let text = match arguments.output {
        Format::Table => {
            let facts = Facts { object: &object, policy: policy.as_ref().ok(), status: &status };
            page(&facts, next.as_deref(), now, output.style())
        }
        format => {
            let document = Document {
                namespace: &key.namespace,
                name: &key.name,
                generation: object.generation(),
                mode: policy.ok().map(|policy| policy.mode),
                next,
                status: &status,
            };
            match format {
                Format::Yaml => manifest::to_yaml(&document)?,
                _ => documents::to_json(&document)?,
            }
        }
    };
    output.result(&text)?;
    Ok(Outcome::Done)
}

/// What to do next, if it is a person's turn.
fn next(
    object: &Autoscaler,
    policy: &Result<ScalingPolicy, Vec<FieldError>>,
    status: &Status,
    arguments: &str,
    now: Timestamp,
) -> Option<String> {
    let policy = match policy {
        Ok(policy) => policy,
        Err(faults) => {
            let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
            return Some(format!("correct the resource: {}", faults.join("; ")));
        }
    };
    let stalled =
        status.conditions.iter().find(|one| one.r#type == "Stalled" && one.status == ConditionStatus::True);
    if let Some(stalled) = stalled {
        return Some(format!("somebody has to act: {}", stalled.message));
    }
    if status.conditions.is_empty() {
        return Some("nothing has been said of it yet: does the operator run, and select it?".to_owned());
    }
    if policy.suspend {
        return Some(format!(
            "it is suspended; go on by: kubectl patch ksa {arguments} --type merge -p '{{\"spec\":{{\"suspend\":false}}}}'"
        ));
    }
    let plan = status.plan.as_ref()?;
    match plan.state {
        PlanState::AwaitingApproval => match cluster::waiting(object, None, now) {
            Ok(_) if cluster::is_approved(object, now) => None,
            Ok(_) => Some(format!("reshard approve {arguments}")),
            Err(why) => Some(why.to_string()),
        },
        PlanState::Planned => Some(format!(
            "only shown, for the mode is DryRun; have it carried out by: kubectl patch ksa {arguments} --type merge -p '{{\"spec\":{{\"mode\":\"Apply\"}}}}'"
        )),
        PlanState::Refused => Some("wait for the next proposal".to_owned()),
        PlanState::Approved | PlanState::Running | PlanState::Done => None,
    }
}

/// Whether somebody at a terminal can be asked.
pub(super) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::object::APPROVE;
    use crate::operator::status::{Condition, PlanStatus};

    fn said(spec: serde_json::Value, change: impl FnOnce(&mut Status, &mut Autoscaler)) -> Option<String> {
        let mut object = Autoscaler { spec, ..Autoscaler::default() };
        object.metadata.name = Some("orders".to_owned());
        object.metadata.namespace = Some("payments".to_owned());
        let ready = Condition {
            r#type: "Ready".to_owned(),
            status: ConditionStatus::True,
            reason: "InControl".to_owned(),
            message: String::new(),
            last_transition_time: Timestamp::UNIX_EPOCH,
            observed_generation: None,
        };
        let mut status = Status { conditions: vec![ready], ..Status::default() };
        change(&mut status, &mut object);
        object.status = serde_json::to_value(&status).expect("plain data");
        next(&object, &object.policy(), &status, "orders -n payments", Timestamp::UNIX_EPOCH)
    }

    fn spec() -> serde_json::Value {
        serde_json::json!({"streamRef": {"name": "orders"}, "maxShards": 8, "mode": "Approve"})
    }

    fn plan(status: &mut Status, state: PlanState) {
        let planned = crate::cost::fixtures::one_hot_shard().plan;
        status.plan = Some(PlanStatus {
            hash: planned.hash.clone(),
            state,
            summary: String::new(),
            generation: 0,
            steps: planned.steps().to_vec(),
            targets: None,
            expires_at: None,
            message: None,
        });
    }

    #[test]
    fn it_says_what_a_person_has_to_do_and_nothing_where_nobody_has_to() {
        assert_eq!(said(spec(), |_, _| {}), None);
        assert_eq!(said(spec(), |status, _| plan(status, PlanState::Running)), None);
        assert_eq!(
            said(spec(), |status, _| plan(status, PlanState::AwaitingApproval)).as_deref(),
            Some("reshard approve orders -n payments")
        );
        let approved = said(spec(), |status, object| {
            plan(status, PlanState::AwaitingApproval);
            let hash = status.plan.as_ref().expect("a plan").hash.as_str().to_owned();
            object.metadata.annotations = Some([(APPROVE.to_owned(), hash)].into());
        });
        assert_eq!(approved, None, "the operator's turn");
        let used_up = said(spec(), |status, object| {
            plan(status, PlanState::AwaitingApproval);
            let hash = status.plan.as_ref().expect("a plan").hash.as_str().to_owned();
            status.last_handled_approval = Some(hash.clone());
            object.metadata.annotations = Some([(APPROVE.to_owned(), hash)].into());
        });
        assert!(used_up.as_ref().is_some_and(|said| said.contains("reshard.dev/approve-")), "{used_up:?}");
        let silent = said(spec(), |status, _| status.conditions.clear()).expect("something is wrong");
        assert!(silent.contains("does the operator run"), "{silent}");
        let stalled = said(spec(), |status, _| {
            status.conditions[0].r#type = "Stalled".to_owned();
            status.conditions[0].message = "no access".to_owned();
        });
        assert_eq!(stalled.as_deref(), Some("somebody has to act: no access"));
        let wrong = said(serde_json::json!({"streamRef": {"name": "orders"}}), |_, _| {});
        assert!(wrong.expect("at fault").contains("spec.maxShards"));
        let mut suspended = spec();
        suspended["suspend"] = true.into();
        assert!(
            said(suspended, |_, _| {}).expect("suspended").contains("kubectl patch ksa orders -n payments")
        );
    }
}
