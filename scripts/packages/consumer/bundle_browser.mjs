// Backends for browsers build on this package, so it must bundle without Node's modules.
import * as common from '@attention-js/backend-common';

globalThis.exported = Object.keys(common);
