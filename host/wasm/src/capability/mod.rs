//! What a guest may ask of the host: one file per import of the contract. Each counts its calls and passes them to
//! the call's broker.

pub(crate) mod clock;
pub(crate) mod http;
pub(crate) mod local;
pub(crate) mod log;
pub(crate) mod progress;
pub(crate) mod random;
pub(crate) mod spool;

use crate::bindings::{clock as wit_clock, http as wit_http, log as wit_log, progress as wit_progress};
use crate::bindings::{random as wit_random, spool as wit_spool, types as wit_types};
use crate::call::CallState;
use wasmtime::component::{HasSelf, Linker};

/// Links every import of the contract, and nothing else.
pub(crate) fn link(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    wit_types::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    wit_http::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    wit_spool::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    wit_log::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    wit_clock::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    wit_random::add_to_linker::<_, HasSelf<_>>(linker, |state| state)?;
    wit_progress::add_to_linker::<_, HasSelf<_>>(linker, |state| state)
}

impl wit_types::Host for CallState {}
