#!/bin/sh
# Installs what the bench compares Waybill with: the libraries always, the programs as root on Debian. Elsewhere it uses what is
# there; the bench says what is missing.
set -eu
cd "$(dirname "$0")/.."

missing=""
need() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }
need nginx nginx
need haproxy haproxy
need wrk wrk
need go golang-go
need caddy caddy
need taskset util-linux

# Debian starts a server as soon as it is installed, unless this file forbids it.
policy=/usr/sbin/policy-rc.d
forbid_start() {
	[ -e "$policy" ] && return
	trap 'rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod +x "$policy"
}

if [ -n "$missing" ]; then
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
		echo "installing$missing ..."
		forbid_start
		log=$(mktemp)
		export DEBIAN_FRONTEND=noninteractive
		# One by one where all at once fails: a distribution may lack one of them.
		# shellcheck disable=SC2086
		if ! { apt-get update && apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
			for package in $missing; do
				apt-get install -y --no-install-recommends "$package" >>"$log" 2>&1 || echo "could not install $package"
			done
		fi
		rm -f "$log"
	else
		echo "not installed:$missing (as root on Debian this would be done)"
	fi
fi

installed=bench/node_modules/.package-lock.json
if [ ! -e "$installed" ] || [ bench/package-lock.json -nt "$installed" ]; then
	echo "installing the libraries that are compared (once) ..."
	npm ci --prefix bench --no-progress --loglevel=error
	touch "$installed"
fi
