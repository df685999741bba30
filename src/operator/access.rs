//! Who may touch what. Whoever runs the cluster says it in annotations of the namespace; what no
//! annotation allows is denied, before anything of a stream is read.
//!
//! A reference by ARN, or by name with region and role, is judged before any request. A name alone
//! leaves account or region open: it is denied at once where no pattern fits what is known of it;
//! else AWS is asked for the stream's ARN (`DescribeStreamSummary`), and nothing else, until the
//! patterns have been held against that.

use std::collections::BTreeMap;
use std::fmt;

use crate::policy::claim::Claim;

/// The annotation of a namespace that names the streams that its resources may touch: ARN patterns.
pub const STREAMS: &str = "reshard.dev/streams";
/// The annotation of a namespace that names the roles that its resources may use: ARN patterns.
pub const ROLES: &str = "reshard.dev/roles";

/// What the resources of a namespace may touch. By default nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    streams: Vec<Pattern>,
    roles: Vec<Pattern>,
    /// What stands in the annotations and is no pattern.
    unreadable: Vec<String>,
}

/// Whether a resource may touch its stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// It may.
    Granted,
    /// As far as it is known; the stream's ARN has to be asked for first.
    Open,
    /// It may not.
    Denied(Denial),
}

/// What is not allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// What the resource asks for: an ARN, or a stream's name.
    wanted: String,
    /// The annotation that would have to allow it.
    annotation: &'static str,
    /// What stands in the annotations and is no pattern.
    unreadable: Vec<String>,
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Denial { wanted, annotation, unreadable } = self;
        write!(f, "no pattern in the annotation {annotation} of the namespace allows {wanted}")?;
        match unreadable.as_slice() {
            [] => Ok(()),
            unreadable => write!(f, " (not a pattern of ARNs: {})", unreadable.join(", ")),
        }
    }
}

impl Grants {
    /// For a cluster with one tenant: everything is allowed.
    pub fn everything() -> Grants {
        let all = || vec![Pattern::All];
        Grants { streams: all(), roles: all(), unreadable: Vec::new() }
    }

    /// What the annotations of a namespace allow. Patterns stand between commas or blanks.
    pub fn read(annotations: Option<&BTreeMap<String, String>>) -> Grants {
        let mut unreadable = Vec::new();
        let mut patterns = |annotation: &str| {
            let written = annotations.and_then(|all| all.get(annotation)).map_or("", String::as_str);
            let words =
                written.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty());
            let mut patterns = Vec::new();
            for word in words {
                match Pattern::parse(word) {
                    Some(pattern) => patterns.push(pattern),
                    None => unreadable.push(word.chars().take(120).collect()),
                }
            }
            patterns
        };
        let (streams, roles) = (patterns(STREAMS), patterns(ROLES));
        Grants { streams, roles, unreadable }
    }

    /// Whether a resource that claims `claim` may touch it, with the role that it names, if any.
    pub fn check(&self, claim: &Claim, role: Option<&str>) -> Access {
        if let Some(role) = role {
            let parts: Vec<_> = role.splitn(6, ':').map(Some).collect();
            if !self.roles.iter().any(|pattern| pattern.fits(&parts) == Fit::Whole) {
                return self.denied(role.to_owned(), ROLES);
            }
        }
        let Claim { partition, region, account, name } = claim;
        let resource = format!("stream/{name}");
        let parts = [
            Some("arn"),
            partition.as_deref(),
            Some("kinesis"),
            region.as_deref(),
            account.as_deref(),
            Some(&resource),
        ];
        match self.streams.iter().map(|pattern| pattern.fits(&parts)).max() {
            Some(Fit::Whole) => Access::Granted,
            Some(Fit::SoFar) => Access::Open,
            Some(Fit::Not) | None => {
                let wanted = claim.arn().unwrap_or_else(|| format!("the stream {name}"));
                self.denied(wanted, STREAMS)
            }
        }
    }

    fn denied(&self, wanted: String, annotation: &'static str) -> Access {
        Access::Denied(Denial { wanted, annotation, unreadable: self.unreadable.clone() })
    }
}

/// How well a pattern fits an ARN of which parts are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    /// It does not.
    Not,
    /// The known parts fit.
    SoFar,
    /// It fits, whatever the other parts are.
    Whole,
}

/// A pattern of ARNs: `*` stands for any characters, `?` for one, both within one of the six parts
/// that colons separate, as in IAM policies.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    /// `*` alone.
    All,
    Parts(Vec<String>),
}

impl Pattern {
    fn parse(text: &str) -> Option<Pattern> {
        if text == "*" {
            return Some(Pattern::All);
        }
        let parts: Vec<String> = text.splitn(6, ':').map(str::to_owned).collect();
        (parts.len() == 6 && parts[0] == "arn").then_some(Pattern::Parts(parts))
    }

    fn fits(&self, arn: &[Option<&str>]) -> Fit {
        let Pattern::Parts(parts) = self else { return Fit::Whole };
        if parts.len() != arn.len() {
            return Fit::Not;
        }
        let fit = |(pattern, part): (&String, &Option<&str>)| match part {
            Some(part) if matches(pattern, part) => Fit::Whole,
            Some(_) => Fit::Not,
            None if pattern == "*" => Fit::Whole,
            None => Fit::SoFar,
        };
        parts.iter().zip(arn).map(fit).min().unwrap_or(Fit::Not)
    }
}

/// Whether `text` as a whole matches `pattern`. Steps back to the last `*` only, so the time is at
/// most the product of both lengths.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => (p, t) = (p + 1, t + 1),
            _ => match &mut star {
                Some((at, from)) => {
                    *from += 1;
                    (p, t) = (*at + 1, *from);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROLE: &str = "arn:aws:iam::111122223333:role/reshard/payments";

    fn grants(streams: &str, roles: &str) -> Grants {
        let annotations = [(STREAMS, streams), (ROLES, roles)];
        Grants::read(Some(&annotations.map(|(name, value)| (name.to_owned(), value.to_owned())).into()))
    }

    fn stream(name: &str) -> Claim {
        Claim::from_arn(&format!("arn:aws:kinesis:eu-west-1:111122223333:stream/{name}")).expect("an ARN")
    }

    fn is_denied(access: &Access) -> bool {
        matches!(access, Access::Denied(_))
    }

    #[test]
    fn without_an_annotation_nothing_is_allowed() {
        for none in
            [Grants::default(), Grants::read(None), Grants::read(Some(&BTreeMap::new())), grants("", "")]
        {
            assert!(is_denied(&none.check(&stream("orders"), None)));
        }
        assert_eq!(Grants::everything().check(&stream("orders"), Some(ROLE)), Access::Granted);
    }

    #[test]
    fn patterns_hold_partition_region_account_and_name() {
        let allows = |pattern: &str, name: &str| grants(pattern, "").check(&stream(name), None);
        let own = "arn:aws:kinesis:eu-west-1:111122223333:stream/payments-*";
        assert_eq!(allows(own, "payments-orders"), Access::Granted);
        assert!(is_denied(&allows(own, "orders")));
        assert_eq!(allows("arn:*:kinesis:*:*:stream/*", "orders"), Access::Granted);
        assert_eq!(allows("*", "orders"), Access::Granted);
        for elsewhere in [
            "arn:aws:kinesis:eu-west-2:111122223333:stream/*",
            "arn:aws:kinesis:eu-west-1:444455556666:stream/*",
            "arn:aws-cn:kinesis:eu-west-1:111122223333:stream/*",
            "arn:aws:sqs:eu-west-1:111122223333:stream/*",
        ] {
            assert!(is_denied(&allows(elsewhere, "orders")), "{elsewhere}");
        }
        assert!(is_denied(&allows("arn:aws:kinesis:*:stream/orders", "orders")), "no star spans a colon");
        let several = "arn:aws:kinesis:*:*:stream/a,\n arn:aws:kinesis:*:*:stream/orders?";
        assert_eq!(allows(several, "orders1"), Access::Granted);
        assert!(is_denied(&allows(several, "orders")));
    }

    #[test]
    fn a_name_alone_is_denied_at_once_or_asked_for() {
        let name = Claim { partition: None, region: None, account: None, name: "orders".to_owned() };
        let check = |pattern: &str| grants(pattern, "").check(&name, None);
        assert_eq!(check("arn:aws:kinesis:eu-west-1:111122223333:stream/orders"), Access::Open);
        assert_eq!(check("arn:*:kinesis:*:*:stream/ord*"), Access::Granted, "wherever it is");
        assert!(is_denied(&check("arn:aws:kinesis:eu-west-1:111122223333:stream/clicks")));
        let regional = Claim { region: Some("eu-west-2".to_owned()), ..name };
        let pattern = "arn:aws:kinesis:eu-west-1:*:stream/*";
        assert!(is_denied(&grants(pattern, "").check(&regional, None)));
    }

    #[test]
    fn a_role_needs_a_pattern_of_its_own() {
        let streams = "arn:aws:kinesis:*:*:stream/*";
        let check = |roles: &str| grants(streams, roles).check(&stream("orders"), Some(ROLE));
        assert!(is_denied(&check("")));
        assert_eq!(check("arn:aws:iam::111122223333:role/reshard/*"), Access::Granted);
        let Access::Denied(denial) = check("arn:aws:iam::111122223333:role/other") else { panic!("denied") };
        assert_eq!(
            denial.to_string(),
            format!("no pattern in the annotation {ROLES} of the namespace allows {ROLE}")
        );
    }

    #[test]
    fn the_denial_names_the_annotation_and_what_in_it_is_no_pattern() {
        let Access::Denied(denial) = grants("orders, arn:aws:kinesis", "").check(&stream("orders"), None)
        else {
            panic!("denied")
        };
        assert_eq!(
            denial.to_string(),
            "no pattern in the annotation reshard.dev/streams of the namespace allows \
             arn:aws:kinesis:eu-west-1:111122223333:stream/orders (not a pattern of ARNs: orders, arn:aws:kinesis)"
        );
    }

    /// The plain way: by recursion.
    fn matches_plainly(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            (['*', rest @ ..], _) => {
                matches_plainly(rest, text) || (!text.is_empty() && matches_plainly(pattern, &text[1..]))
            }
            ([p, pattern @ ..], [t, text @ ..]) if *p == '?' || p == t => matches_plainly(pattern, text),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matching_is_as_the_plain_way_has_it(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(matches(&pattern, &text), matches_plainly(&chars(&pattern), &chars(&text)));
        }

        #[test]
        fn what_is_granted_while_open_is_granted_once_it_is_known(
            pattern in prop::collection::vec("[ab*]{1,2}", 3),
            parts in prop::collection::vec("[ab]", 3),
            known in prop::collection::vec(any::<bool>(), 3),
        ) {
            let grants = grants(&format!("arn:{}:kinesis:{}:{}:stream/*", pattern[0], pattern[1], pattern[2]), "");
            let part = |at: usize, all: bool| (all || known[at]).then(|| parts[at].clone());
            let claim = |all| Claim {
                partition: part(0, all), region: part(1, all), account: part(2, all), name: "orders".to_owned()
            };
            let (open, whole) = (grants.check(&claim(false), None), grants.check(&claim(true), None));
            match open {
                Access::Granted => prop_assert_eq!(whole, Access::Granted),
                Access::Denied(_) => prop_assert!(is_denied(&whole)),
                Access::Open => prop_assert!(whole != Access::Open),
            }
        }
    }
}
