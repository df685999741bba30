//! A status on one page of a terminal.

use jiff::Timestamp;

use crate::load::{Load, Loads};
use crate::operator::object::Autoscaler;
use crate::operator::status::{
    Condition, ConditionStatus, PlanState, PlanStatus, RecentStep, ShardCounts, Status, StreamSeen, Targets,
    TopShard,
};
use crate::policy::ScalingPolicy;
use crate::report::{Cell, Painter, Style, Tone, bar, fitting, hang, set_columns};
use crate::stream::{ShardId, StreamMode, region_of};
use crate::units::duration;

const NARROWEST: usize = 60;
const WIDEST: usize = 120;
/// How wide bars may be, widest first; where none fits, the figures stand alone.
const BARS: [usize; 4] = [12, 8, 5, 0];

/// What is shown.
pub(super) struct Facts<'a> {
    pub object: &'a Autoscaler,
    pub policy: Option<&'a ScalingPolicy>,
    pub status: &'a Status,
}

/// The page, `now` being what ages are counted from. It is not wider than the terminal.
pub(super) fn page(facts: &Facts<'_>, next: Option<&str>, now: Timestamp, style: Style) -> String {
    let mut page = Page {
        width: style.width.clamp(NARROWEST, WIDEST),
        painter: Painter { color: style.color },
        now,
        lines: Vec::new(),
    };
    page.head(facts);
    page.heat(facts);
    if let Some(plan) = &facts.status.plan {
        page.plan(plan);
    }
    page.conditions(&facts.status.conditions);
    page.steps(facts.status);
    if let Some(next) = next {
        page.section("NEXT");
        page.text("  ", next, Tone::Warning);
    }
    page.lines.join("\n") + "\n"
}

struct Page {
    width: usize,
    painter: Painter,
    now: Timestamp,
    lines: Vec<String>,
}

impl Page {
    fn section(&mut self, title: &str) {
        self.lines.push(String::new());
        self.lines.push(self.painter.paint(Tone::Heading, title));
    }

    fn text(&mut self, indent: &str, text: &str, tone: Tone) {
        let lines = hang(indent, text, self.width);
        self.lines.extend(lines.iter().map(|line| self.painter.paint(tone, line)));
    }

    fn rows(&mut self, rows: &[Vec<Cell>]) {
        let lines = set_columns(rows, self.width - 2, self.painter);
        self.lines.extend(lines.into_iter().map(|line| format!("  {line}")));
    }

    fn head(&mut self, facts: &Facts<'_>) {
        let Facts { object, policy, status } = facts;
        let ready = status.conditions.iter().find(|one| one.r#type == "Ready");
        let (word, tone) = match ready.map(|ready| ready.status) {
            Some(ConditionStatus::True) => ("ready", Tone::Good),
            Some(ConditionStatus::False) => ("not ready", Tone::Bad),
            _ => ("not yet known", Tone::Warning),
        };
        let title = self.painter.paint(Tone::Heading, &object.key().to_string());
        self.lines.push(format!("{title}: {}", self.painter.paint(tone, word)));
        match &status.stream {
            Some(StreamSeen { name, arn, status, mode, .. }) => {
                let region = region_of(arn).unwrap_or_default();
                let on_demand = if *mode == StreamMode::OnDemand { ", on-demand" } else { "" };
                self.text("", &format!("stream {name} in {region}, {status}{on_demand}"), Tone::Plain);
            }
            None => self.text("", "the stream has not been seen yet", Tone::Faint),
        }
        if let Some(ShardCounts { current, desired, hot, cold }) = status.shards {
            let bounds =
                policy.map(|policy| format!(" ({} to {} allowed)", policy.bounds.min(), policy.bounds.max()));
            let text = format!(
                "shards: {current} now, {desired} desired{}; {hot} hot, {cold} cold",
                bounds.unwrap_or_default()
            );
            self.text("", &text, if hot > 0 { Tone::Warning } else { Tone::Plain });
        }
        if let Some(policy) = policy {
            let suspended = if policy.suspend { ", suspended" } else { "" };
            self.text("", &format!("mode {:?}{suspended}", policy.mode), Tone::Plain);
        }
        if status.observed_generation.is_some_and(|seen| seen != object.generation()) {
            self.text(
                "",
                "the resource has changed since; what follows speaks of it as it was",
                Tone::Warning,
            );
        }
    }

    fn heat(&mut self, facts: &Facts<'_>) {
        if facts.status.top_shards.is_empty() {
            return;
        }
        self.section("HOTTEST SHARDS");
        self.rows(&fitting(BARS.map(|bar| heat_rows(facts, bar)), self.width - 2));
    }

    fn plan(&mut self, plan: &PlanStatus) {
        let PlanStatus { hash, state, summary, generation: _, steps, targets: _, expires_at, message } = plan;
        self.section(&format!("PLAN {hash}"));
        let expiry =
            expires_at.filter(|_| *state == PlanState::AwaitingApproval).map(|at| {
                match u64::try_from(at.duration_since(self.now).as_secs()) {
                    Ok(left) => format!(", for {} more", duration(left)),
                    Err(_) => ", expired".to_owned(),
                }
            });
        let (word, tone) = match state {
            PlanState::Planned => ("shown only (mode DryRun)", Tone::Plain),
            PlanState::AwaitingApproval => ("waits for approval", Tone::Warning),
            PlanState::Approved => ("approved, about to begin", Tone::Good),
            PlanState::Running => ("under way", Tone::Good),
            PlanState::Done => ("done", Tone::Good),
            PlanState::Refused => ("refused", Tone::Bad),
        };
        self.text("  ", &format!("{summary}: {word}{}", expiry.unwrap_or_default()), tone);
        if let Some(message) = message {
            self.text("  ", message, Tone::Plain);
        }
        for (number, step) in (1..).zip(steps) {
            self.text(&format!("  {number:>2}. "), &step.to_string(), Tone::Plain);
        }
    }

    fn conditions(&mut self, conditions: &[Condition]) {
        if conditions.is_empty() {
            return;
        }
        self.section("CONDITIONS");
        for Condition { r#type, status, reason, message, last_transition_time, observed_generation: _ } in
            conditions
        {
            let good = matches!(r#type.as_str(), "Ready" | "AbleToScale" | "ScalingActive");
            let (word, tone) = match (status, good) {
                (ConditionStatus::Unknown, _) => ("unknown", Tone::Warning),
                (ConditionStatus::True, true) => ("yes", Tone::Good),
                (ConditionStatus::False, true) => ("no", Tone::Bad),
                (ConditionStatus::True, false) => ("yes", Tone::Warning),
                (ConditionStatus::False, false) => ("no", Tone::Plain),
            };
            let age = self.age(*last_transition_time);
            let head = format!("  {type:<20}{word:<8}");
            let text = if message.is_empty() { reason.clone() } else { format!("{reason}: {message}") };
            self.text(&head, &format!("{text} (for {age})"), tone);
        }
    }

    fn steps(&mut self, status: &Status) {
        if status.recent_steps.is_empty() {
            return;
        }
        self.section("RECENT STEPS");
        for step in &status.recent_steps {
            let head = format!("  {:>14}  ", format!("{} ago", self.age(step.at)));
            let tone = if step.is_done() { Tone::Plain } else { Tone::Warning };
            let RecentStep { step, why, kind: _, result, plan: _, number: _, at: _, seconds } = step;
            let why = why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
            let text = format!("{step}{why}: {result} ({})", duration(*seconds));
            self.text(&head, &text, tone);
        }
    }

    /// How long ago, in the two largest units that say something.
    fn age(&self, at: Timestamp) -> String {
        let seconds = u64::try_from(self.now.duration_since(at).as_secs()).unwrap_or(0);
        match seconds / 86_400 {
            0 => duration(seconds),
            1 => format!("1 day {} h", seconds % 86_400 / 3_600),
            days => format!("{days} days"),
        }
    }
}

/// The hottest shards with bars so wide, or without any.
fn heat_rows(facts: &Facts<'_>, width: usize) -> Vec<Vec<Cell>> {
    // What is learned, the operator has written with what it decided by it.
    let decided_by = facts.status.targets.map(Targets::loads);
    let targets =
        decided_by.or_else(|| facts.policy.map(|policy| policy.targets.limits)).map(Loads::as_array);
    let faint = |title: &str| Cell::text(title).tone(Tone::Faint);
    let mut heading = vec![faint("")];
    for title in ["ingest bytes", "ingest records", "read bytes"] {
        if width > 0 {
            heading.extend([faint(title), faint("")]);
        } else {
            heading.push(Cell::figure(title).tone(Tone::Faint));
        }
    }
    let mut rows = vec![heading];
    for TopShard { id, ingest_bytes_percent, ingest_records_percent, read_bytes_percent, verdict } in
        &facts.status.top_shards
    {
        let mut row = vec![Cell::figure(ShardId::new(id.clone()).short())];
        let percents = [ingest_bytes_percent, ingest_records_percent, read_bytes_percent];
        for (slot, percent) in percents.into_iter().enumerate() {
            let load = Load::from_percent(*percent);
            let target = targets.map_or(Load::CEILING, |targets| targets[slot]);
            let tone = match load {
                load if load >= Load::CEILING => Tone::Bad,
                load if load > target => Tone::Warning,
                _ => Tone::Plain,
            };
            if width > 0 {
                row.push(Cell::text(bar(Some(load), None, target, width)).tone(tone));
            }
            row.push(Cell::figure(format!("{percent} %")).tone(tone));
        }
        row.push(Cell::text(verdict.clone().unwrap_or_default()).tone(Tone::Bad));
        rows.push(row);
    }
    rows
}

#[cfg(test)]
mod tests;
