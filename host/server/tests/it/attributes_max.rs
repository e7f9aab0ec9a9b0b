//! What a list of Marketo takes of attributes, with a Marketo that has that many: fifty are taken, and of one more the activation is
//! refused.

use crate::account_activations::{activation, with};
use crate::audiences::make;
use crate::harness::{Answer, Api, Harness};
use crate::journey::vendors_of;
use attiva_simulators::marketo::MarketoConfig;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

/// Fields of its own that the Marketo has beside the simulator's.
const CUSTOM: usize = 60;

/// A vendor that has more fields than the one behind it, and passes everything else on. Where it listens.
fn with_custom_fields(behind: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            pass_on(&stream, &behind);
        }
    });
    url
}

/// One request of one connection.
fn pass_on(stream: &TcpStream, behind: &str) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let [method, target] = [0, 1].map(|word| line.split(' ').nth(word).unwrap().to_owned());
    let mut request = ureq::http::Request::builder().method(method.as_str()).uri(format!("{behind}{target}"));
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "authorization" | "content-type" => request = request.header(name, value),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).http_status_as_error(false).build().into();
    let mut answer = agent.run(request.body(body).unwrap()).unwrap();
    let (status, mut text) = (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap());
    if target.contains("/leads/describe2.json") {
        let mut described: Value = serde_json::from_str(&text).unwrap();
        let field = |i| json!({ "name": custom(i), "displayName": custom(i), "dataType": "string", "length": 255, "updateable": true, "crmManaged": false });
        described["result"][0]["fields"].as_array_mut().unwrap().extend((1..=CUSTOM).map(field));
        text = described.to_string();
    }
    let length = text.len();
    let mut stream = stream;
    write!(stream, "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{text}")
        .unwrap();
}

fn custom(i: usize) -> String {
    format!("custom{i}")
}

#[test]
fn fifty_attributes_are_taken_and_of_one_more_the_activation_is_refused() {
    let api = Harness::sandbox();
    let vendors = vendors_of(MarketoConfig { leads: 1, ..MarketoConfig::default() });
    vendors.marketo().create_list("wide").unwrap();
    let config = vendors.config();
    let body = json!({ "name": "m", "plugin": "destination-marketo",
        "grants": { "api": with_custom_fields(vendors.url()) },
        "configuration": { "munchkin_id": "960-TEN-960", "client_id": config.client_id, "client_secret": vendors.secret() } });
    let marketo = api.post("connections", &body).is(201).text("/id").to_owned();
    let segment = make(&api, &json!({ "name": "s", "expression": "person.department == \"HR\"" }));
    // Beside the key, which is none.
    let made = |api: &Api, attributes: usize| -> Answer {
        let names: Vec<String> = (1..=attributes).map(custom).collect();
        let mut mapping = vec![("email", "person.email")];
        mapping.extend(names.iter().map(|name| (name.as_str(), "person.job_title")));
        let target = json!({ "object": "static-list", "name": "wide", "options": { "mode": "create" } });
        api.post("activations", &with(activation(&segment, &marketo, "static-list", &mapping), "target", target))
    };
    let refused = made(&api, 51);
    let error = &refused.refused(422, "activation.target").body["errors"][0];
    assert_eq!((&error["code"], &error["field"]), (&json!("marketo.too-many-attributes"), &json!("/mapping/51/field")));
    assert_eq!(api.get("activations").body["items"], json!([]));
    let taken = made(&api, 50);
    assert_eq!(taken.is(201).body["mapping"].as_array().unwrap().len(), 51);
}
