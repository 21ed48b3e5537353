# Fuzzing: what comes from outside must not be able to stop the process (panic = "abort").

FUZZ_TARGETS = info timeline answer stored
# In all, spread evenly over the targets.
SECONDS ?= 60
# cargo-fuzz wants flags that only nightly takes by name; the stable compiler has them too.
FUZZ = RUSTC_BOOTSTRAP=1 $(CARGO) fuzz

.PHONY: fuzz

fuzz: ## fuzzes what comes from outside, SECONDS=60 in all
	@sh .ci/deps g++ || true
	@$(CARGO) fuzz --version >/dev/null 2>&1 || $(CARGO) install --locked --quiet cargo-fuzz
	@$(FUZZ) build
	@for target in $(FUZZ_TARGETS); do \
	    mkdir -p fuzz/corpus/$$target; \
	    echo "== $$target"; \
	    $(FUZZ) run $$target fuzz/corpus/$$target fuzz/corpus-seed/$$target -- \
	        -max_total_time=$$(( ($(SECONDS) + 3) / 4 )) -timeout=10 -rss_limit_mb=1024 \
	        -max_len=4096 -len_control=0 -print_final_stats=1 \
	        $$(test -f fuzz/$$target.dict && echo -dict=fuzz/$$target.dict) 2>fuzz/target/$$target.log \
	        || { tail -n 40 fuzz/target/$$target.log; exit 1; }; \
	    grep -E 'number_of_executed_units|new_units_added' fuzz/target/$$target.log; \
	done
