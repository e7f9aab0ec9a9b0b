#!/usr/bin/env python3
"""Has schemathesis, a public fuzzer that reads OpenAPI, ask a host for everything its description offers.

    pip install schemathesis==4.32.5 && python3 tests/openapi/fuzz.py target/debug/attiva --seconds 240 --seed 42

A host of its own on loopback, with a simulated vendor and something of most kinds in it: so that what the fuzzer names is there
more often than not. Exit code 0 only if there was no server error and no answer with a status, a media type or a body that the
description does not have, and if the host is well at the end and stops as it should.
"""

import argparse
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
# What asks a vendor answers 502 where the vendor refuses and 503 where it is away: the host is in order.
ASKS_A_VENDOR = [
    "activations.create", "activations.deliver", "connections.authorize", "connections.change", "connections.check",
    "connections.create", "connections.discover", "connections.run", "plugins.install",
]
# Streams end when the work does, or never: the fuzzer would wait for that in every case.
STREAMS = ["audit.follow", "backups.follow", "operations.follow"]
# What would take the ground from under the rest goes to things that may go: the parameter that names them.
SPARE = {
    "activations.remove": "activation", "activations.retire": "activation", "connections.remove": "connection",
    "organisations.remove": "organisation", "organisations.remove_sandbox": "sandbox", "plugins.decline": "plugin",
    "plugins.disable": "plugin", "plugins.uninstall": "plugin", "publishers.untrust": "publisher", "removals.start": "connection",
    "sandboxes.remove": "sandbox", "segments.remove": "segment",
}
# A key that was used for something else is refused, and the fuzzer likes a few of them best: most requests get one of their own.
HOOKS = """
import itertools
import schemathesis

numbers = itertools.count()


@schemathesis.hook
def map_headers(context, headers):
    if headers and "Idempotency-Key" in headers:
        number = next(numbers)
        if number % 8:
            headers["Idempotency-Key"] = f"request-{number}"
    return headers
"""


class Program:
    """A process that says on a line where it answers."""

    def __init__(self, command, said):
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines = []
        self.found = {}
        self.heard = threading.Event()
        threading.Thread(target=self.listen, args=(said,), daemon=True).start()
        if not self.heard.wait(120):
            self.process.kill()
            raise SystemExit("FAILED " + " ".join(command) + "\n" + "".join(self.lines))

    def listen(self, said):
        for line in self.process.stdout:
            self.lines.append(line)
            for name, pattern in said.items():
                match = re.search(pattern, line)
                if match:
                    self.found.setdefault(name, match.group(1))
            if len(self.found) == len(said):
                self.heard.set()

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(120)


class Api:
    def __init__(self, url, key):
        self.url, self.key = url, key
        self.asked = []

    def ask(self, method, path, body=None):
        path = path if path.startswith("/") else f"/v1/sandboxes/default/{path}"
        self.asked.append((method.lower(), path.split("?")[0], body))
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read()
        except urllib.error.HTTPError as refused:
            raise SystemExit(f"FAILED {method} {path}: {refused.code} {refused.read().decode()}")
        return json.loads(text) if text else None

    def post(self, path, body=None):
        return self.ask("POST", path, {} if body is None else body)

    def work(self, path, body=None):
        """Starts long work and waits for its end."""
        begun = self.post(path, body)
        operation = f"operations/{begun['id']}"
        while not (now := self.ask("GET", operation))["done"]:
            time.sleep(0.05)
        return begun["id"], now["subject"]

    def caught_up(self):
        while not self.ask("GET", "projection")["caught_up"]:
            time.sleep(0.05)


def furnish(api, vendor):
    """Makes something of most kinds. Returns names by kind, as parameters of paths call them."""
    names = {}

    def add(kind, *ids):
        names.setdefault(kind, []).extend(ids)

    def connect(name, plugin):
        about = json.loads(vendor.found["about"])
        configuration = {"munchkin_id": "123-ABC-456", "client_id": about["client_id"], "client_secret": about["client_secret"]}
        if plugin.startswith("source"):
            configuration |= {"start_date": time.strftime("%Y-%m-%d", time.gmtime(time.time() - 62 * 86400)), "poll_seconds": 1}
        body = {"name": name, "plugin": plugin, "configuration": configuration, "grants": {"api": about["base_url"]}}
        connection = api.post("connections", body)["id"]
        return connection

    people = [{"id": f"p{n}", "fields": {"email": f"p{n}@example.com", "department": "HR", "account_key": f"a{n % 3}@shop.Web"}} for n in range(12)]
    api.post("records", {"source": {"system": "Web", "id": "shop"}, "entity": "person", "records": people})
    accounts = [{"id": f"a{n}", "fields": {"name": f"Account {n}", "parent_key": "a0@shop.Web"}} for n in range(3)]
    api.post("records", {"source": {"system": "Web", "id": "shop"}, "entity": "account", "records": accounts})
    sources = [connect(f"source {n}", "source-marketo") for n in range(4)]
    operation, run = api.work(f"connections/{sources[0]}/runs")
    add("operation", operation)
    add("run", run)
    add("connection", *sources[:2])
    add("spare_connection", sources[3], *(connect(f"spare {n}", "source-marketo") for n in range(3)))
    api.caught_up()
    for n, rule in enumerate(["person.department == \"HR\"", "true", "account.name != \"\""]):
        entity = "account" if rule.startswith("account") else "person"
        add("segment", api.post("segments", {"name": f"segment {n}", "expression": rule, "entity": entity})["id"])
    add("spare_segment", *(api.post("segments", {"name": f"spare {n}", "expression": "false"})["id"] for n in range(3)))
    for kind, name in [("waterfall", "order 1"), ("waterfall", "order 2"), ("spare_waterfall", "order 3")]:
        add(kind, api.post("waterfalls", {"name": name, "audiences": names["segment"][:2]})["id"])
    api.caught_up()
    target = connect("destination", "destination-marketo")
    add("connection", target)
    for n in range(4):
        activation = api.post("activations", {
            "name": f"activation {n}", "segment": names["segment"][n % 2], "connection": target,
            "target": {"object": "static-list", "name": f"list {n}", "options": {"mode": "create"}},
            "mapping": [{"field": "email", "expression": "person.email", "required": True}],
        })
        add("activation" if n < 2 else "spare_activation", activation["id"])
        operation, delivery = api.work(f"activations/{activation['id']}/deliveries")
        add("operation", operation)
        add("delivery", delivery)
    for kind, path, body in [
        ("evaluation", "evaluations", {}),
        ("erasure", "privacy/erasures", {"identity": {"namespace": "email", "value": "p11@example.com"}}),
        ("removal", f"connections/{sources[2]}/removal", {}),
    ]:
        operation, subject = api.work(path, body)
        add("operation", operation)
        add(kind, subject)
    add("link", api.post("identity/never-links", {"a": "p1@shop.Web", "b": "p2@shop.Web", "reason": "they are two"})["id"])
    for entity in ["person", "account"]:
        page = api.ask("GET", f"profiles?entity={entity}&limit=4")
        add("profile", *(profile["id"] for profile in page["items"]))
    api.ask("PUT", "exchange-rates/EUR", {"base": "EUR", "rates": [{"currency": "USD", "from": "2026-01-01", "rate": "1.25"}]})
    # The key that is used is not among those that can be revoked.
    add("key", *(api.post("/v1/keys", {"name": f"key {n}"})["id"] for n in range(3)))
    add("organisation", *(api.post("/v1/organisations", {"name": f"organisation {n}"})["id"] for n in range(2)))
    furnish_with_settings(api, names)
    add("spare_plugin", "destination-linkedin", "destination-s3")
    add("spare_publisher", "nobody")
    add("spare_organisation", api.post("/v1/organisations", {"name": "spare"})["id"])
    add("spare_sandbox", *(api.post("/v1/sandboxes", {"name": f"spare-{n}"})["name"] for n in range(2)))
    add("sandbox", "default")
    add("backup", api.post("/v1/backups", {})["subject"])
    add("base", "EUR")
    add("code", "key.missing")
    add("field", "department")
    add("instance", "123-ABC-456")
    add("origin", "api")
    add("plugin", "source-marketo", "destination-marketo")
    add("publisher", "attiva")
    add("relation", "accounts", "people")
    add("system", "Marketo")
    return names


def furnish_with_settings(api, names):
    """Requests that are all right, for the fuzzer to begin with."""
    for path in ["account-matching", "consent-rules", "evaluation-schedule", "identity/merge-policy", "identity/rules", "model"]:
        api.ask("PUT", path, api.ask("GET", path))
    api.ask("PUT", "guardrails", {})
    person, rule = {"namespace": "email", "value": "p3@example.com"}, "person.department == \"HR\""
    moment = "2026-11-01T00:00:00Z"
    consent = {"identity": person, "channel": "email", "purpose": "marketing", "given": True, "source": "form", "at": moment}
    api.post("consents", {"consents": [consent]})
    api.post("consents/decide", {"channel": "email", "purpose": "marketing", "identities": [person]})
    api.post("suppressions", {"suppressions": [{"identity": person, "reason": "bounced", "source": "mailer", "at": moment}]})
    api.post("suppressions/remove", {"suppressions": [{"identity": person}]})
    api.post("segments/check", {"expression": rule})
    api.post("segments/preview", {"expression": rule, "samples": 3})
    api.post(f"segments/{names['segment'][0]}/compare", {"expression": rule})
    api.ask("PUT", f"segments/{names['segment'][1]}", {"name": "segment 1", "expression": "true"})
    api.post("identity/rules/what-if", {"rules": api.ask("GET", "identity/rules"), "records_max": 100})
    api.post("privacy/access", {"identity": person})
    api.post("privacy/erasures/preview", {"identity": person})
    api.ask("PUT", f"profiles/{names['profile'][0]}/pins/department", {"value": "Sales"})
    connection = names["connection"][0]
    shown = api.ask("GET", f"connections/{connection}/mappings")["items"][0]
    stream, mapping = shown["stream"], {"entity": shown["entity"], "fields": shown["fields"]}
    names["stream"] = [stream]
    api.ask("PUT", f"connections/{connection}/mappings/{stream}", mapping)
    api.post(f"connections/{connection}/mappings/{stream}/preview", {"mapping": mapping})
    api.post(f"connections/{connection}/removal/preview", {})
    api.ask("PATCH", f"connections/{connection}", {"name": "source 0"})
    api.post(f"activations/{names['activation'][0]}/refusals/replay", {})
    api.ask("PUT", f"activations/{names['activation'][0]}/schedule", {"every_seconds": 3600})


def with_examples(document, asked):
    """The description with the bodies that were taken as examples."""
    for path, methods in document["paths"].items():
        fits = re.compile("^" + re.sub(r"\{\w+\}", "[^/]+", re.escape(path).replace(r"\{", "{").replace(r"\}", "}")) + "$")
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json")
            bodies = [body for asked_method, place, body in asked if asked_method == method and body is not None and fits.match(place)]
            if content and bodies:
                content["examples"] = {f"taken-{n}": {"value": body} for n, body in enumerate(bodies[:3])}
    return document


def parameters(document):
    return {p["name"] for methods in document["paths"].values() for it in methods.values() for p in it.get("parameters", []) if p.get("in") == "path"}


def configuration(document, names, key):
    """schemathesis.toml: names of what is there, more often than not."""
    unknown = parameters(document) - set(names)
    if unknown:
        raise SystemExit(f"FAILED: nothing is known of the path parameters {sorted(unknown)}: say what they may be")
    operations = {it["operationId"] for methods in document["paths"].values() for it in methods.values()}
    gone = (set(ASKS_A_VENDOR) | set(STREAMS) | set(SPARE)) - operations
    if gone:
        raise SystemExit(f"FAILED: there are no operations {sorted(gone)} any more")
    lines = ['hooks = "hooks.py"', f"headers = {{ Authorization = {json.dumps('Bearer ' + key)} }}"]
    for kind, values in names.items():
        lines += [f"[dictionaries.{kind}]", f"values = {json.dumps(values)}"]
    lines.append("[parameters]")
    for kind in sorted(parameters(document)):
        # A place to stand on is there. So is most of the rest, but not always.
        binding = '"default"' if kind == "sandbox" else f'{{ dictionary = "{kind}", probability = 0.85 }}'
        lines.append(f'"path.{kind}" = {binding}')
    lines += ["[[operations]]", f"include-operation-id = {json.dumps(ASKS_A_VENDOR)}"]
    lines += ["[operations.checks.not_a_server_error]", 'expected-statuses = ["2xx", "3xx", "4xx", 502, 503]']
    lines += ["[[operations]]", f"include-operation-id = {json.dumps(STREAMS)}", "enabled = false"]
    for operation, kind in SPARE.items():
        lines += ["[[operations]]", f'include-operation-id = "{operation}"', "[operations.parameters]"]
        lines.append(f'"path.{kind}" = {{ dictionary = "spare_{kind}", probability = 1.0 }}')
    return "\n".join(lines) + "\n"


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("program", type=pathlib.Path)
    arguments.add_argument("--seconds", type=int, default=240)
    arguments.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    arguments.add_argument("--fuzzer", default=os.path.join(os.path.dirname(sys.executable), "schemathesis"))
    arguments, more = arguments.parse_known_args()
    print(f"seed {arguments.seed}, {arguments.seconds} s; again with --seed {arguments.seed}", flush=True)
    program = str(arguments.program.resolve())
    with tempfile.TemporaryDirectory(prefix="attiva-openapi-") as directory:
        vendor = Program([program, "simulate", "marketo", "--leads", "30", "--output", "json"], {"about": r"^(\{.*\})$"})
        serve = [program, "serve", "--data-dir", f"{directory}/data", "--listen", "127.0.0.1:0", "--set", "log.level=warn,attiva_server=info", "--set", "limits.key_requests=0"]
        host = None
        try:
            host = Program(serve, {"port": r"listening.*127\.0\.0\.1:(\d+)", "key": r"^ +(atv_\S+)$"})
            api = Api(f"http://127.0.0.1:{host.found['port']}", host.found["key"])
            document = api.ask("GET", "/openapi.json")
            config = pathlib.Path(directory, "schemathesis.toml")
            config.write_text(configuration(document, furnish(api, vendor), api.key))
            pathlib.Path(directory, "hooks.py").write_text(HOOKS)
            described = pathlib.Path(directory, "openapi.json")
            described.write_text(json.dumps(with_examples(document, api.asked)))
            fuzzer = subprocess.run([
                arguments.fuzzer, "--config-file", str(config), "run", str(described), "--url", api.url,
                "--checks", CHECKS, "--seed", str(arguments.seed), "--max-time", str(arguments.seconds),
                "--request-timeout", "60", "--suppress-health-check", "all", "--generation-database", "none", "--warnings", "off", *more,
            ], cwd=directory)
            urllib.request.urlopen(f"{api.url}/healthz", timeout=60).close()
        finally:
            ended = host.end() if host else None
            vendor.end()
        log = "".join(host.lines)
        if ended != 0:
            raise SystemExit(f"FAILED: the host ended with {ended}\n{log[-4000:]}")
        panics = [line for line in host.lines if "panicked" in line]
        if panics:
            raise SystemExit("FAILED: the host's log tells of defects\n" + "".join(panics[:20]))
        raise SystemExit(fuzzer.returncode)


main()
