//! `attiva api`: any request of the API, for what has no command of its own.

use super::input::bytes;
use super::output::Output;
use super::{Client, Failure};
use anyhow::Context;
use clap::{Args, ValueEnum};
use serde_json::Value;
use std::path::PathBuf;
use ureq::http::Method;

#[derive(Debug, Args)]
pub(crate) struct Request {
    #[arg(ignore_case = true)]
    method: Verb,
    /// `/v1/audit`; what does not begin with a slash is within the sandbox: `projection`.
    path: String,
    /// The body: a file of JSON; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// The version that is to be changed, as `etag` gave it.
    #[arg(long, value_name = "ETAG")]
    if_match: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Verb {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

pub(crate) fn run(request: &Request, client: &Client, output: Output) -> Result<(), Failure> {
    let Request { method, path, body, if_match } = request;
    let path = if path.starts_with('/') { path.clone() } else { client.scoped(path) };
    let body: Option<Value> = match body {
        Some(file) => Some(
            serde_json::from_slice(&bytes(file)?).map_err(|e| Failure::Usage(format!("{}: {e}", file.display())))?,
        ),
        None if matches!(method, Verb::Get | Verb::Delete) => None,
        None => Some(Value::Object(serde_json::Map::new())),
    };
    let method = match method {
        Verb::Get => Method::GET,
        Verb::Post => Method::POST,
        Verb::Put => Method::PUT,
        Verb::Patch => Method::PATCH,
        Verb::Delete => Method::DELETE,
    };
    let answer = client.change(method, &path, body.as_ref(), if_match.as_deref())?;
    if let Some(etag) = &answer.etag {
        output.note(&format!("etag: {etag}"));
    }
    // What is no JSON stands as it is: metrics, and pages.
    match answer.json() {
        Ok(answer) => output.json(&answer),
        Err(_) if answer.body.is_empty() => {}
        Err(_) => output.line(String::from_utf8(answer.body).context("the answer is no text")?.trim_end()),
    }
    Ok(())
}
