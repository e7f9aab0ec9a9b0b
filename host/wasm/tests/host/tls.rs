//! HTTPS: who is trusted, and for which name.

use crate::support::{Connection, component, grant, options};
use attiva_core::FaultKind;
use attiva_wasm::{Grant, HostOptions, PluginHost, Scheme};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::json;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A company's authority, and a server of that company's called `name`, reachable as `localhost`.
async fn server_called(name: &str) -> (Vec<u8>, Grant) {
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
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            // A client that does not trust us hangs up.
            if let Ok(mut stream) = acceptor.accept(tcp).await {
                let mut request = [0; 4_096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecure").await;
            }
        }
    });
    let grant = Grant { scheme: Scheme::Https, ..grant("api", "localhost", port, &["127.0.0.1", "::1"]) };
    (authority.der().to_vec(), grant)
}

async fn read(tls_roots: Vec<Vec<u8>>, grant: Grant) -> Result<String, attiva_core::Fault> {
    let plugin = PluginHost::new(HostOptions { tls_roots, ..options() }).unwrap().admit(&component()).await.unwrap();
    let ask = json!([{"origin": "api", "method": "GET", "path": "/open"}]);
    let mut connection = Connection::new(json!({"behaviour": "send", "requests": ask}));
    connection.context.grants = [grant].into();
    let (page, _) = connection.read(&plugin).await?;
    Ok(crate::support::texts(&page, "body").remove(0))
}

#[tokio::test]
async fn a_server_is_trusted_by_its_authority_and_its_name() {
    let (authority, grant) = server_called("localhost").await;
    assert_eq!(read(vec![authority], grant.clone()).await.as_deref(), Ok("secure"));
    let stranger = read(vec![], grant).await.unwrap_err();
    assert_eq!((stranger.kind, stranger.code.as_str()), (FaultKind::Transient, "network.tls"));
    let (authority, grant) = server_called("somebody.else").await;
    assert_eq!(read(vec![authority], grant).await.unwrap_err().code, "network.tls");
}
