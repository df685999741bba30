//! From options to what all clients are made from: region, credentials, endpoints, timeouts,
//! retries, and the one HTTP client.

use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Builder, ConnectorBuilder, tls};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

/// How to reach AWS, or what stands in for it.
#[derive(Debug, Clone)]
pub struct AwsOptions {
    /// The region; `None` leaves it to the environment, as every AWS tool does.
    pub region: Option<String>,
    /// Where credentials and endpoints come from.
    pub access: Access,
    /// With [`Access::Environment`]: the profile, before `AWS_PROFILE`.
    pub profile: Option<String>,
    /// With [`Access::Environment`]: where all services are, before `AWS_ENDPOINT_URL`.
    pub endpoint_url: Option<String>,
    /// How long calls may take.
    pub timeouts: Timeouts,
    /// How many times faster than ours the server's clock runs: 1 with AWS, `--speed` of a
    /// sandbox. Sleeps get shorter by it.
    pub clock_speed: u32,
}

impl Default for AwsOptions {
    fn default() -> Self {
        AwsOptions {
            region: None,
            access: Access::Environment { role: None },
            profile: None,
            endpoint_url: None,
            timeouts: Timeouts::default(),
            clock_speed: 1,
        }
    }
}

impl AwsOptions {
    /// Static keys against one endpoint: for demo and tests. The environment, profiles and the
    /// instance's metadata are never looked at.
    pub fn local(endpoint_url: impl Into<String>, region: impl Into<String>) -> Self {
        AwsOptions {
            region: Some(region.into()),
            access: Access::Static {
                endpoint_url: endpoint_url.into(),
                access_key_id: "reshard".to_owned(),
                secret_access_key: "reshard".to_owned(),
            },
            ..AwsOptions::default()
        }
    }
}

/// Where credentials and endpoints come from.
#[derive(Clone)]
pub enum Access {
    /// The standard chain of every AWS tool: environment, profiles, SSO, IRSA, Pod Identity,
    /// instance metadata; `AWS_ENDPOINT_URL` and its variants for single services.
    Environment {
        /// A role to assume with the chain's credentials.
        role: Option<AssumedRole>,
    },
    /// Static keys against one endpoint.
    Static {
        /// Where Kinesis and CloudWatch both are.
        endpoint_url: String,
        /// The access key's ID.
        access_key_id: String,
        /// Its secret.
        secret_access_key: String,
    },
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Access::Environment { role } => f.debug_struct("Environment").field("role", role).finish(),
            Access::Static { endpoint_url, access_key_id, .. } => f
                .debug_struct("Static")
                .field("endpoint_url", endpoint_url)
                .field("access_key_id", access_key_id)
                .finish_non_exhaustive(),
        }
    }
}

/// A role to assume before any call.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AssumedRole {
    /// Its ARN.
    pub role_arn: String,
    /// What CloudTrail shows; at most 64 characters of `[\w+=,.@-]`.
    pub session_name: String,
    /// The external ID that the role's trust policy asks for.
    pub external_id: Option<String>,
}

impl std::fmt::Debug for AssumedRole {
    /// Without the external ID, which is nobody's business.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AssumedRole")
            .field("role_arn", &self.role_arn)
            .field("session_name", &self.session_name)
            .finish_non_exhaustive()
    }
}

/// How long calls may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// Until a connection stands.
    pub connect: Duration,
    /// One attempt, reply included.
    pub attempt: Duration,
    /// All attempts of a read together.
    pub operation: Duration,
    /// The one attempt of a write, from the call to its reply: the wait for a turn within the
    /// account's rate and for credentials included.
    pub write: Duration,
}

/// The default of [`Timeouts::write`]. Whoever holds a lease sends a write only where the lease
/// certainly lasts longer than this.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            connect: Duration::from_secs(3),
            attempt: Duration::from_secs(15),
            operation: Duration::from_secs(45),
            write: WRITE_TIMEOUT,
        }
    }
}

impl Timeouts {
    /// Of reads.
    fn reads(self) -> TimeoutConfig {
        self.config(self.attempt, self.operation)
    }

    /// Of a role's session: it has to be there, or refused, within one attempt of the call that
    /// waits for it, a second attempt included.
    pub(super) fn sessions(self) -> TimeoutConfig {
        let within = self.attempt.min(self.write);
        self.config(within * 2 / 5, within * 9 / 10)
    }

    /// Of a write of which so much time is `left`.
    pub(super) fn writes(self, left: Duration) -> TimeoutConfig {
        self.config(left, left)
    }

    fn config(self, attempt: Duration, operation: Duration) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(self.connect)
            .operation_attempt_timeout(attempt)
            .operation_timeout(operation)
            .build()
    }
}

/// Why there are no clients.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// No region anywhere.
    #[error(
        "no AWS region: name one in the resource (streamRef.region), in AWS_REGION or in the profile, such as eu-west-1"
    )]
    NoRegion,
    /// Not what a region looks like.
    #[error("\"{0}\" is not an AWS region: one looks like eu-west-1 or us-gov-east-1")]
    NotARegion(String),
    /// Not a role's ARN.
    #[error("\"{0}\" is not the ARN of a role: one looks like arn:aws:iam::111122223333:role/NAME")]
    NotARole(String),
    /// Not the URL of an endpoint.
    #[error("\"{0}\" is not the URL of an endpoint: one looks like http://127.0.0.1:4567")]
    NotAnEndpoint(String),
    /// The environment names an endpoint, and not by its URL.
    #[error(
        "{variable} is \"{value}\", which is not the URL of an endpoint: one looks like http://127.0.0.1:4567; unset it to reach AWS itself"
    )]
    NotAnEndpointInEnvironment {
        /// The variable.
        variable: &'static str,
        /// What it says.
        value: String,
    },
}

/// What all clients are made from.
#[derive(Debug)]
pub(super) struct Base {
    /// With the credentials of the environment, or the static ones. Its region, if any, is the
    /// default.
    pub(super) config: SdkConfig,
    /// Where the services are, where the options or the environment say so.
    pub(super) endpoint: String,
    /// The profile that the options or the environment name.
    pub(super) profile: Option<String>,
}

/// Resolves options. Looks at the environment and files, and makes no call to AWS but for a region
/// from the instance's metadata where nothing else names one; credentials are resolved when the
/// first request needs them.
pub(super) async fn base(options: &AwsOptions) -> Result<Base, ConnectError> {
    let region = options.region.as_deref().map(check_region).transpose()?.map(Region::new);
    let app_name = AppName::new(concat!("reshard-", env!("CARGO_PKG_VERSION")))
        .expect("letters, digits, dots and a dash make an app name");
    let trusted = !rustls_native_certs::load_native_certs().certs.is_empty();
    match &options.access {
        Access::Static { endpoint_url, access_key_id, secret_access_key } => {
            let url = check_endpoint(endpoint_url)?;
            let keys = Credentials::from_keys(access_key_id, secret_access_key, None);
            let config = SdkConfig::builder()
                .behavior_version(BehaviorVersion::v2026_01_12())
                .app_name(app_name)
                .region(region)
                .endpoint_url(url)
                .http_client(http_client(trusted))
                .credentials_provider(SharedCredentialsProvider::new(keys))
                .timeout_config(options.timeouts.reads())
                .retry_config(RetryConfig::standard())
                // A sandbox's clock may run far from ours; its signatures are not checked.
                .disable_clock_skew_correction(true)
                .build();
            Ok(Base { config, endpoint: url.to_owned(), profile: None })
        }
        Access::Environment { .. } => {
            let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
                .app_name(app_name)
                .http_client(http_client(trusted))
                .timeout_config(options.timeouts.reads())
                .retry_config(RetryConfig::standard());
            if let Some(region) = region {
                loader = loader.region(region);
            }
            if let Some(profile) = &options.profile {
                // A profile that somebody names goes before keys in the environment, as with the
                // AWS CLI; the chain would have it the other way round.
                let keys = ProfileFileCredentialsProvider::builder().profile_name(profile).build();
                loader = loader.profile_name(profile).credentials_provider(keys);
            }
            if let Some(url) = &options.endpoint_url {
                loader = loader.endpoint_url(check_endpoint(url)?);
            }
            check_environment(|variable| std::env::var(variable).ok())?;
            let config = loader.load().await;
            let endpoint =
                config.endpoint_url().map(check_endpoint).transpose()?.unwrap_or_default().to_owned();
            if !trusted && !endpoint.starts_with("http://") {
                tracing::warn!(
                    "no certificate authority is known (SSL_CERT_FILE, SSL_CERT_DIR, /etc/ssl/certs): AWS cannot \
                     be reached"
                );
            }
            let named = || std::env::var("AWS_PROFILE").ok().filter(|profile| !profile.is_empty());
            Ok(Base { config, endpoint, profile: options.profile.clone().or_else(named) })
        }
    }
}

/// The SDK's own HTTP client, but one for all: left to itself, each service's client of each region
/// makes one with a connection pool of its own.
/// `trusted`: whether any authority is.
fn http_client(trusted: bool) -> SharedHttpClient {
    Builder::new().build_with_connector_fn(move |settings, components| {
        // The SDK's builder panics where it is to find authorities and there are none.
        let trust = tls::TrustStore::empty().with_native_roots(trusted);
        let context = tls::TlsContext::builder().with_trust_store(trust).build();
        let mut connector = ConnectorBuilder::default()
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::AwsLc))
            .tls_context(context.expect("a trust store makes a TLS context"));
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.set_proxy_config(Some(ProxyConfig::from_env()));
        connector.build()
    })
}

/// Partition words, an area and a number, joined by dashes: `eu-west-1`, `us-gov-east-1`,
/// `eusc-de-east-1`. Which regions there are cannot be known offline.
pub(super) fn check_region(region: &str) -> Result<String, ConnectError> {
    let parts: Vec<&str> = region.split('-').collect();
    let is_region = match parts.as_slice() {
        [words @ .., number] => {
            words.len() >= 2
                && words.iter().all(|word| word.len() >= 2 && word.bytes().all(|b| b.is_ascii_lowercase()))
                && matches!(number.len(), 1..=2)
                && number.bytes().all(|b| b.is_ascii_digit())
        }
        [] => false,
    };
    is_region.then(|| region.to_owned()).ok_or_else(|| ConnectError::NotARegion(region.to_owned()))
}

fn check_endpoint(url: &str) -> Result<&str, ConnectError> {
    let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let is_url = host.is_some_and(|host| !host.is_empty() && !host.starts_with('/') && !host.contains(' '));
    is_url.then_some(url).ok_or_else(|| ConnectError::NotAnEndpoint(url.to_owned()))
}

/// The endpoints that the environment names are URLs: the SDK panics over one that is empty.
fn check_environment(value_of: impl Fn(&str) -> Option<String>) -> Result<(), ConnectError> {
    const ENDPOINTS: [&str; 4] = [
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_KINESIS",
        "AWS_ENDPOINT_URL_CLOUDWATCH",
        "AWS_ENDPOINT_URL_STS",
    ];
    if value_of("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").is_some_and(|value| value.eq_ignore_ascii_case("true"))
    {
        return Ok(());
    }
    for variable in ENDPOINTS {
        if let Some(value) = value_of(variable)
            && check_endpoint(&value).is_err()
        {
            return Err(ConnectError::NotAnEndpointInEnvironment { variable, value });
        }
    }
    Ok(())
}

/// The account in `arn:aws:iam::111122223333:role/NAME`.
pub(super) fn account_of(role_arn: &str) -> Result<&str, ConnectError> {
    let parts: Vec<&str> = role_arn.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", _, "iam", "", account, resource]
            if account.len() == 12
                && account.bytes().all(|b| b.is_ascii_digit())
                && resource.strip_prefix("role/").is_some_and(|name| !name.is_empty()) =>
        {
            Ok(account)
        }
        _ => Err(ConnectError::NotARole(role_arn.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_look_like_a_region_is_named() {
        for region in ["eu-west-1", "us-gov-east-1", "ap-southeast-7", "eusc-de-east-1", "us-isob-east-1"] {
            assert_eq!(check_region(region).as_deref(), Ok(region));
        }
        for region in ["", "eu", "eu-west", "EU-WEST-1", "eu_west_1", "eu-west-1a", "Ireland", "eu--1", "-1"]
        {
            assert_eq!(check_region(region), Err(ConnectError::NotARegion(region.to_owned())));
        }
    }

    #[test]
    fn what_is_not_a_role_or_an_endpoint_is_named() {
        assert_eq!(account_of("arn:aws:iam::111122223333:role/a/b"), Ok("111122223333"));
        for arn in ["", "reshard", "arn:aws:iam::1:role/a", "arn:aws:iam::111122223333:user/a"] {
            assert_eq!(account_of(arn), Err(ConnectError::NotARole(arn.to_owned())));
        }
        for url in ["", "127.0.0.1:4567", "http://", "http:///x"] {
            assert_eq!(check_endpoint(url), Err(ConnectError::NotAnEndpoint(url.to_owned())));
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let role = AssumedRole {
            role_arn: "arn:aws:iam::111122223333:role/a".to_owned(),
            session_name: "s".to_owned(),
            external_id: Some("cluster/namespace".to_owned()),
        };
        assert!(!format!("{:?}", Access::Environment { role: Some(role) }).contains("cluster/namespace"));
        let mut options = AwsOptions::local("http://127.0.0.1:1", "eu-west-1");
        options.access = Access::Static {
            endpoint_url: "http://127.0.0.1:1".to_owned(),
            access_key_id: "id".to_owned(),
            secret_access_key: "hidden".to_owned(),
        };
        assert!(!format!("{options:?}").contains("hidden"));
    }
}
