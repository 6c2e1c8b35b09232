import type { Config, ConfigError } from '../config.ts';

/** Something that is unsafe, or wrong, as the service is configured. No part of it may show a secret. */
export interface Finding {
  level: 'error' | 'warning';
  /** the setting, or what else it is about */
  setting: string;
  message: string;
  remedy: string;
}

/** Yields what it finds, and makes and changes nothing. */
export type Check = (config: Config) => Iterable<Finding> | AsyncIterable<Finding>;

/** What lets somebody in, or keeps the service from working. */
export function error(setting: string, message: string, remedy: string): Finding {
  return { level: 'error', setting, message, remedy };
}

/** What may be meant so, and is worth a thought. */
export function warning(setting: string, message: string, remedy: string): Finding {
  return { level: 'warning', setting, message, remedy };
}

/** What a ConfigError says; each of its lines begins with a setting. */
export function findingsOf({ message }: ConfigError): Finding[] {
  return message.split('\n').map((line) => {
    const [, setting = '', fault = ''] = /^(\S*?):? (.*?)\.?$/.exec(line) ?? [];
    return error(setting, `${fault}.`, 'Correct it; the README says what it takes.');
  });
}
