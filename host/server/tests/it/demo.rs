//! The demo, as a newcomer runs it.

use crate::process::attiva;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

#[test]
fn everything_agrees_and_nothing_is_left_behind() {
    let place = tempfile::tempdir().unwrap();
    let mut demo = attiva(&["demo", "--leads", "300", "--output", "json", "--log-level", "info"]);
    let output = demo.env("TMPDIR", place.path()).output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let last: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    assert_eq!((&last["leads_sent"], &last["mismatches"]), (&300.into(), &0.into()), "{last}");
    for key in ["profiles", "members", "rows_in_bucket", "fields_compared"] {
        assert!(last[key].as_u64().unwrap() > 0, "{key}: {last}");
    }
    assert!(last["seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
    // The host's log is there, the vendors' is not.
    assert!(err.contains(" INFO ") && !err.contains(" ERROR "), "{err}");
}

#[test]
fn an_interrupted_demo_leaves_nothing_behind_either() {
    let place = tempfile::tempdir().unwrap();
    let mut demo = attiva(&["demo", "--leads", "20000"]);
    demo.env("TMPDIR", place.path()).stderr(Stdio::piped()).stdout(Stdio::null());
    let mut child = demo.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.starts_with("[4/")), "the demo has not come to reading leads");
    assert!(std::fs::read_dir(place.path()).unwrap().count() > 0);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert!(lines.any(|line| line == "Stopped."));
    lines.for_each(drop);
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0);
}
