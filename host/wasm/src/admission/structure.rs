//! What can be known of a component without running or compiling it: that it is one, what it wants and what it offers.

use super::AdmissionError;
use semver::Version;
use std::hash::{DefaultHasher, Hash, Hasher};
use wasmparser::{CanonicalFunction, CanonicalOption, Encoding, Parser, Payload, Validator, WasmFeatures};

/// The contract's package and the version this host has.
const PACKAGE: &str = "attiva:connector";
const VERSION: &str = "0.1.0";
const IMPORTS: [&str; 7] = ["types", "http", "spool", "log", "clock", "random", "progress"];

/// What a component is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Structure {
    pub(super) is_source: bool,
    pub(super) is_destination: bool,
    /// Interfaces of the contract: `http`.
    pub(super) imports: Vec<String>,
}

/// Walks a component's sections. Whether their contents are valid is for [`validate`].
pub(super) fn read(bytes: &[u8], bytes_max: usize) -> Result<Structure, AdmissionError> {
    if bytes.len() > bytes_max {
        return Err(AdmissionError::TooLarge { bytes: bytes.len(), bytes_max });
    }
    if !bytes.starts_with(b"\0asm") {
        return Err(AdmissionError::NotWasm);
    }
    let mut depth = 0_usize;
    let mut exports = Vec::new();
    let mut wanted = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(malformed)? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err(AdmissionError::CoreModule);
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(imports) if depth == 0 => {
                for import in imports {
                    wanted.push(check_import(import.map_err(malformed)?.name.name)?.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    exports.push(export.map_err(malformed)?.name.name.to_owned());
                }
            }
            Payload::ComponentCanonicalSection(functions) => {
                for function in functions {
                    check_canonical(&function.map_err(malformed)?)?;
                }
            }
            _ => {}
        }
    }
    let exported = |interface: &str| exports.iter().any(|name| name == &format!("{PACKAGE}/{interface}@{VERSION}"));
    let structure =
        Structure { is_source: exported("source"), is_destination: exported("destination"), imports: wanted };
    if !exported("plugin") {
        return Err(AdmissionError::WrongWorld(format!("{PACKAGE}/plugin@{VERSION}")));
    }
    if !structure.is_source && !structure.is_destination {
        return Err(AdmissionError::WrongWorld(format!(
            "{PACKAGE}/source@{VERSION}` or `{PACKAGE}/destination@{VERSION}"
        )));
    }
    Ok(structure)
}

/// Checks every instruction of it. What was walked is not yet valid; what this host has compiled before was.
pub(super) fn validate(bytes: &[u8]) -> Result<(), AdmissionError> {
    Validator::new_with_features(features()).validate_all(bytes).map(drop).map_err(invalid)
}

/// What hangs on the rules above: another number, and what passed before is looked at again.
pub(super) fn rules() -> u64 {
    let mut hasher = DefaultHasher::new();
    features().hash(&mut hasher);
    hasher.finish()
}

/// What guests may use: WebAssembly 2.0 and the plain component model. No threads, no 64-bit memories, no garbage
/// collection, no relaxed SIMD, nothing asynchronous: what is off cannot break.
fn features() -> WasmFeatures {
    WasmFeatures::WASM2 | WasmFeatures::TAIL_CALL | WasmFeatures::EXTENDED_CONST | WasmFeatures::COMPONENT_MODEL
}

/// Which interface of the contract it is.
fn check_import(name: &str) -> Result<&str, AdmissionError> {
    let foreign = || AdmissionError::ForeignImport(name.to_owned());
    let (interface, version) = name
        .strip_prefix(PACKAGE)
        .and_then(|rest| rest.strip_prefix('/'))
        .and_then(|rest| rest.split_once('@'))
        .ok_or_else(foreign)?;
    if !IMPORTS.contains(&interface) {
        return Err(foreign());
    }
    let ours = Version::parse(VERSION).map_err(|_| foreign())?;
    let theirs = Version::parse(version).map_err(|_| foreign())?;
    let same_track = theirs.major == ours.major && theirs.minor == ours.minor && theirs.pre.is_empty();
    if !same_track || theirs.patch > ours.patch {
        return Err(AdmissionError::ImportVersion { import: name.to_owned(), host: VERSION });
    }
    Ok(interface)
}

/// Only plain functions and a component's own resources; text only as UTF-8, since transcoding has been the runtime's
/// weak place.
fn check_canonical(function: &CanonicalFunction) -> Result<(), AdmissionError> {
    let options = match function {
        CanonicalFunction::Lift { options, .. } | CanonicalFunction::Lower { options, .. } => options,
        CanonicalFunction::ResourceNew { .. }
        | CanonicalFunction::ResourceDrop { .. }
        | CanonicalFunction::ResourceRep { .. } => {
            return Ok(());
        }
        other => {
            let name = format!("{other:?}");
            let name = name.split([' ', '{', '(']).next().unwrap_or_default();
            return Err(AdmissionError::Asynchronous(name.to_owned()));
        }
    };
    for option in options {
        match option {
            CanonicalOption::Async | CanonicalOption::Callback(_) => {
                return Err(AdmissionError::Asynchronous("async".into()));
            }
            CanonicalOption::UTF16 | CanonicalOption::CompactUTF16 => {
                return Err(AdmissionError::UnsupportedFeature("text that is not UTF-8".into()));
            }
            _ => {}
        }
    }
    Ok(())
}

fn malformed(error: wasmparser::BinaryReaderError) -> AdmissionError {
    AdmissionError::Malformed(error.to_string())
}

/// The walk could read it, so it is whole: what fails now is a rule.
fn invalid(error: wasmparser::BinaryReaderError) -> AdmissionError {
    let text = error.to_string();
    const OFF: [&str; 4] = ["support is not enabled", "requires the", "must be enabled", "not supported without"];
    if OFF.iter().any(|words| text.contains(words)) {
        return AdmissionError::UnsupportedFeature(text);
    }
    AdmissionError::Malformed(text)
}
