//! Keys that rows name, each once: rows hold its place in the list.

use super::columns::NOBODY;
use std::collections::HashMap;

#[derive(Default)]
pub(super) struct KeyList {
    keys: Vec<String>,
    places: HashMap<String, u32>,
}

impl KeyList {
    /// The place of a key, which is at the end if it is new.
    pub(super) fn place(&mut self, key: &str) -> u32 {
        if let Some(place) = self.places.get(key) {
            return *place;
        }
        let place = u32::try_from(self.keys.len()).unwrap_or(NOBODY);
        self.keys.push(key.to_owned());
        self.places.insert(key.to_owned(), place);
        place
    }

    pub(super) fn keys(&self) -> &[String] {
        &self.keys
    }

    /// All keys in order, once there is none to come.
    pub(super) fn take(&mut self) -> Vec<String> {
        std::mem::take(self).keys
    }
}
