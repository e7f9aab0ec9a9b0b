//! Whether everything that the API offers can be done from the command line: every command is run against a host that
//! takes anything and remembers what it was asked for, and what was never asked for has to have a reason.

use crate::described::operations;
use crate::process::attiva;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

/// A command for each operation; `FILE` is a file with a JSON object, `LIST` with a list.
const COMMANDS: &str = "
account matching show
account matching publish FILE
account match prf_1
account hierarchy acc_1
activation create --name a --segment seg_1 --connection con_1 --object file --target t --map email=person.email
activation list
activation run act_1
activation schedule act_1 --every-seconds 60
activation pause act_1
activation resume act_1
activation retire act_1
activation delete act_1
activation members act_1
activation refusals act_1
activation books act_1
activation readback act_1
activation cancel-readback act_1
activation drift act_1
activation on-drift act_1 report
activation replay act_1
activation show act_1
audit
backup create --follow
backup list
backup show bak_1
backup remove bak_1
connection create source-x@1 --name a
connection change con_1 --name b
connection list
connection show con_1
connection check con_1
connection discover con_1
connection grant con_1 api http://127.0.0.1:1
connection grants con_1
connection revoke-grant con_1 api
connection authorize con_1
connection consent con_1
connection exchanges con_1
connection usage con_1
connection evidence con_1
connection release con_1
connection schema con_1
connection approve-schema con_1
connection delete con_1
connection remove con_1 --dry-run
connection remove con_1
connection remove con_1 --follow
consent list
consent put LIST
consent decide --channel email --purpose news --identity email=a@x.com
consent rules show
consent rules publish FILE
suppression list
suppression put LIST
suppression remove LIST
delivery list
delivery show del_1
delivery items del_1
delivery approve del_1
delivery cancel del_1
doctor
edge evaluate --email a@x.com
evaluation start
evaluation list
evaluation show evl_1
evaluation cancel evl_1
evaluation schedule
evaluation put-schedule FILE
exchange-rate list
exchange-rate show EUR
exchange-rate put FILE
exchange-rate convert 5 USD --in EUR --on 2026-01-01
freshness list
freshness targets
freshness set --connection con_1 --seconds 60
guardrail list
guardrail put FILE
identity rules show
identity rules what-if FILE
identity rules publish FILE
identity merge-policy show
identity merge-policy publish FILE
identity overlaps
identity never-link list
identity never-link add a b --reason r
identity never-link remove nev_1
key create --role analyst
key create --organisation org_1
key list
key roles
key rotate key_1
key revoke key_1
mapping list con_1
mapping show con_1 leads
mapping preview con_1 leads FILE
mapping publish con_1 leads FILE
mapping restore con_1 leads
mapping errors con_1
model schema
model show
model publish FILE
organisation list
organisation create x
organisation remove org_1
plugin install FILE
plugin list
plugin inspect p@1
plugin approve p@1
plugin decline p@1
plugin activate p@1
plugin activate p@1 --dry-run
plugin rollback p
plugin disable p@1
plugin enable p@1
plugin dependents p@1
plugin quarantine p@1 --reason r
plugin release p@1
plugin uninstall p@1
plugin usage p@1
plugin trust acme --public-key ed25519:aa --plugin p
plugin untrust acme
plugin revoke acme --public-key ed25519:aa --reason r
plugin publishers
plugin audit
privacy access email a@x.com
privacy erase email a@x.com --dry-run
privacy erase email a@x.com
privacy list
privacy show prv_1
privacy give-up prv_1
profile list
profile related prf_1
profile related prf_1 account
profile show prf_1
profile explain prf_1
profile pin prf_1 email a@x.com
profile unpin prf_1 email
profile pins prf_1
profile events prf_1
profile memberships prf_1
profile unmerge prf_1 a@b --reason r
quota list
quota show x y
quota limit x y --day 5
quota reset x y
quota release x y
run start con_1 --follow
run backfill con_1 --stream persons --follow
run list
run show run_1
run cancel run_1
run rejects run_1
sandbox list
sandbox create x
sandbox remove x
secrets rotate
segment create --name a true
segment change seg_1 --name a true
segment remove seg_1
segment list
segment show seg_1
segment members seg_1
segment check true
segment preview true
segment compare seg_1 true
segment why seg_1 prf_1
segment overlap seg_1 seg_2
segment sql seg_1
segment counts seg_1
segment history seg_1
waterfall create --name a seg_1 seg_2
waterfall change wfl_1 --name a seg_2 seg_1
waterfall preview seg_1 seg_2
waterfall list
waterfall show wfl_1
waterfall remove wfl_1
table show
table list
table take
table bucket show
table bucket set --connection con_1 --prefix t/
table bucket remove
usage show
usage publish FILE
usage violations
";

/// What has no command of its own, and why. All of it can be asked for by `attiva api METHOD PATH`.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("GET /openapi.json", "`attiva openapi` prints the same, without a host"),
    ("GET /docs", "a page for browsers"),
    ("GET /problems/{code}", "a page for browsers; the command line says what it says"),
    ("GET /oauth/callback", "where vendors send a browser back to"),
    ("GET /metrics", "for monitors"),
    ("GET /v1/audit/events", "a stream for programs; `audit` lists"),
    ("GET /v1/operations/{operation}/events", "a stream for programs; `--follow` asks for the operation"),
    ("GET /v1/sandboxes/{sandbox}/operations/{operation}/events", "as above"),
    ("GET /v1/keys/{key}", "`key list` shows all there is of each"),
    ("GET /v1/organisations/{organisation}", "`organisation list` shows all there is of each"),
    ("GET /v1/organisations/{organisation}/sandboxes", "an operator's, seldom: `api`"),
    ("POST /v1/organisations/{organisation}/sandboxes", "an operator's, seldom: `api`"),
    ("GET /v1/organisations/{organisation}/sandboxes/{sandbox}", "an operator's, seldom: `api`"),
    ("DELETE /v1/organisations/{organisation}/sandboxes/{sandbox}", "an operator's, seldom: `api`"),
    ("GET /v1/organisations/{organisation}/sandboxes/{sandbox}/guardrails", "an operator's, seldom: `api`"),
    ("PUT /v1/organisations/{organisation}/sandboxes/{sandbox}/guardrails", "an operator's, seldom: `api`"),
    ("GET /v1/publishers/{publisher}", "`plugin publishers` shows all there is of each"),
    ("GET /v1/sandboxes/{sandbox}", "`sandbox list` shows all there is of each"),
    ("GET /v1/sandboxes/{sandbox}/profiles/{profile}/events/count", "`profile events` lists them"),
    ("GET /v1/sandboxes/{sandbox}/profiles/{profile}/stages", "of an opportunity, seldom: `api`"),
    ("POST /v1/sandboxes/{sandbox}/records", "for programs, thousands at once: `api`"),
    ("GET /v1/sandboxes/{sandbox}/removals", "seldom: `api`; `connection remove` shows its own"),
];

/// A host that takes anything. What it was asked for: method and path.
struct Stub {
    url: String,
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

impl Stub {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(&stream);
                let mut head = String::new();
                while reader.read_line(&mut head).is_ok_and(|read| read > 2) {}
                let length = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
                });
                let _ = reader.read_exact(&mut vec![0; length.unwrap_or(0)]);
                let mut words = head.split_whitespace();
                let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
                let path = path.split('?').next().unwrap_or_default();
                // An argument of a command that is called as one of the program's would be taken for it.
                if head.to_ascii_lowercase().contains("authorization: bearer atv_x\r\n") {
                    kept.lock().unwrap().push((method.to_owned(), path.to_owned()));
                }
                let body = serde_json::json!({"id": "op_1", "subject": "run_1", "done": true, "status": "succeeded",
                    "items": [{"id": "con_1", "name": "n"}], "targets": [], "passed": true, "valid": true, "version": 1,
                    "plugin": "p@1", "configuration": {}, "fields": {}, "entity": "person", "url": "u"});
                let body = body.to_string();
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: \"1\"\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = (&stream).write_all(format!("{head}{body}").as_bytes());
            }
        });
        Self { url, asked }
    }
}

/// Whether a path is one of these: `/v1/keys/{key}`.
fn is_of(path: &str, pattern: &str) -> bool {
    let (mut parts, mut of) = (path.split('/'), pattern.split('/'));
    loop {
        match (parts.next(), of.next()) {
            (None, None) => return true,
            (Some(part), Some(of)) if part == of || (of.starts_with('{') && !part.is_empty()) => {}
            _ => return false,
        }
    }
}

#[test]
fn what_the_api_offers_can_be_done_from_the_command_line() {
    let stub = Stub::start();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file.json");
    std::fs::write(&file, r#"{"version": 1, "base": "EUR"}"#).unwrap();
    let list = place.path().join("list.json");
    std::fs::write(&list, "[{}]").unwrap();
    let mut unasked = Vec::new();
    for line in COMMANDS.lines().filter(|line| !line.is_empty()) {
        let words = line.split_whitespace().map(|word| match word {
            "FILE" => file.to_str().unwrap(),
            "LIST" => list.to_str().unwrap(),
            word => word,
        });
        let mut command = attiva(&words.collect::<Vec<_>>());
        let before = stub.asked.lock().unwrap().len();
        let said = command.env("ATTIVA_URL", &stub.url).env("ATTIVA_KEY", "atv_x").output().unwrap();
        if stub.asked.lock().unwrap().len() == before {
            unasked.push(format!("{line}: {}", String::from_utf8_lossy(&said.stderr)));
        }
    }
    assert!(unasked.is_empty(), "these asked for nothing:\n{}", unasked.join("\n"));
    let asked = stub.asked.lock().unwrap();
    let exceptions: BTreeMap<&str, &str> = EXCEPTIONS.iter().copied().collect();
    let (mut missing, mut stale) = (Vec::new(), Vec::new());
    for operation in operations() {
        // The most exact pattern is meant: `segments/check` is no segment.
        let is_exact = |path: &str| !operations().any(|other| other.path == path && other.method == operation.method);
        let is_reached = asked.iter().any(|(method, path)| {
            *method == operation.method().as_str()
                && (path == operation.path || (is_exact(path) && is_of(path, operation.path)))
        });
        let named = format!("{} {}", operation.method(), operation.path);
        match (is_reached, exceptions.contains_key(named.as_str())) {
            (false, false) => missing.push(named),
            (true, true) => stale.push(named),
            (false, true) | (true, false) => {}
        }
    }
    assert!(missing.is_empty(), "no command asks for these, and no reason stands here:\n{}", missing.join("\n"));
    assert!(stale.is_empty(), "commands ask for these, which are said to have none:\n{}", stale.join("\n"));
    assert!(exceptions.values().all(|reason| !reason.is_empty()));
    let known: Vec<String> = operations().map(|o| format!("{} {}", o.method(), o.path)).collect();
    assert!(exceptions.keys().all(|named| known.iter().any(|known| known == named)), "an exception for nothing");
}

#[test]
fn anything_can_be_asked_for_by_method_and_path() {
    let stub = Stub::start();
    let run = |arguments: &[&str]| {
        let mut command = attiva(arguments);
        let output = command.env("ATTIVA_URL", &stub.url).env("ATTIVA_KEY", "atv_x").output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, out, err) = run(&["api", "get", "projection", "--sandbox", "s"]);
    assert!(code == Some(0) && out.contains("\"done\":true") && err.contains("etag: \"1\""), "{out} {err}");
    assert_eq!(run(&["api", "POST", "/v1/secrets/rotation"]).0, Some(0));
    assert_eq!(run(&["api", "brew", "/v1/coffee"]).0, Some(2));
    let asked = stub.asked.lock().unwrap();
    let of = |method: &str, path: &str| (method.to_owned(), path.to_owned());
    assert_eq!(*asked, [of("GET", "/v1/sandboxes/s/projection"), of("POST", "/v1/secrets/rotation")]);
}

#[test]
fn shells_complete_commands_and_flags() {
    let script = |shell: &str| {
        let output = attiva(&["completion", shell]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{shell}");
        String::from_utf8(output.stdout).unwrap()
    };
    for (shell, of_its_own) in
        [("bash", "complete -F _attiva"), ("zsh", "#compdef attiva"), ("fish", "complete -c attiva")]
    {
        let script = script(shell);
        for said in [of_its_own, "freshness", "revoke-grant", "sandbox"] {
            assert!(script.contains(said), "{shell}: {said}");
        }
    }
    assert_eq!(attiva(&["completion", "tcsh"]).output().unwrap().status.code(), Some(2));
    // What the shell makes of it: the script is loaded, and asked as bash asks it.
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("attiva.bash");
    std::fs::write(&file, script("bash")).unwrap();
    let ask = format!(
        "source {}; COMP_WORDS=(attiva fresh); COMP_CWORD=1; _attiva attiva fresh attiva; echo \"${{COMPREPLY[@]}}\"",
        file.display()
    );
    let Ok(answer) = std::process::Command::new("bash").args(["-c", &ask]).output() else { return };
    assert_eq!(String::from_utf8_lossy(&answer.stdout).trim(), "freshness", "{answer:?}");
}
