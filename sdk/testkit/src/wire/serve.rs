//! The loopback server that a connector's requests come to: one port for each origin.

use super::fault::{PAUSE, PIECES};
use super::message::{Answer, Request};
use std::future::Future;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// How a connection begins that wants to be TLS, and what a server says that makes none: a fatal alert, `handshake_failure`.
const TLS_HANDSHAKE: u8 = 22;
const TLS_REFUSAL: [u8; 7] = [21, 3, 3, 0, 2, 2, 40];
const HEADERS_MAX: usize = 128;
const HEAD_BYTES_MAX: usize = 256 << 10;

/// How an answer is sent.
#[derive(Debug)]
pub(super) enum Reply {
    Whole(Answer),
    Slow(Answer),
    /// Half of its body, then the end of the connection.
    Cut(Answer),
    /// The end of the connection.
    Closed,
    /// Nothing, for as long as the caller waits.
    Silent,
}

/// Serves an origin until the handle is aborted. Answers the port.
pub(super) async fn serve<F>(
    origin: String,
    answer: Arc<dyn Fn(Request) -> F + Send + Sync>,
) -> io::Result<(u16, AbortHandle)>
where
    F: Future<Output = Reply> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let task = tokio::spawn(async move {
        // With the listener, its connections end.
        let mut connections = tokio::task::JoinSet::new();
        loop {
            tokio::select! {
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => {
                    let Ok((stream, _)) = accepted else { continue };
                    let (origin, answer) = (origin.clone(), answer.clone());
                    connections.spawn(async move {
                        // A connection that breaks is the caller's affair.
                        let _ = connection(stream, &origin, &*answer).await;
                    });
                }
            }
        }
    });
    Ok((port, task.abort_handle()))
}

async fn connection<F: Future<Output = Reply>>(
    mut stream: TcpStream,
    origin: &str,
    answer: &(dyn Fn(Request) -> F + Send + Sync),
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    if stream.read_buf(&mut buffer).await? == 0 {
        return Ok(());
    }
    if buffer.first() == Some(&TLS_HANDSHAKE) {
        stream.write_all(&TLS_REFUSAL).await?;
        return stream.shutdown().await;
    }
    while let Some(request) = receive(&mut stream, &mut buffer, origin).await? {
        let has_body = request.method != "HEAD";
        match answer(request).await {
            Reply::Whole(answer) => stream.write_all(&answer.bytes(has_body)).await?,
            Reply::Slow(answer) => {
                let bytes = answer.bytes(has_body);
                for piece in bytes.chunks(bytes.len().div_ceil(PIECES).max(1)) {
                    stream.write_all(piece).await?;
                    tokio::time::sleep(PAUSE).await;
                }
            }
            Reply::Cut(answer) => {
                let bytes = answer.bytes(has_body);
                let kept = bytes.len() - answer.body.len().div_ceil(2).min(bytes.len());
                stream.write_all(bytes.get(..kept).unwrap_or_default()).await?;
                return stream.shutdown().await;
            }
            Reply::Closed => return stream.shutdown().await,
            Reply::Silent => {
                // Until the caller hangs up.
                let mut rest = [0; 1];
                let _ = stream.read(&mut rest).await;
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The next request; `None`: the caller is done.
async fn receive(stream: &mut TcpStream, buffer: &mut Vec<u8>, origin: &str) -> io::Result<Option<Request>> {
    loop {
        if let Some(request) = parse(buffer, origin)? {
            return Ok(Some(request));
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

/// Takes a whole request off the buffer's start. The host always says a length where there is a body.
fn parse(buffer: &mut Vec<u8>, origin: &str) -> io::Result<Option<Request>> {
    let invalid = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head_bytes) = head.parse(buffer).map_err(|e| invalid(e.to_string()))? else {
        if buffer.len() > HEAD_BYTES_MAX {
            return Err(invalid("the head of a request has no end".into()));
        }
        return Ok(None);
    };
    let headers: Vec<(String, String)> = head
        .headers
        .iter()
        .map(|h| (h.name.to_ascii_lowercase(), String::from_utf8_lossy(h.value).into_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").map_or("0", |(_, value)| value);
    let length: usize = length.trim().parse().map_err(|_| invalid("a length that is none".into()))?;
    let whole = head_bytes.saturating_add(length);
    if buffer.len() < whole {
        return Ok(None);
    }
    let (method, target) = (head.method.unwrap_or("GET").to_owned(), head.path.unwrap_or("/").to_owned());
    let body = buffer.get(head_bytes..whole).unwrap_or_default().to_vec();
    buffer.drain(..whole);
    Ok(Some(Request { origin: origin.to_owned(), method, target, headers, body }))
}
