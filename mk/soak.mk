# Random days of the whole agent (tests/world), for as long as you like.

SECONDS ?= 60
# Another seed each time; the report of a bad day names it.
WORLD_FROM ?= $(shell date +%s)000

.PHONY: soak world

soak: ## random days with every fault for SECONDS (60); prints days and violations
	@RUST_BACKTRACE=0 WORLD_SECONDS=$(SECONDS) WORLD_FROM=$(WORLD_FROM) $(CARGO) test --locked --all-features \
	    --test world soak -- --ignored --nocapture

world: ## one day of it, and what arrived: FILE=day.jsonl, or SEED=N
	@RUST_BACKTRACE=0 WORLD_FILE='$(FILE)' WORLD_SEED='$(SEED)' $(CARGO) test --locked --all-features \
	    --test world one_day -- --ignored --nocapture
