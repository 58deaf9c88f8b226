#!/usr/bin/env bash
# Brings a pipeline back to its start, whatever it is at, and runs it from there.
#
#   API=https://… TOKEN=… PIPELINE=<id> nightly.sh
set -euo pipefail

call() { # route, more fields
  curl -fsS -X POST "$API/api/v1/pipeline/$1" \
    -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \
    -d "{\"pipelineId\":\"$PIPELINE\"${2:-}}"
}

until call reset | grep -q '"status":"success"'; do
  echo "it is running: stopping it"
  call stop ',"mode":"force"'
  echo
  sleep 1
done

answer=$(call run)
run=$(sed -n 's/.*"runCount":\([0-9]*\).*/\1/p' <<<"$answer")
[ -n "$run" ] || { echo "not started: $answer" >&2; exit 1; }
echo "run $run was submitted"
