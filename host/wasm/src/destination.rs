//! A destination's calls.

use crate::bindings::destination as wit;
use crate::call::{CallState, Exports};
use crate::connection::ConnectionContext;
use crate::convert;
use crate::egress::policy::Mode;
use crate::plugin::Plugin;
use crate::source::not_a;
use crate::usage::Usage;
use arrow_array::Array;
use attiva_core::page::Batch;
use attiva_core::ports::connector::{Delivered, DeliveryRun, Finished, Prepared, Target, TargetObject};
use attiva_core::{Fault, FaultKind};
use serde::{Deserialize, Serialize};
use wasmtime::Store;

/// One member as the vendor has it: values of the matching keys, by field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub identifiers: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberPage {
    pub members: Vec<Member>,
    pub next: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EraseStatus {
    Removed,
    NotFound,
    Cannot,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EraseResult {
    pub status: EraseStatus,
    pub message: String,
}

/// Calls a function of the destination, or says that there is none.
macro_rules! on_destination {
    ($function:ident ( $($argument:expr),* )) => {
        async |store: &mut Store<CallState>, exports: &Exports<'_>| match exports.destination(store)? {
            Some(destination) => {
                let answer = destination.$function(&mut *store $(, $argument)*).await?;
                Ok(answer.map_err(convert::fault_from_guest))
            }
            None => Ok(Err(not_a("destination"))),
        }
    };
}

impl Plugin {
    /// What can be filled at this vendor instance.
    ///
    /// # Errors
    /// What the plugin answers; `limit.*`, `plugin.*`; `discover.options-schema`.
    pub async fn discover_targets(&self, context: &ConnectionContext) -> Result<Vec<TargetObject>, Fault> {
        let configuration = context.configuration.to_string();
        let body = on_destination!(call_discover(&configuration));
        let check =
            |found: Result<Vec<wit::TargetObject>, Fault>| found?.into_iter().map(convert::target_object).collect();
        Ok(self.call(context, "discover", Mode::ReadOnly, body, check).await?.0)
    }

    /// Finds or creates the target. In a dry run of the context it only says what it would do.
    ///
    /// # Errors
    /// What the plugin answers; `limit.*`, `plugin.*`.
    pub async fn prepare(
        &self,
        context: &ConnectionContext,
        target: &Target,
        run: &DeliveryRun,
    ) -> Result<(Prepared, Usage), Fault> {
        let configuration = context.configuration.to_string();
        let (target, run) = (convert::target(target), convert::run(run));
        let body = on_destination!(call_prepare(&configuration, &target, &run, context.dry_run));
        let check = |prepared: Result<wit::Prepared, Fault>| {
            let prepared = prepared?;
            Ok(Prepared { state: self.state(prepared.state)?, notes: prepared.notes, wait_ms: prepared.wait_ms })
        };
        self.call(context, "prepare", Mode::ReadWrite, body, check).await
    }

    /// Delivers one batch.
    ///
    /// # Errors
    /// What the plugin answers; `limit.*`, `plugin.*`; `deliver.outcomes` where there is not one per row.
    pub async fn deliver(
        &self,
        context: &ConnectionContext,
        target: &Target,
        run: &DeliveryRun,
        state: &[u8],
        batch: &Batch,
    ) -> Result<(Delivered, Usage), Fault> {
        let configuration = context.configuration.to_string();
        let (target, run, rows) = (convert::target(target), convert::run(run), batch.keys.len());
        let (state, batch) = (state.to_vec(), convert::batch(batch)?);
        let body = on_destination!(call_deliver(&configuration, &target, &run, &state, &batch));
        let check = |delivered: Result<wit::Delivered, Fault>| {
            let delivered = delivered?;
            if delivered.outcomes.len() != rows {
                let what = format!("{} outcomes were given for {rows} rows", delivered.outcomes.len());
                return Err(Fault::new(FaultKind::Internal, "deliver.outcomes", what)
                    .action("Report this to the connector's publisher."));
            }
            let outcomes = delivered.outcomes.into_iter().map(convert::outcome).collect::<Result<_, _>>()?;
            Ok(Delivered { state: self.state(delivered.state)?, outcomes })
        };
        self.call_counting(context, "deliver", Mode::ReadWrite, body, check, |delivered| delivered.outcomes.len()).await
    }

    /// Makes what the batches built visible.
    ///
    /// # Errors
    /// What the plugin answers; `limit.*`, `plugin.*`.
    pub async fn finish(
        &self,
        context: &ConnectionContext,
        target: &Target,
        run: &DeliveryRun,
        state: &[u8],
    ) -> Result<(Finished, Usage), Fault> {
        let configuration = context.configuration.to_string();
        let (target, run, state) = (convert::target(target), convert::run(run), state.to_vec());
        let body = on_destination!(call_finish(&configuration, &target, &run, &state));
        self.call(context, "finish", Mode::ReadWrite, body, |finished| self.finished(finished?)).await
    }

    /// Takes back what is not yet visible.
    ///
    /// # Errors
    /// What the plugin answers; `limit.*`, `plugin.*`.
    pub async fn abort(
        &self,
        context: &ConnectionContext,
        target: &Target,
        run: &DeliveryRun,
        state: &[u8],
    ) -> Result<((), Usage), Fault> {
        let configuration = context.configuration.to_string();
        let (target, run, state) = (convert::target(target), convert::run(run), state.to_vec());
        let body = on_destination!(call_abort(&configuration, &target, &run, &state));
        self.call(context, "abort", Mode::ReadWrite, body, |done| done).await
    }

    /// Asks for the end of what `finish` left pending.
    ///
    /// # Errors
    /// What the plugin answers; `limit.*`, `plugin.*`.
    pub async fn poll(
        &self,
        context: &ConnectionContext,
        target: &Target,
        run: &DeliveryRun,
        state: &[u8],
    ) -> Result<(Finished, Usage), Fault> {
        let configuration = context.configuration.to_string();
        let (target, run, state) = (convert::target(target), convert::run(run), state.to_vec());
        let body = on_destination!(call_poll(&configuration, &target, &run, &state));
        self.call(context, "poll", Mode::ReadWrite, body, |finished| self.finished(finished?)).await
    }

    /// Reads back who is in the target.
    ///
    /// # Errors
    /// What the plugin answers; `limit.*`, `plugin.*`.
    pub async fn members(
        &self,
        context: &ConnectionContext,
        target: &Target,
        after: Option<&[u8]>,
    ) -> Result<(MemberPage, Usage), Fault> {
        let configuration = context.configuration.to_string();
        let target = convert::target(target);
        let body = on_destination!(call_members(&configuration, &target, after));
        let check = |page: Result<wit::MemberPage, Fault>| {
            let page = page?;
            let next = page.next.map(|next| self.check_state("limit.cursor", "cursor", next)).transpose()?;
            let members = page.members.into_iter().map(|member| Member { identifiers: member.identifiers });
            Ok(MemberPage { members: members.collect(), next })
        };
        self.call(context, "members", Mode::ReadOnly, body, check).await
    }

    /// Removes a person, by any of these `(field, value)`, from everything the connector can reach.
    ///
    /// # Errors
    /// What the plugin answers; `limit.*`, `plugin.*`.
    pub async fn erase(
        &self,
        context: &ConnectionContext,
        target: &Target,
        identifiers: &[(String, String)],
    ) -> Result<(EraseResult, Usage), Fault> {
        let configuration = context.configuration.to_string();
        let target = convert::target(target);
        let body = on_destination!(call_erase(&configuration, &target, identifiers));
        let check = |erased: Result<wit::EraseResult, Fault>| erased.map(convert::erase_result);
        self.call(context, "erase", Mode::ReadWrite, body, check).await
    }

    /// Removes what the connector created for the target.
    ///
    /// # Errors
    /// What the plugin answers; `limit.*`, `plugin.*`.
    pub async fn retire(&self, context: &ConnectionContext, target: &Target) -> Result<((), Usage), Fault> {
        let configuration = context.configuration.to_string();
        let target = convert::target(target);
        let body = on_destination!(call_retire(&configuration, &target));
        self.call(context, "retire", Mode::ReadWrite, body, |done| done).await
    }

    fn state(&self, state: Vec<u8>) -> Result<Vec<u8>, Fault> {
        self.check_state("limit.state", "delivery state", state)
    }

    fn finished(&self, finished: wit::Finished) -> Result<Finished, Fault> {
        let exceptions = finished.exceptions.into_iter().map(|(key, outcome)| Ok((key, convert::outcome(outcome)?)));
        Ok(Finished {
            state: self.state(finished.state)?,
            pending_become: convert::outcome_status(finished.pending_become),
            exceptions: exceptions.collect::<Result<_, Fault>>()?,
            artifacts: finished.artifacts.into_iter().map(convert::artifact).collect(),
            warnings: finished.warnings.into_iter().map(convert::warning).collect(),
            wait_ms: finished.wait_ms,
        })
    }
}
