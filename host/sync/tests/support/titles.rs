//! The vendor's keyed stream.

use super::{Vendor, page, text_column};
use arrow_array::StringArray;
use attiva_core::page::{Cursor, Page, RowKind, Rows};
use attiva_core::ports::connector::PageLimits;

/// A stream keyed by what the persons' titles are. It gives one key's row a page.
pub const TITLES: &str = "titles";

impl Vendor {
    /// The next of these keys; without keys, one row of its own and then no more.
    pub(super) fn titles(&self, cursor: Option<&Cursor>, keys: &[String], limits: PageLimits) -> Page {
        assert!(keys.len() <= limits.max_rows as usize);
        let at: usize = cursor.map_or(0, |c| String::from_utf8_lossy(&c.bytes).parse().unwrap());
        self.calls.lock().unwrap().push(format!("titles {at} {}", keys.join(",")));
        let key = keys.get(at).cloned();
        let next = if at + 1 < keys.len() { at + 1 } else { 0 };
        let found: Vec<&str> = key.as_deref().into_iter().collect();
        Page {
            keys: found.iter().map(|k| Some(format!("title-{k}"))).collect::<StringArray>(),
            kinds: vec![RowKind::Full; found.len()],
            source_times: vec![10; found.len()],
            rows: Rows { len: found.len(), columns: vec![text_column("title", found.into_iter().map(Some).collect())] },
            ..page(&[], next as u64, next > 0)
        }
    }
}
