//! How AWS is reached: flags before the manifest, the manifest before the environment.

use anyhow::{Context, anyhow, bail};
use clap::Args;

use super::selection::{Origin, Selected};
use crate::aws::{Access, AssumedRole, AwsControlPlane, AwsOptions};
use crate::operator::planes::Role;
use crate::policy::{ScalingPolicy, StreamRef};
use crate::stream::region_of;

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
    /// What the cluster is called in the external IDs of roles, CLUSTER/NAMESPACE, as the operator
    /// has it; for resources of a cluster that name a role
    #[arg(long, value_name = "CLUSTER", env = "RESHARD_CLUSTER_ID")]
    cluster_id: Option<String>,
}

impl AwsFlags {
    /// Clients for `stream`.
    pub async fn connect(&self, stream: &Selected) -> anyhow::Result<AwsControlPlane> {
        AwsControlPlane::connect(&self.options(stream)?)
            .await
            .with_context(|| format!("stream {}", stream.policy.stream.name))
    }

    /// A region by flag goes before the manifest's, but not before the one in a stream's ARN.
    fn agree_with(&self, policy: &ScalingPolicy) -> anyhow::Result<()> {
        if let (Some(region), Some(arn)) = (&self.region, &policy.stream.arn)
            && region_of(arn) != Some(region)
        {
            bail!("stream {}: --region {region} is not the region in its ARN {arn}", policy.stream.name);
        }
        Ok(())
    }

    /// Clients for a stream that has no resource, and thus no role.
    pub async fn connect_to(&self, policy: &ScalingPolicy) -> anyhow::Result<AwsControlPlane> {
        self.agree_with(policy)?;
        AwsControlPlane::connect(&self.options_for(&policy.stream, None))
            .await
            .with_context(|| format!("stream {}", policy.stream.name))
    }

    /// The flags as they were given, each with a blank before it, for a command line to go on with.
    pub fn as_given(&self) -> String {
        let AwsFlags { region, profile, endpoint_url, clock_speed, cluster_id } = self;
        let speed = (*clock_speed != 1).then(|| clock_speed.to_string());
        [
            ("--region", region),
            ("--profile", profile),
            ("--endpoint-url", endpoint_url),
            ("--clock-speed", &speed),
            ("--cluster-id", cluster_id),
        ]
        .into_iter()
        .filter_map(|(flag, value)| Some(format!(" {flag} {}", shell_word(value.as_ref()?))))
        .collect()
    }

    /// How many times faster than ours the endpoint's clock runs.
    pub fn clock_speed(&self) -> u32 {
        self.clock_speed
    }

    /// The first part of external IDs, where it was given.
    pub fn cluster_id(&self) -> Option<&str> {
        self.cluster_id.as_deref()
    }

    /// In the name of whoever runs the command, whichever the stream.
    pub fn own_options(&self) -> AwsOptions {
        AwsOptions {
            region: self.region.clone(),
            access: Access::Environment { role: None },
            profile: self.profile.clone(),
            endpoint_url: self.endpoint_url.clone(),
            clock_speed: self.clock_speed,
            ..AwsOptions::default()
        }
    }

    fn options(&self, stream: &Selected) -> anyhow::Result<AwsOptions> {
        let Selected { origin, policy, standing: _ } = stream;
        self.agree_with(policy)?;
        let role = match (&policy.role_arn, origin) {
            (None, _) => None,
            (Some(role_arn), Origin::File(_)) => Some(AssumedRole {
                role_arn: role_arn.clone(),
                session_name: session_name(&policy.stream.name),
                external_id: None,
            }),
            (Some(role_arn), Origin::Cluster { key, .. }) => {
                let cluster_id = self.cluster_id.as_deref().ok_or_else(|| {
                    anyhow!(
                        "{key}: the trust policy of {role_arn} asks for the external ID CLUSTER/{}: give \
                         --cluster-id or RESHARD_CLUSTER_ID, as the operator has it",
                        key.namespace
                    )
                })?;
                let Role { arn, external_id, session_name } =
                    Role::of(role_arn, cluster_id, &key.namespace, &key.name, None);
                Some(AssumedRole { role_arn: arn, session_name, external_id: Some(external_id) })
            }
        };
        Ok(self.options_for(&policy.stream, role))
    }

    fn options_for(&self, stream: &StreamRef, role: Option<AssumedRole>) -> AwsOptions {
        AwsOptions {
            region: self.region.clone().or_else(|| stream.region.clone()),
            access: Access::Environment { role },
            ..self.own_options()
        }
    }
}

/// `text` as one word of a shell's command line.
pub(super) fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// What CloudTrail shows: at most 64 characters; a stream's name has only such as are allowed.
fn session_name(stream: &str) -> String {
    format!("reshard-{stream}").chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::object::Key;
    use crate::policy::ScalingPolicy;

    const NONE: AwsFlags =
        AwsFlags { region: None, profile: None, endpoint_url: None, clock_speed: 1, cluster_id: None };

    fn selected(origin: Origin) -> Selected {
        let mut policy = ScalingPolicy::for_stream("orders", 8);
        policy.stream.region = Some("eu-west-1".to_owned());
        Selected { origin, policy, standing: None }
    }

    #[test]
    fn a_flag_goes_before_the_manifest() {
        let stream = selected(Origin::File("orders.yaml".into()));
        let region = |flags: AwsFlags| flags.options(&stream).expect("no role").region;
        assert_eq!(region(NONE).as_deref(), Some("eu-west-1"));
        let flags = AwsFlags { region: Some("us-east-1".to_owned()), ..NONE };
        assert_eq!(region(flags).as_deref(), Some("us-east-1"));
    }

    #[test]
    fn a_resource_of_a_cluster_assumes_its_role_as_the_operator_does() {
        let mut stream = selected(Origin::Cluster { key: Key::new("payments", "orders"), context: None });
        let arn = "arn:aws:iam::111122223333:role/reshard/payments";
        stream.policy.role_arn = Some(arn.to_owned());
        let told = NONE.options(&stream).expect_err("which cluster?").to_string();
        assert!(told.contains("CLUSTER/payments") && told.contains("--cluster-id"), "{told}");
        let flags = AwsFlags { cluster_id: Some("prod".to_owned()), ..NONE };
        let Access::Environment { role: Some(role) } = flags.options(&stream).expect("a role").access else {
            panic!("the role is assumed")
        };
        let expected = AssumedRole {
            role_arn: arn.to_owned(),
            session_name: "payments.orders".to_owned(),
            external_id: Some("prod/payments".to_owned()),
        };
        assert!(role == expected, "{role:?}");
    }

    #[test]
    fn a_region_that_is_not_the_one_in_an_arn_is_pointed_out() {
        const ARN: &str = "arn:aws:kinesis:eu-west-1:111122223333:stream/orders";
        let mut policy = ScalingPolicy::for_stream("orders", 8);
        let flags = |region: &str| AwsFlags { region: Some(region.to_owned()), ..NONE };
        flags("us-east-1").agree_with(&policy).expect("no ARN says otherwise");
        policy.stream.arn = Some(ARN.to_owned());
        flags("eu-west-1").agree_with(&policy).expect("the same");
        let told = flags("us-east-1").agree_with(&policy).expect_err("another").to_string();
        assert_eq!(told, format!("stream orders: --region us-east-1 is not the region in its ARN {ARN}"));
    }

    #[test]
    fn the_flags_that_were_given_can_be_given_again() {
        assert_eq!(NONE.as_given(), "");
        let endpoint_url = Some("http://127.0.0.1:4567".to_owned());
        let mut flags = AwsFlags { endpoint_url, clock_speed: 60, ..NONE };
        assert_eq!(flags.as_given(), " --endpoint-url http://127.0.0.1:4567 --clock-speed 60");
        flags = AwsFlags { region: Some("eu-west-1".to_owned()), ..flags };
        flags.profile = Some("it's mine".to_owned());
        assert!(flags.as_given().starts_with(r" --region eu-west-1 --profile 'it'\''s mine' --endpoint"));
    }

    #[test]
    fn a_session_name_is_never_too_long_for_sts() {
        assert_eq!(session_name("orders"), "reshard-orders");
        assert_eq!(session_name(&"x".repeat(128)).len(), 64);
    }
}
