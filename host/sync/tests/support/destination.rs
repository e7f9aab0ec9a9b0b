//! What the vendor does with members.

use super::*;

#[async_trait]
impl Destination for Vendor {
    async fn check(&self) -> Result<Vec<CheckResult>, Fault> {
        Ok(vec![])
    }

    async fn discover(&self) -> Result<Vec<TargetObject>, Fault> {
        Ok(vec![])
    }

    async fn prepare(&self, _: &Target, _: &DeliveryRun, _: bool) -> Result<Prepared, Fault> {
        self.calls.lock().unwrap().push("prepare".into());
        Ok(Prepared { state: b"0".to_vec(), notes: vec![], wait_ms: None })
    }

    async fn deliver(&self, _: &Target, _: &DeliveryRun, state: &[u8], batch: &Batch) -> Result<Delivered, Fault> {
        self.numbers.lock().unwrap().push(batch.number);
        let here = self.here.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_here.fetch_max(here, Ordering::SeqCst);
        // Whoever comes at the same time is let in.
        tokio::task::yield_now().await;
        stuck(&self.stuck).await;
        self.here.fetch_sub(1, Ordering::SeqCst);
        if let Some(fault) = self.faults_of.lock().unwrap().remove(&batch.number) {
            return Err(fault);
        }
        if let Some(fault) = self.deliver_faults.lock().unwrap().pop_front() {
            return Err(fault);
        }
        let keeps_state =
            self.at_once.lock().unwrap().is_some() && !self.moves_state_in.lock().unwrap().contains(&batch.number);
        let is_counted = self.at_once.lock().unwrap().is_none();
        assert!(
            !is_counted || state == batch.number.to_string().as_bytes(),
            "the state is the one of before this batch"
        );
        let rows = (0..batch.rows.len).map(|row| {
            let values = batch.rows.columns.iter().map(|c| c.get(row)).collect();
            (batch.keys.value(row).to_owned(), values)
        });
        self.batches.lock().unwrap().insert(batch.number, rows.collect());
        let known = (0..batch.rows.len).map(|row| (batch.keys.value(row).to_owned(), batch.member_ids[row].clone()));
        self.known_as.lock().unwrap().extend(known);
        let names = self.names_members.load(Ordering::SeqCst);
        let (names_by, nobody) = (*self.names_by.lock().unwrap(), self.knows_nobody_by.lock().unwrap().clone());
        let refuses = self.refuses.lock().unwrap().clone();
        let text = |row: usize, of: &str| {
            let column = batch.rows.columns.iter().find(|column| column.name == of)?;
            column.get(row)?.as_text().map(ToOwned::to_owned)
        };
        let outcome = |row: usize| {
            let mail = text(row, "mail").filter(|_| batch.operations[row] == Operation::Upsert).unwrap_or_default();
            let own = names.then(|| format!("m-{}", batch.keys.value(row)));
            let refused = refuses.get(mail.as_str()).copied();
            Outcome {
                status: match refused {
                    Some(_) => OutcomeStatus::Rejected,
                    None if nobody.contains(&mail.as_str()) => OutcomeStatus::Unmatched,
                    None => OutcomeStatus::Pending,
                },
                code: refused.unwrap_or_default().to_owned(),
                field: None,
                message: String::new(),
                member_id: names_by.map_or(own, |of| text(row, of)),
            }
        };
        let outcomes = (0..batch.rows.len).map(outcome).collect();
        let next = (batch.number + 1).to_string().into_bytes();
        Ok(Delivered { state: if keeps_state { state.to_vec() } else { next }, outcomes })
    }

    async fn finish(&self, _: &Target, _: &DeliveryRun, state: &[u8]) -> Result<Finished, Fault> {
        self.calls.lock().unwrap().push("finish".into());
        Ok(Finished {
            state: state.to_vec(),
            pending_become: OutcomeStatus::Created,
            exceptions: vec![],
            artifacts: vec![],
            warnings: vec![],
            wait_ms: None,
        })
    }

    async fn poll(&self, t: &Target, r: &DeliveryRun, s: &[u8]) -> Result<Finished, Fault> {
        self.finish(t, r, s).await
    }

    async fn abort(&self, _: &Target, _: &DeliveryRun, _: &[u8]) -> Result<(), Fault> {
        self.calls.lock().unwrap().push("abort".into());
        Ok(())
    }

    async fn members(&self, _: &Target, after: Option<&[u8]>) -> Result<TargetMembers, Fault> {
        let at = after.map(|after| String::from_utf8_lossy(after).into_owned());
        self.calls.lock().unwrap().push(format!("members {}", at.as_deref().unwrap_or("first")));
        if at.is_some() {
            stuck(&self.stuck_telling).await;
        }
        if let Some(fault) = self.members_faults.lock().unwrap().pop_front() {
            return Err(fault);
        }
        let (at, listed) = (at.map_or(0, |at| at.parse::<usize>().unwrap()), self.listed.lock().unwrap());
        let next = (at + 1 < listed.len()).then(|| (at + 1).to_string().into_bytes());
        Ok(TargetMembers { members: listed.get(at).cloned().unwrap_or_default(), next })
    }

    async fn clear_spool(&self, run: &DeliveryRun) -> Result<(), Fault> {
        tokio::task::yield_now().await;
        self.calls.lock().unwrap().push(format!("release {}", run.id));
        self.released();
        Ok(())
    }
}
