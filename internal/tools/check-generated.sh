#!/bin/sh
# Fails when api/ is not what openapi.yaml gives today. It compares with the
# working tree and leaves that as it is.
set -eu
cd "$(dirname "$0")"
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
./generate.sh "$fresh"
diff -ru ../../api "$fresh" || {
	echo "api/ is stale: run 'make generate' and commit what it changes" >&2
	exit 1
}
