//! Which version of a plugin a connection uses: one it is pinned to, or the one in use of a range it follows.

use crate::{Fault, FaultKind};
use semver::{Version, VersionReq};
use std::fmt;

/// What a connection says: `source-example@0.1.0` pins, `source-example@^0.1` follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    pub plugin: String,
    pub wanted: Wanted,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    Exactly(Version),
    Range(VersionReq),
}

/// A version there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate<'a> {
    pub version: &'a Version,
    pub takes_new_runs: bool,
}

impl Requirement {
    /// Reads a requirement; `None` for a bare name, and for what is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (plugin, wanted) = text.split_once('@')?;
        let wanted = match Version::parse(wanted) {
            Ok(version) => Wanted::Exactly(version),
            Err(_) => Wanted::Range(VersionReq::parse(wanted).ok()?),
        };
        Some(Self { plugin: plugin.to_owned(), wanted })
    }

    #[must_use]
    pub fn matches(&self, version: &Version) -> bool {
        match &self.wanted {
            Wanted::Exactly(wanted) => wanted == version,
            Wanted::Range(range) => range.matches(version),
        }
    }

    /// The version that something which begins now begins with. A range gives the version in use where that is in the
    /// range, also where it may not be used at present: nobody is moved to another version because his own is being
    /// looked into. Else the newest that is ready.
    #[must_use]
    pub fn choose<'a>(&self, versions: &[Candidate<'a>], in_use: Option<&Version>) -> Option<&'a Version> {
        let there = |version: &Version| versions.iter().find(|c| c.version == version).map(|c| c.version);
        match &self.wanted {
            Wanted::Exactly(wanted) => there(wanted),
            Wanted::Range(range) => {
                let in_use = in_use.filter(|version| range.matches(version)).and_then(there);
                let ready = versions.iter().filter(|c| c.takes_new_runs && range.matches(c.version));
                in_use.or_else(|| ready.map(|c| c.version).max())
            }
        }
    }

    /// That no version is there.
    #[must_use]
    pub fn unmet(&self) -> Fault {
        Fault::new(FaultKind::Config, "plugin.missing", format!("no version of {self} is installed"))
            .action("Install one, or change the connection's plugin.")
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.wanted {
            Wanted::Exactly(version) => write!(f, "{}@{version}", self.plugin),
            Wanted::Range(range) => write!(f, "{}@{range}", self.plugin),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(list: &[(&str, bool)]) -> Vec<(Version, bool)> {
        list.iter().map(|(text, ready)| (Version::parse(text).unwrap(), *ready)).collect()
    }

    fn chosen(requirement: &str, versions: &[(Version, bool)], in_use: Option<&str>) -> Option<String> {
        let candidates: Vec<_> =
            versions.iter().map(|(version, ready)| Candidate { version, takes_new_runs: *ready }).collect();
        let in_use = in_use.map(|text| Version::parse(text).unwrap());
        let requirement = Requirement::parse(requirement).unwrap();
        requirement.choose(&candidates, in_use.as_ref()).map(ToString::to_string)
    }

    #[test]
    fn a_pin_is_that_version_and_a_range_the_one_in_use() {
        let there = versions(&[("0.1.0", true), ("0.1.1", true), ("0.2.0", true), ("0.2.1", false), ("1.0.0", true)]);
        let cases = [
            ("p@0.1.0", Some("0.2.0"), Some("0.1.0")),
            ("p@0.2.1", Some("0.2.0"), Some("0.2.1")),
            ("p@0.1.9", Some("0.2.0"), None),
            ("p@^0.2", Some("0.2.0"), Some("0.2.0")),
            ("p@^0.2", Some("0.2.1"), Some("0.2.1")),
            ("p@^0.2", Some("1.0.0"), Some("0.2.0")),
            ("p@^0.1", Some("0.1.0"), Some("0.1.0")),
            ("p@^0.1", Some("0.2.0"), Some("0.1.1")),
            ("p@^0.1", None, Some("0.1.1")),
            ("p@>=0.1", Some("0.1.1"), Some("0.1.1")),
            ("p@*", Some("0.9.9"), Some("1.0.0")),
            ("p@^2", Some("1.0.0"), None),
        ];
        for (requirement, in_use, expected) in cases {
            let found = chosen(requirement, &there, in_use);
            assert_eq!(found.as_deref(), expected, "{requirement} with {in_use:?} in use");
        }
    }

    #[test]
    fn a_requirement_is_read_and_shown() {
        for text in ["p@0.1.0", "p@^0.2", "p@>=0.1, <0.3"] {
            assert_eq!(Requirement::parse(text).unwrap().to_string(), text);
        }
        for bad in ["p", "p@", "p@latest", "p@1.2.3.4", ""] {
            assert_eq!(Requirement::parse(bad), None, "{bad}");
        }
    }
}
