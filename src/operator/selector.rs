//! Label selectors in the words of kubectl: `team=payments,env in (prod,stage),!legacy`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use kube::core::{Expression, Selector, SelectorExt};
use sha2::{Digest, Sha256};

/// Which resources this operator acts on. It watches the others too, for conflicts.
#[derive(Debug, Clone, Default)]
pub struct LabelSelector {
    text: String,
    selector: Selector,
}

/// What is not a selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a label selector: one looks like team=payments, env!=test, tier in (a,b), critical or !legacy"
)]
pub struct NotASelector(String);

impl LabelSelector {
    /// Whether it selects a resource with these labels.
    pub fn selects(&self, labels: Option<&BTreeMap<String, String>>) -> bool {
        let none = BTreeMap::new();
        self.selector.matches(labels.unwrap_or(&none))
    }

    /// The name of the Lease of all replicas with this selector: each selector has one leader.
    pub fn lease_name(&self) -> String {
        if self.text.is_empty() {
            return "reshard".to_owned();
        }
        let digest = Sha256::digest(&self.text);
        let hash: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        format!("reshard-{hash}")
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for LabelSelector {
    type Err = NotASelector;

    fn from_str(text: &str) -> Result<Self, NotASelector> {
        let wrong = || NotASelector(text.to_owned());
        let mut requirements = Vec::new();
        for requirement in requirements_of(text) {
            requirements.push(expression(requirement.trim()).ok_or_else(wrong)?);
        }
        // The same requirements in the same words are the same selector, blanks aside.
        let text = requirements.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        Ok(LabelSelector { text, selector: requirements.into_iter().collect() })
    }
}

/// Splits at the commas that stand outside of parentheses.
fn requirements_of(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut found) = (0_i32, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                found.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if !text[start..].trim().is_empty() || !found.is_empty() {
        found.push(&text[start..]);
    }
    found
}

fn expression(text: &str) -> Option<Expression> {
    if let Some((key, value)) = text.split_once("!=") {
        return Some(Expression::NotEqual(word(key)?, value_of(value)?));
    }
    if let Some((key, value)) = text.split_once('=') {
        return Some(Expression::Equal(word(key)?, value_of(value.trim_start_matches('='))?));
    }
    if let Some(rest) = text.strip_suffix(')') {
        let (key, values) = rest.split_once('(')?;
        let values: BTreeSet<String> = values.split(',').map(value_of).collect::<Option<_>>()?;
        let key = key.trim();
        return match key.rsplit_once(char::is_whitespace)? {
            (key, "in") => Some(Expression::In(word(key)?, values)),
            (key, "notin") => Some(Expression::NotIn(word(key)?, values)),
            _ => None,
        };
    }
    match text.strip_prefix('!') {
        Some(key) => Some(Expression::DoesNotExist(word(key)?)),
        None => Some(Expression::Exists(word(text)?)),
    }
}

/// A key: letters, digits, `-`, `_`, `.` and, before a prefix's end, `/`; not empty.
fn word(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    (!text.is_empty() && text.chars().all(fits)).then(|| text.to_owned())
}

/// A value: as a key without `/`, or empty.
fn value_of(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    text.chars().all(fits).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selects(selector: &str, labels: &[(&str, &str)]) -> bool {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        selector.parse::<LabelSelector>().expect("a selector").selects(Some(&labels))
    }

    #[test]
    fn selectors_select_as_kubectl_has_them() {
        let labels = [("team", "payments"), ("env", "prod"), ("reshard.dev/tier", "a")];
        for selector in [
            "",
            "team=payments",
            "team==payments,env!=test",
            "env in (prod, stage),reshard.dev/tier",
            "env notin (test),!legacy",
            "absent!=x",
        ] {
            assert!(selects(selector, &labels), "{selector}");
        }
        for selector in ["team=orders", "env notin (prod)", "!team", "legacy", "env in (test)", "team="] {
            assert!(!selects(selector, &labels), "{selector}");
        }
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for text in ["=a", "a=b c", "a in b", "a in (b", "a within (b)", "a,,b", "!", "a=b,", "in (a)"] {
            assert!(text.parse::<LabelSelector>().is_err(), "{text}");
        }
    }

    #[test]
    fn each_selector_has_its_lease() {
        let lease = |text: &str| text.parse::<LabelSelector>().expect("a selector").lease_name();
        assert_eq!(lease(""), "reshard");
        assert_eq!(lease("team=payments"), lease(" team = payments "));
        assert_ne!(lease("team=payments"), lease("team=orders"));
        assert!(lease("team=payments").len() < 63);
    }
}
