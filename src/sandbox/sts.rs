//! The operations of STS that a client of Kinesis needs: whoever asks may become any role, and is told
//! that he has. The credentials that are given open nothing but this sandbox, which asks for none.
//!
//! Shapes and constraints are those of AWS's published service model of 2011-06-15.

use jiff::SignedDuration;

use super::operation::{Operation, Outcome};
use super::validation::{Pattern, Shape, optional, required};
use super::value::{Members, Value};
use crate::simulator::Cloud;

/// A request that failed a constraint.
pub(super) const CONSTRAINT_CODE: &str = "ValidationError";
/// What replies in XML name as theirs.
pub(super) const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

const ROLE_ARN: Shape = Shape::Text {
    min: 20,
    max: 2_048,
    pattern: Some(Pattern { text: r"arn:aws.*:iam::\d{12}:role/.+", matches: is_role }),
};
const SESSION_NAME: Shape = Shape::Text {
    min: 2,
    max: 64,
    pattern: Some(Pattern { text: r"[\w+=,.@-]*", matches: |text| is_of(text, "_+=,.@-") }),
};
const EXTERNAL_ID: Shape = Shape::Text {
    min: 2,
    max: 1_224,
    pattern: Some(Pattern { text: r"[\w+=,.@:\/-]*", matches: |text| is_of(text, "_+=,.@:/-") }),
};
/// Seconds that a session lasts unless the request says otherwise.
const SESSION_SECONDS: i64 = 3_600;

/// In alphabetical order, for a binary search.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "AssumeRole",
        fields: &[
            required("RoleArn", ROLE_ARN),
            required("RoleSessionName", SESSION_NAME),
            optional("ExternalId", EXTERNAL_ID),
            optional("DurationSeconds", Shape::Integer { min: 900, max: 43_200 }),
        ],
        call: assume_role,
    },
    Operation { name: "GetCallerIdentity", fields: &[], call: get_caller_identity },
];

fn is_role(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", partition, "iam", "", account, role] = parts.as_slice() else { return false };
    partition.starts_with("aws")
        && account.len() == 12
        && account.bytes().all(|byte| byte.is_ascii_digit())
        && role.strip_prefix("role/").is_some_and(|name| !name.is_empty())
}

fn is_of(text: &str, others: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}

fn assume_role(cloud: &mut Cloud, request: &Members) -> Outcome {
    let (role, session) =
        (request.text("RoleArn").unwrap_or_default(), request.text("RoleSessionName").unwrap_or_default());
    let lasts = SignedDuration::from_secs(request.integer("DurationSeconds").unwrap_or(SESSION_SECONDS));
    let name = role.rsplit('/').next().unwrap_or_default();
    let assumed = role.replacen(":iam:", ":sts:", 1).replacen(":role/", ":assumed-role/", 1);
    let user = Members::new()
        .with("AssumedRoleId", format!("AROASANDBOX:{session}"))
        .with("Arn", format!("{}/{name}/{session}", assumed.split('/').next().unwrap_or_default()));
    let credentials = Members::new()
        .with("AccessKeyId", "ASIASANDBOX")
        .with("SecretAccessKey", "sandbox")
        .with("SessionToken", "sandbox")
        .with("Expiration", Value::Timestamp(cloud.now().saturating_add(lasts).unwrap_or(cloud.now())));
    let result = Members::new()
        .with("Credentials", Value::Structure(credentials))
        .with("AssumedRoleUser", Value::Structure(user));
    Ok(Some(result))
}

fn get_caller_identity(cloud: &mut Cloud, _: &Members) -> Outcome {
    let account = cloud.config().account_id.clone();
    let arn = format!("arn:aws:iam::{account}:user/sandbox");
    Ok(Some(Members::new().with("UserId", "AIDASANDBOX").with("Account", account).with("Arn", arn)))
}
