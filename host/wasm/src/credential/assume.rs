//! Roles of AWS's Security Token Service: keys of a person or a machine bring others that last for an hour, and these
//! sign. One exchange at a time for each role; what it brought is used until shortly before its end.

use super::{Signable, sigv4};
use crate::egress::body;
use crate::egress::policy::Endpoint;
use crate::egress::redact::{Redactor, percent_encoded};
use crate::egress::transport::Transport;
use attiva_core::time::parse_timestamp;
use attiva_core::{Fault, FaultKind};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use http_body_util::Full;
use quick_xml::Reader;
use quick_xml::events::Event;
use ring::digest;
use secrecy::{ExposeSecret, SecretString};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::time::Instant;
use zeroize::Zeroize;

const ANSWER_BYTES_MAX: u64 = 64 << 10;
const LIFE_SECONDS: u32 = 3_600;
/// Keys are not used in their last minutes: a large file takes some.
const MARGIN_SECONDS: i64 = 300;

/// A role, and where it is assumed.
pub(super) struct Role {
    pub(super) endpoint: Endpoint,
    pub(super) arn: String,
    pub(super) external_id: Option<String>,
}

/// The roles that are assumed now.
#[derive(Default)]
pub(super) struct Assumed {
    slots: Mutex<HashMap<[u8; 32], Arc<tokio::sync::Mutex<Option<Keys>>>>>,
}

#[derive(Clone)]
struct Keys {
    access_key_id: SecretString,
    secret_access_key: SecretString,
    session_token: SecretString,
    /// Seconds since 1970.
    ends: i64,
}

impl Assumed {
    /// A signer with the role's keys, for whatever `own` was to sign.
    ///
    /// # Errors
    /// `auth.role` (kind auth): the service does not give the role to these keys. `auth.identity`: it is in trouble.
    pub(super) async fn signer(
        &self,
        role: &Role,
        own: sigv4::Signer,
        transport: &Transport,
        deadline: Instant,
    ) -> Result<sigv4::Signer, Fault> {
        let slot = {
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            slots.entry(role.key(&own)).or_default().clone()
        };
        let busy = || trouble("it takes too long".into());
        let mut slot = tokio::time::timeout_at(deadline, slot.lock()).await.map_err(|_| busy())?;
        let fresh = slot.as_ref().filter(|keys| keys.ends - MARGIN_SECONDS > now_seconds()).cloned();
        let keys = match fresh {
            Some(keys) => keys,
            None => {
                let asked = tokio::time::timeout_at(deadline, role.assume(&own, transport)).await;
                slot.insert(asked.map_err(|_| busy())??).clone()
            }
        };
        let Keys { access_key_id, secret_access_key, session_token, .. } = keys;
        Ok(sigv4::Signer { access_key_id, secret_access_key, session_token: Some(session_token), ..own })
    }
}

impl Role {
    /// Where, which role, and with whose keys.
    fn key(&self, own: &sigv4::Signer) -> [u8; 32] {
        let mut context = digest::Context::new(&digest::SHA256);
        let authority = self.endpoint.authority();
        let session = own.session_token.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
        let (id, secret) = (own.access_key_id.expose_secret(), own.secret_access_key.expose_secret());
        let external_id = self.external_id.as_deref().unwrap_or_default();
        for part in [authority.as_str(), &own.region, &self.arn, external_id, id, secret, session] {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part.as_bytes());
        }
        let mut key = [0; 32];
        key.copy_from_slice(context.finish().as_ref());
        key
    }

    async fn assume(&self, own: &sigv4::Signer, transport: &Transport) -> Result<Keys, Fault> {
        let mut exchange = transport.send(&self.endpoint, self.request(own)?).await?;
        let status = exchange.response.status().as_u16();
        let read = body::read(exchange.response.body_mut(), ANSWER_BYTES_MAX).await;
        let mut answer = read.map_err(|e| trouble(format!("its answer could not be read: {e}")))?;
        transport.give_back(exchange);
        let mut said = texts(&answer);
        answer.zeroize();
        let mut take = |name: &str| said.remove(name).unwrap_or_default();
        match status {
            200 => {
                let ends = parse_timestamp(&take("Expiration")).map(|ms| ms / 1000);
                let (id, secret, token) = (take("AccessKeyId"), take("SecretAccessKey"), take("SessionToken"));
                match ends {
                    Some(ends) if !id.is_empty() && !secret.is_empty() && !token.is_empty() => Ok(Keys {
                        access_key_id: id.into(),
                        secret_access_key: secret.into(),
                        session_token: token.into(),
                        ends,
                    }),
                    _ => Err(trouble("its answer holds no keys".into())),
                }
            }
            400..=403 => {
                let mut redactor = Redactor::default();
                redactor.add(&own.secret_access_key);
                own.session_token.iter().for_each(|token| redactor.add(token));
                let said = redactor.clean_text(&format!("{} {}", take("Code"), take("Message")));
                let said: String = said.trim().chars().take(300).collect();
                Err(Fault::new(FaultKind::Auth, "auth.role", format!("the role {} is not given: {said}", self.arn))
                    .action("Let the role's trust policy name the access key's owner and the external id, and correct the connection's configuration."))
            }
            429 => Err(Fault::new(FaultKind::RateLimited, "auth.identity", "the token service wants fewer requests")),
            _ => Err(trouble(format!("it answered with status {status}"))),
        }
    }

    fn request(&self, own: &sigv4::Signer) -> Result<Request<Full<Bytes>>, Fault> {
        let external = self.external_id.iter().map(|id| format!("&ExternalId={}", percent_encoded(id)));
        let form = format!(
            "Action=AssumeRole&Version=2011-06-15&RoleSessionName=attiva&DurationSeconds={LIFE_SECONDS}&RoleArn={}{}",
            percent_encoded(&self.arn),
            external.collect::<String>()
        );
        let failed = |e: &dyn std::fmt::Display| {
            Fault::new(FaultKind::Internal, "auth.request", format!("no role request: {e}"))
        };
        let text = |value: &str| HeaderValue::from_str(value).map_err(|e| failed(&e));
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, text(&self.endpoint.authority())?);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(header::USER_AGENT, text(crate::capability::http::USER_AGENT)?);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(form.len()));
        let signer = sigv4::Signer {
            service: "sts".into(),
            region: own.region.clone(),
            access_key_id: own.access_key_id.clone(),
            secret_access_key: own.secret_access_key.clone(),
            session_token: own.session_token.clone(),
        };
        let base = format!("{}://{}", self.endpoint.scheme.as_str(), self.endpoint.authority());
        let mut path = "/".to_owned();
        let mut signable = Signable {
            method: &Method::POST,
            base: &base,
            path: &mut path,
            headers: &mut headers,
            body: form.as_bytes(),
        };
        #[expect(clippy::disallowed_methods, reason = "a signature carries the time it is sent")]
        let now = SystemTime::now();
        signer.sign(&mut signable, now)?;
        let mut request =
            Request::builder().method(Method::POST).uri("/").body(Full::from(form)).map_err(|e| failed(&e))?;
        *request.headers_mut() = headers;
        Ok(request)
    }
}

/// The texts of an XML document by the name of the element right around each; the first of a name counts. What is no
/// XML has none.
pub(super) fn texts(xml: &[u8]) -> HashMap<String, String> {
    let mut reader = Reader::from_reader(xml);
    let (mut found, mut name) = (HashMap::<String, String>::new(), String::new());
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => name = String::from_utf8_lossy(start.local_name().as_ref()).into_owned(),
            Ok(Event::End(_)) => name.clear(),
            Ok(Event::Text(text)) if !name.is_empty() => {
                if let Ok(text) = text.decode() {
                    found.entry(name.clone()).or_default().push_str(text.trim());
                }
            }
            Ok(Event::Eof) | Err(_) => return found,
            Ok(_) => {}
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "keys end at a time of the wall clock")]
fn now_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn trouble(what: String) -> Fault {
    Fault::new(FaultKind::Transient, "auth.identity", format!("the token service is in trouble: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_by_the_names_of_its_elements() {
        let xml = br#"<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
            <Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s/+=</SecretAccessKey>
            <SessionToken> t </SessionToken><Expiration>2026-11-28T10:00:00Z</Expiration></Credentials>
            </AssumeRoleResult></AssumeRoleResponse>"#;
        let found = texts(xml);
        for (name, text) in [("AccessKeyId", "ASIA1"), ("SecretAccessKey", "s/+="), ("SessionToken", "t")] {
            assert_eq!(found[name], text);
        }
        assert!(texts(b"{\"no\": \"xml\"}").is_empty() && texts(b"<a><b>").is_empty() && texts(b"").is_empty());
    }
}
