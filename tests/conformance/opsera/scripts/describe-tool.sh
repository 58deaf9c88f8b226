#!/usr/bin/env bash
# Changes a tool's description and prints what the registry says of it then.
#
#   API=https://… TOKEN=… TOOL=<id> TEXT="…" describe-tool.sh
set -euo pipefail

call() { # route, body
  curl -fsS -X POST "$API/api/v1/registry/$1" \
    -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d "$2"
}

call update "{\"toolId\":\"$TOOL\",\"tool\":{\"description\":\"$TEXT\"}}" >/dev/null
call summary "{\"toolId\":\"$TOOL\"}" | grep -o '"description":"[^"]*"'
