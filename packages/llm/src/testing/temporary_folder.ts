import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Runs `body` with a temporary folder that contains `files`, and removes the folder afterwards. */
export async function inTemporaryFolder<T>(
  files: Record<string, string | Uint8Array>,
  body: (directory: string) => Promise<T>,
): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'attention-llm-'));
  try {
    for (const [name, content] of Object.entries(files)) await writeFile(join(directory, name), content);
    return await body(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}
