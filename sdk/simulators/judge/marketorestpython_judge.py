#!/usr/bin/env python3
"""Reads the simulator with marketorestpython, a public client of Marketo's REST API, and compares with the ground truth.

    pip install marketorestpython==0.5.25 && python3 sdk/simulators/judge/marketorestpython_judge.py

The client builds its host from the munchkin id and has no setting for another one, so its public attribute `host` is set after it is
made. Nothing else of it is touched: it fetches its own token and drives every call. Exit code 0 only if every check holds.
"""

import csv
import io
import time

from marketorestpython.client import MarketoClient

from simulator import WINDOWS, Simulator, as_text, check

LEADS = 2_000


def bulk_extract(client, fields):
    rows = []
    for start, end in WINDOWS:
        job = client.create_leads_export_job(fields=fields, filters={"createdAt": {"startAt": start, "endAt": end}})[0]
        client.enqueue_leads_export_job(job_id=job["exportId"])
        while (status := client.get_leads_export_job_status(job_id=job["exportId"])[0])["status"] != "Completed":
            if status["status"] not in ("Queued", "Processing"):
                raise SystemExit(f"FAILED bulk extract: {status}")
            time.sleep(0.2)
        text = client.get_leads_export_job_file(job_id=job["exportId"]).decode()
        read = list(csv.DictReader(io.StringIO(text, newline="")))
        check(f"records of export {start[:10]}", len(read), status["numberOfRecords"])
        rows += read
    return rows


with Simulator("--leads", str(LEADS)) as simulator:
    client = MarketoClient("000-AAA-000", simulator.client_id, simulator.client_secret)
    client.host = simulator.base_url

    truth = simulator.leads()
    fields = [field["rest"]["name"] for field in client.describe() if "rest" in field]
    check("fields described", sorted(fields), sorted(truth[0]))

    rows = bulk_extract(client, fields)
    check("leads by bulk extract", len(rows), LEADS)
    check("every field of every lead", rows, [{name: as_text(lead[name]) for name in fields} for lead in truth])

    wanted = [lead for lead in truth if lead["email"]][:250]
    found = client.get_multiple_leads_by_filter_type("email", [lead["email"] for lead in wanted], fields=["id", "email"], batchSize=40)
    found = {lead["id"]: lead["email"] for lead in found}
    check("leads by e-mail, paged, in a form", {lead["id"]: found.get(lead["id"]) for lead in wanted}, {lead["id"]: lead["email"] for lead in wanted})
    check("one lead by id", client.get_lead_by_id(7, fields=["id", "email"])[0]["email"], truth[6]["email"])

    created = client.get_lead_activities(activityTypeIds=["12"], sinceDatetime="2026-09-01", batchSize=100)
    check("a New Lead activity for every lead", sorted(activity["leadId"] for activity in created), list(range(1, LEADS + 1)))
    check("activity keys are unique", len({activity["marketoGUID"] for activity in created}), LEADS)
    changed = client.get_lead_activities(activityTypeIds=["1", "12", "13"], sinceDatetime="2026-09-01")
    check("activities are in order of time", [a["activityDate"] for a in changed], sorted(a["activityDate"] for a in changed))

    results = client.create_update_leads([{"email": "judge@judge.example", "firstName": "Judy"}, {"email": "bad@judge.example", "numberOfEmployees": "many"}])
    check("a lead created, another skipped", [result["status"] for result in results], ["created", "skipped"])
    judge = results[0]["id"]
    again = client.create_update_leads([{"email": "judge@judge.example", "firstName": "Judith"}])
    check("the lead updated", again, [{"id": judge, "status": "updated"}])
    changes = client.get_lead_changes(fields=["firstName"], sinceDatetime="2026-11-23")
    told = [(change["leadId"], field["oldValue"], field["newValue"]) for change in changes for field in change["fields"]]
    check("the change told with both values", told, [(judge, "Judy", "Judith")])

    check("leads merged", client.merge_lead(judge, [11, 12]), True)
    check("a lead deleted", client.delete_lead([13]), [{"id": 13, "status": "deleted"}])
    check("the deletion told, the merge not", [gone["leadId"] for gone in client.get_deleted_leads(sinceDatetime="2026-11-23")], [13])
    merges = client.get_lead_activities(activityTypeIds=["32"], sinceDatetime="2026-11-23")
    check("the merge told by its activity", [(merge["leadId"], {a["name"]: a["value"] for a in merge["attributes"]}["Merge IDs"]) for merge in merges], [(judge, "[11,12]")])
    check("leads left", len(simulator.leads()), LEADS + 1 - 3)

    calls = client.get_daily_usage()[0]["total"]
    check("calls counted by both sides", client.API_CALLS_MADE - 1, calls)

print("the simulator is read as a Marketo instance")
