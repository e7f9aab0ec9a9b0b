//! From the generated export traits to [`Plugin`], [`Source`] and [`Destination`], and the macros that do it for a
//! type. Used by the macros alone.

use crate::bindings::base::exports::attiva::connector::plugin;
use crate::bindings::destination::exports::attiva::connector::destination as wit_destination;
use crate::bindings::source::exports::attiva::connector::source as wit_source;
use crate::bindings::{clock, http, log, progress, random, spool};
use crate::{
    Batch, CheckResult, Cursor, Delivered, Destination, EraseResult, Fault, Fetched, Finished, Host, Level, Limits,
    MemberPage, Page, Plugin, Prepared, ReadRequest, Request, Response, Result, Run, Source, SpoolStatus, Stream,
    Target, TargetObject, parse_config,
};
use std::marker::PhantomData;

/// The contract's imports.
struct Imports;

impl Host for Imports {
    fn send(&self, request: &Request) -> Result<Response> {
        http::send(request)
    }
    fn renew_credential(&self, name: &str) -> Result<()> {
        http::renew_credential(name)
    }
    fn spool_fetch(&self, name: &str, request: &Request, refusals: &[&str], sha256: Option<&str>) -> Result<Fetched> {
        let refusals: Vec<String> = refusals.iter().map(ToString::to_string).collect();
        spool::fetch(name, request, &refusals, sha256)
    }
    fn spool_stat(&self, name: &str) -> Result<SpoolStatus> {
        spool::stat(name)
    }
    fn spool_read(&self, name: &str, offset: u64, length: u32) -> Result<Vec<u8>> {
        spool::read(name, offset, length)
    }
    fn spool_write(&self, name: &str, offset: u64, bytes: &[u8]) -> Result<SpoolStatus> {
        spool::write(name, offset, bytes)
    }
    fn spool_sha256(&self, name: &str) -> Result<String> {
        spool::sha256(name)
    }
    fn spool_remove(&self, name: &str) -> Result<()> {
        spool::remove(name)
    }
    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        let fields: Vec<(String, String)> =
            fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        log::log(level, message, &fields);
    }
    fn now_ms(&self) -> u64 {
        clock::now_ms()
    }
    fn random(&self, count: u32) -> Vec<u8> {
        random::bytes(count)
    }
    fn progress(&self, phase: &str, done: Option<u64>, total: Option<u64>) {
        progress::report(phase, done, total);
    }
}

/// Sends a panic's text and place to the host's log: the trap that follows carries neither.
fn report_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            let text = panic.payload_as_str().unwrap_or("a panic without text");
            Imports.log(Level::Error, "the connector panicked", &[("panic", text), ("place", &place)]);
        }));
    });
}

/// Implements the generated traits for any connector type.
pub struct Adapter<T>(PhantomData<T>);

impl<T: Plugin> plugin::Guest for Adapter<T> {
    fn spec() -> String {
        report_panics();
        T::spec().to_json()
    }

    fn migrate_state(from_version: u32, state: Vec<u8>) -> Result<Vec<u8>> {
        report_panics();
        T::migrate_state(from_version, state)
    }
}

/// What every call that has a configuration begins with.
fn enter<T: Plugin>(config: &str) -> Result<T::Config> {
    report_panics();
    parse_config(config)
}

fn unreadable(fault: Fault) -> Vec<CheckResult> {
    vec![CheckResult::failed("configuration", "Read the configuration", fault)]
}

impl<T: Source> wit_source::Guest for Adapter<T> {
    fn check(config: String) -> Vec<CheckResult> {
        match enter::<T>(&config) {
            Ok(config) => T::check(&Imports, &config),
            Err(fault) => unreadable(fault),
        }
    }

    fn discover(config: String) -> Result<Vec<Stream>> {
        T::discover(&Imports, &enter::<T>(&config)?)
    }

    fn read(
        config: String,
        stream: String,
        fields: Vec<String>,
        cursor: Option<Cursor>,
        keys: Vec<String>,
        limits: Limits,
    ) -> Result<Page> {
        T::read(&Imports, &enter::<T>(&config)?, &ReadRequest { stream, fields, cursor, keys, limits })
    }

    fn release(config: String, stream: String, cursor: Cursor) -> Result<()> {
        T::release(&Imports, &enter::<T>(&config)?, &stream, &cursor)
    }
}

impl<T: Destination> wit_destination::Guest for Adapter<T> {
    fn check(config: String) -> Vec<CheckResult> {
        match enter::<T>(&config) {
            Ok(config) => T::check(&Imports, &config),
            Err(fault) => unreadable(fault),
        }
    }

    fn discover(config: String) -> Result<Vec<TargetObject>> {
        T::discover(&Imports, &enter::<T>(&config)?)
    }

    fn prepare(config: String, target: Target, run: Run, dry_run: bool) -> Result<Prepared> {
        T::prepare(&Imports, &enter::<T>(&config)?, &target, &run, dry_run)
    }

    fn deliver(config: String, target: Target, run: Run, state: Vec<u8>, batch: Batch) -> Result<Delivered> {
        T::deliver(&Imports, &enter::<T>(&config)?, &target, &run, state, &batch)
    }

    fn finish(config: String, target: Target, run: Run, state: Vec<u8>) -> Result<Finished> {
        T::finish(&Imports, &enter::<T>(&config)?, &target, &run, state)
    }

    fn abort(config: String, target: Target, run: Run, state: Vec<u8>) -> Result<()> {
        T::abort(&Imports, &enter::<T>(&config)?, &target, &run, state)
    }

    fn poll(config: String, target: Target, run: Run, state: Vec<u8>) -> Result<Finished> {
        T::poll(&Imports, &enter::<T>(&config)?, &target, &run, state)
    }

    fn members(config: String, target: Target, after: Option<Vec<u8>>) -> Result<MemberPage> {
        T::members(&Imports, &enter::<T>(&config)?, &target, after)
    }

    fn erase(config: String, target: Target, identifiers: Vec<(String, String)>) -> Result<EraseResult> {
        T::erase(&Imports, &enter::<T>(&config)?, &target, &identifiers)
    }

    fn retire(config: String, target: Target) -> Result<()> {
        T::retire(&Imports, &enter::<T>(&config)?, &target)
    }
}

/// Exports a type as a source connector. Once per crate; a native build exports nothing and checks the traits.
#[macro_export]
macro_rules! export_source {
    ($connector:ty) => {
        $crate::__attiva_exports!($connector: plugin source);
    };
}

/// Exports a type as a destination connector. Once per crate; a native build exports nothing and checks the traits.
#[macro_export]
macro_rules! export_destination {
    ($connector:ty) => {
        $crate::__attiva_exports!($connector: plugin destination);
    };
}

/// Exports a type that is both a source and a destination.
#[macro_export]
macro_rules! export_connector {
    ($connector:ty) => {
        $crate::__attiva_exports!($connector: plugin source destination);
    };
}

/// The exports of a type, interface by interface.
#[doc(hidden)]
#[macro_export]
macro_rules! __attiva_exports {
    ($connector:ty: $($interface:ident)+) => {
        const _: () = {
            #[allow(dead_code, reason = "named by the exports, which a native build has not")]
            type AttivaExport = $crate::export::Adapter<$connector>;
            $($crate::__attiva_export!($interface AttivaExport);)+
        };
    };
}

/// On wasm32, the exports with their component's names: a native linker would trip over those.
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
#[macro_export]
macro_rules! __attiva_export {
    (plugin $adapter:ident) => {
        $crate::bindings::base::export_base!($adapter with_types_in $crate::bindings::base);
    };
    (source $adapter:ident) => {
        $crate::bindings::source::export_source_interface!($adapter with_types_in $crate::bindings::source);
    };
    (destination $adapter:ident) => {
        $crate::bindings::destination::export_destination_interface!($adapter with_types_in $crate::bindings::destination);
    };
}

/// Natively, only that the type is what it says.
#[cfg(not(target_arch = "wasm32"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __attiva_export {
    (plugin $adapter:ident) => {
        const _: fn() -> String = <$adapter as $crate::bindings::base::exports::attiva::connector::plugin::Guest>::spec;
    };
    (source $adapter:ident) => {
        const _: fn(String) -> Vec<$crate::CheckResult> =
            <$adapter as $crate::bindings::source::exports::attiva::connector::source::Guest>::check;
    };
    (destination $adapter:ident) => {
        const _: fn(String) -> Vec<$crate::CheckResult> =
            <$adapter as $crate::bindings::destination::exports::attiva::connector::destination::Guest>::check;
    };
}
