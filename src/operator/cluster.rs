//! The cluster as the command line sees it: resources as plain data, and the one thing that it writes
//! there, an approval.

use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::json;

use super::approval;
use super::connect::{self, ApiCalls, ClusterOptions, ConnectError, Connection};
use super::elector::{self, HolderError, Timing};
use super::object::{APPROVE, Autoscaler, Key};
use super::status::{PlanState, PlanStatus, Status};
use crate::plan::PlanHash;

/// Resources in one reply of the API server.
const PAGE: u32 = 500;
/// How often an approval is tried where the resource is written to at the same moment.
const APPROVAL_TRIES: usize = 5;
/// The name under which the approval is owned.
const FIELD_MANAGER: &str = "reshard-approve";

/// A cluster.
#[derive(Debug, Clone)]
pub struct Cluster(Connection);

/// Why the cluster did not give or take what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// There is no way to it.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A call failed.
    #[error("{what}: {why} ({server})")]
    Call {
        /// What it was about.
        what: String,
        /// Why.
        why: String,
        /// The API server.
        server: String,
    },
    /// It is not known whether an operator is at work.
    #[error(transparent)]
    Holder(#[from] HolderError),
}

/// The Lease of an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseName {
    /// Its namespace: the operator's.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// Why a plan is not approved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotApproved {
    /// There is none.
    #[error("no plan waits for approval")]
    NoPlan,
    /// It does not wait.
    #[error("the plan {hash} does not wait for approval: it is {state:?}")]
    NotWaiting {
        /// The plan.
        hash: PlanHash,
        /// How it stands.
        state: PlanState,
    },
    /// Another plan stands there.
    #[error("the plan {wanted} is not the one that waits, which is {standing}: look at it first")]
    AnotherPlan {
        /// The plan that was to be approved.
        wanted: String,
        /// The plan that waits.
        standing: PlanHash,
    },
    /// It is too late.
    #[error("the plan {hash} has expired ({at}): wait for the next proposal")]
    Expired {
        /// The plan.
        hash: PlanHash,
        /// When.
        at: jiff::Timestamp,
    },
    /// The resource is not the one that the plan was made for.
    #[error("the resource has changed since the plan {hash} was made: wait for the next proposal")]
    Edited {
        /// The plan.
        hash: PlanHash,
    },
    /// The annotation approved this plan before, which then ended.
    #[error(
        "the plan {hash} was approved before and has ended; take that approval back first: \
         kubectl annotate ksa {name} -n {namespace} {APPROVE}-"
    )]
    UsedUp {
        /// The plan.
        hash: PlanHash,
        /// The resource's namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// That approval has been taken back, and the operator has not seen it yet.
    #[error(
        "the plan {hash} was approved before and has ended; that approval was taken back, which the operator has \
         still to take in: try again in a minute"
    )]
    NotYetTakenBack {
        /// The plan.
        hash: PlanHash,
    },
}

impl Cluster {
    /// Finds the cluster as kubectl does. It is not asked anything yet.
    ///
    /// # Errors
    /// [`ClusterError::Connect`].
    pub async fn connect(options: &ClusterOptions) -> Result<Cluster, ClusterError> {
        Ok(Cluster(connect::connect(options, ApiCalls::untold()).await?))
    }

    /// The namespace of the context, or of the pod.
    pub fn namespace(&self) -> &str {
        &self.0.namespace
    }

    /// The resource `key`.
    ///
    /// # Errors
    /// [`ClusterError::Call`], where there is none or it may not be read, too.
    pub async fn get(&self, key: &Key) -> Result<Autoscaler, ClusterError> {
        let api: Api<Autoscaler> = Api::namespaced(self.0.client.clone(), &key.namespace);
        api.get(&key.name).await.map_err(|error| self.failed(key.to_string(), &error))
    }

    /// The resource `key`, where there still is one.
    ///
    /// # Errors
    /// [`ClusterError::Call`], where it may not be read, too.
    pub async fn find(&self, key: &Key) -> Result<Option<Autoscaler>, ClusterError> {
        let api: Api<Autoscaler> = Api::namespaced(self.0.client.clone(), &key.namespace);
        api.get_opt(&key.name).await.map_err(|error| self.failed(key.to_string(), &error))
    }

    /// All resources of all namespaces, by namespace and name.
    ///
    /// # Errors
    /// [`ClusterError::Call`].
    pub async fn list(&self) -> Result<Vec<Autoscaler>, ClusterError> {
        let api: Api<Autoscaler> = Api::all(self.0.client.clone());
        let (mut found, mut page) = (Vec::new(), ListParams::default().limit(PAGE));
        loop {
            let list = api.list(&page).await;
            let list = list.map_err(|error| self.failed("all namespaces".to_owned(), &error))?;
            found.extend(list.items);
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => break,
            }
        }
        found.sort_by_key(Autoscaler::key);
        Ok(found)
    }

    /// Who holds the lease of the operator and may be acting now; nobody, where none does. That takes
    /// a lease's duration to say where one was left behind.
    ///
    /// # Errors
    /// [`ClusterError::Holder`]: who may not look does not know.
    pub async fn operator(&self, lease: &LeaseName) -> Result<Option<String>, ClusterError> {
        let LeaseName { namespace, name } = lease;
        Ok(elector::holder(&self.0.client, namespace, name, Timing::default()).await?)
    }

    /// Approves the plan `hash` of the resource `key`: that plan or none. `now` is what expiry is
    /// compared with.
    ///
    /// # Errors
    /// [`ClusterError`] where the cluster does not answer, or the resource is written to all the
    /// time; the inner error where the plan is not, or no longer, the one that waits.
    pub async fn approve(
        &self,
        key: &Key,
        hash: &PlanHash,
        now: jiff::Timestamp,
    ) -> Result<Result<(), NotApproved>, ClusterError> {
        let api: Api<Autoscaler> = Api::namespaced(self.0.client.clone(), &key.namespace);
        for tries_left in (0..APPROVAL_TRIES).rev() {
            let object = self.get(key).await?;
            if let Err(why) = waiting(&object, Some(hash.as_str()), now) {
                return Ok(Err(why));
            }
            let annotation = json!({"metadata": {
                // Written to in between, it is looked at again.
                "resourceVersion": object.metadata.resource_version,
                "annotations": {APPROVE: hash},
            }});
            let parameters =
                PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
            match api.patch(&key.name, &parameters, &Patch::Merge(&annotation)).await {
                Ok(_) => return Ok(Ok(())),
                Err(kube::Error::Api(status)) if status.code == 409 && tries_left > 0 => {}
                Err(error) => return Err(self.failed(key.to_string(), &error)),
            }
        }
        unreachable!("the last try ends the loop")
    }

    fn failed(&self, what: String, error: &kube::Error) -> ClusterError {
        ClusterError::Call { what, why: connect::explain(error), server: self.0.server.clone() }
    }
}

/// The plan of `object` that waits for approval, if it is the one `wanted`, where one is.
///
/// # Errors
/// [`NotApproved`].
pub fn waiting(
    object: &Autoscaler,
    wanted: Option<&str>,
    now: jiff::Timestamp,
) -> Result<PlanStatus, NotApproved> {
    let Status { plan, last_handled_approval, .. } = object.status();
    let plan = plan.ok_or(NotApproved::NoPlan)?;
    let hash = || plan.hash.clone();
    if let Some(wanted) = wanted.filter(|wanted| *wanted != plan.hash.as_str()) {
        return Err(NotApproved::AnotherPlan { wanted: wanted.to_owned(), standing: hash() });
    }
    if plan.state != PlanState::AwaitingApproval {
        return Err(NotApproved::NotWaiting { hash: hash(), state: plan.state });
    }
    if plan.generation != object.generation() {
        return Err(NotApproved::Edited { hash: hash() });
    }
    if let Some(at) = plan.expires_at.filter(|at| *at <= now) {
        return Err(NotApproved::Expired { hash: hash(), at });
    }
    let named = object.annotation(APPROVE);
    if last_handled_approval.as_deref() == Some(plan.hash.as_str()) {
        if named != Some(plan.hash.as_str()) {
            return Err(NotApproved::NotYetTakenBack { hash: hash() });
        }
        let Key { namespace, name } = object.key();
        let (namespace, name) = (namespace.to_string(), name.to_string());
        return Err(NotApproved::UsedUp { hash: hash(), namespace, name });
    }
    Ok(plan)
}

/// Whether the plan of `object` is approved, and will be or is carried out for it: the annotation names it, and
/// has not been used up, or come too late.
pub fn is_approved(object: &Autoscaler, now: jiff::Timestamp) -> bool {
    let Some(plan) = object.status().plan else { return false };
    object.annotation(APPROVE) == Some(plan.hash.as_str())
        && (approval::was_approved(&plan) || waiting(object, None, now).is_ok())
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::cost::fixtures;

    /// A resource whose plan waits, with this done to it.
    fn object(change: impl FnOnce(&mut Autoscaler, &mut Status)) -> (Autoscaler, PlanHash) {
        let planned = fixtures::one_hot_shard().plan;
        let mut object = Autoscaler::default();
        object.metadata.name = Some("orders".to_owned());
        object.metadata.namespace = Some("payments".to_owned());
        object.metadata.generation = Some(7);
        let plan = PlanStatus {
            hash: planned.hash.clone(),
            state: PlanState::AwaitingApproval,
            summary: "4 → 5 shards in 1 step (1 split)".to_owned(),
            generation: 7,
            steps: planned.steps().to_vec(),
            targets: None,
            expires_at: Some(Timestamp::UNIX_EPOCH + SignedDuration::from_hours(4)),
            message: None,
        };
        let mut status = Status { plan: Some(plan), ..Status::default() };
        change(&mut object, &mut status);
        object.status = serde_json::to_value(status).expect("plain data");
        (object, planned.hash)
    }

    fn refused(change: impl FnOnce(&mut Autoscaler, &mut Status)) -> String {
        let (object, hash) = object(change);
        waiting(&object, Some(hash.as_str()), Timestamp::UNIX_EPOCH).expect_err("refused").to_string()
    }

    fn plan(status: &mut Status) -> &mut PlanStatus {
        status.plan.as_mut().expect("a plan")
    }

    #[test]
    fn a_plan_that_waits_may_be_approved() {
        let (object, hash) = object(|_, _| {});
        for wanted in [None, Some(hash.as_str())] {
            assert_eq!(waiting(&object, wanted, Timestamp::UNIX_EPOCH).expect("it waits").hash, hash);
        }
    }

    #[test]
    fn any_other_is_refused_with_why() {
        for (told, expected) in [
            (refused(|_, status| status.plan = None), "no plan waits"),
            (refused(|_, status| plan(status).state = PlanState::Running), "it is Running"),
            (refused(|object, _| object.metadata.generation = Some(8)), "the resource has changed"),
            (refused(|_, status| plan(status).expires_at = Some(Timestamp::UNIX_EPOCH)), "has expired"),
        ] {
            assert!(told.contains(expected), "{told}");
        }
        let (object, _) = object(|_, _| {});
        let told = waiting(&object, Some("0000000000000000"), Timestamp::UNIX_EPOCH).expect_err("another");
        assert!(told.to_string().contains("0000000000000000 is not the one that waits"), "{told}");
    }

    #[test]
    fn an_approval_that_is_used_up_has_to_be_taken_back_first() {
        let told = refused(|object, status| {
            let hash = plan(status).hash.as_str().to_owned();
            object.metadata.annotations = Some([(APPROVE.to_owned(), hash.clone())].into());
            status.last_handled_approval = Some(hash);
        });
        assert!(told.ends_with("kubectl annotate ksa orders -n payments reshard.dev/approve-"), "{told}");
    }

    #[test]
    fn an_approval_that_was_taken_back_has_to_be_seen_first() {
        let told = refused(|_, status| {
            let hash = plan(status).hash.as_str().to_owned();
            status.last_handled_approval = Some(hash);
        });
        assert!(told.ends_with("try again in a minute"), "{told}");
    }

    #[test]
    fn a_plan_is_approved_where_the_annotation_names_it_and_is_not_used_up() {
        let names = |object: &mut Autoscaler, status: &mut Status| {
            let hash = plan(status).hash.as_str().to_owned();
            object.metadata.annotations = Some([(APPROVE.to_owned(), hash.clone())].into());
            hash
        };
        let is_approved = |(object, _): (Autoscaler, PlanHash)| is_approved(&object, Timestamp::UNIX_EPOCH);
        assert!(!is_approved(object(|_, _| {})));
        assert!(is_approved(object(|object, status| {
            names(object, status);
        })));
        assert!(!is_approved(object(|object, status| {
            status.last_handled_approval = Some(names(object, status));
        })));
        assert!(is_approved(object(|object, status| {
            names(object, status);
            // Expiry bounds the start.
            plan(status).state = PlanState::Running;
            plan(status).expires_at = Some(Timestamp::UNIX_EPOCH);
        })));
    }
}
