import { execFileSync } from 'node:child_process';
import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { loadModel } from './models/index.ts';
import { expectRejection } from './testing/expect_rejection.ts';
import { inTemporaryFolder } from './testing/temporary_folder.ts';
import { tinyFolder } from './testing/tiny_folder.ts';
import { Tokenizer } from './tokenizer/index.ts';

/** Puts `make` in place of a file of a folder, and loads it. */
function expectRefusal(file: string, make: (path: string) => Promise<unknown>): Promise<void> {
  const { [file]: _, ...rest } = tinyFolder();
  return inTemporaryFolder(rest, async (directory) => {
    await make(join(directory, file));
    const loading = file.startsWith('token') ? Tokenizer.load(directory) : loadModel(directory);
    await expectRejection(
      loading,
      'ERR_RANGE',
      `${file}: expected a file that can be read, received a pipe or a device`,
    );
  });
}

const describeOnUnix = process.platform === 'win32' ? describe.skip : describe;

describeOnUnix.each(['config.json', 'tokenizer.json', 'tokenizer_config.json', 'model.safetensors'])(
  '%s',
  (file) => {
    test('must not be a pipe, which may never be written to', async () => {
      await expectRefusal(file, (path) => Promise.resolve(execFileSync('mkfifo', [path])));
    });

    test('must not be a device without an end', async () => {
      await expectRefusal(file, (path) => symlink('/dev/zero', path));
    });
  },
);

test('deeply nested JSON is refused at once', async () => {
  for (const [file, load] of [
    ['config.json', loadModel],
    ['tokenizer.json', (directory: string) => Tokenizer.load(directory)],
  ] as const) {
    await inTemporaryFolder(tinyFolder(), async (directory) => {
      await writeFile(join(directory, file), '['.repeat(15_000_000));
      const begin = performance.now();
      await expectRejection(load(directory), 'ERR_DTYPE', `${file}: expected JSON, received more than 128`);
      expect(performance.now() - begin).toBeLessThan(5000);
    });
  }
});
