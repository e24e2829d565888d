import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../../', import.meta.url));
const tests = path.join(root, 'emulator/metal/tests');
const common = path.join(root, 'emulator/common');
const objects = path.join(root, 'packages/backend-metal/build');

/** The folder of the emulator's headers. */
export const emulatorFolder: string = path.dirname(tests);
/** The folder of compiled shaders. */
export const cacheFolder: string = path.join(root, 'node_modules/.cache/attention-js/metal');

const modified = (file: string): number => (existsSync(file) ? statSync(file).mtimeMs : 0);

/** Links emulator/metal/tests with the addon's objects; returns the path of the program. */
export function buildEmulatorTest(): string {
  const sources = readdirSync(tests)
    .filter((file) => /\.(cc|h)$/.test(file))
    .map((file) => path.join(tests, file));
  const linked = [emulatorFolder, common]
    .flatMap((folder) => readdirSync(folder))
    .filter((file) => file.endsWith('.cc') && file !== 'run_shader.cc')
    .map((file) => path.join(objects, `${file}.o`));
  const program = path.join(cacheFolder, 'emulator_test');
  if (modified(program) < Math.max(...[...sources, ...linked].map(modified))) {
    mkdirSync(cacheFolder, { recursive: true });
    const compiled = sources.filter((file) => file.endsWith('.cc'));
    const options = ['-std=c++20', '-Wall', '-Wextra', '-Werror', '-pthread'];
    execFileSync(process.env.CXX ?? 'clang++', [
      ...options,
      `-I${path.join(root, 'native/metal')}`,
      `-I${common}`,
      ...compiled,
      ...linked,
      '-ldl',
      '-o',
      `${program}.new`,
    ]);
    renameSync(`${program}.new`, program);
  }
  return program;
}

/** Runs the program and returns its lines of output. */
export function runEmulatorTest(program: string): string[] {
  const { stdout, stderr } = spawnSync(program, [cacheFolder, emulatorFolder], { encoding: 'utf8' });
  return `${stdout}${stderr}`.split('\n').filter((line) => line !== '');
}
