//! Many roles and regions over one pool: what is asked of STS, and how often.

use super::*;

const ROLE: &str = "arn:aws:iam::111122223333:role/reshard/payments";

/// STS gives credentials with this key ID.
fn session(key_id: &str, expiration: &str) -> Answer {
    Answer::text(
        200,
        &format!(
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
             <AssumedRoleUser><Arn>arn:aws:sts::111122223333:assumed-role/payments/x</Arn><AssumedRoleId>A:x</AssumedRoleId></AssumedRoleUser>\
             <Credentials><AccessKeyId>{key_id}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
             <Expiration>{expiration}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
        ),
    )
}

fn denied() -> Answer {
    Answer::text(
        403,
        "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>\
         <Message>User: arn:aws:iam::1:user/op is not authorized</Message></Error></ErrorResponse>",
    )
}

const FAR: &str = "2099-01-01T00:00:00Z";

async fn pool(server: &Server) -> AwsPool {
    AwsPool::open(&options(&server.url)).await.expect("valid options")
}

fn role(session_name: &str) -> AssumedRole {
    AssumedRole {
        role_arn: ROLE.to_owned(),
        session_name: session_name.to_owned(),
        external_id: Some("prod/payments".to_owned()),
    }
}

/// A plane in the name of the role, made anew as at each pass.
fn plane_of(pool: &AwsPool, session_name: &str) -> AwsControlPlane {
    pool.plane(None, Some(&role(session_name))).expect("a role")
}

async fn look(plane: &AwsControlPlane) -> Result<Reply<StreamSummary>, RequestError> {
    plane.describe_stream_summary(&stream()).await
}

/// For each request, which key signed it, and the session that it asked STS for, if it did.
fn told(server: &Server) -> Vec<(String, Option<String>)> {
    let of = |asked: Asked| {
        let body = String::from_utf8_lossy(&asked.body).into_owned();
        let field = |name: &str| {
            let value = body.split('&').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
            value.map(str::to_owned)
        };
        if field("Action").as_deref() == Some("AssumeRole") {
            assert_eq!(field("ExternalId").as_deref(), Some("prod%2Fpayments"), "{body}");
            let arn = ROLE.replace(':', "%3A").replace('/', "%2F");
            assert_eq!(field("RoleArn"), Some(arn), "{body}");
        }
        (asked.key_id, field("RoleSessionName"))
    };
    server.requests().into_iter().map(of).collect()
}

#[tokio::test]
async fn a_session_is_asked_for_once_and_a_plan_has_its_own() {
    let reads = [session("reads", FAR), summary(), summary()];
    let acts = [session("acts", FAR), Answer::text(200, ""), Answer::text(200, "")];
    let server = Server::start([&reads[..], &acts[..], &[summary()][..]].concat()).await;
    let pool = pool(&server).await;
    for _ in 0..2 {
        look(&plane_of(&pool, "payments.orders")).await.expect("a summary");
    }
    for _ in 0..2 {
        split(&plane_of(&pool, "payments.orders@9f3c2a1b00000000")).await.expect("it splits");
    }
    look(&plane_of(&pool, "payments.orders")).await.expect("a summary");
    let sent = told(&server);
    let sent: Vec<_> = sent.iter().map(|(key, session)| (key.as_str(), session.as_deref())).collect();
    assert_eq!(
        sent,
        [
            ("reshard", Some("payments.orders")),
            ("reads", None),
            ("reads", None),
            ("reshard", Some("payments.orders%409f3c2a1b00000000")),
            ("acts", None),
            ("acts", None),
            ("reads", None),
        ]
    );
    assert_eq!(server.connections(), 1, "one pool of connections for all services and sessions");
}

#[tokio::test]
async fn credentials_that_end_soon_are_asked_for_anew() {
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(60);
    let first = session("old", &soon.to_string());
    let server = Server::start(vec![first, summary(), session("new", FAR), summary(), summary()]).await;
    let pool = pool(&server).await;
    for _ in 0..3 {
        look(&plane_of(&pool, "payments.orders")).await.expect("a summary");
    }
    let keys: Vec<_> = told(&server).into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["reshard", "old", "reshard", "new", "new"]);
}

#[tokio::test]
async fn who_waits_for_the_same_session_gets_the_same_answer() {
    let server = Server::start([vec![session("reads", FAR)], vec![summary(); 20]].concat()).await;
    let pool = pool(&server).await;
    let mut passes = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let plane = plane_of(&pool, "payments.orders");
        passes.spawn(async move { look(&plane).await });
    }
    while let Some(pass) = passes.join_next().await {
        pass.expect("it ends").expect("a summary");
    }
    let asked = told(&server).into_iter().filter(|(_, session)| session.is_some()).count();
    assert_eq!((asked, server.requests().len()), (1, 21));
}

#[tokio::test]
async fn a_role_that_may_not_be_assumed_says_what_its_trust_policy_lacks_and_is_asked_for_again() {
    let server = Server::start(vec![denied(), session("reads", FAR), summary()]).await;
    let pool = pool(&server).await;
    let error = look(&plane_of(&pool, "payments.orders")).await.expect_err("denied");
    assert_eq!((error.class, error.operation), (ErrorClass::AccessDenied, "DescribeStreamSummary"));
    for part in [ROLE, "sts:AssumeRole", "external ID prod/payments", "arn:aws:iam::1:user/op"] {
        assert!(error.message.contains(part), "{part} in {error}");
    }
    assert_eq!(RequestId::of(&error), Some("request-1"), "STS's");
    look(&plane_of(&pool, "payments.orders")).await.expect("the trust policy was put right");
}

#[tokio::test]
async fn a_write_whose_session_does_not_come_is_not_sent_and_ends_in_time() {
    let server = Server::start(vec![Answer::silence().repeated()]).await;
    let pool = pool(&server).await;
    let begun = Instant::now();
    let error = split(&plane_of(&pool, "payments.orders")).await.expect_err("STS says nothing");
    assert_eq!(error.class, ErrorClass::Unreachable, "{error}");
    assert!(error.message.contains(&format!("sts:AssumeRole of {ROLE}")), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert!(told(&server).iter().all(|(_, session)| session.is_some()), "Kinesis was not asked");
}

#[tokio::test(start_paused = true)]
async fn a_write_that_waits_too_long_for_its_turn_is_not_sent() {
    let options = AwsOptions { timeouts: Timeouts::default(), ..options("http://127.0.0.1:1") };
    let pool = AwsPool::open(&options).await.expect("valid options");
    // Nobody else may use up these turns.
    let plane = pool.plane(Some("xx-test-9"), None).expect("a region");
    for _ in 0..100 {
        drop(tokio::time::timeout(Duration::ZERO, plane.limits.reshard.take()).await);
    }
    let begun = tokio::time::Instant::now();
    let error = split(&plane).await.expect_err("no turn in time");
    assert_eq!(error.class, ErrorClass::LimitExceeded, "{error}");
    assert!(error.message.contains("not sent"), "{error}");
    assert_eq!(begun.elapsed(), WRITE_TIMEOUT);
}

#[tokio::test]
async fn what_cannot_be_a_region_or_a_role_is_refused_for_one_plane_alone() {
    let server = Server::start(vec![summary()]).await;
    let pool = pool(&server).await;
    assert_eq!(pool.plane(Some("Ireland"), None).err(), Some(ConnectError::NotARegion("Ireland".to_owned())));
    let wrong = AssumedRole { role_arn: "admin".to_owned(), ..role("x") };
    assert_eq!(pool.plane(None, Some(&wrong)).err(), Some(ConnectError::NotARole("admin".to_owned())));
    look(&pool.plane(None, None).expect("the default region")).await.expect("a summary");
}
