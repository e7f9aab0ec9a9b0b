//! The whole program, from outside: a real host process, killed as `kill -9` kills, against simulators that live on.

pub mod crm;
pub mod exports;
pub mod host;
pub mod journey;
pub mod readings;
pub mod scenarios;
pub mod vendors;

use anyhow::{Result, ensure};
use host::HostProcess;
use journey::{Journey, Landed};
use std::path::Path;
use std::time::Duration;
use vendors::Vendors;

/// When a host is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kill {
    /// When it passes a named point for the `count`th time.
    AtPoint {
        name: &'static str,
        count: u64,
    },
    /// After so long, wherever it is.
    After(Duration),
    Never,
}

/// What a journey with a kill came to.
#[derive(Debug)]
pub struct Told {
    pub landed: Landed,
    /// POSTs on the way.
    pub posts: u32,
    /// Whether the host was killed at all, and what it was doing.
    pub phase: Option<String>,
}

/// Makes the whole journey in a fresh data directory, with a kill on the way, and a restart after it.
pub fn travel(vendors: &Vendors, kill: Kill) -> Result<Told> {
    let directory = tempfile::tempdir()?;
    let data = directory.path().join("data");
    let mut host = HostProcess::prepare(&data)?;
    host.start(kill)?;
    let mut journey = Journey::new(vendors);
    let landed = journey.travel(&mut host)?;
    let phase = host.killed_in().map(|phase| format!("{phase}; {}", journey.phase_of_kill()));
    host.stop()?;
    Ok(Told { landed, posts: journey.posts(), phase })
}

/// Compares what a disturbed journey left with what an undisturbed one did.
pub fn same(reference: &Landed, found: &Landed) -> Result<()> {
    ensure!(
        reference.profiles.len() == found.profiles.len(),
        "{} profiles instead of {}",
        found.profiles.len(),
        reference.profiles.len()
    );
    for (expected, profile) in reference.profiles.iter().zip(&found.profiles) {
        ensure!(expected == profile, "a profile differs:\n{expected}\n{profile}");
    }
    ensure!(
        reference.file == found.file,
        "the file differs: {} bytes instead of {}",
        found.file.len(),
        reference.file.len()
    );
    ensure!(
        found.objects == reference.objects,
        "the bucket holds {:?} instead of {:?}",
        found.objects,
        reference.objects
    );
    ensure!(
        reference.changed == found.changed,
        "the run counted {:?} changes instead of {:?}",
        found.changed,
        reference.changed
    );
    ensure!(
        reference.audience == found.audience,
        "an audience differs: {} members and changes instead of {}",
        found.audience.len(),
        reference.audience.len()
    );
    ensure!(reference.made == found.made, "there are {:?} things instead of {:?}", found.made, reference.made);
    ensure!(reference.books == found.books, "the books say {} instead of {}", found.books, reference.books);
    Ok(())
}

/// The number of files below a directory.
pub fn count_files(root: &Path) -> Result<usize> {
    let mut count = 0;
    for entry in std::fs::read_dir(root)? {
        let entry = entry?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        count += if entry.file_type()?.is_dir() { count_files(&entry.path())? } else { usize::from(!hidden) };
    }
    Ok(count)
}
