//! Files that are no manifests: prices, plans and recorded snapshots, read and written.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cost::Prices;
use crate::manifest;
use crate::plan::{PLAN_FORMAT, Plan, PlanIdentity};
use crate::policy::StreamRef;
use crate::resource::{self, FieldError};
use crate::snapshot::{SNAPSHOT_FORMAT, Snapshot};
use crate::stream::region_of;

/// The prices of a file over the defaults; the defaults without one.
pub(super) fn prices(path: Option<&Path>) -> anyhow::Result<Prices> {
    let Some(path) = path else { return Ok(Prices::default()) };
    let file = path.display();
    match read(path)?.as_slice() {
        [document] => typed(document, &file.to_string(), ""),
        [] => bail!("{file}: holds no prices: name at least one, such as shardHour: 0.0176"),
        _ => bail!("{file}: holds several documents: prices are one"),
    }
}

/// A plan of a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FiledPlan {
    pub plan: Plan,
    /// AWS's clock when the plan was made; a plan by itself does not say.
    pub observed_at: Option<Timestamp>,
}

/// The plans of a file: what `plan -o json` or `-o yaml` printed, or plans by themselves.
pub(super) fn plans(path: &Path) -> anyhow::Result<Vec<FiledPlan>> {
    let file = path.display().to_string();
    let mut plans = Vec::new();
    for document in read(path)? {
        let plan = document.get("plan").unwrap_or(&document);
        let format = plan.get("format").and_then(Value::as_u64);
        if plan.get("hash").is_none() {
            bail!("{file}: holds no plan: `reshard plan -f FILE -o json` writes one");
        }
        if format != Some(u64::from(PLAN_FORMAT)) {
            bail!("{file}: the plan's format is {}, {PLAN_FORMAT} is read: plan anew", number(format));
        }
        let at = if document.get("plan").is_some() { "plan" } else { "" };
        // By itself, for only then is it known where in it something is wrong.
        let identity: PlanIdentity = typed(plan, &file, at)?;
        let plan: Plan = typed(plan, &file, at)?;
        if plan.hash != identity.hash() {
            bail!(
                "{file}: {}: is {}, and what is planned hashes to {}: the plan was edited; plan anew",
                resource::join(at, "hash"),
                plan.hash,
                identity.hash()
            );
        }
        let observed_at = document.get("observedAt");
        plans.push(FiledPlan {
            plan,
            observed_at: observed_at.map(|at| typed(at, &file, "observedAt")).transpose()?,
        });
    }
    if plans.is_empty() {
        bail!("{file}: holds no plan: `reshard plan -f FILE -o json` writes one");
    }
    Ok(plans)
}

/// The snapshots of a file that `plan --record` wrote.
pub(super) fn snapshots(path: &Path) -> anyhow::Result<Vec<Snapshot>> {
    let file = path.display().to_string();
    let documents = json(&text(path)?, &file)?;
    let mut snapshots = Vec::new();
    for document in &documents {
        let format = document.get("format").and_then(Value::as_u64);
        if document.get("observedAt").is_none() || document.get("metrics").is_none() {
            bail!("{file}: holds no snapshot: `reshard plan -f FILE --record SNAPSHOT` writes one");
        }
        if format != Some(u64::from(SNAPSHOT_FORMAT)) {
            bail!(
                "{file}: the snapshot's format is {}, {SNAPSHOT_FORMAT} is read: record anew",
                number(format)
            );
        }
        snapshots.push(typed(document, &file, "")?);
    }
    if snapshots.is_empty() {
        bail!("{file}: holds no snapshot: `reshard plan -f FILE --record SNAPSHOT` writes one");
    }
    Ok(snapshots)
}

/// Writes snapshots, one JSON document a line.
pub(super) fn record(path: &Path, snapshots: &[Snapshot]) -> anyhow::Result<()> {
    let mut text = String::new();
    for snapshot in snapshots {
        text.push_str(&serde_json::to_string(snapshot)?);
        text.push('\n');
    }
    fs::write(path, text).with_context(|| format!("{}: cannot be written", path.display()))
}

/// Whether what AWS calls `name` and `arn` is the stream that a resource names.
pub(super) fn is_stream(stream: &StreamRef, name: &str, arn: &str) -> bool {
    match &stream.arn {
        Some(wanted) => wanted == arn,
        None => {
            stream.name == name
                && stream.region.as_deref().is_none_or(|wanted| Some(wanted) == region_of(arn))
        }
    }
}

/// A value as one JSON document, over several lines.
pub(super) fn to_json(value: &impl Serialize) -> anyhow::Result<String> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    Ok(text)
}

/// The documents of a JSON or YAML file.
fn read(path: &Path) -> anyhow::Result<Vec<Value>> {
    let (text, file) = (text(path)?, path.display().to_string());
    // YAML would take JSON as well, but not documents that simply follow one another.
    if manifest::without_mark(&text).trim_start().starts_with('{') {
        json(&text, &file)
    } else {
        Ok(manifest::documents(&text, &file)?)
    }
}

/// The text of a file, or of standard input.
pub(super) fn text(path: &Path) -> anyhow::Result<String> {
    let file = path.display();
    if path == Path::new("-") {
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text).context("standard input: cannot be read")?;
        return Ok(text);
    }
    if path.is_dir() {
        bail!("{file}: is a directory: name a file");
    }
    match fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => bail!("{file}: no such file"),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => bail!("{file}: is not UTF-8 text"),
        Err(error) => Err(error).with_context(|| format!("{file}: cannot be read")),
    }
}

fn json(text: &str, file: &str) -> anyhow::Result<Vec<Value>> {
    serde_json::Deserializer::from_str(manifest::without_mark(text))
        .into_iter()
        .collect::<Result<_, _>>()
        .map_err(|error| anyhow!("{file}: is not valid JSON: {error}"))
}

/// The value that `document` is; it is found at the path `at` of the file.
fn typed<T: DeserializeOwned>(document: &Value, file: &str, at: &str) -> anyhow::Result<T> {
    resource::decode(document).map_err(|FieldError { path, message }| {
        let path = resource::join(at, &path);
        let colon = if path.is_empty() { "" } else { ": " };
        anyhow!("{file}: {path}{colon}{message}")
    })
}

fn number(format: Option<u64>) -> String {
    format.map_or_else(|| "missing".to_owned(), |format| format.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::Money;
    use crate::cost::fixtures;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        fs::write(file.path(), text).expect("written");
        file
    }

    fn told<T: std::fmt::Debug>(result: anyhow::Result<T>) -> String {
        super::super::outcome::chain(&result.expect_err("refused"))
    }

    #[test]
    fn prices_come_as_yaml_and_as_json_and_the_rest_stays() {
        for text in ["shardHour: 0.0176\n", "{\"shardHour\": 0.0176}", "\u{feff}{\"shardHour\": 0.0176}"] {
            let read = prices(Some(file(text).path())).expect(text);
            let expected = Prices { shard_hour: Money::from_micro_dollars(17_600), ..Prices::default() };
            assert_eq!(read, expected);
        }
    }

    #[test]
    fn a_wrong_price_file_is_told_by_file_and_place() {
        for (text, expected) in [
            ("", "holds no prices"),
            ("shardhour: 1", "unknown field `shardhour`"),
            ("shardHour: cheap", "shardHour: is the text \"cheap\": give a price in dollars"),
            ("shardHour: -1", "shardHour: is the number `-1.0`: give a price in dollars"),
            ("{\"shardHour\": 1", "is not valid JSON"),
            ("a: [", "cannot be read as YAML"),
        ] {
            let file = file(text);
            let told = told(prices(Some(file.path())));
            assert!(told.contains(expected) && told.contains(&file.path().display().to_string()), "{told}");
        }
        assert_eq!(
            told(prices(Some(Path::new("/nowhere/prices.yaml")))),
            "/nowhere/prices.yaml: no such file"
        );
    }

    #[test]
    fn a_plan_is_found_in_a_report_and_by_itself_in_json_and_yaml() {
        let plan = fixtures::one_hot_shard().plan;
        let observed_at: Timestamp = "2026-11-22T04:17:31Z".parse().expect("a time");
        let report = serde_json::json!({"format": 1, "observedAt": observed_at, "plan": plan});
        let bare = to_json(&plan).expect("json");
        let several = format!("{}{bare}", to_json(&report).expect("json"));
        let yaml = manifest::to_yaml(&report).expect("yaml");
        let bare_plan = FiledPlan { plan: plan.clone(), observed_at: None };
        let dated_plan = FiledPlan { plan, observed_at: Some(observed_at) };
        let both = [dated_plan.clone(), bare_plan.clone()];
        for (text, expected) in [(&bare, &both[1..]), (&several, &both[..]), (&yaml, &both[..1])] {
            assert_eq!(plans(file(text).path()).expect("plans"), expected);
        }
    }

    #[test]
    fn what_is_no_plan_of_this_release_is_refused() {
        let mut plan = serde_json::to_value(fixtures::one_hot_shard().plan).expect("plain data");
        plan["format"] = 99.into();
        assert!(told(plans(file(&plan.to_string()).path())).contains("the plan's format is 99"));
        plan["format"] = PLAN_FORMAT.into();
        plan["start"][0]["end"] = "-1".into();
        for (plan, place) in
            [(plan.clone(), "start[0].end"), (serde_json::json!({ "plan": plan }), "plan.start[0].end")]
        {
            let file = file(&plan.to_string());
            let begins = format!("{}: {place}: \"-1\" is not a hash key", file.path().display());
            let told_place = told(plans(file.path()));
            assert!(told_place.starts_with(&begins), "{told_place}");
        }
        let mut plan = serde_json::json!({"plan": fixtures::one_hot_shard().plan});
        plan["plan"]["steps"][0]["type"] = "Explode".into();
        let told_word = told(plans(file(&plan.to_string()).path()));
        assert!(
            told_word.contains(": plan.steps[0].type: unknown value `Explode`: give one of `Split`"),
            "{told_word}"
        );
        let undated = serde_json::json!({"observedAt": "soon", "plan": fixtures::one_hot_shard().plan});
        let told_time = told(plans(file(&undated.to_string()).path()));
        assert!(told_time.contains("observedAt: "), "{told_time}");
        for text in ["", "{}", "a: 1\n"] {
            assert!(told(plans(file(text).path())).contains("holds no plan"));
        }
    }

    #[test]
    fn a_plan_whose_steps_are_not_those_of_its_hash_was_edited() {
        for field in ["steps", "start"] {
            let mut plan = serde_json::to_value(fixtures::one_hot_shard().plan).expect("plain data");
            plan[field].as_array_mut().expect("a list").pop().expect("not empty");
            let file = file(&serde_json::json!({"plan": plan}).to_string());
            let told = told(plans(file.path()));
            let begins =
                format!("{}: plan.hash: is {}", file.path().display(), fixtures::one_hot_shard().plan.hash);
            assert!(told.starts_with(&begins) && told.ends_with("the plan was edited; plan anew"), "{told}");
        }
    }

    #[test]
    fn recorded_snapshots_are_read_back_as_they_were() {
        let snapshot = fixtures::one_hot_shard().snapshot;
        let recorded = file("");
        record(recorded.path(), &[snapshot.clone(), snapshot.clone()]).expect("written");
        assert_eq!(snapshots(recorded.path()).expect("read"), [snapshot.clone(), snapshot]);
        assert!(told(snapshots(Path::new("/nowhere/snapshot.json"))).contains("no such file"));
        let newer = serde_json::to_string(&Snapshot { format: 99, ..fixtures::one_hot_shard().snapshot });
        let newer = file(&newer.expect("plain data"));
        assert!(told(snapshots(newer.path())).contains("the snapshot's format is 99"));
    }

    #[test]
    fn a_stream_is_known_by_its_arn_or_by_name_and_region() {
        let arn = "arn:aws:kinesis:eu-west-1:111122223333:stream/orders";
        let stream = |region: Option<&str>, arn: Option<&str>| StreamRef {
            name: "orders".to_owned(),
            region: region.map(str::to_owned),
            arn: arn.map(str::to_owned),
        };
        assert!(is_stream(&stream(None, None), "orders", arn));
        assert!(is_stream(&stream(Some("eu-west-1"), Some(arn)), "orders", arn));
        assert!(!is_stream(&stream(Some("us-east-1"), None), "orders", arn));
        assert!(!is_stream(&stream(None, Some("arn:aws:kinesis:eu-west-1:2:stream/orders")), "orders", arn));
    }
}
