//! Counting: the same program under callgrind, twice. What one more time takes is the difference, divided; so neither
//! the start of the process, nor the compilation of a guest, nor callgrind's own notion of functions (which a guest's
//! stack of its own confuses) is in it.

use crate::paths::Path;
use anyhow::{Context, Result, ensure};
use std::path::Path as FilePath;
use std::process::{Command, Stdio};

/// Instructions of one walk of a path.
pub fn count(path: Path, place: &FilePath) -> Result<u64> {
    let (few, many) = path.times();
    let (least, most) = (walked(path, few, place)?, walked(path, many, place)?);
    let more = most.checked_sub(least).with_context(|| format!("{many} walks took less than {few}"))?;
    Ok(more / (many - few))
}

/// Instructions of a process that walks a path so many times.
pub fn walked(path: Path, times: u64, place: &FilePath) -> Result<u64> {
    let out = place.join(format!("{}-{times}.callgrind", path.name()));
    let done = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe()?)
        .args(["walk", &path.name(), &times.to_string(), "--place"])
        .arg(place)
        // Copies of the C library that every processor has, so that machines count alike.
        .env("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX2_Usable,-AVX512F_Usable,-AVX2,-AVX512F,-AVX512VL,-ERMS,-FSRM")
        .stdin(Stdio::null())
        .output()
        .context("valgrind cannot be started: is it installed?")?;
    let said = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "under callgrind {} ended with {}: {said}", path.name(), done.status);
    total(&std::fs::read_to_string(&out)?).with_context(|| format!("no total in {}: {said}", out.display()))
}

/// The instructions of the whole process, as callgrind's file sums them up.
fn total(file: &str) -> Option<u64> {
    let value = |name: &str| file.lines().rev().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value("totals:").or_else(|| value("summary:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_read_and_nothing_else() {
        let file = "version: 1\nevents: Ir\nfn=(1) main\n3 17\n\ntotals: 123456\n";
        assert_eq!(total(file), Some(123_456));
        assert_eq!(total("summary: 12\n"), Some(12));
        assert_eq!(total("fn=(1) totals\n1 2\n"), None);
    }
}
