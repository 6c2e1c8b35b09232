import { runCommand } from './commands/index.ts';

await runCommand(process.argv.slice(2), process);
// What failed may have left something open.
if (process.exitCode) process.exit();
