//! A vendor over https, recorded, and then replayed without it: what partners do with a sandbox account.

use attiva_conformance::acme::Acme;
use attiva_conformance::component;
use attiva_testkit::suite::Suite;
use attiva_testkit::wire::message::Request;
use attiva_testkit::wire::stand::{Made, Upstream};
use attiva_testkit::{Options, Proof, Recording, prove};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::json;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const SECRET: &str = "acme-secret-4711";
/// What there is, records, their values, progress, the same twice: checks that read.
const READING: [u8; 5] = [13, 16, 17, 19, 21];

/// An Acme behind TLS, and what came to it.
struct Vendor {
    port: u16,
    /// The authority that says who it is, in PEM form.
    authority: String,
    heads: Arc<Mutex<Vec<Request>>>,
    refused: Arc<AtomicUsize>,
}

/// `name`: whom its certificate is for.
async fn vendor_called(name: &str) -> Vendor {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (made, heads, refused) = (Acme::default().made(), Arc::default(), Arc::new(AtomicUsize::new(0)));
    let vendor = Vendor { port, authority: authority.pem(), heads: Arc::clone(&heads), refused: Arc::clone(&refused) };
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            match acceptor.accept(tcp).await {
                Ok(stream) => drop(tokio::spawn(serve(stream, Arc::clone(&made), Arc::clone(&heads)))),
                // A client that does not trust us hangs up.
                Err(_) => drop(refused.fetch_add(1, Ordering::SeqCst)),
            }
        }
    });
    vendor
}

/// One request, whose answer ends the connection.
async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    made: Made,
    heads: Arc<Mutex<Vec<Request>>>,
) -> Option<()> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).ok()?;
    let (line, rest) = text.split_once("\r\n")?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    let headers: Vec<(String, String)> = rest.split("\r\n").filter_map(header).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, length)| length.parse().ok());
    while bytes.len() < head + 4 + length.unwrap_or(0) {
        stream.read_buf(&mut bytes).await.ok().filter(|read| *read > 0)?;
    }
    let request = Request { origin: "api".into(), method, target, headers, body: bytes[head + 4..].to_vec() };
    let answer = made(&request);
    heads.lock().unwrap().push(request);
    let mut head =
        format!("HTTP/1.1 {} x\r\nconnection: close\r\ncontent-length: {}\r\n", answer.status, answer.body.len());
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).await.ok()?;
    stream.write_all(&answer.body).await.ok()?;
    stream.shutdown().await.ok()
}

/// Compiled code, kept for all tests of the process.
fn cache() -> PathBuf {
    static CACHE: OnceLock<tempfile::TempDir> = OnceLock::new();
    CACHE.get_or_init(|| tempfile::tempdir().unwrap()).path().to_owned()
}

fn options(upstream: Upstream) -> Options {
    let suite = json!({
        "configuration": {"team": "a1", "client_id": "kit", "client_secret": SECRET, "region": "eu", "defect": ""},
        "streams": [{"name": "persons", "page_rows": 4, "expected": {"p2": {"email": "person2@example.com"}}}],
    });
    Options {
        cache: Some(cache()),
        // No wait is the vendor's.
        wait: Some(Arc::new(|ms| Box::pin(tokio::time::sleep(Duration::from_millis(ms.min(2)))))),
        ..Options::new(component(""), Suite::parse(&suite.to_string()).unwrap(), upstream)
    }
}

/// A proof against a vendor over https, recorded.
async fn recorded(vendor: &Vendor, authorities: Option<&str>) -> Proof {
    let at = [("api".to_owned(), format!("https://localhost:{}", vendor.port))].into();
    let options = Options { is_recording: true, authorities: authorities.map(Into::into), ..options(Upstream::At(at)) };
    prove(options, &READING).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vendor_over_https_is_recorded_and_replayed_without_it() {
    let vendor = vendor_called("localhost").await;
    let proof = recorded(&vendor, Some(&vendor.authority)).await;
    assert_eq!(proof.report.failures(), Vec::<u8>::new(), "{}", proof.report.to_text());
    let asked = vendor.heads.lock().unwrap().clone();
    let data: Vec<&Request> = asked.iter().filter(|request| request.path() != "/oauth/token").collect();
    assert!(!data.is_empty());
    for request in data {
        // It is asked under its own name, in a way that people can read, with its own token and none of the kit's.
        assert_eq!(request.header("host"), Some(format!("localhost:{}", vendor.port).as_str()));
        assert_eq!(request.header("accept-encoding"), Some("identity"));
        assert!(
            request.header("authorization").is_some_and(|sent| sent.starts_with("Bearer acme-token-")),
            "{request:?}"
        );
    }

    let text = proof.recording.unwrap().to_text(&proof.secrets).unwrap();
    for secret in [SECRET, "acme-token-"] {
        assert!(!text.contains(secret), "{secret}");
    }
    let recording = Recording::parse(&text).unwrap();
    assert!(recording.scenes.values().flatten().any(|exchange| exchange.request.starts_with("GET api /v1/persons")));
    let count = asked.len();
    let replay = prove(options(Upstream::Recorded(Arc::new(recording))), &READING).await.unwrap();
    assert_eq!(replay.report.failures(), Vec::<u8>::new(), "{}", replay.report.to_text());
    assert_eq!((replay.report.passed, replay.unrecorded), (proof.report.passed, Vec::<String>::new()));
    assert_eq!(vendor.heads.lock().unwrap().len(), count, "nobody asked the vendor");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vendor_that_nobody_vouches_for_or_that_is_somebody_else_is_not_recorded() {
    let vendor = vendor_called("localhost").await;
    let stranger = recorded(&vendor, None).await;
    let other = vendor_called("somebody.else").await;
    let impostor = recorded(&other, Some(&other.authority)).await;
    for (proof, vendor) in [(stranger, vendor), (impostor, other)] {
        assert!(!proof.report.is_good(), "{}", proof.report.to_text());
        assert!(vendor.refused.load(Ordering::SeqCst) > 0 && vendor.heads.lock().unwrap().is_empty());
        assert!(proof.recording.unwrap().scenes.is_empty(), "nothing was answered, so nothing is kept");
    }
    let at = [("api".to_owned(), "https://localhost:1".to_owned())].into();
    let unreadable = Options { authorities: Some("no certificate".into()), ..options(Upstream::At(at)) };
    assert!(prove(unreadable, &READING).await.is_err());
}
