//! What a connector may ask of its host. Handed to every call, so that the same code runs against a test host.

use crate::{Fault, Fetched, HttpClient, HttpRequest, Request, Response, Result, SpoolStatus};

/// How loud a log line is.
pub use crate::bindings::Level;

/// What is written to a spool at once; a host lets 16 MiB cross unless its operator says otherwise.
const PIECE_BYTES: usize = 8 * 1024 * 1024;

/// Everything outside the connector. In a component it is the imports of the contract; in tests
/// [`FakeHost`](crate::testing::FakeHost). Connectors use the helpers on `dyn Host` more than these methods.
pub trait Host {
    /// Sends one request through the egress gate. Any status is a response; faults are the gate's, the credential's,
    /// the network's and the limits'.
    fn send(&self, request: &Request) -> Result<Response>;
    /// Tells the host that the vendor no longer takes this credential. At most once a call for each.
    fn renew_credential(&self, name: &str) -> Result<()>;
    /// Fetches a vendor's file into a spool, going on where it stopped. `complete` false: call again in the next page.
    /// An answer of a media type among `refusals`, or of a status other than 200 and 206, is not the file.
    fn spool_fetch(&self, name: &str, request: &Request, refusals: &[&str], sha256: Option<&str>) -> Result<Fetched>;
    /// The present size of a spool.
    fn spool_stat(&self, name: &str) -> Result<SpoolStatus>;
    /// At most `length` bytes from `offset`.
    fn spool_read(&self, name: &str, offset: u64, length: u32) -> Result<Vec<u8>>;
    /// Writes at `offset` and cuts off everything behind.
    fn spool_write(&self, name: &str, offset: u64, bytes: &[u8]) -> Result<SpoolStatus>;
    /// SHA-256 of the whole spool, lower-case hex.
    fn spool_sha256(&self, name: &str) -> Result<String>;
    /// Removes a spool.
    fn spool_remove(&self, name: &str) -> Result<()>;
    /// Words for the operator. Never a record's values, never a secret.
    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]);
    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn now_ms(&self) -> u64;
    /// At most 1,024 random bytes.
    fn random(&self, count: u32) -> Vec<u8>;
    /// A sign of life from inside a long call.
    fn progress(&self, phase: &str, done: Option<u64>, total: Option<u64>);
}

impl dyn Host + '_ {
    /// The HTTP client.
    #[must_use]
    pub fn http(&self) -> HttpClient<'_> {
        HttpClient::new(self)
    }

    /// The spool of this name. It need not exist.
    #[must_use]
    pub fn spool<'a>(&'a self, name: &'a str) -> SpoolFile<'a> {
        SpoolFile { host: self, name }
    }

    /// Logs at level `debug`.
    pub fn debug(&self, message: &str, fields: &[(&str, &str)]) {
        self.log(Level::Debug, message, fields);
    }

    /// Logs at level `info`.
    pub fn info(&self, message: &str, fields: &[(&str, &str)]) {
        self.log(Level::Info, message, fields);
    }

    /// Logs at level `warn`.
    pub fn warn(&self, message: &str, fields: &[(&str, &str)]) {
        self.log(Level::Warn, message, fields);
    }
}

/// One spool: bytes on the host's disk that outlive the call.
#[derive(Clone, Copy)]
pub struct SpoolFile<'a> {
    host: &'a dyn Host,
    name: &'a str,
}

impl SpoolFile<'_> {
    /// Fetches a vendor's file, going on where an earlier call stopped. `complete` false: call again in the next
    /// page. An answer of a media type among `refusals` (`application/json`), or of a status other than 200 and 206, is
    /// not the file but the vendor's words. `sha256` in lower-case hex is checked at the end.
    ///
    /// # Errors
    /// What the host answers: `spool.checksum`, the faults of a request.
    pub fn fetch(&self, request: HttpRequest<'_>, refusals: &[&str], sha256: Option<&str>) -> Result<Fetched> {
        self.host.spool_fetch(self.name, &request.into_request()?, refusals, sha256)
    }

    /// The present size, whether a fetch has ended, and the headers it began with; size 0 if there is none.
    ///
    /// # Errors
    /// What the host answers.
    pub fn stat(&self) -> Result<SpoolStatus> {
        self.host.spool_stat(self.name)
    }

    /// At most `length` bytes from `offset`; fewer at the end.
    ///
    /// # Errors
    /// What the host answers.
    pub fn read(&self, offset: u64, length: u32) -> Result<Vec<u8>> {
        self.host.spool_read(self.name, offset, length)
    }

    /// All bytes of `offset..end`, in as many reads as the host needs.
    ///
    /// # Errors
    /// What the host answers; `transient` `spool.short` if the spool ends before `end`.
    pub fn read_exact(&self, offset: u64, end: u64) -> Result<Vec<u8>> {
        let mut all = Vec::new();
        let mut at = offset;
        while at < end {
            let wanted = u32::try_from(end - at).unwrap_or(u32::MAX);
            let piece = self.read(at, wanted)?;
            if piece.is_empty() {
                return Err(Fault::transient(
                    "spool.short",
                    format!("the spool {} ends at {at}, before {end}", self.name),
                ));
            }
            at += piece.len() as u64;
            // Mostly the first piece is all of it: a guest's memory is small, so it is not copied.
            if all.is_empty() {
                all = piece;
            } else {
                all.extend_from_slice(&piece);
            }
        }
        Ok(all)
    }

    /// Writes at `offset` and cuts off everything behind, so that a repeat leaves the same. In pieces where it is
    /// more than may cross to the host at once.
    ///
    /// # Errors
    /// What the host answers; `offset` may not be beyond the end.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> Result<SpoolStatus> {
        let mut rest = bytes;
        let mut at = offset;
        while let Some((piece, behind)) = rest.split_at_checked(PIECE_BYTES).filter(|(_, behind)| !behind.is_empty()) {
            at = self.host.spool_write(self.name, at, piece)?.size;
            rest = behind;
        }
        self.host.spool_write(self.name, at, rest)
    }

    /// SHA-256 of the whole, lower-case hex.
    ///
    /// # Errors
    /// What the host answers.
    pub fn sha256(&self) -> Result<String> {
        self.host.spool_sha256(self.name)
    }

    /// Removes it.
    ///
    /// # Errors
    /// What the host answers.
    pub fn remove(&self) -> Result<()> {
        self.host.spool_remove(self.name)
    }
}
