//! The newest cut in a bucket, too: what is written there, what of it still counts, and what goes.
//!
//! A bucket has no rename. What makes a cut count there is that `manifest.json` is replaced, which is one object and
//! happens at once; everything that it names is there before, and what no manifest names any more goes after.

use super::manifest::{Manifest, TableFile};
use super::schedule::superseded;
use crate::Millis;
use crate::id::ConnectionId;
use crate::ports::objects::ObjectEntry;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The newest manifest, and the script that opens it.
pub const MANIFEST: &str = "manifest.json";
pub const SCRIPT: &str = "open.sql";

const MANIFESTS: &str = "manifests/";
/// Where files of tables are.
const DATA: &str = "data/";
/// Bytes of a prefix at most: a key has 1,024, and names of files take some.
const PREFIX_BYTES_MAX: usize = 512;

/// A sandbox's setting: where its tables go beside the host's disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TablesBucket {
    /// A connection whose connector writes objects into a bucket. Its bucket, its credentials, and what an operator granted it.
    pub connection: ConnectionId,
    /// Before the sandbox's folder, and behind the connection's own prefix; ends in a slash, or is empty.
    #[serde(default = "TablesBucket::prefix_default")]
    pub prefix: String,
}

impl TablesBucket {
    fn prefix_default() -> String {
        "attiva-tables/".to_owned()
    }

    /// What is wrong with the prefix.
    #[must_use]
    pub fn problem(&self) -> Option<&'static str> {
        if self.prefix.len() > PREFIX_BYTES_MAX {
            return Some("must have at most 512 bytes");
        }
        plain_prefix_problem(&self.prefix)
    }
}

/// Why a prefix can't stand in addresses, paths and statements of SQL as it is; `None`: it can.
#[must_use]
pub fn plain_prefix_problem(prefix: &str) -> Option<&'static str> {
    let Some(folders) = prefix.strip_suffix('/') else {
        return (!prefix.is_empty()).then_some("must end in a slash");
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let is_folder = |folder: &str| !folder.is_empty() && folder.bytes().all(plain) && folder.bytes().any(|b| b != b'.');
    (!folders.split('/').all(is_folder)).then_some("must be folders of letters, digits, dashes, underscores and dots")
}

/// The object of a manifest that is read for a while after the next one.
#[must_use]
pub fn manifest_object(number: u64) -> String {
    format!("{MANIFESTS}{}", manifest_name(number))
}

/// What a manifest is called among those of before, in a folder as in a bucket: in the order of their numbers.
#[must_use]
pub fn manifest_name(number: u64) -> String {
    format!("{number:020}.json")
}

/// Files that have to be written before a manifest may name them: an object is named by what is in it, so one of the
/// same name and size is the same.
#[must_use]
pub fn missing<'m>(manifest: &'m Manifest, there: &[ObjectEntry]) -> Vec<&'m TableFile> {
    let there: BTreeMap<&str, u64> = there.iter().map(|object| (object.name.as_str(), object.bytes)).collect();
    let files = manifest.tables.iter().flat_map(|table| &table.files);
    files.filter(|file| there.get(file.path.as_str()) != Some(&file.bytes)).collect()
}

/// Older manifests that somebody may be reading there: until the next one took its place, and `kept_ms` longer. `newest`
/// was written at `now`, unless it was there before.
#[must_use]
pub fn kept_manifests(there: &[ObjectEntry], newest: u64, now: Millis, kept_ms: Millis) -> Vec<u64> {
    let mut all: BTreeMap<u64, Millis> = there.iter().filter_map(number_of).filter(|(n, _)| *n < newest).collect();
    let before = there.iter().filter_map(number_of).find(|(number, _)| *number == newest);
    all.insert(newest, before.map_or(now, |(_, at)| at));
    // A bucket's clock may go before ours: then nothing is kept longer for it.
    let all: Vec<(u64, Millis)> = all.into_iter().map(|(number, at)| (number, at.min(now))).collect();
    let over = superseded(&all, now, kept_ms);
    all.into_iter().map(|(number, _)| number).filter(|number| *number != newest && !over.contains(number)).collect()
}

fn number_of(object: &ObjectEntry) -> Option<(u64, Millis)> {
    let number = object.name.strip_prefix(MANIFESTS)?.strip_suffix(".json")?.parse().ok()?;
    (manifest_object(number) == object.name).then(|| (number, object.written_at.unwrap_or(Millis::MIN)))
}

/// Objects that go, once `newest` is published: what it doesn't name, nor one of the `kept`. Manifests first, so that none
/// names what is gone. What is not of tables is somebody else's, and stays.
#[must_use]
pub fn outdated(there: &[ObjectEntry], newest: &Manifest, kept: &[Manifest]) -> Vec<String> {
    let manifests: BTreeSet<String> =
        kept.iter().chain([newest]).map(|manifest| manifest_object(manifest.number)).collect();
    let files: BTreeSet<&str> = kept.iter().chain([newest]).flat_map(Manifest::paths).collect();
    let of = |folder: &'static str| {
        there.iter().map(|object| object.name.as_str()).filter(move |name| name.starts_with(folder))
    };
    let over = of(MANIFESTS).filter(|name| !manifests.contains(*name));
    over.chain(of(DATA).filter(|name| !files.contains(*name))).map(str::to_owned).collect()
}

/// Everything of ours, where no tables are to be left there: what makes them count first.
#[must_use]
pub fn everything(there: &[ObjectEntry]) -> Vec<String> {
    let rank = |name: &str| match name {
        MANIFEST => Some(0),
        SCRIPT => Some(1),
        name if name.starts_with(MANIFESTS) => Some(2),
        name if name.starts_with(DATA) => Some(3),
        _ => None,
    };
    let mut ours: Vec<(u8, &str)> =
        there.iter().filter_map(|object| Some((rank(&object.name)?, object.name.as_str()))).collect();
    ours.sort_unstable();
    ours.into_iter().map(|(_, name)| name.to_owned()).collect()
}

/// The script that opens a cut, of files that stand elsewhere.
#[must_use]
pub fn script_at(script: &str, location: &str) -> String {
    script.replace("Run from this folder.", "Run anywhere.").replace(&format!("'{DATA}"), &format!("'{location}{DATA}"))
}

#[cfg(test)]
mod tests {
    use super::super::{FORMAT, ManifestTable, TableCut};
    use super::*;

    fn manifest(number: u64, files: &[(&str, u64)]) -> Manifest {
        let file = |(path, bytes): &(&str, u64)| TableFile {
            path: format!("data/t/{path}"),
            part: 0,
            rows: 1,
            bytes: *bytes,
            sha256: String::new(),
            left_out: 0,
        };
        let table = ManifestTable { name: "t".into(), columns: vec![], files: files.iter().map(file).collect() };
        Manifest {
            format: FORMAT,
            number,
            taken_at: 0,
            cut: TableCut::default(),
            model_version: 1,
            custom_model_version: 0,
            tables: vec![table],
            stamps: BTreeMap::new(),
            audiences: BTreeSet::new(),
        }
    }

    fn object(name: &str, bytes: u64, written_at: Millis) -> ObjectEntry {
        ObjectEntry { name: name.into(), bytes, written_at: Some(written_at) }
    }

    #[test]
    fn a_prefix_is_plain_folders() {
        let problem = |prefix: &str| {
            let connection = ConnectionId::parse("con_1").unwrap();
            TablesBucket { connection, prefix: prefix.into() }.problem()
        };
        for good in ["", "a/", "attiva-tables/", "a/b_c/2026.11/"] {
            assert_eq!(problem(good), None, "{good}");
        }
        for bad in ["a", "/", "/a/", "a//b/", "../", "a/../b/", "./", "a b/", "é/", "a'/", "a=1/", "a%2F/"] {
            assert!(problem(bad).is_some(), "{bad}");
        }
        assert!(problem(&format!("{}/", "a".repeat(512))).is_some());
    }

    #[test]
    fn what_is_not_there_whole_is_written() {
        let newest = manifest(2, &[("0-a", 5), ("1-b", 6), ("2-c", 7)]);
        let there = [object("data/t/0-a", 5, 0), object("data/t/1-b", 4, 0)];
        let missing: Vec<&str> = missing(&newest, &there).into_iter().map(|file| file.path.as_str()).collect();
        assert_eq!(missing, ["data/t/1-b", "data/t/2-c"]);
    }

    #[test]
    fn a_manifest_is_kept_after_the_one_that_replaced_it_was_written_there() {
        let there = [1, 2].map(|number| object(&manifest_object(number), 1, 10 * number.cast_signed()));
        // The third was written at 100: the second is read until then, and 50 longer. The first went at 20 already.
        assert_eq!(kept_manifests(&there, 3, 100, 50), [2]);
        assert_eq!(kept_manifests(&there, 3, 60, 50), [1, 2]);
        assert_eq!(kept_manifests(&there, 3, 100, 0), [0; 0]);
        // Nothing new: it was there before.
        assert_eq!(kept_manifests(&there, 2, 69, 50), [1]);
        assert_eq!(kept_manifests(&there, 2, 70, 50), [0; 0]);
        // Of another time, before the tables were begun anew.
        assert_eq!(kept_manifests(&there, 1, 60, 50), [0; 0]);
        // A clock that goes before ours keeps nothing that is to go now.
        let ahead = [object(&manifest_object(1), 1, 900), object(&manifest_object(2), 1, 900)];
        assert_eq!(kept_manifests(&ahead, 2, 100, 0), [0; 0]);
    }

    #[test]
    fn what_nobody_reads_goes_and_what_is_somebody_elses_stays() {
        let (newest, kept) = (manifest(3, &[("0-c", 1)]), [manifest(2, &[("0-b", 1)])]);
        let names = ["data/t/0-a", "data/t/0-b", "data/t/0-c", "manifest.json", "open.sql", "report.csv"];
        let mut there: Vec<ObjectEntry> = names.map(|name| object(name, 1, 0)).to_vec();
        there.extend([1, 2, 3].map(|number| object(&manifest_object(number), 1, 0)));
        assert_eq!(outdated(&there, &newest, &kept), [manifest_object(1), "data/t/0-a".into()]);
        let all = everything(&there);
        assert_eq!(all.iter().take(2).collect::<Vec<_>>(), ["manifest.json", "open.sql"]);
        assert_eq!((all.len(), all.contains(&"report.csv".into())), (8, false));
    }

    #[test]
    fn a_script_opens_what_stands_elsewhere() {
        let script = "-- Run from this folder.\nSELECT * FROM read_parquet(['data/t/0-a', 'data/t/1-b'])";
        let there = "-- Run anywhere.\nSELECT * FROM read_parquet(['s3://b/p/data/t/0-a', 's3://b/p/data/t/1-b'])";
        assert_eq!(script_at(script, "s3://b/p/"), there);
    }
}
