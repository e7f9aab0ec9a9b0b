//! A bucket in memory, and a run against it that can be killed anywhere.

use attiva_connector::testing::FakeHost;
use attiva_connector::{
    Batch, Column, ColumnSpec, Cursor, DataType, Delivered, Destination, Fault, Finished, Operation, OutcomeStatus,
    PageBuilder, Plugin, Request, Response, Result, Run, Target, parse_config,
};
use destination_s3::S3;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// What a real bucket does, as far as the connector can tell.
#[derive(Default)]
pub(crate) struct Store {
    pub(crate) objects: BTreeMap<String, Object>,
    pub(crate) uploads: BTreeMap<String, Upload>,
    pub(crate) begun: usize,
    /// Answers given before the bucket is asked, in order: the request's beginning, and what comes instead.
    pub(crate) interventions: Vec<(String, Intervention)>,
    /// Leaves a request's metadata out, as some stores do.
    pub(crate) forgets_metadata: bool,
    /// Calls an upload that is gone somebody else's and cannot list uploads, as some stores do.
    pub(crate) is_peculiar: bool,
    /// Where it says that it is.
    pub(crate) region: Option<String>,
}

pub(crate) struct Object {
    pub(crate) bytes: Vec<u8>,
    pub(crate) content_type: String,
    pub(crate) run: Option<String>,
    pub(crate) etag: String,
}

#[derive(Default)]
pub(crate) struct Upload {
    pub(crate) key: String,
    pub(crate) parts: BTreeMap<u32, Vec<u8>>,
    pub(crate) run: Option<String>,
}

pub(crate) enum Intervention {
    /// The request does not reach the bucket.
    Instead(u16, String),
    /// The request has its effect, and the answer is another.
    After(u16, String),
    /// The connection breaks with no effect.
    Broken,
}

pub(crate) fn error(code: &str) -> String {
    format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>m</Message></Error>")
}

impl Store {
    fn serve(&mut self, request: &Request) -> Result<Response> {
        assert_eq!((request.origin.as_str(), request.credential.as_deref()), ("virtual", Some("aws")));
        let line = format!("{} {}", request.method, request.path);
        let at = self.interventions.iter().position(|(begin, _)| line.starts_with(begin));
        match at.map(|at| self.interventions.remove(at).1) {
            Some(Intervention::Instead(status, body)) => Ok(answer(status, body)),
            Some(Intervention::Broken) => Err(Fault::transient("network", "broken")),
            Some(Intervention::After(status, body)) => {
                self.respond(request);
                Ok(answer(status, body))
            }
            None => Ok(self.respond(request)),
        }
    }

    fn respond(&mut self, request: &Request) -> Response {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let key = path.trim_start_matches('/').to_owned();
        let parameter = |name: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.filter(|(n, _)| *n == name).map(|(_, value)| value.to_owned()).next()
        };
        let header = |name: &str| request.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        let run = header("x-amz-meta-attiva-run").filter(|_| !self.forgets_metadata);
        let body = request.body.clone().unwrap_or_default();
        match (request.method.as_str(), parameter("uploadId"), parameter("uploads")) {
            ("HEAD", None, None) if key.is_empty() => {
                let mut response = answer(200, "");
                response
                    .headers
                    .extend(self.region.iter().map(|region| ("x-amz-bucket-region".into(), region.clone())));
                response
            }
            ("HEAD", None, None) => self.head(&key),
            ("GET", None, Some(_)) => self.list(&parameter("prefix").unwrap()),
            ("PUT", None, None) => {
                let content_type = header("content-type").unwrap();
                let etag = format!("\"{:x}\"", body.len());
                self.objects.insert(key, Object { bytes: body, content_type, run, etag });
                answer(200, "")
            }
            ("POST", None, Some(_)) => {
                self.begun += 1;
                let id = format!("upload-{}", self.begun);
                self.uploads.insert(id.clone(), Upload { key, parts: BTreeMap::new(), run });
                answer(
                    200,
                    format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"),
                )
            }
            ("PUT", Some(id), None) => {
                let gone = self.gone();
                let Some(upload) = self.uploads.get_mut(&id) else { return gone };
                let number = parameter("partNumber").unwrap().parse().unwrap();
                let mut response = answer(200, "");
                response.headers.push(("etag".into(), format!("\"{id}-{number}\"")));
                upload.parts.insert(number, body);
                response
            }
            ("POST", Some(id), None) => self.complete(&id, &String::from_utf8(body).unwrap()),
            ("DELETE", Some(id), None) => match self.uploads.remove(&id) {
                Some(_) => answer(204, ""),
                None => self.gone(),
            },
            other => panic!("the bucket has no {other:?}"),
        }
    }

    fn head(&self, key: &str) -> Response {
        let Some(object) = self.objects.get(key) else { return answer(404, "") };
        let mut response = answer(200, "");
        response.headers.push(("content-length".into(), object.bytes.len().to_string()));
        response.headers.push(("etag".into(), object.etag.clone()));
        response.headers.extend(object.run.iter().map(|run| ("x-amz-meta-attiva-run".into(), run.clone())));
        response
    }

    fn gone(&self) -> Response {
        if self.is_peculiar { answer(403, error("AccessDenied")) } else { answer(404, error("NoSuchUpload")) }
    }

    fn list(&self, prefix: &str) -> Response {
        if self.is_peculiar {
            return answer(501, error("NotImplemented"));
        }
        let prefix = prefix.replace("%2F", "/");
        let uploads = self.uploads.iter().filter(|(_, upload)| upload.key.starts_with(&prefix));
        let uploads: String =
            uploads.map(|(id, u)| format!("<Upload><Key>{}</Key><UploadId>{id}</UploadId></Upload>", u.key)).collect();
        answer(200, format!("<ListMultipartUploadsResult>{uploads}</ListMultipartUploadsResult>"))
    }

    /// Refuses wrong ETags, missing parts and parts that are too small, as S3 does.
    fn complete(&mut self, id: &str, body: &str) -> Response {
        let Some(upload) = self.uploads.get(id) else { return self.gone() };
        let wanted: String = upload
            .parts
            .keys()
            .map(|n| format!("<Part><PartNumber>{n}</PartNumber><ETag>&quot;{id}-{n}&quot;</ETag></Part>"))
            .collect();
        if !body.contains(&format!(">{wanted}</CompleteMultipartUpload>")) {
            return answer(400, error("InvalidPart"));
        }
        let count = upload.parts.len();
        if upload.parts.values().take(count - 1).any(|part| part.len() < 5 * 1024 * 1024) {
            return answer(400, error("EntityTooSmall"));
        }
        let upload = self.uploads.remove(id).unwrap();
        let bytes = upload.parts.into_values().flatten().collect();
        let etag = format!("\"abc-{count}\"");
        self.objects.insert(upload.key, Object { bytes, content_type: String::new(), run: upload.run, etag });
        answer(200, "\n  <CompleteMultipartUploadResult><ETag>\"abc\"</ETag></CompleteMultipartUploadResult>")
    }
}

fn answer(status: u16, body: impl Into<Vec<u8>>) -> Response {
    Response { status, headers: Vec::new(), body: body.into() }
}

/// One run of the connector, call after call, as a host makes them.
pub(crate) struct Harness {
    pub(crate) host: FakeHost,
    pub(crate) store: Rc<RefCell<Store>>,
    pub(crate) config: <S3 as Plugin>::Config,
    pub(crate) target: Target,
    pub(crate) run: Run,
    pub(crate) state: Vec<u8>,
    pub(crate) number: u32,
}

impl Harness {
    pub(crate) fn new(more: Value, options: Value) -> Self {
        let mut config =
            json!({"bucket": "bucket", "region": "eu-central-1", "access_key_id": "AKID", "part_size_mb": 5});
        for (name, value) in more.as_object().unwrap() {
            config[name] = value.clone();
        }
        let store = Rc::new(RefCell::new(Store::default()));
        let served = Rc::clone(&store);
        let host = FakeHost::with_vendor(move |request| Some(served.borrow_mut().serve(request)));
        Self {
            host,
            store,
            config: parse_config(&config.to_string()).unwrap(),
            target: Target {
                id: "act_1".into(),
                object: "file".into(),
                name: "vips".into(),
                options: options.to_string(),
            },
            run: Run {
                id: "run-1".into(),
                started_ms: 1_795_443_180_250,
                rows_expected: None,
                columns: vec![("email".into(), DataType::Text), ("score".into(), DataType::Integer)],
            },
            state: Vec::new(),
            number: 0,
        }
    }

    pub(crate) fn prepare(&mut self) -> Vec<String> {
        let prepared = S3::prepare(&self.host, &self.config, &self.target, &self.run, false).unwrap();
        self.state = prepared.state;
        prepared.notes
    }

    /// Delivers a batch and keeps the state.
    pub(crate) fn deliver(&mut self, rows: &[Row<'_>]) -> Vec<OutcomeStatus> {
        let delivered = self.try_deliver(rows).unwrap();
        self.state = delivered.state;
        self.number += 1;
        delivered.outcomes.into_iter().map(|o| o.status).collect()
    }

    /// Delivers a batch and forgets the answer, as a host does that is killed before its commit.
    pub(crate) fn deliver_and_die(&mut self, rows: &[Row<'_>]) {
        drop(self.try_deliver(rows));
    }

    pub(crate) fn try_deliver(&self, rows: &[Row<'_>]) -> Result<Delivered> {
        self.try_deliver_batch(&self.batch(rows))
    }

    pub(crate) fn try_deliver_batch(&self, batch: &Batch) -> Result<Delivered> {
        S3::deliver(&self.host, &self.config, &self.target, &self.run, self.state.clone(), batch)
    }

    pub(crate) fn batch(&self, rows: &[Row<'_>]) -> Batch {
        let specs: Vec<ColumnSpec> = self.run.columns.iter().map(|(n, t)| ColumnSpec::new(n.clone(), *t)).collect();
        let mut page = PageBuilder::new(&specs);
        for (i, row) in rows.iter().enumerate() {
            let mut cells = page.row(&format!("key-{i}")).patch();
            for (column, value) in row.0 {
                cells.value(*column, value).unwrap();
            }
        }
        let page = page.finish(Cursor::encode(1, &0).unwrap()).unwrap();
        let columns: Vec<Column> = page.columns;
        Batch {
            member_ids: None,
            number: self.number,
            rows: page.rows,
            keys: page.keys,
            operations: rows.iter().map(|row| row.1).collect(),
            columns,
        }
    }

    /// One finish or poll, its state kept.
    pub(crate) fn step(&mut self) -> Result<Finished> {
        let finished = self.try_step()?;
        self.state.clone_from(&finished.state);
        Ok(finished)
    }

    pub(crate) fn try_step(&self) -> Result<Finished> {
        S3::finish(&self.host, &self.config, &self.target, &self.run, self.state.clone())
    }

    /// Finishes and polls to the end.
    pub(crate) fn finish(&mut self) -> Finished {
        let mut artifacts = Vec::new();
        for _ in 0..40 {
            let finished = self.step().unwrap();
            artifacts.extend(finished.artifacts.clone());
            if finished.pending_become != OutcomeStatus::Pending {
                return Finished { artifacts, ..finished };
            }
        }
        panic!("the file is never published");
    }

    pub(crate) fn object(&self, key: &str) -> Option<Vec<u8>> {
        self.store.borrow().objects.get(key).map(|object| object.bytes.clone())
    }

    pub(crate) fn intervene(&self, begin: &str, intervention: Intervention) {
        self.store.borrow_mut().interventions.push((begin.into(), intervention));
    }
}

/// A row: its cells by column, and its operation.
pub(crate) struct Row<'a>(pub(crate) &'a [(&'a str, Value)], pub(crate) Operation);
