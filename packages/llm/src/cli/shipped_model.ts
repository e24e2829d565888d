import { fileURLToPath } from 'node:url';

/** The folder of the small model that comes with this package. */
export const SHIPPED_MODEL = fileURLToPath(new URL('../../model', import.meta.url));
