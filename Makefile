# Two commands matter: `make run` (see it work) and `make test` (everything CI needs).
SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build
GO ?= go
BIN := bin
UI := ui/web
UI_SRC := $(shell find $(UI)/src $(UI)/index.html $(UI)/package-lock.json $(UI)/vite.config.ts $(UI)/tsconfig.json 2>/dev/null)
# -p bounds how many packages compile and test side by side on a small machine.
TESTFLAGS ?= -p 2 -timeout 20m

## build: the binary with the UI, and the demo company
build: ui $(BIN)/hinomi $(BIN)/rideshare

.PHONY: $(BIN)/hinomi $(BIN)/rideshare
$(BIN)/hinomi: # static: it runs wherever it is copied to
	CGO_ENABLED=0 $(GO) build -trimpath -o $@ ./cmd/hinomi
$(BIN)/rideshare:
	CGO_ENABLED=0 $(GO) build -trimpath -o $@ ./examples/rideshare

## run: Hinomi on http://localhost:4300 observing the demo company
run: build
	@scripts/run.sh

## ui: build the web UI into ui/dist
ui: ui/dist/index.html
ui/dist/index.html: $(UI_SRC) $(UI)/node_modules/.installed
	cd $(UI) && npm run build
$(UI)/node_modules/.installed: $(UI)/package-lock.json
	cd $(UI) && npm ci --no-audit --no-fund
	touch $@

## ui-dev: the UI with hot reload, against a running Hinomi on :4300
ui-dev: $(UI)/node_modules/.installed
	cd $(UI) && npm run dev

## test: everything CI needs; installs what is missing
test: build check-format vet test-go test-e2e test-ui test-clients test-browser
	@echo "all tests passed"

.PHONY: test-go
test-go:
	$(GO) test $(TESTFLAGS) $$($(GO) list ./... | grep -v /test/e2e)

# Alone on the machine, because it measures seconds from fault to page; side by
# side, because each test waits most of the time.
.PHONY: test-e2e
test-e2e:
	$(GO) test -timeout 20m -parallel 6 -v ./test/e2e | grep -vE '^(=== |\s+--- PASS)'

.PHONY: test-ui
test-ui: $(UI)/node_modules/.installed
	cd $(UI) && npm run lint && npm test

# Clients that nobody here wrote, from npm: an OpenTelemetry SDK, DuckDB.
.PHONY: test-clients
test-clients: build test/clients/node_modules/.installed
	$(GO) test $(TESTFLAGS) -tags clients ./test/clients/...
test/clients/node_modules/.installed: test/clients/package-lock.json
	# Not "npm ci": the lock file lacks DuckDB's packages for other platforms where
	# the registry does not have them, and ci refuses that. Versions are exact.
	cd test/clients && npm install --no-save --no-audit --no-fund
	touch $@

.PHONY: test-browser
test-browser: build chromium
	cd $(UI) && npm run e2e -- --hinomi ../../$(BIN)/hinomi --rideshare ../../$(BIN)/rideshare

# Chromium from the distribution, unless there is one.
.PHONY: chromium
chromium:
	@scripts/chromium.sh

## test-race: the Go tests with the race detector
test-race:
	$(GO) test $(TESTFLAGS) -race ./internal/... ./examples/...

.PHONY: vet
vet:
	$(GO) vet ./...

.PHONY: check-format
check-format:
	@out=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "run 'make fmt':"; echo "$$out"; exit 1; fi

## lint: golangci-lint with .golangci.yml (needs golangci-lint)
lint:
	golangci-lint run

## fmt: format Go and the UI
fmt:
	gofmt -w $$(git ls-files '*.go')
	cd $(UI) && npm run format

## generate: files made from code (API types, configuration reference)
generate: $(UI)/node_modules/.installed
	$(GO) generate ./...
	cd $(UI) && npm run generate

## check-generated: fail when generated files are stale
check-generated: generate
	git diff --exit-code

## fuzz: every fuzz target for FUZZTIME (10s)
FUZZTIME ?= 10s
fuzz:
	@scripts/fuzz.sh $(FUZZTIME)

## bench: the whole binary under load; prints CPU-s per million rows and query times
bench: $(BIN)/hinomi
	$(GO) run ./bench $(BENCHFLAGS)

## help: this list
help:
	@grep -hE '^## ' Makefile | sed 's/^## /  make /'

.PHONY: build run ui ui-dev test test-race lint fmt generate check-generated fuzz bench help
