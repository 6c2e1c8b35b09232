import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { build } from 'esbuild';

// After tsc, puts each package of src/vendor/ into one file. Read one by one, their 700 modules would take a third
// of the time to start, and 20 MB.
const DIRECTORY = 'dist/src/vendor';

// What CommonJS modules have in their scope, and need for Node's own modules.
const SCOPE = `
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
const require = createRequire(import.meta.url);
const directoryOf = (module) => dirname(require.resolve(module));`;

/** Has packages find the files that they read, or start as threads, where these are. */
const ownFiles = {
  name: 'own-files',
  setup({ onLoad }) {
    onLoad({ filter: /\/node_modules\/(@fastify\/swagger-ui|pino|thread-stream)\/.+\.js$/ }, async ({ path }) => {
      const module = path.slice(path.lastIndexOf('/node_modules/') + '/node_modules/'.length);
      const code = await readFile(path, 'utf8');
      return { contents: code.replaceAll('__dirname', `directoryOf('${module}')`) };
    });
  },
};

await build({
  entryPoints: readdirSync(DIRECTORY)
    .filter((name) => name.endsWith('.js'))
    .map((name) => `${DIRECTORY}/${name}`),
  outdir: DIRECTORY,
  allowOverwrite: true,
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  banner: { js: SCOPE },
  plugins: [ownFiles],
  minifyWhitespace: true,
  legalComments: 'inline',
  logLevel: 'warning',
});
