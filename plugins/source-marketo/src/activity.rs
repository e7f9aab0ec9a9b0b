//! Activities: what Marketo says happened to whom.

use crate::cursor::Work;
use crate::instant;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;

/// Merge Leads: one person lives on, the others are gone.
const MERGE: i64 = 32;

/// One activity. Its own `id` may be absent, and is not needed.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Activity {
    #[serde(default, deserialize_with = "lead_id")]
    pub(crate) lead_id: Option<i64>,
    #[serde(default)]
    activity_date: Option<String>,
    #[serde(default)]
    pub(crate) activity_type_id: i64,
    #[serde(default, rename = "marketoGUID", deserialize_with = "text")]
    pub(crate) guid: Option<String>,
    #[serde(default, deserialize_with = "lead_id")]
    pub(crate) campaign_id: Option<i64>,
    /// What the activity is about, a list or a program: its id, and its name.
    #[serde(default, rename = "primaryAttributeValueId", deserialize_with = "text")]
    pub(crate) primary_id: Option<String>,
    #[serde(default, rename = "primaryAttributeValue", deserialize_with = "text")]
    pub(crate) primary: Option<String>,
    #[serde(default)]
    pub(crate) attributes: Vec<Attribute>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Attribute {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) value: Value,
}

impl Activity {
    /// In milliseconds; 0 if Marketo did not say.
    pub(crate) fn time(&self) -> i64 {
        self.date().unwrap_or(0)
    }

    pub(crate) fn date(&self) -> Option<i64> {
        self.activity_date.as_deref().and_then(instant::parse)
    }

    /// The id of the list or program it is about.
    pub(crate) fn asset(&self) -> Option<i64> {
        self.primary_id.as_deref()?.parse().ok()
    }

    /// Ids of the persons that were merged into this one. Marketo documents the attribute's name, but not how several
    /// ids are written: every number in it counts.
    fn merged_ids(&self) -> Vec<i64> {
        let is_ids = |name: &str| {
            name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().eq_ignore_ascii_case("mergeids")
        };
        let Some(attribute) = self.attributes.iter().find(|a| is_ids(&a.name)) else { return Vec::new() };
        let text = attribute.value.to_string();
        text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
    }
}

/// What a page of activities asks for: each person once, with the time of its last change. Persons that were merged
/// away are not read, since Marketo no longer has them.
pub(crate) fn work(activities: &[Activity], more: bool) -> Work {
    let mut read: BTreeMap<i64, i64> = BTreeMap::new();
    let mut merged: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    for activity in activities {
        let Some(id) = activity.lead_id else { continue };
        let time = activity.time();
        let newest = read.entry(id).or_insert(time);
        *newest = time.max(*newest);
        if activity.activity_type_id == MERGE {
            merged.extend(
                activity.merged_ids().into_iter().filter(|loser| *loser != id).map(|loser| (loser, (id, time))),
            );
        }
    }
    read.retain(|id, _| !merged.contains_key(id));
    Work {
        read: read.into_iter().collect(),
        merged: merged.into_iter().map(|(loser, (winner, time))| (loser, winner, time)).collect(),
        more,
    }
}

/// A number, or text of one.
fn lead_id<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<i64>, D::Error> {
    Ok(match Value::deserialize(reader)? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    })
}

/// Text, or a number as text.
fn text<'de, D: Deserializer<'de>>(reader: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(reader)? {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn activities(list: Value) -> Vec<Activity> {
        serde_json::from_value(list).unwrap()
    }

    #[test]
    fn each_person_once_with_the_newest_time() {
        let work = work(
            &activities(json!([
                {"marketoGUID": "a", "leadId": 7, "activityDate": "1970-01-01T00:00:02Z", "activityTypeId": 13},
                {"marketoGUID": "b", "leadId": 7, "activityDate": "1970-01-01T00:00:01Z", "activityTypeId": 22},
                {"marketoGUID": "c", "leadId": "8", "activityDate": "whenever", "activityTypeId": 12},
                {"marketoGUID": "d", "activityTypeId": 12},
            ])),
            true,
        );
        assert_eq!(work, Work { read: vec![(7, 2000), (8, 0)], merged: vec![], more: true });
    }

    #[test]
    fn merged_persons_are_not_read_again() {
        for ids in [json!("2,3"), json!("[2, 3]"), json!([2, 3]), json!(["2", "3"]), json!("1;2;3")] {
            let work = work(
                &activities(json!([
                    {"leadId": 2, "activityDate": "1970-01-01T00:00:01Z", "activityTypeId": 13},
                    {"leadId": 1, "activityDate": "1970-01-01T00:00:05Z", "activityTypeId": 32,
                     "attributes": [{"name": "Master Updated", "value": true}, {"name": "Merge IDs", "value": ids}]},
                ])),
                false,
            );
            assert_eq!(work.read, [(1, 5000)], "{ids}");
            assert_eq!(work.merged, [(2, 1, 5000), (3, 1, 5000)], "{ids}");
        }
    }
}
