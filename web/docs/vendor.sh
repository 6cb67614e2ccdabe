#!/bin/sh
# Fetches RapiDoc from npm into page/. For another version, change both lines.
set -eu
version=9.3.8
sum=b083f080f1727f019ccf551228392e0fc39a0be450ba19bca451ea31d6be2ec9

cd "$(dirname "$0")/page"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm pack --silent --pack-destination "$work" "rapidoc@$version"
tar xzf "$work/rapidoc-$version.tgz" -C "$work"
dist=$work/package/dist
echo "$sum  $dist/rapidoc-min.js.gz" | sha256sum --check --quiet
cp "$dist/rapidoc-min.js.gz" rapidoc.js.gz
{
	cat "$work/package/LICENSE.txt"
	printf '\nThe parts that it is built of, as its rapidoc-min.js.LICENSE.txt names them:\n\n'
	cat "$dist/rapidoc-min.js.LICENSE.txt"
} >rapidoc.LICENSE.txt
