# What the tests of examples/pipeline take from PyPI, in an environment of its own: 300 MB to fetch, 900 MiB on
# disk, ClickHouse for the most part. A machine that cannot have it is told why, and skips the tests.

PIPELINE_NEEDS = tests/peers_pipeline/requirements.txt

.PHONY: pipeline-deps

pipeline-deps: target/pipeline/requirements.txt

target/pipeline/requirements.txt: $(PIPELINE_NEEDS)
	@mkdir -p target/pipeline
	@{ $(PYTHON) -m venv target/pipeline \
	    && target/pipeline/bin/python -m pip install --quiet --disable-pip-version-check -r $(PIPELINE_NEEDS) \
	    && cp $(PIPELINE_NEEDS) $@; } >target/pipeline/log 2>&1 \
	    || { echo 'the tests of examples/pipeline are skipped:'; tail -1 target/pipeline/log; }
