//! Who may do what: roles, scopes and what keys are bound to, endpoint by endpoint; and keys in each other's hands.

use crate::harness::{Answer, Api, Harness};
use crate::tenancy::organisation;
use attiva_core::access::{Role, Scope};
use serde_json::{Value, json};
use ureq::http::Method;

const PAGE: &str = include_str!("../../../../docs/access.md");

fn key(api: &Api, body: &Value) -> Api {
    let made = api.post("/v1/keys", body);
    Api { key: made.is(201).text("/key").to_owned(), ..api.clone() }
}

/// A key of a role, bound to a sandbox where the role wants it.
fn of_role(api: &Api, role: Role) -> Api {
    match role {
        Role::Partner => key(api, &json!({"name": "r", "role": role, "sandbox": "default"})),
        _ => key(api, &json!({"name": "r", "role": role})),
    }
}

fn asked(api: &Api, method: &str, path: &str) -> Answer {
    // Nothing of these names is there, so that nothing is done where it is allowed.
    let path = path.replace("{organisation}", "org_nobody").replace("{sandbox}", "nowhere");
    let path = path.replace(['{', '}'], "");
    let method: Method = method.parse().unwrap();
    if method == Method::GET || method == Method::DELETE {
        return api.send(method, &path, &[], Vec::new());
    }
    // None that any of them takes.
    api.json(method, &path, &[], &json!({"no-such-field": 1}))
}

#[test]
fn every_endpoint_is_denied_to_each_role_that_lacks_its_scope() {
    // A host of its own: some of what operators may do takes no body, and is done.
    let harness = Harness::start(&[]);
    let operator = harness.api("default");
    let mut denied = 0;
    for role in Role::ALL {
        let api = of_role(&operator, role);
        for (method, path, scope) in attiva_server::api::endpoints() {
            let answer = asked(&api, method, &path);
            let case = format!("{role} {method} {path}");
            if role.scopes().contains(scope) {
                assert!(![401, 403, 405, 500].contains(&answer.status), "{case}: {answer:?}");
                assert_ne!(answer.text("/code"), "route.missing", "{case}");
                continue;
            }
            denied += 1;
            assert_eq!((answer.status, answer.text("/code")), (403, "key.scope"), "{case}: {answer:?}");
            assert!(answer.text("/detail").contains(scope.as_str()), "{case}: {}", answer.text);
            assert!(answer.text("/action").contains("attiva key create --role"), "{case}: {}", answer.text);
            assert_eq!(answer.text("/kind"), "scope");
        }
    }
    assert!(denied > 250, "{denied}");
}

/// Said once more by hand, since the test above believes the table.
#[test]
fn what_each_role_is_for() {
    let api = Harness::sandbox();
    let of = |role: &str, more: Value| {
        let mut body = json!({"name": "r", "role": role});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        key(&api, &body)
    };
    let segment = json!({"name": "S", "expression": "person.department == \"HR\""});

    let analyst = of("analyst", json!({}));
    for path in ["profiles", "segments", "activations", "deliveries", "schema", "runs"] {
        analyst.get(path).is(200);
    }
    let made = analyst.post("segments", &segment).is(201).text("/id").to_owned();
    let refused = analyst.get("/v1/plugins");
    assert_eq!(
        refused.refused(403, "key.scope").text("/detail"),
        "this takes the scope `plugins:read`, which the key does not have"
    );
    assert!(
        refused.text("/action").starts_with("Use a key of the role operator, administrator, partner, auditor;"),
        "{}",
        refused.text
    );
    analyst.get("connections").refused(403, "key.scope");
    analyst.post("activations", &json!({})).refused(403, "key.scope");
    analyst.post("privacy/access", &json!({})).refused(403, "key.scope");
    analyst.post("/v1/secrets/rotation", &json!({})).refused(403, "key.scope");

    let auditor = of("auditor", json!({}));
    for path in ["/v1/audit", "/v1/keys", "/v1/plugins", "/v1/plugin-audit", "connections", "segments", "consent-rules"]
    {
        auditor.get(path).is(200);
    }
    for path in ["profiles", "consents", &format!("segments/{made}/members")] {
        auditor.get(path).refused(403, "key.scope");
    }
    auditor.send(Method::DELETE, &format!("segments/{made}"), &[], Vec::new()).refused(403, "key.scope");
    auditor.post("segments", &segment).refused(403, "key.scope");

    let partner = of("partner", json!({"sandbox": api.sandbox}));
    for path in ["/v1/plugins", "/v1/publishers", "connections", "runs"] {
        partner.get(path).is(200);
    }
    for path in ["profiles", "segments", "/v1/audit", "/v1/keys", "consents"] {
        partner.get(path).refused(403, "key.scope");
    }
    partner.send(Method::POST, "/v1/plugins", &[], Vec::new()).refused(403, "key.scope");

    let administrator = of("administrator", json!({}));
    administrator.get("/v1/keys").is(200);
    administrator.get("/v1/organisations").refused(403, "key.scope");
    administrator.send(Method::POST, "/v1/plugins", &[], Vec::new()).refused(403, "key.scope");
    administrator.get("/metrics").refused(403, "key.scope");

    // Nor by the way: a grant that comes with a connection is a grant.
    let connection = json!({"name": "c", "plugin": "source-salesforce", "configuration": {}, "grants": {"login": "http://127.0.0.1:1"}});
    administrator.post("connections", &connection).refused(403, "key.scope");

    // Without any role: only what is said.
    let website = key(&api, &json!({"name": "w", "scopes": ["records:write"]}));
    let fields = json!({"email": "a@x.com"});
    let sent =
        json!({"source": {"system": "Web", "id": "s"}, "entity": "person", "records": [{"id": "1", "fields": fields}]});
    website.post("records", &sent).is(200);
    website.get("profiles").refused(403, "key.scope");
}

#[test]
fn a_key_that_is_bound_to_a_sandbox_sees_no_other() {
    let (one, two) = (Harness::sandbox(), Harness::sandbox());
    for api in [&one, &two] {
        api.post("segments", &json!({"name": "S", "expression": "person.department == \"HR\""})).is(201);
        api.json(Method::PUT, "consent-rules", &[], &json!({"version": 1, "rules": [], "unnamed": "refuse"})).is(200);
    }
    let bound = key(&one, &json!({"name": "b", "role": "administrator", "sandbox": one.sandbox}));
    bound.get("segments").is(200);
    let there = Api { sandbox: two.sandbox.clone(), ..bound.clone() };
    there.get("segments").refused(404, "sandbox.missing");
    there.get("").is(404);
    assert_eq!(bound.get("/v1/sandboxes").body["items"].as_array().unwrap().len(), 1);
    assert_eq!(bound.get("/v1/sandboxes").text("/items/0/name"), one.sandbox);
    let events = bound.audit().body;
    let of = |event: &Value| event["detail"].get("sandbox").cloned();
    let events: Vec<Option<Value>> = events["items"].as_array().unwrap().iter().map(of).collect();
    assert!(events.contains(&Some(json!(one.sandbox))), "{events:?}");
    assert!(!events.contains(&Some(json!(two.sandbox))), "{events:?}");
    // What reaches the whole organisation is left out of the role.
    bound.get("/v1/keys").refused(403, "key.scope");
    bound.post("/v1/sandboxes", &json!({"name": "more"})).refused(403, "key.scope");
    // It goes with its sandbox, and is none of one that is made later under the name.
    let path = format!("/v1/sandboxes/{}", one.sandbox);
    one.send(Method::DELETE, &path, &[], Vec::new()).is(204);
    one.post("/v1/sandboxes", &json!({"name": one.sandbox})).is(201);
    bound.get("segments").refused(401, "key.refused");
}

#[test]
fn nobody_makes_rotates_or_revokes_a_key_that_may_do_more() {
    let harness = Harness::shared();
    let operator = harness.api("default");
    let (id, administrator) = organisation(harness, "keys");
    let refused = |body: Value| administrator.post("/v1/keys", &body);
    refused(json!({"name": "x", "role": "operator"})).refused(403, "key.scope");
    let beyond = refused(json!({"name": "x", "role": "analyst", "scopes": ["plugins:write"]}));
    assert!(beyond.refused(403, "key.scope").text("/detail").ends_with(": plugins:write"), "{}", beyond.text);
    // Not through somebody who may make keys and little else, either.
    let clerk = key(&administrator, &json!({"name": "clerk", "scopes": ["keys:read", "keys:write"]}));
    clerk.post("/v1/keys", &json!({"name": "x"})).refused(403, "key.scope");
    clerk.post("/v1/keys", &json!({"name": "x", "scopes": ["keys:read"]})).is(201);
    let analyst = administrator.post("/v1/keys", &json!({"name": "a", "role": "analyst"}));
    let analyst = analyst.is(201).text("/id").to_owned();
    clerk.post(&format!("/v1/keys/{analyst}/rotate"), &json!({})).refused(403, "key.scope");
    clerk.send(Method::DELETE, &format!("/v1/keys/{analyst}"), &[], Vec::new()).refused(403, "key.scope");
    clerk.get(&format!("/v1/keys/{analyst}")).is(200);
    operator.get(&format!("/v1/keys/{analyst}")).refused(404, "api-key.missing");
    operator.post(&format!("/v1/keys/{analyst}/rotate"), &json!({})).refused(404, "api-key.missing");
    // What reaches the whole host is bound to an operator's own organisation.
    let theirs = format!("/v1/organisations/{id}/keys");
    operator.post(&theirs, &json!({"name": "x", "role": "operator"})).refused(422, "request.invalid");
    operator.post(&theirs, &json!({"name": "x", "role": "auditor"})).is(201);
    // What does not go together.
    for (body, field) in [
        (json!({"name": "x", "role": "partner"}), "/sandbox"),
        (json!({"name": "x", "role": "operator", "sandbox": "default"}), "/sandbox"),
        (json!({"name": "x", "scopes": ["keys:read"], "sandbox": "default"}), "/scopes"),
        (json!({"name": "x", "role": "boss"}), "/role"),
        (json!({"name": "x", "scopes": ["segments:wirte"]}), "/scopes/0"),
    ] {
        let answer = operator.post("/v1/keys", &body);
        assert_eq!(answer.refused(422, "request.invalid").text("/errors/0/field"), field, "{}", answer.text);
    }
    let nowhere = json!({"name": "x", "role": "partner", "sandbox": "nowhere"});
    operator.post("/v1/keys", &nowhere).refused(404, "sandbox.missing");
}

#[test]
fn a_key_gets_another_secret_and_the_one_before_has_its_time() {
    let api = Harness::shared().api("default");
    let made = api.post("/v1/keys", &json!({"name": "r", "role": "analyst"}));
    let (id, first) = (made.is(201).text("/id").to_owned(), made.text("/key").to_owned());
    let rotate = |body: Value| api.post(&format!("/v1/keys/{id}/rotate"), &body);
    let with = |key: &str| Api { key: key.to_owned(), ..api.clone() }.get("segments").status;
    let rotated = rotate(json!({"overlap_seconds": 3600}));
    let second = rotated.is(200).text("/key").to_owned();
    assert_eq!((rotated.text("/id"), rotated.text("/role")), (id.as_str(), "analyst"));
    assert!(!rotated.text("/before_until").is_empty() && second != first);
    assert_eq!((with(&first), with(&second)), (200, 200), "both, for an hour");
    let third = rotate(json!({"overlap_seconds": 0})).is(200).text("/key").to_owned();
    assert_eq!((with(&first), with(&second), with(&third)), (401, 401, 200), "at once");
    let shown = api.get(&format!("/v1/keys/{id}"));
    let hidden = [&first, &second, &third].map(|key| key.rsplit('_').next().unwrap().to_owned());
    assert!(hidden.iter().all(|secret| !shown.is(200).text.contains(secret)));
    let too_long = rotate(json!({"overlap_seconds": 2_592_001}));
    assert_eq!(too_long.refused(422, "request.invalid").text("/errors/0/field"), "/overlap_seconds");
    let told = api.audit().body;
    let is_told = |event: &&Value| event["action"] == "key.rotated" && event["subject"] == *id;
    assert_eq!(told["items"].as_array().unwrap().iter().filter(is_told).count(), 2);
    api.send(Method::DELETE, &format!("/v1/keys/{id}"), &[], Vec::new()).is(204);
    rotate(json!({})).refused(409, "key.revoked");
    assert_eq!(with(&third), 401);
}

/// The repeat of a rotation that a kill left without an answer: the secret that people have stays good.
#[test]
fn a_rotation_that_was_not_answered_takes_no_secret_away() {
    let harness = Harness::shared();
    let app = harness.host.app();
    let api = harness.api("default");
    let made = api.post("/v1/keys", &json!({"name": "r", "role": "analyst"}));
    let (id, first) = (made.is(201).text("/id").to_owned(), made.text("/key").to_owned());
    harness.runtime.block_on(async {
        let caller = app.keys().authenticate(&harness.key).unwrap();
        let stamp = app.fresh_stamp();
        let rotate = || app.keys().rotate(&caller, &id, 3_600_000, stamp);
        let (lost, told) = (rotate().await.unwrap(), rotate().await.unwrap());
        assert_eq!(app.keys().authenticate(&lost.text).unwrap_err().fault.code, "key.refused");
        for text in [&first, &told.text] {
            assert_eq!(app.keys().authenticate(text).unwrap().key.as_str(), id);
        }
    });
}

#[test]
fn a_method_that_a_path_does_not_take_is_told_with_those_it_takes() {
    let api = Harness::shared().api("default");
    let answer = api.send(Method::PUT, "/v1/keys", &[], Vec::new());
    answer.refused(405, "request.method");
    assert_eq!(answer.header("allow"), "GET,HEAD,POST");
    assert_eq!(api.send(Method::HEAD, "/v1/keys", &[], Vec::new()).status, 200);
}

/// `docs/access.md` has a line for each scope: which roles have it, and what it lets do.
#[test]
fn the_page_shows_every_scope_with_its_roles() {
    for scope in Scope::ALL {
        let mark = |role: Role| if role.scopes().contains(*scope) { "●" } else { "" };
        let line = format!("| `{scope}` | {} | {} |", Role::ALL.map(mark).join(" | "), scope.what());
        let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(PAGE.lines().any(|each| plain(each) == plain(&line)), "docs/access.md lacks\n{}", plain(&line));
    }
    let rows = PAGE.lines().filter(|line| line.starts_with("| `") && line.contains(":") && line.contains('●')).count();
    assert_eq!(rows, Scope::ALL.len());
}
