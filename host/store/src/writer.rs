//! The one thread that writes. Requests that wait while a commit is on its way to the disk share the next one (group
//! commit), so many small changes cost few flushes; nobody waits for a group to fill.

use crate::checkpoint::Pressure;
use crate::failure::{Failure, Outcome};
use attiva_core::ports::store::{Result, StoreError};
use rusqlite::Connection;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Something to do in a transaction, and someone to tell when it is durable.
pub(crate) trait Request: Send {
    /// Does it. After an error, what it did must be rolled back.
    fn run(&mut self, connection: &Connection) -> Result<()>;
    /// It was not even tried.
    fn refuse(&mut self, error: StoreError);
    /// Tells what came of it, once that is durable; `lost`: why the whole group was not.
    fn answer(self: Box<Self>, lost: Option<&StoreError>);
}

/// A closure as a request.
pub(crate) struct Work<T, F> {
    work: Option<F>,
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, F> Work<T, F> {
    pub(crate) fn new(work: F) -> (Box<Self>, oneshot::Receiver<Result<T>>) {
        let (reply, answer) = oneshot::channel();
        (Box::new(Self { work: Some(work), result: None, reply }), answer)
    }
}

impl<T: Send, F: FnOnce(&Connection) -> Outcome<T> + Send> Request for Work<T, F> {
    fn run(&mut self, connection: &Connection) -> Result<()> {
        let work = self.work.take().ok_or(StoreError::Closed)?;
        let result = work(connection).map_err(StoreError::from);
        let done = result.as_ref().map(|_| ()).map_err(StoreError::clone);
        self.result = Some(result);
        done
    }

    fn refuse(&mut self, error: StoreError) {
        self.result = Some(Err(error));
    }

    fn answer(self: Box<Self>, lost: Option<&StoreError>) {
        let result = match (lost, self.result) {
            (Some(error), _) => Err(error.clone()),
            (None, Some(result)) => result,
            (None, None) => Err(StoreError::Closed),
        };
        // Whoever asked may have gone; what was done stays done.
        drop(self.reply.send(result));
    }
}

/// How much may share a transaction.
const GROUP_REQUESTS_MAX: usize = 64;
/// A group is closed after this long, so that the first in it does not wait for ever.
const GROUP_TIME_MAX: Duration = Duration::from_millis(5);

/// Runs until every sender is gone and every request is answered.
pub(crate) fn run(connection: &Connection, mut requests: mpsc::Receiver<Box<dyn Request>>, pressure: &Arc<Pressure>) {
    while let Some(first) = requests.blocking_recv() {
        let mut group = Group::default();
        group.add(connection, first);
        let began = Instant::now();
        while group.has_room() && began.elapsed() < GROUP_TIME_MAX {
            match requests.try_recv() {
                Ok(next) => group.add(connection, next),
                Err(_) => break,
            }
        }
        group.commit(connection);
        pressure.relieve(connection);
    }
}

/// Requests that share a transaction.
#[derive(Default)]
struct Group {
    requests: Vec<Box<dyn Request>>,
    /// Why the transaction is gone, if it is.
    lost: Option<StoreError>,
}

impl Group {
    fn has_room(&self) -> bool {
        self.requests.len() < GROUP_REQUESTS_MAX && self.lost.is_none()
    }

    fn add(&mut self, connection: &Connection, mut request: Box<dyn Request>) {
        let lost = if connection.is_autocommit() {
            run_first(connection, &mut *request)
        } else {
            run_beside(connection, &mut *request)
        };
        self.requests.push(request);
        self.lost = lost.err();
    }

    /// Errors are answered after the commit too: `Exists` may rest on what another of the group had just written.
    fn commit(mut self, connection: &Connection) {
        if self.lost.is_none() && !connection.is_autocommit() {
            self.lost = execute(connection, "COMMIT").err();
        }
        roll_back(connection);
        for request in self.requests {
            request.answer(self.lost.as_ref());
        }
    }
}

/// Nobody else's work is in the transaction, so a failure rolls back all of it and no savepoint is paid for: SQLite
/// copies every page that is changed within one.
fn run_first(connection: &Connection, request: &mut dyn Request) -> Result<()> {
    match execute(connection, "BEGIN IMMEDIATE") {
        Err(error) => request.refuse(error),
        Ok(()) => {
            if request.run(connection).is_err() {
                roll_back(connection);
            }
        }
    }
    Ok(())
}

/// Fails if the work of those who came before is lost as well: on a full disk or an I/O error SQLite may drop the
/// whole transaction.
fn run_beside(connection: &Connection, request: &mut dyn Request) -> Result<()> {
    if let Err(error) = execute(connection, "SAVEPOINT request") {
        request.refuse(error);
        return Ok(());
    }
    match request.run(connection) {
        Ok(()) => execute(connection, "RELEASE request"),
        Err(error) if connection.is_autocommit() => Err(error),
        Err(_) => execute(connection, "ROLLBACK TO request").and_then(|()| execute(connection, "RELEASE request")),
    }
}

fn roll_back(connection: &Connection) {
    if !connection.is_autocommit()
        && let Err(error) = execute(connection, "ROLLBACK")
    {
        tracing::error!(%error, "a transaction could not be rolled back");
    }
}

fn execute(connection: &Connection, sql: &str) -> Result<()> {
    let done = connection.prepare_cached(sql).and_then(|mut statement| statement.execute([]));
    done.map(|_| ()).map_err(|error| Failure::from(error).0)
}
