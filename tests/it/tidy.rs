//! Style as a test, for the whole tree: who may import whom, what decisions may not touch, how long
//! files are, which nobody reaches. The rules are the tables at the top.

use std::path::Path;

use self::source::{File, Tree};

mod planted;
mod source;

/// The layers, lowest first, and their rooms. A room may import from rooms of lower layers, and
/// from those of its own layer that are listed before it.
const LAYERS: [(&str, &[&str]); 4] = [
    ("model", &["units", "hash_key", "stream", "quota", "load", "policy", "snapshot", "plan", "cost"]),
    ("decision", &["demand", "planner", "decision", "checks", "vetted", "advice", "report"]),
    (
        "execution",
        &["control_plane", "gather", "turns", "rounds", "observe", "executor", "aws", "simulator", "sandbox"],
    ),
    ("shells", &["resource", "manifest", "simulate", "telemetry", "operator", "cli", "main"]),
];

/// How many of the layers are pure: a function of what they are given.
const PURE_LAYERS: usize = 2;

/// What the order would allow and the design does not.
const STRANGERS: [(&str, &[&str]); 4] = [
    // An error in the planner must not hide in what checks it.
    ("checks", &["planner", "decision"]),
    // The two control planes see the model and the trait, never each other or what uses them.
    ("aws", &["demand", "planner", "decision", "checks", "vetted", "report", "observe", "executor"]),
    (
        "simulator",
        &["demand", "planner", "decision", "checks", "vetted", "report", "observe", "executor", "aws"],
    ),
    (
        "sandbox",
        &["demand", "planner", "decision", "checks", "vetted", "report", "observe", "executor", "aws"],
    ),
];

/// Crates that one room alone may name, by how their names begin.
const CRATES: [(&str, &str); 7] = [
    ("aws_config", "aws"),
    ("aws_credential_types", "aws"),
    ("aws_sdk_", "aws"),
    ("aws_smithy_", "aws"),
    ("serde_yaml", "manifest"),
    ("kube", "operator"),
    ("k8s_openapi", "operator"),
];

/// What model and decision do not contain: clocks, I/O, tasks, logs, chance.
const IMPURE: [&str; 17] = [
    "Instant",
    "SystemTime",
    "now()",
    "async",
    "tokio",
    "tracing",
    "rand",
    "rand_chacha",
    "HashMap",
    "HashSet",
    "println",
    "eprintln",
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
];

/// Code that is not finished.
const UNFINISHED: [&str; 3] = ["todo!", "unimplemented!", "dbg!"];

/// The same in comments and documents; in pieces, for this file is read too.
const UNFINISHED_NOTES: [&str; 2] = [concat!("FIX", "ME"), concat!("TO", "DO:")];

/// Folders of whoever's machine a file was written on.
const MACHINE_FOLDERS: [&str; 3] = ["work", "root", "home"];

/// A Rust file of more lines is too long.
const MOST_LINES: usize = 600;

/// What the README promises of a fresh machine: one command for the main job, one for all tests.
const COMMANDS: [&str; 2] = ["cargo run -- demo", "cargo test"];

type Rule = fn(&Tree) -> Vec<String>;

/// Every rule, by its name.
const RULES: [(&str, Rule); 10] = [
    ("every room has a place", rooms_are_listed),
    ("imports go down", imports_go_down),
    ("crates stay in their rooms", crates_stay_in_their_rooms),
    ("decisions are pure", decisions_are_pure),
    ("files are short", files_are_short),
    ("no file is an orphan", no_orphans),
    ("files say what they are for", files_say_what_they_are_for),
    ("nothing is unfinished", nothing_is_unfinished),
    ("no machine is named", no_machine_is_named),
    ("the README's commands are what CI runs", commands_are_run),
];

#[test]
fn the_tree_is_tidy() {
    let tree = Tree::read(Path::new(env!("CARGO_MANIFEST_DIR")));
    let longest = tree.rust().max_by_key(|file| file.lines()).expect("there are files");
    println!("the longest file: {}, {} lines", longest.path, longest.lines());
    let found: Vec<String> = RULES
        .iter()
        .flat_map(|(name, rule)| rule(&tree).into_iter().map(move |flaw| format!("{name}: {flaw}")))
        .collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// The layer of a room and its place in it.
fn place(room: &str) -> Option<(usize, usize)> {
    let among = |(layer, (_, rooms)): (usize, &(&str, &[&str]))| {
        rooms.iter().position(|listed| *listed == room).map(|index| (layer, index))
    };
    LAYERS.iter().enumerate().find_map(among)
}

fn rooms_are_listed(tree: &Tree) -> Vec<String> {
    let unlisted = |file: &&File| file.room().is_some_and(|room| place(room).is_none());
    tree.rust().filter(unlisted).map(|file| format!("{} belongs to no layer", file.path)).collect()
}

fn imports_go_down(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (file, room) in tree.product() {
        for import in file.crate_imports() {
            let strange = STRANGERS.iter().any(|(who, whom)| *who == room && whom.contains(&&*import));
            // What has no place is told by the rule for that, or is no room: `crate::Item`.
            let upward = place(&import).is_some_and(|imported| Some(imported) > place(room));
            if strange || upward {
                found.push(format!("{} imports {import}, {room} may not", file.path));
            }
        }
        if file.climbs_to_the_root() {
            found.push(format!("{} climbs to the root by `super`: name it by `crate`", file.path));
        }
    }
    found
}

fn crates_stay_in_their_rooms(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (file, room) in tree.product() {
        for (name, home) in CRATES.iter().filter(|(_, home)| *home != room) {
            if file.words().any(|word| word == *name || (name.ends_with('_') && word.starts_with(name))) {
                found.push(format!("{} names {name}, which stays in {home}", file.path));
            }
        }
    }
    found
}

fn decisions_are_pure(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for (file, _) in
        tree.product().filter(|(_, room)| place(room).is_some_and(|(layer, _)| layer < PURE_LAYERS))
    {
        for impure in IMPURE.iter().filter(|impure| file.contains(impure)) {
            found.push(format!("{} has {impure}", file.path));
        }
    }
    found
}

fn files_are_short(tree: &Tree) -> Vec<String> {
    let long = |file: &&File| file.lines() > MOST_LINES;
    tree.rust().filter(long).map(|file| format!("{} has {} lines", file.path, file.lines())).collect()
}

fn no_orphans(tree: &Tree) -> Vec<String> {
    let reached = tree.reached();
    let orphan = |file: &&File| !reached.contains(&*file.path);
    tree.rust().filter(orphan).map(|file| format!("no `mod` line leads to {}", file.path)).collect()
}

fn files_say_what_they_are_for(tree: &Tree) -> Vec<String> {
    let silent = |file: &&File| !file.text.starts_with("//! ");
    tree.rust().filter(silent).map(|file| format!("{} does not start with `//! `", file.path)).collect()
}

fn nothing_is_unfinished(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for file in &tree.files {
        let in_code = UNFINISHED.iter().filter(|mark| file.is_rust() && file.contains(mark));
        let in_text = UNFINISHED_NOTES.iter().filter(|mark| file.text.contains(**mark));
        found.extend(in_code.chain(in_text).map(|mark| format!("{} has {mark}", file.path)));
    }
    found
}

fn no_machine_is_named(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for file in &tree.files {
        for folder in MACHINE_FOLDERS.map(|folder| format!("/{folder}/")) {
            // After a letter it is the middle of some other path.
            let names = file.text.match_indices(&folder).any(|(at, _)| {
                !file.text[..at].ends_with(|before: char| before.is_alphanumeric() || ".-_}".contains(before))
            });
            if names {
                found.push(format!("{} names {folder}", file.path));
            }
        }
    }
    found
}

/// The README has the command on a line of its own; CI runs the same, and no other versions than the lock file's.
fn commands_are_run(tree: &Tree) -> Vec<String> {
    let text = |path: &str| tree.files.iter().find(|file| file.path == path).map_or("", |file| &file.text);
    let run = text(".ci/run");
    let steps = run.lines().filter(|line| line.starts_with(".ci/")).map(text);
    let scripts: Vec<&str> = steps.chain([run]).collect();
    let mut found = Vec::new();
    for command in COMMANDS {
        let (cargo, arguments) = command.split_once(" -- ").map_or((command, None), |(c, a)| (c, Some(a)));
        let locked = arguments.map_or(format!("{cargo} --locked"), |a| format!("{cargo} --locked -- {a}"));
        if !text("README.md").lines().any(|line| line.starts_with(command)) {
            found.push(format!("README.md has no line `{command}`"));
        }
        if !scripts.iter().any(|script| script.contains(&locked)) {
            found.push(format!("no step of .ci/run runs `{locked}`"));
        }
    }
    found
}
