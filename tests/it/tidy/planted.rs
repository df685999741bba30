//! That each rule can fail: a tidy little tree, and one with a flaw planted for each rule.

use super::RULES;
use super::source::{File, Tree};

/// A tree without flaws; it comes near to some.
const TIDY: [(&str, &str); 11] = [
    ("src/lib.rs", "//! It.\npub mod load;\npub mod planner;\npub mod checks;\npub mod aws;\npub mod cli;\n"),
    ("src/main.rs", "//! Runs.\nuse reshard::cli;\nfn main() { cli::main(); }\n"),
    (
        "src/load.rs",
        "//! Loads.\nconst RAW: &str = r#\"tokio \" async\"#; // SystemTime\nlet operand = '\"'; let now = 1;\n",
    ),
    (
        "src/planner.rs",
        "//! Plans.\nuse crate::load::Load;\nmod part;\n#[cfg(all(test, feature = \"cli\"))]\nmod tests;\n",
    ),
    (
        "src/planner/part.rs",
        "//! A part.\nuse super::Load;\nfn f<'a>() {}\n#[cfg(test)]\nmod tests {\n use crate::checks; fn g() {} \n}\n",
    ),
    ("src/planner/tests.rs", "//! Tests.\nuse crate::cli;\nuse tokio;\n"),
    ("tests/it/main.rs", "//! Tests.\nuse aws_sdk_kinesis;\n"),
    ("docs/guide.md", "https://example.com/home/page and target/work/file\n"),
    ("README.md", "# It\n\ncargo run -- demo  # it\ncargo test\n"),
    (".ci/run", "cargo test --locked\n.ci/demo\n"),
    (".ci/demo", "cargo run --locked -- demo\n"),
];

/// The tidy tree with one file more, or another text for one of its files.
fn flaws_with(path: &str, text: &str) -> Vec<&'static str> {
    let mut files: Vec<File> = TIDY
        .iter()
        .filter(|(tidy, _)| *tidy != path)
        .map(|(path, text)| File::new((*path).to_owned(), (*text).to_owned()))
        .collect();
    files.push(File::new(path.to_owned(), text.to_owned()));
    let tree = Tree { files };
    RULES.iter().filter(|(_, rule)| !rule(&tree).is_empty()).map(|(name, _)| *name).collect()
}

#[test]
fn a_tidy_tree_breaks_no_rule() {
    assert_eq!(flaws_with("LICENSE", "It\n"), [""; 0]);
}

#[test]
fn every_rule_finds_what_breaks_it_and_only_that() {
    let in_load = |code: &str| ("src/load.rs", format!("//! Loads.\n{code}\n"));
    let in_checks = |code: &str| ("src/checks.rs", format!("//! Checks.\n{code}\n"));
    let in_text = |text: String| ("docs/guide.md", text);
    let planted = [
        ("imports go down", in_load("use crate::planner;")),
        ("imports go down", in_load("fn f() { crate::cli::main() }")),
        ("imports go down", in_load("use crate::{hash_key::HashKey, policy::{A, B}};")),
        ("imports go down", in_load("use super::planner;")),
        ("imports go down", ("src/planner/part.rs", "//! A part.\nuse super::super::cli;\n".to_owned())),
        ("imports go down", in_checks("use crate::planner::plan;")),
        ("imports go down", ("src/aws.rs", "//! AWS.\nuse crate::simulator;\n".to_owned())),
        ("crates stay in their rooms", in_load("use aws_sdk_kinesis::Client;")),
        ("crates stay in their rooms", ("src/cli.rs", "//! Shell.\nuse serde_yaml;\n".to_owned())),
        ("crates stay in their rooms", in_load("type A = kube::Client;")),
        ("decisions are pure", in_load("async fn f() {}")),
        ("decisions are pure", in_load("let a = std::time::Instant::now();")),
        ("decisions are pure", in_load("let a = Timestamp::now();")),
        ("decisions are pure", in_load("let quote = '\"'; tracing::info!(\"\");")),
        ("decisions are pure", in_load("let text = \"a \\\" b\"; use rand::Rng;")),
        ("files are short", in_load(&"\n".repeat(600))),
        ("no file is an orphan", ("src/load/part.rs", "//! A part.\n".to_owned())),
        ("no file is an orphan", ("src/planner/mod.rs", "//! A part.\n".to_owned())),
        ("no file is an orphan", ("tests/it/support.rs", "//! Support.\n".to_owned())),
        ("files say what they are for", ("src/cli.rs", "fn f() {}\n".to_owned())),
        ("nothing is unfinished", in_load("fn f() { todo!() }")),
        ("nothing is unfinished", in_load("fn f() { dbg!(1); }")),
        ("nothing is unfinished", in_text(super::UNFINISHED_NOTES[0].to_owned())),
        ("no machine is named", in_text(format!("see /{}/me", super::MACHINE_FOLDERS[2]))),
        ("no machine is named", in_text(format!("`/{}/wt`", super::MACHINE_FOLDERS[0]))),
        ("the README's commands are what CI runs", ("README.md", "# It\n\ncargo run -- demo\n".to_owned())),
        (
            "the README's commands are what CI runs",
            (".ci/run", "cargo test --lib --locked\n.ci/demo\n".to_owned()),
        ),
        ("the README's commands are what CI runs", (".ci/run", "cargo test --locked\n".to_owned())),
    ];
    for (rule, (path, text)) in &planted {
        assert_eq!(flaws_with(path, text), [*rule], "{path}: {text}");
    }
    // A new room has no `mod` line in this tree yet.
    assert_eq!(
        flaws_with("src/bench.rs", "//! Something new.\n"),
        ["every room has a place", "no file is an orphan"]
    );
    let untested = RULES.iter().filter(|(name, _)| {
        *name != "every room has a place" && !planted.iter().any(|(rule, _)| rule == name)
    });
    assert_eq!(untested.count(), 0, "every rule has its flaw");
}
