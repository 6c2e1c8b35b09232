import type { Command } from 'commander';
import { print, type Shell } from '../console.ts';

export function check(program: Command, shell: Shell) {
  program
    .command('check')
    .description('list what is unsafe in the present configuration, and fail where it is an error')
    .action(async () => {
      const { checkDeployment } = await import('../checks/index.ts');
      const findings = await checkDeployment(shell.env);
      for (const { level, setting, message, remedy } of findings) {
        print(shell, `${level.padEnd(7)} ${setting}: ${message} Remedy: ${remedy}`);
      }
      if (findings.length === 0) print(shell, 'No problems found.');
      if (findings.some(({ level }) => level === 'error')) shell.exitCode = 1;
    });
}
