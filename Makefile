# Two commands do everything on a fresh machine with a Rust toolchain: `make demo` and `make test`.

CARGO ?= cargo

.PHONY: help demo test lint long bench mosquitto deny clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

demo: ## the whole road with no set-up: embedded broker, gateway, simulated stations, readings printed live
	$(CARGO) run --quiet --features demo -- demo

test: mosquitto ## all tests, short forms of the long ones included
	$(CARGO) build --features demo --all-targets
	$(CARGO) test --features demo --no-fail-fast

lint: deny ## format, lints as errors, licences, duplicates, known advisories
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --features demo -- -D warnings
	deploy/check-dependencies

long: ## the long forms: crash, broker, crowd, disk and stream storms (an hour or more)
	tests/long/run

bench: ## every bench, a few minutes
	$(CARGO) bench

mosquitto: ## the real broker that the tests talk to
	@PATH="$$PATH:/usr/sbin" command -v mosquitto >/dev/null || deploy/install-mosquitto

deny:
	@command -v cargo-deny >/dev/null || $(CARGO) install cargo-deny --locked --quiet

clean: ## remove what was built
	$(CARGO) clean
