import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { buildEmulatorTest, runEmulatorTest } from './testing/emulator_test.ts';

const checkScript = fileURLToPath(new URL('../../../native/metal/apple/check.sh', import.meta.url));
const objects = new URL('../build/emulated_device.cc.o', import.meta.url);
const [suite, note] = existsSync(objects)
  ? [describe, '']
  : [describe.skip, ' (left out: on Linux, npm run build:native)'];

suite(`emulator/metal${note}`, () => {
  test('the emulator passes its own tests', () => {
    const lines = runEmulatorTest(buildEmulatorTest());
    expect(lines.filter((line) => line.startsWith('FAIL'))).toEqual([]);
    expect(lines.at(-1)).toMatch(/^\d\d+ passed, 0 failed$/);
  }, 300_000);

  test('device.mm agrees with the declarations of Metal.framework', () => {
    const { status, stderr } = spawnSync(checkScript, {
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});
