import ipaddr from 'ipaddr.js';

/** Whether a host is this machine itself; of a name only `localhost` is taken for it. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  if (ipaddr.isValid(bare)) return ipaddr.process(bare).range() === 'loopback';
  return /^(.+\.)?localhost$/i.test(bare);
}
