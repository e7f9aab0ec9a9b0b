//! What every step of a read needs.

use crate::api::Api;
use crate::config::Config;
use crate::cursor::{Phase, State, VERSION};
use crate::fields::{self, Described};
use attiva_connector::{Cursor, Host, Limits, ReadRequest, Result};

/// One call's vendor, configuration and wishes.
pub(crate) struct Reader<'a> {
    pub(crate) api: Api<'a>,
    pub(crate) config: &'a Config,
    pub(crate) limits: Limits,
    pub(crate) object: &'a str,
    pub(crate) wanted: &'a [String],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(host: &'a dyn Host, config: &'a Config, request: &'a ReadRequest) -> Self {
        Self { api: Api::new(host), config, limits: request.limits, object: &request.stream, wanted: &request.fields }
    }

    /// Ends a run whose org has spent its share of the day.
    ///
    /// # Errors
    /// `quota` `salesforce.daily-share`.
    pub(crate) fn budget(&self, state: &State) -> Result<()> {
        let spent = state.usage.and_then(|usage| usage.spent(self.config.daily_share, self.api.now()));
        spent.map_or(Ok(()), Err)
    }

    /// The object as it is described; nothing if it is not there (any more), or not for this user.
    pub(crate) fn described(&self) -> Result<Option<Described>> {
        fields::described(&self.api, self.config, self.object)
    }

    /// The cursor of a state that has come to a phase, with what was heard of the day's calls on the way.
    pub(crate) fn cursor(&self, state: State, phase: Phase) -> Result<Cursor> {
        let usage = self.api.usage().or(state.usage);
        Cursor::encode(VERSION, &State { phase, usage, ..state })
    }
}
