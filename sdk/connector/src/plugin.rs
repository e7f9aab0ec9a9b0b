//! What a connector implements.

use crate::{
    Batch, CheckResult, Cursor, Delivered, EraseResult, Fault, Finished, Host, Limits, MemberPage, Page, Prepared,
    Result, Run, Spec, Stream, Target, TargetObject,
};
use serde::de::DeserializeOwned;

/// What every connector is. A type with no values will do: every call gets everything it needs.
pub trait Plugin {
    /// The configuration without its secrets. Refuse unknown keys (`#[serde(deny_unknown_fields)]`).
    type Config: DeserializeOwned;

    /// The specification. Pure: the same at every call, with no host to ask.
    fn spec() -> Spec;

    /// Turns a cursor or delivery state of an older version into the present form. Pure.
    ///
    /// # Errors
    /// `unsupported` where there is no way, which is the default for any other version.
    fn migrate_state(from_version: u32, state: Vec<u8>) -> Result<Vec<u8>> {
        if from_version == Self::spec().state_version {
            return Ok(state);
        }
        Err(Fault::unsupported("state.version", format!("no way from state version {from_version}"))
            .action("Reset the connection's state and read from the start."))
    }
}

/// What to read: one call's worth.
#[derive(Debug, Clone)]
pub struct ReadRequest {
    /// A stream's name.
    pub stream: String,
    /// The columns to read; empty: all.
    pub fields: Vec<String>,
    /// Where to go on; absent: from the start.
    pub cursor: Option<Cursor>,
    /// The keys to read, where the stream is keyed.
    pub keys: Vec<String>,
    /// How large the page may be.
    pub limits: Limits,
}

impl ReadRequest {
    /// The fault for a stream the connector does not have.
    #[must_use]
    pub fn no_such_stream(&self) -> Fault {
        Fault::config("stream.unknown", format!("there is no stream {}", self.stream))
            .action("Discover the connection's streams again.")
    }

    /// Whether this column is wanted.
    #[must_use]
    pub fn wants(&self, column: &str) -> bool {
        self.fields.is_empty() || self.fields.iter().any(|f| f == column)
    }
}

/// Reads from a vendor.
pub trait Source: Plugin {
    /// Tests a configuration against the vendor, one named test after the other. Reads only.
    fn check(host: &dyn Host, config: &Self::Config) -> Vec<CheckResult>;

    /// The streams this vendor instance has.
    ///
    /// # Errors
    /// By the vendor's answer.
    fn discover(host: &dyn Host, config: &Self::Config) -> Result<Vec<Stream>>;

    /// Reads one page. A job is made in two steps, with a page between them.
    ///
    /// # Errors
    /// By the vendor's answer. One record that cannot be read is a reject in the page, not a fault.
    fn read(host: &dyn Host, config: &Self::Config, request: &ReadRequest) -> Result<Page>;

    /// Removes what a cursor that will not be used again holds at the vendor. Best effort, repeatable.
    ///
    /// # Errors
    /// By the vendor's answer; `unsupported` by default: there is never anything to remove.
    fn release(_host: &dyn Host, _config: &Self::Config, _stream: &str, _cursor: &Cursor) -> Result<()> {
        Err(unsupported("release"))
    }
}

/// Under this, `erase` is told the ids that outcomes gave a member.
pub const MEMBER_ID: &str = "member-id";

/// Writes to a vendor. What a vendor has no call for keeps its default, an `unsupported` fault.
pub trait Destination: Plugin {
    /// Tests a configuration against the vendor, one named test after the other. Leaves nothing behind.
    fn check(host: &dyn Host, config: &Self::Config) -> Vec<CheckResult>;

    /// The kinds of object that can be filled.
    ///
    /// # Errors
    /// By the vendor's answer.
    fn discover(host: &dyn Host, config: &Self::Config) -> Result<Vec<TargetObject>>;

    /// Finds or creates the target. Looks up before it creates; with `dry_run` changes nothing.
    ///
    /// # Errors
    /// By the vendor's answer.
    fn prepare(host: &dyn Host, config: &Self::Config, target: &Target, run: &Run, dry_run: bool) -> Result<Prepared>;

    /// Delivers one batch: exactly one outcome per row, in the batch's order.
    ///
    /// # Errors
    /// By the vendor's answer. One row that is refused is an outcome, not a fault.
    fn deliver(
        host: &dyn Host,
        config: &Self::Config,
        target: &Target,
        run: &Run,
        state: Vec<u8>,
        batch: &Batch,
    ) -> Result<Delivered>;

    /// Makes what is one whole visible. The default is for targets with nothing to finish: no row is pending.
    ///
    /// # Errors
    /// By the vendor's answer.
    fn finish(
        _host: &dyn Host,
        _config: &Self::Config,
        _target: &Target,
        _run: &Run,
        state: Vec<u8>,
    ) -> Result<Finished> {
        Ok(Finished::unchanged(state))
    }

    /// Takes back what is not yet visible. The default has nothing to take back.
    ///
    /// # Errors
    /// By the vendor's answer.
    fn abort(_host: &dyn Host, _config: &Self::Config, _target: &Target, _run: &Run, _state: Vec<u8>) -> Result<()> {
        Ok(())
    }

    /// Asks for the end of what `finish` left pending.
    ///
    /// # Errors
    /// By the vendor's answer; `unsupported` by default.
    fn poll(
        _host: &dyn Host,
        _config: &Self::Config,
        _target: &Target,
        _run: &Run,
        _state: Vec<u8>,
    ) -> Result<Finished> {
        Err(unsupported("poll"))
    }

    /// Reads back who is in the target.
    ///
    /// # Errors
    /// By the vendor's answer; `unsupported` by default.
    fn members(
        _host: &dyn Host,
        _config: &Self::Config,
        _target: &Target,
        _after: Option<Vec<u8>>,
    ) -> Result<MemberPage> {
        Err(unsupported("members"))
    }

    /// Removes a person, by any of these identifiers, from everything the connector can reach. A field may come several
    /// times, and under [`MEMBER_ID`] the ids that outcomes gave the member.
    ///
    /// # Errors
    /// By the vendor's answer; `unsupported` by default.
    fn erase(
        _host: &dyn Host,
        _config: &Self::Config,
        _target: &Target,
        _identifiers: &[(String, String)],
    ) -> Result<EraseResult> {
        Err(unsupported("erase"))
    }

    /// Removes what the connector created for the target.
    ///
    /// # Errors
    /// By the vendor's answer; `unsupported` by default.
    fn retire(_host: &dyn Host, _config: &Self::Config, _target: &Target) -> Result<()> {
        Err(unsupported("retire"))
    }
}

impl Finished {
    /// An end with nothing left pending, no artifact and no warning.
    #[must_use]
    pub fn unchanged(state: Vec<u8>) -> Self {
        Self {
            state,
            pending_become: crate::OutcomeStatus::Unchanged,
            exceptions: Vec::new(),
            artifacts: Vec::new(),
            warnings: Vec::new(),
            wait_ms: None,
        }
    }
}

fn unsupported(call: &str) -> Fault {
    Fault::unsupported(format!("call.{call}"), format!("this connector has no {call}"))
}
