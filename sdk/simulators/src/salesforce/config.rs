//! What a simulated org is like.

use jiff::Timestamp;

/// A Salesforce org. Every default is the vendor's own figure, save where the vendor's would only slow a test down.
#[derive(Debug, Clone)]
pub struct SalesforceConfig {
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Number of people in the world; the org knows about two in three of them, as leads or contacts. A Marketo of the
    /// same seed with as many leads holds the same people, with this org's ids.
    pub people: u64,
    /// Same seed, people, start and history: same data.
    pub seed: u64,
    /// The org's time when it starts; it runs on from there. `None` reads the machine's clock.
    pub now: Option<Timestamp>,
    /// The records were created evenly over this many days before `now`.
    pub history_days: u32,
    /// Sprinkle commas, quotes, line breaks and other scripts over the values.
    pub awkward: bool,
    /// The organisation's id.
    pub organization_id: String,
    /// Consumer key and secret of the only app.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// The user that assertions may be for.
    pub username: String,
    /// Public key of the app's certificate: DER of PKCS#1. `None`: assertions are refused.
    pub public_key: Option<Vec<u8>>,
    /// Answer as `login.salesforce.com` does, where client credentials are not taken.
    pub is_login_host: bool,
    /// Calls in 24 hours, then REQUEST_LIMIT_EXCEEDED.
    pub daily_calls: u64,
    /// Records of a page of a query at most, whatever a client asks for: wide rows make smaller pages.
    pub page_records: usize,
    /// Records of a page of bulk results at most.
    pub results_records: usize,
    /// How often a job is looked at before it is complete.
    pub job_polls: u32,
    /// Objects that the user may not see, or the org does not have.
    pub hidden_objects: Vec<String>,
    /// Objects that take no query jobs.
    pub no_bulk: Vec<String>,
    /// Fields that the user may not see, as `Object.Field`.
    pub hidden_fields: Vec<String>,
}

impl Default for SalesforceConfig {
    fn default() -> Self {
        Self {
            port: 0,
            people: 1_000,
            seed: 1,
            now: None,
            history_days: 60,
            awkward: true,
            organization_id: "00D5g000004WXYZEA4".to_owned(),
            client_id: "3MVG9attiva.simulated.consumer.key".to_owned(),
            client_secret: "71A2F0C3D4E5B6978812A3B4C5D6E7F8".to_owned(),
            username: "integration@acme.example".to_owned(),
            public_key: None,
            is_login_host: false,
            daily_calls: 100_000,
            page_records: 2_000,
            results_records: 50_000,
            job_polls: 2,
            hidden_objects: Vec::new(),
            no_bulk: Vec::new(),
            hidden_fields: Vec::new(),
        }
    }
}
