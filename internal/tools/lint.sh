#!/bin/sh
# Lints the contract, installing the pinned linter first where it is missing.
set -eu
cd "$(dirname "$0")"
if ! cmp -s package-lock.json node_modules/.presently-lock; then
	npm ci --no-fund --no-audit
	cp package-lock.json node_modules/.presently-lock
fi
npx --no-install redocly lint --config ../../redocly.yaml ../../openapi.yaml
