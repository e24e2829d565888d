// Breaks kernels, ops and the engine in a copy of the repository, one place at a time, and runs the tests that must
// notice. Prints the faults that no test caught, and fails if there are any.
//
//   node scripts/mutation/run.js                       faults in TypeScript and in shaders: about ten minutes
//   node scripts/mutation/run.js --cuda                those in CUDA kernels too, each of which is compiled
//   node scripts/mutation/run.js --only attention      those whose file name contains this
//   node scripts/mutation/run.js --minutes 20          begins none after so many minutes
//   node scripts/mutation/run.js --list                prints them, and checks that their places are there
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { MUTANTS } from './mutants.js';

const root = path.dirname(path.dirname(import.meta.dirname));
const { values: options } = parseArgs({
  options: {
    cuda: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    minutes: { type: 'string', default: '60' },
  },
});

const describe = ({ file, from, to }) =>
  `${file}: ${JSON.stringify(from.trim())} -> ${JSON.stringify(to.trim())}`;

function checkPlaces() {
  for (const { file, from } of MUTANTS) {
    const count = readFileSync(path.join(root, file), 'utf8').split(from).length - 1;
    if (count !== 1)
      throw new Error(`${file}: expected ${JSON.stringify(from)} once, found it ${count} times`);
  }
}

/** Copies what git tracks, and the addons that were built for tests. */
function copyRepository() {
  const copy = mkdtempSync(path.join(tmpdir(), 'attention-js-mutation-'));
  const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
  });
  for (const file of files.toString().split('\0').filter(Boolean)) {
    if (existsSync(path.join(root, file))) cpSync(path.join(root, file), path.join(copy, file));
  }
  symlinkSync(path.join(root, 'node_modules'), path.join(copy, 'node_modules'));
  for (const addon of ['backend-metal/build', 'backend-cuda/build/emulator']) {
    const built = path.join(root, 'packages', addon);
    if (existsSync(built)) cpSync(built, path.join(copy, 'packages', addon), { recursive: true });
  }
  return copy;
}

const passing = new Set();

/** Checks that the tests pass without the fault; tests that always fail would seem to catch anything. */
function checkUnbroken(copy, mutant) {
  const { tests, on, checked } = mutant;
  const key = JSON.stringify([tests, on, checked]);
  if (!passing.has(key) && !testsPass(copy, mutant))
    throw new Error(`${tests.join(', ')}: failed without a fault`);
  passing.add(key);
}

/** Whether the tests of a mutant pass in `copy`. */
function testsPass(copy, { tests, on = 'cpu', checked = false }) {
  const env = {
    ...process.env,
    ATTENTION_TEST_BACKENDS: on === 'cpu' ? 'cpu' : `cpu,${on}`,
    ATTENTION_FUZZ_CASES: '400',
  };
  if (checked) env[`ATTENTION_${on.toUpperCase()}_CHECKED`] = '1';
  const flags = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
  const args = [...flags, 'node_modules/jest/bin/jest.js', ...tests, '--ci', '--maxWorkers=1', '--bail'];
  const { status, stderr } = spawnSync(process.execPath, args, {
    cwd: copy,
    env,
    encoding: 'utf8',
    timeout: 600_000,
  });
  if (/No tests found/.test(stderr)) throw new Error(`no tests in ${tests.join(', ')}`);
  return status === 0;
}

function buildCuda(copy) {
  const args = ['packages/backend-cuda/scripts/build.js', '--emulator'];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: copy, encoding: 'utf8' });
  if (status !== 0) throw new Error(`the CUDA addon does not compile:\n${stdout}${stderr}`);
}

function isCaught(copy, mutant) {
  checkUnbroken(copy, mutant);
  const file = path.join(copy, mutant.file);
  const source = readFileSync(file, 'utf8');
  writeFileSync(
    file,
    source.replace(mutant.from, () => mutant.to),
  );
  try {
    if (mutant.on === 'cuda') buildCuda(copy);
    return !testsPass(copy, mutant);
  } finally {
    writeFileSync(file, source);
  }
}

checkPlaces();
const chosen = MUTANTS.filter(
  ({ file, on }) => file.includes(options.only) && (options.cuda || on !== 'cuda'),
);
if (options.list) {
  for (const mutant of chosen) console.log(describe(mutant));
} else {
  const copy = copyRepository();
  const deadline = Date.now() + Number(options.minutes) * 60_000;
  const survivors = [];
  let tried = 0;
  try {
    if (options.cuda) {
      rmSync(path.join(copy, 'packages/backend-cuda/build'), { recursive: true, force: true });
      buildCuda(copy); // a full build, so that each fault recompiles only one kernel
    }
    for (const mutant of chosen) {
      if (Date.now() > deadline) break;
      tried++;
      const caught = isCaught(copy, mutant);
      console.log(`${caught ? 'caught  ' : 'SURVIVED'} ${describe(mutant)}`);
      if (!caught) survivors.push(mutant);
    }
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
  console.log(`${tried} of ${chosen.length} faults tried, ${survivors.length} survived`);
  process.exitCode = survivors.length > 0 ? 1 : 0;
}
