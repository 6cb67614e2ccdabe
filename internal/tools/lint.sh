#!/bin/sh
# Lints the contract, installing the pinned linter first where it is missing.
set -eu
cd "$(dirname "$0")"
. ./npm.sh
npx --no-install redocly lint --config ../../redocly.yaml ../../openapi.yaml
