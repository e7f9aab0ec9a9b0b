//! The contract with partners: `wit/` changes on purpose only, and its documents are true.

use crate::repository::{files, found, none, root, text};
use attiva_core::spec::Spec;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Hashes by file name, as `sha256sum` writes them.
fn recorded(hashes: &str) -> BTreeMap<String, String> {
    hashes
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(hash, name)| (name.to_owned(), hash.to_owned()))
        .collect()
}

fn hash_problems(recorded: &BTreeMap<String, String>, present: &BTreeMap<String, String>) -> Vec<String> {
    let names: std::collections::BTreeSet<&String> = recorded.keys().chain(present.keys()).collect();
    let mut problems = Vec::new();
    for name in names {
        match (recorded.get(name), present.get(name)) {
            (Some(old), Some(new)) if old == new => {}
            (Some(_), None) => problems.push(format!("wit/{name} is gone")),
            (_, Some(new)) => {
                problems.push(format!("wit/{name} changed; if on purpose, wit/HASHES gets: {new}  {name}"))
            }
            (None, None) => {}
        }
    }
    problems
}

fn present() -> BTreeMap<String, String> {
    let mut present = BTreeMap::new();
    for path in files().into_iter().filter(|path| path.starts_with("wit/") && path.ends_with(".wit")) {
        let bytes = std::fs::read(root().join(&path)).expect("a file of the contract");
        present.insert(path["wit/".len()..].to_owned(), hex::encode(Sha256::digest(bytes)));
    }
    present
}

/// The first JSON block of a document.
fn example(document: &str) -> &str {
    let (_, after) = document.split_once("```json\n").expect("the document has a JSON block");
    after.split_once("\n```").expect("the block ends").0
}

/// Keys of the type that the example does not show, and keys that the tables below it do not explain.
fn undocumented(example: &Value, document: &str) -> Vec<String> {
    let mut keys = Vec::new();
    // The configuration's schema is JSON Schema's matter, and a mapping's fields are the model's.
    collect_keys(example, &["configuration", "fields"], &mut keys);
    keys.sort();
    keys.dedup();
    let explained = |key: &String| document.contains(&format!("`{key}`"));
    keys.into_iter().filter(|key| !explained(key)).map(|key| format!("`{key}` is not explained")).collect()
}

fn collect_keys(value: &Value, opaque: &[&str], keys: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (key, below) in object {
                keys.push(key.clone());
                if !opaque.contains(&key.as_str()) {
                    collect_keys(below, opaque, keys);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_keys(item, opaque, keys)),
        _ => {}
    }
}

#[test]
fn the_contract_changes_on_purpose_only() {
    let present = present();
    assert!(present.len() >= 5, "the contract was not found: {present:?}");
    none(hash_problems(&recorded(&text("wit/HASHES")), &present));
}

#[test]
fn a_changed_contract_is_found() {
    let of = |pairs: &[(&str, &str)]| pairs.iter().map(|(n, h)| ((*n).to_owned(), (*h).to_owned())).collect();
    let old = recorded("aa  a.wit\nbb  b.wit\n");
    none(hash_problems(&old, &of(&[("a.wit", "aa"), ("b.wit", "bb")])));
    found(&hash_problems(&old, &of(&[("a.wit", "ab"), ("b.wit", "bb")])), "ab  a.wit");
    found(&hash_problems(&old, &of(&[("a.wit", "aa")])), "b.wit is gone");
    found(&hash_problems(&old, &of(&[("a.wit", "aa"), ("b.wit", "bb"), ("c.wit", "cc")])), "cc  c.wit");
}

/// `docs/specification.md` names this test.
#[test]
fn the_specification_example_is_one() {
    let document = text("docs/specification.md");
    let example = example(&document);
    let spec = Spec::parse(example).expect("the example is a specification");
    let written: Value = serde_json::from_str(example).expect("the example is JSON");
    let read = serde_json::to_value(&spec).expect("a specification is JSON");
    assert_eq!(written, read, "the example leaves out a key, or writes a default away");
    none(undocumented(&written, &document));
}

#[test]
fn an_unexplained_key_is_found() {
    let example = serde_json::json!({"a": [{"b": 1}], "configuration": {"c": 1}});
    assert_eq!(undocumented(&example, "`a`, `configuration`"), ["`b` is not explained"]);
}
