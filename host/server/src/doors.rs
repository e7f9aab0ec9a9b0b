//! Who may come in: so many clients at once, and none that says nothing and hears nothing. A request has bounds of its own
//! (`api/bounded.rs`); these are for connections on which there is none.

use axum::serve::Listener;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};

/// A listener with so many places.
pub(crate) struct Doors<L> {
    listener: L,
    places: Arc<Semaphore>,
    idle: Duration,
}

impl<L> Doors<L> {
    /// `idle`: how long nothing may move on a connection, either way; longer than any request takes.
    pub(crate) fn new(listener: L, clients: u32, idle: Duration) -> Self {
        let places = usize::try_from(clients).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self { listener, places: Arc::new(Semaphore::new(places)), idle }
    }
}

impl<L: Listener> Listener for Doors<L> {
    type Io = Client<L::Io>;
    type Addr = L::Addr;

    /// Whoever finds no place waits in the system's queue, and costs nothing here.
    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let Ok(place) = Arc::clone(&self.places).acquire_owned().await else {
            // Nobody closes it.
            return std::future::pending().await;
        };
        let (io, address) = self.listener.accept().await;
        (Client::new(io, self.idle, Some(place)), address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// A connection that ends when nothing has moved on it for a while.
pub(crate) struct Client<T> {
    io: T,
    idle: Duration,
    moved: Instant,
    end: Pin<Box<Sleep>>,
    _place: Option<OwnedSemaphorePermit>,
}

impl<T> Client<T> {
    fn new(io: T, idle: Duration, place: Option<OwnedSemaphorePermit>) -> Self {
        Self { io, idle, moved: Instant::now(), end: Box::pin(tokio::time::sleep(idle)), _place: place }
    }

    /// Notes what moved; what did not, and for how long, ends it.
    fn seen<R>(&mut self, context: &mut Context<'_>, moved: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if moved.is_ready() {
            // The timer is looked at when it is over, and set again then: that is dearer than this.
            self.moved = Instant::now();
            return moved;
        }
        while self.end.as_mut().poll(context).is_ready() {
            let until = self.moved + self.idle;
            if until <= Instant::now() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.end.as_mut().reset(until);
        }
        moved
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Client<T> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.io).poll_read(context, into);
        self.seen(context, read)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Client<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, from);
        self.seen(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, from);
        self.seen(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    #[tokio::test]
    async fn who_says_nothing_and_hears_nothing_is_let_go() {
        let (mut outside, inside) = duplex(64);
        let mut client = Client::new(inside, Duration::from_millis(30), None);
        let mut bytes = [0; 8];
        // What moves keeps it, either way.
        for _ in 0..3 {
            outside.write_all(b"x").await.unwrap();
            assert_eq!(client.read(&mut bytes).await.unwrap(), 1);
            client.write_all(b"y").await.unwrap();
        }
        assert_eq!(client.read(&mut bytes).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        // One who does not read is no better.
        let (_outside, inside) = duplex(4);
        let mut client = Client::new(inside, Duration::from_millis(30), None);
        assert_eq!(client.write_all(b"more than there is room for").await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    /// Connections that are there already.
    struct Queue(VecDeque<DuplexStream>);

    impl Listener for Queue {
        type Io = DuplexStream;
        type Addr = ();

        async fn accept(&mut self) -> (DuplexStream, ()) {
            match self.0.pop_front() {
                Some(one) => (one, ()),
                None => std::future::pending().await,
            }
        }

        fn local_addr(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn there_are_so_many_places_and_one_is_free_when_somebody_goes() {
        let queue = Queue((0..3).map(|_| duplex(8).0).collect());
        let mut doors = Doors::new(queue, 2, Duration::from_secs(60));
        let (first, _second) = (doors.accept().await, doors.accept().await);
        // A look at whether it is done, and no wait.
        let mut waits = Box::pin(doors.accept());
        let looked = std::future::poll_fn(|context| Poll::Ready(waits.as_mut().poll(context).is_pending())).await;
        assert!(looked, "there is no third place");
        drop(first);
        waits.await;
    }
}
