//! `docs/troubleshooting.md` and `docs/report.md`: every name that conditions, holds, verdicts, failures,
//! steps and advice go by has a row of a table there, and no row names what there is not.

use std::collections::BTreeSet;

use super::read;

/// Where names are given, and the page that explains them.
const PAGES: [(&str, &[&str]); 2] = [
    (
        "docs/troubleshooting.md",
        &["src/plan/hold.rs", "src/plan/verdict.rs", "src/operator/conditions.rs", "src/operator/outcome.rs"],
    ),
    ("docs/report.md", &["src/advice.rs"]),
];

/// The names among the string literals of a file, without its tests: one word in camel case.
fn names(file: &str) -> BTreeSet<String> {
    let source = read(file);
    let code = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let literals = code.join("\n");
    let is_name = |text: &&str| {
        text.len() > 3
            && text.starts_with(|first: char| first.is_ascii_uppercase())
            && text.chars().all(|letter| letter.is_ascii_alphanumeric())
    };
    literals.split('"').skip(1).step_by(2).filter(is_name).map(str::to_owned).collect()
}

/// The names in the first cells of a page's tables.
fn rows(page: &str) -> BTreeSet<String> {
    let text = read(page);
    let first_cells = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    first_cells.map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn every_reason_is_explained_and_no_other() {
    for (page, files) in PAGES {
        let given: BTreeSet<String> = files.iter().flat_map(|file| names(file)).collect();
        assert!(given.len() >= 8, "{files:?} give {given:?}");
        let explained = rows(page);
        let missing: Vec<_> = given.difference(&explained).collect();
        assert!(missing.is_empty(), "{page} needs a row for each of {missing:?}");
        let camel = |name: &&String| name.starts_with(|first: char| first.is_ascii_uppercase());
        let stale: Vec<_> = explained.difference(&given).filter(camel).collect();
        assert!(stale.is_empty(), "{page} explains what there is not: {stale:?}");
    }
}

#[test]
fn known_names_of_each_kind_are_found() {
    for (file, name) in [
        ("src/plan/hold.rs", "MetricsStale"),
        ("src/plan/verdict.rs", "HotKey"),
        ("src/operator/conditions.rs", "ScalingLimited"),
        ("src/operator/conditions.rs", "ApprovalUsedUp"),
        ("src/operator/outcome.rs", "AwsThrottles"),
        ("src/operator/outcome.rs", "Lost"),
        ("src/advice.rs", "PackRecords"),
    ] {
        assert!(names(file).contains(name), "{name} in {file}");
    }
}
