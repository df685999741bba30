//! AWS itself: one pool of connections, clients by region, sessions by role.

use super::{Identity, Planes, Role};
use crate::aws::{AssumedRole, AwsControlPlane, AwsOptions, AwsPool, ConnectError};

/// The way to AWS. Clones share everything.
#[derive(Debug, Clone)]
pub struct AwsPlanes(AwsPool);

impl AwsPlanes {
    /// Looks at the environment, which says whose credentials assume the roles and which region is
    /// the default. AWS is not asked.
    ///
    /// # Errors
    /// [`ConnectError`] where the region or the endpoint cannot be one.
    pub async fn open(options: &AwsOptions) -> Result<Self, ConnectError> {
        Ok(AwsPlanes(AwsPool::open(options).await?))
    }
}

impl Planes for AwsPlanes {
    type Plane = AwsControlPlane;

    async fn plane(&self, identity: &Identity) -> Result<AwsControlPlane, String> {
        let Identity { region, role } = identity;
        let role = role.as_ref().map(|Role { arn, external_id, session_name }| AssumedRole {
            role_arn: arn.clone(),
            session_name: session_name.clone(),
            external_id: Some(external_id.clone()),
        });
        self.0.plane(region.as_deref(), role.as_ref()).map_err(|error| error.to_string())
    }

    fn region<'a>(&'a self, identity: &'a Identity) -> Option<&'a str> {
        identity.region.as_deref().or_else(|| self.0.default_region())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wrong_region_or_role_is_told_in_a_sentence() {
        let options = AwsOptions::local("http://127.0.0.1:1", "eu-west-1");
        let planes = AwsPlanes::open(&options).await.expect("valid options");
        let role = Role::of("admin", "prod", "payments", "orders", None);
        let identity = |region: &str, role| Identity { region: Some(region.to_owned()), role };
        let told = planes.plane(&identity("eu-west-1", Some(role))).await.expect_err("no role");
        assert!(told.contains("\"admin\" is not the ARN of a role"), "{told}");
        let told = planes.plane(&identity("Ireland", None)).await.expect_err("no region");
        assert!(told.contains("\"Ireland\" is not an AWS region"), "{told}");
    }

    #[tokio::test]
    async fn the_region_that_is_asked_is_the_resources_or_that_of_the_environment() {
        let planes =
            AwsPlanes::open(&AwsOptions::local("http://127.0.0.1:1", "eu-west-1")).await.expect("valid");
        for (region, expected) in [(None, "eu-west-1"), (Some("eu-west-2"), "eu-west-2")] {
            let identity = Identity { region: region.map(str::to_owned), role: None };
            let plane = planes.plane(&identity).await.expect("a region");
            assert_eq!((plane.region(), planes.region(&identity)), (expected, Some(expected)));
        }
    }
}
