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
    /// Whether it is to be run outside of any transaction.
    fn is_alone(&self) -> bool {
        false
    }
    /// It was not even tried.
    fn refuse(&mut self, error: StoreError);
    /// Tells what came of it, once that is durable; `lost`: why the whole group was not.
    fn answer(self: Box<Self>, lost: Option<&StoreError>);
}

/// A closure as a request.
pub(crate) struct Work<T, F> {
    alone: bool,
    work: Option<F>,
    result: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, F> Work<T, F> {
    pub(crate) fn new(work: F) -> (Box<Self>, oneshot::Receiver<Result<T>>) {
        let (reply, answer) = oneshot::channel();
        (Box::new(Self { alone: false, work: Some(work), result: None, reply }), answer)
    }

    /// What cannot be in a transaction.
    pub(crate) fn alone(work: F) -> (Box<Self>, oneshot::Receiver<Result<T>>) {
        let (request, answer) = Self::new(work);
        (Box::new(Self { alone: true, ..*request }), answer)
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

    fn is_alone(&self) -> bool {
        self.alone
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
    let mut next = None;
    while let Some(first) = next.take().or_else(|| requests.blocking_recv()) {
        if first.is_alone() {
            run_alone(connection, first);
            continue;
        }
        let mut group = Group::default();
        group.add(connection, first);
        let began = Instant::now();
        while group.has_room() && began.elapsed() < GROUP_TIME_MAX {
            match requests.try_recv() {
                Ok(alone) if alone.is_alone() => {
                    next = Some(alone);
                    break;
                }
                Ok(next) => group.add(connection, next),
                Err(_) => break,
            }
        }
        group.commit(connection);
        pressure.relieve(connection);
    }
}

fn run_alone(connection: &Connection, mut request: Box<dyn Request>) {
    // What it answers is kept in it.
    drop(request.run(connection));
    request.answer(None);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A table `t (n UNIQUE)` in memory, and how often something was committed.
    fn table() -> (Connection, Arc<AtomicUsize>) {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (n UNIQUE)").unwrap();
        let commits = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&commits);
        let count = move || {
            counted.fetch_add(1, Ordering::Relaxed);
            false
        };
        connection.commit_hook(Some(count)).unwrap();
        (connection, commits)
    }

    fn insert(numbers: &'static [i64]) -> (Box<dyn Request>, oneshot::Receiver<Result<usize>>) {
        let (request, answer) = Work::new(move |connection: &Connection| {
            for n in numbers {
                connection.execute("INSERT INTO t VALUES (?1)", [n])?;
            }
            Ok(numbers.len())
        });
        (request, answer)
    }

    fn stored(connection: &Connection) -> Vec<i64> {
        let mut statement = connection.prepare("SELECT n FROM t ORDER BY n").unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(|n| n.unwrap()).collect()
    }

    /// Runs requests as one group; says which of them succeeded.
    fn together(connection: &Connection, requests: &[&'static [i64]]) -> Vec<Result<usize>> {
        let mut group = Group::default();
        let mut answers = Vec::new();
        for numbers in requests {
            let (request, answer) = insert(numbers);
            group.add(connection, request);
            answers.push(answer);
        }
        group.commit(connection);
        answers.into_iter().map(|answer| answer.blocking_recv().unwrap()).collect()
    }

    #[test]
    fn a_group_is_one_commit_and_one_that_fails_harms_no_other() {
        let (connection, commits) = table();
        let answers = together(&connection, &[&[1, 2], &[3, 1], &[4], &[4, 5], &[6]]);
        assert_eq!(answers.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true, false, true]);
        assert_eq!(stored(&connection), [1, 2, 4, 6]);
        assert_eq!(commits.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn one_that_fails_first_harms_no_other() {
        let (connection, commits) = table();
        let answers = together(&connection, &[&[1, 1], &[1], &[2, 2], &[3]]);
        assert_eq!(answers.iter().map(Result::is_ok).collect::<Vec<_>>(), [false, true, false, true]);
        assert_eq!(stored(&connection), [1, 3]);
        assert_eq!(commits.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn when_the_commit_fails_nobody_is_told_that_it_was_done() {
        let (mut connection, _) = table();
        connection.commit_hook(Some(|| true)).unwrap();
        let answers = together(&connection, &[&[1], &[1, 2], &[3]]);
        assert!(answers.iter().all(Result::is_err), "{answers:?}");
        assert!(stored(&connection).is_empty());
        connection.commit_hook(None::<fn() -> bool>).unwrap();
        assert!(together(&connection, &[&[1]])[0].is_ok());
    }

    #[test]
    fn when_sqlite_drops_the_transaction_everyone_in_it_is_told() {
        let (connection, _) = table();
        connection.execute_batch("CREATE TABLE big (b)").unwrap();
        let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        connection.pragma_update(None, "max_page_count", pages + 2).unwrap();
        let mut group = Group::default();
        let (small, small_answer) = insert(&[1]);
        let (big, big_answer) = Work::new(|connection: &Connection| {
            connection.execute("INSERT INTO big VALUES (zeroblob(100000))", [])?;
            Ok(())
        });
        group.add(&connection, small);
        group.add(&connection, big);
        let lost = connection.is_autocommit();
        group.commit(&connection);
        assert_eq!(big_answer.blocking_recv().unwrap(), Err(StoreError::Full));
        // Whichever SQLite chose, what was answered and what is stored agree.
        let small_answer = small_answer.blocking_recv().unwrap();
        assert_eq!(small_answer.is_ok(), !lost, "{small_answer:?}");
        assert_eq!(stored(&connection).len(), usize::from(!lost));
    }

    #[test]
    fn what_waits_when_the_senders_go_is_still_done() {
        let (connection, _) = table();
        let (requests, waiting) = mpsc::channel(8);
        let mut answers = Vec::new();
        for numbers in [&[1][..], &[2], &[3]] {
            let (request, answer) = insert(numbers);
            requests.blocking_send(request).unwrap_or_else(|_| panic!("the channel is open"));
            answers.push(answer);
        }
        drop(requests);
        run(&connection, waiting, &Arc::default());
        assert!(answers.into_iter().all(|answer| answer.blocking_recv().unwrap().is_ok()));
        assert_eq!(stored(&connection), [1, 2, 3]);
    }
}
