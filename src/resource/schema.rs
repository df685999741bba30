//! What the schema of the custom resource says beside types, defaults and descriptions: ranges,
//! forms and rules, as transforms that stand at the fields they speak of.
//!
//! A rule is an expression in CEL, which the API server evaluates at each write. Whatever
//! [`super::KinesisStreamAutoscaler::to_policy`] refuses and can be said here is said here; the
//! meaning of cron expressions and the names of time zones cannot.

use std::ops::RangeInclusive;

use schemars::Schema;
use schemars::transform::Transform;
use serde_json::{Value, json};

use super::duration::DurationText;
use super::ranges::{DurationRange, MillionthsRange};

/// The form of [`DurationText`].
pub(super) const DURATION: &str = "^([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$";
/// The same without parts of a second.
const WHOLE_SECONDS: &str = "^([0-9]+h)?([0-9]+m)?([0-9]+s)?((0|00|[0-9]*000)ms)?$";
/// The form of a stream's name.
pub(super) const STREAM_NAME: &str = "^[a-zA-Z0-9_.-]{1,128}$";
/// The form of a region.
pub(super) const REGION: &str = "^[a-z]{2,12}(-[a-z]{2,12}){1,3}-[0-9]{1,2}$";
/// The form of a stream's ARN.
pub(super) const STREAM_ARN: &str = "^arn:aws(-[a-z-]{0,28})?:kinesis:[a-z]{2,12}(-[a-z]{2,12}){1,3}-[0-9]{1,2}:[0-9]{12}:stream/[a-zA-Z0-9_.-]{1,128}$";
/// The form of a role's ARN: a path of up to 512 characters, a name of up to 64.
pub(super) const ROLE_ARN: &str =
    "^arn:aws(-[a-z-]{0,28})?:iam::[0-9]{12}:role/([!-~]{0,510}/)?[a-zA-Z0-9_+=,.@-]{1,64}$";
/// Printable, without a blank at either end.
pub(super) const NAME: &str = r"^[^\p{Z}\p{Cc}]([^\p{Cc}]*[^\p{Z}\p{Cc}])?$";
/// What CloudWatch takes for a namespace and for a dimension's value, without a blank at either end.
pub(super) const CONSUMER_NAME: &str = "^[!-9;-~]([ -~]*[!-~])?$";
/// Five fields, or a word such as `@daily`. What the fields mean is beyond a pattern.
pub(super) const CRON: &str = "^[ \t]*(@[a-zA-Z]+|[0-9a-zA-Z*/#?+-]+(,[0-9a-zA-Z*/#?+-]+)*([ \t]+[0-9a-zA-Z*/#?+-]+(,[0-9a-zA-Z*/#?+-]+)*){4})[ \t]*$";
/// The form of a time zone's name. Which there are is beyond a pattern.
pub(super) const TIME_ZONE: &str = "^[a-zA-Z0-9_+-]+(/[a-zA-Z0-9_+-]+)*$";

/// A rule in CEL.
pub(super) struct Rule {
    expression: String,
    message: String,
    field: Option<&'static str>,
}

/// What `expression` says of the value that it stands at, `self`; else `message`.
pub(super) fn rule(expression: impl Into<String>, message: impl Into<String>) -> Rule {
    Rule { expression: expression.into(), message: message.into(), field: None }
}

impl Rule {
    /// The fault is the field's that is found at `path`, such as `.minShards`.
    pub(super) fn at(self, path: &'static str) -> Rule {
        Rule { field: Some(path), ..self }
    }
}

impl Transform for Rule {
    fn transform(&mut self, schema: &mut Schema) {
        let Rule { expression, message, field } = self;
        let mut rule = json!({"rule": expression, "message": message});
        if let Some(field) = field {
            rule["fieldPath"] = json!(field);
        }
        let rules = schema.ensure_object().entry("x-kubernetes-validations").or_insert_with(|| json!([]));
        if let Value::Array(rules) = rules {
            rules.push(rule);
        }
    }
}

/// A whole number of `range`.
pub(super) fn whole(range: RangeInclusive<u32>) -> impl FnMut(&mut Schema) {
    move |schema| {
        schema.insert("minimum".to_owned(), json!(range.start()));
        schema.insert("maximum".to_owned(), json!(range.end()));
    }
}

/// A whole number of `range`, or this word.
pub(super) fn whole_or(range: RangeInclusive<u32>, word: &'static str) -> impl FnMut(&mut Schema) {
    move |schema| {
        whole(range.clone())(schema);
        schema.remove("type");
        schema.remove("format");
        schema.insert("anyOf".to_owned(), json!([{"type": "integer"}, {"type": "string"}]));
        schema.insert("pattern".to_owned(), json!(format!("^{word}$")));
        schema.insert("maxLength".to_owned(), json!(word.len()));
        schema.insert("x-kubernetes-int-or-string".to_owned(), json!(true));
    }
}

/// A number of `range`, which counts millionths.
pub(super) fn number(range: MillionthsRange) -> impl FnMut(&mut Schema) {
    move |schema| {
        schema.insert("minimum".to_owned(), json!(f64::from(*range.start()) / 1e6));
        schema.insert("maximum".to_owned(), json!(f64::from(*range.end()) / 1e6));
    }
}

/// A duration of `range`.
pub(super) fn duration(range: DurationRange) -> impl FnMut(&mut Schema) {
    let DurationRange { least, most, step } = range;
    let [least, most] = [least, most].map(DurationText::from);
    let mut rules = vec![rule(
        format!("duration(self) >= duration('{least}') && duration(self) <= duration('{most}')"),
        format!("must be a duration from {least} to {most}"),
    )];
    let seconds = step.as_secs();
    if seconds > 1 {
        let step = DurationText::from(step);
        let multiple = format!("duration(self).getSeconds() % {seconds} == 0");
        rules.push(rule(multiple, format!("must be a multiple of {step}")));
    }
    move |schema| {
        if seconds > 0 {
            schema.insert("pattern".to_owned(), json!(WHOLE_SECONDS));
        }
        rules.iter_mut().for_each(|rule| rule.transform(schema));
    }
}

/// A text of this form, one to `most` characters long. The length is what bounds the price of rules.
pub(super) fn text(pattern: &'static str, most: usize) -> impl FnMut(&mut Schema) {
    move |schema| {
        schema.insert("pattern".to_owned(), json!(pattern));
        schema.insert("minLength".to_owned(), json!(1));
        schema.insert("maxLength".to_owned(), json!(most));
    }
}

/// A list of at most `most` items that is written as a whole.
pub(super) fn list(most: usize) -> impl FnMut(&mut Schema) {
    move |schema| {
        schema.insert("maxItems".to_owned(), json!(most));
        schema.insert("x-kubernetes-list-type".to_owned(), json!("atomic"));
    }
}

/// A list of at most `most` items, no two of which agree in all `keys`.
pub(super) fn keyed_list(most: usize, keys: &'static [&'static str]) -> impl FnMut(&mut Schema) {
    move |schema| {
        schema.insert("maxItems".to_owned(), json!(most));
        schema.insert("x-kubernetes-list-type".to_owned(), json!("map"));
        schema.insert("x-kubernetes-list-map-keys".to_owned(), json!(keys));
    }
}
