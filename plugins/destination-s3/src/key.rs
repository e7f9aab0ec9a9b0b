//! The file's key: prefix, template and the run's start. Never the clock: a repeat must name the same file.

use crate::bucket::Bucket;
use crate::config::{Config, Options};
use attiva_connector::{Fault, Result, Run, Target, time};

/// S3's limit, in bytes of UTF-8.
const KEY_BYTES_MAX: usize = 1024;
/// What is put behind a file's key for its manifest's.
pub(crate) const MANIFEST: &str = ".manifest.json";

/// The key of a run's `index`th file, from 0.
pub(crate) fn file_key(config: &Config, options: &Options, target: &Target, run: &Run, index: u32) -> Result<String> {
    let mut key = prefix(config);
    fill(&mut key, options.key(), |token| match token {
        "part" => Some((index + 1).to_string()),
        "extension" => Some(config.extension(options.format).to_owned()),
        _ => value(token, target, run),
    })?;
    let room = KEY_BYTES_MAX - MANIFEST.len();
    if key.len() > room {
        let problem =
            format!("the key has {} bytes; with its manifest's ending at most {room} are possible", key.len());
        return Err(invalid(problem));
    }
    // Such a key can be stored, but no XML that lists it can be read.
    if key.chars().any(char::is_control) {
        return Err(invalid("the key has control characters".into()));
    }
    Ok(key)
}

/// A key that nobody has.
pub(crate) fn probe_key(bucket: &Bucket<'_>) -> String {
    let random: String = bucket.host.random(8).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}attiva-check-{random}", prefix(bucket.config))
}

fn prefix(config: &Config) -> String {
    let mut prefix = config.prefix.clone();
    if !prefix.is_empty() && !prefix.ends_with('/') {
        prefix.push('/');
    }
    prefix
}

fn fill(key: &mut String, template: &str, value: impl Fn(&str) -> Option<String>) -> Result<()> {
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        key.push_str(before);
        let (token, tail) =
            after.split_once('}').ok_or_else(|| invalid(format!("a brace is not closed: {template}")))?;
        let filled = value(token).ok_or_else(|| invalid(format!("there is no token {{{token}}}")))?;
        key.push_str(&filled);
        rest = tail;
    }
    key.push_str(rest);
    Ok(())
}

fn value(token: &str, target: &Target, run: &Run) -> Option<String> {
    // 2026-11-23T14:13:00Z
    let start = i64::try_from(run.started_ms / 1000 * 1000).ok().and_then(time::format_timestamp)?;
    let (date, clock) = start.strip_suffix('Z')?.split_once('T')?;
    let part = |text: &str, number: usize, divider: char| text.split(divider).nth(number).map(str::to_owned);
    match token {
        "target" => Some(target.name.clone()),
        "run_id" => Some(run.id.clone()),
        "date" => Some(date.to_owned()),
        "time" => Some(clock.replace(':', "")),
        "year" => part(date, 0, '-'),
        "month" => part(date, 1, '-'),
        "day" => part(date, 2, '-'),
        "hour" => part(clock, 0, ':'),
        _ => None,
    }
}

fn invalid(problem: String) -> Fault {
    Fault::config("s3.key", problem).field("key").action("Correct the target's key template, or its name.")
}
