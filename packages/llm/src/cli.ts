import { main } from './cli/main.ts';
import { endQuietly } from './cli/end_quietly.ts';

endQuietly(process);
process.exitCode = await main(process.argv.slice(2));
