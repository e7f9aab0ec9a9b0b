//! Response bodies: read up to a cap, decompressed up to the same cap.

use bytes::Bytes;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::io::Read;

/// Why a body could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body is longer than {0} bytes")]
    TooLong(u64),
    #[error("the connection broke inside the body: {0}")]
    Broken(String),
    #[error("the body is not the {0} it says it is")]
    Encoding(&'static str),
}

/// The next piece of a body; `None` at its end.
pub(crate) async fn next(body: &mut Incoming) -> Result<Option<Bytes>, BodyError> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| BodyError::Broken(error_chain(&e)))?;
        // Trailers are dropped.
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

/// The whole body, if it is not longer than `cap`.
pub(crate) async fn read(body: &mut Incoming, cap: u64) -> Result<Vec<u8>, BodyError> {
    let (start, is_whole) = read_start(body, cap).await?;
    if is_whole { Ok(start) } else { Err(BodyError::TooLong(cap)) }
}

/// At most the first `cap` bytes, and whether they are all.
pub(crate) async fn read_start(body: &mut Incoming, cap: u64) -> Result<(Vec<u8>, bool), BodyError> {
    let cap = usize::try_from(cap).unwrap_or(usize::MAX);
    let mut start = Vec::new();
    while let Some(data) = next(body).await? {
        let room = cap - start.len();
        start.extend_from_slice(data.get(..room).unwrap_or(&data));
        if data.len() > room {
            return Ok((start, false));
        }
    }
    Ok((start, true))
}

/// Undoes a content encoding that we asked for. `None`: there is none, or one that nobody asked for, which is left
/// as it is; or there is no body: an answer to HEAD tells of one that it does not bring.
pub(crate) fn decode(encoding: Option<&str>, body: &[u8], cap: u64) -> Result<Option<Vec<u8>>, BodyError> {
    if body.is_empty() {
        return Ok(None);
    }
    match encoding.map(str::trim).map(str::to_ascii_lowercase).as_deref() {
        Some("gzip" | "x-gzip") => inflate("gzip", MultiGzDecoder::new(body), cap).map(Some),
        // The RFC means zlib; some servers send bare deflate.
        Some("deflate") => match inflate("deflate", ZlibDecoder::new(body), cap) {
            Err(BodyError::Encoding(_)) => inflate("deflate", DeflateDecoder::new(body), cap).map(Some),
            other => other.map(Some),
        },
        _ => Ok(None),
    }
}

fn inflate(name: &'static str, decoder: impl Read, cap: u64) -> Result<Vec<u8>, BodyError> {
    let mut plain = Vec::new();
    decoder.take(cap.saturating_add(1)).read_to_end(&mut plain).map_err(|_| BodyError::Encoding(name))?;
    if plain.len() as u64 > cap {
        return Err(BodyError::TooLong(cap));
    }
    Ok(plain)
}

/// An error and what caused it, since hyper's own text is only `error sending request`.
pub(crate) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use std::io::Write;

    #[test]
    fn encodings_are_undone_and_a_bomb_is_cut() {
        let text = vec![b'a'; 100_000];
        let mut gz = GzEncoder::new(Vec::new(), Compression::best());
        gz.write_all(&text).unwrap();
        let gz = gz.finish().unwrap();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
        zlib.write_all(&text).unwrap();
        let zlib = zlib.finish().unwrap();
        let mut bare = DeflateEncoder::new(Vec::new(), Compression::best());
        bare.write_all(&text).unwrap();
        let bare = bare.finish().unwrap();
        for (encoding, body) in [("gzip", &gz), ("X-GZIP", &gz), ("deflate", &zlib), ("deflate", &bare)] {
            assert_eq!(decode(Some(encoding), body, 100_000).unwrap().unwrap(), text, "{encoding}");
            let bomb = decode(Some(encoding), body, 99_999).unwrap_err();
            assert!(matches!(bomb, BodyError::TooLong(99_999)), "{encoding}");
        }
        let twice = [gz.clone(), gz].concat();
        assert_eq!(decode(Some("gzip"), &twice, 200_000).unwrap().unwrap().len(), 200_000);
        assert!(decode(None, b"x", 9).unwrap().is_none());
        assert!(decode(Some("br"), b"x", 9).unwrap().is_none());
        assert!(decode(Some("gzip"), b"", 9).unwrap().is_none());
        assert!(matches!(decode(Some("gzip"), b"not gzip", 9), Err(BodyError::Encoding("gzip"))));
    }
}
