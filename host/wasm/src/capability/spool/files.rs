//! The files of a spool directory: for each spool its bytes (`NAME.data`) and what is certain of them (`NAME.json`).
//! Bytes are made durable first and the statement about them after, so that whatever a kill leaves behind the
//! statement is never true: what the data file has beyond it is not there.

use crate::broker::SpoolStatus;
use crate::directory;
use crate::limits::exceeded;
use attiva_core::{Fault, FaultKind};
use cap_std::fs::{Dir, File, FileExt, OpenOptions};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::{self, Read};
use std::sync::Arc;

/// Spools in one directory.
const COUNT_MAX: usize = 256;

pub(super) struct Files {
    dir: Arc<Dir>,
    bytes_max: u64,
}

/// What is certain of a spool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    pub(super) size: u64,
    pub(super) complete: bool,
    /// For a fetch that goes on: the vendor's word for this version of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) etag: Option<String>,
    /// The file's whole length, if the vendor said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) total: Option<u64>,
    /// Of the answer that began the fetch, as a guest may see them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) headers: Vec<(String, String)>,
}

impl State {
    pub(super) fn status(&self) -> SpoolStatus {
        SpoolStatus { size: self.size, complete: self.complete, headers: self.headers.clone() }
    }
}

impl Files {
    pub(super) fn new(dir: Arc<Dir>, bytes_max: u64) -> Self {
        Self { dir, bytes_max }
    }

    /// The present state; an empty one if there is no such spool.
    pub(super) fn state(&self, name: &str) -> Result<State, Fault> {
        let Some(json) = directory::read(&self.dir, &format!("{name}.json")).map_err(|e| disk(&e))? else {
            return Ok(State::default());
        };
        let mut state: State = serde_json::from_slice(&json).map_err(|e| disk(&io::Error::other(e)))?;
        let there = match self.dir.metadata(data(name)) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(disk(&error)),
        };
        if there < state.size {
            // A write cut the file and was killed before it could say so: it will be repeated.
            state.size = there;
            state.complete = false;
        }
        Ok(state)
    }

    pub(super) fn read(&self, name: &str, offset: u64, length: u32) -> Result<Vec<u8>, Fault> {
        let state = self.state(name)?;
        let length = state.size.saturating_sub(offset).min(u64::from(length));
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        if !bytes.is_empty() {
            let file = self.dir.open(data(name)).map_err(|e| disk(&e))?;
            file.read_exact_at(&mut bytes, offset).map_err(|e| disk(&e))?;
        }
        Ok(bytes)
    }

    pub(super) fn write(&self, name: &str, offset: u64, bytes: &[u8]) -> Result<SpoolStatus, Fault> {
        let state = self.state(name)?;
        if offset > state.size {
            let what = format!("the offset {offset} is beyond the end at {}", state.size);
            return Err(Fault::new(FaultKind::Internal, "spool.offset", what));
        }
        let size = offset.saturating_add(bytes.len() as u64);
        self.check_room(name, size)?;
        let file = self.open_for_writing(name)?;
        let written = file.write_all_at(bytes, offset).and_then(|()| file.set_len(size));
        written.map_err(|e| disk(&e))?;
        let state = State { size, complete: true, ..State::default() };
        self.commit(name, &file, &state)?;
        Ok(state.status())
    }

    pub(super) fn sha256(&self, name: &str) -> Result<String, Fault> {
        let mut left = self.state(name)?.size;
        let mut hasher = Sha256::new();
        if left > 0 {
            let mut file = self.dir.open(data(name)).map_err(|e| disk(&e))?;
            let mut buffer = vec![0; 1 << 18];
            while left > 0 {
                let read = file.read(&mut buffer).map_err(|e| disk(&e))?;
                let counted = usize::try_from(left).map_or(read, |left| left.min(read));
                if counted == 0 {
                    return Err(disk(&io::Error::from(io::ErrorKind::UnexpectedEof)));
                }
                hasher.update(buffer.get(..counted).unwrap_or_default());
                left -= counted as u64;
            }
        }
        Ok(hex::encode(hasher.finalize()))
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), Fault> {
        // The statement first: bytes without one are not there.
        for file in [format!("{name}.json"), data(name)] {
            match self.dir.remove_file(file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(disk(&error)),
                _ => {}
            }
        }
        directory::sync(&self.dir).map_err(|e| disk(&e))
    }

    pub(super) fn open_for_writing(&self, name: &str) -> Result<File, Fault> {
        let mut options = OpenOptions::new();
        self.dir.open_with(data(name), options.write(true).create(true)).map_err(|e| disk(&e))
    }

    /// Makes bytes durable, then says that they are there.
    pub(super) fn commit(&self, name: &str, file: &File, state: &State) -> Result<(), Fault> {
        file.sync_data().map_err(|e| disk(&e))?;
        let json = serde_json::to_vec(state).map_err(|e| disk(&io::Error::other(e)))?;
        directory::replace(&self.dir, &format!("{name}.json"), &json).map_err(|e| disk(&e))
    }

    /// Whether a spool may have `size` bytes, beside the others.
    pub(super) fn check_room(&self, name: &str, size: u64) -> Result<(), Fault> {
        let mine = data(name);
        let (mut others, mut count) = (0_u64, 0);
        for entry in self.dir.entries().map_err(|e| disk(&e))? {
            let entry = entry.map_err(|e| disk(&e))?;
            let file_name = entry.file_name();
            if file_name.to_string_lossy().ends_with(".data") && file_name.to_string_lossy() != mine {
                others = others.saturating_add(entry.metadata().map_err(|e| disk(&e))?.len());
                count += 1;
            }
        }
        if count >= COUNT_MAX {
            return Err(exceeded("limit.spool", format!("there are {COUNT_MAX} spools already")));
        }
        if others.saturating_add(size) > self.bytes_max {
            let most = self.bytes_max;
            return Err(exceeded("limit.spool", format!("the spools would hold more than {most} bytes")));
        }
        Ok(())
    }
}

fn data(name: &str) -> String {
    format!("{name}.data")
}

/// The host's own trouble: a full disk is the operator's, and passes.
pub(super) fn disk(error: &io::Error) -> Fault {
    Fault::new(FaultKind::Transient, "spool.disk", format!("the spool's files cannot be used: {error}"))
        .action("Check the disk of the host's data directory.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use cap_std::ambient_authority;

    fn files(bytes_max: u64) -> (tempfile::TempDir, Files) {
        let place = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(place.path(), ambient_authority()).unwrap();
        (place, Files::new(Arc::new(dir), bytes_max))
    }

    #[test]
    fn a_write_leaves_what_it_should_however_often_it_is_repeated() {
        let (_place, files) = files(1_000);
        assert_eq!(files.state("a").unwrap(), State::default());
        assert_eq!(files.write("a", 0, b"hello ").unwrap(), SpoolStatus { size: 6, complete: true, headers: vec![] });
        files.write("a", 6, b"world, all of it").unwrap();
        files.write("a", 6, b"world").unwrap();
        assert_eq!(files.read("a", 0, 100).unwrap(), b"hello world");
        assert_eq!(files.read("a", 6, 2).unwrap(), b"wo");
        assert_eq!(files.read("a", 99, 2).unwrap(), b"");
        assert_eq!(files.sha256("a").unwrap(), hex::encode(Sha256::digest(b"hello world")));
        assert_eq!(files.write("a", 12, b"x").unwrap_err().code, "spool.offset");
        files.remove("a").unwrap();
        files.remove("a").unwrap();
        assert_eq!(files.state("a").unwrap(), State::default());
        assert_eq!(files.sha256("a").unwrap(), hex::encode(Sha256::digest(b"")));
    }

    #[test]
    fn what_is_not_said_is_not_there() {
        let (place, files) = files(1_000);
        files.write("a", 0, b"12345").unwrap();
        // A kill between the bytes and the statement: more bytes, or fewer.
        std::fs::write(place.path().join("a.data"), b"1234567890").unwrap();
        assert_eq!(files.read("a", 0, 100).unwrap(), b"12345");
        std::fs::write(place.path().join("a.data"), b"123").unwrap();
        assert_eq!(files.state("a").unwrap().status(), SpoolStatus { size: 3, complete: false, headers: vec![] });
    }

    #[test]
    fn spools_together_have_a_cap() {
        let (_place, files) = files(10);
        files.write("a", 0, b"123456").unwrap();
        assert_eq!(files.write("b", 0, b"12345").unwrap_err().code, "limit.spool");
        files.write("b", 0, b"1234").unwrap();
        files.write("a", 0, b"1").unwrap();
        files.write("b", 4, b"56789").unwrap();
    }

    #[test]
    fn names_are_plain() {
        for bad in ["", ".a", "a/b", "../a", "a b", &"a".repeat(65), "é"] {
            assert_eq!(super::super::check_name(bad).unwrap_err().code, "spool.name", "{bad}");
        }
        assert_eq!(super::super::check_name("export-1_a.csv"), Ok(()));
    }
}
