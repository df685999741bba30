//! Whoever asks the sandbox for a role gets it, if he asks as STS wants to be asked.

use aws_sdk_sts::config::{BehaviorVersion, Region};
use aws_sdk_sts::error::ProvideErrorMetadata;

use super::client::sandbox_of;
use reshard::simulator::Config;

#[tokio::test]
async fn a_role_is_assumed_and_the_caller_is_told_who_he_is() {
    let config = Config { account_id: "111122223333".to_owned(), ..Config::default() };
    let start = config.start;
    let sandbox = sandbox_of(config, 0).await;
    let config = aws_sdk_sts::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(sandbox.endpoint_url())
        .region(Region::new("us-east-1"))
        .credentials_provider(aws_credential_types::Credentials::for_tests());
    let sts = aws_sdk_sts::Client::from_conf(config.build());

    let who = sts.get_caller_identity().send().await.unwrap();
    assert_eq!(who.account(), Some("111122223333"));

    let role = "arn:aws:iam::111122223333:role/reshard/payments";
    let ask = |session: &str| {
        sts.assume_role().role_arn(role).role_session_name(session).external_id("prod/payments")
    };
    let assumed = ask("payments.orders@9f3c2a1b5d6e7f80").send().await.unwrap();
    let arn = "arn:aws:sts::111122223333:assumed-role/payments/payments.orders@9f3c2a1b5d6e7f80";
    assert_eq!(assumed.assumed_role_user().unwrap().arn(), arn);
    let credentials = assumed.credentials().unwrap();
    assert_eq!(credentials.expiration().secs(), start.as_second() + 3_600);
    assert!(!credentials.session_token().is_empty());

    let error = ask("a name with blanks").send().await.unwrap_err();
    assert_eq!(error.code(), Some("ValidationError"));
    assert!(error.message().is_some_and(|message| message.contains("at 'roleSessionName'")), "{error:?}");
    let error = sts.assume_role().role_arn("reshard/payments/and/more").role_session_name("ab").send().await;
    assert_eq!(error.unwrap_err().code(), Some("ValidationError"));
}
