# Two commands do everything on a fresh machine with a Rust toolchain: `make demo` and `make test`.

CARGO ?= cargo

.PHONY: help demo test lint long bench mutants package sbom reproducible manual mosquitto axe chromium systemd faketime deny haproxy clean

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

demo: ## everything with no set-up: a broker, the gateway, simulated stations; readings printed live
	@echo "make demo: builds (5 to 10 minutes the first time, on two cores), then starts broker, gateway and three stations; it prints where the status page is"
	$(CARGO) build --features demo
	@$(CARGO) run --quiet --features demo -- demo

test: mosquitto haproxy chromium axe systemd faketime ## all tests, the long ones in their short forms
	@begun=$$(date +%s); \
	$(CARGO) build --features demo --all-targets && built=$$(date +%s) && \
	MOSQUITTO_REQUIRED=1 HAPROXY_REQUIRED=1 CHROMIUM_REQUIRED=1 SYSTEMD_REQUIRED=1 FAKETIME_REQUIRED=1 PATH="$$PATH:/usr/sbin" $(CARGO) test --features demo --no-fail-fast; \
	code=$$?; ended=$$(date +%s); \
	echo "make test: $$((ended - begun)) s, of which $$((ended - $${built:-$$ended})) s testing, at a load of $$(cut -d ' ' -f 1 /proc/loadavg)"; \
	exit $$code

lint: deny ## format, lints and broken links as errors, licences, duplicates, known advisories
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --features demo -- -D warnings
	$(CARGO) clippy -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --workspace --quiet
	deploy/check-dependencies

long: ## the long forms: kills, hostile broker, full disk, floods, crowd, fuzzing (an hour or more)
	tests/long/run

bench: ## every bench, a few minutes
	$(CARGO) bench --features demo

mutants: ## changes lines that keep promises, one at a time, and lists what no test notices (hours; MUTANTS="--file …" for less)
	@command -v cargo-mutants >/dev/null || $(CARGO) install cargo-mutants --locked --quiet
	$(CARGO) mutants --no-shuffle $(MUTANTS)

package: ## Debian package, RPM (with rpmbuild) and archive in target/package, of a release build
	deploy/package/build deb tar $$(command -v rpmbuild >/dev/null && echo rpm)

sbom: ## what is built in, as CycloneDX, in target/package/hj212-gateway.cdx.json
	@mkdir -p target/package
	deploy/package/sbom > target/package/hj212-gateway.cdx.json

reproducible: ## builds the release twice in two folders and compares
	deploy/package/reproducible

manual: ## the manual as pages, in target/manual (needs mdbook)
	mdbook build docs/manual/en
	mdbook build docs/manual/zh

mosquitto: ## the real broker that the tests talk to
	@PATH="$$PATH:/usr/sbin"; { command -v mosquitto && command -v mosquitto_pub && command -v mosquitto_sub; } >/dev/null || deploy/install-mosquitto

haproxy: ## the real load balancer that the tests go through
	@PATH="$$PATH:/usr/sbin" command -v haproxy >/dev/null || deploy/install-haproxy

chromium: ## the real browser that looks at the status page
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || deploy/install-chromium

axe: ## the checker of accessibility that the browser tests run; without it that part is NOT RUN
	@[ -f target/axe/axe.min.js ] || deploy/install-axe || echo "axe-core cannot be fetched: what it would check is NOT RUN"

systemd: ## what checks the units
	@command -v systemd-analyze >/dev/null || deploy/install-systemd-analyze

faketime: ## what sets the host's clock for one process
	@[ -n "$$FAKETIME_LIBRARY" ] || ls /usr/lib/*/faketime/libfaketime.so.1 /usr/lib64/faketime/libfaketime.so.1 2>/dev/null | grep -q . || deploy/install-faketime

deny:
	@command -v cargo-deny >/dev/null || $(CARGO) install cargo-deny --locked --quiet

clean: ## remove what was built
	$(CARGO) clean
