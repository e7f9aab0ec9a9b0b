//! Sending requests: a token that LinkedIn no longer takes is renewed once, a limit that outlasts its minute is a
//! day's.

use crate::config::Config;
use crate::response;
use crate::spec::CREDENTIAL;
use attiva_connector::{Fault, FaultKind, Host, Request, Response, Result};
use std::cell::Cell;

/// When LinkedIn began to say "too many", as decimal milliseconds: it does not always say of what.
const THROTTLED: &str = "throttled";
/// So much later it is not the minute's limit any more.
const MINUTE_OVER_MS: u64 = 90_000;
/// A note so old is of another time.
const NOTE_OLD_MS: u64 = 3_600_000;

/// LinkedIn, for the length of one call of ours.
pub(crate) struct Api<'h> {
    pub(crate) host: &'h dyn Host,
    pub(crate) config: &'h Config,
    renewed: Cell<bool>,
}

impl<'h> Api<'h> {
    pub(crate) fn new(host: &'h dyn Host, config: &'h Config) -> Self {
        Self { host, config, renewed: Cell::new(false) }
    }

    /// Sends a request and answers a response with status 2xx, or one that `expected` lets through. `what` completes
    /// "could not".
    ///
    /// # Errors
    /// By the host, or by LinkedIn's answer.
    pub(crate) fn send(&self, request: &Request, expected: &[u16], what: &str) -> Result<Response> {
        loop {
            let response = self.host.send(request)?;
            // A proxy's page may come with any status, 200 among them.
            let is_page = response.body.trim_ascii_start().first() == Some(&b'<');
            if !is_page && (response.is_success() || expected.contains(&response.status)) {
                return Ok(response);
            }
            if response.status == 401 && !self.renewed.get() {
                self.host.renew_credential(CREDENTIAL)?;
                self.renewed.set(true);
                continue;
            }
            let fault = response::fault(&response, what, self.host.now_ms());
            return Err(if fault.kind == FaultKind::RateLimited { self.lasting(fault)? } else { fault });
        }
    }

    /// Whether the limit is one of a minute or, since it has lasted, one of a day.
    fn lasting(&self, fault: Fault) -> Result<Fault> {
        let (spool, now_ms) = (self.host.spool(THROTTLED), self.host.now_ms());
        let noted = String::from_utf8(spool.read(0, 20)?).ok().and_then(|text| text.parse::<u64>().ok());
        match noted.map(|since| now_ms.saturating_sub(since)) {
            Some(lasted) if (MINUTE_OVER_MS..NOTE_OLD_MS).contains(&lasted) => {
                let fault = Fault { kind: FaultKind::Quota, ..fault };
                Ok(response::spent(fault, now_ms))
            }
            Some(lasted) if lasted < MINUTE_OVER_MS => Ok(fault),
            _ => {
                spool.write(0, now_ms.to_string().as_bytes())?;
                Ok(fault)
            }
        }
    }

    /// LinkedIn took members: whatever limit there was is over.
    pub(crate) fn not_throttled(&self) -> Result<()> {
        let spool = self.host.spool(THROTTLED);
        if spool.stat()?.size > 0 { spool.remove() } else { Ok(()) }
    }
}
