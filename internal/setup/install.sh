#!/usr/bin/env bash
# install.sh THING…: see that each thing is on this machine, and install with
# apt what is missing. Where nothing is missing it does nothing, needs no root
# and no network.
#
# Things: redis (tests run against real servers), cc (the race detector needs
# a C compiler), curl (the README's lines are run as they stand), nginx, haproxy and caddy (their configurations in deploy/ are checked and tried),
# chromium (the client's tests), jq (the commands of docs/), java and python (a client that is generated from the contract), systemd (it reads its unit; it need not run), make.
set -euo pipefail

missing=()
need() { # need PACKAGES COMMAND…: the packages, unless a command is there
	local packages=$1 command
	shift
	for command; do
		if command -v "$command" >/dev/null; then return; fi
	done
	read -ra packages <<<"$packages"
	missing+=("${packages[@]}")
}

for thing; do
	case $thing in
	redis) need redis-server redis-server ;;
	cc) need "gcc libc6-dev" gcc clang ;;
	curl) need "curl ca-certificates" curl ;;
	nginx) need nginx-light nginx /usr/sbin/nginx ;;
	haproxy) need haproxy haproxy /usr/sbin/haproxy ;;
	caddy) need caddy caddy ;;
	chromium) need chromium chromium chromium-browser google-chrome ;;
	jq) need jq jq ;;
	systemd) need systemd systemd-analyze ;;
	java) need default-jre-headless java ;;
	python) # Debian's own: another one in the PATH does not see Debian's libraries
		if ! /usr/bin/python3 -c 'import urllib3, six, certifi, dateutil' 2>/dev/null; then
			missing+=(python3 python3-urllib3 python3-six python3-certifi python3-dateutil)
		fi
		;;
	make) need make make ;;
	*)
		echo "install.sh: unknown thing: $thing" >&2
		exit 2
		;;
	esac
done
if ((${#missing[@]} == 0)); then exit 0; fi

if ! command -v apt-get >/dev/null; then
	echo "install.sh: no apt-get here; install these by hand: ${missing[*]}" >&2
	exit 1
fi
as_root=()
if ((EUID != 0)); then
	if ! command -v sudo >/dev/null; then
		echo "install.sh: as root: apt-get install ${missing[*]}" >&2
		exit 1
	fi
	as_root=(sudo)
fi

# Debian starts a service as soon as it is installed. The tests start servers
# of their own, and a Redis on 6379 that nobody asked for is a surprise: this
# file, which Debian's policy provides for exactly that, says no meanwhile.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
	trap '"${as_root[@]}" rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
	"${as_root[@]}" chmod 755 "$policy"
fi

echo "installing: ${missing[*]}"
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
"${apt[@]}" update </dev/null
"${apt[@]}" install -y --no-install-recommends "${missing[@]}" </dev/null

# Not at the next boot either. Only what was installed just now is touched.
if command -v systemctl >/dev/null; then
	for package in "${missing[@]}"; do
		case $package in
		redis-server) "${as_root[@]}" systemctl disable redis-server.service ;;
		haproxy) "${as_root[@]}" systemctl disable haproxy.service ;;
		caddy) "${as_root[@]}" systemctl disable caddy.service ;;
		nginx-light) "${as_root[@]}" systemctl disable nginx.service ;;
		esac >/dev/null 2>&1 || true
	done
fi
