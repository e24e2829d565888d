import { fileURLToPath } from 'node:url';

/** Folder of the small model that comes with this package. */
export const SHIPPED_MODEL = fileURLToPath(new URL('../../model', import.meta.url));
