# `make test` does everything on a fresh machine with a Rust toolchain.

CARGO ?= cargo

.PHONY: help test lint bench mosquitto deny clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

test: mosquitto ## all tests
	$(CARGO) build --all-targets
	MOSQUITTO_REQUIRED=1 PATH="$$PATH:/usr/sbin" $(CARGO) test --no-fail-fast

lint: deny ## format, lints as errors, licences, duplicates, known advisories
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	deploy/check-dependencies

bench: ## every bench, a few minutes
	$(CARGO) bench

mosquitto: ## the real broker that the tests talk to
	@PATH="$$PATH:/usr/sbin" command -v mosquitto >/dev/null || deploy/install-mosquitto

deny:
	@command -v cargo-deny >/dev/null || $(CARGO) install cargo-deny --locked --quiet

clean: ## remove what was built
	$(CARGO) clean
