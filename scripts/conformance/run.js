// Runs tfjs-core's own test suite, which its npm package contains, on one tfjs backend with our packages loaded.
//
//   npm run test:conformance -- --backend cpu
//
// A backend other than cpu is registered by its package, @attention-js/backend-NAME.
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import Jasmine from 'jasmine';

/**
 * The number of specs that must run, so that a bundle that lost some fails. Two of them exist only for the name `cpu`.
 */
const specsOn = (backend) => (backend === 'cpu' ? 4232 : 4230);
/** The number of specs that tfjs-core itself disables. */
const PENDING = 5;

const { backend } = parseArgs({ options: { backend: { type: 'string', default: 'cpu' } } }).values;
process.env.ATTENTION_METAL_EMULATOR ??= '1'; // except on Macs, `metal` runs shaders on the CPU
if (!existsSync('/dev/nvidiactl')) process.env.ATTENTION_CUDA_EMULATOR ??= '1'; // without a GPU, `cuda` runs its kernels on the CPU
const root = fileURLToPath(new URL('../..', import.meta.url));

/** Tests the chained methods of @attention-js/core instead of tfjs-core's. */
const ourChainedMethods = {
  name: 'our-chained-methods',
  setup({ onLoad }) {
    onLoad({ filter: /tfjs-core[\\/]dist[\\/]public[\\/]chained_ops[\\/]/ }, ({ path }) =>
      path.endsWith('_test.js') ? undefined : { contents: '' },
    );
  },
};

/** Lets packages that look for files beside their own, such as addons, find them from inside the bundle. */
const originalUrls = {
  name: 'original-urls',
  setup({ onLoad }) {
    onLoad({ filter: /packages[\\/][^\\/]+[\\/]dist[\\/].*\.js$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8');
      return { contents: source.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(path).href)) };
    });
  },
};

async function bundle() {
  const packages = ['@attention-js/core/tf', '@attention-js/llm'];
  if (backend !== 'cpu') packages.push(`@attention-js/backend-${backend}`);
  const imports = [
    ...packages,
    '@tensorflow/tfjs-core/dist/register_all_gradients',
    './environment.js',
    '@tensorflow/tfjs-core/dist/tests',
  ];
  const outfile = `${root}node_modules/.cache/attention-js/conformance_${backend}.mjs`;
  await build({
    stdin: {
      contents: imports.map((name) => `import '${name}';`).join('\n'),
      resolveDir: fileURLToPath(new URL('.', import.meta.url)),
    },
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    mainFields: ['module', 'main'], // a single copy of tfjs-core for the suites, the backends and our packages
    ignoreAnnotations: true, // tfjs-core's sideEffects does not list its suites, so they would be dropped silently
    external: ['jasmine', 'jasmine-core', '*.node'],
    define: { CONFORMANCE_BACKEND: JSON.stringify(backend) },
    plugins: [ourChainedMethods, originalUrls],
    banner: {
      js: "import { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);",
    },
    logLevel: 'error',
  });
  return outfile;
}

/** Counts results and prints failures. */
class Reporter {
  counts = { passed: 0, failed: 0, pending: 0, excluded: 0 };

  specDone(spec) {
    this.counts[spec.status]++;
    this.printFailures(spec);
  }

  suiteDone(suite) {
    this.printFailures(suite);
  }

  printFailures({ fullName, failedExpectations }) {
    for (const { message } of failedExpectations) console.error(`FAILED ${fullName}\n  ${message}`);
  }
}

const jasmine = new Jasmine();
const reporter = new Reporter();
jasmine.exitOnCompletion = false;
jasmine.randomizeTests(false);
jasmine.clearReporters();
jasmine.addReporter(reporter);
jasmine.addSpecFile(await bundle());

const { log, warn } = console;
Object.assign(console, { log() {}, warn() {} }); // the suites cause many warnings
const { overallStatus } = await jasmine.execute();
Object.assign(console, { log, warn });

const { passed, failed, pending, excluded } = reporter.counts;
const run = passed + failed + pending;
const complete = run === specsOn(backend) && pending === PENDING && excluded === 0;
console.log(`tfjs-core on ${backend}: ${run} specs, ${passed} passed, ${failed} failed, ${pending} pending`);
if (!complete) console.error(`expected ${specsOn(backend)} specs, ${PENDING} of them pending`);
process.exit(complete && overallStatus === 'passed' ? 0 : 1);
