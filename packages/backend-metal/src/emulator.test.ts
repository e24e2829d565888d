import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { buildEmulatorTest, emulatorFolder, runEmulatorTest } from './testing/emulator_test.ts';

const objects = new URL('../build/emulator_device.cc.o', import.meta.url);
const [suite, note] = existsSync(objects)
  ? [describe, '']
  : [describe.skip, ' (left out: on Linux, npm run build:native)'];

suite(`native/metal${note}`, () => {
  test('the emulator passes its own tests', () => {
    const lines = runEmulatorTest(buildEmulatorTest());
    expect(lines.filter((line) => line.startsWith('FAIL'))).toEqual([]);
    expect(lines.at(-1)).toMatch(/^\d\d+ passed, 0 failed$/);
  }, 300_000);

  test('device.mm agrees with the declarations of Metal.framework', () => {
    const { status, stderr } = spawnSync(path.join(emulatorFolder, '../apple/check.sh'), {
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});
