# `make demo` and `make test` are for a newcomer; `make help` lists the rest.

CARGO ?= cargo
# Debian's own Python, which sees Debian's packages.
PYTHON ?= /usr/bin/python3
BIN = target/release
PACKAGES = dbus gcc libc6-dev make python3 python3-dbus python3-dbusmock python3-gi
# What reads man pages, completions and scripts in the tests: 14 MB to fetch, 66 MiB on disk. Tests skip
# what is not there.
READERS = fish groff-base man-db mandoc shellcheck zsh
# What the demo with mpv takes, what the tests with other players do, those of the examples, and generators
# of D-Bus clients: large,
# so apart.
MPV = mpv mpv-mpris
PLAYERS = vlc-bin vlc-plugin-base playerctl chromium chromium-driver gir1.2-webkit2-4.1 python3-gi xvfb \
    gstreamer1.0-plugins-good
EXAMPLES = g++ libsystemd-dev pkg-config
PIPELINE = python3-venv
GENERATORS = libglib2.0-dev libglib2.0-dev-bin libsdbus-c++-bin libsdbus-c++-dev pkg-config \
    python3-dasbus qtbase5-dev

# A line for each test that this machine cannot carry out (tests/common/skipped.rs).
SKIPPED = $(CURDIR)/target/skipped

PEERS = $(addprefix --test ,clients doors examples page players_survive generated_clients demo_mpv peers_mpris peers_pipeline)

# The protocol of the demo.
KINDS = media-collection media-edge otlp
ifneq ($(filter-out $(KINDS),$(KIND)),)
$(error KIND=$(KIND): expected one of $(KINDS))
endif

.PHONY: help deps peer-deps build demo demo-mpv demo-page test test-peers lint deny docs man rustdoc minimum-rust

help: ## this list
	@sed -n 's/^\([a-z0-9_-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 20

deps: ## installs what is missing (Debian packages; root or sudo)
	@sh .ci/deps $(PACKAGES)

peer-deps:
	@sh .ci/deps $(PACKAGES) $(MPV) $(PLAYERS) $(EXAMPLES) $(GENERATORS) $(PIPELINE) $(DOOR_PACKAGES)

build: ## both programs, as a workbench carries them
	$(CARGO) build --release --locked --all-features

demo: deps build ## a playback survives the death of its player; TLS=1: over TLS; KIND=media-edge, otlp
	$(PYTHON) demo/demo.py --page $(if $(TLS),--tls) $(if $(KIND),--kind $(KIND)) --bin $(BIN)

demo-mpv: peer-deps build ## the same with mpv, without a line of code in the player
	$(PYTHON) demo/demo.py --mpv $(if $(TLS),--tls) $(if $(KIND),--kind $(KIND)) --bin $(BIN)

demo-page: build ## a scripted evening as a picture, at an address that is printed; Ctrl-C ends it
	$(BIN)/playheadctl collector --open demo/evening.jsonl 2>&1 | sed -u '/warning/d'

test: deps ## everything that needs no service manager
	@sh .ci/deps $(READERS) || true
	@mkdir -p target && rm -f $(SKIPPED)
	@export SKIPPED=$(SKIPPED); \
	if $(CARGO) nextest --version >/dev/null 2>&1; then \
	    $(CARGO) nextest run --locked --all-features; \
	else \
	    $(CARGO) test --locked --all-features; \
	fi; \
	status=$$?; test ! -f $(SKIPPED) || sort -u $(SKIPPED); exit $$status
	@$(MAKE) --no-print-directory test-broker

test-peers: peer-deps pipeline-deps clients ## what needs large packages: players, browsers, clients, doors, ClickHouse
	@rm -f $(SKIPPED)
	@export SKIPPED=$(SKIPPED); \
	if $(CARGO) nextest --version >/dev/null 2>&1; then \
	    $(CARGO) nextest run --locked --all-features $(PEERS); \
	else \
	    $(CARGO) test --locked --all-features $(PEERS); \
	fi; \
	status=$$?; test ! -f $(SKIPPED) || sort -u $(SKIPPED); exit $$status
	@$(MAKE) --no-print-directory test-clients

lint: lint-clients ## formatting and clippy
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets $(PEERS) --all-features -- -D warnings
	$(CARGO) clippy --locked -- -D warnings

rustdoc: ## the documentation of the code, without warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --all-features --no-deps --document-private-items

docs: ## docs/dbus.md from the interfaces under dbus/; settings in pages and example from their definition
	$(PYTHON) docs/dbus.py > docs/dbus.md.new
	mv docs/dbus.md.new docs/dbus.md
	UPDATE=1 $(CARGO) test --locked --all-features --test configuration pages

man: ## man/ and completions/ from the command lines and the settings
	UPDATE=1 $(CARGO) test --quiet --locked --all-features --test generated are_made

# The oldest compiler that Cargo.toml promises. A machine that cannot have it says so.
minimum-rust: ## builds with the oldest compiler that is promised (rustup)
	@version=$$(sed -n 's/^rust-version = "\([0-9.]*\)".*/\1/p' Cargo.toml); \
	if rustup run $$version cargo --version >/dev/null 2>&1 \
	    || rustup toolchain install --profile minimal $$version >/dev/null 2>&1; then \
	    CARGO_TARGET_DIR=target/minimum rustup run $$version cargo check --locked --all-features; \
	else \
	    echo "skipped: Rust $$version cannot be had here"; \
	fi

deny: deny-clients ## licences, duplicates and sources of the dependencies
	$(CARGO) deny --all-features check bans licenses sources

include mk/*.mk
