//! How AWS is reached: flags before the manifest, the manifest before the environment.

use anyhow::Context;
use clap::Args;

use crate::aws::{Access, AssumedRole, AwsControlPlane, AwsOptions};
use crate::policy::ScalingPolicy;

/// How AWS is reached.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "AWS")]
pub(super) struct AwsFlags {
    /// The region, before the manifest's and AWS_REGION
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// The profile of the AWS configuration files, before AWS_PROFILE
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Where Kinesis and CloudWatch are, before AWS_ENDPOINT_URL; a sandbox says where it is
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
    /// How many times faster the endpoint's clock runs: the --speed of a sandbox
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    clock_speed: u32,
}

impl AwsFlags {
    /// Clients for the stream of `policy`.
    pub async fn connect(&self, policy: &ScalingPolicy) -> anyhow::Result<AwsControlPlane> {
        AwsControlPlane::connect(&self.options(policy))
            .await
            .with_context(|| format!("stream {}", policy.stream.name))
    }

    fn options(&self, policy: &ScalingPolicy) -> AwsOptions {
        let role = policy.role_arn.as_ref().map(|role_arn| AssumedRole {
            role_arn: role_arn.clone(),
            session_name: session_name(&policy.stream.name),
            external_id: None,
        });
        AwsOptions {
            region: self.region.clone().or_else(|| policy.stream.region.clone()),
            access: Access::Environment { role },
            profile: self.profile.clone(),
            endpoint_url: self.endpoint_url.clone(),
            clock_speed: self.clock_speed,
            ..AwsOptions::default()
        }
    }
}

/// What CloudTrail shows: at most 64 characters; a stream's name has only such as are allowed.
fn session_name(stream: &str) -> String {
    format!("reshard-{stream}").chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_goes_before_the_manifest() {
        let mut policy = ScalingPolicy::for_stream("orders", 8);
        policy.stream.region = Some("eu-west-1".to_owned());
        let flags = |region: Option<&str>| AwsFlags {
            region: region.map(str::to_owned),
            profile: None,
            endpoint_url: None,
            clock_speed: 1,
        };
        assert_eq!(flags(None).options(&policy).region.as_deref(), Some("eu-west-1"));
        assert_eq!(flags(Some("us-east-1")).options(&policy).region.as_deref(), Some("us-east-1"));
    }

    #[test]
    fn a_session_name_is_never_too_long_for_sts() {
        assert_eq!(session_name("orders"), "reshard-orders");
        assert_eq!(session_name(&"x".repeat(128)).len(), 64);
    }
}
