import type { Command } from 'commander';

export function check(program: Command) {
  program
    .command('check')
    .description('list what is unsafe in the present configuration, and fail where it is an error')
    .action(async () => {
      const { checkDeployment } = await import('../checks/index.ts');
      const findings = await checkDeployment();
      for (const { level, setting, message, remedy } of findings) {
        console.log(`${level.padEnd(7)} ${setting}: ${message} Remedy: ${remedy}`);
      }
      if (findings.length === 0) console.log('No problems found.');
      if (findings.some(({ level }) => level === 'error')) process.exitCode = 1;
    });
}
