#!/bin/sh
# Generates all that is generated, openapi.yaml -> api/, or into the directory
# that is given.
set -eu
out=${1:-}
cd "$(dirname "$0")"
go tool oapi-codegen -config oapi-codegen.yaml -o "${out:-../../api}/api.gen.go" ../../openapi.yaml
