//! Credentials that are not there, and those that do not come.

use aws_credential_types::credential_fn::provide_credentials_fn;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_credential_types::provider::error::CredentialsError;

use super::*;

/// How a split fails whose credentials `provider` has to give, and that nothing was sent.
async fn refused(provider: SharedCredentialsProvider) -> RequestError {
    let server = Server::start(vec![]).await;
    let options = options(&server.url);
    let mut base = connect::base(&options).await.expect("valid options");
    base.config = base.config.into_builder().credentials_provider(provider).build();
    let plane = AwsPool::over(base, &options).default_plane().expect("a region");
    let error = split(&plane).await.expect_err("no credentials");
    assert_eq!(server.requests().len(), 0, "{error}");
    error
}

async fn refused_for(why: fn() -> CredentialsError) -> RequestError {
    refused(SharedCredentialsProvider::new(provide_credentials_fn(move || async move { Err(why()) }))).await
}

#[tokio::test]
async fn without_credentials_nothing_is_sent_and_the_message_says_how_to_give_them() {
    for why in [
        || CredentialsError::not_loaded("none in the chain"),
        || CredentialsError::invalid_configuration("no such source"),
        || CredentialsError::provider_error(CredentialsError::not_loaded("none for this profile")),
    ] {
        let error = refused_for(why).await;
        assert_eq!(error.class, ErrorClass::Credentials, "{error}");
        assert!(error.message.contains("AWS_PROFILE"), "{error}");
    }
}

#[tokio::test]
async fn credentials_that_do_not_come_now_are_nothing_that_somebody_has_to_change() {
    for why in [
        || CredentialsError::provider_error("503 from STS"),
        || CredentialsError::provider_timed_out(Duration::from_secs(5)),
        || CredentialsError::unhandled("no connection to the agent"),
        || CredentialsError::provider_error(CredentialsError::unhandled("no connection to the agent")),
    ] {
        let error = refused_for(why).await;
        assert_eq!(error.class, ErrorClass::Unreachable, "{error}");
        assert!(error.message.starts_with("the AWS credentials do not come: "), "{error}");
    }
    let silent = provide_credentials_fn(std::future::pending);
    let error = refused(SharedCredentialsProvider::new(silent)).await;
    assert_eq!(error.class, ErrorClass::Unreachable, "{error}");
    assert!(
        error.message.contains("credentials do not come") && error.message.contains("timed out"),
        "{error}"
    );
}
