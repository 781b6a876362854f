# Every target does its own set-up on a machine with Node >= 20.19, npm, git and curl, as root or not.
.DEFAULT_GOAL := help
.PHONY: help run test check pg e2e chaos e2e-nodes e2e-deps e2e-poolers e2e-clients-table bench bench-compare bench-writer bench-identify bench-backlog bench-who bench-installs bench-postgres-states picture console-pictures build build-e2e build-bench clean bench-package-index bench-reading bench-rewrite

ARGS ?=

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -e 's/:.*## /\t/' | expand -t 23

run: build ## the gateway with sample upstreams, tenants, a key and requests of its own (ARGS="--port 0" takes free ports)
	@node dist/main.js demo --traffic $(ARGS)

test: check pg e2e ## everything a contributor needs green

check: build-e2e build-bench ## format, lint, types, unused code, unit tests
	@npm run -s format:check
	@npm run -s lint
	@npm run -s unused
	@npm run -s test:unit

pg: build ## tests that need PostgreSQL (the embedded one)
	@npm run -s test:pg

e2e: build-e2e ## the black-box suite against the built product, with real clients (see e2e-deps)
	@npm run -s clients
	@npm run -s test:e2e

e2e-clients-table: build-e2e ## the table of docs/clients.md, from the results of the last make e2e
	@npm run -s clients:table

chaos: build-e2e ## the tests that break things, in their long form (see docs/chaos.md)
	@npm run -s chaos

e2e-nodes: build-e2e ## the data plane's tests and the smoke profile of e2e on Node 24 and 26 (Linux)
	@npm run -s test:nodes

e2e-deps: ## what the tests use and npm does not have: clients, servers, PgBouncer (Debian, as root)
	@sh e2e/deps.sh

e2e-poolers: build-e2e ## end-to-end tests behind a real PgBouncer (see e2e-deps)
	@npm run -s test:poolers

bench: build build-bench ## the measured comparison with other proxies (about an hour; ARGS="--quick" a few minutes; see docs/bench)
	@sh bench/install.sh
	@npm run -s bench -- $(ARGS)

bench-compare: build build-bench ## two result files of the bench side by side (ARGS="a.json b.json")
	@npm run -s bench:compare -- $(ARGS)

bench-writer: build ## what the access log's writer alone stores (a minute)
	@npm run -s bench:writer

bench-package-index: build ## what the index of packages costs PostgreSQL, a row (a minute)
	@npm run -s bench:package-index

bench-identify: build ## what it costs to tell a package from a path (seconds)
	@npm run -s bench:identify

bench-backlog: build ## a start with a million spilled entries (a minute)
	@npm run -s bench:backlog

bench-who: build ## who had a package, in a log of ten million entries (ARGS="--rows 1000000" is quicker)
	@npm run -s bench:who -- $(ARGS)

bench-reading: build ## charts, usage, logs and who on 50 million rows (hours; ARGS="--rows 1000000 --days 5" minutes)
	@npm run -s bench:reading -- $(ARGS)

bench-rewrite: build ## an npm document of 50 MB, rewritten: MB/s, longest turn, memory (two minutes)
	@npm run -s bench:rewrite

bench-installs: build-e2e ## cold installs at once beside another tenant (ARGS="100x200x2": installs, packages, of them real npm)
	@WAYBILL_INSTALLS="$(or $(ARGS),100x200x2)" npm run -s bench:installs

bench-postgres-states: build-e2e ## latencies with PostgreSQL healthy, frozen, slow and down (two minutes)
	@npm run -s bench:postgres-states

picture: build-e2e ## docs/session.svg: a session of the demo, recorded anew
	@npm run -s picture

console-pictures: build-e2e ## docs/console/*.png: the console in both themes and at two widths (needs Chromium, see e2e-deps)
	@npm run -s pictures:console

build: node_modules/.installed
	@npm run -s build

build-e2e: build
	@npm run -s build:e2e

build-bench: build
	@npm run -s build:bench

node_modules/.installed: package-lock.json
	@echo "installing dependencies (once) ..."
	@npm ci --no-progress --loglevel=error
	@npx --no-install tap build >/dev/null 2>&1
	@touch $@

clean: ## removes everything that was built or installed; the data in .waybill stay
	rm -rf dist node_modules bench/node_modules e2e/clients/node_modules .cache .tap
