#!/bin/sh
# Runs the data plane's tests and the smoke profile of the end-to-end suite on other Node versions: sh e2e/other-nodes.sh 24 26
# The binaries come from the npm packages node-<platform>-<arch>; only Linux has them under one name for all versions.
set -eu
target=$(node -p '`${process.platform}-${process.arch}`')
for version in "$@"; do
  dir=.cache/node-$version
  if [ ! -x "$dir/node_modules/node-$target/bin/node" ]; then
    mkdir -p "$dir"
    echo '{"private":true}' > "$dir/package.json"
    npm install --prefix "$dir" --no-save --no-progress --loglevel=error "node-$target@$version"
  fi
  WAYBILL_E2E_NODE=$(pwd)/$dir/node_modules/node-$target/bin/node
  export WAYBILL_E2E_NODE
  echo "data plane on Node $("$WAYBILL_E2E_NODE" --version)"
  "$WAYBILL_E2E_NODE" node_modules/.bin/tap -R terse -j2 -t120 -o ".cache/tap/proxy-$version.tap" \
    $(find dist/listener dist/proxy dist/upstream dist/http dist/artifacts/rewrite -name '*.test.js')
  echo "end-to-end smoke profile on Node $("$WAYBILL_E2E_NODE" --version)"
  WAYBILL_E2E_PROFILE=smoke node dist/test/with-postgres.js -- \
    npx --no-install tap -R terse -j2 -t120 -o ".cache/tap/node-$version.tap" $(find dist/e2e -name '*.smoke.e2e.test.js')
done
