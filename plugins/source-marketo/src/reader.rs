//! What every step of a read needs.

use crate::api::Api;
use crate::config::Config;
use crate::cursor::{Chains, Phase, State, VERSION};
use crate::fields::{self, Field};
use attiva_connector::{Cursor, Host, Limits, ReadRequest, Result};

/// One call's vendor, configuration and wishes.
pub(crate) struct Reader<'a> {
    pub(crate) api: Api<'a>,
    pub(crate) config: &'a Config,
    pub(crate) limits: Limits,
    wanted: &'a [String],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(host: &'a dyn Host, config: &'a Config, request: &'a ReadRequest) -> Self {
        Self { api: Api::new(host), config, limits: request.limits, wanted: &request.fields }
    }

    /// The fields to read.
    pub(crate) fn fields(&self) -> Result<Vec<Field>> {
        fields::select(fields::described(&self.api)?, self.config, self.wanted)
    }

    /// Time until an export's status is worth another look.
    pub(crate) fn poll_ms(&self) -> u64 {
        u64::from(self.config.poll_seconds) * 1000
    }
}

/// The cursor of a state.
pub(crate) fn cursor(chains: Chains, phase: Phase) -> Result<Cursor> {
    Cursor::encode(VERSION, &State { chains, phase })
}
