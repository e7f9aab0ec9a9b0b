//! A source's calls.

use crate::bindings::source as wit;
use crate::call::{CallState, Exports};
use crate::connection::ConnectionContext;
use crate::convert;
use crate::egress::policy::Mode;
use crate::limits::exceeded;
use crate::plugin::Plugin;
use crate::usage::Usage;
use attiva_core::page::{CheckResult, Cursor, Page};
use attiva_core::ports::connector::Stream;
use attiva_core::{Fault, FaultKind};
use wasmtime::Store;

/// What is to be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadRequest {
    pub stream: String,
    /// Empty: all columns.
    pub fields: Vec<String>,
    /// `None`: from the start.
    pub cursor: Option<Cursor>,
    /// For keyed streams.
    pub keys: Vec<String>,
    pub max_rows: u32,
    pub max_bytes: u64,
}

impl Plugin {
    /// Tests a connection, one named test after the other. A plugin that is both is asked as a source, which only reads,
    /// and as a destination, which proves that it may write by writing something that it takes back.
    ///
    /// # Errors
    /// `limit.*` and `plugin.*`; what the tests find is in their results.
    pub async fn check(&self, context: &ConnectionContext) -> Result<Vec<CheckResult>, Fault> {
        let configuration = &context.configuration.to_string();
        let mut results = Vec::new();
        if self.is_source {
            let body = async |store: &mut Store<CallState>, exports: &Exports<'_>| match exports.source(store)? {
                Some(source) => source.call_check(&mut *store, configuration).await,
                None => Ok(Vec::new()),
            };
            results.extend(self.call(context, "check", Mode::ReadOnly, body, Ok).await?.0);
        }
        if self.is_destination {
            let body = async |store: &mut Store<CallState>, exports: &Exports<'_>| match exports.destination(store)? {
                Some(destination) => destination.call_check(&mut *store, configuration).await,
                None => Ok(Vec::new()),
            };
            results.extend(self.call(context, "check", Mode::ReadWrite, body, Ok).await?.0);
        }
        Ok(results.into_iter().map(convert::check_result).collect())
    }

    /// The streams this vendor instance has.
    ///
    /// # Errors
    /// What the plugin answers; `limit.*`, `plugin.*`, `page.*`.
    pub async fn discover_streams(&self, context: &ConnectionContext) -> Result<Vec<Stream>, Fault> {
        let configuration = context.configuration.to_string();
        let found = self.call(
            context,
            "discover",
            Mode::ReadOnly,
            async |store, exports| match exports.source(store)? {
                Some(source) => {
                    Ok(source.call_discover(&mut *store, &configuration).await?.map_err(convert::fault_from_guest))
                }
                None => Ok(Err(not_a("source"))),
            },
            |streams| streams,
        );
        let (streams, _usage) = found.await?;
        Ok(streams.into_iter().map(convert::stream_spec).collect())
    }

    /// Reads one page, and checks all of it.
    ///
    /// # Errors
    /// What the plugin answers; `limit.*`, `plugin.*`, `page.*`.
    pub async fn read(&self, context: &ConnectionContext, request: &ReadRequest) -> Result<(Page, Usage), Fault> {
        let configuration = context.configuration.to_string();
        let limits = wit::Limits {
            max_rows: request.max_rows.min(self.services.limits.page_rows),
            max_bytes: request.max_bytes.min(self.services.limits.page_bytes),
        };
        let cursor = request.cursor.as_ref().map(convert::cursor_to_guest);
        self.call_counting(
            context,
            "read",
            Mode::ReadWrite,
            async |store, exports| match exports.source(store)? {
                Some(source) => {
                    let (stream, fields, keys) = (&request.stream, &request.fields, &request.keys);
                    let page =
                        source.call_read(&mut *store, &configuration, stream, fields, cursor.as_ref(), keys, limits);
                    Ok(page.await?.map_err(convert::fault_from_guest))
                }
                None => Ok(Err(not_a("source"))),
            },
            |page| {
                let page = convert::page(page?, limits)?;
                self.check_cursor(&page)?;
                Ok(page)
            },
            |page| page.rows.len,
        )
        .await
    }

    /// Tells the source that a cursor will not be used again.
    ///
    /// # Errors
    /// What the plugin answers, `unsupported` where there is never anything to remove; `limit.*`, `plugin.*`.
    pub async fn release(&self, context: &ConnectionContext, stream: &str, cursor: &Cursor) -> Result<(), Fault> {
        let configuration = context.configuration.to_string();
        let cursor = convert::cursor_to_guest(cursor);
        let released = self.call(
            context,
            "release",
            Mode::ReadWrite,
            async |store, exports| match exports.source(store)? {
                Some(source) => {
                    let released = source.call_release(&mut *store, &configuration, stream, &cursor).await?;
                    Ok(released.map_err(convert::fault_from_guest))
                }
                None => Ok(Err(not_a("source"))),
            },
            |released| released,
        );
        released.await.map(|((), _usage)| ())
    }

    fn check_cursor(&self, page: &Page) -> Result<(), Fault> {
        let (bytes, most) = (page.next.bytes.len(), self.services.limits.cursor_bytes);
        if bytes > most {
            return Err(exceeded("limit.cursor", format!("the cursor has {bytes} bytes; at most {most} are kept")));
        }
        // Else the next version could not tell what it has to migrate.
        let (found, declared) = (page.next.state_version, self.spec.state_version);
        if found != declared {
            let what = format!("the cursor says that it is of version {found}; the specification declares {declared}");
            return Err(Fault::new(FaultKind::Internal, "page.state-version", what)
                .action("Report this to the connector's publisher."));
        }
        Ok(())
    }
}

pub(crate) fn not_a(what: &str) -> Fault {
    Fault::new(FaultKind::Unsupported, format!("plugin.no-{what}"), format!("the connector is no {what}"))
}
