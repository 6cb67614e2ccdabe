#!/bin/sh
# Generates all that is generated, openapi.yaml -> api/, or into the directory
# that is given.
set -eu
out=${1:-}
cd "$(dirname "$0")"
file=${out:-../../api}/api.gen.go
go tool oapi-codegen -config oapi-codegen.yaml -o "$file" ../../openapi.yaml
# The query is parsed once for each request, not once for each of its parameters: templates/imports.tmpl.
sed '/^func QueryOf/,/^}/!s/r\.URL\.Query()/QueryOf(r)/' "$file" >"$file.new"
mv "$file.new" "$file"
