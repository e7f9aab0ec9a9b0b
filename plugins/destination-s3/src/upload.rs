//! A multipart upload over the calls of a run. The state says how far it is, the spools hold the rest, so that any
//! step can be repeated and an upload that is lost can be begun again.

use crate::bucket::{Bucket, PartSent};
use crate::response::Completion;
use crate::state::{ETAGS, Sent, State};
use attiva_connector::{Fault, FaultKind, Result, Run};

/// S3's limit.
const PARTS_MAX: u32 = 10_000;
/// How often an upload that is gone is begun again. More often than this, somebody removes them.
const LOST_MAX: u32 = 3;
/// A call sends parts until it has sent so much, so that it stays within the host's limits.
const CALL_BYTES: u64 = 32 * 1024 * 1024;

pub(crate) struct Upload<'a> {
    pub(crate) bucket: &'a Bucket<'a>,
    pub(crate) run: &'a Run,
    pub(crate) key: &'a str,
    /// The spool that holds the file.
    pub(crate) spool: &'a str,
    pub(crate) content_type: &'static str,
}

/// How far sending came.
enum Progress {
    /// Everything that was asked for is at S3.
    AllSent,
    /// The call has sent enough; there is more.
    Paused,
    /// S3 knows the upload no more.
    Lost,
}

impl Upload<'_> {
    /// While the run goes on: begins the upload when the file is too large for one PUT, and later sends what whole
    /// parts there are. Beginning and sending are two calls with a commit between, so that the id is safe before
    /// anything rests on it.
    pub(crate) fn send_ahead(&self, state: &mut State) -> Result<()> {
        let Some(mut sent) = state.upload.take() else {
            if state.spooled > self.bucket.config.part_bytes(1) {
                state.upload = Some(self.begin()?);
            }
            return Ok(());
        };
        let before = sent.parts;
        match self.send(&mut sent, state.spooled, false) {
            Ok(Progress::AllSent | Progress::Paused) => state.upload = Some(sent),
            Ok(Progress::Lost) => self.note_lost(&sent, state)?,
            // What was sent before is kept; the next call repeats the part that failed.
            Err(fault) if fault.passes() && sent.parts > before => state.upload = Some(sent),
            Err(fault) => return Err(fault),
        }
        Ok(())
    }

    /// Makes the file of `size` bytes visible. False: a step was done, and there are more.
    pub(crate) fn publish(&self, state: &mut State, size: u64) -> Result<bool> {
        let Some(mut sent) = state.upload.take() else {
            return self.publish_small_or_begin(state, size);
        };
        let ended = match self.send(&mut sent, size, true) {
            Ok(Progress::Paused) => {
                state.upload = Some(sent);
                return Ok(false);
            }
            Ok(Progress::AllSent) => self.complete(&sent),
            Ok(Progress::Lost) => Ok(Completion::NoSuchUpload),
            Err(fault) => Err(fault),
        };
        let visible = match ended {
            Ok(Completion::Done) => true,
            Ok(Completion::NoSuchUpload) => self.was_completed(size)?,
            // Nobody may say that the upload is gone, but its file can be seen.
            Err(fault) if !fault.passes() && self.was_completed(size).unwrap_or(false) => true,
            Err(fault) => return Err(fault),
        };
        if !visible {
            self.note_lost(&sent, state)?;
        }
        Ok(visible)
    }

    /// Drops what is at S3 and not visible: the upload of the state, and any that a kill kept from it.
    pub(crate) fn take_back(&self, state: &State) -> Result<()> {
        if let Some(sent) = &state.upload {
            self.bucket.abort_upload(self.key, &sent.id)?;
        }
        self.drop_leftovers()
    }

    fn publish_small_or_begin(&self, state: &mut State, size: u64) -> Result<bool> {
        if size > self.bucket.config.part_bytes(1) {
            state.upload = Some(self.begin()?);
            return Ok(false);
        }
        let body = self.bucket.host.spool(self.spool).read_exact(0, size)?;
        self.bucket.put(self.key, self.content_type, self.run, body)?;
        Ok(true)
    }

    fn begin(&self) -> Result<Sent> {
        self.drop_leftovers()?;
        Ok(Sent::begin(self.bucket.create_upload(self.key, Some((self.run, self.content_type)))?))
    }

    /// An upload at this key that the state does not know was begun just before a kill. Nobody else writes this key.
    fn drop_leftovers(&self) -> Result<()> {
        let leftovers = match self.bucket.uploads_of(self.key) {
            Ok(leftovers) => leftovers,
            Err(fault) if matches!(fault.kind, FaultKind::Scope | FaultKind::Unsupported) => {
                self.bucket.host.warn("unfinished uploads cannot be listed", &[("code", &fault.code)]);
                return Ok(());
            }
            Err(fault) => return Err(fault),
        };
        for id in leftovers {
            self.bucket.abort_upload(self.key, &id)?;
        }
        Ok(())
    }

    /// Sends parts up to the file's end, or as far as whole parts reach.
    fn send(&self, sent: &mut Sent, spooled: u64, to_the_end: bool) -> Result<Progress> {
        let mut bytes = 0;
        loop {
            let number = sent.parts + 1;
            let unsent = spooled.saturating_sub(sent.bytes);
            let whole = self.bucket.config.part_bytes(number);
            if unsent == 0 || (unsent < whole && !to_the_end) {
                return Ok(Progress::AllSent);
            }
            if bytes >= CALL_BYTES {
                return Ok(Progress::Paused);
            }
            let size = unsent.min(whole);
            if !self.send_part(sent, number, size)? {
                return Ok(Progress::Lost);
            }
            bytes += size;
        }
    }

    /// Sends one part and notes its ETag; false if the upload is gone.
    fn send_part(&self, sent: &mut Sent, number: u32, size: u64) -> Result<bool> {
        if number > PARTS_MAX {
            let problem = format!("the file has more than {PARTS_MAX} parts' bytes, {}", sent.bytes);
            return Err(Fault::config("s3.too-large", problem)
                .field("part_size_mb")
                .action("Make the parts larger, or the audience's file smaller."));
        }
        let host = self.bucket.host;
        host.progress(&format!("uploading part {number}"), Some(sent.bytes), None);
        let body = host.spool(self.spool).read_exact(sent.bytes, sent.bytes + size)?;
        let PartSent::Etag(etag) = self.bucket.upload_part(self.key, &sent.id, number, body)? else {
            return Ok(false);
        };
        sent.etag_bytes = host.spool(ETAGS).write(sent.etag_bytes, format!("{etag}\n").as_bytes())?.size;
        sent.parts = number;
        sent.bytes += size;
        Ok(true)
    }

    fn complete(&self, sent: &Sent) -> Result<Completion> {
        let lines = self.bucket.host.spool(ETAGS).read_exact(0, sent.etag_bytes)?;
        let lines = String::from_utf8_lossy(&lines);
        let etags: Vec<&str> = lines.lines().collect();
        self.bucket.complete_upload(self.key, &sent.id, &etags)
    }

    /// Whether an upload that is not there any more became this run's file: an earlier attempt had completed it, and
    /// its answer was lost. The repeat meets it at its last part already, since that was not in the state.
    fn was_completed(&self, size: u64) -> Result<bool> {
        let head = self.bucket.head(self.key)?;
        Ok(head.is_some_and(|head| head.is_of(self.run, size, self.bucket.config.parts_of(size))))
    }

    /// The next step begins again: the spool holds the whole file.
    fn note_lost(&self, sent: &Sent, state: &mut State) -> Result<()> {
        state.lost += 1;
        if state.lost > LOST_MAX {
            let problem = format!("{} uploads of this file were gone at S3 before they were whole", state.lost);
            let action = "Look for a rule or a job that removes the bucket's unfinished uploads too early.";
            return Err(Fault::config("s3.upload-lost", problem).action(action));
        }
        let parts = sent.parts.to_string();
        self.bucket.host.warn("the upload is gone at S3 and is begun again from the spool", &[("parts", &parts)]);
        Ok(())
    }
}
