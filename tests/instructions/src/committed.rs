//! What is found against what is committed.

use crate::paths::Path;
use crate::{callgrind, crossing};
use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use std::collections::BTreeMap;
use std::path::Path as FilePath;

/// How much more a path may take than is committed, in percent. Two runs on one machine differ by less than one; what is
/// left is for processors with other features.
const TOLERANCE_PERCENT: u64 = 5;

/// How a count stands to the one that is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Within,
    /// More than it may be.
    Over,
    /// So much less that the committed one watches nothing any more.
    Under,
    /// Nothing is committed.
    New,
}

fn judge(found: u64, committed: Option<u64>) -> Verdict {
    let Some(committed) = committed else { return Verdict::New };
    let (found, committed) = (u128::from(found) * 100, u128::from(committed));
    match () {
        () if found > committed * u128::from(100 + TOLERANCE_PERCENT) => Verdict::Over,
        () if found < committed * u128::from(100 - TOLERANCE_PERCENT) => Verdict::Under,
        () => Verdict::Within,
    }
}

/// Counts every path. Prints them all, and fails where one takes more than it may.
pub fn check(counts: &FilePath, write: bool) -> Result<()> {
    let text = std::fs::read_to_string(counts).with_context(|| format!("{}", counts.display()))?;
    let committed: BTreeMap<String, u64> = serde_json::from_str(&text)?;
    let place = tempfile::tempdir()?;
    crossing::prepare(place.path())?;
    // Compiles the guest; the counted walks find its code.
    callgrind::walked(Path::InstantiateCall, 1, place.path())?;
    println!("{:<18} {:>12} {:>12} {:>9}", "instructions of", "found", "committed", "found/com.");
    let (mut found, mut over) = (BTreeMap::new(), Vec::new());
    for path in Path::value_variants() {
        let (name, count) = (path.name(), callgrind::count(*path, place.path())?);
        let before = committed.get(&name).copied();
        let verdict = judge(count, before);
        let said = match verdict {
            Verdict::Within => "",
            Verdict::Over => "MORE than it may be",
            Verdict::Under => "less: commit it (--write), so that it is watched",
            Verdict::New => "new",
        };
        let ratio = before.map_or_else(String::new, |before| format!("{:.3}", count as f64 / before as f64));
        let before = before.map_or_else(|| "-".to_owned(), |before| before.to_string());
        println!("{name:<18} {count:>12} {before:>12} {ratio:>9}  {said}");
        if verdict == Verdict::Over {
            over.push(name.clone());
        }
        found.insert(name, count);
    }
    if write {
        std::fs::write(counts, serde_json::to_string_pretty(&found)? + "\n")?;
        return Ok(());
    }
    let new = found.keys().filter(|name| !committed.contains_key(*name)).cloned();
    let gone = committed.keys().filter(|name| !found.contains_key(*name)).cloned();
    let unmatched: Vec<String> = new.chain(gone).collect();
    ensure!(unmatched.is_empty(), "what is counted and what is committed differ: {}", unmatched.join(", "));
    ensure!(over.is_empty(), "more than {TOLERANCE_PERCENT} % over what is committed: {}", over.join(", "));
    println!("all within {TOLERANCE_PERCENT} % of what is committed, or below");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_percent_are_allowed_and_no_more() {
        let cases = [
            (1000, Some(1000), Verdict::Within),
            (1050, Some(1000), Verdict::Within),
            (1051, Some(1000), Verdict::Over),
            (950, Some(1000), Verdict::Within),
            (949, Some(1000), Verdict::Under),
            (1, Some(0), Verdict::Over),
            (u64::MAX, Some(u64::MAX), Verdict::Within),
            (1, None, Verdict::New),
        ];
        for (found, committed, verdict) in cases {
            assert_eq!(judge(found, committed), verdict, "{found} of {committed:?}");
        }
    }
}
