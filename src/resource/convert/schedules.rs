//! The schedules: cron expressions of five fields, in IANA time zones.

use std::collections::HashSet;

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{DAY, MINUTE};
use crate::policy::{self, Allow};
use crate::quota::MIN_SHARDS;
use crate::resource::check::{DurationRange, Field, quoted};
use crate::resource::spec::Schedule;

/// Up to a leap year.
const DURATION: DurationRange = DurationRange::seconds(MINUTE, 366 * DAY);
const LEAD_TIME: DurationRange = DurationRange::seconds(0, DAY);

/// The schedules without those at fault, whose faults are noted.
pub(super) fn convert(schedules: &[Schedule], most_shards: u32, at: &Field<'_>) -> Vec<policy::Schedule> {
    at.at_most(schedules, 50);
    let mut seen = HashSet::new();
    let convert = |(index, schedule): (usize, &Schedule)| {
        let Schedule { name, schedule, time_zone, duration, lead_time, min_shards, allow } = schedule;
        let at = at.item(index);
        at.at("name").printable(name, 63);
        at.at("name").require(seen.insert(name.clone()), || {
            format!("{} is the name of a schedule before: give each its own", quoted(name))
        });
        let cron = cron(schedule, &at.at("schedule"));
        let time_zone = time_zone_named(time_zone, &at.at("timeZone"));
        let duration = at.at("duration").duration(duration, &DURATION);
        let lead_time_at = at.at("leadTime");
        let lead_time = lead_time_at.duration(lead_time, &LEAD_TIME);
        lead_time_at.require(lead_time.is_none_or(|lead| lead.is_zero()) || min_shards.is_some(), || {
            "it brings minShards forward, and there is none: give minShards, or leave it out".to_owned()
        });
        let min_shards_at = at.at("minShards");
        let min_shards = min_shards.map(|min| min_shards_at.integer(min, MIN_SHARDS..=most_shards));
        at.require(min_shards.is_some() || allow.is_some(), || {
            "it changes nothing: give minShards, allow or both".to_owned()
        });
        Some(policy::Schedule {
            name: name.clone(),
            cron: cron?,
            time_zone: time_zone?,
            duration: duration?,
            lead_time: lead_time?,
            min_shards: min_shards.flatten(),
            allow: allow.unwrap_or(Allow::All),
        })
    };
    schedules.iter().enumerate().filter_map(convert).collect()
}

/// The cron expression where it is one and ever matches.
fn cron(text: &str, at: &Field<'_>) -> Option<Cron> {
    const FORM: &str =
        "give five fields: minute, hour, day of month, month, day of week, such as `0 6 * * 1-5`";
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    // A field more or less has many messages in the parser, and one here; `@daily` and the like are one word.
    let fields = text.split_whitespace().count();
    if fields != 5 && !(fields == 1 && text.trim().starts_with('@')) {
        at.fault(format!("{} has {fields} fields: {FORM}; the time zone goes into timeZone", quoted(text)));
        return None;
    }
    // The parser passes over an empty item; a field of nothing else never matches, which takes it
    // a minute to find out.
    if text.split_whitespace().any(|field| field.split(',').any(str::is_empty)) {
        at.fault(format!("{} has a comma without a value at one side: {FORM}", quoted(text)));
        return None;
    }
    let cron = match parser.parse(text) {
        Ok(cron) => cron,
        Err(error) => {
            at.fault(format!("{} is not a cron expression ({}): {FORM}", quoted(text), reason(&error)));
            return None;
        }
    };
    let opens = cron.find_next_occurrence(&Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC), true).is_ok();
    at.require(opens, || format!("{} never comes: give a day that there is", quoted(text)));
    opens.then_some(cron)
}

/// The parser's own words without its headings.
fn reason(error: &croner::errors::CronError) -> String {
    let text = error.to_string();
    let text = text.rsplit_once("error: ").map_or(text.as_str(), |(_, reason)| reason);
    let mut reason = text.trim_end_matches('.').to_owned();
    if let Some(first) = reason.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    reason
}

fn time_zone_named(name: &str, at: &Field<'_>) -> Option<TimeZone> {
    let time_zone = TimeZone::get(name).ok();
    at.require(time_zone.is_some(), || {
        format!("{} is not a time zone: give an IANA name such as Europe/Paris or UTC", quoted(name))
    });
    time_zone
}
