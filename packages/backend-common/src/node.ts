// What a backend needs in Node: importing it makes flags begin with the environment variables of their names.
import { setEnvironment } from './environment.ts';

setEnvironment(process.env);

export { loadAddon } from './load_addon.ts';
export type { AddonCandidate } from './load_addon.ts';
