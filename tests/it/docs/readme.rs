//! What the README and the guides point at is there, and what they quote is what is shipped.

use std::path::Path;

use serde_json::Value;

use super::read;

/// The pages that people start from.
const PAGES: [&str; 8] = [
    "README.md",
    "docs/cron.md",
    "docs/operator.md",
    "docs/options.md",
    "docs/pull-requests.md",
    "docs/report.md",
    "docs/scorecard.md",
    "docs/troubleshooting.md",
];

/// The targets of the links of a page of Markdown, with where they stand.
fn links(page: &str) -> Vec<String> {
    let text = read(page);
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    targets.map(|(target, _)| target.to_owned()).collect()
}

#[test]
fn every_link_within_the_package_leads_to_a_file() {
    for page in PAGES {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(page).parent().unwrap().to_owned();
        for target in links(page) {
            if target.contains("://") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((&target, ""));
            let there = file.is_empty() || folder.join(file).exists();
            assert!(there, "{page} points at {target}");
            if !heading.is_empty() && (file.is_empty() || file.ends_with(".md")) {
                let of = if file.is_empty() { Path::new(page).to_owned() } else { folder.join(file) };
                let text = read(of.to_str().unwrap());
                let anchor = |line: &str| {
                    let title = line.trim_start_matches('#').trim().to_lowercase();
                    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
                    kept.map(|c| if c == ' ' { '-' } else { c }).collect::<String>()
                };
                let found =
                    text.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line) == heading);
                assert!(found, "{page} points at {target}, and there is no such heading");
            }
        }
    }
}

/// The policies that the README shows are those that are shipped, names aside.
#[test]
fn the_readme_shows_the_policies_that_are_shipped() {
    let readme = read("README.md");
    let blocks = readme.split("```json\n").skip(1).filter_map(|rest| rest.split_once("```"));
    let shown: Vec<Value> = blocks.map(|(json, _)| serde_json::from_str(json).unwrap()).collect();
    assert_eq!(shown.len(), 2, "one to read, one to apply");
    for (policy, file) in shown.iter().zip(["manifests/iam/read.json", "manifests/iam/apply.json"]) {
        let shipped: Value = serde_json::from_str(&read(file)).unwrap();
        assert_eq!(grants(policy), grants(&shipped), "{file}");
    }
}

/// What a policy grants: actions with their resources.
fn grants(policy: &Value) -> Vec<(String, String)> {
    let texts = |value: &Value| -> Vec<String> {
        match value {
            Value::Array(all) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            value => value.as_str().map(str::to_owned).into_iter().collect(),
        }
    };
    let mut granted = Vec::new();
    for statement in policy["Statement"].as_array().unwrap() {
        for action in texts(&statement["Action"]) {
            granted.extend(texts(&statement["Resource"]).into_iter().map(|on| (action.clone(), on)));
        }
    }
    granted.sort();
    granted
}

/// The lines of the first table after `mark`.
fn table(text: &str, mark: &str) -> Vec<String> {
    let (_, after) = text.split_once(mark).unwrap_or_else(|| panic!("there is no \"{mark}\""));
    let lines = after.lines().skip_while(|line| !line.starts_with('|'));
    lines.take_while(|line| line.starts_with('|')).map(str::to_owned).collect()
}

#[test]
fn the_readme_has_the_scorecard_of_its_page() {
    const MARK: &str = "Geometric mean of R";
    let (readme, page) = (table(&read("README.md"), MARK), table(&read("docs/scorecard.md"), MARK));
    assert!(page.len() > 5 && page[2].contains("reshard"), "{page:?}");
    assert_eq!(readme, page, "copy the table of docs/scorecard.md into README.md");
}
