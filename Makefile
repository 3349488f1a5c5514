# make demo   the demo page, built and served
# make test   the whole suite
# make bench  the browser benchmark beside its peers; BENCH='--runs 5' hands options on, MEMORY those of make memory
# make curves how time and memory grow with candidates, their length, workers and calls, drawn into docs/curves/; CURVES='--most 100' hands options on
# make native texts encoded natively by one thread and by all, in turns with PyTorch and onnxruntime; NATIVE='--runs 9' hands options on
# make batches  how fast the encoder is by the number of tokens that are computed together, natively and in wasm; BATCHES='9 --markdown' hands the number of rounds and options on
# make load   how long until the first result, part by part; LOAD='5 --markdown' hands the number of loads and options on
# make index-page  what a search of an index takes of a page: bytes and time of a query in collections of 1,000 to 100,000 documents, beside all of them scored;
#             PAGE='1000 --peer DIR' names other sizes, and the folder of fast-plaid-web's build
# make parity where a checkpoint with real weights and sentence-transformers part, stage by stage; MODEL=DIR names its folder
# make eval   ranking quality of every weight type and of every way to rank on the whole retrieval set, beside PyTorch's figures; DATA='DIR …' takes
#             other sets for the ways to rank, CROSS=DIR a cross-encoder among them
# make vectors  what codecs and token pooling of document vectors cost in quality, and bytes and time; VECTORS='DIR …' takes other sets
# make index  indexes of the retrieval set at 2 and 4 bits and of synthetic collections of 10,000, 30,000 and 100,000 documents: what they find of the best ten, bytes,
#             and time beside scoring all documents; INDEX='DIR …' takes other sets, DOCUMENTS=10000,20000 other sizes
# make spark  an index that PySpark builds in parts, and merged, is the one that is built at once; PySpark and what it needs take 900 MB
# make soak   thousands of calls with aborts, dead workers and lost GPUs among them: right all the time, and no larger? SOAK='--calls 10000'
# make memory peak memory in the browser and on the command line by the number of documents, for large checkpoints and for pages as images, and bytes read back from a GPU; some fifty minutes
# make size   what each file of the package weighs beside its budget, and what takes the room in the wasm modules, crate by crate
# make fuzz   each fuzz target for a minute; FUZZ_SECONDS=3600 for longer, FUZZ_TARGETS='tokenizer' for one
# make demo-backend  the demo page in front of a store on this machine, filled by tabrank encode: Chroma's server, or with STORE=pgvector PostgreSQL; Chroma takes 520 MB
# make test-backends  Chroma, PostgreSQL with pgvector, LanceDB and Orama started, filled, queried and reranked, the demo before two of them, and the docs' Python; 600 MB of npm packages more
# make test-candidates  the candidates of backends by their own clients, from the package's tarball
# make test-adapters  the adapters through the frameworks' own code, from the package's tarball
# make test-bundlers  every app of examples/ built by its tool from the package's tarball, opened and driven; some five minutes, and installs 2 GB
# make test-engines  the paths that users take in Firefox and WebKit, which make test holds to the same results alone; installs both where it can
# make test-long  tests in Chromium that take minutes by themselves: a page's memory by the number of documents, and the demo site's bench page
# make browsers  what three browser engines have of what the package uses, and how fast they are; BROWSERS='5 --markdown' hands the number of runs and options on
# make test-gpu  every operation of the WebGPU device and a rerank on Mesa's software adapter, natively; the first time compiles Burn's GPU side, ten minutes or more
# make miri   the raw reads of the operations under Miri, with and without the instructions that it knows; a minute
# make audit  known vulnerabilities, licences and sources of everything that the package is built from
# make docs   the docs as a site, docs/.vitepress/dist/, to be served below /tabrank/; BASE=/ names another path
# make docs-serve  the same, served
# make picture   the demo page as the README shows it, docs/images/demo.jpg
# make docs-rust   the crate's own documentation, target/doc/tabrank/, which the site has below rust/
# make reproducible  the modules built in a second folder, and compared with those of the first; half an hour
#
# Each installs what it needs, and builds only what has changed.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

STAMPS := target/stamps
RUST := $(shell find src -name '*.rs') Cargo.toml Cargo.lock .cargo/config.toml
BINDGEN := scripts/bindgen/Cargo.toml scripts/bindgen/Cargo.lock scripts/bindgen/src/main.rs
PKG := $(shell find pkg/src -type f) pkg/package.json pkg/package-lock.json pkg/build.mjs pkg/README.md \
  $(wildcard pkg/tsconfig*.json)
WWW := $(shell find www/src www/scripts -type f) www/head.html www/index.html www/bench.html www/package.json www/package-lock.json \
  www/vite.config.ts www/tsconfig.json $(shell find www/public -maxdepth 1 -type f 2>/dev/null)

CLI := target/release/tabrank
# The last of the files that scripts/build-wasm.sh makes.
WASM := pkg/wasm/tabrank_relaxed_bg.wasm
TARBALL := pkg/tabrank-0.1.0.tgz
CRATE_DOCS := target/doc/tabrank/index.html
MINILM := models/all-MiniLM-L6-v2/model.safetensors
# Of make parity.
MODEL := $(dir $(MINILM))
CORPUS := tests/data/squad-dev-a
# Of make eval.
DATA := $(CORPUS)
CROSS :=
# Of make vectors.
VECTORS := $(CORPUS)
# Of make demo-backend: chroma or pgvector.
STORE := chroma
# Of make index.
INDEX := $(CORPUS)
DOCUMENTS := 10000,30000,100000
# Of make docs: the path that the site is served below.
BASE := /tabrank/
FUZZ_TARGETS := checkpoint bundle tokenizer conversion pickle vectors codec index foreign-index
FUZZ_SECONDS := 60

.PHONY: help size docs docs-serve docs-rust picture demo demo-backend test test-candidates test-backends test-adapters test-engines test-long browsers test-bundlers test-gpu bench batches load index-page curves native parity eval vectors index spark soak memory fuzz miri audit reproducible site cli lint test-rust test-pkg test-www test-docs test-web clean

help:
	@sed -n '/^$$/q; s/^# //p' Makefile

demo: site
	@cd www && exec npm run --silent preview

BACKENDS := --chroma target/backends/python/bin/chroma --collection target/backends/documents

demo-backend: site $(STAMPS)/backends $(if $(filter chroma,$(STORE)),$(STAMPS)/chroma)
	@exec node examples/backends/serve.mjs --store $(STORE) $(BACKENDS) --site www

site: $(STAMPS)/site
cli: $(CLI)

test: lint test-rust test-pkg test-candidates test-adapters test-www test-docs test-web

# With python for its static server.
test-bundlers: $(TARBALL) $(STAMPS)/npm-runtimes $(STAMPS)/npm-web $(STAMPS)/chromium
	@scripts/require.sh python
	cd tests/bundlers && node --test --test-concurrency=2 --test-reporter=spec

test-gpu: $(STAMPS)/lavapipe
	scripts/test-gpu.sh

bench: $(TARBALL) $(MINILM) $(STAMPS)/bench-onnx $(STAMPS)/bench-bundles
	cd benches/browser && node run.mjs --json ../../target/bench/report.json $(BENCH)

curves: $(TARBALL) $(MINILM) $(STAMPS)/npm-bench $(STAMPS)/chromium $(STAMPS)/bench-bundles
	cd benches/browser && node curves.mjs --out ../../docs/curves --json ../../target/bench/curves.json $(CURVES)

native: $(STAMPS)/bench-onnx $(MINILM) | $(STAMPS)/rust $(STAMPS)/node
	node benches/native/run.mjs --python target/bench/python/bin/python --model $(dir $(MINILM)) \
	  --onnx target/bench/onnx/$(notdir $(patsubst %/,%,$(dir $(MINILM)))) --corpus $(CORPUS) $(NATIVE)

batches: $(WASM) $(CLI) $(MINILM) | $(STAMPS)/rust $(STAMPS)/node
	node benches/batches/run.mjs $(BATCHES)

# Made anew each time: another folder has the same target.
parity: $(STAMPS)/reference $(MINILM) | $(STAMPS)/rust
	target/reference/st/bin/python tests/reference/parity.py $(MODEL) target/parity
	PARITY_CHECKPOINT=$(abspath $(MODEL)) PARITY_EXPECTED=$(abspath target/parity) cargo test --release --locked --features cli --test checkpoint \
	  the_folder_equals_sentence_transformers -- --ignored --nocapture

eval: $(CLI) $(MINILM) | $(STAMPS)/node
	node scripts/quality.mjs $(CLI) $(dir $(MINILM)) $(CORPUS) target/quality
	@echo "PyTorch, f32:" && sed -n '2,3p' tests/fixtures/minilm/eval.json
	node scripts/approaches.mjs $(CLI) $(dir $(MINILM)) $(DATA) -- $(if $(CROSS),--cross $(CROSS))

vectors: $(CLI) $(MINILM) | $(STAMPS)/node
	node scripts/vectors.mjs $(CLI) $(dir $(MINILM)) target/vectors $(VECTORS)

index: $(CLI) $(MINILM) | $(STAMPS)/node
	node benches/index/run.mjs --tabrank $(CLI) --model $(dir $(MINILM)) $(INDEX:%=--data %) --documents "$(DOCUMENTS)"

spark: $(CLI) $(STAMPS)/spark
	target/spark/bin/python examples/spark/test_build_index.py $(CLI) tests/fixtures/pylate/checkpoint $(CORPUS)/corpus.jsonl

soak: $(TARBALL) $(STAMPS)/npm-web $(STAMPS)/chromium
	node benches/soak/run.mjs $(SOAK)

browsers: $(TARBALL) $(CLI) $(MINILM) $(STAMPS)/npm-web $(STAMPS)/chromium $(STAMPS)/firefox $(STAMPS)/webkit
	node benches/engines/run.mjs $(BROWSERS)

load: $(TARBALL) $(CLI) $(MINILM) $(STAMPS)/npm-web $(STAMPS)/chromium
	node benches/load/run.mjs $(LOAD)

index-page: $(TARBALL) $(CLI) $(STAMPS)/npm-web $(STAMPS)/chromium
	node benches/index/page.mjs $(PAGE)

memory: site $(STAMPS)/bench-bundles $(STAMPS)/npm-web
	node benches/memory/run.mjs $(MEMORY)

size: $(TARBALL)
	node scripts/size.mjs

# Built anew each time, which takes ten seconds: another BASE has the same target.
docs: $(STAMPS)/docs-parts $(CRATE_DOCS)
	cd docs && BASE=$(BASE) npm run --silent build

docs-serve: docs
	@cd docs && BASE=$(BASE) exec npm run --silent preview

picture: site $(STAMPS)/npm-web $(STAMPS)/chromium
	node scripts/picture.mjs docs/images/demo.jpg

docs-rust: $(CRATE_DOCS)

$(CRATE_DOCS): $(RUST) scripts/rustdoc.sh | $(STAMPS)/rust
	RUSTC_WORKSPACE_WRAPPER=$(CURDIR)/scripts/rustdoc.sh cargo rustc --release --locked --lib --crate-type rlib --features cli
	@touch -c $@

fuzz: $(STAMPS)/cargo-fuzz $(WASM)
	for target in $(FUZZ_TARGETS); do \
	  echo "== $$target"; \
	  mkdir -p target/fuzz/corpus/$$target; \
	  RUSTUP_TOOLCHAIN=nightly target/tools/bin/cargo-fuzz fuzz run --fuzz-dir tests/fuzz --target-dir target/fuzz $$target \
	    target/fuzz/corpus/$$target tests/fuzz/corpus/$$target -- -max_total_time=$(FUZZ_SECONDS) -timeout=20 -rss_limit_mb=4096 -print_final_stats=1; \
	done
	node tests/fuzz/boundary.mjs $(FUZZ_SECONDS)

# Once by the plain loops, once by the instructions that Miri knows.
miri: $(STAMPS)/nightly
	for features in '' '-C target-feature=+avx2,+fma'; do \
	  RUSTFLAGS="$$features" cargo +nightly miri test --manifest-path tests/miri/Cargo.toml --target-dir target/miri; \
	done

audit: $(STAMPS)/cargo-deny
	PATH="$(CURDIR)/target/tools/bin:$$PATH" scripts/audit.sh

reproducible: $(WASM)
	scripts/reproduce.sh

# --- tools ---

$(STAMPS)/%: | $(STAMPS)
$(STAMPS):
	@mkdir -p $@

$(STAMPS)/rust: scripts/require.sh | $(STAMPS)
	@scripts/require.sh rust
	@touch $@

$(STAMPS)/node: scripts/require.sh | $(STAMPS)
	@scripts/require.sh node
	@touch $@

$(STAMPS)/chromium: scripts/require.sh | $(STAMPS)
	@scripts/require.sh chromium
	@touch $@

$(STAMPS)/firefox: scripts/require.sh | $(STAMPS)
	@scripts/require.sh firefox
	@touch $@

$(STAMPS)/webkit: scripts/require.sh | $(STAMPS)
	@scripts/require.sh webkit
	@touch $@

$(STAMPS)/lavapipe: scripts/require.sh | $(STAMPS)/rust
	@scripts/require.sh lavapipe
	@touch $@

$(STAMPS)/nightly: scripts/require.sh | $(STAMPS)
	@scripts/require.sh nightly
	@touch $@

$(STAMPS)/cargo-fuzz: $(STAMPS)/nightly
	cargo install --locked --root target/tools cargo-fuzz --version 0.13.2
	@touch $@

$(STAMPS)/cargo-deny: scripts/require.sh | $(STAMPS)
	@scripts/require.sh rust
	cargo install --locked --root target/tools cargo-deny --version 0.20.2
	@touch $@

# npm ci reads the lock file only, and runs no package's install script.
$(STAMPS)/npm-%: | $(STAMPS)
	@scripts/require.sh node
	cd $(FOLDER) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
$(STAMPS)/npm-pkg: FOLDER := pkg
$(STAMPS)/npm-pkg: pkg/package-lock.json
$(STAMPS)/npm-www: FOLDER := www
$(STAMPS)/npm-www: www/package-lock.json
$(STAMPS)/npm-backends: FOLDER := examples/backends
$(STAMPS)/npm-backends: examples/backends/package-lock.json
$(STAMPS)/npm-candidates: FOLDER := tests/candidates
$(STAMPS)/npm-candidates: tests/candidates/package-lock.json
$(STAMPS)/npm-adapters: FOLDER := tests/adapters
$(STAMPS)/npm-adapters: tests/adapters/package-lock.json
$(STAMPS)/npm-runtimes: FOLDER := tests/bundlers/runtimes
$(STAMPS)/npm-runtimes: tests/bundlers/runtimes/package-lock.json
$(STAMPS)/npm-web: FOLDER := tests/web
$(STAMPS)/npm-web: tests/web/package-lock.json
$(STAMPS)/npm-docs: FOLDER := docs
$(STAMPS)/npm-docs: docs/package-lock.json
$(STAMPS)/npm-bench: FOLDER := benches/browser
$(STAMPS)/npm-bench: benches/browser/package-lock.json

# --- what is built ---

$(MINILM): scripts/fetch-model.sh
	@scripts/require.sh python
	scripts/fetch-model.sh
	@touch $@

$(CLI): $(RUST) | $(STAMPS)/rust
	cargo build --release --locked --features cli
	@touch $@

$(WASM): $(RUST) $(BINDGEN) scripts/build-wasm.sh scripts/small.toml $(STAMPS)/npm-pkg | $(STAMPS)/rust
	scripts/build-wasm.sh

$(TARBALL): $(WASM) $(PKG) $(STAMPS)/npm-pkg
	cd pkg && npm run --silent build && npm pack --silent --ignore-scripts
	@touch $@

# The demo takes the package as any user would: from its tarball.
$(STAMPS)/www-package: $(TARBALL) $(STAMPS)/npm-www
	cd www && npm install --no-save --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error ../$(TARBALL)
	@touch $@

$(STAMPS)/www-data: $(CLI) $(MINILM) www/scripts/prepare-data.mjs $(wildcard $(CORPUS)/*) $(STAMPS)/npm-www
	cd www && node scripts/prepare-data.mjs --tabrank ../$(CLI) --model ../$(dir $(MINILM)) --corpus ../$(CORPUS) --out public/data
	@touch $@

$(STAMPS)/site: $(STAMPS)/www-package $(STAMPS)/www-data $(WWW)
	cd www && npm run --silent build
	@touch $@

$(STAMPS)/docs-package: $(TARBALL) $(STAMPS)/npm-docs
	cd docs && npm install --no-save --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error ../$(TARBALL)
	@touch $@

# What of the pages is made: the reference, and the model that reranks what the search finds.
$(STAMPS)/docs-parts: $(STAMPS)/docs-package $(CLI) $(MINILM) $(wildcard docs/scripts/*)
	cd docs && npm run --silent generate -- --tabrank ../$(CLI)
	rm -rf docs/public/models
	mkdir -p docs/public/models
	$(CLI) convert $(dir $(MINILM)) --dtype q8 -o docs/public/models/all-MiniLM-L6-v2-q8
	@touch $@

# The examples take the package from its tarball, and the corpus with a vector for each paragraph.
$(STAMPS)/backends: $(TARBALL) $(STAMPS)/npm-backends target/backends/documents.safetensors
	rm -rf examples/backends/node_modules/tabrank && mkdir examples/backends/node_modules/tabrank
	tar -xzf $(TARBALL) -C examples/backends/node_modules/tabrank --strip-components=1
	@touch $@

target/backends/documents.safetensors: $(CLI) $(MINILM) $(CORPUS)/corpus.jsonl
	@mkdir -p $(@D)
	cp $(CORPUS)/corpus.jsonl $(@D)/documents.jsonl
	$(CLI) encode --model $(dir $(MINILM)) --pooling mean -o $@ < $(@D)/documents.jsonl

$(STAMPS)/chroma: examples/backends/requirements.txt | $(STAMPS)
	@scripts/require.sh python
	python3 -m venv target/backends/python
	target/backends/python/bin/pip install --quiet --requirement $<
	@touch $@

$(STAMPS)/bench-tools: $(STAMPS)/npm-bench $(STAMPS)/chromium benches/browser/requirements.txt
	@scripts/require.sh python
	python3 -m venv target/bench/python
	target/bench/python/bin/pip install --quiet --requirement benches/browser/requirements.txt
	@touch $@

$(STAMPS)/bench-models: $(STAMPS)/bench-tools $(MINILM) $(wildcard benches/browser/random_*.py)
	target/bench/python/bin/python benches/browser/random_checkpoint.py --tokenizer $(dir $(MINILM)) --out target/bench/models
	target/bench/python/bin/python benches/browser/random_page_checkpoint.py --tokenizer $(dir $(MINILM)) --out target/bench/page-models
	@touch $@

$(STAMPS)/bench-onnx: $(STAMPS)/bench-models $(wildcard benches/browser/export_*.py)
	for model in $(dir $(MINILM)) target/bench/models/*; do \
	  target/bench/python/bin/python benches/browser/export_onnx.py --model $$model --out target/bench/onnx; \
	done
	target/bench/python/bin/python benches/browser/export_maxsim.py --out target/bench/onnx/maxsim
	target/bench/python/bin/python benches/browser/export_page_onnx.py --model target/bench/page-models/colmodernvbert --out target/bench/onnx
	@touch $@

$(STAMPS)/bench-bundles: $(CLI) $(STAMPS)/bench-models
	rm -rf target/bench/bundles
	for model in $(dir $(MINILM)) target/bench/models/*; do \
	  name=$$(basename $$model); \
	  mkdir -p target/bench/bundles/$$name; \
	  for dtype in q8 q4; do $(CLI) convert $$model --dtype $$dtype -o target/bench/bundles/$$name/$$dtype; done; \
	done
	mkdir -p target/bench/bundles/colmodernvbert
	$(CLI) convert target/bench/page-models/colmodernvbert --dtype q8 -o target/bench/bundles/colmodernvbert/q8
	@touch $@

$(STAMPS)/reference: tests/reference/requirements.txt | $(STAMPS)
	@scripts/require.sh python
	python3 -m venv target/reference/st
	target/reference/st/bin/pip install --quiet --requirement $<
	@touch $@

$(STAMPS)/spark: examples/spark/requirements.txt | $(STAMPS)
	@scripts/require.sh java
	@scripts/require.sh python
	python3 -m venv target/spark
	target/spark/bin/pip install --quiet --requirement $<
	@touch $@

# --- checks, cheapest first ---

LINT := RUSTC_WORKSPACE_WRAPPER=$(CURDIR)/scripts/clippy.sh cargo
LINT_LIB := rustc --release --locked --lib --crate-type rlib

# The last builds what no other target needs, so it checks the dependencies; the others take those of the build.
lint: | $(STAMPS)/rust
	cargo fmt --check
	cargo fmt --check --manifest-path scripts/bindgen/Cargo.toml
	$(LINT) build --release --locked --all-targets --features cli
	$(LINT) $(LINT_LIB) --features cli
	$(LINT) $(LINT_LIB) --target wasm32-unknown-unknown --config scripts/small.toml
	$(LINT) $(LINT_LIB) --target wasm32-unknown-unknown --features relaxed-simd --config scripts/small.toml
	$(LINT) $(LINT_LIB) --target wasm32-unknown-unknown --target-dir target/webgpu --features gpu
	cargo clippy --release --locked --lib -- -D warnings

test-rust: $(MINILM) | $(STAMPS)/rust
	cargo test --release --locked --features cli

test-pkg: $(TARBALL) $(CLI)
	cd pkg && npm run --silent typecheck && npm test --silent && npm run --silent lint:package

test-backends: site $(STAMPS)/backends $(STAMPS)/chroma $(STAMPS)/npm-web $(STAMPS)/chromium
	node --test --test-concurrency=1 --test-reporter=spec tests/backends/*.test.mjs

test-candidates: $(TARBALL) $(STAMPS)/npm-candidates
	rm -rf tests/candidates/node_modules/tabrank && mkdir tests/candidates/node_modules/tabrank
	tar -xzf $(TARBALL) -C tests/candidates/node_modules/tabrank --strip-components=1
	cd tests/candidates && npm run --silent check && npm test --silent

test-adapters: $(TARBALL) $(STAMPS)/npm-adapters
	rm -rf tests/adapters/node_modules/tabrank && mkdir tests/adapters/node_modules/tabrank
	tar -xzf $(TARBALL) -C tests/adapters/node_modules/tabrank --strip-components=1
	cd tests/adapters && npm run --silent check && npm test --silent

test-www: $(STAMPS)/www-package
	cd www && npm run --silent check && npm test --silent

test-docs: docs
	cd docs && npm test --silent

test-web: site docs $(STAMPS)/npm-web $(STAMPS)/chromium $(STAMPS)/firefox $(STAMPS)/webkit
	cd tests/web && npm test --silent

test-long: site $(STAMPS)/npm-web $(STAMPS)/chromium
	cd tests/web && npm run --silent test:long

test-engines: site $(STAMPS)/npm-web $(STAMPS)/firefox $(STAMPS)/webkit
	cd tests/web && npm run --silent test:engines

clean:
	rm -rf target pkg/wasm pkg/dist pkg/*.tgz www/dist www/public/data www/public/models docs/.vitepress/dist docs/.vitepress/cache docs/public/models docs/reference/api docs/reference/cli.md docs/reference/package.md
