#!/bin/sh
# Installs what the end-to-end tests use and npm does not have (Debian, as root): PgBouncer, a C compiler for other dates, and the
# clients of ecosystems with the servers behind them, a browser, Prometheus. One by one where all at once fails: a distribution may lack one of them.
set -u

packages="pgbouncer gcc libc6-dev python3-pip twine maven libmaven-dependency-plugin-java libmaven-deploy-plugin-java gradle \
skopeo podman docker-registry golang-go git-lfs aria2 wget dpkg-dev cargo python3-poetry"

# promtool checks rules, boards and metrics; the other is the reference parser of OpenMetrics.
packages="$packages prometheus python3-prometheus-client"

# Fronts: what deploy/ and docs/listener.md have for them is run.
packages="$packages nginx libnginx-mod-stream haproxy caddy"

# The console is tested in it.
packages="$packages chromium fonts-dejavu-core"

missing=""
for package in $packages; do
	dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
# Another way to have it than Debian's.
if command -v cargo >/dev/null 2>&1; then missing=$(echo "$missing" | sed 's/ cargo$//'); fi
[ -z "$missing" ] && exit 0

# Debian starts a server as soon as it is installed, unless this file forbids it.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	trap 'rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod +x "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
echo "installing$missing ..."
apt-get update -q >/dev/null
# shellcheck disable=SC2086
if apt-get install -q -y --no-install-recommends $missing >/dev/null; then exit 0; fi
failed=0
for package in $missing; do
	apt-get install -q -y --no-install-recommends "$package" >/dev/null || { echo "could not install $package"; failed=1; }
done
exit "$failed"
