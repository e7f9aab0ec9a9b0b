//! What a simulated instance is like.

use std::time::Duration;

use jiff::Timestamp;

/// A Marketo Engage subscription. Every default is the vendor's own figure, save where the vendor's would only slow a test down.
#[derive(Debug, Clone)]
pub struct MarketoConfig {
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Number of leads that exist at the start, with ids 1 to `leads`.
    pub leads: u64,
    /// Same seed, leads, start and history: same data, to the byte.
    pub seed: u64,
    /// The instance's time when it starts; it runs on from there. `None` reads the machine's clock.
    pub now: Option<Timestamp>,
    /// The seeded leads were created evenly over this many days before `now`.
    pub history_days: u32,
    /// Sprinkle commas, quotes, line breaks, other scripts, the text `null` and long texts over the values.
    pub awkward: bool,
    /// Every n-th lead or so has the e-mail address of the lead before it; 0 for none. Marketo does not keep addresses unique.
    pub shared_email_every: u64,
    /// Every n-th lead or so has no e-mail address; 0 for none.
    pub missing_email_every: u64,
    /// Client id of the only custom service.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// Life of a new token.
    pub token_life: Duration,
    /// Call limits shared by everyone who uses the subscription.
    pub limits: Limits,
    /// A bulk job's status moves on once in this time. The vendor takes 60 seconds.
    pub status_interval: Duration,
    /// Bytes of bulk files a day, after which create and enqueue answer 1029.
    pub export_bytes_per_day: u64,
    /// Whether bulk jobs may filter by `updatedAt`; many subscriptions may not and answer 1035.
    pub updated_at_filter: bool,
    /// A native CRM sync is on: companies and opportunities are the CRM's, cannot be written here (1018), and roles of
    /// opportunities are not served at all.
    pub native_crm: bool,
    /// How a cancelled job's status is spelled.
    pub cancel_spelling: CancelSpelling,
}

/// Call limits of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Calls in any 20 seconds, then 606.
    pub per_20_s: u32,
    /// Calls at one time, then 615.
    pub concurrent: u32,
    /// Calls a day, then 607.
    pub daily: u64,
}

impl Limits {
    /// The figures of an ordinary subscription.
    pub const VENDOR: Self = Self { per_20_s: 100, concurrent: 10, daily: 50_000 };
    /// No limit at all.
    pub const OFF: Self = Self { per_20_s: u32::MAX, concurrent: u32::MAX, daily: u64::MAX };
}

/// The service writes `Cancelled`, the documentation `Canceled`; clients must know both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum CancelSpelling {
    /// As the service writes it.
    #[default]
    Cancelled,
    /// As the documentation writes it.
    Canceled,
}

impl CancelSpelling {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Cancelled => "Cancelled",
            Self::Canceled => "Canceled",
        }
    }
}

impl Default for MarketoConfig {
    fn default() -> Self {
        Self {
            port: 0,
            leads: 1_000,
            seed: 1,
            now: None,
            history_days: 60,
            awkward: true,
            shared_email_every: 500,
            missing_email_every: 200,
            client_id: "b417d98f-9289-47d1-a61f-db141bf0267f".to_owned(),
            client_secret: "0DipOvz4h2wP1ANeVjlfwMvECJpo0ZYc".to_owned(),
            token_life: Duration::from_secs(3_600),
            limits: Limits::VENDOR,
            status_interval: Duration::from_millis(200),
            export_bytes_per_day: 500 * 1024 * 1024,
            updated_at_filter: true,
            native_crm: false,
            cancel_spelling: CancelSpelling::default(),
        }
    }
}
