//! Following long work to its end: with a bar where somebody watches, and lines where what is written is kept.

use super::output::Output;
use super::{Client, Failure};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use std::time::{Duration, Instant};

/// How often the host is asked; slower the longer it takes.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Between two lines where nobody watches, unless something else is going on.
const LINE_PAUSE: Duration = Duration::from_secs(10);

/// Follows an operation until it is done, and returns it as it was then.
pub(crate) fn operation(client: &Client, operation: &Value, output: &Output) -> Result<Value, Failure> {
    let id = operation.get("id").and_then(Value::as_str).unwrap_or_default();
    at(client, &client.scoped(&format!("operations/{id}")), output)
}

/// As [`operation`], for work of the whole host.
pub(crate) fn operation_of_host(client: &Client, operation: &Value, output: &Output) -> Result<Value, Failure> {
    let id = operation.get("id").and_then(Value::as_str).unwrap_or_default();
    at(client, &format!("/v1/operations/{id}"), output)
}

fn at(client: &Client, path: &str, output: &Output) -> Result<Value, Failure> {
    let bar = bar(*output);
    let began = Instant::now();
    let mut pace = Pace::default();
    let mut told: Option<(Instant, String)> = None;
    let mut pause = FIRST_PAUSE;
    loop {
        let now = client.get(path)?;
        if now.get("done").and_then(Value::as_bool).unwrap_or(false) {
            bar.finish_and_clear();
            return Ok(now);
        }
        let progress = Progress::of(&now);
        pace.saw(began.elapsed(), progress.done);
        show(&bar, &progress, &pace);
        // A log of a job tells how far it is, and is not filled with it.
        let is_due = told.as_ref().is_none_or(|(at, doing)| at.elapsed() >= LINE_PAUSE || *doing != progress.doing);
        if !output.is_live() && began.elapsed() >= LONGEST_PAUSE && is_due {
            output.note(&progress.line(&pace));
            told = Some((Instant::now(), progress.doing));
        }
        std::thread::sleep(pause);
        pause = (pause * 5 / 4).min(LONGEST_PAUSE);
    }
}

/// A bar on standard error; none where nobody watches.
pub(crate) fn bar(output: Output) -> ProgressBar {
    if !output.is_live() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::no_length();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {wide_bar} {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// Shows how much of how much is done, how fast, and what it waits for and why.
fn show(bar: &ProgressBar, progress: &Progress, pace: &Pace) {
    if let Some(total) = progress.total {
        bar.set_length(total);
    }
    bar.set_position(progress.done);
    bar.set_message(progress.line(pace));
}

/// How far something is.
#[derive(Debug)]
struct Progress {
    /// What is going on, or what it waits for, until when and why.
    doing: String,
    done: u64,
    total: Option<u64>,
}

impl Progress {
    fn of(operation: &Value) -> Self {
        let number = |pointer: &str| operation.pointer(pointer).and_then(Value::as_u64);
        let text = |pointer: &str| operation.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
        let phase = text("/phase").or(text("/status")).unwrap_or("working");
        let until = text("/waiting_until").map(|until| format!(", waits until {until}")).unwrap_or_default();

        let reason = text("/fault/message").map(|reason| format!(": {}", one_line(reason))).unwrap_or_default();
        Self {
            doing: format!("{}{until}{reason}", one_line(phase)),
            done: number("/progress/done").unwrap_or_default(),
            total: number("/progress/total"),
        }
    }

    /// `reading leads: 1200 of 5000, 240 a second, 16 s left`
    fn line(&self, pace: &Pace) -> String {
        let Self { doing, done, total } = self;
        let of = total.map(|total| format!(" of {total}")).unwrap_or_default();
        let rate = pace.rate().map(|rate| format!(", {} a second", shown(rate))).unwrap_or_default();
        let left = pace.left(*done, *total).map(|left| format!(", {left} left")).unwrap_or_default();
        format!("{doing}; {done}{of}{rate}{left}")
    }
}

/// It may come from a vendor and end on a terminal.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// How fast something goes, by what was seen of it lately.
#[derive(Debug, Default)]
struct Pace {
    seen: std::collections::VecDeque<(Duration, u64)>,
}

/// What lies further back says nothing of now.
const PACE_OVER: Duration = Duration::from_secs(30);

impl Pace {
    fn saw(&mut self, at: Duration, done: u64) {
        // Another part of the work begins from nothing.
        if self.seen.back().is_some_and(|(_, before)| *before > done) {
            self.seen.clear();
        }
        self.seen.push_back((at, done));
        while self.seen.len() > 2 && self.seen.front().is_some_and(|(first, _)| at.saturating_sub(*first) > PACE_OVER) {
            self.seen.pop_front();
        }
    }

    /// A second; `None` until that can be told.
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    fn rate(&self) -> Option<f64> {
        let ((began, from), (now, to)) = (self.seen.front()?, self.seen.back()?);
        let took = now.saturating_sub(*began).as_secs_f64();
        (took >= 1.0 && to > from).then(|| (to - from) as f64 / took)
    }

    #[expect(clippy::cast_precision_loss, reason = "for people")]
    fn left(&self, done: u64, total: Option<u64>) -> Option<String> {
        let seconds = total?.checked_sub(done)? as f64 / self.rate()?;
        Some(match seconds {
            s if s < 90.0 => format!("{s:.0} s"),
            s if s < 5400.0 => format!("{:.0} min", s / 60.0),
            s => format!("{:.0} h", s / 3600.0),
        })
    }
}

fn shown(rate: f64) -> String {
    if rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") }
}

/// Whether an operation, or a run or delivery, ended well.
pub(crate) fn succeeded(work: &Value) -> bool {
    work.get("status").and_then(Value::as_str) == Some("succeeded")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pace(seen: &[(u64, u64)]) -> Pace {
        let mut pace = Pace::default();
        seen.iter().for_each(|(at, done)| pace.saw(Duration::from_secs(*at), *done));
        pace
    }

    #[test]
    fn a_line_says_how_far_it_is_how_fast_and_for_how_long_yet() {
        let reading = json!({"phase": "reading leads", "status": "running", "progress": {"done": 1200, "total": 5000}});
        let line = |pace: &Pace| Progress::of(&reading).line(pace);
        assert_eq!(line(&Pace::default()), "reading leads; 1200 of 5000");
        assert_eq!(line(&pace(&[(0, 0), (5, 1200)])), "reading leads; 1200 of 5000, 240 a second, 16 s left");
        // By what was seen lately: it was fast once.
        assert_eq!(
            line(&pace(&[(0, 0), (5, 1100), (40, 1150), (50, 1200)])),
            "reading leads; 1200 of 5000, 5.0 a second, 13 min left"
        );
        // Another stream begins from nothing.
        assert_eq!(line(&pace(&[(0, 9000), (5, 1200)])), "reading leads; 1200 of 5000");
    }

    #[test]
    fn what_waits_says_until_when_and_why() {
        let waits = json!({"phase": "delivering", "status": "waiting", "waiting_until": "2026-11-28T21:00:00Z",
            "fault": {"message": "the vendor's day is\nspent"}, "progress": {"done": 3}});
        let line = Progress::of(&waits).line(&Pace::default());
        assert_eq!(line, "delivering, waits until 2026-11-28T21:00:00Z: the vendor's day is spent; 3");
        let nameless = json!({"phase": "", "status": "waiting", "progress": {"done": 0, "total": 9}});
        assert_eq!(Progress::of(&nameless).line(&Pace::default()), "waiting; 0 of 9");
    }
}
