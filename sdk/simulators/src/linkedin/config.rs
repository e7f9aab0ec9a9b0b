//! What a simulated LinkedIn is like.

use std::time::Duration;

use jiff::Timestamp;

/// One ad account and the member who opened it to an app. Defaults are the vendor's own figures where it publishes one.
#[derive(Debug, Clone)]
pub struct LinkedInConfig {
    /// Port on 127.0.0.1; 0 takes a free one. The API and the login, two hosts at the vendor, share it.
    pub port: u16,
    /// The time when it starts; it runs on from there. `None` reads the machine's clock.
    pub now: Option<Timestamp>,
    /// The number in `urn:li:sponsoredAccount:…`.
    pub account: u64,
    /// What the member may do in the account.
    pub role: Role,
    /// What the member granted the app.
    pub scopes: Vec<String>,
    /// The platform name the vendor gave to the app; segments of another are refused.
    pub source_platform: String,
    /// Id of the only app.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
    /// The refresh token that the member's consent brought.
    pub refresh_token: String,
    /// Whether the member who is asked consents, at once.
    pub consents: bool,
    /// Whether a refresh answers another refresh token, and the one used is dead from then on. The vendor's own answers the same one.
    pub rotates: bool,
    /// Life of an access token: 60 days at the vendor.
    pub token_life: Duration,
    /// What is left of the refresh token's year. Refreshing does not prolong it.
    pub refresh_life: Duration,
    /// `YYYYMM`: versions from the first to the second are served, all others answer 426.
    pub versions: (u32, u32),
    /// Members sent to a segment younger than this are answered 201 and lost.
    pub settles: Duration,
    /// A new segment is not found by the list of segments for so long.
    pub lookup_lag: Duration,
    /// A new segment builds for so long: up to 48 hours at the vendor.
    pub builds: Duration,
    /// A segment that changed updates for so long.
    pub updates: Duration,
    /// What happens to a second segment with the `sourceSegmentId` and type of another.
    pub duplicates: Duplicates,
    /// Of a hundred members sent, so many are found.
    pub matched_percent: u64,
    /// Call limits.
    pub limits: Limits,
}

/// A member's role in the ad account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// May manage audiences.
    CampaignManager,
    /// May look, and neither see nor manage audiences.
    Viewer,
}

/// What happens to a second segment of one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// 409.
    Refused,
    /// There are two then.
    Made,
}

/// Call limits of a member, and how much one call may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Calls to `users` in a minute.
    pub users_per_minute: u32,
    /// Calls to `companies` in a minute.
    pub companies_per_minute: u32,
    /// All calls of a day that ends at 00:00 UTC. The vendor publishes no figure.
    pub daily: u64,
    /// People in one call.
    pub users_per_call: usize,
    /// Companies in one call. The vendor publishes no figure; clients in the field say 1,000 or 5,000.
    pub companies_per_call: usize,
}

impl Limits {
    /// The published figures, and the smaller one where clients disagree.
    pub const VENDOR: Self = Self {
        users_per_minute: 600,
        companies_per_minute: 300,
        daily: 100_000,
        users_per_call: 5_000,
        companies_per_call: 1_000,
    };
}

impl Default for LinkedInConfig {
    fn default() -> Self {
        Self {
            port: 0,
            now: None,
            account: 512_345_678,
            role: Role::CampaignManager,
            scopes: ["rw_dmp_segments", "r_ads"].map(str::to_owned).to_vec(),
            source_platform: "ATTIVA".to_owned(),
            client_id: "86vhj2q7ukf83a".to_owned(),
            client_secret: "WPL.1kGv4zQmJr2oTn5x".to_owned(),
            refresh_token: "AQWAft_WjYZKwuWXLC5hQlghgTam-tuT8CvFej9".to_owned(),
            consents: true,
            rotates: false,
            token_life: Duration::from_secs(60 * 86_400),
            refresh_life: Duration::from_secs(365 * 86_400),
            versions: (202_601, 202_611),
            settles: Duration::from_secs(5),
            lookup_lag: Duration::ZERO,
            builds: Duration::from_secs(48 * 3_600),
            updates: Duration::from_secs(600),
            duplicates: Duplicates::Refused,
            matched_percent: 60,
            limits: Limits::VENDOR,
        }
    }
}
