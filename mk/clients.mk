# The clients and the doors: what the tests of the daemon need of them, and their own tests. The Rust ones
# are packages apart, so that the daemon's dependencies are its own.

APART = clients/rust $(wildcard doors/firebolt)
APART_TARGET = $(CURDIR)/target/clients
DOOR_PACKAGES = gjs gstreamer1.0-plugins-base gstreamer1.0-tools gir1.2-gst-plugins-base-1.0 \
    libgstreamer1.0-dev kodi kodi-pvr-iptvsimple libgl1-mesa-dri

.PHONY: clients test-clients lint-clients deny-clients

clients: ## builds what the tests run of the clients and doors in Rust
	@for package in $(APART); do \
	    $(CARGO) build --quiet --locked --examples --bins --manifest-path $$package/Cargo.toml \
	        --target-dir $(APART_TARGET) || exit 1; \
	done

test-clients: clients ## the clients' and doors' own tests
	$(CARGO) test --quiet --locked --features tokio --manifest-path clients/rust/Cargo.toml \
	    --target-dir $(APART_TARGET)
	$(if $(wildcard doors/firebolt),$(CARGO) test --quiet --locked \
	    --manifest-path doors/firebolt/Cargo.toml --target-dir $(APART_TARGET))
	$(PYTHON) -m unittest discover -q -s clients/python/tests
	$(PYTHON) -m unittest -q doors/kodi/tests/test_door.py
	@if command -v node >/dev/null; then PLAYHEADD_BIN=$(CURDIR)/target/debug/playheadd \
	    node --test --test-reporter=dot clients/javascript/tests/*.test.mjs; \
	else echo "SKIP: the JavaScript client's own tests: no node"; fi

lint-clients:
	@for package in $(APART); do \
	    $(CARGO) fmt --check --manifest-path $$package/Cargo.toml && \
	    $(CARGO) clippy --quiet --locked --all-targets --manifest-path $$package/Cargo.toml \
	        --target-dir $(APART_TARGET) -- -D warnings || exit 1; \
	done

deny-clients: ## the same for the clients and doors in Rust
	@for package in $(APART); do \
	    $(CARGO) deny --manifest-path $$package/Cargo.toml --all-features --config deny.toml check \
	        bans licenses sources || exit 1; \
	done
