"""Starts the simulator for a judge, and reads the ground truth from it."""

import json
import os
import pathlib
import subprocess
import urllib.request

NOW = "2026-11-23T00:00:00Z"
WINDOWS = [("2026-09-24T00:00:00Z", "2026-10-23T23:59:59Z"), ("2026-10-24T00:00:00Z", "2026-11-23T23:59:59Z")]


class Simulator:
    def __init__(self, *options):
        binary = os.environ.get("ATTIVA_SIMULATE_MARKETO")
        command = [binary] if binary else ["cargo", "run", "-q", "-p", "attiva-simulators", "--bin", "attiva-simulate-marketo", "--"]
        root = pathlib.Path(__file__).resolve().parents[3]
        self.process = subprocess.Popen([*command, "--now", NOW, *options], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        told = json.loads(self.process.stdout.readline())
        self.base_url, self.client_id, self.client_secret = told["base_url"], told["client_id"], told["client_secret"]

    def control(self, path):
        with urllib.request.urlopen(f"{self.base_url}/_control/{path}") as answer:
            return answer.read().decode()

    def leads(self, view="exported"):
        return [json.loads(line) for line in self.control(f"leads?view={view}").splitlines()]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(10)


def as_text(value):
    """A value as an export file writes it."""
    return "null" if value is None else value if isinstance(value, str) else json.dumps(value)


def check(what, found, expected):
    if found != expected:
        raise SystemExit(f"FAILED {what}: found {found!r:.300}, expected {expected!r:.300}")
    print(f"ok     {what}")
