# What a box needs: its programs, ARM builds, and the tests that want a service manager.

BENCH = target/bench
BENCHES =
RESCROBBLED = 0.10.0

.PHONY: box test-system test-arm cross-armv7 cross-aarch64 cross-x86_64 cross-aarch64-musl cross-x86_64-musl syscalls bench bench-load bench-peers $(BENCH)

# Both feature sets share target/release, where the last one built lies on top; this one is put
# aside, so that nothing is compiled twice.
box: ## both programs as a box carries them, in target/box
	$(CARGO) build --release --locked
	@install -d target/box
	@install $(BIN)/playheadd $(BIN)/playheadctl target/box

# What cannot be installed here is skipped by name.
define system-tests
	@sh .ci/deps dbus python3-dbus systemd systemd-container debootstrap || true
	@sh .ci/deps busybox-static || true
	@$(MAKE) --no-print-directory deb-tool || true
	@$(MAKE) --no-print-directory box
	@$(MAKE) --no-print-directory build
	@CARGO='$(CARGO)' $(PYTHON) tests/system/run.py --bin $(BIN) --box target/box
endef

test-system: ## a whole Debian with the service in it, on either bus (root)
	$(system-tests) units box broker shutdown deb initd mpris

test-arm: ## the armv7 build, emulated: the demo, SIGKILLs, the store's tests, every conformance case
	@sh .ci/deps qemu-user-static || true
	$(system-tests) arm arm-own

cross-armv7: ## both programs for ARMv7 with hard float (glibc 2.28 by zig; ZIG=no: Debian's linker and glibc)
	@CARGO='$(CARGO)' ZIG='$(ZIG)' cross/build armv7

cross-aarch64: ## both programs for 64-bit ARM (the same)
	@CARGO='$(CARGO)' ZIG='$(ZIG)' cross/build aarch64

cross-x86_64: ## both programs for 64-bit x86 and glibc 2.28, by zig
	@CARGO='$(CARGO)' cross/build x86_64

cross-aarch64-musl: ## both, static, without a C library on the box
	@CARGO='$(CARGO)' cross/build aarch64-musl

cross-x86_64-musl: ## the same for x86-64
	@CARGO='$(CARGO)' cross/build x86_64-musl

syscalls: $(BENCH) ## the system calls of a run, and the oldest kernel that has them
	@sh .ci/deps dbus python3-dbus strace procps
	@$(PYTHON) cross/syscalls.py $(BENCH)

# What is measured stands side by side: the daemon as a box carries it, playheadctl with the collector,
# and the program that does nothing, which is built from the daemon's compiled crates.
$(BENCH): box build
	$(CARGO) build --release --locked --manifest-path benches/floor/Cargo.toml --target-dir target
	@install -d $(BENCH)
	@install target/box/playheadd $(BIN)/playheadctl $(BIN)/floor $(BIN)/caller $(BENCH)

bench: $(BENCH) ## one table: what a box pays, beside its floor and its budget (BENCHES="sizes calls": some of it)
	@sh .ci/deps dbus python3-dbus
	@$(PYTHON) benches/bench.py $(BENCH) $(BENCHES)

bench-load: ## calls of a player while others flood the bus, beside a bare echo
	$(CARGO) bench --locked --all-features --bench latency

bench-peers: $(BENCH) ## the same player, followed by the daemon and by scrobblers
	@sh .ci/deps dbus python3-dbus $(MPV) libdbus-1-dev pkg-config
	@$(CARGO) install --quiet --locked --root target/peers rescrobbled --version $(RESCROBBLED) || true
	@$(PYTHON) benches/peers.py $(BENCH)
