//! What is taken in, and what is refused with which words.

use crate::support::{component, host_with, options, spec};
use attiva_wasm::{AdmissionError, HostOptions, Limits, PluginHost};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use serde_json::json;

async fn refusal(bytes: &[u8]) -> AdmissionError {
    let aot = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient_dir(aot.path(), ambient_authority()).unwrap();
    let refused = PluginHost::new(HostOptions { aot_dir: dir, ..options() }).unwrap().admit(bytes).await.unwrap_err();
    assert_eq!(std::fs::read_dir(aot.path()).unwrap().count(), 0, "something was left behind: {refused}");
    refused
}

async fn refusal_of_spec(spec: &str) -> AdmissionError {
    refusal(&attiva_guests::component(spec)).await
}

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

#[tokio::test]
async fn a_good_component_is_admitted_and_its_code_kept() {
    let aot = tempfile::tempdir().unwrap();
    let open = || Dir::open_ambient_dir(aot.path(), ambient_authority()).unwrap();
    let host = PluginHost::new(HostOptions { aot_dir: open(), ..options() }).unwrap();
    let plugin = host.admit(&component()).await.unwrap();
    assert!(plugin.is_source && plugin.is_destination);
    assert_eq!((plugin.spec.name.as_str(), plugin.digest.len()), ("guest", 64));
    let kept = || std::fs::read_dir(aot.path()).unwrap().map(|e| e.unwrap().metadata().unwrap().modified().unwrap());
    let first: Vec<_> = kept().collect();
    assert_eq!(first.len(), 1);
    let again =
        PluginHost::new(HostOptions { aot_dir: open(), ..options() }).unwrap().admit(&component()).await.unwrap();
    assert_eq!(again.digest, plugin.digest);
    assert_eq!(kept().collect::<Vec<_>>(), first, "the second admission used what the first had kept");
}

#[tokio::test]
async fn what_is_no_component_is_refused() {
    assert!(matches!(refusal(b"hello").await, AdmissionError::NotWasm));
    assert!(matches!(refusal(b"").await, AdmissionError::NotWasm));
    assert!(matches!(refusal(&wat("(module)")).await, AdmissionError::CoreModule));
    let whole = component();
    for length in [8, 9, 1_000, whole.len() / 2, whole.len() - 1] {
        let refused = refusal(&whole[..length]).await;
        let said = matches!(refused, AdmissionError::Malformed(_) | AdmissionError::WrongWorld(_));
        assert!(said, "cut at {length}: {refused}");
    }
    let small = host_with(Limits { component_bytes: 1_000, ..Limits::default() });
    assert!(matches!(small.admit(&whole).await, Err(AdmissionError::TooLarge { bytes_max: 1_000, .. })));
}

#[tokio::test]
async fn imports_are_refused_by_name() {
    let importing = |name: &str| wat(&format!(r#"(component (import "{name}" (instance)))"#));
    for foreign in [
        "wasi:cli/environment@0.2.6",
        "wasi:http/outgoing-handler@0.2.0",
        "attiva:connector/secrets@0.1.0",
        "env",
        "other:connector/http@0.1.0",
    ] {
        match refusal(&importing(foreign)).await {
            AdmissionError::ForeignImport(name) => assert_eq!(name, foreign),
            other => panic!("{foreign}: {other}"),
        }
    }
    for newer in [
        "attiva:connector/http@0.1.1",
        "attiva:connector/http@0.2.0",
        "attiva:connector/http@1.0.0",
        "attiva:connector/http@0.0.9",
        "attiva:connector/http@0.1.0-rc.1",
    ] {
        match refusal(&importing(newer)).await {
            AdmissionError::ImportVersion { import, host } => assert_eq!((import.as_str(), host), (newer, "0.1.0")),
            other => panic!("{newer}: {other}"),
        }
    }
}

#[tokio::test]
async fn a_wrong_world_is_refused_by_what_it_lacks() {
    let lacks = |refused: AdmissionError| match refused {
        AdmissionError::WrongWorld(what) => what,
        other => panic!("{other}"),
    };
    assert!(lacks(refusal(&wat("(component)")).await).contains("attiva:connector/plugin@0.1.0"));
    let plugin_only = r#"(component (instance $i) (export "attiva:connector/plugin@0.1.0" (instance $i)))"#;
    assert!(lacks(refusal(&wat(plugin_only)).await).contains("attiva:connector/source@0.1.0"));
}

#[tokio::test]
async fn a_world_of_the_right_names_and_wrong_types_is_refused() {
    let empty = r#"(component (instance $i)
        (export "attiva:connector/plugin@0.1.0" (instance $i)) (export "attiva:connector/source@0.1.0" (instance $i)))"#;
    assert!(matches!(refusal(&wat(empty)).await, AdmissionError::Contract(_)));
    let importing = r#"(component (import "attiva:connector/clock@0.1.0" (instance (export "now-ms" (func (result string)))))
        (instance $i) (export "attiva:connector/plugin@0.1.0" (instance $i)) (export "attiva:connector/source@0.1.0" (instance $i)))"#;
    let refused = refusal(&wat(importing)).await;
    assert!(matches!(&refused, AdmissionError::Contract(why) if why.contains("clock")), "{refused}");
}

#[tokio::test]
async fn asynchronous_components_are_told_how_to_be_rebuilt() {
    let builtins = ["task.cancel", "backpressure.inc", "waitable-set.new", "subtask.drop"];
    for builtin in builtins {
        let text = format!("(component (core func (canon {builtin})))");
        let refused = refusal(&wat(&text)).await;
        assert!(matches!(refused, AdmissionError::Asynchronous(_)), "{builtin}: {refused}");
        assert!(refused.to_string().contains("--sync"));
    }
}

#[tokio::test]
async fn features_that_are_off_are_refused() {
    let with = |core: &str| {
        wat(&format!(
            r#"(component (core module {core}) (instance $i)
            (export "attiva:connector/plugin@0.1.0" (instance $i)) (export "attiva:connector/source@0.1.0" (instance $i)))"#
        ))
    };
    for core in ["(memory i64 1)", "(memory 1 1 shared)", "(func (drop (struct.new_default 0))) (type (struct))"] {
        let refused = refusal(&with(core)).await;
        assert!(matches!(refused, AdmissionError::UnsupportedFeature(_)), "{core}: {refused}");
    }
    let text = r#"(component (core module $m (memory (export "m") 1) (func (export "r") (param i32 i32 i32 i32) (result i32) i32.const 0)
        (func (export "f") (param i32 i32))) (core instance $i (instantiate $m))
        (func (param "s" string) (canon lift (core func $i "f") (memory (core memory $i "m")) (realloc (core func $i "r")) string-encoding=utf16)))"#;
    assert!(matches!(refusal(&wat(text)).await, AdmissionError::UnsupportedFeature(_)));
}

#[tokio::test]
async fn spec_runs_with_no_authority_and_must_be_pure() {
    assert!(matches!(refusal_of_spec("!clock").await, AdmissionError::SpecNotPure));
    assert!(matches!(refusal_of_spec("!random").await, AdmissionError::SpecNotPure));
    let refused = refusal_of_spec("!http").await.to_string();
    assert!(refused.contains("specification"), "the answer is the code authority.none, which is no JSON: {refused}");
    match refusal_of_spec("!panic").await {
        AdmissionError::SpecCall(fault) => {
            assert_eq!(fault.code, "plugin.trap");
        }
        other => panic!("{other}"),
    }
    match refusal_of_spec("!spin").await {
        AdmissionError::SpecCall(fault) => assert_eq!(fault.code, "limit.cpu"),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_specification_that_cannot_be_kept_is_refused_with_the_place() {
    let changed = |pointer: &str, value: serde_json::Value| {
        let mut spec = spec();
        *spec.pointer_mut(pointer).unwrap() = value;
        spec.to_string()
    };
    let mut twice = spec()["credentials"].clone();
    twice.as_array_mut().unwrap().push(spec()["credentials"][0].clone());
    let cases = [
        ("not json".to_owned(), "specification"),
        (changed("/name", json!("Not A Name")), "name"),
        (changed("/origins/0/url", json!("http://{id}.example.com")), "origins[0].url"),
        (changed("/origins/0/url", json!("https://{id}.example.com/path")), "origins[0].url"),
        (changed("/origins/0/url", json!("https://{client_secret}.example.com")), "origins[0].url"),
        (changed("/origins/1/name", json!("api")), "origins[1].name"),
        (changed("/credentials/0/origin", json!("nowhere")), "credentials[0].origin"),
        (changed("/credentials/0/path", json!("//evil.example")), "credentials[0].path"),
        (changed("/credentials", twice), "credentials[7].name"),
        (changed("/delivery", json!(null)), "delivery"),
        (changed("/configuration/properties/id", json!({"$ref": "https://evil.example/a"})), "another document"),
        (
            changed("/configuration/properties/client_secret", json!({"type": "object", "writeOnly": true})),
            "client_secret",
        ),
    ];
    for (spec, expected) in cases {
        let refused = refusal_of_spec(&spec).await.to_string();
        assert!(refused.contains(expected), "{expected}: {refused}");
    }
}
