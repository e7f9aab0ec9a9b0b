//! What Marketo's error codes mean: who acts next, and when the call can succeed.

use crate::day;
use attiva_connector::{Fault, FaultKind};
use serde::{Deserialize, Deserializer, de::IgnoredAny};

/// Most characters of the vendor's words that go into a fault.
const MESSAGE_CHARS_MAX: usize = 500;

/// One element of `errors`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Refusal {
    /// `606`. Text by the documents; a number is taken as well.
    #[serde(default, deserialize_with = "code")]
    pub code: String,
    /// The vendor's words.
    #[serde(default)]
    pub message: String,
}

impl Refusal {
    /// The fault for a whole call: who acts next, and when it can succeed.
    #[must_use]
    pub fn fault(&self, now_ms: u64) -> Fault {
        use FaultKind::*;
        let code = self.code.as_str();
        let (kind, action, wait_ms) = match code {
            "600" | "601" | "602" => (Auth, "Check the custom service's client id and secret.", None),
            "603" => (
                Scope,
                "Give the API user's role the permission in Marketo under Admin > Users & Roles, and its address to the IP allow-list.",
                None,
            ),
            "606" => (RateLimited, "", Some(20_000)),
            "607" => (Quota, "", Some(day::until_quota_reset(now_ms))),
            "615" => (RateLimited, "", Some(2_000)),
            "604" | "608" | "611" | "614" | "713" | "719" => (Transient, "", None),
            "616" => (Unsupported, "Ask Marketo which subscription has this interface.", None),
            "703" => (Unsupported, "Ask Marketo to enable the feature for the subscription.", None),
            "1016" | "1019" => (RateLimited, "", Some(60_000)),
            "1029" => return self.export_limit(now_ms),
            "1035" => (Unsupported, "Ask Marketo to enable this export filter for the subscription.", None),
            "1006" => {
                let action = "Choose fields that the instance has; discover shows them.";
                return self.with(Config, action, None).field("fields");
            }
            // Bad JSON, wrong method, wrong content type: what this connector sent.
            "605" | "609" | "612" | "613" => (Internal, "", None),
            // Everything else, known or not, fails the call: a loop would not help.
            _ => (Data, "Look the code up in Marketo's list of REST error codes.", None),
        };
        self.with(kind, action, wait_ms)
    }

    /// 1029 means three things that only its words tell apart. *Already queued* is no failure and is asked for with
    /// [`is_already_queued`](Self::is_already_queued) before this.
    fn export_limit(&self, now_ms: u64) -> Fault {
        if self.says("quota") {
            let action = "Wait, or ask Marketo for a larger daily export quota.";
            return self.with(FaultKind::Quota, action, Some(day::until_quota_reset(now_ms)));
        }
        self.with(FaultKind::RateLimited, "", Some(60_000))
    }

    /// An export was started before: the answer to a repeated start.
    #[must_use]
    pub fn is_already_queued(&self) -> bool {
        self.code == "1029" && self.says("already")
    }

    /// The token was not taken: a new one may be.
    #[must_use]
    pub fn is_stale_token(&self) -> bool {
        matches!(self.code.as_str(), "601" | "602")
    }

    /// What the path names is not there (any more).
    #[must_use]
    pub fn is_unknown_resource(&self) -> bool {
        matches!(self.code.as_str(), "610" | "1013")
    }

    /// The interface is not there for this subscription: unknown, of another kind of subscription, not enabled, or the
    /// CRM's.
    #[must_use]
    pub fn is_not_served(&self) -> bool {
        matches!(self.code.as_str(), "610" | "616" | "703" | "1018")
    }

    /// A chain of pages cannot go on from this token.
    #[must_use]
    pub fn is_unknown_page(&self) -> bool {
        self.code.starts_with('1') && self.says("token")
    }

    fn says(&self, word: &str) -> bool {
        self.message.to_ascii_lowercase().contains(word)
    }

    fn with(&self, kind: FaultKind, action: &str, wait_ms: Option<u64>) -> Fault {
        let words: String = self.message.chars().take(MESSAGE_CHARS_MAX).collect();
        let fault = Fault::new(kind, format!("marketo.{}", self.code), format!("Marketo: {words}")).action(action);
        match wait_ms {
            Some(wait) => fault.retry_after_ms(wait),
            None => fault,
        }
    }
}

fn code<'de, D: Deserializer<'de>>(reader: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Code {
        Text(String),
        Number(i64),
        Other(IgnoredAny),
    }
    Ok(match Code::deserialize(reader)? {
        Code::Text(text) => text,
        Code::Number(number) => number.to_string(),
        Code::Other(_) => "unknown".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-15T05:00:00Z, an hour before midnight in Chicago.
    const NOW: u64 = 1_768_453_200_000;

    fn fault(code: &str, message: &str) -> Fault {
        Refusal { code: code.into(), message: message.into() }.fault(NOW)
    }

    #[test]
    fn every_code_names_who_acts_next_and_when() {
        use FaultKind::*;
        let cases = [
            ("601", Auth, None),
            ("602", Auth, None),
            ("603", Scope, None),
            ("604", Transient, None),
            ("605", Internal, None),
            ("606", RateLimited, Some(20_000)),
            ("607", Quota, Some(3_600_000)),
            ("608", Transient, None),
            ("609", Internal, None),
            ("610", Data, None),
            ("611", Transient, None),
            ("614", Transient, None),
            ("615", RateLimited, Some(2_000)),
            ("616", Unsupported, None),
            ("703", Unsupported, None),
            ("713", Transient, None),
            ("719", Transient, None),
            ("1003", Data, None),
            ("1006", Config, None),
            ("1035", Unsupported, None),
            ("699", Data, None),
            ("799", Data, None),
        ];
        for (code, kind, wait) in cases {
            let fault = fault(code, "words");
            assert_eq!((fault.kind, fault.retry_after_ms), (kind, wait), "{code}");
            assert_eq!(fault.code, format!("marketo.{code}"));
            assert_eq!(fault.message, "Marketo: words");
        }
    }

    #[test]
    fn the_three_meanings_of_1029() {
        let full = fault("1029", "Too many jobs (10) in queue");
        assert_eq!((full.kind, full.retry_after_ms), (FaultKind::RateLimited, Some(60_000)));
        let spent = fault("1029", "Export daily quota 500MB exceeded.");
        assert_eq!((spent.kind, spent.retry_after_ms), (FaultKind::Quota, Some(3_600_000)));
        let queued = Refusal { code: "1029".into(), message: "Job already queued".into() };
        assert!(queued.is_already_queued());
        assert!(!Refusal { message: "Too many jobs in queue".into(), ..queued }.is_already_queued());
    }

    #[test]
    fn a_code_may_be_a_number() {
        let read = |json| serde_json::from_str::<Refusal>(json).unwrap().code;
        assert_eq!(read(r#"{"code":606,"message":"m"}"#), "606");
        assert_eq!(read(r#"{"code":"606","message":"m"}"#), "606");
        assert_eq!(read(r#"{"code":null,"message":"m"}"#), "unknown");
    }

    #[test]
    fn long_words_are_cut() {
        assert_eq!(fault("1003", &"x".repeat(9_000)).message.len(), "Marketo: ".len() + MESSAGE_CHARS_MAX);
    }
}
