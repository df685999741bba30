//! Clients for many roles and regions: one HTTP client and one chain of base credentials for all,
//! clients by region, and sessions of roles by their names.

use std::sync::{Arc, Mutex, PoisonError};

use aws_config::Region;
use aws_credential_types::provider::SharedCredentialsProvider;

use super::connect::{self, Base, account_of, check_region};
use super::error::Caller;
use super::rate_limit::RateLimits;
use super::recent::Recent;
use super::session::Session;
use super::{Access, AssumedRole, AwsControlPlane, AwsOptions, ConnectError};

/// The most regions with clients at once. AWS has fewer than forty; a resource may name others.
const MOST_REGIONS: usize = 48;
/// The most sessions of roles that are kept. A resource has one that reads, and one for each plan
/// that it carries out.
const MOST_SESSIONS: usize = 4_096;

/// The way to AWS for many roles and regions. Clones share everything.
#[derive(Debug, Clone)]
pub struct AwsPool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    options: AwsOptions,
    base: Base,
    regions: Mutex<Recent<String, Clients>>,
    sessions: Mutex<Recent<(String, AssumedRole), SharedCredentialsProvider>>,
}

/// The clients of a region. Each is a reference: cloning costs nothing.
#[derive(Debug, Clone)]
pub(super) struct Clients {
    pub(super) kinesis: aws_sdk_kinesis::Client,
    pub(super) cloudwatch: aws_sdk_cloudwatch::Client,
    pub(super) sts: aws_sdk_sts::Client,
}

impl AwsPool {
    /// Looks at the environment and its files. Nothing is asked of AWS yet: what is wrong with
    /// credentials or endpoints shows at the first request.
    ///
    /// # Errors
    /// [`ConnectError`] where the region or the endpoint cannot be one.
    pub async fn open(options: &AwsOptions) -> Result<Self, ConnectError> {
        Ok(AwsPool::over(connect::base(options).await?, options))
    }

    pub(super) fn over(base: Base, options: &AwsOptions) -> Self {
        AwsPool(Arc::new(Shared {
            options: options.clone(),
            base,
            regions: Mutex::new(Recent::new(MOST_REGIONS)),
            sessions: Mutex::new(Recent::new(MOST_SESSIONS)),
        }))
    }

    /// The control plane that the options speak of.
    ///
    /// # Errors
    /// As [`AwsPool::plane`].
    pub(super) fn default_plane(&self) -> Result<AwsControlPlane, ConnectError> {
        match &self.0.options.access {
            Access::Environment { role } => self.plane(None, role.as_ref()),
            Access::Static { .. } => self.plane(None, None),
        }
    }

    /// The region of the options or of the environment.
    pub fn default_region(&self) -> Option<&str> {
        self.0.base.config.region().map(Region::as_ref)
    }

    /// Kinesis and CloudWatch of `region`, or of the default region, in the name of `role`, or of
    /// the base credentials. Cheap: clients and sessions that are there are used again.
    ///
    /// # Errors
    /// [`ConnectError`] where the region or the role cannot be one.
    pub fn plane(
        &self,
        region: Option<&str>,
        role: Option<&AssumedRole>,
    ) -> Result<AwsControlPlane, ConnectError> {
        let Shared { options, base, regions, sessions } = &*self.0;
        let region = check_region(region.or(self.default_region()).ok_or(ConnectError::NoRegion)?)?;
        let account = role.map(|role| account_of(&role.role_arn)).transpose()?;
        let clients = regions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(&region, || Clients::new(base, &region, options));
        let credentials = role.map(|role| {
            let mut sessions = sessions.lock().unwrap_or_else(PoisonError::into_inner);
            sessions.get_or_insert(&(region.clone(), role.clone()), || {
                let caller = Caller { role_arn: None, region: region.clone(), profile: base.profile.clone() };
                SharedCredentialsProvider::new(Session::new(&clients.sts, role.clone(), caller))
            })
        });
        let scope = format!("{}/{region}@{}", account.unwrap_or("environment"), base.endpoint);
        Ok(AwsControlPlane {
            clients,
            credentials,
            caller: Arc::new(Caller {
                role_arn: role.map(|role| role.role_arn.clone()),
                region,
                profile: base.profile.clone(),
            }),
            limits: RateLimits::shared(&scope, options.clock_speed),
            timeouts: options.timeouts,
            clock_speed: options.clock_speed.max(1),
        })
    }
}

impl Clients {
    fn new(base: &Base, region: &str, options: &AwsOptions) -> Self {
        let config = base.config.to_builder().region(Region::new(region.to_owned())).build();
        let sts = aws_sdk_sts::config::Builder::from(&config).timeout_config(options.timeouts.sessions());
        Clients {
            kinesis: aws_sdk_kinesis::Client::new(&config),
            cloudwatch: aws_sdk_cloudwatch::Client::new(&config),
            sts: aws_sdk_sts::Client::from_conf(sts.build()),
        }
    }
}
