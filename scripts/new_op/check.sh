#!/usr/bin/env bash
# Tries `npm run new-op` on a copy of core: what it makes compiles, is clean, and its test fails in the expected places.
# Then follows docs/adding-an-op.md: the op that the page writes compiles, is clean and passes.
set -euo pipefail
cd "$(dirname "$0")/../.."

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
mkdir -p "$copy/packages/core" "$copy/docs"
cp docs/adding-an-op.md "$copy/docs"
cp -R package.json jest.config.js tsconfig.base.json tsconfig.test.json .oxfmtrc.json .oxlintrc.json scripts "$copy"
cp -R packages/core/package.json packages/core/tsconfig.json packages/core/src "$copy/packages/core"
ln -s "$PWD/node_modules" "$copy/node_modules"
cd "$copy"

clean() {
  npx tsc -p packages/core
  npx tsc -p tsconfig.test.json
  npx oxfmt --check packages/core/src
  node -e '
    const index = require("node:fs").readFileSync("packages/core/src/ops/index.ts", "utf8");
    const files = [...index.matchAll(/from .\.\/(.*)\.ts/g)].map(([, file]) => file);
    if (files.join() !== files.toSorted().join()) throw new Error(`not in alphabetical order: ${files.join(" ")}`);
  '
  npx oxlint --type-aware --deny-warnings packages/core/src/ops/"$1"* packages/core/src/ops/index.ts
}

for stem in probe_of_the_script squared_relu; do
  node scripts/new_op/run.js "$stem"
  clean "$stem"

  results="$copy/$stem.json"
  if npm test -- "ops/$stem.test.ts" --json --outputFile "$results" 2>/dev/null >&2; then
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
done

for stem in rsqrt custom_grad; do
  if node scripts/new_op/run.js "$stem" 2>/dev/null; then
    echo "an op got the name of one of tfjs-core's"
    exit 1
  fi
done

node scripts/new_op/follow_docs.js
clean squared_relu
npm test -- ops/squared_relu.test.ts
if grep -rn TODO packages/core/src/ops/squared_relu*; then exit 1; fi
