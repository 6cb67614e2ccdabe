#!/usr/bin/env bash
# check-dockerfile.sh: carry out the Dockerfile without Docker, and use the
# result as Docker would: as its user, in a file system that holds nothing
# else (where we are root), with its health check.
set -euo pipefail
cd "$(dirname "$0")/../.."

fail() {
	if [[ -s ${log:-} ]]; then cat "$log" >&2; fi
	echo "check-dockerfile: $*" >&2
	exit 1
}

if [[ ! -e main.go ]]; then
	echo "check-dockerfile: no main.go yet, nothing to build an image of"
	exit 0
fi

work=$(mktemp -d)
log=$work/log
pid=
cleanup() {
	if [[ -n $pid ]]; then kill -KILL "$pid" 2>/dev/null || true; fi
	rm -rf "$work"
}
trap cleanup EXIT
chmod 755 "$work" # for the image's user

image=$work/image
go -C internal/lint run ./imagebuild -context "$PWD" -out "$image" >"$log" 2>&1 || fail "the build failed"
binary=$image/presently

ldd "$binary" >"$work/ldd" 2>&1 && fail "the binary is not static: $(<"$work/ldd")"
size=$(stat -c %s "$binary")
((size < 32 * 1000 * 1000)) || fail "the binary has $size bytes, more than 32 MB"

# Outside of the ports that outgoing connections get.
port=
for ((i = 0; i < 50; i++)); do
	port=$((20000 + RANDOM % 10000))
	if ! (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
done
secret=$(od -An -N 32 -tx1 /dev/urandom | tr -d ' \n')
presently=(env -i PRESENTLY_LISTEN=":$port" PRESENTLY_JWT_SECRET="$secret" PRESENTLY_DRAIN=1s)
if ((EUID == 0)); then
	user=$(awk '$1 == "USER" { print $2 }' Dockerfile)
	presently+=("$(PATH=$PATH:/usr/sbin command -v chroot)" --userspec="$user" "$image" /presently)
else
	presently+=("$binary")
fi

health() { "${presently[@]}" health >"$work/health" 2>&1; }

health && fail "health says 0 while nothing runs"
"${presently[@]}" >"$log" 2>&1 &
pid=$!
for ((i = 0; i < 100; i++)); do
	if health; then break; fi
	kill -0 "$pid" 2>/dev/null || fail "it ended by itself"
	sleep 0.1
done
health || fail "health fails after 10 s: $(<"$work/health")"

kill -TERM "$pid"
status=0
wait "$pid" || status=$?
pid=
((status == 0)) || fail "it ended with status $status after SIGTERM"
health && fail "health says 0 after the end"

echo "check-dockerfile: ok, $((size / 1000)) kB static, healthy as user ${user:-$(id -un)}, ended by SIGTERM"
