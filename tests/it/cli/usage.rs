//! Help, versions, wrong flags, completions.

use super::{NOBODY, run};

#[test]
fn no_arguments_show_the_help() {
    let ran = run(NOBODY, &[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    for word in ["Usage: reshard", "plan", "apply", "run", "approve", "status", "sandbox", "completions"] {
        assert!(ran.stdout.contains(word), "{word} in {}", ran.stdout);
    }
}

#[test]
fn help_and_version_go_to_stdout() {
    for arguments in
        [&["--help"][..], &["plan", "--help"], &["apply", "-h"], &["run", "-h"], &["sandbox", "-h"]]
    {
        let ran = run(NOBODY, arguments);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{arguments:?}");
        assert!(ran.stdout.contains("Usage: reshard"), "{arguments:?}");
        assert!(ran.stdout.lines().all(|line| line.chars().count() <= 100), "{}", ran.stdout);
    }
    assert_eq!(run(NOBODY, &["--version"]).stdout, format!("reshard {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_help_of_a_command_has_its_own_options_apart_from_those_of_the_cluster() {
    for (command, own) in [("plan", "--snapshot"), ("apply", "--plan")] {
        let help = run(NOBODY, &[command, "-h"]).stdout;
        let (options, cluster) = help.split_once("\nCluster:\n").unwrap_or_else(|| panic!("{help}"));
        assert!(options.contains(own) && cluster.contains("--namespace"), "{help}");
    }
}

#[test]
fn a_wrong_command_line_exits_with_one_and_never_with_two() {
    for (arguments, told) in [
        (&["plan"][..], "--filename <FILE>"),
        (&["plan", "orders", "-A"], "cannot be used with"),
        (&["plan", "-f", "a.yaml", "-n", "payments"], "cannot be used with"),
        (&["approve"], "<NAME>"),
        (&["plam"], "plam"),
        (&["plan", "-f", "a.yaml", "--loud"], "--loud"),
        (&["plan", "-f", "a.yaml", "-o", "pdf"], "table, json, yaml, markdown, html"),
        (&["plan", "-f", "a.yaml", "--record", "a", "--snapshot", "b"], "cannot be used with"),
        (&["apply", "-f", "a.yaml", "--wait", "--timeout", "5"], "a duration looks like 90s, 10m or 1h30m"),
        (
            &["apply", "-f", "a.yaml", "--wait", "--timeout", "0s"],
            "it must be above 0, such as 90s, 10m or 1h30m",
        ),
        (&["plan", "-f", "a.yaml", "--color", "pink"], "auto, always, never"),
        (&["completions", "cmd"], "bash"),
    ] {
        let ran = run(NOBODY, arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{arguments:?}");
        assert!(ran.stderr.starts_with("error: ") && ran.stderr.contains(told), "{}", ran.stderr);
    }
}

#[test]
fn completions_name_every_subcommand() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let ran = run(NOBODY, &["completions", shell]);
        assert_eq!(ran.code, Some(0));
        for word in ["plan", "apply", "sandbox"] {
            assert!(ran.stdout.contains(word), "{shell}: {word}");
        }
    }
}
