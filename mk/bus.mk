# The bus contract on dbus-broker, too. `make test` runs everything on dbus-daemon.

BUS_TESTS = $(addprefix --test ,access bus_contract bus_gone bus_order hung_services limits mpris network \
    record refused_calls restart_of_the_player rude_callers)

.PHONY: test-broker

# The Debian package makes dbus-broker the bus of a machine with systemd, so there it is not installed
# unasked.
test-broker: deps ## what concerns the bus, on dbus-broker
	@test -d /run/systemd/system || sh .ci/deps dbus-broker || true
	@if why=$$($(PYTHON) tests/common/dbus_broker.py --check); then \
	    echo "== on dbus-broker"; \
	    if $(CARGO) nextest --version >/dev/null 2>&1; then \
	        PLAYHEADD_BUS=dbus-broker $(CARGO) nextest run --locked --all-features $(BUS_TESTS); \
	    else \
	        PLAYHEADD_BUS=dbus-broker $(CARGO) test --locked --all-features $(BUS_TESTS); \
	    fi; \
	elif test $$? = 77; then \
	    echo "SKIP: the tests on dbus-broker: $$why"; \
	else \
	    echo "$$why"; exit 1; \
	fi
