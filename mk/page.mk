# The page of the bench collector.

.PHONY: page-images bench-page

# The page has the fonts of the machine: another one makes another picture.
page-images: build ## docs/images/ from the page; target/page/ has all of them (chromium, chromium-driver)
	@sh .ci/deps chromium chromium-driver fonts-dejavu-core || true
	@$(PYTHON) tests/page/drive.py --bin $(BIN) --only pictures
	@mkdir -p docs/images
	cp target/page/light.png docs/images/timeline.png

bench-page: build ## frames of the page with 200 sessions and 50,000 hits while it pans (chromium, chromium-driver)
	@sh .ci/deps chromium chromium-driver || true
	@$(PYTHON) benches/page.py $(BIN)
