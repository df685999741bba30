//! The way to AWS for each resource: its region, its role, and under which name it appears there.

use std::fmt;
use std::future::Future;

use sha2::{Digest, Sha256};

pub use self::aws::AwsPlanes;
pub use self::gathered::GatheredPlanes;
use crate::control_plane::ControlPlane;
use crate::plan::PlanHash;

mod aws;
mod gathered;

/// The most characters of a session's name: "AssumeRole" in the API reference of STS.
const LONGEST_SESSION_NAME: usize = 64;

/// In whose name AWS is called.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The region; none leaves it to the environment.
    pub region: Option<String>,
    /// The role to assume, if any.
    pub role: Option<Role>,
}

/// A role to assume.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Role {
    /// Its ARN.
    pub arn: String,
    /// `<cluster-id>/<namespace>`, which the role's trust policy asks for; derived, never a field.
    pub external_id: String,
    /// What CloudTrail shows: namespace, name and plan hash; 64 characters at most.
    pub session_name: String,
}

impl Role {
    /// The role `arn` for the resource `name` of `namespace`: to look at its stream, or to carry
    /// out `plan`, whose hash CloudTrail then shows beside every write.
    pub fn of(arn: &str, cluster_id: &str, namespace: &str, name: &str, plan: Option<&PlanHash>) -> Role {
        Role {
            arn: arn.to_owned(),
            external_id: format!("{cluster_id}/{namespace}"),
            session_name: session_name(namespace, name, plan),
        }
    }
}

impl fmt::Debug for Role {
    /// Without the external ID: it has no place in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Role { arn, external_id: _, session_name } = self;
        f.debug_struct("Role").field("arn", arn).field("session_name", session_name).finish_non_exhaustive()
    }
}

/// `payments.orders`, `payments.orders@9f3c2a1b5d6e7f80`. The names of Kubernetes are all made of
/// what STS allows, and a namespace has no dot. What is too long is cut, and told from all others
/// that begin like it by a digest.
fn session_name(namespace: &str, name: &str, plan: Option<&PlanHash>) -> String {
    let plan = plan.map(|hash| format!("@{hash}")).unwrap_or_default();
    let full = format!("{namespace}.{name}");
    let room = LONGEST_SESSION_NAME - plan.len();
    if full.len() <= room {
        return full + &plan;
    }
    let digest: String = Sha256::digest(&full).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let kept: String = full.chars().take(room - digest.len() - 1).collect();
    format!("{kept}={digest}{plan}")
}

/// Who gives control planes: AWS, or what stands in for it.
pub trait Planes: Send + Sync + 'static {
    /// What it gives.
    type Plane: ControlPlane + Clone + 'static;

    /// A control plane for `identity`; cheap where there is one already.
    ///
    /// # Errors
    /// A sentence for people, where the region or the role cannot be one.
    fn plane(&self, identity: &Identity) -> impl Future<Output = Result<Self::Plane, String>> + Send;

    /// The region that it asks: that of `identity`, or of the environment; `None` where neither names one.
    fn region<'a>(&'a self, identity: &'a Identity) -> Option<&'a str>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::fixtures;

    #[test]
    fn a_session_is_named_after_the_resource_and_the_plan() {
        let plan = fixtures::one_hot_shard().plan;
        assert_eq!(session_name("payments", "orders", None), "payments.orders");
        assert_eq!(
            session_name("payments", "orders", Some(&plan.hash)),
            format!("payments.orders@{}", plan.hash)
        );
    }

    #[test]
    fn long_names_fit_and_stay_apart_and_keep_the_hash() {
        let plan = fixtures::one_hot_shard().plan;
        let namespace = "n".repeat(63);
        for plan in [None, Some(&plan.hash)] {
            let names = ["orders-a", "orders-b"].map(|name| session_name(&namespace, name, plan));
            assert_ne!(names[0], names[1]);
            for name in names {
                assert_eq!(name.len(), LONGEST_SESSION_NAME);
                let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
                assert!(name.chars().all(allowed), "{name}");
                assert!(plan.is_none_or(|hash| name.ends_with(hash.as_str())), "{name}");
            }
        }
    }

    #[test]
    fn the_external_id_is_derived_and_not_logged() {
        let role = Role::of("arn:aws:iam::111122223333:role/a", "prod", "payments", "orders", None);
        assert_eq!(role.external_id, "prod/payments");
        assert!(!format!("{role:?}").contains("prod/"), "{role:?}");
    }
}
