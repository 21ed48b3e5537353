# `make demo` and `make test` are for a newcomer; `make help` lists the rest.

CARGO ?= cargo
# Debian's own Python, which sees Debian's packages.
PYTHON ?= /usr/bin/python3
BIN = target/release
PACKAGES = dbus gcc libc6-dev make python3 python3-dbus
# What the demo with mpv takes, and what the tests of the examples do.
MPV = mpv mpv-mpris
EXAMPLES = g++ libsystemd-dev

.PHONY: help deps demo-deps build demo demo-mpv test lint deny docs

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 20

deps: ## installs what is missing (Debian packages; root or sudo)
	@sh .ci/deps $(PACKAGES) $(MPV) $(EXAMPLES)

demo-deps:
	@sh .ci/deps $(PACKAGES)

build: ## both programs, as a workbench carries them
	$(CARGO) build --release --locked --all-features

demo: demo-deps build ## a playback survives the death of its player
	$(PYTHON) demo/demo.py --bin $(BIN)

demo-mpv: deps build ## the same with mpv, without a line of code in the player
	$(PYTHON) demo/demo.py --mpv --bin $(BIN)

test: deps ## everything that needs no service manager
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
	    $(CARGO) nextest run --locked --all-features; \
	else \
	    $(CARGO) test --locked --all-features; \
	fi

lint: ## formatting and clippy
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets --all-features -- -D warnings
	$(CARGO) clippy --locked -- -D warnings

docs: ## docs/dbus.md from the interfaces under dbus/
	$(PYTHON) docs/dbus.py > docs/dbus.md.new
	mv docs/dbus.md.new docs/dbus.md

deny: ## licences, duplicates and sources of the dependencies
	$(CARGO) deny --all-features check bans licenses sources

include mk/*.mk
