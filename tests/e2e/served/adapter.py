"""Serves tools of one kind, and says everything twice, and too late once more.

What it does is the operation's: `grow` succeeds, `limp` fails on its first try, `wait` goes on until it is
stopped, `sleep` is never heard of again. It ends when its input does, so that it outlives no test.
"""

import json
import os
import sys
import threading
import uuid

from kafka import KafkaConsumer, KafkaProducer

BROKERS, PREFIX, KIND = os.environ["BROKERS"], os.environ["PREFIX"], os.environ["KIND"]
producer = KafkaProducer(bootstrap_servers=BROKERS, acks="all")


def reply(request, kind, times=2, **said):
    """Replies `times` times, each time under another id, and once more under the last one."""
    said |= {"requestId": request["requestId"], "runId": request["runId"]}
    names = [str(uuid.uuid4()) for _ in range(times)]
    for name in names + names[-1:]:
        headers = [
            ("content-type", b"application/json"),
            ("ce_specversion", b"1.0"),
            ("ce_id", name.encode()),
            ("ce_type", f"penstock.step.{kind}.v1".encode()),
            ("ce_source", b"adapter"),
        ]
        key, value = request["runId"].encode(), json.dumps(said).encode()
        producer.send(PREFIX + "penstock.replies", value, key=key, headers=headers).get(30)


def end(request, outcome, message="", **outputs):
    """Ends a request, twice, and then otherwise, which is too late."""
    reply(request, "ended", outcome="STEP_OUTCOME_" + outcome, message=message, outputs=outputs)
    other = "FAILED" if outcome == "SUCCEEDED" else "SUCCEEDED"
    reply(request, "ended", outcome="STEP_OUTCOME_" + other, message="too late")
    reply(request, "progressed", sequence=99, lines=["said too late"])


def requested(request):
    parameters = json.loads(request["parametersJson"])
    if request["operation"] == "sleep":
        return
    reply(request, "accepted", by="adapter")
    reply(request, "progressed", sequence=1, lines=["sown " + parameters.get("crop", "")])
    if request["operation"] == "grow":
        reply(request, "progressed", sequence=2, lines=["watered", "weeded"])
        configuration = json.loads(request["tool"]["configurationJson"])
        where = configuration["password"].get("vaultKey", "nowhere")
        end(request, "SUCCEEDED", "grown", crop=parameters["crop"], key=where)
    elif request["operation"] == "limp":
        end(request, "FAILED" if request["try"] == 1 else "SUCCEEDED", "limped")


def stop_requested(request):
    if not request.get("over"):
        end(request, "CANCELLED", "stopped as " + request["mode"])


def serve():
    consumer = KafkaConsumer(
        PREFIX + "penstock.steps",
        bootstrap_servers=BROKERS,
        group_id=PREFIX + KIND,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    ours = set()
    for message in consumer:
        kind = dict(message.headers)["ce_type"].decode()
        request = json.loads(message.value)
        if kind == "penstock.step.requested.v1":
            if request["tool"]["toolIdentifier"] == KIND:
                ours.add(request["requestId"])
                requested(request)
        elif request["requestId"] in ours:
            stop_requested(request)
        consumer.commit()


threading.Thread(target=serve, daemon=True).start()
sys.stdin.read()
