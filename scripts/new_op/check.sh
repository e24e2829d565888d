#!/usr/bin/env bash
# Tries `npm run new-op` on a copy of core and of the backends: the files must compile and lint cleanly, and their test must
# fail in the expected places. Then follows docs/adding-an-op.md: the page's op must compile, lint cleanly and pass on `cpu`,
# and its kernels must pass on emulated devices: for CUDA if clang is installed, for Metal if the addon is built.
set -euo pipefail
cd "$(dirname "$0")/../.."

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
mkdir -p "$copy/docs"
cp docs/adding-an-op.md "$copy/docs"
cp -R package.json jest.config.js tsconfig.base.json tsconfig.test.json .oxfmtrc.json .oxlintrc.json scripts "$copy"
for package in core backend-common backend-cuda backend-metal; do
  mkdir -p "$copy/packages/$package"
  cp -R packages/$package/package.json packages/$package/tsconfig.json packages/$package/src "$copy/packages/$package"
done
mkdir "$copy/kernels"
cp -R emulator "$copy"
cp -R kernels/cuda kernels/metal "$copy/kernels"
metal_addon="$PWD/packages/backend-metal/build"
if [ -f "$metal_addon/attention_metal.node" ]; then ln -s "$metal_addon" "$copy/packages/backend-metal/build"; fi
ln -s "$PWD/node_modules" "$copy/node_modules"
cd "$copy"

# Compiles the launcher of a CUDA kernel as C++ for the CPU.
compile_cuda() {
  clang++ -std=c++20 -fsyntax-only -Wall -Wextra -Werror -DATTENTION_CUDA_EMULATOR \
    -Iemulator/cuda/include -Iemulator/cuda -Iemulator/common -Ikernels/cuda -x c++ "$1"
}

clean() {
  npx tsc -p packages/core
  npx tsc -p tsconfig.test.json
  npx oxfmt --check packages/core/src packages/backend-cuda/src/ops packages/backend-metal/src/ops
  node -e '
    for (const name of ["core", "backend-cuda", "backend-metal"]) {
      const index = require("node:fs").readFileSync(`packages/${name}/src/ops/index.ts`, "utf8");
      const files = [...index.matchAll(/(?:from|import) .\.\/(.*)\.ts/g)].map(([, file]) => file);
      if (files.join() !== files.toSorted().join()) throw new Error(`not in alphabetical order: ${files.join(" ")}`);
    }
  '
  npx oxlint --type-aware --deny-warnings packages/core/src/ops/"$1"* packages/core/src/ops/index.ts
  for launcher in kernels/cuda/*/"$1.cu"; do
    if [ -f "$launcher" ]; then compile_cuda "$launcher"; fi
  done
}

for stem in probe_of_the_script squared_relu; do
  node scripts/new_op/run.js "$stem"
  clean "$stem"

  results="$copy/$stem.json"
  if ATTENTION_TEST_BACKENDS=cpu npm test -- "ops/$stem.test.ts" --json --outputFile "$results" 2>/dev/null >&2; then
    echo "the test of a stub passes"
    exit 1
  fi
  node -e '
    const { testResults: [{ assertionResults }] } = JSON.parse(require("node:fs").readFileSync(process.argv[1], "utf8"));
    const count = (status) => assertionResults.filter((result) => result.status === status).length;
    console.log(`${count("passed")} passed, as stubs check their inputs; ${count("failed")} failed`);
    const messages = assertionResults.flatMap((result) => result.failureMessages);
    const expected = messages.every((message) => message.includes("no cpu kernel yet"));
    process.exit(count("passed") === 1 && count("failed") === 5 && expected ? 0 : 1);
  ' "$results"
  if node scripts/new_op/run.js "$stem" 2>/dev/null; then
    echo "an op was overwritten"
    exit 1
  fi

  if command -v clang++ >/dev/null; then
    node scripts/new_op/run.js "$stem" --cuda
    clean "$stem"
  else
    echo "skipped, because clang is needed: stubs of a CUDA kernel"
  fi
  node scripts/new_op/run.js "$stem" --metal
  clean "$stem"
done
if node scripts/new_op/run.js op_that_core_lacks --cuda 2>/dev/null; then
  echo "an op that does not exist got a kernel"
  exit 1
fi

for stem in rsqrt custom_grad; do
  if node scripts/new_op/run.js "$stem" 2>/dev/null; then
    echo "an op got the name of one of tfjs-core's"
    exit 1
  fi
done

node scripts/new_op/follow_docs.js
clean squared_relu
backends=cpu
if [ -d packages/backend-metal/build ]; then
  backends=cpu,metal
else
  echo "skipped, because the addon is not built: a Metal kernel"
fi
ATTENTION_TEST_BACKENDS=$backends ATTENTION_METAL_EMULATOR=1 npm test -- ops/squared_relu.test.ts
if command -v clang++ >/dev/null; then
  emulator/cuda/run.sh scripts/new_op/squared_relu_test.cc
fi
if grep -rn TODO packages/*/src/ops/squared_relu* kernels/*/*/squared_relu*; then exit 1; fi
