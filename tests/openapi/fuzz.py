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
# What would take the ground from under the rest goes to things that may go.
SPARE = {"sandboxes.remove": "spare_sandbox", "organisations.remove_sandbox": "spare_sandbox", "organisations.remove": "spare_organisation"}


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

    def ask(self, method, path, body=None):
        path = path if path.startswith("/") else f"/v1/sandboxes/default/{path}"
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
        add("connection", connection)
        return connection

    people = [{"id": f"p{n}", "fields": {"email": f"p{n}@example.com", "department": "HR", "account_key": f"a{n % 3}@shop.Web"}} for n in range(12)]
    api.post("records", {"source": {"system": "Web", "id": "shop"}, "entity": "person", "records": people})
    accounts = [{"id": f"a{n}", "fields": {"name": f"Account {n}", "parent_key": "a0@shop.Web"}} for n in range(3)]
    api.post("records", {"source": {"system": "Web", "id": "shop"}, "entity": "account", "records": accounts})
    sources = [connect(f"source {n}", "source-marketo") for n in range(3)]
    operation, run = api.work(f"connections/{sources[0]}/runs")
    add("operation", operation)
    add("run", run)
    api.caught_up()
    for n, rule in enumerate(["person.department == \"HR\"", "true", "account.name != \"\""]):
        entity = "account" if rule.startswith("account") else "person"
        add("segment", api.post("segments", {"name": f"segment {n}", "expression": rule, "entity": entity})["id"])
    api.caught_up()
    target = connect("destination", "destination-marketo")
    for n in range(2):
        activation = api.post("activations", {
            "name": f"activation {n}", "segment": names["segment"][n], "connection": target,
            "target": {"object": "static-list", "name": f"list {n}", "options": {"mode": "create"}},
            "mapping": [{"field": "email", "expression": "person.email", "required": True}],
        })
        add("activation", activation["id"])
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
    add("spare_organisation", api.post("/v1/organisations", {"name": "spare"})["id"])
    add("spare_sandbox", *(api.post("/v1/sandboxes", {"name": f"spare-{n}"})["name"] for n in range(2)))
    add("sandbox", "default")
    add("base", "EUR")
    add("code", "key.missing")
    add("field", "department")
    add("instance", "123-ABC-456")
    add("origin", "api")
    add("plugin", "source-marketo", "destination-marketo")
    add("publisher", "attiva")
    add("relation", "accounts", "people")
    add("stream", "leads")
    add("system", "Marketo")
    return names


def parameters(document):
    return {p["name"] for methods in document["paths"].values() for it in methods.values() for p in it.get("parameters", []) if p.get("in") == "path"}


def configuration(document, names, key):
    """schemathesis.toml: names of what is there, more often than not."""
    unknown = parameters(document) - set(names)
    if unknown:
        raise SystemExit(f"FAILED: nothing is known of the path parameters {sorted(unknown)}: say what they may be")
    operations = {it["operationId"] for methods in document["paths"].values() for it in methods.values()}
    gone = set(ASKS_A_VENDOR) - operations | set(SPARE) - operations
    if gone:
        raise SystemExit(f"FAILED: there are no operations {sorted(gone)} any more")
    lines = [f"headers = {{ Authorization = {json.dumps('Bearer ' + key)} }}"]
    for kind, values in names.items():
        lines += [f"[dictionaries.{kind}]", f"values = {json.dumps(values)}"]
    lines.append("[parameters]")
    for kind in sorted(parameters(document)):
        # A place to stand on is almost always there.
        likely = 0.97 if kind == "sandbox" else 0.8
        lines.append(f'"path.{kind}" = {{ dictionary = "{kind}", probability = {likely} }}')
    lines += ["[[operations]]", f"include-operation-id = {json.dumps(ASKS_A_VENDOR)}"]
    lines += ["[operations.checks.not_a_server_error]", 'expected-statuses = ["2xx", "3xx", "4xx", 502, 503]']
    for operation, kind in SPARE.items():
        name = "organisation" if kind == "spare_organisation" else "sandbox"
        lines += ["[[operations]]", f'include-operation-id = "{operation}"', "[operations.parameters]"]
        lines.append(f'"path.{name}" = {{ dictionary = "{kind}", probability = 1.0 }}')
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
        serve = [program, "serve", "--data-dir", f"{directory}/data", "--listen", "127.0.0.1:0", "--set", "log.level=warn,attiva_server=info"]
        host = None
        try:
            host = Program(serve, {"port": r"listening.*127\.0\.0\.1:(\d+)", "key": r"^ +(atv_\S+)$"})
            api = Api(f"http://127.0.0.1:{host.found['port']}", host.found["key"])
            document = api.ask("GET", "/openapi.json")
            config = pathlib.Path(directory, "schemathesis.toml")
            config.write_text(configuration(document, furnish(api, vendor), api.key))
            fuzzer = subprocess.run([
                arguments.fuzzer, "--config-file", str(config), "run", f"{api.url}/openapi.json",
                "--checks", CHECKS, "--seed", str(arguments.seed), "--max-time", str(arguments.seconds),
                "--request-timeout", "60", "--suppress-health-check", "all", "--generation-database", "none", *more,
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
