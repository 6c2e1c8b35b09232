import ipaddr from 'ipaddr.js';
import type { Config } from '../config.ts';
import { type Check, error, type Finding, warning } from './finding.ts';
import { isLoopback } from './hosts.ts';

const HOUR = 3600;
const MONTH = 30 * 24 * HOUR;

/** What single settings leave open. */
export const SETTING_CHECKS: Check[] = [
  function* trustProxy({ TRUST_PROXY: blocks }: Config): Generator<Finding> {
    for (const block of blocks.filter(isTooWide)) {
      yield error(
        'TRUST_PROXY',
        `${block} takes in a good part of the internet, from where anyone may then pass for any address.`,
        'Name the addresses of your proxies and no more.',
      );
    }
  },

  function* host({ HOST, TRUST_PROXY }: Config): Generator<Finding> {
    if (isLoopback(HOST) || TRUST_PROXY.length > 0) return;
    yield warning(
      'HOST',
      `The service listens on ${HOST} and has no TLS itself: passwords and tokens would travel in the clear.`,
      'Put a proxy with TLS before it and name that in TRUST_PROXY, or listen on 127.0.0.1.',
    );
  },

  function* corsOrigins({ CORS_ORIGINS: origins }: Config): Generator<Finding> {
    for (const origin of origins) {
      const { protocol, hostname } = new URL(origin);
      if (protocol === 'https:' || isLoopback(hostname)) continue;
      yield warning(
        'CORS_ORIGINS',
        `Whoever is on the way can change the pages of ${origin}, and what they do here.`,
        'Serve them by https, and name that origin.',
      );
    }
  },

  function* loginThrottle({ LOGIN_THROTTLE }: Config): Generator<Finding> {
    if (LOGIN_THROTTLE === 'on') return;
    yield warning(
      'LOGIN_THROTTLE',
      'Passwords may be tried without limit.',
      'Set it to on, unless something before the service limits logins.',
    );
  },

  function* registration({ REGISTRATION }: Config): Generator<Finding> {
    if (REGISTRATION === 'closed') return;
    yield warning('REGISTRATION', 'Anyone may make an account.', 'Set it to closed, unless that is meant.');
  },

  function* accessTtl({ JWT_ACCESS_TTL: seconds }: Config): Generator<Finding> {
    if (seconds <= HOUR) return;
    yield warning(
      'JWT_ACCESS_TTL',
      `An access token that is stolen is good for ${seconds} s.`,
      `Set it to ${HOUR} or less; a client gets a new one by its refresh token.`,
    );
  },

  function* refreshTtl({ JWT_REFRESH_TTL: seconds, JWT_ROTATE_REFRESH_TOKENS }: Config): Generator<Finding> {
    if (seconds <= MONTH || JWT_ROTATE_REFRESH_TOKENS) return;
    yield warning(
      'JWT_REFRESH_TTL',
      `A refresh token that is stolen is good for ${seconds} s, and its use shows nowhere.`,
      `Set it to ${MONTH} or less, or set JWT_ROTATE_REFRESH_TOKENS to true.`,
    );
  },

  function* logLevel({ LOG_LEVEL }: Config): Generator<Finding> {
    if (['info', 'debug', 'trace'].includes(LOG_LEVEL)) return;
    yield warning('LOG_LEVEL', 'Security events, such as failed logins, are logged at info.', 'Set it to info.');
  },
];

const PRIVATE = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  'fc00::/7',
  'fe80::/10',
].map((block) => ipaddr.parseCIDR(block));

// Prefixes that not even the largest networks of proxies fall short of.
const LEAST_PREFIX = { ipv4: 9, ipv6: 20 };

/** Whether a block has more addresses than one's own proxies can have. */
function isTooWide(block: string): boolean {
  const [address = '', length] = block.split('/');
  const given = ipaddr.parse(address);
  const isMapped = given instanceof ipaddr.IPv6 && given.isIPv4MappedAddress();
  const network = isMapped ? given.toIPv4Address() : given;
  const kind = network.kind();
  if (length === undefined) return false;
  const prefix = Math.max(0, Number(length) - (isMapped ? 96 : 0));
  const isPrivate = PRIVATE.some(
    ([range, least]) => range.kind() === kind && prefix >= least && network.match(range, least),
  );
  return !isPrivate && prefix < LEAST_PREFIX[kind];
}
