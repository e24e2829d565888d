import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const emulator = path.join(root, 'emulator/cuda');
const cache = path.join(root, 'node_modules/.cache/attention-js/cuda');
const isBuilt = existsSync(new URL('../build/emulator/Release/attention_cuda.node', import.meta.url));
const [suite, note] = isBuilt ? [describe, ''] : [describe.skip, ' (left out: npm run build:native)'];

suite(`emulator/cuda${note}`, () => {
  test.each(['0', '1'])(
    'the emulator passes its own tests with ATTENTION_CUDA_CHECKED=%s',
    (checked) => {
      const tests = path.join(emulator, 'tests');
      const sources = readdirSync(tests).filter((file) => file.endsWith('.cc'));
      const { stdout, stderr } = spawnSync(
        path.join(emulator, 'run.sh'),
        sources.map((file) => path.join(tests, file)),
        {
          encoding: 'utf8',
          env: { ...process.env, ATTENTION_EMULATOR_BUILD: cache, ATTENTION_CUDA_CHECKED: checked },
        },
      );
      const lines = `${stdout}${stderr}`.split('\n').filter((line) => line !== '');
      expect(lines.filter((line) => line.startsWith('FAIL'))).toEqual([]);
      expect(lines.at(-1)).toMatch(/^\d{4} passed, 0 failed$/);
    },
    300_000,
  );
});
