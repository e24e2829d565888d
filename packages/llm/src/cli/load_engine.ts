import { Engine } from '../engine/index.ts';
import { setBackend } from './backend.ts';
import { SHIPPED_MODEL } from './shipped_model.ts';
import type { Terminal } from './terminal.ts';

/** Sets the backend, prints its name, and loads a model. */
export async function loadEngine(
  { backend: requested, model = SHIPPED_MODEL }: { backend: string | undefined; model: string | undefined },
  terminal: Terminal,
): Promise<Engine> {
  const backend = await setBackend(requested);
  for (const note of backend.notes) terminal.info(`${note}\n`);
  terminal.info(`tfjs backend: ${backend.name}\n`);
  return Engine.load(model);
}
