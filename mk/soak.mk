# Random days of the whole agent (tests/world), for as long as you like, and what takes longer than
# `make test` may on the real parts.

SECONDS ?= 60
# SIGKILLs under load (tests/kill_under_load.rs) and power cuts (tests/power_loss.rs).
SESSIONS ?= 50000
KILLS ?= 1000
CUTS ?= 300
# Another seed each time; the report of a bad day names it.
WORLD_FROM ?= $(shell date +%s)000

.PHONY: soak world

soak: ## random days with every fault for SECONDS (60), a day of SESSIONS, SIGKILLs and power cuts on the real store
	@RUST_BACKTRACE=0 WORLD_SECONDS=$(SECONDS) WORLD_FROM=$(WORLD_FROM) $(CARGO) test --locked --all-features \
	    --test world soak -- --ignored --nocapture
	@RUST_BACKTRACE=0 PLAYHEADD_SESSIONS=$(SESSIONS) $(CARGO) test --locked --all-features \
	    --test long_day -- --nocapture
	@RUST_BACKTRACE=0 PLAYHEADD_KILLS=$(KILLS) $(CARGO) test --locked --all-features --test kill_under_load
	@RUST_BACKTRACE=0 PLAYHEADD_CUTS=$(CUTS) $(CARGO) test --locked --all-features --test power_loss \
	    -- --test-threads 1

world: ## one day of it, and what arrived: FILE=day.jsonl, or SEED=N
	@RUST_BACKTRACE=0 WORLD_FILE='$(FILE)' WORLD_SEED='$(SEED)' $(CARGO) test --locked --all-features \
	    --test world one_day -- --ignored --nocapture
