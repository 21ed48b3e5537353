################################################################################
#
# playheadd
#
################################################################################

PLAYHEADD_VERSION = 0.1.0
PLAYHEADD_SOURCE = playheadd-$(PLAYHEADD_VERSION).tar.gz
PLAYHEADD_LICENSE = MIT
PLAYHEADD_LICENSE_FILES = LICENSE-MIT

PLAYHEADD_SITE = $(call qstrip,$(BR2_PACKAGE_PLAYHEADD_SITE))
ifeq ($(PLAYHEADD_SITE),)
# What `make dist` has written there belongs to these sources, so no hash of it can stand in them.
PLAYHEADD_SITE = file://$(abspath $(BR2_EXTERNAL_PLAYHEADD_PATH)/../../target/dist)
BR_NO_CHECK_HASH_FOR += $(PLAYHEADD_SOURCE)
endif

# The profile of Cargo.toml once more, because Buildroot's own variables undo it
# (tests/packaging/recipes.rs).
PLAYHEADD_CARGO_ENV = \
	CARGO_PROFILE_RELEASE_OPT_LEVEL="z" \
	CARGO_PROFILE_RELEASE_LTO="fat" \
	CARGO_PROFILE_RELEASE_CODEGEN_UNITS="1" \
	CARGO_PROFILE_RELEASE_PANIC="abort" \
	CARGO_PROFILE_RELEASE_STRIP="true" \
	CARGO_PROFILE_RELEASE_DEBUG="0"

# Thumb code is a fifth smaller, and every ARMv7-A core runs it. The first flag is Buildroot's own.
ifeq ($(BR2_arm)$(filter y,$(BR2_ARM_CPU_ARMV7A) $(BR2_ARM_CPU_ARMV8A)),yy)
PLAYHEADD_CARGO_ENV += \
	CARGO_TARGET_$(call UPPERCASE,$(RUSTC_TARGET_NAME))_RUSTFLAGS="-Clink-arg=-Wl,--allow-multiple-definition -Ctarget-feature=+thumb-mode"
endif

PLAYHEADD_CARGO_BUILD_OPTS = \
	--bin playheadd \
	$(if $(BR2_PACKAGE_PLAYHEADD_CTL),--bin playheadctl) \
	$(if $(BR2_PACKAGE_PLAYHEADD_BENCH),--features bench)

# Where `cargo build` leaves the programs.
PLAYHEADD_BOX = target/$(RUSTC_TARGET_NAME)/$(if $(BR2_ENABLE_DEBUG),debug,release)

# What the box does without. Without systemd nobody can be started by a call: then a player gets
# ServiceUnknown at once.
PLAYHEADD_WITHOUT = \
	$(if $(BR2_PACKAGE_PLAYHEADD_CTL),,playheadctl) \
	$(if $(BR2_INIT_SYSTEMD),,playheadd.service 50-playheadd.preset playheadd.conf playheadd.catalog tv.playhead.Agent1.service)

# What players are built with.
PLAYHEADD_INSTALL_STAGING = YES
define PLAYHEADD_INSTALL_STAGING_CMDS
	$(TARGET_MAKE_ENV) $(MAKE) -C $(@D) install DESTDIR=$(STAGING_DIR) PREFIX=/usr PARTS=dev
endef

define PLAYHEADD_INSTALL_TARGET_CMDS
	$(TARGET_MAKE_ENV) $(MAKE) -C $(@D) install DESTDIR=$(TARGET_DIR) PREFIX=/usr PARTS=box \
		BOX=$(PLAYHEADD_BOX) WITHOUT="$(strip $(PLAYHEADD_WITHOUT))"
	$(PLAYHEADD_INSTALL_CONFIG)
endef

ifneq ($(call qstrip,$(BR2_PACKAGE_PLAYHEADD_CONFIG)),)
define PLAYHEADD_INSTALL_CONFIG
	$(INSTALL) -D -m 0644 $(call qstrip,$(BR2_PACKAGE_PLAYHEADD_CONFIG)) \
		$(TARGET_DIR)/usr/lib/playheadd/playheadd.toml
endef
endif

define PLAYHEADD_INSTALL_INIT_SYSV
	$(INSTALL) -D -m 0755 $(PLAYHEADD_PKGDIR)/S85playheadd \
		$(TARGET_DIR)/etc/init.d/S85playheadd
endef

# Players join the group playhead, a settings screen joins playhead-admin.
define PLAYHEADD_USERS
	playheadd -1 playheadd -1 * /var/lib/playheadd - - Playback-session agent
	- -1 playhead -1 - - - - Players
	- -1 playhead-admin -1 - - - - Settings screen
endef

$(eval $(cargo-package))
