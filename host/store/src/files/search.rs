//! Looks through files, byte by byte, for what should not be in them.

use attiva_core::ports::store::{Result, StoreError};
use attiva_core::privacy::Mentions;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// What was looked through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Searched {
    pub bytes: u64,
    /// Files that say one of the values.
    pub found: Vec<PathBuf>,
}

/// Searches files and directories, with all that is in them. What is not there is passed over.
///
/// # Errors
/// `Io` for what cannot be read.
pub fn search(places: &[PathBuf], of: &Mentions) -> Result<Searched> {
    let mut searched = Searched::default();
    let mut open = places.to_vec();
    while let Some(place) = open.pop() {
        let failed = |error: std::io::Error| StoreError::Io(format!("{}: {error}", place.display()));
        let kind = match std::fs::symlink_metadata(&place) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            found => found.map_err(failed)?.file_type(),
        };
        if kind.is_dir() {
            for entry in std::fs::read_dir(&place).map_err(failed)? {
                open.push(entry.map_err(failed)?.path());
            }
        } else if kind.is_file() {
            search_file(&place, of, &mut searched).map_err(failed)?;
        }
    }
    searched.found.sort();
    Ok(searched)
}

const PIECE: usize = 1 << 20;

#[expect(
    clippy::disallowed_methods,
    reason = "SQLite opens its files by path, and these are those and what is beside them"
)]
fn search_file(path: &Path, of: &Mentions, searched: &mut Searched) -> std::io::Result<()> {
    let mut file = match std::fs::File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    // A value may stand across the end of a piece, with what is on either side of it.
    let overlap = of.longest() + 2;
    let mut piece = vec![0; PIECE + overlap];
    let mut kept = 0;
    let mut is_found = false;
    loop {
        let read = file.read(piece.get_mut(kept..).unwrap_or_default())?;
        if read == 0 {
            break;
        }
        searched.bytes += read as u64;
        let end = kept + read;
        is_found |= of.are_in(piece.get(..end).unwrap_or_default());
        let from = end.saturating_sub(overlap);
        piece.copy_within(from..end, 0);
        kept = end - from;
    }
    if is_found {
        searched.found.push(path.to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_wherever_it_stands() {
        let place = tempfile::tempdir().unwrap();
        let of = Mentions::new(["ann@x.com".to_owned()]);
        let (deep, file) = (place.path().join("a/b"), place.path().join("a/b/file"));
        std::fs::create_dir_all(&deep).unwrap();
        for at in [0, 1, PIECE - 4, PIECE, PIECE + 5, 2 * PIECE + 7, 3 * PIECE] {
            let mut bytes = vec![b' '; at];
            bytes.extend_from_slice(b"Ann@x.com");
            std::fs::write(&file, &bytes).unwrap();
            let searched = search(&[place.path().to_owned()], &of).unwrap();
            assert_eq!(searched, Searched { bytes: bytes.len() as u64, found: vec![file.clone()] }, "{at}");
        }
        std::fs::write(&file, "joann@x.com").unwrap();
        assert_eq!(search(&[file, place.path().join("none")], &of).unwrap(), Searched { bytes: 11, found: vec![] });
    }
}
