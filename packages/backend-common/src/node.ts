// The Node-only parts of a backend. Importing this module initializes flags from environment variables of the same
// names.
import { setEnvironment } from './environment.ts';

setEnvironment(process.env);

export { loadAddon } from './load_addon.ts';
export type { AddonCandidate } from './load_addon.ts';
