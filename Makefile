# Everything that is done to this repository, one target each. `make` alone
# lists them. CI runs .ci/run, which runs `make test` and a few gates more.

SHELL       := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
FUZZTIME ?= 10s
# Packages tested side by side. Each has parallel tests of its own, and more would
# let real servers and real deadlines starve each other on two cores.
P ?= 1

# Modules beside the product's own, such as linters: ./... does not reach them.
MODULES := $(patsubst %/go.mod,%,$(wildcard internal/*/go.mod e2e/go.mod bench/go.mod))
# npm packages with tests of their own.
CLIENTS := $(patsubst %/package.json,%,$(wildcard client/package.json e2e/browser/package.json))

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: setup
setup: ## install what tests need and this machine lacks (Debian packages, no services started)
	@internal/setup/install.sh redis cc curl jq nginx haproxy caddy java python systemd $(if $(CLIENTS),$(shell grep -ql playwright $(CLIENTS:%=%/package.json) && echo chromium))

.PHONY: generate
generate: ## generate api/ from openapi.yaml
	internal/tools/generate.sh

.PHONY: demo
demo: ## build the demo's bundle, which is committed, from web/home/src and client/src
	test -d client/node_modules || npm --prefix client ci --no-fund --no-audit
	node web/home/build.mjs

.PHONY: build
build: ## build the static binary dist/presently
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o dist/presently .

.PHONY: run
run: ## run from source in development mode
	go run .

.PHONY: test
test: setup vet contract test-go test-counts test-modules faults test-clients ## install what is missing, then run every check and test

.PHONY: vet
vet:
	go vet ./...
	go vet -tags 'faults soak' ./e2e/...

.PHONY: contract
contract: ## lint openapi.yaml and see that api/ is generated from it
	internal/tools/lint.sh
	internal/tools/check-generated.sh

.PHONY: test-go
test-go: setup ## run the Go tests with the race detector
	go test -race -timeout 20m -p $(P) ./...

.PHONY: test-counts
test-counts: setup ## count allocations, bytes and store commands, which the race detector would add to
	go test -timeout 5m -run 'Counted' ./sse ./handlers ./presence/redisstore

.PHONY: test-modules
test-modules: setup
	@# -count=1: the test cache does not see files outside of the tested module,
	@# such as the Dockerfile.
	@for m in $(MODULES); do \
		if [[ -z "$$(go -C $$m list ./... 2>/dev/null)" ]]; then continue; fi; \
		echo "== $$m"; \
		go -C $$m vet ./...; \
		go -C $$m test -count=1 -timeout 10m ./...; \
	done

.PHONY: test-clients
test-clients: setup
	@for c in $(CLIENTS); do echo "== $$c"; (cd $$c && npm ci --no-fund --no-audit && npm test); done

.PHONY: lint
lint: vet ## gofmt, go vet and staticcheck
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo 'run: gofmt -w .'; exit 1; }
	go tool -modfile=internal/lint/go.mod staticcheck ./...
	go tool -modfile=internal/lint/go.mod staticcheck -tags 'faults soak' ./e2e/...

.PHONY: image-check
image-check: ## try the Dockerfile's steps and the image's health check, without Docker
	internal/setup/check-dockerfile.sh

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (10s) each
	internal/setup/fuzz.sh $(FUZZTIME)

.PHONY: bench
bench: ## run the Go benchmarks
	go test -run '^$$' -bench . -benchmem ./...

# Figures of docs/performance.md and docs/scaling.md, on a machine where nothing else runs: some ten minutes.
.PHONY: bench-page
bench-page: setup ## measure everything beside others, and write docs/performance.md and docs/scaling.md anew
	go build -o dist/bench ./bench
	dist/bench all -length 1500ms -soak 20s
	dist/bench page

# For how many minutes random faults happen; how often all the others are run, beside those and each other, at most; how many stages stand beside each
# other; how often those are run that must stand alone; how many minutes all of it may take (0: as many as it takes), in which as much is run as fits.
MINUTES  ?= 30
REPEATS  ?= 20
PARALLEL ?= 7
ALONE    ?= 1
BUDGET   ?= 0
SOAK     := .cache/soak

.PHONY: browser
browser: setup ## run the stories of real people in a real Chromium; make test does so, too
	cd e2e/browser && npm ci --no-audit --no-fund && npm test

.PHONY: browser-firefox
browser-firefox: ## run some of them in Debian's Firefox (firefox-esr must be installed)
	cd e2e/browser && npm ci --no-audit --no-fund && npm run -s firefox

.PHONY: faults
faults: setup ## break everything once, each in its short form, under the checker of e2e/chaos: five minutes
	@# Without the race detector and after all other tests: they would take the time that faults are measured in.
	go test -tags faults -count=1 -timeout 30m -run 'TestNobodyIsToldWrongThings|TestAnInstanceIsSkewed' ./e2e

.PHONY: soak
soak: setup ## break everything, alone and at random and beside each other; write docs/reliability.md. `touch .cache/soak/stop` ends it early
	mkdir -p $(SOAK) && rm -f $(SOAK)/*
	status=0; \
	PRESENTLY_SOAK_REPEATS=$(REPEATS) PRESENTLY_SOAK_MINUTES=$(MINUTES) PRESENTLY_SOAK_PARALLEL=$(PARALLEL) PRESENTLY_SOAK_ALONE=$(ALONE) \
	PRESENTLY_SOAK_BUDGET=$(BUDGET) PRESENTLY_FAULT_RESULTS=$(CURDIR)/$(SOAK)/results.jsonl \
		go test -tags 'faults soak' -count=1 -timeout 24h -run 'AgainAndAgain' -v ./e2e >$(SOAK)/log 2>&1 || status=$$?; \
	$(MAKE) --no-print-directory soak-page || status=$$?; \
	if [[ $$status != 0 ]]; then grep -E '^ *--- FAIL' $(SOAK)/log || true; exit $$status; fi

.PHONY: soak-page
soak-page: ## write docs/reliability.md from what the last soak has found so far, or found before it was ended
	@# Whatever was found. It tells of failures, too.
	go run ./e2e/chaos/page -command 'make soak MINUTES=$(MINUTES) REPEATS=$(REPEATS) PARALLEL=$(PARALLEL) ALONE=$(ALONE) BUDGET=$(BUDGET)' -product '$(VERSION)' \
		-machine "$$(nproc) cores, $$(uname -sr), redis $$(redis-server --version | sed 's/.* v=\([^ ]*\) .*/\1/'), $$(go version | cut -d' ' -f3), load $$(cut -d' ' -f1 /proc/loadavg) at the end" \
		-run $(SOAK)/run.json -notes docs/reliability-notes.md $(SOAK)/results.jsonl >$(SOAK)/page.md
	cp $(SOAK)/page.md docs/reliability.md
	@echo "docs/reliability.md is written; what the tests said is in $(SOAK)/log, and histories that break something are beside it"

# How long `make proxies` holds streams open; which commit or tag `make upgrade` takes for the version before.
HOLD ?= 10m
FROM ?= HEAD~1
CADDY := github.com/caddyserver/caddy/v2/cmd/caddy@v2.11.9

.PHONY: proxies
proxies: setup ## run the proxies of deploy/ (a new Caddy too, which takes minutes to build), with streams through them for HOLD (10m)
	test -x .cache/caddy/caddy || GOBIN=$(CURDIR)/.cache/caddy go install $(CADDY)
	PRESENTLY_TEST_CADDY=$(CURDIR)/.cache/caddy/caddy PRESENTLY_PROXY_TIME=$(HOLD) go test -count=1 -timeout 3h -v -run 'Shipped' ./e2e

.PHONY: upgrade
upgrade: setup ## run the version FROM (HEAD~1) beside this one, and deploy from one to the other and back
	rm -rf .cache/from && mkdir -p .cache/from && git archive "$(FROM)" | tar x -C .cache/from
	go -C .cache/from build -o presently .
	PRESENTLY_TEST_OTHER=$(CURDIR)/.cache/from/presently PRESENTLY_TEST_OTHER_TIME=20s go test -count=1 -timeout 10m -v -run AnotherVersion ./e2e

.PHONY: clean
clean: ## remove what was built
	rm -rf dist .cache
