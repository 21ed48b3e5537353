# What an integrator builds from: Debian packages, and the source archive for Yocto and Buildroot.

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p;/^\[features/q' Cargo.toml)
CARGO_DEB = 3.8.0
# Debian's name of the architecture; armhf and arm64 are cross-built.
HOST_ARCH := $(shell dpkg --print-architecture 2>/dev/null)
ARCH = $(HOST_ARCH)
DEB_VERSION = $(VERSION)-1
DEB_TARGET_armhf = armv7-unknown-linux-gnueabihf
DEB_TARGET_arm64 = aarch64-unknown-linux-gnu
DEB_BUILD_armhf = cross-armv7
DEB_BUILD_arm64 = cross-aarch64
# Empty where the package is for this machine.
DEB_TARGET = $(if $(filter $(HOST_ARCH),$(ARCH)),,$(DEB_TARGET_$(ARCH)))
DEB_BOX = $(if $(filter file,$(origin BOX)),$(if $(DEB_TARGET),target/$(DEB_TARGET)/release,target/box),$(BOX))
DEB = target/debian/playheadd_$(DEB_VERSION)_$(ARCH).deb
# What a player is built with: sources, so it is the same for every architecture.
DEV_DEB = target/debian/playheadd-dev_$(DEB_VERSION)_all.deb
DEV_ROOT = target/deb-dev

.PHONY: deb deb-dev deb-tool dist

# Cargo.toml ([package.metadata.deb]) takes what lies in target/deb.
deb: deb-tool deb-dev $(if $(filter file,$(origin BOX)),$(if $(DEB_TARGET),$(DEB_BUILD_$(ARCH)),box)) ## Debian packages, playheadd-dev too (ARCH=armhf|arm64: cross-built; BOX: of these programs)
	@rm -rf target/deb
	@$(MAKE) -s --no-print-directory install DESTDIR=target/deb PREFIX=/usr BOX='$(DEB_BOX)' \
	    ZSH_COMPLETIONS=/usr/share/zsh/vendor-completions PARTS=box >/dev/null
	@install -D -m 644 packaging/debian/playheadd.toml target/deb/etc/playheadd/playheadd.toml
	@install -D -m 644 CHANGELOG.md target/deb/usr/share/doc/playheadd/changelog
	@rm -r target/deb/usr/share/licenses # it becomes share/doc/playheadd/copyright
	$(CARGO) deb --locked --no-build --no-strip --quiet --deb-version '$(DEB_VERSION)' \
	    $(if $(DEB_TARGET),--target $(DEB_TARGET)) --output $(DEB)

# There is nothing to compile in it, so dpkg-deb is enough.
deb-dev: ## the Debian package for who writes a player: header, source to drop in, pkg-config file
	@rm -rf $(DEV_ROOT) && mkdir -p $(DEV_ROOT)/DEBIAN $(dir $(DEV_DEB))
	@$(MAKE) -s --no-print-directory install DESTDIR=$(DEV_ROOT) PREFIX=/usr PARTS=dev >/dev/null
	@install -D -m 644 LICENSE-MIT $(DEV_ROOT)/usr/share/doc/playheadd-dev/copyright
	@gzip -9 -n -c packaging/debian/changelog > $(DEV_ROOT)/usr/share/doc/playheadd-dev/changelog.Debian.gz
	@chmod 644 $(DEV_ROOT)/usr/share/doc/playheadd-dev/changelog.Debian.gz
	@install -D -m 644 packaging/debian/lintian-overrides-dev $(DEV_ROOT)/usr/share/lintian/overrides/playheadd-dev
	@sed -e 's/@VERSION@/$(DEB_VERSION)/' -e "s/@SIZE@/$$(du -sk $(DEV_ROOT)/usr | cut -f1)/" \
	    packaging/debian/control-dev > $(DEV_ROOT)/DEBIAN/control
	@cd $(DEV_ROOT) && find usr -type f -exec md5sum {} + | LC_ALL=C sort -k 2 > DEBIAN/md5sums
	@chmod 644 $(DEV_ROOT)/DEBIAN/*
	@dpkg-deb --root-owner-group --build $(DEV_ROOT) $(DEV_DEB) >/dev/null

deb-tool:
	@$(CARGO) deb --version >/dev/null 2>&1 \
	    || $(CARGO) install --locked --quiet cargo-deb --version $(CARGO_DEB)

dist: ## the sources as an archive, for Yocto and Buildroot
	@mkdir -p target/dist
	@git archive --format=tar --prefix=playheadd-$(VERSION)/ HEAD \
	    | gzip -9 -n > target/dist/playheadd-$(VERSION).tar.gz
	@cd target/dist && sha256sum playheadd-$(VERSION).tar.gz

.PHONY: crates

CRATES = packaging/yocto/recipes-multimedia/playheadd/playheadd-crates.inc

crates: ## the crates of Cargo.lock for the Yocto recipe
	@$(PYTHON) packaging/yocto/crates > $(CRATES).new
	@mv $(CRATES).new $(CRATES)
