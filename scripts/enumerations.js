// Generates the kernels' headers from packages/backend-common/src/enumerations.ts: npm run enumerations
import { writeFileSync } from 'node:fs';
import { enumerationsHeader } from '../packages/backend-common/dist/enumerations_header.js';

for (const folder of ['cuda', 'metal']) {
  writeFileSync(new URL(`../kernels/${folder}/common/enumerations.h`, import.meta.url), enumerationsHeader());
}
