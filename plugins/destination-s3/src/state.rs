//! What lives between the calls of a run: a few numbers and an upload's id. The bytes are in spools, and so are the
//! parts' ETags and the list of files: ten thousand of them would not fit a state.

use attiva_connector::{Fault, Host, Result, decode_state};
use serde::{Deserialize, Serialize};

/// The spool that holds one line per part sent: its ETag, as S3 gave it.
pub(crate) const ETAGS: &str = "etags";
/// The spool that holds one line per file that is whole.
const FILES: &str = "files";

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    /// Bytes of the file being written.
    pub(crate) spooled: u64,
    /// Its rows.
    pub(crate) rows: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) upload: Option<Sent>,
    /// Uploads that were gone before they were whole.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) lost: u32,
    /// Bytes of the spool of row groups.
    #[serde(default, skip_serializing_if = "is_nothing")]
    groups: u64,
    /// Files that are whole, and the bytes of their list.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) files: u32,
    #[serde(default, skip_serializing_if = "is_nothing")]
    list: u64,
    /// No row comes any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) ended: bool,
    /// Files that readers can see.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) published: u32,
    /// Files whose manifest is there.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) described: u32,
}

/// A multipart upload and how far it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sent {
    pub(crate) id: String,
    pub(crate) parts: u32,
    /// Bytes of the file in those parts.
    pub(crate) bytes: u64,
    /// Length of the spool of ETags.
    pub(crate) etag_bytes: u64,
}

impl Sent {
    pub(crate) fn begin(id: String) -> Self {
        Self { id, parts: 0, bytes: 0, etag_bytes: 0 }
    }
}

/// A file that is whole.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Whole {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

/// The spool that holds the `index`th file of a run, from 0.
pub(crate) fn file_spool(index: u32) -> String {
    if index == 0 { "file".into() } else { format!("file-{}", index + 1) }
}

/// The spool that holds what the end of the `index`th Parquet file has to say of its row groups. One for each file: a call
/// that is repeated may close the one before.
fn groups_spool(index: u32) -> String {
    if index == 0 { "groups".into() } else { format!("groups-{}", index + 1) }
}

impl State {
    /// Reads a state; an empty one is of a run whose `prepare` never answered.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self> {
        if bytes.is_empty() { Ok(Self::default()) } else { decode_state(bytes) }
    }

    /// Adds bytes to the file being written: a repeat writes the same to the same place.
    pub(crate) fn append(&mut self, host: &dyn Host, bytes: &[u8]) -> Result<()> {
        self.spooled = host.spool(&file_spool(self.files)).write(self.spooled, bytes)?.size;
        Ok(())
    }

    /// Notes a row group of the file being written.
    pub(crate) fn note_group(&mut self, host: &dyn Host, noted: &[u8]) -> Result<()> {
        self.groups = host.spool(&groups_spool(self.files)).write(self.groups, noted)?.size;
        Ok(())
    }

    /// The row groups noted of the file being written.
    pub(crate) fn groups(&self, host: &dyn Host) -> Result<Vec<u8>> {
        if self.groups == 0 { Ok(Vec::new()) } else { host.spool(&groups_spool(self.files)).read_exact(0, self.groups) }
    }

    /// The file being written is whole; the next one begins.
    pub(crate) fn close_file(&mut self, host: &dyn Host) -> Result<()> {
        let whole = serde_json::to_string(&Whole { rows: self.rows, bytes: self.spooled })
            .map_err(|e| Fault::internal("s3.files", e.to_string()))?;
        self.list = host.spool(FILES).write(self.list, format!("{whole}\n").as_bytes())?.size;
        self.files += 1;
        (self.spooled, self.rows, self.groups) = (0, 0, 0);
        Ok(())
    }

    /// The files that are whole, in order.
    pub(crate) fn whole_files(&self, host: &dyn Host) -> Result<Vec<Whole>> {
        let broken = |e: String| Fault::internal("s3.files", format!("the list of files is broken: {e}"));
        let list = host.spool(FILES).read_exact(0, self.list)?;
        let list = String::from_utf8(list).map_err(|e| broken(e.to_string()))?;
        list.lines().map(|line| serde_json::from_str(line).map_err(|e| broken(e.to_string()))).collect()
    }

    pub(crate) fn remove_spools(&self, host: &dyn Host) -> Result<()> {
        for index in 0..=self.files {
            host.spool(&file_spool(index)).remove()?;
            host.spool(&groups_spool(index)).remove()?;
        }
        [ETAGS, FILES].into_iter().try_for_each(|name| host.spool(name).remove())
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_nothing(number: &u64) -> bool {
    *number == 0
}
