SUMMARY = "Playback-session agent"
DESCRIPTION = "Keeps the playback sessions of a set-top box, resumes them, and reports them to a collector."
SECTION = "multimedia"
# Of the program itself. Its crates are linked in: deny.toml names their licences.
LICENSE = "MIT"
LIC_FILES_CHKSUM = "file://LICENSE-MIT;md5=e3e256f06bcd15b538291c018a391435"

# `make dist` writes the archive. Where it lies elsewhere, a bbappend sets PLAYHEADD_SITE, and for a
# server also SRC_URI[sha256sum].
PLAYHEADD_SITE ?= "file://${PLAYHEADD_LAYERDIR}/../../target/dist"
SRC_URI = "${PLAYHEADD_SITE}/${BP}.tar.gz"
require playheadd-crates.inc

# Newer releases unpack into a directory of its own.
PLAYHEADD_UNPACKED = "${@d.getVar('UNPACKDIR') or d.getVar('WORKDIR')}"
S = "${PLAYHEADD_UNPACKED}/${BP}"

inherit cargo systemd update-rc.d useradd bash-completion

# The workbench's collector: not for a box.
PACKAGECONFIG ??= ""
PACKAGECONFIG[bench] = ""
CARGO_BUILD_FLAGS += "${@bb.utils.contains('PACKAGECONFIG', 'bench', '--features bench', '', d)}"

# The profile of Cargo.toml is made for size, and the class leaves it alone: opt-level, LTO, codegen
# units and panic hold. Only stripping is bitbake's, which then has the symbols for ${PN}-dbg.
export CARGO_PROFILE_RELEASE_STRIP = "none"
# Thumb code is a fifth smaller, and every ARMv7-A core runs it.
RUSTFLAGS:append:armv7a = " -C target-feature=+thumb-mode"
RUSTFLAGS:append:armv7ve = " -C target-feature=+thumb-mode"

do_install() {
    oe_runmake -C ${S} install DESTDIR=${D} PREFIX=${prefix} BOX=${B}/target/${CARGO_TARGET_SUBDIR} \
        UNITS=${systemd_system_unitdir} BUS_POLICIES=${datadir}/dbus-1/system.d
    # SYSTEMD_AUTO_ENABLE decides, by a preset that the class writes.
    rm -r ${D}${nonarch_libdir}/systemd/system-preset
    if ${@bb.utils.contains('DISTRO_FEATURES', 'sysvinit', 'true', 'false', d)}; then
        install -D -m 0755 ${S}/packaging/buildroot/package/playheadd/S85playheadd \
            ${D}${sysconfdir}/init.d/playheadd
    fi
    # The box's configuration, if a bbappend has SRC_URI += "file://playheadd.toml".
    if [ -e ${PLAYHEADD_UNPACKED}/playheadd.toml ]; then
        install -D -m 0644 ${PLAYHEADD_UNPACKED}/playheadd.toml ${D}${nonarch_libdir}/playheadd/playheadd.toml
    fi
}

SYSTEMD_SERVICE:${PN} = "playheadd.service"
INITSCRIPT_NAME = "playheadd"
INITSCRIPT_PARAMS = "defaults 85 15"

# The same as systemd/playheadd.sysusers.conf says; here, because an image can be without systemd.
USERADD_PACKAGES = "${PN}"
GROUPADD_PARAM:${PN} = "--system playhead; --system playhead-admin"
USERADD_PARAM:${PN} = "--system --user-group --no-create-home --home-dir ${localstatedir}/lib/playheadd \
    --shell /sbin/nologin --comment 'Playback-session agent' playheadd"

PACKAGES =+ "${PN}-ctl ${PN}-zsh-completion ${PN}-fish-completion"
FILES:${PN} += "${nonarch_libdir}/sysusers.d ${nonarch_libdir}/systemd/catalog ${nonarch_libdir}/playheadd \
    ${datadir}/dbus-1/system.d ${datadir}/dbus-1/system-services"
FILES:${PN}-dev += "${datadir}/dbus-1/interfaces ${datadir}/playheadd/clients"
FILES:${PN}-doc += "${datadir}/licenses"
FILES:${PN}-ctl = "${bindir}/playheadctl"
FILES:${PN}-zsh-completion = "${datadir}/zsh"
FILES:${PN}-fish-completion = "${datadir}/fish"

RDEPENDS:${PN} += "dbus"
# What an operator asks; a box of few megabytes does without.
RRECOMMENDS:${PN} += "${PN}-ctl"
