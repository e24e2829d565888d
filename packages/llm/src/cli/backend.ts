import { AttentionError } from '@attention-js/core';
import * as tf from '@attention-js/core/tf';

const GPU_BACKENDS = ['cuda', 'metal'];

/** The tfjs backend that was set. */
export interface ChosenBackend {
  name: string;
  /** Why installed GPU backends are not used. */
  notes: string[];
}

/**
 * Sets a tfjs backend: the requested one, else a GPU backend whose package is installed, else `cpu`.
 *
 * @throws AttentionError `ERR_ADDON_MISSING` if the requested backend is not installed, or the backend's own error if
 * it cannot be used.
 */
export async function setBackend(requested: string | undefined): Promise<ChosenBackend> {
  tf.enableProdMode(); // silences tfjs's advertisement of its node backend
  if (requested !== undefined) {
    const failure = await importBackend(requested);
    if (failure) throw failure;
    await activate(requested);
    return { name: requested, notes: [] };
  }
  const notes: string[] = [];
  for (const name of GPU_BACKENDS) {
    if (await importBackend(name)) continue;
    try {
      await activate(name);
      return { name, notes };
    } catch (error) {
      const [reason, ...details] = (error as Error).message.split('\n');
      const more = details.length > 0 ? ` (--backend ${name} says what fixes it)` : '';
      notes.push(`${name} cannot be used: ${reason}${more}`);
    }
  }
  await activate('cpu');
  return { name: 'cpu', notes };
}

/** Imports a backend's package unless the backend is registered already. Returns the error, if it fails. */
async function importBackend(name: string): Promise<AttentionError | undefined> {
  if (tf.findBackendFactory(name)) return undefined;
  try {
    await import(`@attention-js/backend-${name}`);
    return undefined;
  } catch (cause) {
    const message =
      `[setBackend] --backend: expected cpu or a backend whose package is installed, received "${name}" ` +
      `(@attention-js/backend-${name}: ${(cause as Error).message})`;
    return new AttentionError('ERR_ADDON_MISSING', message, { cause });
  }
}

async function activate(name: string): Promise<void> {
  if (!(await tf.setBackend(name))) {
    throw new AttentionError(
      'ERR_DEVICE',
      `[setBackend] expected backend ${name} to start, received a failure`,
    );
  }
}
