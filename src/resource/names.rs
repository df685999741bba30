//! The forms of names: streams, regions and ARNs by AWS's rules, objects by Kubernetes' (RFC 1123).

use super::ranges::CONSUMER_NAME_LENGTH;

/// What a stream's ARN says.
pub(super) struct StreamArn<'a> {
    /// The region.
    pub(super) region: &'a str,
    /// The stream's name.
    pub(super) name: &'a str,
}

/// Reads `arn:<partition>:kinesis:<region>:<account>:stream/<name>`; `None` where it is none.
pub(super) fn parse_stream_arn(arn: &str) -> Option<StreamArn<'_>> {
    let (service, region, account, resource) = parse_arn(arn)?;
    let name = resource.strip_prefix("stream/")?;
    (service == "kinesis" && is_region(region) && is_account(account) && is_stream_name(name))
        .then_some(StreamArn { region, name })
}

/// Whether this is `arn:<partition>:iam::<account>:role/<path and name>`. IAM allows a path of 512
/// characters and a name of 64.
pub(super) fn is_role_arn(arn: &str) -> bool {
    let Some(("iam", "", account, resource)) = parse_arn(arn) else { return false };
    let Some(path_and_name) = resource.strip_prefix("role/") else { return false };
    let (path, name) = path_and_name.rsplit_once('/').unwrap_or(("", path_and_name));
    is_account(account)
        && (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
        && path.len() <= 510
        && path.bytes().all(|b| b.is_ascii_graphic())
}

/// A stream name: `[a-zA-Z0-9_.-]{1,128}` (CreateStream).
pub(super) fn is_stream_name(name: &str) -> bool {
    (1..=128).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

/// The name of a consumer, which becomes a namespace of CloudWatch's (`[^:].*`, printable ASCII, up to
/// 255 characters) or the value of a dimension (printable ASCII). One that is none would have every
/// metric of the stream refused with it: they are asked for in one call.
pub(super) fn is_consumer_name(name: &str) -> bool {
    (1..=CONSUMER_NAME_LENGTH).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
        && name.trim() == name
        && !name.starts_with(':')
}

/// The form of a region: `eu-west-1`, `us-gov-east-1`. Which regions there are, only AWS knows.
pub(super) fn is_region(region: &str) -> bool {
    let mut parts = region.rsplit('-');
    let number = parts.next().unwrap_or_default();
    let words: Vec<&str> = parts.collect();
    (1..=2).contains(&number.len())
        && number.bytes().all(|b| b.is_ascii_digit())
        && (2..=4).contains(&words.len())
        && words.iter().all(|word| (2..=12).contains(&word.len()))
        && words.iter().all(|word| word.bytes().all(|b| b.is_ascii_lowercase()))
}

/// The name of an object: labels joined by dots, at most 253 characters.
pub(super) fn is_dns_subdomain(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|label| {
            let bytes = label.as_bytes();
            let is_edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
            is_edge(bytes.first())
                && is_edge(bytes.last())
                && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
        })
}

/// The name of a namespace: one label, at most 63 characters.
pub(super) fn is_dns_label(name: &str) -> bool {
    name.len() <= 63 && !name.contains('.') && is_dns_subdomain(name)
}

/// Service, region, account and resource of an ARN.
fn parse_arn(arn: &str) -> Option<(&str, &str, &str, &str)> {
    let mut parts = arn.splitn(6, ':');
    let (Some("arn"), Some(partition)) = (parts.next(), parts.next()) else { return None };
    let is_partition = partition.split('-').next() == Some("aws")
        && partition.len() <= 32
        && partition.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    is_partition.then_some((parts.next()?, parts.next()?, parts.next()?, parts.next()?))
}

fn is_account(account: &str) -> bool {
    account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_of_every_partition_are_regions() {
        for region in
            ["eu-west-1", "us-gov-east-1", "cn-north-1", "ap-southeast-5", "us-isob-east-1", "eusc-de-east-1"]
        {
            assert!(is_region(region), "{region}");
        }
        for region in
            ["", "eu-west", "euwest1", "eu-west-1a", "EU-WEST-1", "eu--1", "eu-west-111", "-1", "eu_west_1"]
        {
            assert!(!is_region(region), "{region}");
        }
    }

    #[test]
    fn an_arn_names_region_and_stream() {
        let arn =
            parse_stream_arn("arn:aws-cn:kinesis:cn-north-1:111122223333:stream/a.b_c-D").expect("an ARN");
        assert_eq!((arn.region, arn.name), ("cn-north-1", "a.b_c-D"));
        for arn in [
            "",
            "arn",
            "arn:aws:kinesis:eu-west-1:111122223333:stream/",
            "arn:aws:kinesis:eu-west-1:111122223333:orders",
            "arn:aws:kinesis:eu-west-1:1111:stream/orders",
            "arn:aws:kinesis::111122223333:stream/orders",
            "arn:aws:sqs:eu-west-1:111122223333:stream/orders",
            "arn:gcp:kinesis:eu-west-1:111122223333:stream/orders",
            "arn:aws:kinesis:eu-west-1:111122223333:stream/orders/consumer/c:1",
            "ARN:aws:kinesis:eu-west-1:111122223333:stream/orders",
        ] {
            assert!(parse_stream_arn(arn).is_none(), "{arn}");
        }
    }

    #[test]
    fn a_role_has_a_name_and_perhaps_a_path() {
        for arn in
            ["arn:aws:iam::111122223333:role/r", "arn:aws-us-gov:iam::111122223333:role/reshard/team/r"]
        {
            assert!(is_role_arn(arn), "{arn}");
        }
        for arn in [
            "arn:aws:iam::111122223333:role/",
            "arn:aws:iam::111122223333:role/a/",
            "arn:aws:iam::111122223333:user/r",
            "arn:aws:iam:eu-west-1:111122223333:role/r",
            "arn:aws:sts::111122223333:assumed-role/r/s",
            "arn:aws:iam::111122223333:role/with blank",
        ] {
            assert!(!is_role_arn(arn), "{arn}");
        }
    }

    #[test]
    fn names_of_objects_follow_rfc_1123() {
        for name in ["orders", "a", "9-a.b-9"] {
            assert!(is_dns_subdomain(name), "{name}");
        }
        for name in ["", "Orders", "-a", "a-", "a..b", "a_b", ".a", "ä"] {
            assert!(!is_dns_subdomain(name), "{name}");
        }
        assert!(is_dns_subdomain(&"a".repeat(253)) && !is_dns_subdomain(&"a".repeat(254)));
        assert!(is_dns_label(&"a".repeat(63)) && !is_dns_label(&"a".repeat(64)) && !is_dns_label("a.b"));
    }
}
