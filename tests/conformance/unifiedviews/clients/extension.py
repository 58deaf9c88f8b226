#!/usr/bin/env python3
"""What an extension of a data catalogue does with pipelines, in plain Python.

The header Authorization has no scheme word, errors are read only if their content type is exactly
application/json, and requests take five seconds at most.
"""

import base64
import json
import os
import sys
import time
import urllib.error
import urllib.request

API = os.environ["API"]
AUTHORIZATION = base64.b64encode(b"master:commander").decode()


def ask(method, path, body=None):
    """Answers the status and the decoded body; says what an error tells its user."""
    request = urllib.request.Request(API + path, method=method)
    request.add_header("Authorization", AUTHORIZATION)
    request.add_header("Content-Type", "application/json")
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(request, data, timeout=5) as answer:
            return answer.status, json.loads(answer.read().decode())
    except urllib.error.HTTPError as error:
        kind = error.headers.get("Content-Type")
        if kind != "application/json":
            sys.exit(f"{path}: the content type is {kind}")
        told = json.loads(error.read().decode())
        print("error:", told.get("errorMessage"))
        return error.code, told


def wanted(method, path, body=None):
    status, answer = ask(method, path, body)
    if status != 200:
        sys.exit(f"{method} {path}: {status} {answer}")
    return answer


def switch_schedules(pipeline):
    """Shows what is scheduled, and puts each schedule back with its switch turned."""
    path = f"/pipelines/{pipeline}/schedules"
    followed = []
    for item in wanted("GET", path + "/~all/scheduledexecutions"):
        assert item["start"] or item["afterPipelines"], item
        followed += (item["afterPipelines"] or {}).values()
    print("followed", *followed)
    for schedule in wanted("GET", path):
        schedule["enabled"] = not schedule["enabled"]
        changed = wanted("PUT", f"{path}/{schedule['id']}", schedule)
        assert changed["enabled"] == schedule["enabled"], changed
        assert changed["firstExecution"] == schedule["firstExecution"], changed
        assert changed["afterPipelines"] == schedule["afterPipelines"], changed


def main():
    template, name = os.environ["TEMPLATE"], os.environ["NAME"]
    wanted("GET", "/pipelines?userExternalId=admin")
    visible = wanted("GET", "/pipelines/visible?userExternalId=admin")
    assert any(str(it["id"]) == template for it in visible), visible
    new = {
        "name": name,
        "description": None,
        "userExternalId": "admin",
        "userActorExternalId": None,
    }
    made = wanted("POST", f"/pipelines/{template}/clones", new)
    assert made["name"] == name and made["description"] == "", made
    pipeline = made["id"]
    assert wanted("GET", f"/pipelines/{pipeline}") == made
    assert wanted("GET", f"/pipelines/{pipeline}/executions/pending") == []
    status, _ = ask("GET", f"/pipelines/{pipeline}/executions/last")
    assert status == 404, status
    run = {"debugging": False, "userExternalId": "admin", "userActorExternalId": None}
    started = wanted("POST", f"/pipelines/{pipeline}/executions/", run)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        pending = wanted("GET", f"/pipelines/{pipeline}/executions/pending")
        if not pending:
            break
        assert pending[0]["id"] == started["id"] and pending[0]["lastChange"], pending
        time.sleep(0.2)
    last = wanted("GET", f"/pipelines/{pipeline}/executions/last")
    assert last["id"] == started["id"] and last["start"], last
    print("ended", last["status"])
    switch_schedules(os.environ["SCHEDULED"])
    status, _ = ask("POST", "/pipelines", {**new, "name": name + "-2", "userExternalId": "nobody"})
    assert status == 404, status


main()
