#!/bin/sh
# python-client.sh DIR: generates a client for Python from openapi.yaml into DIR, as a user of the API would.
#
# The generator is the last openapi-generator that npm carries whole (newer ones fetch a jar from Maven). It reads OpenAPI 3.0,
# so the contract is converted first; besides, it does not know info.summary, and takes a pattern beside date-time for Perl's.
# Python's re has no \p{…}, which JSON Schema's dialect has, whatever the generator.
set -eu
out=$(mkdir -p "$1" && cd "$1" && pwd)
cd "$(dirname "$0")"
. ./npm.sh
npx --no-install openapi-down-convert --allOf --input ../../openapi.yaml |
	sed -e '/^  summary:/d' -e '/^ *pattern: \^\\d{4}-/d' -e '/^ *pattern: .*\\p{/d' >"$out/openapi-3.0.yaml"
java -jar node_modules/@openapitools/openapi-generator-cli/bin/openapi-generator.jar \
	generate -g python -i "$out/openapi-3.0.yaml" -o "$out" --package-name presently_api
