//! A vendor in the hands of the guest's publisher: it answers what no server should.

use crate::world::grant;
use attiva_wasm::Grant;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const TOKEN: &str = "token-0123456789";

pub(crate) struct Vendor {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Vendor {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        tokio::spawn({
            let seen = seen.clone();
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, seen.clone()));
                }
            }
        });
        Self { address, seen }
    }

    /// Whether a path was ever asked for.
    pub(crate) fn saw(&self, path: &str) -> bool {
        self.seen.lock().unwrap().iter().any(|seen| seen == path)
    }

    pub(crate) fn grant(&self, origin: &str) -> Grant {
        grant(origin, "127.0.0.1", self.address.port(), &["127.0.0.1"])
    }
}

/// One exchange a connection. An error is a client that has seen enough.
async fn serve(mut stream: TcpStream, seen: Arc<Mutex<Vec<String>>>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    seen.lock().unwrap().push(path.clone());
    let whole = |headers: &str, body: &[u8]| {
        let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
        [head.as_bytes(), body].concat()
    };
    match path.as_str() {
        "/oauth/token" => {
            let token = format!(r#"{{"access_token": "{TOKEN}", "expires_in": 3600}}"#);
            stream.write_all(&whole("", token.as_bytes())).await?;
        }
        "/open/redirect" => {
            let text = "HTTP/1.1 302 Found\r\nconnection: close\r\nlocation: /inside\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(text.as_bytes()).await?;
        }
        "/echo" => {
            let sent = head.lines().find(|line| line.to_ascii_lowercase().starts_with("authorization")).unwrap_or("");
            stream.write_all(&whole("", format!("you sent {sent}").as_bytes())).await?;
        }
        "/open/bomb" => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(&vec![b'a'; 8 << 20])?;
            stream.write_all(&whole("content-encoding: gzip\r\n", &encoder.finish()?)).await?;
        }
        "/open/two-lengths" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab").await?;
        }
        "/open/endless" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await?;
            loop {
                stream.write_all(&[b'x'; 65_536]).await?;
            }
        }
        "/open/drip" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n").await?;
            loop {
                stream.write_all(b"x").await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        _ => stream.write_all(&whole("", b"well")).await?,
    }
    Ok(())
}
