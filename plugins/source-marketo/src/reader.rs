//! What every step of a read needs.

use crate::config::Config;
use crate::cursor::{Beside, Chains, Phase, State, VERSION};
use crate::description::Description;
use crate::extract::Extract;
use crate::fields::{self, Field};
use attiva_connector::{Cursor, Host, Limits, ReadRequest, Result};
use marketo_api::Api;

/// One call's vendor, configuration and wishes.
pub(crate) struct Reader<'a> {
    pub(crate) api: Api<'a>,
    pub(crate) config: &'a Config,
    pub(crate) limits: Limits,
    /// The bulk extract of this stream, where it has one.
    pub(crate) extract: Extract,
    /// The keys to read, where the stream is keyed.
    pub(crate) keys: &'a [String],
    wanted: &'a [String],
    /// What Marketo has described of the stream.
    pub(crate) description: Description,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        host: &'a dyn Host,
        config: &'a Config,
        request: &'a ReadRequest,
        extract: Extract,
        description: Description,
    ) -> Self {
        Self {
            api: Api::new(host),
            config,
            limits: request.limits,
            extract,
            keys: &request.keys,
            wanted: &request.fields,
            description,
        }
    }

    /// The fields to read.
    pub(crate) fn fields(&self) -> Result<Vec<Field>> {
        let described = self.description.fields(&self.api, || fields::describe(&self.api))?;
        fields::select(described, self.config, self.wanted)
    }

    /// The fields of an object of the lead database, all of them.
    pub(crate) fn fields_of(&self, object: &str) -> Result<Vec<Field>> {
        self.description.fields(&self.api, || fields::describe_object(&self.api, object))
    }

    /// Those of a described object's fields that the host asks for; those that make its key, and when it changed, always.
    pub(crate) fn chosen(&self, described: Vec<Field>, needed: &[&str]) -> Vec<Field> {
        let wanted = |field: &Field| self.wanted.is_empty() || self.wanted.contains(&field.name);
        described.into_iter().filter(|f| wanted(f) || needed.contains(&f.name.as_str())).collect()
    }

    /// Time until an export's status is worth another look.
    pub(crate) fn poll_ms(&self) -> u64 {
        u64::from(self.config.poll_seconds) * 1000
    }
}

/// The cursor of a state behind history.
pub(crate) fn cursor(chains: Chains, phase: Phase) -> Result<Cursor> {
    encode(&State { chains, phase, beside: Beside::default(), meanwhile: None })
}

/// The cursor of a state.
pub(crate) fn encode(state: &State) -> Result<Cursor> {
    Cursor::encode(VERSION, state)
}
