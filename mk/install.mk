# What goes into a system, and out of it again. The list below is the only one: the Debian packages,
# the Yocto recipe and the Buildroot package take what `make install` puts in place.

PREFIX ?= /usr
# What is installed: built without features. A BOX of your own (an ARM build, say) is taken as it is.
BOX = target/box
# dbus-daemon reads policies of /usr and /etc only.
BUS_POLICIES = $(if $(filter /usr,$(PREFIX)),/usr/share,/etc)/dbus-1/system.d
# Where distributions differ: /usr not merged, zsh's own place for packages, licences.
UNITS = $(PREFIX)/lib/systemd/system
ZSH_COMPLETIONS = $(PREFIX)/share/zsh/site-functions
LICENCE = $(PREFIX)/share/licenses/playheadd/LICENSE-MIT

SHARE = $(PREFIX)/share
# Not below share/doc, which Buildroot deletes, Yocto packages apart and slim Debian images exclude: the
# recipes of docs/operating.md copy from here.
EXAMPLES_DIR = $(SHARE)/playheadd/examples
POLICIES = $(wildcard dbus/tv.*.conf)
# Drop-ins and policies to be copied to their places by who wants them.
EXTRAS = $(wildcard systemd/examples/*.conf dbus/examples/*.conf)
# What stands at the operator's end.
PIPELINE_FILES = $(wildcard examples/pipeline/*)

# Names of files that a system does without, as `WITHOUT="playheadctl"`. A program takes its man page and
# its completions along; the one for bash has the program's name.
WITHOUT =
LEFT_OUT = $(WITHOUT) $(foreach program,$(filter playheadd playheadctl,$(WITHOUT)), \
    $(addprefix $(program),.1 .8 .fish) _$(program))

# Which of the two lists are installed: what a box needs, and what a player is built with.
PARTS = box dev
# Whose sd-bus a player is linked with, by its name in pkg-config: libsystemd, libelogind or basu.
SD_BUS = libsystemd

# mode:source:target of each file.
BOX_FILES = \
    755:$(BOX)/playheadd:$(PREFIX)/bin/playheadd \
    755:$(BOX)/playheadctl:$(PREFIX)/bin/playheadctl \
    644:systemd/playheadd.service:$(UNITS)/playheadd.service \
    644:systemd/playheadd.preset:$(PREFIX)/lib/systemd/system-preset/50-playheadd.preset \
    644:systemd/playheadd.sysusers.conf:$(PREFIX)/lib/sysusers.d/playheadd.conf \
    644:systemd/playheadd.catalog:$(PREFIX)/lib/systemd/catalog/playheadd.catalog \
    $(foreach policy,$(POLICIES),644:$(policy):$(BUS_POLICIES)/$(notdir $(policy))) \
    644:dbus/tv.playhead.Agent1.service:$(SHARE)/dbus-1/system-services/tv.playhead.Agent1.service \
    $(foreach xml,$(wildcard dbus/*.xml),644:$(xml):$(SHARE)/dbus-1/interfaces/$(notdir $(xml))) \
    $(foreach page,$(wildcard man/*.[158]),644:$(page):$(SHARE)/man/man$(subst .,,$(suffix $(page)))/$(notdir $(page))) \
    $(foreach file,$(wildcard completions/*.bash),644:$(file):$(SHARE)/bash-completion/completions/$(basename $(notdir $(file)))) \
    $(foreach file,$(wildcard completions/_*),644:$(file):$(ZSH_COMPLETIONS)/$(notdir $(file))) \
    $(foreach file,$(wildcard completions/*.fish),644:$(file):$(SHARE)/fish/vendor_completions.d/$(notdir $(file))) \
    $(foreach file,$(wildcard packaging/playheadd.toml.example),644:$(file):$(EXAMPLES_DIR)/playheadd.toml) \
    $(foreach file,$(EXTRAS),644:$(file):$(EXAMPLES_DIR)/$(subst examples/,,$(file))) \
    $(foreach file,$(PIPELINE_FILES),644:$(file):$(EXAMPLES_DIR)/pipeline/$(notdir $(file))) \
    644:LICENSE-MIT:$(LICENCE)
DEV_FILES = \
    644:clients/c/playhead.h:$(PREFIX)/include/playhead.h \
    644:clients/c/playhead.c:$(SHARE)/playheadd/clients/c/playhead.c \
    644:clients/c/playhead.pc.in:$(SHARE)/pkgconfig/playhead.pc
FILES = $(if $(filter box,$(PARTS)),$(BOX_FILES)) $(if $(filter dev,$(PARTS)),$(DEV_FILES))
INSTALLED = $(foreach file,$(FILES),$(if $(filter $(LEFT_OUT),$(notdir $(file))),,$(file)))

.PHONY: install uninstall installed

install: $(if $(filter file,$(origin BOX)),$(filter box,$(PARTS))) ## what a system needs, and the next steps (PREFIX, DESTDIR, BOX, PARTS)
	@for file in $(INSTALLED); do \
	    rest=$${file#*:}; \
	    install -D -m "$${file%%:*}" "$${rest%%:*}" '$(DESTDIR)'"$${rest#*:}" || exit 1; \
	done
	@test ! -f '$(DESTDIR)$(UNITS)/playheadd.service' \
	    || sed -i 's|^\(Exec[A-Z][a-z]*\)=/usr/|\1=$(PREFIX)/|' '$(DESTDIR)$(UNITS)/playheadd.service'
	@test ! -f '$(DESTDIR)$(SHARE)/pkgconfig/playhead.pc' \
	    || sed -i 's|@PREFIX@|$(PREFIX)|; s|@SD_BUS@|$(SD_BUS)|' '$(DESTDIR)$(SHARE)/pkgconfig/playhead.pc'
	@echo 'Installed in $(DESTDIR)$(PREFIX).$(if $(filter box,$(PARTS)), Now$(comma) as root:)'
	@$(if $(filter box,$(PARTS)),$(if $(DESTDIR),$(image-steps),$(system-steps)),:)

comma = ,

# systemctl and journalctl find the units and texts of an image by its root.
define image-steps
echo '    systemd-sysusers --root=$(DESTDIR)'; \
echo '    systemctl --root=$(DESTDIR) preset playheadd.service'; \
echo '    journalctl --root=$(DESTDIR) --update-catalog'; \
echo 'and the configuration as $(DESTDIR)/etc/playheadd/playheadd.toml.'
endef
define system-steps
echo '    systemd-sysusers && journalctl --update-catalog'; \
echo '    systemctl daemon-reload && systemctl reload dbus'; \
echo '    systemctl enable --now playheadd      # after an upgrade: systemctl restart playheadd'; \
echo 'and the configuration as /etc/playheadd/playheadd.toml.'
endef

installed: ## what install puts in place: a line a file, mode and place
	@for file in $(INSTALLED); do rest=$${file#*:}; echo "$${file%%:*} $${rest#*:}"; done

# The service is stopped before its program goes. Links that `systemctl enable` made would dangle.
# Only directories of our name go: whoever made the others can miss them.
uninstall: ## takes away what install put there; configuration, state and user stay
	@test -n '$(DESTDIR)' || test ! -d /run/systemd/system \
	    || systemctl -q disable --now playheadd.service 2>/dev/null || true
	@for link in '$(DESTDIR)'/etc/systemd/system/*.wants/playheadd.service \
	        '$(DESTDIR)'/etc/systemd/system/*.requires/playheadd.service; do \
	    test ! -L "$$link" || rm -f "$$link"; \
	done
	@for file in $(INSTALLED); do \
	    place=$${file##*:}; \
	    rm -f '$(DESTDIR)'"$$place" || exit 1; \
	    while place=$${place%/*}; case $$place in */playheadd | */playheadd/*) ;; *) false ;; esac; do \
	        test ! -d '$(DESTDIR)'"$$place" \
	            || rmdir --ignore-fail-on-non-empty '$(DESTDIR)'"$$place" || exit 1; \
	    done; \
	done
	@test -n '$(DESTDIR)' || test ! -d /run/systemd/system \
	    || { systemctl daemon-reload && systemctl reload dbus; } || true
	@echo 'Uninstalled. /etc/playheadd, /var/lib/playheadd and the user playheadd have stayed.'
