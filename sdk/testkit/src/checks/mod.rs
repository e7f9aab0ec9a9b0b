//! The 53 checks, as a table. A check looks at the connector under proof and says what it found; it never stops the
//! others.

mod audience;
mod changes;
mod configuration;
mod delivery;
mod discovery;
mod faults;
mod operations;
mod packaging;
mod paging;
mod reading;
mod recovery;

use crate::report::{Verdict, not_applicable};
use crate::run::source::Reading;
use crate::subject::Subject;
use crate::suite::TargetSuite;
use attiva_core::ports::connector::Stream;
pub(crate) use operations::refused;
use std::future::Future;
use std::pin::Pin;

/// One check of the table.
pub(crate) struct Check {
    pub(crate) number: u8,
    pub(crate) name: &'static str,
    pub(crate) area: &'static str,
    pub(crate) claim: &'static str,
    /// Looks at what the other checks left behind, or changes records: run after the others.
    pub(crate) is_late: bool,
    pub(crate) run: for<'s> fn(&'s Subject) -> Pin<Box<dyn Future<Output = Verdict> + 's>>,
}

macro_rules! table {
    ($($area:literal { $($number:literal $name:literal $claim:literal => $run:path $(, $late:ident)?;)* })*) => {
        &[$($(Check {
            number: $number,
            name: $name,
            area: $area,
            claim: $claim,
            is_late: false $(|| $late)?,
            run: |subject| Box::pin($run(subject)),
        },)*)*]
    };
}

const LATE: bool = true;

/// All of them, in order.
pub(crate) const TABLE: &[Check] = table! {
    "packaging and sandbox" {
        1 "world" "exports the world that its specification speaks of, imports what it needs" => packaging::world;
        2 "egress" "asks nothing of the vendor that its specification does not declare" => packaging::egress, LATE;
        3 "limits" "stays well inside memory and CPU time of a call" => packaging::limits, LATE;
        4 "determinism" "the same answers make the same records, whatever the time and chance" => packaging::determinism;
        5 "size" "the component and its start stay in their budget" => packaging::size;
    }
    "specification and configuration" {
        6 "schema" "the configuration's schema can be shown as a form" => configuration::schema;
        7 "secrets" "what looks like a secret is one" => configuration::secrets;
        8 "required" "the example is valid, and a key that is missing is named" => configuration::required;
        9 "optional" "an optional key may be left out" => configuration::optional;
        10 "canary" "no secret and no personal data in logs, errors, states or progress" => configuration::canary, LATE;
        11 "config-compatibility" "a configuration of the version before is still valid" => configuration::compatibility;
    }
    "check and discover" {
        12 "check" "says what is wrong with a connection, and who has to act" => discovery::check;
        13 "discover" "names, keys and columns are sound, and the same every time" => discovery::discover;
        14 "catalog-compatibility" "nothing that was there is gone since the version before" => discovery::compatibility;
        15 "odd-names" "columns it does not have, odd names and very many of them do no harm" => discovery::odd_names;
    }
    "reading" {
        16 "records" "records are as discovered: columns, types, keys" => reading::records;
        17 "expected" "the records that must be there are there" => reading::expected;
        18 "coverage" "every declared column is seen, or listed as never seen" => reading::coverage;
        19 "progress" "every page moves on, ends, and tells no lie of how far it is" => reading::progress;
        20 "paging" "the size of pages, a page that comes twice or moves change nothing" => paging::paging;
        21 "repeatable" "two readings are equal" => paging::repeatable;
        22 "resume" "every cursor is a place to go on from, with nothing kept beside it" => paging::resume;
        23 "caught-up" "after the end, and after a place in the future, nothing old comes again; a cursor that is none is refused" => paging::caught_up;
        24 "killed" "killed at every call to the host and repeated, nothing is lost" => recovery::killed;
        25 "changes" "what changed arrives, late and at equal times as well" => changes::changes, LATE;
        26 "deletions" "what was deleted, merged or brought back arrives" => changes::deletions, LATE;
        27 "values" "large numbers, NUL, half characters and leap seconds lose nobody" => changes::values;
    }
    "faults of the vendor" {
        28 "vendor-faults" "every fault of vendor and network is told as what it is, and survived" => faults::vendor_faults;
        29 "restraint" "after a refusal for too many calls it stops asking" => faults::restraint;
        30 "token-expiry" "a token that ends in the middle is renewed and nothing is lost" => faults::token_expiry;
        31 "jobs" "a job that failed, expired or was lost is no empty result" => faults::jobs;
        32 "error-texts" "errors say what happened and what to do" => operations::error_texts, LATE;
        33 "cancel" "cut off in the middle, it leaves nothing running and can clean up" => recovery::cancel;
    }
    "delivering" {
        34 "rows" "every kind of value and row has an outcome" => delivery::rows;
        35 "columns" "more columns than before take nothing from a target" => delivery::columns;
        36 "outcomes" "a row that is refused is rejected alone, with code and words" => delivery::outcomes;
        37 "repeat" "the same batch twice has one effect" => delivery::repeat;
        38 "batch-size" "a batch as large as declared goes, and one of one row" => delivery::batch_size;
        39 "retryable" "what passes is told from what is final" => delivery::retryable;
        40 "dry-run" "a dry run tells the plan and tries to write nothing" => delivery::dry_run;
    }
    "audiences" {
        41 "find-or-create" "a target that is there is found, not made again" => audience::find_or_create;
        42 "add-remove" "who is added is a member, who is removed is none" => audience::add_remove;
        43 "remove-unknown" "to remove somebody who is not there is no failure" => audience::remove_unknown;
        44 "full-and-delta" "all at once and step by step come to the same members" => audience::full_and_delta;
        45 "hashing" "identifiers are normalised and hashed, once" => audience::hashing;
        46 "erase" "a person is erased by every identifier, and it says so" => audience::erase;
        47 "removal-sends-nothing" "of who is removed, nothing is sent but who it is" => audience::removal_sends_nothing;
        48 "settled-jobs" "a job is awaited to its end, and whom it refused is told" => audience::settled_jobs;
    }
    "upgrade and operation" {
        49 "state" "states of the version before are understood, foreign ones refused" => operations::state;
        50 "clean-up" "what it made can be taken back, also twice" => operations::clean_up;
        51 "cost" "CPU time for a record stays in its budget" => operations::cost, LATE;
        52 "log-volume" "logs little enough to be read" => operations::log_volume, LATE;
        53 "documents" "every key, stream and target is described, and links lead somewhere" => operations::documents;
    }
};

/// The streams of the suite; or why none are looked at.
async fn streams(subject: &Subject) -> Result<Vec<Stream>, Verdict> {
    if !subject.plugin.is_source {
        return Err(not_applicable("it is no source"));
    }
    match subject.suite_streams().await {
        Ok(streams) if streams.is_empty() => Err(not_applicable("the suite names no stream: see check 16")),
        Ok(streams) => Ok(streams),
        Err(fault) => Err(not_applicable(format!("its streams cannot be discovered ({}): see check 13", fault.code))),
    }
}

/// The streams with a plain reading of each; or why none are looked at.
async fn plains(subject: &Subject) -> Result<Vec<(Stream, Reading)>, Verdict> {
    let mut plains = Vec::new();
    for stream in streams(subject).await? {
        match subject.plain(&stream).await {
            Ok(reading) => plains.push((stream, reading)),
            Err(fault) => {
                let reason = format!("{} cannot be read ({}): see check 16", stream.name, fault.code);
                return Err(not_applicable(reason));
            }
        }
    }
    Ok(plains)
}

/// The targets of the suite; or why none are looked at.
fn targets(subject: &Subject) -> Result<&[TargetSuite], Verdict> {
    if !subject.plugin.is_destination {
        return Err(not_applicable("it is no destination"));
    }
    match subject.suite.targets.as_slice() {
        [] => Err(not_applicable("the suite names no target: see check 34")),
        targets => Ok(targets),
    }
}

/// As `targets`, of a destination whose targets keep their members.
fn keeping_targets(subject: &Subject) -> Result<&[TargetSuite], Verdict> {
    let targets = targets(subject)?;
    let is_snapshot =
        subject.spec().delivery.as_ref().is_some_and(|d| d.mode == attiva_core::spec::DeliveryMode::Snapshot);
    if is_snapshot {
        return Err(not_applicable("each of its deliveries is one whole: it keeps no members"));
    }
    Ok(targets)
}

/// Unwraps, or ends the check with the verdict that stands in its place.
macro_rules! or_end {
    ($asked:expr) => {
        match $asked {
            Ok(value) => value,
            Err(verdict) => return verdict,
        }
    };
}
use or_end;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_fifty_three_and_each_is_one() {
        assert_eq!(TABLE.iter().map(|check| check.number).collect::<Vec<_>>(), (1..=53).collect::<Vec<u8>>());
        let names: std::collections::BTreeSet<_> = TABLE.iter().map(|check| check.name).collect();
        assert_eq!(names.len(), TABLE.len());
    }
}
