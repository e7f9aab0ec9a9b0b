//! The specification: whatever the tests put in its place.

use super::bindings::attiva::connector::{clock, http, random};
use super::bindings::exports::attiva::connector::plugin::{Fault, Guest as Plugin};
use super::{Guest, fault};

const SPEC_BYTES: usize = 16 << 10;

static SPEC: [u8; SPEC_BYTES] = {
    let mark = *b"<<< the specification goes here >>>";
    let mut place = [b'.'; SPEC_BYTES];
    let mut i = 0;
    while i < mark.len() {
        place[i] = mark[i];
        i += 1;
    }
    place
};

impl Plugin for Guest {
    fn spec() -> String {
        let text = std::hint::black_box(&SPEC);
        let text: Vec<u8> = text.iter().copied().take_while(|byte| *byte != 0).collect();
        let text = String::from_utf8_lossy(&text).into_owned();
        match text.strip_prefix('!') {
            Some("spin") => loop {
                std::hint::black_box(());
            },
            Some("panic") => panic!("no specification today"),
            Some("clock") => clock::now_ms().to_string(),
            Some("random") => format!("{:?}", random::bytes(8)),
            Some("http") => {
                let request = super::config::Ask::default().request();
                http::send(&request).map_or_else(|fault| fault.code, |_| "sent".to_owned())
            }
            _ => text,
        }
    }

    fn migrate_state(from_version: u32, state: Vec<u8>) -> Result<Vec<u8>, Fault> {
        match from_version {
            0 => Err(fault("guest.too-old", "version 0 was never released")),
            7 => Ok(vec![0; 100_000]),
            _ if state.starts_with(b"poison") => Err(fault("guest.poisoned", "this state cannot be read any more")),
            _ => Ok(state.into_iter().rev().collect()),
        }
    }
}
