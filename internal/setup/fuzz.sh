#!/usr/bin/env bash
# fuzz.sh DURATION [PACKAGES]: run every fuzz target of the module for the
# given time each. A finding lands in the package's testdata/fuzz: commit it
# with the fix, and it is a test from then on.
set -euo pipefail
duration=$1
packages=${2:-./...}

# go test -list prints the targets of a package, then "ok <package> <time>".
list=$(go test -list '^Fuzz' "$packages")
targets=$(awk '/^Fuzz/ { names[n++] = $1 }
	$1 == "ok" { for (i = 0; i < n; i++) print $2, names[i]; n = 0 }' <<<"$list")
if [[ -z $targets ]]; then
	echo "no fuzz targets yet"
	exit 0
fi
while read -r package target; do
	echo "== $package $target"
	go test -run '^$' -fuzz "^$target\$" -fuzztime "$duration" "$package" </dev/null
done <<<"$targets"
