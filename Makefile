# make check is what must pass before a commit; CI runs it too.

TOOL = go tool -modfile=internal/devtools/go.mod
# Folders with Go of our own: gofumpt would also look into what is not ours.
DIRS = board cmd crdt db export intake internal/chart internal/backups internal/conformance internal/demo internal/doctor internal/durable internal/figures internal/floors internal/hosts internal/layered internal/locate internal/phrase internal/vfstest internal/visible internal/workload members migrations mirror oplog pipeline relay replica schemas terminal tools

FUZZTIME  ?= 60s
BENCH     ?= .
BENCHTIME ?= 1s
STRESS    ?= 60s
CHAOS     ?= 10m

# For conformance: a script that runs public checkers against a command, and where it puts them and their results. tsclient builds there, too.
CHECKER ?= ../shared/conformance/run.sh
DIR     ?= /tmp/huskies-conformance

.PHONY: check floors format vet staticcheck generated test race generate fuzz stress chaos simulate bench curves figures pictures conformance tsclient

check: format vet staticcheck generated test

format:
	@out="$$($(TOOL) gofumpt -l $(DIRS))"; if [ -n "$$out" ]; then \
		echo "not formatted, run: $(TOOL) gofumpt -w $(DIRS)"; echo "$$out"; exit 1; fi

vet:
	go vet ./...
	go mod tidy -diff

staticcheck:
	$(TOOL) staticcheck ./...

# The schemas and the README's tool table are compared by the tests of tools.
generated:
	$(TOOL) sqlc diff
	$(TOOL) sqlc vet

test:
	go test ./...

race:
	go test -race -timeout 120m ./...

# The packages by floor, with what each imports.
floors:
	@go test ./internal/floors -count 1 -run TestPicture -v

generate:
	$(TOOL) sqlc generate
	go test ./tools -run 'Schemas|Readme' -update
	go test ./cmd/huskies-mcp -run AgentsDoc -update

# One fuzz target after the other, FUZZTIME each.
fuzz:
	@for pkg in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
			echo "$$pkg $$target"; go test $$pkg -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x || exit 1; \
		done; done

# The stress tests, for as long as STRESS says each; the storm of kills ends when it has had its kills, and
# the drain when all stories are archived.
stress:
	HUSKIES_STRESS=$(STRESS) go test -count 1 -timeout 0 -run 'TestExchange|TestLinearizable|TestC6_KillStorm|TestDrain' -v ./cmd/huskies-mcp

# Hubs and machines through failures, each test for as long as CHAOS says.
chaos:
	HUSKIES_CHAOS=$(CHAOS) go test -count 1 -timeout 0 -run 'Chaos|Three' -v ./cmd/huskies-hub

# A week of 10,000 simulated machines at one hub, in some seven minutes and 7.7 GB: docs/machines.md has figures. GOGC keeps it
# below 8 GB.
simulate:
	GOGC=50 go test -count 1 -timeout 0 -run TestSimulation -v ./relay -machines 10000

bench:
	go test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem ./...

# What the bundles of malicious authors cost, at n, 2n and 4n, in a few minutes: docs/threats.md has figures.
curves:
	go test -run '^$$' -bench BenchmarkMalice -benchtime 1x -timeout 60m ./tools

# The built command on pipelines of several sizes, as a table with ratios within the run; with ARGS=-large also 1,000,000 ops.
figures:
	mkdir -p $(DIR)
	go build -o $(DIR)/huskies-mcp ./cmd/huskies-mcp
	go run ./internal/figures -binary $(DIR)/huskies-mcp $(ARGS)

# The pictures of the board in docs/pictures, from the week of huskies-mcp demo. Needs Chromium.
pictures:
	go test ./board -count 1 -run TestPictures -pictures ../docs/pictures

# Public checkers, from npm: on the server itself, and with the fixtures that most scenarios call. Needs network.
conformance:
	mkdir -p $(DIR)
	go build -o $(DIR)/huskies-mcp ./cmd/huskies-mcp
	go build -o $(DIR)/fixtures ./internal/conformance
	$(CHECKER) $(DIR) $(DIR)/huskies-mcp --no-auto-backup --db $(DIR)/plain.db
	rm -rf $(DIR)/plain && mkdir $(DIR)/plain && mv $(DIR)/results* $(DIR)/inspector.json $(DIR)/plain
	$(CHECKER) $(DIR) $(DIR)/fixtures $(DIR)/fixture.db
	@for f in $(DIR)/results-*.txt; do echo "$$f"; sed -n '/SUMMARY/,$$p' $$f; done

# The official TypeScript SDK calls every tool and validates every answer. Needs node, and network the first time; with ARGS=--all what is not
# offered is an error.
tsclient:
	cd internal/tsclient && npm ci --no-fund --no-audit
	mkdir -p $(DIR)
	go build -o $(DIR)/huskies-mcp ./cmd/huskies-mcp
	rm -rf $(DIR)/tsclient.db*
	node internal/tsclient/client.mjs $(ARGS) $(DIR)/huskies-mcp --no-auto-backup --log-level warn --db $(DIR)/tsclient.db
