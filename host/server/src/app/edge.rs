//! Edge: audiences of a person at a request, for whoever has to decide now: a page, a form, a person on the telephone.

use super::ingestion::Sent;
use super::refusal::{FieldProblem, Refusal, Result};
use super::sandbox::Sandbox;
use attiva_core::Value;
use attiva_core::config::AudienceEntity;
use attiva_core::event::Event;
use attiva_core::id::SegmentId;
use attiva_core::identity::Identity;
use attiva_core::ingest::{SentKind, SentRecord, value_of};
use attiva_core::key::{Instance, SourceKey};
use attiva_core::model::{EntityKind, EntityName, Layout, Role};
use attiva_core::ports::store::PageCommitted;
use attiva_core::record::Fields;
use attiva_sync::{EdgeAnswer, EdgeEvent, EdgeQuestion, policies};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

/// Most names that one person is asked for by.
const IDENTITIES_MAX: usize = 10;
/// Most audiences that are asked for by name.
const SEGMENTS_MAX: usize = 500;

/// Who is asked for, and what happens.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(rename = "EdgeEvaluationRequest")]
#[serde(deny_unknown_fields)]
pub struct EdgeRequest {
    /// Who it is, the firmest first: the first that names anybody does. Where none does, the answer is of the request
    /// alone.
    pub identities: Vec<EdgeIdentity>,
    /// Of the person, by the names of the model, in the place of what is kept; for this answer alone.
    #[serde(default)]
    pub attributes: Map<String, Json>,
    pub event: Option<EdgeRequestEvent>,
    /// Ids of segments of persons, each of which is answered with whether the person is in its audience; empty: all, and
    /// those are answered that the person is in.
    #[serde(default)]
    pub segments: Vec<String>,
}

/// What names a person.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EdgeIdentity {
    /// `email`, `source_key`, `ecid`, or a namespace of the sandbox's own.
    pub namespace: String,
    pub value: String,
}

/// What happens while it is asked.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[schemars(rename = "EdgeEvent")]
#[serde(deny_unknown_fields)]
pub struct EdgeRequestEvent {
    /// Names the event within its source. Told again, or told by another way before, it is one event.
    pub id: Option<String>,
    /// By the names that the model has for an activity: `type`, `page`; `time` is now unless it says otherwise. Whose it is
    /// the identities say.
    pub fields: Map<String, Json>,
    /// Where the event comes from. It is kept as well if `ingest` says so.
    pub source: Option<Instance>,
    /// Keep it, as `records` does; needs `id` and `source`, and a key with `records:write`.
    #[serde(default)]
    pub ingest: bool,
}

impl EdgeRequest {
    /// Whether something is to be written.
    #[must_use]
    pub fn ingests(&self) -> bool {
        self.event.as_ref().is_some_and(|event| event.ingest)
    }
}

impl Sandbox {
    /// Which audiences a person is in now; with it, what became of the event where it was to be kept. The answer does not
    /// wait for what follows from that, and the event is in it all the same.
    ///
    /// # Errors
    /// `request.invalid` with each field at fault; `segment.missing`; as `ingest`.
    pub async fn ask_edge(&self, request: &EdgeRequest) -> Result<(EdgeAnswer, Option<PageCommitted>)> {
        let (question, sent) = self.edge_question(request)?;
        let kept = async {
            match &sent {
                Some(sent) => self.ingest(sent).await.map(Some).map_err(of_event),
                None => Ok(None),
            }
        };
        let answer = async { self.engine.ask_edge(question).await.map_err(Refusal::from) };
        let (answer, kept) = tokio::join!(answer, kept);
        Ok((answer?, kept?))
    }

    fn edge_question(&self, request: &EdgeRequest) -> Result<(EdgeQuestion, Option<Sent>)> {
        let mut problems = Vec::new();
        let identities = self.edge_identities(&request.identities, &mut problems)?;
        let person = policies::layout(self.store.as_ref(), &EntityName::PERSON)?;
        let attributes = values(&person, "/attributes", &request.attributes, &mut problems);
        let segments = self.edge_segments(&request.segments, &mut problems)?;
        let (mut event, mut sent) = (None, None);
        if let Some(told) = &request.event {
            let layout = policies::layout(self.store.as_ref(), &EntityKind::Activity.into())?;
            event = Some(self.edge_event(told, &layout, &mut problems));
            if told.ingest {
                sent = sent_event(told, &identities, &mut problems);
            }
        }
        if !problems.is_empty() {
            return Err(Refusal::invalid("request.invalid", "the request cannot be answered", problems));
        }
        Ok((EdgeQuestion { identities, attributes, event, segments }, sent))
    }

    /// A value that no identity of its namespace can have belongs to nobody.
    fn edge_identities(&self, told: &[EdgeIdentity], problems: &mut Vec<FieldProblem>) -> Result<Vec<Identity>> {
        if told.is_empty() || told.len() > IDENTITIES_MAX {
            problems.push(FieldProblem::new("/identities", format!("must have 1 to {IDENTITIES_MAX}")));
            return Ok(Vec::new());
        }
        let mut identities = Vec::new();
        for (i, EdgeIdentity { namespace, value }) in told.iter().enumerate() {
            match self.known_namespace(&EntityName::PERSON, namespace) {
                Ok(()) => identities.extend(Identity::read(namespace, value)),
                Err(refusal) if refusal.fields.is_empty() => return Err(refusal),
                Err(refusal) => problems.extend(
                    refusal
                        .fields
                        .into_iter()
                        .map(|p| FieldProblem::new(format!("/identities/{i}/{}", p.field), p.message)),
                ),
            }
        }
        Ok(identities)
    }

    fn edge_segments(&self, ids: &[String], problems: &mut Vec<FieldProblem>) -> Result<Vec<SegmentId>> {
        if ids.len() > SEGMENTS_MAX {
            problems
                .push(FieldProblem::new("/segments", format!("must be {SEGMENTS_MAX} at most; leave it out for all")));
            return Ok(Vec::new());
        }
        let mut segments = Vec::with_capacity(ids.len());
        for (i, id) in ids.iter().enumerate() {
            let segment = self.segment(id)?.value;
            if segment.entity != AudienceEntity::Person {
                problems.push(FieldProblem::new(format!("/segments/{i}"), "is no segment of persons"));
            }
            segments.push(segment.id);
        }
        Ok(segments)
    }

    fn edge_event(&self, told: &EdgeRequestEvent, layout: &Layout, problems: &mut Vec<FieldProblem>) -> EdgeEvent {
        for name in told.fields.keys() {
            let names_person = layout.find(name).is_some_and(|(_, field)| is_of_person(field.role, name));
            if names_person {
                let problem = "names a person: whose the event is, `identities` says";
                problems.push(FieldProblem::new(format!("/event/fields/{name}"), problem));
            }
        }
        let mut attributes = values(layout, "/event/fields", &told.fields, problems);
        let mut take = |name: &str| {
            let at = attributes.iter().position(|(known, _)| known == name)?;
            Some(attributes.swap_remove(at).1)
        };
        let time = match take("time") {
            Some(Value::Timestamp(time)) => time,
            _ => self.now(),
        };
        let event_type = match take("type") {
            Some(Value::Text(event_type)) => event_type,
            // As of one that is sent without a type.
            _ => EntityKind::Activity.name().to_owned(),
        };
        let source_key = match (&told.id, &told.source) {
            (Some(id), Some(source)) => Some(SourceKey::format(id, source)),
            _ => None,
        };
        let event = Event { time, event_type, subjects: Vec::new(), attributes, native: Fields::default() };
        EdgeEvent { source_key, event }
    }
}

/// What is wrong with the record that the event was sent as, by its place in the request.
fn of_event(mut refusal: Refusal) -> Refusal {
    for problem in &mut refusal.fields {
        let place = problem.field.strip_prefix("/records/0").unwrap_or(&problem.field);
        problem.field = format!("/event{place}");
    }
    refusal
}

fn is_of_person(role: Role, name: &str) -> bool {
    matches!(role, Role::Email | Role::Ecid | Role::SameAs) || name == "person_key"
}

fn values(
    layout: &Layout,
    place: &str,
    told: &Map<String, Json>,
    problems: &mut Vec<FieldProblem>,
) -> Vec<(String, Value)> {
    let mut values = Vec::with_capacity(told.len());
    for (name, json) in told {
        match value_of(layout, name, json) {
            Ok(value) => values.push((name.clone(), value)),
            Err(problem) => problems.push(FieldProblem::new(format!("{place}/{name}"), problem)),
        }
    }
    values
}

/// The event as `records` takes it, with who it is of.
fn sent_event(told: &EdgeRequestEvent, identities: &[Identity], problems: &mut Vec<FieldProblem>) -> Option<Sent> {
    let mut fields = told.fields.clone();
    let of = |namespace: &str| -> Vec<String> {
        identities.iter().filter(|it| it.namespace == namespace).map(|it| it.value.clone()).collect()
    };
    let key = of(Identity::SOURCE_KEY).into_iter().next().map(|key| ("person_key", Json::from(key)));
    let email = of(Identity::EMAIL).into_iter().next().map(|email| ("email", Json::from(email)));
    let ecids = Some(of(Identity::ECID)).filter(|ecids| !ecids.is_empty());
    let named: Vec<(&str, Json)> =
        key.into_iter().chain(email).chain(ecids.map(|ecids| ("ecids", Json::from(ecids)))).collect();
    if named.is_empty() {
        let problem = "an event is kept by a source_key, an email or an ecid: give one of these as well";
        problems.push(FieldProblem::new("/identities", problem));
    }
    fields.extend(named.into_iter().map(|(name, value)| (name.to_owned(), value)));
    match (&told.id, &told.source) {
        (Some(id), Some(source)) => Some(Sent {
            source: source.clone(),
            entity: EntityKind::Activity.name().to_owned(),
            records: vec![SentRecord { id: id.clone(), at: None, kind: SentKind::Full, fields }],
        }),
        (id, _) => {
            let missing = if id.is_none() { "/event/id" } else { "/event/source" };
            problems.push(FieldProblem::new(missing, "is needed for an event that is kept"));
            None
        }
    }
}
