//! The files to deploy with say what the program takes.

use crate::process::{Served, attiva};
use std::path::Path;

fn text(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/deploy").join(name)).unwrap()
}

fn after<'a>(text: &'a str, key: &str) -> &'a str {
    let found = text.lines().find_map(|line| line.strip_prefix(key));
    found.unwrap_or_else(|| panic!("no {key}"))
}

#[test]
fn the_service_starts_on_its_directory_and_stops_in_its_time() {
    let unit = text("attiva.service");
    let place = tempfile::tempdir().unwrap();
    let config = place.path().join("attiva.toml");
    std::fs::write(&config, "").unwrap();
    let (program, arguments) = after(&unit, "ExecStart=").split_once(' ').unwrap();
    assert_eq!(program, "/usr/local/bin/attiva");
    let data = place.path().join("data").display().to_string();
    let here = |argument: &str| match argument {
        "/etc/attiva/attiva.toml" => config.display().to_string(),
        "/var/lib/attiva" => data.clone(),
        other => other.to_owned(),
    };
    assert_eq!(after(&unit, "StateDirectory="), "attiva", "the one place that may be written to");
    let mut arguments: Vec<String> = arguments.split(' ').map(here).collect();
    arguments.extend(["--listen".to_owned(), "127.0.0.1:0".to_owned()]);
    let host = Served::spawned(attiva(&arguments.iter().map(String::as_str).collect::<Vec<_>>()));
    assert!(Path::new(&data).join("keys").is_dir());
    assert_eq!(host.terminate(), 0);

    let stop: u64 = after(&unit, "TimeoutStopSec=").parse().unwrap();
    let drain = attiva_server::config::Config::resolve(&Default::default(), [], None).unwrap().limits.drain;
    assert!(stop > drain.as_secs(), "{stop}");
    // What wrong configuration ends with is not tried again.
    let wrong = attiva(&["serve", "--set", "colour=red"]).output().unwrap().status.code();
    assert_eq!(wrong, after(&unit, "RestartPreventExitStatus=").parse().ok());
}

#[test]
fn the_container_says_where_its_data_is() {
    let file = text("Containerfile");
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let arguments: Vec<String> = serde_json::from_str(after(&file, "CMD ")).unwrap();
    let mut command = attiva(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    for pair in after(&file, "ENV ").split(' ') {
        let (name, value) = pair.split_once('=').unwrap();
        let value = match value {
            "/data" => data.display().to_string(),
            "0.0.0.0:8480" => "127.0.0.1:0".to_owned(),
            other => other.to_owned(),
        };
        command.env(name, value);
    }
    let host = Served::spawned(command);
    assert!(data.join("keys").is_dir());
    assert_eq!(host.terminate(), 0);
    let toolchain = include_str!("../../../../rust-toolchain.toml");
    let channel = toolchain.lines().find_map(|line| line.strip_prefix("channel = ")).unwrap().trim_matches('"');
    assert!(file.contains(&format!("FROM rust:{channel}-")), "the image builds with our toolchain");
}
