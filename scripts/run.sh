#!/usr/bin/env bash
# Runs Hinomi and the demo company until Ctrl-C; data in ./data.
set -euo pipefail
cd "$(dirname "$0")/.."
bin/hinomi serve &
hinomi=$!
ride=
stop() {
  trap - EXIT INT TERM
  [ -n "$ride" ] && kill "$ride" 2>/dev/null || true
  [ -n "$ride" ] && wait "$ride" 2>/dev/null || true
  kill "$hinomi" 2>/dev/null || true
  wait "$hinomi" 2>/dev/null || true
}
trap stop EXIT INT TERM
until (exec 3<>/dev/tcp/127.0.0.1/4318) 2>/dev/null; do
  kill -0 "$hinomi" 2>/dev/null || { wait "$hinomi"; exit 1; }
  sleep 0.1
done
bin/rideshare run --otlp http://127.0.0.1:4318 &
ride=$!
echo
echo "  Hinomi:    http://localhost:4300"
echo "  break it:  bin/rideshare fault add --service payment --kind errors --share 0.5"
echo "  mend it:   bin/rideshare fault clear"
echo
wait "$hinomi"
