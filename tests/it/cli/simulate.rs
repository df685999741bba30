//! `reshard simulate`, which needs no AWS.

use super::{Files, NOBODY, run};

/// A day and a half of two humps, half-hourly: at most 6 shard-units as the tests play it.
fn trace() -> String {
    let rate = |at: i64| 1.2 + (f64::from(at as i32) / 24.0 * std::f64::consts::PI).sin().abs() * 2.0;
    let lines = (0..72).map(|at| format!("{},{:.3}\n", 1_700_000_000 + 1_800 * at, rate(at)));
    std::iter::once("epoch_seconds,value\n".to_owned()).chain(lines).collect()
}

const SMALL: [&str; 4] = ["--peak", "6", "--keys", "2000"];

#[test]
fn a_trace_is_scored_beside_the_peers_the_same_way_twice() {
    let files = Files::new();
    let csv = files.write("humps.csv", &trace());
    let manifest = files.manifest("orders.yaml", "maxShards: 40");
    let arguments = [
        &["simulate", "-f", &manifest, "--trace", &csv, "--compare", "--attribution", "-o", "json"][..],
        &SMALL,
    ]
    .concat();
    let first = run(NOBODY, &arguments);
    assert_eq!((first.code, first.stderr.as_str()), (Some(0), ""), "{}", first.stdout);
    assert_eq!(run(NOBODY, &arguments).stdout, first.stdout);
    let card: serde_json::Value = serde_json::from_str(&first.stdout).unwrap();
    let scores = card["traces"][0]["scores"].as_array().unwrap();
    let names: Vec<&str> = scores.iter().map(|score| score["policy"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "reshard",
            "… down over 8 h, tolerance 0.2",
            "… perfect forecast, 10 min",
            "… free boundaries",
            "… instant steps",
            "reshard, defaults",
            "fixed at peak",
            "awslabs scaling-utils",
            "AWS sample Lambda",
            "per-shard Node scaler",
            "Epsagon",
            "target tracking 70 %, shard",
            "target tracking 70 %, mean",
            "on-demand",
            "on-demand Advantage",
        ]
    );
    for score in scores {
        let r = |of: &str| score[of].as_f64().unwrap();
        assert!(r("r20") >= 1.0 && r("r200") >= 1.0, "nobody beats the optimum: {score}");
    }
    // The same policy, but for its bounds, which this load does not reach.
    assert_eq!(scores[0]["shardHours"], scores[5]["shardHours"]);
    let of = |row: usize, field: &str| scores[row][field].as_f64().unwrap();
    assert_eq!(of(2, "rejectedPercent"), 0.0, "who knows what comes rejects nothing of humps");
    let free = (of(3, "r20"), of(3, "stepsPerDay"));
    assert!(
        free.0 < of(0, "r20"),
        "where boundaries are free, as little is left over as can be: {scores:#?}"
    );
}

#[test]
fn a_folder_is_a_suite_with_a_mean_over_its_traces() {
    let files = Files::new();
    files.write("a.csv", &trace());
    files.write("b.csv", "0,1\n43200,2\n86400,1\n");
    files.write("notes.txt", "no trace");
    let (folder, plot) = (files.path(""), files.path("courses.html"));
    let arguments = [&["simulate", "--trace", &folder, "--plot", &plot][..], &SMALL].concat();
    let ran = run(NOBODY, &arguments);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    for words in ["a: 1.5 days", "b: 1.0 days", "all 2 traces, geometric mean", "reshard, defaults"] {
        assert!(ran.stdout.contains(words), "{words} in {}", ran.stdout);
    }
    let page = std::fs::read_to_string(plot).unwrap();
    assert_eq!((page.matches("<svg").count(), page.matches("<polyline").count()), (2, 8));
}

#[test]
fn the_row_of_few_steps_is_named_by_how_it_is_calmer_than_the_policy() {
    let files = Files::new();
    let csv = files.write("load.csv", "0,1\n600,1\n");
    for (seconds, tolerance, name) in [
        (2_400, 0, "… down over 8 h, tolerance 0.2"),
        (36_000, 0, "… down over 10 h, tolerance 0.2"),
        (0, 30, "… down over 8 h, tolerance 0.3"),
    ] {
        let down = format!("{{stabilizationWindowSeconds: {seconds}, tolerance: 0.{tolerance}}}");
        let manifest =
            files.manifest("orders.yaml", &format!("maxShards: 40\nbehavior: {{scaleDown: {down}}}"));
        let arguments =
            [&["simulate", "-f", &manifest, "--trace", &csv, "--compare", "-o", "json"][..], &SMALL].concat();
        let card: serde_json::Value = serde_json::from_str(&run(NOBODY, &arguments).stdout).unwrap();
        assert_eq!(card["traces"][0]["scores"][1]["policy"], name);
    }
}

#[test]
fn what_is_wrong_with_a_plot_is_told_before_anything_is_played() {
    let files = Files::new();
    // Whoever reads it has begun.
    let csv = files.write("load.csv", "0,1\n60,x\n");
    let (picture, nowhere) = (files.path("picture.svg"), files.path("none/picture.html"));
    for (arguments, told) in [
        (
            vec!["--trace", &csv, "--trace", &csv, "--plot", &picture],
            "an .svg holds one trace, not 2: name an .html",
        ),
        (vec!["--trace", &csv, "--plot", &nowhere], "picture.html: cannot be written: No such file"),
        (vec!["--trace", &csv, "--plot", "picture.png"], "ends in .svg or .html"),
        (vec!["--trace", &csv, "--plot", &picture], "line 2"),
    ] {
        let ran = run(NOBODY, &[&["simulate"], &arguments[..]].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{arguments:?}");
        let error = ran.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(error.contains(told), "{told} in {error}");
    }
    assert!(!super::exists(&picture), "a picture that was not drawn");
}

#[test]
fn a_number_below_0_is_told_as_one_whatever_option_has_it() {
    let options = [
        "--peak",
        "--peak-quantile",
        "--clip",
        "--record-bytes",
        "--keys",
        "--skew",
        "--keys-per-tenant",
        "--noise",
        "--offset",
        "--days",
        "--seed",
        "--step-seconds",
        "--update-seconds",
        "--metric-delay",
        "--retries",
        "--tick",
    ];
    for option in options {
        let ran = run(NOBODY, &["simulate", "--trace", "load.csv", option, "-3"]);
        let told = format!("invalid value '-3' for '{option} <");
        assert!(ran.stderr.contains(&told), "{told} in {}", ran.stderr);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_plot_that_fails_after_all_leaves_the_scorecard() {
    let files = Files::new();
    let csv = files.write("load.csv", "0,1\n600,1\n");
    let picture = files.path("picture.svg");
    // It opens, and takes nothing.
    std::os::unix::fs::symlink("/dev/full", &picture).unwrap();
    let ran = run(NOBODY, &[&["simulate", "--trace", &csv, "--plot", &picture][..], &SMALL].concat());
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("cannot be written"), "{}", ran.stderr);
    assert!(ran.stdout.contains("reshard, defaults"), "{}", ran.stdout);
}

#[test]
fn what_is_wrong_is_told_in_one_line() {
    let files = Files::new();
    let csv = files.write("load.csv", "0,1\n60,x\n");
    let good = files.write("good.csv", "0,1\n600,2\n");
    let one = files.manifest("one.yaml", "maxShards: 4");
    let text = std::fs::read_to_string(one).unwrap();
    let two = files.write("two.yaml", &[&text, "---\n", &text.replace("orders", "clicks")].concat());
    for (arguments, told) in [
        (vec!["--trace", &csv], "line 2: the value \"x\", where a number of 0 or more is right"),
        (vec!["--trace", "/nonexistent.csv"], "no such file"),
        (vec!["--trace", &good, "--offset", "3"], "the trace lasts 0.01 days"),
        (vec!["--trace", &good, "-f", &two], "holds 2 resources: a simulation is of one"),
        (vec!["--trace", &good, "--tick", "7"], "'--tick <SECONDS>': a number of seconds that a minute"),
        (
            vec!["--trace", &good, "--peak", "0"],
            "'--peak <UNITS>': a number above 0, 1000 at the most, is right",
        ),
        (
            vec!["--trace", &good, "--peak", "1e300"],
            "'--peak <UNITS>': a number above 0, 1000 at the most, is right",
        ),
    ] {
        let ran = run(NOBODY, &[&["simulate"], &arguments[..]].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{arguments:?}");
        assert!(ran.stderr.contains(told), "{told} in {}", ran.stderr);
    }
}

#[test]
fn every_option_changes_what_is_played() {
    let files = Files::new();
    let csv = files.write("humps.csv", &trace());
    let tenants = files.write("tenants.csv", &tenants());
    // Of small records it matters that they may be fewer.
    let spec = "maxShards: 200\nupdateShardCount: Auto\ntargets: {ingestRecords: {utilization: 60}}";
    let manifest = files.manifest("orders.yaml", spec);
    let prices = files.write("prices.yaml", "shardHour: 0.03\n");
    let play = |trace: &str, more: &[[&str; 2]]| {
        let mut options = vec![["--peak", "6"], ["--keys", "2000"], ["--days", "0.5"]];
        options.retain(|[name, _]| more.iter().all(|[other, _]| name != other));
        options.extend(more);
        let arguments = ["simulate", "-f", &manifest, "--trace", trace, "-o", "json"];
        let ran = run(NOBODY, &[&arguments[..], &options.concat()].concat());
        assert_eq!(ran.code, Some(0), "{more:?}: {}", ran.stderr);
        ran.stdout
    };
    let base = play(&csv, &[]);
    let options = [
        ["--peak", "7"],
        ["--peak-quantile", "0.5"],
        ["--clip", "3"],
        ["--record-bytes", "300"],
        ["--keys", "30"],
        ["--skew", "1.1"],
        ["--noise", "0.3"],
        ["--offset", "0.25"],
        ["--days", "0.75"],
        ["--seed", "2"],
        ["--step-seconds", "120"],
        ["--metric-delay", "240"],
        ["--retries", "1"],
        ["--tick", "60"],
        ["--prices", &prices],
    ];
    let ignored = options.into_iter().filter(|option| play(&csv, &[*option]) == base);
    assert_eq!(ignored.collect::<Vec<_>>(), [[""; 2]; 0]);
    assert_ne!(play(&tenants, &[["--keys-per-tenant", "2"]]), play(&tenants, &[]));
    // Small jumps are met by splits.
    let [units, keys] = [["--peak", "60"], ["--keys", "200000"]];
    assert_ne!(play(&csv, &[units, keys, ["--update-seconds", "900"]]), play(&csv, &[units, keys]));
}

/// The same humps for two tenants, one after the other.
fn tenants() -> String {
    let lines = trace();
    let turned = lines.lines().skip(1).enumerate().map(|(at, line)| {
        let (time, value) = line.split_once(',').unwrap();
        let (one, two) = if at % 24 < 12 { (value, "0.1") } else { ("0.1", value) };
        format!("{time},{one},{two}\n")
    });
    std::iter::once("epoch_seconds,one,two\n".to_owned()).chain(turned).collect()
}

#[test]
fn the_resource_is_told_with_the_result_as_far_as_it_differs_from_the_defaults() {
    let files = Files::new();
    let csv = files.write("load.csv", "0,1\n600,1\n");
    let spec =
        "mode: Apply\nmaxShards: 40\ntargets: {ingestBytes: {utilization: 90}, readBytes: {utilization: 95}}";
    let manifest = files.manifest("orders.yaml", spec);
    let play = |more: &[&str]| {
        let ran = run(NOBODY, &[&["simulate", "--trace", &csv], more, &SMALL].concat());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        ran.stdout
    };
    let told = play(&["-f", &manifest]);
    let (_, resource) = told.split_once("where it differs from the defaults:").expect("it is told");
    let resource: Vec<&str> = resource.split_whitespace().collect();
    let expected = "spec: maxShards: 40 mode: Apply targets: ingestBytes: utilization: 90";
    assert_eq!(resource.join(" "), expected, "{told}");
    assert!(!play(&[]).contains("The resource"), "the defaults are told by their name");
    let card: serde_json::Value = serde_json::from_str(&play(&["-f", &manifest, "-o", "json"])).unwrap();
    assert_eq!(card["resource"]["spec"]["targets"]["ingestBytes"]["utilization"], 90);
    assert_eq!(card["geometricMean"][0]["r20"], card["traces"][0]["scores"][0]["r20"]);
}
