//! Changes beside history. History may take days: an export at a time, and so many bytes of them a day. What changes in these
//! days is not to wait for them, so whatever history does, every few minutes changes are read to their end. Both are dated by
//! Marketo: a row of history never undoes what came later.

use crate::cursor::Beside;
use crate::reader::Reader;
use attiva_connector::Page;

/// Looks at an export between two readings of changes; Marketo renews a status once a minute, so five minutes.
const LOOKS: i64 = 5;

impl Beside {
    /// Changes were read to their end now, or nothing has changed yet.
    pub(crate) fn after(reader: &Reader, now: i64) -> Self {
        Self { next: now + LOOKS * i64::from(reader.config.poll_seconds), busy: false }
    }

    /// A page of changes was read; `over`: the last for now.
    pub(crate) fn read(self, reader: &Reader, over: bool, now: i64) -> Self {
        if over { Self::after(reader, now) } else { Self { busy: true, ..self } }
    }

    /// Whether the next page is one of changes. A span of days has none.
    pub(crate) fn is_due(self, reader: &Reader, now: i64) -> bool {
        reader.config.end_date.is_none() && (self.busy || now >= self.next)
    }

    /// Has a page of history wait no longer than until changes are read.
    pub(crate) fn bound(self, reader: &Reader, page: &mut Page, now: i64) {
        if reader.config.end_date.is_none() {
            let ms = u64::try_from(self.next.saturating_sub(now).max(1)).unwrap_or(1).saturating_mul(1000);
            page.wait_ms = page.wait_ms.map(|wait| wait.min(ms));
        }
    }
}

#[cfg(test)]
mod tests;
