use super::*;

fn full() -> Spec {
    Spec::new("source-x", "1.2.3", "attiva", "X")
        .description("Everything a specification can say.")
        .state_version(2)
        .configuration(json!({"type": "object", "properties": {"id": {"type": "string"},
            "secret": {"type": "string", "writeOnly": true}}}))
        .credential(
            "oauth",
            CredentialMethod::OAuth2ClientCredentials {
                origin: "api".into(),
                path: "/token".into(),
                client_id: "{id}".into(),
                client_secret: "{secret}".into(),
                parameters_in: ParametersIn::Query,
            },
        )
        .credential(
            "consent",
            CredentialMethod::OAuth2RefreshToken {
                origin: "api".into(),
                path: "/token".into(),
                client_id: "{id}".into(),
                client_secret: "{secret}".into(),
                refresh_token: "{secret}".into(),
                authorize: Some(Authorize {
                    origin: "api".into(),
                    path: "/authorize".into(),
                    scopes: vec!["read".into()],
                    pkce: true,
                    parameters: [("access_type".to_owned(), "offline".to_owned())].into(),
                }),
            },
        )
        .credential(
            "aws",
            CredentialMethod::AwsSigv4 {
                service: "s3".into(),
                region: "{region}".into(),
                access_key_id: "{id}".into(),
                secret_access_key: "{secret}".into(),
                session_token: Some("{token}".into()),
                role: Some(AssumedRole { origin: "api".into(), arn: "{id}".into(), external_id: Some("{id}".into()) }),
            },
        )
        .credential(
            "key",
            CredentialMethod::ApiKey { header: Some("x-api-key".into()), query: None, value: "{secret}".into() },
        )
        .credential(
            "in-query",
            CredentialMethod::ApiKey { header: None, query: Some("key".into()), value: "{secret}".into() },
        )
        .origin(
            Origin::new("api", "https://{id}.example.com", &["example.com"])
                .reads(&["GET"], "/rest", Some("oauth"))
                .writes(&["PUT", "DELETE"], "/", None),
        )
        .rate(Rate::Window { calls: 100, seconds: 20 })
        .rate(Rate::Concurrent { calls: 10 })
        .rate_refused_by(
            Rate::Day {
                calls: Some(1_000),
                resets: "UTC0".into(),
                told_by: Some(ToldBy { header: "limit".into(), key: "usage".into() }),
            },
            &["x.spent"],
        )
        .rate(Rate::Streams { percent: 50, shares: [("persons".into(), 60), ("others".into(), 30)].into() })
        .instance("X", "{id}")
        .cardinality(Cardinality {
            source_organisations_per_instance: Some(1),
            destination_organisations_per_instance: Some(5),
        })
        .delivery(Delivery { class: DeliveryClass::EffectivelyOnce, batch_rows: 1000, request_timeout_ms: 30_000 })
        .mode(Mode::Snapshot)
        .fields_max(50)
        .members("file", &[Member::Person, Member::Account])
        .transient_codes(&["busy"])
        .window("id", "id", &["persons"])
        .mapping("persons", "person", &[("person.email", "record.email")])
}

fn learning() -> Spec {
    let jwt = CredentialMethod::OAuth2JwtBearer {
        origin: "login".into(),
        path: "/token".into(),
        issuer: "{id}".into(),
        subject: "{user}".into(),
        audience: "https://login.example.com".into(),
        private_key: "{secret}".into(),
    };
    full()
        .credential_of(Credential::new("oauth", jwt).when("auth", "key").token_seconds(7200))
        .origin(Origin::new("login", "https://{id}.example.com", &["example.com"]).several_labels("id"))
        .origin(Origin::learnt("data", Learnt::text("oauth", "/instance_url"), &["example.com"]))
        .learnt_instance("X", Learnt::segment("oauth", "/id", 1))
}

/// The host reads everything we can write, and loses nothing of it.
#[test]
fn the_host_reads_it_back() {
    for spec in [full(), learning()] {
        let read = attiva_core::spec::Spec::parse(&spec.to_json()).unwrap();
        let ours: Value = serde_json::from_str(&spec.to_json()).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), ours);
    }
}
