//! HTTPS, from outside: who trusts the authority gets through, and a certificate is renewed while the host serves.

use crate::process::{Served, attiva, run};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

pub(crate) struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    pub(crate) fn new() -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap() };
        files.issue("first");
        files
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Issues a certificate for this machine by an authority of its own, which is written to `NAME.pem`.
    fn issue(&self, name: &str) {
        let mut authority = CertificateParams::new([]).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut host = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        host.is_ca = IsCa::ExplicitNoCa;
        let certificate = host.signed_by(&key, &authority).unwrap();
        std::fs::write(self.path(&format!("{name}.pem")), authority.pem()).unwrap();
        std::fs::write(self.path("key.pem"), key.serialize_pem()).unwrap();
        std::fs::write(self.path("certificate.pem"), certificate.pem()).unwrap();
    }

    fn settings(&self) -> [String; 4] {
        let set = |key: &str, file: &str| format!("tls.{key}={}", self.path(file).display());
        ["--set".into(), set("certificate_file", "certificate.pem"), "--set".into(), set("key_file", "key.pem")]
    }
}

/// Asks the host by the command line: the exit code, and what it said to a person.
fn ask(host: &Served, ca_file: Option<&Path>) -> (i32, String) {
    let mut command = attiva(&["sandbox", "list", "--url", &host.url, "--key", &host.key]);
    if let Some(file) = ca_file {
        command.env("ATTIVA_CA_FILE", file);
    }
    let output = command.output().unwrap();
    (output.status.code().unwrap_or(-1), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn who_trusts_the_authority_gets_through_and_nobody_in_plain_text() {
    let files = Files::new();
    let data = files.path("data");
    let settings = files.settings();
    let host = Served::start_with(&data, &settings.each_ref().map(String::as_str));
    assert!(host.url.starts_with("https://127.0.0.1:"), "{}", host.url);
    // Someone who never says a word keeps nobody waiting.
    let address = host.url.strip_prefix("https://").unwrap();
    let _silent = TcpStream::connect(address).unwrap();
    assert_eq!(ask(&host, Some(&files.path("first.pem"))), (0, String::new()));

    let (code, said) = ask(&host, None);
    assert!(code == 3 && said.contains("--ca-file"), "{code}: {said}");
    let mut plain = TcpStream::connect(address).unwrap();
    plain.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    // A reset is as good an end as any.
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/"), "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn a_certificate_is_renewed_while_the_host_serves() {
    let files = Files::new();
    let data = files.path("data");
    let settings = files.settings();
    let host = Served::start_with(&data, &settings.each_ref().map(String::as_str));
    let (first, second) = (files.path("first.pem"), files.path("second.pem"));
    assert_eq!(ask(&host, Some(&first)).0, 0);
    files.issue("second");
    while ask(&host, Some(&second)).0 != 0 {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_eq!(ask(&host, Some(&first)).0, 3);
}

#[test]
fn files_that_are_no_good_are_told_before_any_data_is_touched() {
    let files = Files::new();
    let data = files.path("data");
    let serve = |set: &[&str]| {
        let shown = data.display().to_string();
        let mut arguments = vec!["serve", "--data-dir", &shown, "--listen", "127.0.0.1:0"];
        set.iter().for_each(|pair| arguments.extend(["--set", pair]));
        run(&arguments)
    };
    let certificate = format!("tls.certificate_file={}", files.path("certificate.pem").display());
    let (code, said) = serve(&[&certificate]);
    assert!(code == 2 && said.contains("tls.key_file: is missing"), "{code}: {said}");
    let (code, said) = serve(&[&certificate, "tls.key_file=/nowhere/key.pem"]);
    assert!(code == 1 && said.contains("/nowhere/key.pem") && said.contains("tls.key_file"), "{code}: {said}");
    assert!(!data.exists());

    let (code, said) = run(&["sandbox", "list", "--ca-file", &files.path("key.pem").display().to_string()]);
    assert!(code == 2 && said.contains("no certificate in PEM form"), "{code}: {said}");
}
