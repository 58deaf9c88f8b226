#!/usr/bin/env bash
# Triggers a pipeline, waits for the end of its run and prints its console output.
# Exits 0 when the run was successful, 1 when it failed or was stopped, 2 on anything else.
#
#   API=https://… TOKEN=… PIPELINE=<id> trigger-and-wait.sh
set -euo pipefail

call() { # route, body
  curl -fsS -X POST "$API/api/v1/pipeline/$1" \
    -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d "$2"
}

field() { # name; the first value of that name
  grep -o "\"$1\":\"\{0,1\}[^\",}]*" | head -n 1 | sed 's/^[^:]*:"\{0,1\}//'
}

answer=$(call run "{\"pipelineId\":\"$PIPELINE\"}")
if [ "$(field status <<<"$answer")" != executed ]; then
  echo "not started: $answer" >&2
  exit 2
fi
run=$(field runCount <<<"$answer")
echo "run $run was submitted"

while :; do
  answer=$(call status "{\"pipelineId\":\"$PIPELINE\",\"runCount\":$run}")
  case $(field status <<<"$answer") in
    success | failed | stopped) break ;;
  esac
  sleep 1
done

field message <<<"$answer"
call logs "{\"pipelineId\":\"$PIPELINE\",\"runCount\":$run,\"type\":\"console output\"}"
echo
[ "$(field status <<<"$answer")" = success ]
