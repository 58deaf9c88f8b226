#!/usr/bin/env bash
# What an installer does before it installs: it polls with HEAD, and names no user.
set -eu
for _ in $(seq 1 50); do
  if curl --silent --head --fail --user master:commander "$API/pipelines" > /dev/null; then
    echo ready
    exit 0
  fi
  sleep 0.2
done
echo "the server isn't there" >&2
exit 1
