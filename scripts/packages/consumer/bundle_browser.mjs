// A backend for browsers is made of this: it must bundle without anything of Node's.
import * as common from '@attention-js/backend-common';

globalThis.exported = Object.keys(common);
