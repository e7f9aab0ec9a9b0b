//! A request that a store refuses since it was signed for another region or by a wrong clock is signed anew and sent once
//! more: refused as a whole, it had no effect. It is done here since nobody else may sign.

use super::Gate;
use crate::broker::{GuestRequest, GuestResponse};
use crate::credential::{Correction, Kept, Signed};
use crate::egress::policy::placeholders;
use crate::surroundings::wall_clock_ms;
use attiva_core::spec::CredentialMethod;
use attiva_core::{Fault, Millis};
use serde_json::Value;
use std::sync::Arc;

/// A region, and a clock: each is found out once for a request.
const CORRECTIONS_MAX: usize = 2;

impl Gate {
    /// An exchange; two or three, where a store's refusal says how to sign.
    ///
    /// # Errors
    /// As [`Gate::exchange`].
    pub(crate) async fn send(&mut self, request: GuestRequest) -> Result<GuestResponse, Fault> {
        let Some(key) = request.credential.as_deref().and_then(|name| self.region_key(name)) else {
            return self.exchange(request).await;
        };
        let whose = format!("{} {}", self.user.connection, self.asked_with);
        let mut known = self.tokens.corrections.of(&whose);
        self.correct(&key, &known);
        let mut answer = self.exchange(request.clone()).await?;
        let mut found = Vec::new();
        while found.len() < CORRECTIONS_MAX {
            let Some(correction) = self.said_of(&key, &request.method, &answer) else { break };
            if found.iter().any(|before| std::mem::discriminant(before) == std::mem::discriminant(&correction)) {
                break;
            }
            tracing::warn!(
                plugin = self.policy.spec.name,
                ?correction,
                "a store names another region or time to sign for"
            );
            match &correction {
                Correction::Region(region) => known.region = Some(region.clone()),
                Correction::ClockMs(clock_ms) => known.clock_ms = *clock_ms,
            }
            found.push(correction);
            self.correct(&key, &known);
            answer = self.exchange(request.clone()).await?;
        }
        // What did not help is not believed the next time.
        if !found.is_empty() && self.said_of(&key, &request.method, &answer).is_none() {
            self.tokens.corrections.keep(whose, known);
        }
        Ok(answer)
    }

    /// The key of the configuration that says for which region a credential signs for S3; `None`: it does not, or says it
    /// for good.
    fn region_key(&self, credential: &str) -> Option<String> {
        match &self.policy.spec.credential(credential, &self.policy.configuration)?.method {
            CredentialMethod::AwsSigv4 { service, region, .. } if service == "s3" => {
                let key = placeholders(region).next()?;
                (*region == format!("{{{key}}}")).then(|| key.to_owned())
            }
            _ => None,
        }
    }

    /// From now on it is as if the configuration named this region: in signatures, and where an origin's host holds it.
    fn correct(&mut self, key: &str, known: &Kept) {
        self.clock_ms = known.clock_ms;
        self.policy.configuration = self.asked_with.clone();
        if let Some(region) = &known.region
            && let Value::Object(values) = Arc::make_mut(&mut self.policy.configuration)
        {
            values.insert(key.to_owned(), Value::String(region.clone()));
        }
    }

    fn said_of(&self, key: &str, method: &str, answer: &GuestResponse) -> Option<Correction> {
        let region = self.policy.spec.configured(&self.policy.configuration, key)?.as_str()?;
        let now_ms = Millis::try_from(wall_clock_ms()).ok()?;
        Correction::of(Signed { method, region, now_ms, clock_ms: self.clock_ms }, answer)
    }
}
