//! What a connection's plugin may call: deny by default. Computed from the specification's origins, the connection's
//! configuration and an operator's grants.

use crate::connection::{Grant, Scheme};
use attiva_core::spec::{self, Access, EgressRule, Learnt, Origin, Spec};
use attiva_core::{Fault, FaultKind};
use std::net::IpAddr;
use std::sync::Arc;

/// Where an origin of a connection really is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub scheme: Scheme,
    /// Lower case; a name or an address.
    pub host: String,
    pub port: u16,
    /// Empty: any public address. Else only these, public or not.
    pub addresses: Vec<IpAddr>,
}

impl Endpoint {
    /// What stands in `Host`: the port only where it is not the scheme's own.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == self.scheme.default_port() { host } else { format!("{host}:{}", self.port) }
    }

    /// Why an address may not be dialled for this endpoint; `None` if it may.
    #[must_use]
    pub fn refuses(&self, address: IpAddr) -> Option<String> {
        if self.addresses.is_empty() {
            return super::address::special(address).map(|why| format!("{address} is not public: {why}"));
        }
        let plain = address.to_canonical();
        let granted = self.addresses.iter().any(|granted| granted.to_canonical() == plain);
        (!granted).then(|| format!("{address} is not among the addresses granted"))
    }
}

/// Whether a call may change something at the vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Checks, discovery and dry runs.
    ReadOnly,
    ReadWrite,
}

/// The policy of one connection.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) spec: Arc<Spec>,
    pub(crate) configuration: Arc<serde_json::Value>,
    pub(crate) grants: Arc<[Grant]>,
    /// The only domains that the host reaches for any plugin, whatever it declares; `None`: those that are declared.
    /// An operator's grant names an endpoint of its own.
    pub(crate) domains: Option<Arc<[String]>>,
}

impl Policy {
    /// Whether such a request may go out at all.
    ///
    /// # Errors
    /// `egress.origin`, `egress.rule`, `egress.credential`, `egress.write`, each kind `internal`: the connector asks
    /// for what its specification does not declare, or writes where it may only read.
    pub(crate) fn permit(&self, ask: &Ask<'_>, mode: Mode) -> Result<(), Fault> {
        let origin = self.origin(ask.origin)?;
        let path = ask.path.split_once('?').map_or(ask.path, |(path, _)| path);
        let reached = |rule: &&EgressRule| {
            // A rule that names a query is about one function of a path: `?_method=GET` reads where `?_method=DELETE` writes.
            let asked = if rule.path.contains('?') { ask.path } else { path };
            rule.methods.iter().any(|m| m == ask.method) && covers(&rule.path, asked)
        };
        let by_path: Vec<&EgressRule> = origin.rules.iter().filter(reached).collect();
        if by_path.is_empty() {
            let what = format!("no rule of the origin {} allows {} {path}", ask.origin, ask.method);
            return Err(denied("egress.rule", what));
        }
        let carries = |rule: &&EgressRule| ask.credential.is_none() || rule.credential.as_deref() == ask.credential;
        let candidates: Vec<&EgressRule> = by_path.into_iter().filter(carries).collect();
        // The closest rule decides; where two are as close, the one that writes.
        let closest = candidates.iter().max_by_key(|rule| (rule.path.len(), rule.access == Access::Write));
        let Some(rule) = closest else {
            let name = ask.credential.unwrap_or_default();
            let what =
                format!("the credential {name} may not go to {} {path} of the origin {}", ask.method, ask.origin);
            return Err(denied("egress.credential", what));
        };
        if mode == Mode::ReadOnly && rule.access == Access::Write {
            let what = format!("{} {path} writes, and this call may only read", ask.method);
            return Err(denied("egress.write", what));
        }
        Ok(())
    }

    /// Where an origin is: an operator's grant, or else the specification's template. One that is learnt has no
    /// template: see [`Policy::unlearnt`].
    ///
    /// # Errors
    /// `egress.origin`; `egress.endpoint`, kind `config` and naming the key, where the configuration makes no host
    /// inside the declared domains.
    pub(crate) fn endpoint(&self, name: &str) -> Result<Endpoint, Fault> {
        let origin = self.origin(name)?;
        if let Some(grant) = self.grants.iter().find(|grant| grant.origin == name) {
            return Ok(grant.endpoint());
        }
        for key in placeholders(&origin.url) {
            let value = spec::fill(&format!("{{{key}}}"), &self.configuration);
            let several = origin.several_labels.iter().any(|name| name == key);
            let fits = |value: &str| if several { value.split('.').all(is_label) } else { is_label(value) };
            if !value.as_deref().is_ok_and(fits) {
                let labels = if several { "DNS labels" } else { "one DNS label" };
                let what = format!("`{key}` must be {labels}: letters, digits and dashes");
                return Err(Fault::new(FaultKind::Config, "egress.endpoint", what)
                    .field(key)
                    .action("Correct the connection's configuration."));
            }
        }
        let url = spec::fill(&origin.url, &self.configuration)
            .map_err(|e| Fault::new(FaultKind::Config, "egress.endpoint", e.to_string()))?;
        self.within(origin, &url)
    }

    /// What has to be learnt before it is known where an origin is; `None`: the configuration or a grant says it.
    ///
    /// # Errors
    /// `egress.origin`.
    pub(crate) fn unlearnt(&self, name: &str) -> Result<Option<&Learnt>, Fault> {
        let granted = self.grants.iter().any(|grant| grant.origin == name);
        let learnt = self.origin(name)?.learnt.as_ref();
        Ok(learnt.filter(|_| !granted))
    }

    /// Where an origin is whose URL was learnt: held to the same rules as one that was written.
    ///
    /// # Errors
    /// `egress.origin`, `egress.endpoint`.
    pub(crate) fn learnt_endpoint(&self, name: &str, url: &str) -> Result<Endpoint, Fault> {
        self.within(self.origin(name)?, url.strip_suffix('/').unwrap_or(url))
    }

    fn within(&self, origin: &Origin, url: &str) -> Result<Endpoint, Fault> {
        let endpoint = parse_url(url).ok_or_else(|| {
            Fault::new(FaultKind::Config, "egress.endpoint", format!("{url} is not an https scheme, host and port"))
        })?;
        let inside = |domain: &String| {
            let domain = domain.to_ascii_lowercase();
            endpoint.host == domain || endpoint.host.ends_with(&format!(".{domain}"))
        };
        if self.domains.as_ref().is_some_and(|domains| !domains.iter().any(inside)) {
            let what = format!("{} is in no domain that this host reaches for plugins", endpoint.host);
            return Err(Fault::new(FaultKind::Config, "egress.domain", what)
                .action("Add its domain to `egress.domains`, or have an operator grant the endpoint."));
        }
        if !origin.domains.iter().any(inside) {
            let what = format!("{} is outside the domains the connector declares", endpoint.host);
            return Err(Fault::new(FaultKind::Config, "egress.endpoint", what)
                .action("Correct the connection's configuration, or have an operator grant another endpoint."));
        }
        Ok(endpoint)
    }

    fn origin(&self, name: &str) -> Result<&Origin, Fault> {
        let found = self.spec.origins.iter().find(|origin| origin.name == name);
        found.ok_or_else(|| denied("egress.origin", format!("the specification declares no origin `{name}`")))
    }
}

/// What a rule is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask<'a> {
    pub(crate) origin: &'a str,
    pub(crate) method: &'a str,
    /// With the query.
    pub(crate) path: &'a str,
    pub(crate) credential: Option<&'a str>,
}

/// Whether a rule's path covers a request's, on the wire and for a server that resolves dots before it looks.
fn covers(prefix: &str, path: &str) -> bool {
    path.starts_with(prefix) && (prefix == "/" || !climbs(path))
}

/// Whether some server could read `.` or `..` segments out of a path: percent-encoded, twice, or behind a backslash.
fn climbs(path: &str) -> bool {
    let mut seen = path.as_bytes().to_vec();
    for _ in 0..3 {
        let dots = |segment: &[u8]| segment == b"." || segment == b".." || segment.starts_with(b"..;");
        if seen.split(|b| *b == b'/' || *b == b'\\').any(dots) {
            return true;
        }
        let decoded = percent_decoded(&seen);
        if decoded == seen {
            return false;
        }
        seen = decoded;
    }
    // Encoded more than three times: nobody means well.
    true
}

fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, tail)) = rest.split_first() {
        let pair = tail.get(..2).filter(|_| first == b'%');
        let byte = pair.and_then(|p| std::str::from_utf8(p).ok()).and_then(|p| u8::from_str_radix(p, 16).ok());
        rest = if byte.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
        decoded.push(byte.unwrap_or(first));
    }
    decoded
}

/// The names of a template's placeholders.
pub(crate) fn placeholders(template: &str) -> impl Iterator<Item = &str> {
    template.split('{').skip(1).filter_map(|part| part.split_once('}').map(|(name, _)| name))
}

/// A template with a label in place of each placeholder, to see whether it can ever be a URL.
pub(crate) fn with_labels(template: &str) -> String {
    let mut filled = String::new();
    for (i, part) in template.split('{').enumerate() {
        match part.split_once('}') {
            Some((_, rest)) if i > 0 => {
                filled.push('x');
                filled.push_str(rest);
            }
            _ => filled.push_str(part),
        }
    }
    filled
}

pub(crate) fn is_label(text: &str) -> bool {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    (1..=63).contains(&text.len()) && plain && !text.starts_with('-') && !text.ends_with('-')
}

/// Reads `https://host[:port]` and nothing more: a specification's origin is always https and always a name.
pub(crate) fn parse_url(url: &str) -> Option<Endpoint> {
    let rest = url.strip_prefix("https://")?;
    let (host, port) = match rest.split_once(':') {
        Some((host, port)) => (host, port.parse().ok().filter(|p| *p != 0)?),
        None => (rest, Scheme::Https.default_port()),
    };
    let host = host.to_ascii_lowercase();
    let named = host.len() <= 253 && host.split('.').all(is_label) && host.contains('.');
    let numeric = host.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    (named && !numeric).then_some(Endpoint { scheme: Scheme::Https, host, port, addresses: Vec::new() })
}

pub(crate) fn denied(code: &str, message: impl Into<String>) -> Fault {
    Fault::new(FaultKind::Internal, code, message)
        .action("The connector must declare what it calls; report this to its publisher.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn policy(configuration: serde_json::Value, grants: Vec<Grant>) -> Policy {
        let spec = json!({
            "name": "x", "version": "0.1.0", "publisher": "p", "title": "X", "state_version": 1,
            "configuration": {"type": "object", "properties": {"id": {"type": "string"}}},
            "credentials": [{"name": "token", "method": "oauth2-client-credentials", "origin": "api", "path": "/identity/token",
                             "client_id": "i", "client_secret": "s"}],
            "origins": [{"name": "api", "url": "https://{id}.example.com", "domains": ["Example.com"], "rules": [
                {"methods": ["GET"], "path": "/rest/", "access": "read", "credential": "token"},
                {"methods": ["POST"], "path": "/rest/leads", "access": "write", "credential": "token"},
                {"methods": ["POST"], "path": "/rest/leads/search", "access": "read", "credential": "token"},
                {"methods": ["GET"], "path": "/public", "access": "read"},
                {"methods": ["POST"], "path": "/query?_method=GET", "access": "read"}
            ]}, {"name": "files", "url": "https://files.example.com", "domains": ["example.com"], "rules": [
                {"methods": ["PUT"], "path": "/", "access": "write"}
            ]}],
            "instance": {"system": "X", "id": "{id}"}
        });
        Policy {
            spec: Arc::new(Spec::parse(&spec.to_string()).unwrap()),
            configuration: Arc::new(configuration),
            grants: grants.into(),
            domains: None,
        }
    }

    fn learning() -> Policy {
        let mut policy = policy(json!({"id": "acme--uat.sandbox"}), vec![]);
        let mut spec = (*policy.spec).clone();
        spec.origins[0].several_labels = vec!["id".into()];
        let learnt = Learnt { credential: "token".into(), pointer: "/url".into(), segment: None };
        spec.origins[1] = Origin { url: String::new(), learnt: Some(learnt), ..spec.origins[1].clone() };
        policy.spec = Arc::new(spec);
        policy
    }

    #[test]
    fn a_learnt_url_is_held_to_the_declared_domains() {
        let policy = learning();
        assert!(policy.unlearnt("files").unwrap().is_some());
        assert!(policy.unlearnt("api").unwrap().is_none());
        assert!(policy.endpoint("files").is_err());
        assert_eq!(policy.learnt_endpoint("files", "https://eu1.example.com/").unwrap().host, "eu1.example.com");
        for url in [
            "https://example.com.evil.test",
            "http://eu1.example.com",
            "https://a@eu1.example.com",
            "https://eu1.example.com/path",
            "https://127.0.0.1",
            "https://eu1.example.com:0",
            "",
        ] {
            let fault = policy.learnt_endpoint("files", url).unwrap_err();
            assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Config, "egress.endpoint"), "{url}");
        }
        let granted = Grant {
            origin: "files".into(),
            scheme: Scheme::Http,
            host: "127.0.0.1".into(),
            port: 9,
            addresses: vec![],
        };
        let policy = Policy { grants: vec![granted].into(), ..policy };
        assert!(policy.unlearnt("files").unwrap().is_none());
        assert_eq!(policy.endpoint("files").unwrap().port, 9);
    }

    /// What was approved of a plugin is one bound, what the host reaches at all is another.
    #[test]
    fn the_host_has_the_last_word_on_domains() {
        let with = |domains: &[&str]| Policy {
            domains: Some(domains.iter().map(|domain| (*domain).to_owned()).collect()),
            ..policy(json!({"id": "a1"}), vec![])
        };
        for domains in [&["example.com"][..], &["other.test", "EXAMPLE.com"], &["a1.example.com"]] {
            assert_eq!(with(domains).endpoint("api").unwrap().host, "a1.example.com", "{domains:?}");
        }
        for domains in [&[][..], &["other.test"], &["ample.com"], &["b.example.com"], &["com.evil"]] {
            let fault = with(domains).endpoint("api").unwrap_err();
            assert_eq!((fault.kind, fault.code.as_str()), (FaultKind::Config, "egress.domain"), "{domains:?}");
        }
        let mut learning = learning();
        learning.domains = Some(Arc::new(["other.test".to_owned()]));
        assert_eq!(learning.learnt_endpoint("files", "https://eu1.example.com").unwrap_err().code, "egress.domain");
        let (origin, host) = ("api".to_owned(), "10.0.0.7".to_owned());
        let granted = Grant { origin, scheme: Scheme::Http, host, port: 9, addresses: vec![] };
        let policy = Policy { grants: vec![granted].into(), ..with(&["other.test"]) };
        assert_eq!(policy.endpoint("api").unwrap().host, "10.0.0.7", "a grant is an operator's as well");
    }

    #[test]
    fn several_labels_are_taken_where_they_are_declared() {
        assert_eq!(learning().endpoint("api").unwrap().host, "acme--uat.sandbox.example.com");
        assert!(policy(json!({"id": "acme--uat.sandbox"}), vec![]).endpoint("api").is_err());
        let mut policy = learning();
        for id in ["a..b", ".a", "a.", "a.b@c", "a.b/c"] {
            policy.configuration = Arc::new(json!({"id": id}));
            assert!(policy.endpoint("api").is_err(), "{id}");
        }
    }

    #[test]
    fn rules_decide_by_method_path_credential_and_mode() {
        use Mode::{ReadOnly, ReadWrite};
        let policy = policy(json!({"id": "a"}), vec![]);
        let cases = [
            ("api", "GET", "/rest/leads.json?x=/../", Some("token"), ReadOnly, None),
            ("api", "GET", "/rest/leads.json", None, ReadOnly, None),
            ("api", "POST", "/rest/leads", Some("token"), ReadWrite, None),
            ("api", "POST", "/rest/leads", Some("token"), ReadOnly, Some("egress.write")),
            ("api", "POST", "/rest/leads/search", Some("token"), ReadOnly, None),
            ("api", "DELETE", "/rest/leads", Some("token"), ReadWrite, Some("egress.rule")),
            ("api", "get", "/rest/leads", Some("token"), ReadWrite, Some("egress.rule")),
            ("api", "GET", "/identity/token", None, ReadWrite, Some("egress.rule")),
            ("api", "POST", "/query?_method=GET", None, ReadOnly, None),
            ("api", "POST", "/query?_method=DELETE", None, ReadWrite, Some("egress.rule")),
            ("api", "POST", "/query", None, ReadWrite, Some("egress.rule")),
            ("api", "GET", "/rest", None, ReadWrite, Some("egress.rule")),
            ("api", "GET", "/rest/../identity/token", None, ReadWrite, Some("egress.rule")),
            ("api", "GET", "/rest/%2e%2e/identity/token", None, ReadWrite, Some("egress.rule")),
            ("api", "GET", "/rest/%252E%252e/identity/token", None, ReadWrite, Some("egress.rule")),
            ("api", "GET", "/rest/..%2fidentity/token", None, ReadWrite, Some("egress.rule")),
            ("api", "GET", "/rest/..%5cidentity/token", None, ReadWrite, Some("egress.rule")),
            ("api", "GET", "/rest/..;/identity/token", None, ReadWrite, Some("egress.rule")),
            ("api", "GET", "/rest/a%2Fb..json", None, ReadWrite, None),
            ("api", "GET", "/public", Some("token"), ReadWrite, Some("egress.credential")),
            ("api", "GET", "/rest/x", Some("other"), ReadWrite, Some("egress.credential")),
            ("files", "PUT", "/a//../b", None, ReadWrite, None),
            ("nowhere", "GET", "/", None, ReadWrite, Some("egress.origin")),
        ];
        for (origin, method, path, credential, mode, expected) in cases {
            let ask = Ask { origin, method, path, credential };
            let code = policy.permit(&ask, mode).err().map(|fault| fault.code);
            assert_eq!(code.as_deref(), expected, "{ask:?} {mode:?}");
        }
    }

    #[test]
    fn an_endpoint_stays_inside_the_declared_domains() {
        let good = policy(json!({"id": "123-ABC-456"}), vec![]).endpoint("api").unwrap();
        assert_eq!((good.host.as_str(), good.port), ("123-abc-456.example.com", 443));
        assert_eq!(good.authority(), "123-abc-456.example.com");
        for bad in ["", "a.b", "evil.com/", "evil.com#", "a@b", "-a", "a-", "a:1", "a\r\n", "é", &"a".repeat(64)] {
            let fault = policy(json!({"id": bad}), vec![]).endpoint("api").unwrap_err();
            assert_eq!((fault.kind, fault.field.as_deref()), (FaultKind::Config, Some("id")), "{bad}");
        }
        let missing = policy(json!({}), vec![]).endpoint("api").unwrap_err();
        assert_eq!(missing.field.as_deref(), Some("id"));
    }

    /// A bucket with dots is no label, which concerns nobody who does not put it into a host name.
    #[test]
    fn an_origin_is_only_looked_for_when_it_is_called() {
        let spec = json!({
            "name": "x", "version": "0.1.0", "publisher": "p", "title": "X", "state_version": 1,
            "configuration": {"type": "object", "properties": {"bucket": {"type": "string"}, "region": {"type": "string"}}},
            "origins": [{"name": "virtual", "url": "https://{bucket}.s3.{region}.example.com", "domains": ["example.com"], "rules": [
                {"methods": ["GET"], "path": "/", "access": "read"}
            ]}, {"name": "path", "url": "https://s3.{region}.example.com", "domains": ["example.com"], "rules": [
                {"methods": ["GET"], "path": "/", "access": "read"}
            ]}],
            "instance": {"system": "S3", "id": "{bucket}"}
        });
        let policy = Policy {
            spec: Arc::new(Spec::parse(&spec.to_string()).unwrap()),
            configuration: Arc::new(json!({"bucket": "audiences.example.com", "region": "eu-central-1"})),
            grants: Arc::new([]),
            domains: None,
        };
        let ask = Ask { origin: "path", method: "GET", path: "/audiences.example.com/key", credential: None };
        assert_eq!(policy.permit(&ask, Mode::ReadOnly), Ok(()));
        assert_eq!(policy.endpoint("path").unwrap().host, "s3.eu-central-1.example.com");
        let fault = policy.endpoint("virtual").unwrap_err();
        assert_eq!((fault.kind, fault.field.as_deref()), (FaultKind::Config, Some("bucket")));
        assert!(fault.message.contains("`bucket` must be one DNS label"), "{}", fault.message);
    }

    #[test]
    fn a_url_is_https_a_name_and_a_port() {
        let endpoint = parse_url("https://API.example.com:8443").unwrap();
        assert_eq!(endpoint.authority(), "api.example.com:8443");
        for bad in [
            "http://a.example.com",
            "https://a.example.com/",
            "https://a@b.example.com",
            "https://127.0.0.1",
            "https://[::1]",
            "https://localhost",
            "https://a.example.com:0",
            "https://a.example.com:99999",
            "https://0x7f.1",
            "https://a..b",
            "https://a.example.com?x",
            "https://",
        ] {
            assert_eq!(parse_url(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_grant_moves_an_origin_and_names_its_addresses() {
        let grant = Grant {
            origin: "api".into(),
            scheme: Scheme::Http,
            host: "127.0.0.1".into(),
            port: 9000,
            addresses: vec!["127.0.0.1".parse().unwrap()],
        };
        let policy = policy(json!({}), vec![grant.clone()]);
        assert_eq!(grant.validate(&policy.spec), Ok(()));
        for (wrong, path) in [
            (Grant { origin: "nowhere".into(), ..grant.clone() }, "/origin"),
            (Grant { host: "a b".into(), ..grant.clone() }, "/host"),
            (Grant { host: String::new(), ..grant.clone() }, "/host"),
            (Grant { port: 0, ..grant }, "/port"),
        ] {
            assert_eq!(wrong.validate(&policy.spec).unwrap_err().path, path);
        }
        let endpoint = policy.endpoint("api").unwrap();
        assert_eq!(endpoint.authority(), "127.0.0.1:9000");
        assert_eq!(endpoint.refuses("127.0.0.1".parse().unwrap()), None);
        assert_eq!(endpoint.refuses("::ffff:127.0.0.1".parse().unwrap()), None);
        assert!(endpoint.refuses("127.0.0.2".parse().unwrap()).is_some());
        assert!(endpoint.refuses("8.8.8.8".parse().unwrap()).is_some());
        let public = Endpoint { addresses: vec![], ..endpoint };
        assert_eq!(public.refuses("8.8.8.8".parse().unwrap()), None);
        assert!(public.refuses("127.0.0.1".parse().unwrap()).is_some());
    }
}
