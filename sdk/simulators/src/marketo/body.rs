//! Bodies of answers: slices of a large file, and an answer that is cut off.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::BoxError;
use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Sleep;

/// Pieces that are sent as they are, without a copy. The length is known, so that the answer is not chunked.
#[derive(Debug)]
pub(crate) struct PiecesBody {
    pieces: VecDeque<Bytes>,
    left: u64,
}

impl PiecesBody {
    pub(crate) fn new(pieces: VecDeque<Bytes>) -> Self {
        Self { left: pieces.iter().map(|piece| piece.len() as u64).sum(), pieces }
    }
}

impl HttpBody for PiecesBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let piece = self.pieces.pop_front();
        self.left -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Time for what was sent to leave the buffers, before the connection breaks and takes along what is still in them.
const FLUSHED: Duration = Duration::from_millis(100);

/// Announces the whole body, sends the start of it and breaks the connection.
#[derive(Debug)]
pub(crate) struct CutBody {
    inner: Body,
    left: u64,
    breaking: Option<Pin<Box<Sleep>>>,
}

impl CutBody {
    pub(crate) fn new(inner: Body, after_bytes: u64) -> Self {
        Self { inner, left: after_bytes, breaking: None }
    }
}

impl HttpBody for CutBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.left == 0 {
            ready!(self.breaking.get_or_insert_with(|| Box::pin(tokio::time::sleep(FLUSHED))).as_mut().poll(context));
            return Poll::Ready(Some(Err("the connection was cut on purpose".into())));
        }
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        let kept = frame.map(|frame| match frame.map_err(BoxError::from)?.into_data() {
            Ok(data) => Ok(data.slice(..data.len().min(left))),
            Err(_) => Ok(Bytes::new()),
        });
        if let Some(Ok(data)) = &kept {
            self.left -= data.len() as u64;
        }
        Poll::Ready(kept.map(|kept| kept.map(Frame::data)))
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
