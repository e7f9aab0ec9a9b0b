//! YAML texts as JSON values with the place of each, and back.

use saphyr::{LoadableYamlNode, Mapping, MarkedYaml, Scalar, Yaml, YamlData, YamlEmitter};
use serde_json::{Map, Number, Value};
use std::collections::BTreeMap;

/// Where something stands in a text; both count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// A document of a text: its value, and the position of each part by JSON pointer. Of what has a key it is the key's.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Located {
    pub(crate) value: Value,
    positions: BTreeMap<String, Position>,
}

impl Located {
    /// Where something is, or the nearest thing around it.
    pub(crate) fn position(&self, pointer: &str) -> Position {
        let mut pointer = pointer;
        loop {
            if let Some(position) = self.positions.get(pointer) {
                return *position;
            }
            match pointer.rsplit_once('/') {
                Some((around, _)) => pointer = around,
                None => return Position { line: 1, column: 1 },
            }
        }
    }
}

/// The documents of a text; empty ones are none.
///
/// # Errors
/// Where, and what is wrong there.
pub(crate) fn read(text: &str) -> Result<Vec<Located>, (Position, String)> {
    let documents = MarkedYaml::load_from_str(text)
        .map_err(|e| (Position { line: e.marker().line(), column: e.marker().col() + 1 }, e.info().to_owned()))?;
    let mut all = Vec::new();
    for document in documents {
        let mut positions = BTreeMap::new();
        let value = value(&document, String::new(), place(&document), &mut positions)?;
        if !value.is_null() {
            all.push(Located { value, positions });
        }
    }
    Ok(all)
}

fn place(node: &MarkedYaml<'_>) -> Position {
    Position { line: node.span.start.line(), column: node.span.start.col() + 1 }
}

fn value(
    node: &MarkedYaml<'_>,
    pointer: String,
    at: Position,
    positions: &mut BTreeMap<String, Position>,
) -> Result<Value, (Position, String)> {
    let read = match &node.data {
        YamlData::Value(scalar) => plain(scalar).ok_or_else(|| (at, "is no number that there is".to_owned()))?,
        YamlData::Sequence(items) => {
            let items = items.iter().enumerate();
            items
                .map(|(i, item)| value(item, format!("{pointer}/{i}"), place(item), positions))
                .collect::<Result<_, _>>()?
        }
        YamlData::Mapping(entries) => {
            let mut object = Map::new();
            for (key, below) in entries {
                let at = place(key);
                let YamlData::Value(scalar) = &key.data else {
                    return Err((at, "a key must be a single word or text".to_owned()));
                };
                let name = match plain(scalar) {
                    Some(Value::String(name)) => name,
                    Some(Value::Number(number)) => number.to_string(),
                    Some(Value::Bool(word)) => word.to_string(),
                    _ => return Err((at, "a key must be a single word or text".to_owned())),
                };
                let pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
                let below = value(below, pointer, at, positions)?;
                object.insert(name, below);
            }
            Value::Object(object)
        }
        _ => return Err((at, "tags (`!...`) mean nothing here".to_owned())),
    };
    positions.insert(pointer, at);
    Ok(read)
}

fn plain(scalar: &Scalar<'_>) -> Option<Value> {
    Some(match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(it) => Value::Bool(*it),
        Scalar::Integer(it) => Value::from(*it),
        Scalar::FloatingPoint(it) => Value::Number(Number::from_f64(it.0)?),
        Scalar::String(it) => Value::String(it.clone().into_owned()),
    })
}

/// A document as text, keys in the order that they have.
pub(crate) fn write_fields(fields: &[(&str, &Value)]) -> String {
    let mut mapping = Mapping::new();
    for (key, value) in fields {
        mapping.insert(text(key), node(value));
    }
    written(&Yaml::Mapping(mapping))
}

/// A value as a document.
pub(crate) fn write(value: &Value) -> String {
    written(&node(value))
}

fn written(document: &Yaml<'_>) -> String {
    let mut written = String::new();
    let mut emitter = YamlEmitter::new(&mut written);
    emitter.multiline(true);
    // Text is written to a string, which takes all of it.
    let _ = emitter.dump(document);
    if !written.ends_with('\n') {
        written.push('\n');
    }
    written
}

fn node(value: &Value) -> Yaml<'_> {
    match value {
        Value::Null => Yaml::Value(Scalar::Null),
        Value::Bool(it) => Yaml::Value(Scalar::Boolean(*it)),
        Value::Number(number) => Yaml::Value(match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Scalar::Integer(whole),
            (None, Some(broken)) => Scalar::FloatingPoint(broken.into()),
            (None, None) => Scalar::String(number.to_string().into()),
        }),
        Value::String(it) => text(it),
        Value::Array(items) => Yaml::Sequence(items.iter().map(node).collect()),
        Value::Object(object) => Yaml::Mapping(object.iter().map(|(key, value)| (text(key), node(value))).collect()),
    }
}

fn text(text: &str) -> Yaml<'_> {
    Yaml::Value(Scalar::String(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_part_has_its_place() {
        let text = "# mine\nkind: segment\nname: HR\n---\nmapping:\n  - field: a\n    \"x/y\": 1\n  - b\n...\n---\n# nothing\n";
        let all = read(text).unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].value, json!({"kind": "segment", "name": "HR"}));
        let place = |document: usize, pointer: &str| {
            let Position { line, column } = all[document].position(pointer);
            (line, column)
        };
        assert_eq!(place(0, "/name"), (3, 1));
        assert_eq!(place(1, "/mapping/0/field"), (6, 5));
        assert_eq!(place(1, "/mapping/0/x~1y"), (7, 5));
        assert_eq!(place(1, "/mapping/1"), (8, 5));
        // What is not there is looked for around.
        assert_eq!(place(1, "/mapping/0/required"), (6, 5));
        assert_eq!(place(0, "/expression"), (2, 1));
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_place() {
        let refused = |text: &str| {
            let (Position { line, .. }, problem) = read(text).unwrap_err();
            (line, problem)
        };
        assert_eq!(refused("a: 1\nb: !secret x\n").0, 2);
        assert_eq!(refused("a: 1\nb: .nan\n").0, 2);
        assert!(refused("a: 1\na: 2\n").1.contains("duplicate"));
        assert_eq!(refused("a:\n  - [b\n").0, 3);
        assert_eq!(refused("[1, 2]: x\n").0, 1);
        // Words that other readers take for truth values are words.
        assert_eq!(read("a: no\nb: on\n12: y").unwrap()[0].value, json!({"a": "no", "b": "on", "12": "y"}));
    }

    mod generated {
        use super::*;
        use proptest::prelude::*;

        fn value() -> impl Strategy<Value = Value> {
            let leaf = prop_oneof![
                Just(Value::Null),
                prop::bool::ANY.prop_map(Value::from),
                any::<i64>().prop_map(Value::from),
                (-1.0e9..1.0e9f64).prop_map(Value::from),
                "[ -~\n\t\u{e9}\u{1f600}]{0,12}".prop_map(Value::from),
                prop::sample::select(vec![
                    "yes", "~", "null", "- a", "a: b", "#", "0x1F", "1_000", "012", "1e3", "", " ", "---", "!x", "&a",
                    "*a", "%", "@", "`", "a\n", "\n\na", "a\r\nb", "\u{85}"
                ])
                .prop_map(Value::from),
            ];
            leaf.prop_recursive(3, 20, 4, |inner| {
                prop_oneof![
                    prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                    prop::collection::btree_map("[ -~]{1,6}", inner, 0..4)
                        .prop_map(|map| Value::Object(map.into_iter().collect())),
                ]
            })
        }

        proptest! {
            #[test]
            fn what_is_written_is_read_as_it_was(value in value()) {
                let written = write_fields(&[("it", &value), ("then", &json!(1))]);
                let read = read(&written).map_err(|e| TestCaseError::fail(format!("{e:?}\n{written}")))?;
                prop_assert_eq!(&read[0].value, &json!({"it": value, "then": 1}), "{}", written);
            }
        }
    }
}
