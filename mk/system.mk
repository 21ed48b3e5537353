# What a box needs: installation, ARM builds, and the tests that want a service manager.

PREFIX ?= /usr
# What is installed: built without features. A BOX of your own (an ARM build, say) is taken as it is.
BOX = target/box
# dbus-daemon reads policies of /usr and /etc only.
BUS_POLICIES = $(if $(filter /usr,$(PREFIX)),/usr/share,/etc)/dbus-1/system.d

.PHONY: box install uninstall test-system test-arm cross-armv7 cross-aarch64 bench

# Both feature sets share target/release, where the last one built lies on top; this one is put
# aside, so that nothing is compiled twice.
box: ## both programs as a box carries them, in target/box
	$(CARGO) build --release --locked
	@install -d target/box
	@install $(BIN)/playheadd $(BIN)/playheadctl target/box

install: $(if $(filter file,$(origin BOX)),box) ## programs, unit, user and bus files (PREFIX, DESTDIR, BOX)
	install -D -t $(DESTDIR)$(PREFIX)/bin $(BOX)/playheadd $(BOX)/playheadctl
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|^\(Exec[A-Z][a-z]*\)=/usr/|\1=$(PREFIX)/|' systemd/playheadd.service \
	    > $(DESTDIR)$(PREFIX)/lib/systemd/system/playheadd.service
	chmod 644 $(DESTDIR)$(PREFIX)/lib/systemd/system/playheadd.service
	install -D -m 644 systemd/playheadd.sysusers.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/playheadd.conf
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib/systemd/catalog systemd/playheadd.catalog
	install -D -m 644 -t $(DESTDIR)$(BUS_POLICIES) dbus/tv.playhead.Agent1.conf
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/dbus-1/system-services dbus/tv.playhead.Agent1.service
	@test -n '$(DESTDIR)' || echo 'Now, as root: systemd-sysusers && journalctl --update-catalog' \
	    '&& systemctl daemon-reload && systemctl reload dbus && systemctl enable --now playheadd'

uninstall: ## takes away what install put there; configuration, state and user stay
	rm -f $(DESTDIR)$(PREFIX)/bin/playheadd $(DESTDIR)$(PREFIX)/bin/playheadctl \
	    $(DESTDIR)$(PREFIX)/lib/systemd/system/playheadd.service \
	    $(DESTDIR)$(PREFIX)/lib/sysusers.d/playheadd.conf \
	    $(DESTDIR)$(PREFIX)/lib/systemd/catalog/playheadd.catalog \
	    $(DESTDIR)$(BUS_POLICIES)/tv.playhead.Agent1.conf \
	    $(DESTDIR)$(PREFIX)/share/dbus-1/system-services/tv.playhead.Agent1.service

# What cannot be installed here is skipped by name.
define system-tests
	@sh .ci/deps dbus python3-dbus systemd systemd-container debootstrap || true
	@sh .ci/deps qemu-user-static || true
	@$(MAKE) --no-print-directory box
	@$(MAKE) --no-print-directory build
	@CARGO='$(CARGO)' $(PYTHON) tests/system/run.py --bin $(BIN) --box target/box
endef

test-system: ## a whole Debian with the service in it, and the ARM build (root)
	$(system-tests) units box arm

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
