//! A suite: what a connector's author tells the kit, in `conformance/suite.json`.

use attiva_core::DataType;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The suite of one connector. Unknown keys are refused.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// A whole configuration that is right, secrets included. A secret that begins with `env:` is read from that
    /// variable of the environment while recording; a replay needs none.
    pub configuration: Map<String, Value>,
    #[serde(default)]
    pub streams: Vec<StreamSuite>,
    #[serde(default)]
    pub targets: Vec<TargetSuite>,
    /// How the vendor says what HTTP has a status for, where it says it in another way.
    #[serde(default)]
    pub answers: Answers,
    #[serde(default)]
    pub jobs: Vec<JobSuite>,
    #[serde(default)]
    pub budget: Budget,
}

/// What is known of a stream that is read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamSuite {
    pub name: String,
    /// Rows asked for in a page, at most.
    #[serde(default = "StreamSuite::default_page_rows")]
    pub page_rows: u32,
    /// Records that must be read, by key: the values of some of their columns.
    #[serde(default)]
    pub expected: BTreeMap<String, Map<String, Value>>,
    /// Columns that no record of the vendor's account has a value in.
    #[serde(default)]
    pub unseen: Vec<String>,
    /// What is changed at the vendor between two runs of this stream, and has to arrive in the second.
    #[serde(default)]
    pub changes: Vec<ChangeSuite>,
}

impl StreamSuite {
    fn default_page_rows() -> u32 {
        100
    }
}

/// A record that changes at the vendor between two reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeSuite {
    pub key: String,
    pub kind: ChangeKind,
    /// Values that the record has then.
    #[serde(default)]
    pub expected: Map<String, Value>,
    /// For `merged`: the key that lives on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub into: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// Changed, whenever: also with the very time at which the first read ended, or an earlier one.
    Changed,
    Deleted,
    Merged,
    Undeleted,
}

/// A target that is filled.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetSuite {
    /// A `target-object` of `discover`.
    pub object: String,
    /// What it is called in reports and recordings, where there are several of one object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default)]
    pub options: Map<String, Value>,
    pub columns: Vec<ColumnSuite>,
    /// One member, `{n}` in a text being its number.
    pub row: Map<String, Value>,
    /// How many members a delivery has.
    #[serde(default = "TargetSuite::default_rows")]
    pub rows: u32,
    /// Values that the vendor refuses, put over a member's own: the row must be rejected, alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poison: Option<Map<String, Value>>,
    /// The column that is sent as SHA-256 of its trimmed lower-case text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hashed: Option<String>,
    /// Members are settled by a job that `finish` and `poll` wait for.
    #[serde(default)]
    pub is_job: bool,
}

impl TargetSuite {
    fn default_rows() -> u32 {
        5
    }

    pub(crate) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.object)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnSuite {
    pub name: String,
    #[serde(rename = "type")]
    pub data_type: DataType,
}

/// What the vendor answers when it refuses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Answers {
    pub token_expired: AnswerSuite,
    pub scope_missing: AnswerSuite,
    pub rate_limited: AnswerSuite,
    pub quota_spent: AnswerSuite,
}

impl Default for Answers {
    fn default() -> Self {
        let plain = |status| AnswerSuite { status, body: Value::Null };
        Self { token_expired: plain(401), scope_missing: plain(403), rate_limited: plain(429), quota_spent: plain(429) }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerSuite {
    pub status: u16,
    #[serde(default)]
    pub body: Value,
}

/// A job at the vendor, and how it says that one has ended badly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSuite {
    /// The stream that is read by it; absent: the first target is filled by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// What the path of the request for its status holds.
    pub status_path: String,
    /// Answers to that request that say: failed, expired, not known any more.
    pub failed: Vec<AnswerSuite>,
}

/// What a connector may cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Budget {
    pub component_bytes: usize,
    /// CPU time for a record read or delivered, in microseconds; what a call costs anyway is not counted.
    pub record_us: u64,
    /// Log lines a call, beside one for each hundred rows.
    pub log_lines: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { component_bytes: 8 << 20, record_us: 2_000, log_lines: 20 }
    }
}

/// Why a suite cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the suite cannot be read: {0}")]
pub struct SuiteError(pub String);

impl Suite {
    /// # Errors
    /// [`SuiteError`], with the place.
    pub fn parse(text: &str) -> Result<Self, SuiteError> {
        let suite: Self = serde_json::from_str(text).map_err(|e| SuiteError(e.to_string()))?;
        // What a check makes at the vendor is called after its target: two of one name would be one.
        let mut names = BTreeSet::new();
        match suite.targets.iter().find(|target| !names.insert(target.name())) {
            None => Ok(suite),
            Some(twin) => {
                Err(SuiteError(format!("two targets are called `{}`: give each a `name` of its own", twin.name())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_targets_of_one_object_need_names() {
        let suite = |names: [&str; 2]| {
            let target = |name: &str| serde_json::json!({"object": "list", "name": name, "columns": [], "row": {}});
            serde_json::json!({"configuration": {}, "targets": names.map(target)}).to_string()
        };
        let named = Suite::parse(&suite(["one", "two"])).unwrap();
        assert_eq!(named.targets.iter().map(TargetSuite::name).collect::<Vec<_>>(), ["one", "two"]);
        let twins = Suite::parse(&suite(["one", "one"])).unwrap_err();
        assert!(twins.0.contains("`one`") && twins.0.contains("`name`"), "{twins}");
    }
}
