//! The way to AWS for each resource: its region, its role, and under which name it appears there.

use std::future::Future;

use crate::control_plane::ControlPlane;

/// In whose name AWS is called.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The region; none leaves it to the environment.
    pub region: Option<String>,
    /// The role to assume, if any.
    pub role: Option<Role>,
}

/// A role to assume.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Role {
    /// Its ARN.
    pub arn: String,
    /// `<cluster-id>/<namespace>`, which the role's trust policy asks for; derived, never a field.
    pub external_id: String,
    /// What CloudTrail shows: namespace, name and plan hash; 64 characters at most.
    pub session_name: String,
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
}
