# make build    what is to be run, in target/dist
# make demo     a tour as root on a machine of its own
# make test     all tests, lints and format
# make install  PREFIX=/usr/local SYSCONFDIR=/etc DESTDIR=

PREFIX ?= /usr/local
# PAM looks nowhere else, whatever the prefix.
SYSCONFDIR ?= /etc
DESTDIR ?=
DIST := $(CURDIR)/target/dist
HOOKS := $(CURDIR)/target/hooks-dist
REFERENCE := $(CURDIR)/target/ref
CLIENTS := $(CURDIR)/target/clients
FUZZ_SECONDS ?= 30

.NOTPARALLEL:
.PHONY: build hooks reference demo test format lint deny unit budget system parity clients fuzz generated install clean

build:
	tools/build.sh $(DIST)

# The same programs with the test-only hooks in. Never installed.
hooks:
	tools/build.sh --hooks $(HOOKS)

# The original, to compare with: a throw-away environment.
reference: $(REFERENCE)/ready

$(REFERENCE)/ready: tools/reference.sh
	tools/reference.sh $(REFERENCE)

demo: build
	tools/demo.sh $(DIST)

test:
	tools/stages.sh format lint deny unit build budget hooks reference system parity clients fuzz

format:
	cargo fmt --all --check
	cd fuzz && cargo fmt --check
	cd tests/clients/rust && cargo fmt --check
	for script in tools/*.sh examples/*.sh .ci/run; do sh -n $$script || exit 1; done

lint:
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTFLAGS='--cfg supervisor_hooks' cargo clippy --target-dir target/hooks --workspace --all-targets -- -D warnings

deny:
	tools/deny.sh

unit:
	tools/unit.sh

budget: build
	python3 tools/budget.py --binary $(DIST)/bin/supervisord

system: build hooks reference
	SUPERVISOR_DIST=$(DIST) SUPERVISOR_HOOKS_DIST=$(HOOKS) SUPERVISOR_REFERENCE=$(REFERENCE) \
	  SUPERVISOR_CHROMIUM=$$(tools/chromium.sh) SUPERVISOR_NGINX=$$(tools/nginx.sh) \
	  SUPERVISOR_STUNNEL=$$(tools/stunnel.sh) tools/system.sh

parity: build reference
	python3 tests/parity/parity.py --reference $(REFERENCE) \
	  --supervisord $(DIST)/bin/supervisord --supervisorctl $(DIST)/bin/supervisorctl

# Clients that others have published, on our daemon and on the original.
clients: build reference $(CLIENTS)/ready
	python3 tests/clients/clients.py --clients $(CLIENTS) --reference $(REFERENCE) \
	  --supervisord $(DIST)/bin/supervisord --supervisorctl $(DIST)/bin/supervisorctl

$(CLIENTS)/ready: tools/clients.sh tests/clients/python/requirements.txt tests/clients/npm/package-lock.json \
  $(wildcard tests/clients/rust/Cargo.toml tests/clients/rust/src/*.rs)
	tools/clients.sh $(CLIENTS)

# Man pages, completions and tables of the documentation, after a change of the tables they are made from.
generated:
	SUPERVISOR_WRITE=1 cargo test -p supervisor --lib -- generate:: rpc::docs

fuzz:
	tools/fuzz.sh $(FUZZ_SECONDS)

# Only what `make build` made is installed, so that installing as root builds nothing as root.
install:
	@test -x $(DIST)/bin/supervisord || { echo 'nothing to install yet: run `make build` first' >&2; exit 1; }
	install -d -m 0755 $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec/supervisor
	for file in $(DIST)/bin/*; do \
	  if [ -L "$$file" ]; then cp -P --remove-destination "$$file" $(DESTDIR)$(PREFIX)/bin/; \
	  else install -m 0755 "$$file" $(DESTDIR)$(PREFIX)/bin/; fi || exit 1; done
	install -m 0711 $(DIST)/libexec/supervisor/* $(DESTDIR)$(PREFIX)/libexec/supervisor/
	find $(DIST)/share -type f -printf '%P\n' | while read -r file; do \
	  install -D -m 0644 "$(DIST)/share/$$file" "$(DESTDIR)$(PREFIX)/share/$$file" || exit 1; done
	@# A service that an administrator has changed stays.
	test -e $(DESTDIR)$(SYSCONFDIR)/pam.d/supervisor || install -D -m 0644 \
	  $(DIST)/etc/pam.d/supervisor $(DESTDIR)$(SYSCONFDIR)/pam.d/supervisor

clean:
	rm -rf target fuzz/target
