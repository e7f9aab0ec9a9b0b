//! One element of a batch: what must be in it, and what identifies a member.

use serde_json::{Map, Value as Json, json};

use super::answer::Refusal;
use super::segments::Kind;

/// SHA-256 of nothing: whoever sends it has hashed an empty address.
const OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Identifying members of an element as JSON text, and whether it adds.
pub(crate) fn read(kind: Kind, element: &Json) -> Result<(String, bool), Refusal> {
    let Json::Object(element) = element else { return Err(Refusal::bad("An element must be an object")) };
    let known: &[&str] = match kind {
        Kind::User => &["action", "userIds", "firstName", "lastName", "title", "company", "country"],
        Kind::Company => &[
            "action",
            "companyName",
            "companyWebsiteDomain",
            "companyEmailDomain",
            "companyPageUrl",
            "organizationUrn",
            "city",
            "state",
            "country",
            "postalCode",
            "industries",
            "stockSymbol",
        ],
    };
    if let Some(name) = element.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(Refusal::bad(format!("ERROR :: /{name} :: unrecognized field found but not allowed")));
    }
    let adds = match element.get("action").and_then(Json::as_str) {
        Some("ADD") => true,
        Some("REMOVE") => false,
        _ => return Err(Refusal::bad("ERROR :: /action :: must be ADD or REMOVE")),
    };
    let identity = match kind {
        Kind::User => person(element)?,
        Kind::Company => company(element)?,
    };
    Ok((identity.to_string(), adds))
}

fn person(element: &Map<String, Json>) -> Result<Json, Refusal> {
    text_of(element, "country", |code| code.len() == 2 && code.bytes().all(|b| b.is_ascii_uppercase()))?;
    for name in ["firstName", "lastName", "title", "company"] {
        text_of(element, name, |text| !text.trim().is_empty())?;
    }
    let ids = match element.get("userIds") {
        None => &[][..],
        Some(Json::Array(ids)) => ids.as_slice(),
        Some(_) => return Err(Refusal::bad("ERROR :: /userIds :: must be an array")),
    };
    for id in ids {
        let value = id.get("idValue").and_then(Json::as_str).unwrap_or_default();
        let hex =
            |length: usize| value.len() == length && value.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let fits = match id.get("idType").and_then(Json::as_str) {
            Some("SHA256_EMAIL") => hex(64) && value != OF_NOTHING,
            Some("SHA512_EMAIL") => hex(128),
            Some("GOOGLE_AID") => value.len() == 36,
            _ => return Err(Refusal::bad("ERROR :: /userIds/idType :: is not an enum symbol")),
        };
        if !fits {
            return Err(Refusal::bad("ERROR :: /userIds/idValue :: is not what its type says"));
        }
    }
    if !ids.is_empty() {
        return Ok(json!(ids));
    }
    match (element.get("firstName"), element.get("lastName")) {
        (Some(first), Some(last)) => Ok(json!([first, last])),
        _ => Err(Refusal::bad("firstName and lastName are required where there is no userId")),
    }
}

fn company(element: &Map<String, Json>) -> Result<Json, Refusal> {
    let domain = |text: &str| text.contains('.') && !text.contains(['/', ':', ' ', '@']);
    text_of(element, "companyName", |text| !text.trim().is_empty())?;
    text_of(element, "companyWebsiteDomain", domain)?;
    text_of(element, "companyEmailDomain", domain)?;
    text_of(element, "companyPageUrl", |text| text.contains("linkedin.com/"))?;
    text_of(element, "organizationUrn", |text| {
        let id = text.strip_prefix("urn:li:organization:").unwrap_or_default();
        !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit())
    })?;
    let names = ["companyName", "companyWebsiteDomain", "companyEmailDomain", "companyPageUrl", "organizationUrn"];
    let identity: Map<String, Json> =
        names.iter().filter_map(|name| Some(((*name).to_owned(), element.get(*name)?.clone()))).collect();
    if identity.is_empty() {
        return Err(Refusal::bad("At least one of the company's identifiers is required"));
    }
    Ok(Json::Object(identity))
}

fn text_of(element: &Map<String, Json>, name: &str, fits: impl Fn(&str) -> bool) -> Result<(), Refusal> {
    match element.get(name) {
        None => Ok(()),
        Some(Json::String(text)) if fits(text) => Ok(()),
        Some(_) => Err(Refusal::bad(format!("ERROR :: /{name} :: is not a value that is taken"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_must_be() {
        let hash = "52ac4b9ef8f745e007c19fac81ddb0a3f50b20029f6699ca1406225fc217f392";
        let id = |value: &str| json!([{"idType": "SHA256_EMAIL", "idValue": value}]);
        let cases = [
            (json!({"action": "ADD", "userIds": id(hash), "country": "DE"}), true),
            (json!({"action": "REMOVE", "firstName": "A", "lastName": "B"}), true),
            (json!({"action": "ADD", "firstName": "A"}), false),
            (json!({"action": "ADD", "userIds": []}), false),
            (json!({"action": "ADD", "userIds": id(&hash.to_uppercase())}), false),
            (json!({"action": "ADD", "userIds": id(OF_NOTHING)}), false),
            (json!({"action": "ADD", "userIds": id("a@x.example")}), false),
            (json!({"action": "ADD", "userIds": [{"idType": "EMAIL", "idValue": hash}]}), false),
            (json!({"action": "add", "userIds": id(hash)}), false),
            (json!({"action": "ADD", "userIds": id(hash), "email": "a@x.example"}), false),
            (json!({"action": "ADD", "userIds": id(hash), "country": "Germany"}), false),
            (json!({"action": "ADD", "userIds": id(hash), "firstName": null}), false),
        ];
        for (element, taken) in cases {
            assert_eq!(read(Kind::User, &element).is_ok(), taken, "{element}");
        }
    }

    #[test]
    fn what_a_company_must_be() {
        let cases = [
            (json!({"action": "ADD", "companyName": "Acme"}), true),
            (json!({"action": "ADD", "organizationUrn": "urn:li:organization:1035"}), true),
            (json!({"action": "ADD", "companyPageUrl": "https://www.linkedin.com/company/acme"}), true),
            (json!({"action": "ADD", "companyWebsiteDomain": "https://acme.example"}), false),
            (json!({"action": "ADD", "organizationUrn": "1035"}), false),
            (json!({"action": "ADD", "organizationUrn": "urn:li:organization:urn:li:organization:1"}), false),
            (json!({"action": "ADD", "country": "DE"}), false),
            (json!({"action": "ADD"}), false),
        ];
        for (element, taken) in cases {
            assert_eq!(read(Kind::Company, &element).is_ok(), taken, "{element}");
        }
    }
}
