//! A session of an assumed role: credentials that STS gives, kept until shortly before they expire.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{self, ProvideCredentials, future};
use tokio::sync::Mutex;

use super::AssumedRole;
use super::error::{self, Caller};
use super::exchange::Exchange;
use crate::control_plane::{ErrorClass, RequestError};

/// So long before they expire credentials are not used any more: longer than any call may take.
const MARGIN: Duration = Duration::from_secs(300);

/// A session of an assumed role.
#[derive(Debug)]
pub(super) struct Session {
    sts: aws_sdk_sts::Client,
    role: AssumedRole,
    /// Who assumes it.
    caller: Caller,
    /// Held while STS is asked: whoever else needs the session waits for the same answer.
    kept: Mutex<Option<Credentials>>,
}

impl Session {
    /// A session that begins when it is first needed; `caller` asks for it.
    pub(super) fn new(sts: &aws_sdk_sts::Client, role: AssumedRole, caller: Caller) -> Self {
        Session { sts: sts.clone(), role, caller, kept: Mutex::new(None) }
    }

    async fn credentials(&self) -> provider::Result {
        let mut kept = self.kept.lock().await;
        if let Some(credentials) = kept.as_ref().filter(|credentials| lasts(credentials)) {
            return Ok(credentials.clone());
        }
        // What is kept goes only for something better: refused, the next call asks again.
        let credentials = self.assume().await.map_err(CredentialsError::provider_error)?;
        *kept = Some(credentials.clone());
        Ok(credentials)
    }

    async fn assume(&self) -> Result<Credentials, RequestError> {
        let AssumedRole { role_arn, session_name, external_id } = &self.role;
        tracing::debug!(role = role_arn, session = session_name, "assuming the role");
        let exchange = Exchange::default();
        let outcome = self
            .sts
            .assume_role()
            .role_arn(role_arn)
            .role_session_name(session_name)
            .set_external_id(external_id.clone())
            .customize()
            .interceptor(exchange.clone())
            .send()
            .await;
        let output = outcome.map_err(|error| {
            self.explain(error::classify(
                "AssumeRole",
                "sts:AssumeRole",
                &self.caller,
                &exchange.seen(),
                &error,
            ))
        })?;
        let broken =
            |what: &str| self.explain(RequestError::new("AssumeRole", ErrorClass::Unreachable, what));
        let given = output.credentials().ok_or_else(|| broken("the reply has no credentials"))?;
        let expiry = SystemTime::try_from(*given.expiration())
            .map_err(|_| broken("the credentials expire at no time that can be"))?;
        Ok(Credentials::builder()
            .access_key_id(given.access_key_id())
            .secret_access_key(given.secret_access_key())
            .session_token(given.session_token())
            .expiry(expiry)
            .provider_name("AssumeRole")
            .build())
    }

    /// The error of a call that had to wait for this session: nothing of that call was sent,
    /// whatever became of STS's.
    fn explain(&self, error: RequestError) -> RequestError {
        let AssumedRole { role_arn, external_id, .. } = &self.role;
        let RequestError { class, message, .. } = &error;
        let message = match class {
            ErrorClass::AccessDenied => {
                let condition = match external_id {
                    Some(id) => format!(" with the external ID {id} (sts:ExternalId)"),
                    None => String::new(),
                };
                let trust = format!("its trust policy has to allow sts:AssumeRole to this caller{condition}");
                format!("sts:AssumeRole of {role_arn} is not allowed: {message}; {trust}")
            }
            _ => format!("sts:AssumeRole of {role_arn}: {message}"),
        };
        let class = match class {
            ErrorClass::Ambiguous => ErrorClass::Unreachable,
            class => *class,
        };
        RequestError { class, message, ..error }
    }
}

fn lasts(credentials: &Credentials) -> bool {
    credentials
        .expiry()
        .is_some_and(|expiry| expiry.duration_since(SystemTime::now()).is_ok_and(|left| left > MARGIN))
}

impl ProvideCredentials for Session {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}
