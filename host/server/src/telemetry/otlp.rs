//! Traces and logs on their way to a collector, as OTLP over HTTP. Spans and lines are made by the OpenTelemetry SDK; the
//! queues are ours, since what they drop has to be counted, and so is the client, since there is one already.

use super::outbox::{Counts, Outbox};
use crate::authorities;
use crate::config::{Export, Telemetry};
use async_trait::async_trait;
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{LogExporter, Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogBatch, LogExporter as _, LogProcessor, SdkLogRecord, SdkLoggerProvider};
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, Span, SpanData, SpanExporter as _, SpanProcessor};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use ureq::Agent;
use ureq::tls::TlsConfig;

/// Longest time for a request to the collector.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes of its answer that are read.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// What is sent, and how that goes. It ends with the process.
#[derive(Debug)]
pub(super) struct Otlp {
    pub(super) traces: Option<SdkTracerProvider>,
    pub(super) logs: Option<SdkLoggerProvider>,
    spans: Option<Arc<Outbox<SpanData>>>,
    lines: Option<Arc<Outbox<Line>>>,
}

type Line = (SdkLogRecord, InstrumentationScope);

impl Otlp {
    pub(super) fn start(config: &Telemetry) -> anyhow::Result<Self> {
        let resource = Resource::builder_empty()
            .with_service_name(config.service_name.clone())
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let has = |signal| config.export == Export::All || config.export == signal;
        let http = Http::new(config)?;
        let spans = if has(Export::Traces) { Some(Arc::new(spans(config, http.clone(), &resource)?)) } else { None };
        let lines = if has(Export::Logs) { Some(Arc::new(lines(config, http, &resource)?)) } else { None };
        let traces = spans.clone().map(|outbox| {
            // A client that traces decides for its own; who traces none is decided for by chance.
            let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(config.sample_ratio)));
            let provider = SdkTracerProvider::builder().with_sampler(sampler).with_resource(resource.clone());
            provider.with_span_processor(Spans(outbox)).build()
        });
        let logs = lines.clone().map(|outbox| {
            SdkLoggerProvider::builder().with_resource(resource.clone()).with_log_processor(Lines(outbox)).build()
        });
        Ok(Self { traces, logs, spans, lines })
    }

    /// Sends what is left; what takes too long is lost.
    pub(super) fn flush(&self, longest: Duration) {
        let is_sent = self.spans.as_ref().is_none_or(|outbox| outbox.flush(longest));
        if is_sent && let Some(lines) = &self.lines {
            lines.flush(longest);
        }
    }

    /// By signal: how it went so far, and how many wait.
    pub(super) fn signals(&self) -> Vec<(&'static str, &Counts, usize)> {
        let spans = self.spans.as_ref().map(|outbox| ("traces", outbox.counts(), outbox.waiting()));
        let lines = self.lines.as_ref().map(|outbox| ("logs", outbox.counts(), outbox.waiting()));
        spans.into_iter().chain(lines).collect()
    }
}

fn spans(config: &Telemetry, http: Http, resource: &Resource) -> anyhow::Result<Outbox<SpanData>> {
    let builder = SpanExporter::builder().with_http().with_http_client(http);
    let builder = builder.with_endpoint(format!("{}/v1/traces", config.endpoint)).with_headers(headers(config));
    let mut exporter = builder.with_protocol(Protocol::HttpBinary).with_timeout(TIMEOUT).build()?;
    exporter.set_resource(resource);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let send = move |batch| runtime.block_on(exporter.export(batch)).map_err(|e| e.to_string());
    Ok(Outbox::start("traces", config.queue, send)?)
}

fn lines(config: &Telemetry, http: Http, resource: &Resource) -> anyhow::Result<Outbox<Line>> {
    let builder = LogExporter::builder().with_http().with_http_client(http);
    let builder = builder.with_endpoint(format!("{}/v1/logs", config.endpoint)).with_headers(headers(config));
    let mut exporter = builder.with_protocol(Protocol::HttpBinary).with_timeout(TIMEOUT).build()?;
    exporter.set_resource(resource);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let send = move |batch: Vec<Line>| {
        let batch: Vec<_> = batch.iter().map(|(record, scope)| (record, scope)).collect();
        runtime.block_on(exporter.export(LogBatch::new(&batch))).map_err(|e| e.to_string())
    };
    Ok(Outbox::start("logs", config.queue, send)?)
}

fn headers(config: &Telemetry) -> HashMap<String, String> {
    config.headers.0.iter().cloned().collect()
}

#[derive(Debug)]
struct Spans(Arc<Outbox<SpanData>>);

impl SpanProcessor for Spans {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            self.0.put(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

#[derive(Debug)]
struct Lines(Arc<Outbox<Line>>);

impl LogProcessor for Lines {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        self.0.put((record.clone(), scope.clone()));
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// The exporters' client: ours, and blocking, since they have threads of their own.
#[derive(Debug, Clone)]
struct Http(Agent);

impl Http {
    fn new(telemetry: &Telemetry) -> anyhow::Result<Self> {
        let mut config =
            Agent::config_builder().http_status_as_error(false).timeout_global(Some(TIMEOUT)).max_redirects(0);
        // A proxy for the world is none for this machine.
        let host = telemetry.endpoint.split("//").nth(1).unwrap_or_default();
        if host.starts_with("localhost") || host.starts_with("[::1]") || host.starts_with("127.") {
            config = config.proxy(None);
        }
        if let Some(file) = &telemetry.ca_file {
            let wrong = |problem| anyhow::anyhow!("telemetry.otlp_ca_file: {}: {problem}", file.display());
            let trusted = authorities::read(file).map_err(wrong)?;
            config = config.tls_config(TlsConfig::builder().root_certs(trusted).build());
        }
        Ok(Self(config.build().into()))
    }
}

#[async_trait]
impl HttpClient for Http {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let mut answer = self.0.run(request.map(|body| body.to_vec()))?;
        let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
        Ok(Response::builder().status(answer.status()).body(Bytes::from(body))?)
    }
}
