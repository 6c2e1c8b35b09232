import { ConfigError, loadConfig } from '../config.ts';
import { checkDatabase } from './database.ts';
import { FILE_CHECKS } from './files.ts';
import { type Check, type Finding, findingsOf } from './finding.ts';
import { SECRET_CHECKS } from './secrets.ts';
import { SETTING_CHECKS } from './settings.ts';

/** Every check; a new one is a function more in one of these tables. */
const CHECKS: Check[] = [...SECRET_CHECKS, ...FILE_CHECKS, ...SETTING_CHECKS, checkDatabase];

/** What is unsafe as the service is configured here, errors first. It makes and changes nothing. */
export async function checkDeployment(env: NodeJS.ProcessEnv): Promise<Finding[]> {
  const findings: Finding[] = [];
  try {
    const config = loadConfig(env);
    for (const check of CHECKS) for await (const finding of check(config)) findings.push(finding);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    findings.push(...findingsOf(error));
  }
  return (['error', 'warning'] as const).flatMap((wanted) => findings.filter(({ level }) => level === wanted));
}
