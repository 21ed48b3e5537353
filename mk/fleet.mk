# Ten million boxes in virtual time (docs/fleet.md).

# One of the scenarios, or all of them; `playheadctl fleet list` names them.
SCENARIO ?= all
FLEET = target/fleet/playheadctl

.PHONY: fleet fleet-images

fleet: ## a fleet comes back after outages, in virtual time: figures, bounds, CSV and pictures in target/fleet-out; SCENARIO=outage
	$(CARGO) build --profile fleet --locked --features bench --bin playheadctl
	$(FLEET) fleet $(SCENARIO) --out target/fleet-out

fleet-images: fleet ## the same, and docs/images/ from it
	@mkdir -p docs/images
	for picture in outage errors gateway cloud; do \
	    cp target/fleet-out/$$picture.svg docs/images/fleet-$$picture.svg; \
	done
