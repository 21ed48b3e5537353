# What a box needs: its programs, ARM builds, and the tests that want a service manager.

.PHONY: box test-system test-arm cross-armv7 cross-aarch64 bench

# Both feature sets share target/release, where the last one built lies on top; this one is put
# aside, so that nothing is compiled twice.
box: ## both programs as a box carries them, in target/box
	$(CARGO) build --release --locked
	@install -d target/box
	@install $(BIN)/playheadd $(BIN)/playheadctl target/box

# What cannot be installed here is skipped by name.
define system-tests
	@sh .ci/deps dbus python3-dbus systemd systemd-container debootstrap || true
	@sh .ci/deps qemu-user-static || true
	@sh .ci/deps busybox-static || true
	@$(MAKE) --no-print-directory deb-tool || true
	@$(MAKE) --no-print-directory box
	@$(MAKE) --no-print-directory build
	@CARGO='$(CARGO)' $(PYTHON) tests/system/run.py --bin $(BIN) --box target/box
endef

test-system: ## a whole Debian with the service in it, on either bus, and the ARM build (root)
	$(system-tests) units box broker shutdown deb initd mpris arm

test-arm: ## the demo and the SIGKILL test on the armv7 build, emulated
	$(system-tests) arm

cross-armv7: ## both programs for ARMv7 with hard float (glibc)
	@CARGO='$(CARGO)' cross/build armv7

cross-aarch64: ## both programs for 64-bit ARM (glibc)
	@CARGO='$(CARGO)' cross/build aarch64

bench: box ## size, memory, flash wear and the simulator's speed, beside their budgets
	@sh .ci/deps dbus python3-dbus
	@for arch in armv7 aarch64; do CARGO='$(CARGO)' cross/build $$arch || test $$? = 77; done
	@$(PYTHON) benches/sizes.py target/box
	@echo; $(PYTHON) benches/memory.py target/box
	@$(MAKE) --no-print-directory build
	@$(PYTHON) benches/day.py $(BIN)/playheadctl
	@echo; $(PYTHON) benches/wear.py $(BIN)
	@echo; $(CARGO) bench --locked --all-features --bench latency
