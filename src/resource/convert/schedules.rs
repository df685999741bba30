//! The schedules: cron expressions of five fields, in IANA time zones.

use std::collections::HashSet;

use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::more_than_max_shards;
use crate::policy::{self, Allow};
use crate::resource::check::{Field, quoted};
use crate::resource::ranges;
use crate::resource::spec::Schedule;

/// The schedules without those at fault, whose faults are noted.
pub(super) fn convert(schedules: &[Schedule], most_shards: u32, at: &Field<'_>) -> Vec<policy::Schedule> {
    at.at_most(schedules, ranges::MOST_SCHEDULES);
    let mut seen = HashSet::new();
    let convert = |(index, schedule): (usize, &Schedule)| {
        let Schedule { name, schedule, time_zone, duration, lead_time, min_shards, allow } = schedule;
        let at = at.item(index);
        at.at("name").printable(name, ranges::SCHEDULE_NAME_LENGTH);
        at.at("name").require(seen.insert(name.clone()), || {
            format!("another schedule has the name {}: give each its own", quoted(name))
        });
        let cron = cron(schedule, &at.at("schedule"));
        let time_zone = time_zone_named(time_zone, &at.at("timeZone"));
        let duration = at.at("duration").duration(duration, &ranges::SCHEDULE_DURATION);
        let lead_time_at = at.at("leadTime");
        let lead_time = lead_time_at.duration(lead_time, &ranges::LEAD_TIME);
        lead_time_at.require(lead_time.is_none_or(|lead| lead.is_zero()) || min_shards.is_some(), || {
            "it brings minShards forward, and there is none: give minShards, or leave it out".to_owned()
        });
        let min_shards_at = at.at("minShards");
        if let Some(min) = min_shards.and_then(|min| min_shards_at.integer(min, ranges::SHARDS)) {
            min_shards_at.require(min <= most_shards, || more_than_max_shards(min, most_shards));
        }
        at.require(min_shards.is_some() || allow.is_some(), || {
            "it changes nothing: give minShards, allow or both".to_owned()
        });
        Some(policy::Schedule {
            name: name.clone(),
            cron: cron?,
            time_zone: time_zone?,
            duration: duration?,
            lead_time: lead_time?,
            min_shards: min_shards.and_then(|min| u32::try_from(min).ok()),
            allow: allow.unwrap_or(Allow::All),
        })
    };
    schedules.iter().enumerate().filter_map(convert).collect()
}

/// The cron expression where it is one and ever matches.
fn cron(text: &str, at: &Field<'_>) -> Option<Cron> {
    const FORM: &str = "give minute, hour, day of month, month and day of week (0 to 7 or MON to SUN), \
                        such as `0 6 * * 1-5`";
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    if text.chars().count() > ranges::CRON_LENGTH {
        at.fault(format!("{} is too long: give at most {} characters", quoted(text), ranges::CRON_LENGTH));
        return None;
    }
    // The parser would take letters of other alphabets whose capitals are ours.
    if !text.chars().all(|c| c.is_ascii_graphic() || c == ' ' || c == '\t') {
        at.fault(format!("{} has a character that no cron expression has: {FORM}", quoted(text)));
        return None;
    }
    // A field more or less has many messages in the parser, and one here; `@daily` and the like are one word.
    let fields = text.split_whitespace().count();
    if fields != 5 && !(fields == 1 && text.trim().starts_with('@')) {
        at.fault(format!("{} has {fields} fields: {FORM}", quoted(text)));
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
            at.fault(format!("{} is not a cron expression{}: {FORM}", quoted(text), reason(&error)));
            return None;
        }
    };
    let opens = cron.find_next_occurrence(&Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC), true).is_ok();
    at.require(opens, || format!("{} never comes: give a day that there is", quoted(text)));
    Some(cron)
}

/// What the parser says of one field; the rest of its messages is about its own settings.
fn reason(error: &CronError) -> String {
    match error {
        CronError::ComponentError(reason) => {
            format!(" ({})", reason.trim_end_matches('.').to_ascii_lowercase())
        }
        _ => String::new(),
    }
}

fn time_zone_named(name: &str, at: &Field<'_>) -> Option<TimeZone> {
    let time_zone = TimeZone::get(name).ok();
    at.require(time_zone.is_some(), || {
        format!("{} is not a time zone: give an IANA name such as Europe/Paris or UTC", quoted(name))
    });
    time_zone
}
