//! The standard chain: each case runs this test binary anew, in an environment of its own.

use std::process::Command;

use super::*;

const CHILD: &str = "aws::tests::environment::child";

/// What the parent asks of the child: the role to assume, if any.
const ROLE: &str = "RESHARD_TEST_ROLE";

#[tokio::test]
#[ignore = "runs as a child of the others, in their environment"]
async fn child() {
    let role = std::env::var(ROLE).ok().map(|role_arn| AssumedRole {
        role_arn,
        session_name: "test".to_owned(),
        external_id: Some("cluster/namespace".to_owned()),
    });
    let options = AwsOptions { access: Access::Environment { role }, ..AwsOptions::default() };
    match AwsControlPlane::connect(&options).await {
        Err(error) => println!("connect: {error}"),
        Ok(plane) => {
            println!("kinesis: {:?}", plane.describe_stream_summary(&stream()).await);
            println!("cloudwatch: {:?}", plane.get_metric_data(&metrics_request(1)).await);
        }
    }
}

/// Runs the child with this environment alone.
async fn run(environment: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().expect("a test binary"));
    command.args(["--exact", CHILD, "--ignored", "--nocapture"]).env_clear();
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("HOME", "/nonexistent");
    command.envs(environment.iter().copied());
    let output = tokio::task::spawn_blocking(move || command.output().expect("it runs"));
    String::from_utf8(output.await.expect("it ends").stdout).expect("text")
}

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "secret")];

#[tokio::test]
async fn endpoints_come_from_the_environment_for_all_services_and_for_each() {
    let page = || Answer::cbor(&json!({"MetricDataResults": []}));
    let all = Server::start(vec![summary(), page(), summary()]).await;
    let base = [KEYS[0], KEYS[1], ("AWS_REGION", "eu-west-1"), ("AWS_ENDPOINT_URL", &all.url)];
    let output = run(&base).await;
    assert!(output.contains("kinesis: Ok") && output.contains("cloudwatch: Ok"), "{output}");
    let asked: Vec<String> =
        all.requests().iter().map(|asked| format!("{}{}", asked.path, asked.target)).collect();
    assert!(asked[0].ends_with("Kinesis_20131202.DescribeStreamSummary"), "{asked:?}");
    assert!(asked[1].ends_with("/operation/GetMetricData"), "{asked:?}");

    let (kinesis, cloudwatch) = (Server::start(vec![summary()]).await, Server::start(vec![page()]).await);
    let mut each = base.to_vec();
    each.extend([
        ("AWS_ENDPOINT_URL_KINESIS", kinesis.url.as_str()),
        ("AWS_ENDPOINT_URL_CLOUDWATCH", cloudwatch.url.as_str()),
    ]);
    run(&each).await;
    let counts = [&all, &kinesis, &cloudwatch].map(|server| server.requests().len());
    assert_eq!(counts, [2, 1, 1]);
}

#[tokio::test]
async fn what_is_missing_in_the_environment_is_named() {
    let output = run(&KEYS).await;
    assert!(output.contains("connect: no AWS region"), "{output}");
    let output = run(&[KEYS[0], KEYS[1], ("AWS_REGION", "Ireland")]).await;
    assert!(output.contains("\"Ireland\" is not an AWS region"), "{output}");
    let output = run(&[("AWS_REGION", "eu-west-1"), ("AWS_ENDPOINT_URL", "http://127.0.0.1:1")]).await;
    assert!(output.contains("class: Credentials") && output.contains("AWS_PROFILE"), "{output}");
    let nowhere =
        [("AWS_REGION", "eu-west-1"), ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"), ("AWS_PROFILE", "prod")];
    let output = run(&nowhere).await;
    assert!(
        output.contains("the profile prod gives none; is it in ~/.aws/config or ~/.aws/credentials?\""),
        "{output}"
    );
}

#[tokio::test]
async fn a_role_is_assumed_with_its_external_id_and_a_refusal_names_it() {
    let role = "arn:aws:iam::111122223333:role/reshard";
    let credentials = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
        <AssumedRoleUser><Arn>arn:aws:sts::111122223333:assumed-role/reshard/test</Arn><AssumedRoleId>A:test</AssumedRoleId></AssumedRoleUser>\
        <Credentials><AccessKeyId>role-id</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
        <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";
    let denied = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>\
        <Message>not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>";
    for (status, reply, expected) in [(200, credentials, "kinesis: Ok"), (403, denied, "class: AccessDenied")]
    {
        let sts = Server::start(vec![Answer::text(status, reply).repeated()]).await;
        let aws = Server::start(vec![summary(), Answer::cbor(&json!({"MetricDataResults": []}))]).await;
        let output = run(&[
            KEYS[0],
            KEYS[1],
            (ROLE, role),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ENDPOINT_URL", &aws.url),
            ("AWS_ENDPOINT_URL_STS", &sts.url),
        ])
        .await;
        assert!(output.contains(expected), "{output}");
        if status != 200 {
            assert!(output.contains(&format!("sts:AssumeRole of {role} is not allowed")), "{output}");
        }
        let asked = String::from_utf8(sts.requests()[0].body.to_vec()).expect("a form");
        assert!(asked.contains("ExternalId=cluster%2Fnamespace"), "{asked}");
    }
}

#[tokio::test]
async fn a_pod_is_told_whether_its_credentials_are_refused_or_only_late() {
    let file = std::env::temp_dir().join(format!("reshard-token-{}", std::process::id()));
    std::fs::write(&file, "token").expect("a token");
    let token = ("AWS_WEB_IDENTITY_TOKEN_FILE", file.to_str().expect("text"));
    let role = ("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/reshard");
    let said = |code: &str| {
        let reply =
            format!("<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code></Error></ErrorResponse>");
        Answer::text(403, &reply).repeated()
    };
    let region = [("AWS_REGION", "eu-west-1"), ("AWS_ENDPOINT_URL", "http://127.0.0.1:1")];
    for (code, class) in [
        ("AccessDenied", "Credentials"),
        ("InvalidIdentityToken", "Credentials"),
        ("Throttling", "Unreachable"),
    ] {
        let sts = Server::start(vec![said(code)]).await;
        let output = run(&[region[0], region[1], token, role, ("AWS_ENDPOINT_URL_STS", &sts.url)]).await;
        assert!(
            output.contains(&format!("class: {class}")) && output.contains("credentials"),
            "{code}: {output}"
        );
        assert!(!sts.requests().is_empty(), "{code}: STS was asked");
    }
    let agent = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/v1/credentials");
    let output = run(&[region[0], region[1], agent]).await;
    assert!(output.contains("class: Unreachable") && output.contains("credentials do not come"), "{output}");
    std::fs::remove_file(&file).expect("it is there");
}
