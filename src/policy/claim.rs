//! Which stream a resource lays claim to, and who else does. A stream is known by partition,
//! region, account and name; a resource that gives a name alone leaves parts open until AWS has
//! answered.

use super::ScalingPolicy;

/// A stream, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// `aws`, `aws-cn`, …
    pub partition: Option<String>,
    /// `None`: that of the operator's environment, whichever it is.
    pub region: Option<String>,
    /// `None`: that of the operator's own credentials, whichever it is.
    pub account: Option<String>,
    /// The stream's name.
    pub name: String,
}

impl Claim {
    /// What a policy names: a name is looked up in the account of the role that asks.
    pub fn of(policy: &ScalingPolicy) -> Claim {
        if let Some(claim) = policy.stream.arn.as_deref().and_then(Claim::from_arn) {
            return claim;
        }
        let role: Vec<&str> = policy.role_arn.iter().flat_map(|arn| arn.splitn(6, ':')).collect();
        let part = |index: usize| role.get(index).map(|part| (*part).to_owned());
        Claim {
            partition: part(1),
            region: policy.stream.region.clone(),
            account: part(4),
            name: policy.stream.name.clone(),
        }
    }

    /// The stream with this ARN; `None` where it is not one of a stream.
    pub fn from_arn(arn: &str) -> Option<Claim> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", partition, "kinesis", region, account, resource] = parts.as_slice() else { return None };
        let own = |part: &str| Some(part.to_owned());
        Some(Claim {
            partition: own(partition),
            region: own(region),
            account: own(account),
            name: resource.strip_prefix("stream/")?.to_owned(),
        })
    }

    /// Its ARN, once all of it is known.
    pub fn arn(&self) -> Option<String> {
        let Claim { partition, region, account, name } = self;
        let (partition, region, account) = (partition.as_ref()?, region.as_ref()?, account.as_ref()?);
        Some(format!("arn:{partition}:kinesis:{region}:{account}:stream/{name}"))
    }

    /// Whether both may be the same stream: what is open may be anything.
    pub fn may_be(&self, other: &Claim) -> bool {
        let Claim { partition: _, region, account, name } = self;
        let agree = |a: &Option<String>, b: &Option<String>| a.is_none() || b.is_none() || a == b;
        *name == other.name && agree(region, &other.region) && agree(account, &other.account)
    }

    /// Whether both are certainly the same stream. What is open in both is the same for both: the
    /// operator's own region, its own account. What is open in one alone may be anything.
    pub fn is_same(&self, other: &Claim) -> bool {
        let Claim { partition: _, region, account, name } = self;
        (region, account, name) == (&other.region, &other.account, &other.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:kinesis:eu-west-1:111122223333:stream/orders";

    fn policy(arn: Option<&str>, region: Option<&str>, role: Option<&str>) -> ScalingPolicy {
        let mut policy = ScalingPolicy::for_stream("orders", 8);
        policy.stream.arn = arn.map(str::to_owned);
        policy.stream.region = region.map(str::to_owned);
        policy.role_arn = role.map(str::to_owned);
        policy
    }

    #[test]
    fn a_name_is_looked_up_in_the_account_of_the_role_that_asks() {
        let role = Some("arn:aws:iam::111122223333:role/reshard/payments");
        let by_role = Claim::of(&policy(None, Some("eu-west-1"), role));
        assert_eq!(by_role.arn().as_deref(), Some(ARN));
        let by_arn = Claim::of(&policy(Some(ARN), None, Some("arn:aws:iam::444455556666:role/reshard")));
        assert_eq!(by_arn.arn().as_deref(), Some(ARN), "the ARN says it all");
        assert!(by_role.is_same(&by_arn));
        assert_eq!(Claim::of(&policy(None, Some("eu-west-1"), None)).arn(), None);
    }

    #[test]
    fn what_is_open_in_both_is_the_same_and_what_is_open_in_one_may_be_anything() {
        let open = Claim::of(&policy(None, None, None));
        let regional = Claim::of(&policy(None, Some("eu-west-1"), None));
        let known = Claim::from_arn(ARN).expect("an ARN");
        assert!(open.is_same(&open) && regional.is_same(&regional) && known.is_same(&known));
        for (a, b) in [(&open, &regional), (&open, &known), (&regional, &known)] {
            assert!(!a.is_same(b) && !b.is_same(a), "{a:?} {b:?}");
            assert!(a.may_be(b) && b.may_be(a), "{a:?} {b:?}");
        }
        let elsewhere = Claim { region: Some("eu-west-2".to_owned()), ..known.clone() };
        let other = Claim { name: "clicks".to_owned(), ..known.clone() };
        for another in [&elsewhere, &other] {
            assert!(!known.is_same(another) && !known.may_be(another));
        }
        assert!(open.may_be(&elsewhere) && !regional.may_be(&elsewhere));
    }

    #[test]
    fn what_is_no_arn_of_a_stream_is_no_claim() {
        for arn in ["", "orders", "arn:aws:sqs:eu-west-1:1:orders", "arn:aws:kinesis:eu-west-1:1:orders"] {
            assert_eq!(Claim::from_arn(arn), None, "{arn}");
        }
    }
}
