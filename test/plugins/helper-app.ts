import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import Fastify, { type FastifyInstance, type FastifyPluginAsync, type FastifyPluginCallback } from 'fastify';
import { configure, makeDatabase, SECRET_KEY, send, type TestApp } from '../helper.ts';

type Plugin = FastifyPluginAsync | FastifyPluginCallback;

export interface PluginApp extends TestApp {
  /** every line of the log, parsed */
  // biome-ignore lint/suspicious/noExplicitAny: the tests know what they asked for
  logs: any[];
}

/** A clean Fastify with these plugins and routes and nothing else, listening; closed after the test. */
export async function serve(
  t: Pick<TestContext, 'after'>,
  plugins: Plugin[],
  routes: (app: FastifyInstance) => void = () => {},
  settings: Record<string, string> = {},
): Promise<PluginApp> {
  const logs: PluginApp['logs'] = [];
  const app: FastifyInstance = Fastify({
    logger: { level: 'info', stream: { write: (line: string) => logs.push(JSON.parse(line)) } },
    routerOptions: { ignoreTrailingSlash: true },
  });
  app.decorate('config', { ...configure({ ...(await makeDatabase(t)), ...settings }), SECRET_KEY });
  for (const plugin of plugins) app.register(plugin);
  app.register(async (instance) => routes(instance));
  t.after(() => app.close());
  await app.listen({ host: '127.0.0.1', port: 0 });
  const origin = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
  return { app, origin, logs, send: (method, path, options) => send(origin, method, path, options) };
}
