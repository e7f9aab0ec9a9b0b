//! A partner with the program and nothing else: every command of `docs/partners.md`, in its order, in a directory outside
//! this repository, with a running host and a vendor to record.

use attiva_conformance::acme::Acme;
use attiva_core::spec::Spec;
use attiva_e2e::Kill;
use attiva_e2e::host::HostProcess;
use attiva_testkit::wire::stand::{Stand, Upstream};
use std::path::Path;
use std::process::Command;

const VENDOR: &str = r#"{"name": "acme", "version": "0.1.0", "publisher": "acme", "title": "Acme", "state_version": 1,
    "configuration": {"type": "object", "properties": {}}, "instance": {"system": "Acme", "id": "a"},
    "origins": [{"name": "api", "url": "https://a.acme.example", "domains": ["acme.example"], "rules": []}]}"#;

/// The document's commands, one after the other.
fn commands() -> String {
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/partners.md")).unwrap();
    let blocks = document.split("```sh\n").skip(1).map(|after| after.split("```").next().unwrap());
    blocks.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_command_of_the_partners_document_works() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let mut host = HostProcess::prepare(&data).unwrap();
    host.start(Kill::Never).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let acme = Acme::default();
    let spec = Spec::parse(VENDOR).unwrap();
    let vendor = runtime.block_on(Stand::start(&spec, Upstream::Made(acme.made()))).unwrap();
    let url = format!("http://127.0.0.1:{}", vendor.grants()[0].port);

    let bin = place.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(host.program(), bin.join("attiva")).unwrap();
    let commands = commands();
    assert!(commands.lines().count() >= 15, "the document's commands were not found: {commands}");
    // What a partner brings: a program that makes the changes at the vendor. By the shell alone: nothing else is sure to be there.
    let port = vendor.grants()[0].port;
    let request = r"POST /control/change HTTP/1.1\r\nHost: acme\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let program = format!(
        "#!/bin/bash\nexec 3<>/dev/tcp/127.0.0.1/{port}\nprintf '{request}' >&3\nread -r status <&3\n[[ $status == *' 200 '* ]]\n"
    );
    std::fs::write(place.path().join("change.sh"), program).unwrap();
    let change = format!("cp {0}/change.sh change; chmod +x change\n", place.path().display());
    // The template's own recording is made by this test, so without one it goes on.
    let flags = if std::env::var_os("KIT_BLESS").is_some() { "-ux" } else { "-eux" };
    let script = format!(
        "set {flags}\n{}",
        commands.replace("attiva connector test --record", &format!("{change}attiva connector test --record"))
    );
    let output = shell(
        &script,
        place.path(),
        &bin,
        &[
            ("ATTIVA_URL", host.url("")),
            ("ATTIVA_KEY", host.key().to_owned()),
            ("DATA_DIR", data.display().to_string()),
            ("VENDOR_URL", url.clone()),
            ("EXAMPLE_CLIENT_SECRET", "a-true-client-secret".into()),
        ],
    );
    let project = place.path().join("source-acme");
    println!("{output}");
    if std::env::var_os("KIT_BLESS").is_some() {
        let template = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sdk/templates/rust/conformance/recording.json");
        std::fs::write(template, std::fs::read(project.join("conformance/recording.json")).unwrap()).unwrap();
    }
    assert!(output.contains("turn 1: ") && output.contains("0 failed, source-acme@"), "{output}");
    assert!(output.contains(" not applicable, of 53"), "{output}");
    let junit = std::fs::read_to_string(project.join("report.xml")).unwrap();
    assert!(junit.starts_with("<?xml") && junit.contains("tests=\"53\" failures=\"0\""), "{junit}");
    let recording = std::fs::read_to_string(project.join("conformance/recording.json")).unwrap();
    assert!(recording.contains("person2@example.com"), "nothing was recorded");
    for secret in ["a-true-client-secret", "acme-token-"] {
        assert!(!recording.contains(secret), "the recording holds {secret}");
    }
    host.stop().unwrap();
}

/// Runs a script as a partner does, and answers what it said.
fn shell(script: &str, place: &Path, bin: &Path, variables: &[(&str, String)]) -> String {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script).current_dir(place);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_") && text != "CARGO_HOME"
            || text.starts_with("ATTIVA_")
            || text == "RUSTUP_TOOLCHAIN"
        {
            shell.env_remove(&name);
        }
    }
    let path = std::env::var("PATH").unwrap();
    shell.env("PATH", format!("{}:{path}", bin.display())).env("CARGO_NET_OFFLINE", "true");
    shell.envs(variables.iter().map(|(name, value)| (*name, value.as_str())));
    let output = shell.output().unwrap();
    let said = format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}: {said}", output.status);
    said
}
