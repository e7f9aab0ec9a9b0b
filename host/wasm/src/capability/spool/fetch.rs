//! Fetching a vendor's file into a spool, some of it per call, going on where the last call or a killed host stopped.

use super::files::{Files, State};
use super::{Spool, check_name};
use crate::broker::{Fetched, GuestFetch, GuestRequest, SpoolStatus};
use crate::capability::http::{Gate, Sent};
use crate::egress::body;
use crate::egress::policy::denied;
use crate::egress::transport::network;
use attiva_core::{Fault, FaultKind};
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// How much is gathered before it is written.
const WRITE_BYTES: usize = 1 << 20;
/// How much may be lost to a kill.
const COMMIT_BYTES: u64 = 8 << 20;
/// How much of an answer that is not the file is handed on.
const ANSWER_BYTES: u64 = 64 << 10;
/// How much of a file with a wrong checksum is shown.
const SHOWN_CHARS: usize = 512;

impl Spool {
    /// Brings more of the file, and checks it when it is whole.
    ///
    /// # Errors
    /// `spool.*`, `limit.spool`, and what the gate says.
    pub(crate) async fn fetch(&self, gate: &mut Gate, name: &str, fetch: GuestFetch) -> Result<Fetched, Fault> {
        let GuestFetch { request, refusals, sha256 } = fetch;
        check_name(name)?;
        check_arguments(&request, sha256.as_deref())?;
        let state = self.work(name, Files::state).await?;
        if state.complete {
            return Ok(Fetched::Stored(state.status()));
        }
        if state.total == Some(state.size) && state.size > 0 {
            return self.complete(name, state, sha256).await.map(Fetched::Stored);
        }
        let sent = gate.begin(request, &range(&state)).await?;
        let is_refusal = is_of(sent.exchange.response.headers(), &refusals);
        let stored = match sent.exchange.response.status().as_u16() {
            200 if !is_refusal => self.whole(gate, name, sent, state, sha256).await,
            206 if !is_refusal => self.part(gate, name, sent, state, sha256).await,
            416 if state.size > 0 => self.beyond(name, sent.exchange.response.headers(), state, sha256).await,
            _ => return gate.words(sent, ANSWER_BYTES).await.map(Fetched::Answered),
        };
        stored.map(Fetched::Stored)
    }

    /// The server answers with the file from its start: it knows no ranges, or the file is another one now.
    async fn whole(
        &self,
        gate: &mut Gate,
        name: &str,
        sent: Sent,
        state: State,
        sha256: Option<String>,
    ) -> Result<SpoolStatus, Fault> {
        let headers = sent.exchange.response.headers();
        let (etag, total) = (etag(headers), content_length(headers));
        let is_same = state.etag == etag && (state.total.is_none() || state.total == total);
        let size = if is_same { state.size } else { 0 };
        let headers = if is_same && size > 0 { state.headers } else { gate.response_headers(headers, false, false) };
        // What we have comes again, and is passed over.
        let incoming = Incoming { skip: size, sent };
        self.take(gate, name, incoming, State { size, complete: false, etag, total, headers }, sha256).await
    }

    /// The server answers with what was asked for.
    async fn part(
        &self,
        gate: &mut Gate,
        name: &str,
        sent: Sent,
        state: State,
        sha256: Option<String>,
    ) -> Result<SpoolStatus, Fault> {
        let headers = sent.exchange.response.headers();
        let range = headers.get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
        let (start, total) = range.and_then(content_range).unwrap_or((None, None));
        if start != Some(state.size) {
            return Err(network("spool.range", "the server answered with another part of the file than was asked for"));
        }
        // A server need not look at the condition it was given.
        let is_other = |then: &Option<String>, now: &Option<String>| then.is_some() && now.is_some() && then != now;
        if is_other(&state.etag, &etag(headers)) || state.total.is_some_and(|then| total.is_some_and(|now| now != then))
        {
            return self.changed(name).await;
        }
        let state = State { total: total.or(state.total), ..state };
        self.take(gate, name, Incoming { skip: 0, sent }, state, sha256).await
    }

    /// The server has nothing beyond what we have: that was all, unless it says otherwise.
    async fn beyond(
        &self,
        name: &str,
        headers: &HeaderMap,
        state: State,
        sha256: Option<String>,
    ) -> Result<SpoolStatus, Fault> {
        let range = headers.get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
        let total = range.and_then(content_range).and_then(|(_, total)| total);
        if total.is_some_and(|total| total != state.size) {
            return self.changed(name).await;
        }
        self.complete(name, state, sha256).await
    }

    async fn changed<T>(&self, name: &str) -> Result<T, Fault> {
        self.work(name, Files::remove).await?;
        Err(network("spool.changed", "the vendor's file has changed since it was begun; it is fetched anew"))
    }

    async fn take(
        &self,
        gate: &mut Gate,
        name: &str,
        incoming: Incoming,
        state: State,
        sha256: Option<String>,
    ) -> Result<SpoolStatus, Fault> {
        let begun = state.size;
        let mut writer = Writer { spool: self, name, state, pending: Vec::new(), committed: begun, tail: Vec::new() };
        let ended = writer.drain(gate, incoming, begun.saturating_add(self.limits.spool_fetch_bytes)).await;
        // Whatever came stays, also where the connection broke.
        let state = writer.commit().await?;
        gate.count_in(state.size.saturating_sub(begun));
        match ended? {
            Ended::ByBudget => Ok(state.status()),
            // Shorter than what we have: it is not the file we had begun.
            Ended::BeforeTheKnown => self.changed(name).await,
            Ended::AtEnd if state.total.is_some_and(|total| total != state.size) => {
                Err(network("network.broken", "the file ended before its announced length"))
            }
            Ended::AtEnd => self.complete(name, state, sha256).await,
        }
    }

    /// Checks the whole file and says that it is complete.
    async fn complete(&self, name: &str, state: State, sha256: Option<String>) -> Result<SpoolStatus, Fault> {
        if let Some(expected) = sha256 {
            let found = self.work(name, Files::sha256).await?;
            if !found.eq_ignore_ascii_case(&expected) {
                let start = self.read(name, 0, 1024).await?;
                self.work(name, Files::remove).await?;
                let what = format!("the file's checksum is not the one announced; it began with: {}", shown(&start));
                return Err(Fault::new(FaultKind::Transient, "spool.checksum", what));
            }
        }
        let state = State { complete: true, total: Some(state.size), ..state };
        let status = state.status();
        self.work(name, move |files, name| files.commit(name, &files.open_for_writing(name)?, &state)).await?;
        Ok(status)
    }
}

/// A response's body, of which the first `skip` bytes are known.
struct Incoming {
    skip: u64,
    sent: Sent,
}

enum Ended {
    AtEnd,
    /// The file ended inside what was to be passed over.
    BeforeTheKnown,
    /// Enough for one call: of bytes, or of time.
    ByBudget,
}

/// Writes a stream to a spool, in pieces, looking for secrets across their seams.
struct Writer<'s> {
    spool: &'s Spool,
    name: &'s str,
    state: State,
    pending: Vec<u8>,
    committed: u64,
    /// The last bytes already looked at, as many as a secret could have begun in.
    tail: Vec<u8>,
}

impl Writer<'_> {
    async fn drain(&mut self, gate: &Gate, mut incoming: Incoming, until: u64) -> Result<Ended, Fault> {
        let mut some = false;
        loop {
            let next = body::next(incoming.sent.exchange.response.body_mut());
            let data = match tokio::time::timeout_at(incoming.sent.deadline, next).await {
                // Slow is not wrong, as long as something comes.
                Err(_) if some => return Ok(Ended::ByBudget),
                Err(_) => return Err(network("network.timeout", "nothing of the file came in time")),
                Ok(Err(error)) => return Err(gate.body_fault(&error)),
                Ok(Ok(None)) => {
                    gate.give_back(incoming.sent);
                    return Ok(if incoming.skip > 0 { Ended::BeforeTheKnown } else { Ended::AtEnd });
                }
                Ok(Ok(Some(data))) => data,
            };
            let known = usize::try_from(incoming.skip).map_or(data.len(), |skip| skip.min(data.len()));
            incoming.skip -= known as u64;
            let fresh = data.get(known..).unwrap_or_default();
            some |= !fresh.is_empty();
            self.add(gate, fresh).await?;
            if self.state.size + self.pending.len() as u64 >= until {
                // The connection is dropped with what is left in it.
                return Ok(Ended::ByBudget);
            }
        }
    }

    async fn add(&mut self, gate: &Gate, data: &[u8]) -> Result<(), Fault> {
        self.look_for_secrets(gate, data)?;
        self.pending.extend_from_slice(data);
        if self.pending.len() >= WRITE_BYTES {
            self.write().await?;
        }
        if self.state.size.saturating_sub(self.committed) >= COMMIT_BYTES {
            self.commit().await?;
        }
        Ok(())
    }

    /// A response's body is cleaned of secrets; a file must stay as it is, so one that holds a secret is not taken.
    fn look_for_secrets(&mut self, gate: &Gate, data: &[u8]) -> Result<(), Fault> {
        let keep = gate.redactor().longest().saturating_sub(1);
        self.tail.extend_from_slice(data);
        if gate.redactor().finds(&self.tail) {
            return Err(Fault::new(
                FaultKind::Data,
                "spool.secret",
                "the vendor's file holds a secret of the connection",
            ));
        }
        let drop_to = self.tail.len().saturating_sub(keep);
        self.tail.drain(..drop_to);
        Ok(())
    }

    async fn write(&mut self) -> Result<(), Fault> {
        let (at, bytes) = (self.state.size, std::mem::take(&mut self.pending));
        let size = at + bytes.len() as u64;
        let work = move |files: &Files, name: &str| {
            files.check_room(name, size)?;
            let file = files.open_for_writing(name)?;
            cap_std::fs::FileExt::write_all_at(&file, &bytes, at).map_err(|e| super::files::disk(&e))
        };
        self.spool.work(self.name, work).await?;
        self.state.size = size;
        Ok(())
    }

    async fn commit(&mut self) -> Result<State, Fault> {
        if !self.pending.is_empty() {
            self.write().await?;
        }
        let state = self.state.clone();
        let work = move |files: &Files, name: &str| {
            let file = files.open_for_writing(name)?;
            // What an earlier, longer attempt left behind.
            file.set_len(state.size).map_err(|e| super::files::disk(&e))?;
            files.commit(name, &file, &state)
        };
        self.spool.work(self.name, work).await?;
        self.committed = self.state.size;
        Ok(self.state.clone())
    }
}

fn check_arguments(request: &GuestRequest, sha256: Option<&str>) -> Result<(), Fault> {
    let is_range = |name: &str| name.eq_ignore_ascii_case("range") || name.eq_ignore_ascii_case("if-range");
    if let Some((name, _)) = request.headers.iter().find(|(name, _)| is_range(name)) {
        return Err(denied("egress.header", format!("the header {name} is the host's here")).field(name.as_str()));
    }
    if sha256.is_some_and(|sum| sum.len() != 64 || !sum.bytes().all(|b| b.is_ascii_hexdigit())) {
        return Err(Fault::new(FaultKind::Internal, "spool.argument", "a SHA-256 is 64 hexadecimal digits"));
    }
    Ok(())
}

/// Asks for the rest, of the same file; and for bytes as they are, since a checksum is of those.
fn range(state: &State) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = vec![(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))];
    if state.size > 0 {
        if let Ok(rest) = HeaderValue::from_str(&format!("bytes={}-", state.size)) {
            headers.push((header::RANGE, rest));
        }
        let strong = state.etag.as_ref().filter(|etag| etag.starts_with('"'));
        if let Some(etag) = strong.and_then(|etag| HeaderValue::from_str(etag).ok()) {
            headers.push((header::IF_RANGE, etag));
        }
    }
    headers
}

fn etag(headers: &HeaderMap) -> Option<String> {
    headers.get(header::ETAG).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok())
}

/// `bytes 5-9/10` -> (5, 10); `bytes */10` -> (none, 10).
fn content_range(text: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let start = range.split_once('-').and_then(|(start, _)| start.parse().ok());
    Some((start, total.parse().ok()))
}

/// Whether an answer is of one of these media types; parameters and case do not count.
fn is_of(headers: &HeaderMap, media_types: &[String]) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    media_types.iter().any(|refused| refused.trim().eq_ignore_ascii_case(essence))
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_control()).take(SHOWN_CHARS).collect()
}
