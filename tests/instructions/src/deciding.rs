//! What is decided of one record: no runtime, no store.

use anyhow::{Context, Result, anyhow, ensure};
use attiva_core::id::ProfileId;
use attiva_core::identity::{Ask, Changed, ClaimReader, Graph, Level, NeverLinks, Node, Rules, reach, resolve};
use attiva_core::model::{self, EntityKind, Layout};
use attiva_core::{DataType, Value};
use attiva_expr::{Program, Scope, check};
use attiva_segments::{RowEvaluator, Truth, person_scope, plan};
use std::convert::Infallible;
use std::hint::black_box;

const NOW: i64 = 1_790_000_000_000;

fn text(value: &str) -> Value {
    Value::Text(value.into())
}

/// As the mappings of the bundled connectors are: most fields as they are, some trimmed, cast, chosen or joined.
pub fn mapping(times: u64) -> Result<()> {
    let fields = ["email", "first", "last", "title", "company", "city", "country", "phone"];
    let record = fields.iter().map(|name| ((*name).to_owned(), DataType::Text));
    let record =
        record.chain([("score".to_owned(), DataType::Integer), ("unsubscribed".to_owned(), DataType::Boolean)]);
    let scope = Scope::new().root("record", record);
    let texts = [
        "record.email.trim()",
        "record.first",
        "record.last",
        "record.title",
        "record.company",
        "record.city",
        "record.country",
        "record.phone",
        "record.score",
        "!record.unsubscribed",
        "record.first + \" \" + record.last",
        "record.score >= 50 ? \"hot\" : \"cold\"",
    ];
    let programs = texts.iter().map(|text| {
        let checked = check(text, &scope).map_err(|problems| anyhow!("{text}: {problems:?}"))?;
        Ok(checked.compile())
    });
    let programs = programs.collect::<Result<Vec<Program>>>()?;
    let mut row: Vec<Value> = fields.iter().map(|name| text(&format!(" a {name} of usual length "))).collect();
    row.extend([Value::Integer(72), Value::Boolean(false)]);
    let mut hot = 0;
    for _ in 0..times {
        let row = black_box(&row);
        let mapped = programs.iter().map(|program| program.evaluate(row, NOW));
        let mapped = mapped.collect::<Result<Vec<_>, _>>().map_err(|fault| anyhow!("{fault:?}"))?;
        hot += u64::from(mapped.last() == Some(&text("hot")));
    }
    ensure!(hot == times, "{hot} of {times} are hot");
    Ok(())
}

pub fn segment_row(times: u64) -> Result<()> {
    let rule = "(person.department == \"HR\" || person.department in [\"Finance\", \"Legal\"]) \
                && person.person_score >= 50 && person.email.endsWith(\".example\") && person.last_name != \"\"";
    let checked = check(rule, &person_scope()).map_err(|problems| anyhow!("{problems:?}"))?;
    let evaluator = RowEvaluator::new(&plan(&checked).map_err(|problem| anyhow!("{problem:?}"))?);
    let mut row = vec![Value::Null; model::PERSON.len()];
    let values = [
        ("department", text("Legal")),
        ("person_score", Value::Integer(72)),
        ("email", text("ann.smith@company.example")),
        ("last_name", text("Smith")),
    ];
    for (name, value) in values {
        let slot = model::person_slot(name).with_context(|| format!("no field {name}"))?;
        *row.get_mut(slot).context("no slot")? = value;
    }
    for _ in 0..times {
        let truth = evaluator.evaluate(black_box(&row), NOW).map_err(|fault| anyhow!("{fault:?}"))?;
        ensure!(truth == Truth::True, "the row is no member");
    }
    Ok(())
}

/// What the store answers: two records carry the address.
struct Stored(Vec<Node<ProfileId>>);

impl Graph<ProfileId> for Stored {
    type Error = Infallible;

    fn carriers(&mut self, asks: &[Ask]) -> Result<Vec<Vec<Node<ProfileId>>>, Infallible> {
        let carries =
            |node: &Node<ProfileId>, ask: &Ask| node.claims.iter().any(|claim| claim.identity == ask.identity);
        Ok(asks.iter().map(|ask| self.0.iter().filter(|node| carries(node, ask)).cloned().collect()).collect())
    }
}

pub fn identity(times: u64) -> Result<()> {
    let layout = Layout::of(EntityKind::Person);
    let rules = Rules::person();
    let reader = ClaimReader::new(&layout, &rules).map_err(|problems| anyhow!("{problems:?}"))?;
    let mut row = vec![Value::Null; layout.fields().len()];
    let (slot, _) = layout.find("email").context("no email")?;
    *row.get_mut(slot).context("no slot")? = text(" Ann.Smith@Company.Example ");
    let node = |key: &str, profile: Option<ProfileId>| Node {
        source_key: key.to_owned(),
        at: NOW,
        claims: reader.read(key, black_box(&row)).0,
        profile,
        level: Level::Full,
    };
    let known = ["1@123-ABC-456.Marketo", "00Q1@00D1.Salesforce"];
    let profile = ProfileId::founded_by(known[0]);
    let mut stored = Stored(known.iter().map(|key| node(key, Some(profile.clone()))).collect());
    for _ in 0..times {
        let key = "2@123-ABC-456.Marketo";
        let changed = Changed { source_key: key.into(), before: Vec::new(), profile: None, now: Some(node(key, None)) };
        let Ok(around) = reach(&mut stored, vec![changed], &rules);
        let Ok(resolution) =
            resolve(&around, &rules, &NeverLinks::default(), ProfileId::founded_by, |_| Ok::<_, Infallible>(false));
        let [one] = resolution.components.as_slice() else { anyhow::bail!("{} persons", resolution.components.len()) };
        ensure!(one.profile == profile && one.nodes.len() == 3, "it is somebody else");
    }
    Ok(())
}
