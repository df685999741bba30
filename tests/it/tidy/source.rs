//! The files of the tree, and as much Rust as the rules need: code without comments, texts and
//! tests.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A text file.
pub(super) struct File {
    /// From the root of the tree, with `/`.
    pub(super) path: String,
    pub(super) text: String,
    /// Its code, that of tests included.
    all_code: String,
    /// Its code, without tests.
    code: String,
}

/// All text files.
pub(super) struct Tree {
    pub(super) files: Vec<File>,
}

impl Tree {
    /// Reads all below `folder` but what no version control keeps.
    pub(super) fn read(folder: &Path) -> Tree {
        const NOT_KEPT: [&str; 2] = ["target", ".git"];
        let mut files = Vec::new();
        let mut open = vec![String::new()];
        while let Some(prefix) = open.pop() {
            for entry in fs::read_dir(folder.join(&prefix)).expect("a folder that can be read") {
                let entry = entry.expect("an entry that can be read");
                let path = format!("{prefix}{}", entry.file_name().to_str().expect("a name in UTF-8"));
                if NOT_KEPT.contains(&&*path) {
                    continue;
                } else if entry.path().is_dir() {
                    open.push(format!("{path}/"));
                } else if let Ok(text) = fs::read_to_string(entry.path()) {
                    files.push(File::new(path, text));
                }
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Tree { files }
    }

    pub(super) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.is_rust())
    }

    /// The files of the product with their rooms; files of tests are none.
    pub(super) fn product(&self) -> impl Iterator<Item = (&File, &str)> {
        let reached = self.reached_by(|file| &file.code);
        self.rust()
            .filter(move |file| reached.contains(&*file.path))
            .filter_map(|file| Some((file, file.room()?)))
    }

    /// The paths of the Rust files that `mod` lines lead to.
    pub(super) fn reached(&self) -> BTreeSet<&str> {
        self.reached_by(|file| &file.all_code)
    }

    /// From the files at which Cargo begins, by the `mod` lines of what `read` reads of each.
    fn reached_by(&self, read: fn(&File) -> &str) -> BTreeSet<&str> {
        let mut open: Vec<&File> = self.rust().filter(|file| file.is_root()).collect();
        let mut reached = BTreeSet::new();
        while let Some(file) = open.pop() {
            if reached.insert(&*file.path) {
                let folder = file.folder_of_modules();
                let paths: Vec<String> =
                    modules(read(file)).map(|name| format!("{folder}{name}.rs")).collect();
                open.extend(self.rust().filter(|file| paths.contains(&file.path)));
            }
        }
        reached
    }
}

impl File {
    pub(super) fn new(path: String, text: String) -> File {
        let all_code = code(&text);
        File { code: without_tests(&all_code), all_code, path, text }
    }

    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    pub(super) fn lines(&self) -> usize {
        self.text.lines().count()
    }

    /// The top-level module that a file of the product belongs to; none for `lib.rs`, which has no
    /// code but these modules.
    pub(super) fn room(&self) -> Option<&str> {
        let room = self.path.strip_prefix("src/")?.split('/').next()?;
        Some(room.strip_suffix(".rs").unwrap_or(room)).filter(|room| *room != "lib")
    }

    /// Whether Cargo begins here: the crate roots that it finds by itself.
    fn is_root(&self) -> bool {
        let names: Vec<&str> = self.path.split('/').collect();
        matches!(
            names[..],
            ["build.rs"]
                | ["src", "lib.rs" | "main.rs"]
                | ["src", "bin", _]
                | ["tests" | "benches" | "examples", _]
                | ["tests" | "benches" | "examples", _, "main.rs"]
        )
    }

    /// Where the files of this one's modules lie.
    fn folder_of_modules(&self) -> String {
        let stem = self.path.trim_end_matches(".rs");
        if self.is_root() {
            format!("{}/", stem.rsplit_once('/').map_or("", |(folder, _)| folder))
        } else {
            format!("{stem}/")
        }
    }

    /// The first names after `crate::` (and, for the binary, after `reshard::`).
    pub(super) fn crate_imports(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for root in ["crate", "reshard"] {
            for (at, _) in self.code.match_indices(&format!("{root}::")) {
                if ends_a_word(&self.code[..at]) {
                    continue;
                }
                let rest = &self.code[at + root.len() + 2..];
                match rest.strip_prefix('{') {
                    Some(group) => names.extend(first_names(group)),
                    None => names.extend(words(rest).next().map(str::to_owned)),
                }
            }
        }
        names
    }

    /// Whether `super` leads out of the room.
    pub(super) fn climbs_to_the_root(&self) -> bool {
        let depth = self.path.split('/').count() - 1;
        self.code.contains(&"super::".repeat(depth))
    }

    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        words(&self.code)
    }

    /// Whether the code has `needle`, and not as a part of a longer word.
    pub(super) fn contains(&self, needle: &str) -> bool {
        self.code.match_indices(needle).any(|(at, _)| {
            let after = &self.code[at + needle.len()..];
            let goes_on = ends_a_word(needle) && after.starts_with(is_of_word);
            !ends_a_word(&self.code[..at]) && !goes_on
        })
    }
}

fn is_of_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn ends_a_word(text: &str) -> bool {
    text.ends_with(is_of_word)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter| !is_of_word(letter)).filter(|word| !word.is_empty())
}

/// The first name of each item of a `use` group, from behind its brace.
fn first_names(group: &str) -> Vec<String> {
    let (mut depth, mut end) = (1, group.len());
    let mut starts = vec![0];
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => starts.push(at + 1),
            _ => {}
        }
        if depth == 0 {
            end = at;
            break;
        }
    }
    starts.iter().filter_map(|start| words(&group[*start..end]).next()).map(str::to_owned).collect()
}

/// The names of the modules that have files of their own.
fn modules(code: &str) -> impl Iterator<Item = &str> {
    code.lines().filter_map(|line| {
        let (visibility, name) = line.trim().strip_suffix(';')?.split_once("mod ")?;
        (visibility.is_empty() || visibility.starts_with("pub")).then_some(name)
    })
}

/// Leaves out what is compiled for tests alone: everything from `#[cfg(test)]` or
/// `#[cfg(all(test, …))]` to the end of the item below it.
fn without_tests(code: &str) -> String {
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = ["#[cfg(test)]", "#[cfg(all(test,"].iter().filter_map(|mark| rest.find(mark)).min() {
        let (before, item) = rest.split_at(at);
        kept.push_str(before);
        let mut depth = 0;
        let ends = |(_, letter): &(usize, char)| {
            depth += i32::from(*letter == '{') - i32::from(*letter == '}');
            depth == 0 && matches!(letter, '}' | ';')
        };
        rest = item.char_indices().find(ends).map_or("", |(at, _)| &item[at + 1..]);
    }
    kept + rest
}

/// The code without comments and without what stands between quotes; lines stay lines.
fn code(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(hashes) = raw_text(rest, ends_a_word(&code)) {
            let end = format!("\"{}", "#".repeat(hashes));
            let start = hashes + 2;
            rest[start..].find(&end).map_or(rest.len(), |at| start + at + end.len())
        } else if letter == '"' {
            quoted(rest, '"')
        } else if letter == '\'' && is_char(rest) {
            quoted(rest, '\'')
        } else {
            code.push(letter);
            rest = &rest[letter.len_utf8()..];
            continue;
        };
        code.push(' ');
        code.extend(rest[..length].chars().filter(|letter| *letter == '\n'));
        rest = &rest[length..];
    }
    code
}

/// The number of hashes with which a raw text starts here; none if none starts.
fn raw_text(rest: &str, within_a_word: bool) -> Option<usize> {
    let after = rest.strip_prefix('r').filter(|_| !within_a_word)?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].starts_with('"').then_some(hashes)
}

/// Whether a quote begins a character and not a lifetime.
fn is_char(rest: &str) -> bool {
    let mut letters = rest.chars().skip(1);
    letters.next() == Some('\\') || letters.next() == Some('\'')
}

/// The length of what is quoted, both quotes included.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    let ends = |(_, letter): &(usize, char)| {
        let ends = *letter == quote && !escaped;
        escaped = *letter == '\\' && !escaped;
        ends
    };
    rest.char_indices().skip(1).find(ends).map_or(rest.len(), |(at, _)| at + 1)
}
