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

    /// The flags as they were given, each with a blank before it, for a command line to go on with.
    pub fn as_given(&self) -> String {
        let AwsFlags { region, profile, endpoint_url, clock_speed } = self;
        let speed = (*clock_speed != 1).then(|| clock_speed.to_string());
        [
            ("--region", region),
            ("--profile", profile),
            ("--endpoint-url", endpoint_url),
            ("--clock-speed", &speed),
        ]
        .into_iter()
        .filter_map(|(flag, value)| Some(format!(" {flag} {}", shell_word(value.as_ref()?))))
        .collect()
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

/// `text` as one word of a shell's command line.
fn shell_word(text: &str) -> String {
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
    fn the_flags_that_were_given_can_be_given_again() {
        let mut flags = AwsFlags { region: None, profile: None, endpoint_url: None, clock_speed: 1 };
        assert_eq!(flags.as_given(), "");
        flags.endpoint_url = Some("http://127.0.0.1:4567".to_owned());
        flags.clock_speed = 60;
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
