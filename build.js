import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

// Builds the service into dist, file over file, as a running service may need what is there. With --check it
// only tells, by its exit code, whether dist is as the sources are.
const OUTPUT = 'dist';
const STAMP = join(OUTPUT, '.built');
const SOURCES = ['src', 'plugins', 'routes', 'prisma', 'test', 'benchmarks'];
const OTHERS = ['package.json', 'package-lock.json', 'tsconfig.json', 'prisma.config.ts', 'build.js'];

/** When the newest of some files and directories, and all that is in them, was changed. */
function changedAt(...paths) {
  return Math.max(
    ...paths.map((path) => {
      const stat = statSync(path);
      const inside = stat.isDirectory() ? readdirSync(path).map((name) => join(path, name)) : [];
      return Math.max(stat.mtimeMs, changedAt(...inside));
    }),
  );
}

function isCurrent() {
  const built = statSync(STAMP, { throwIfNoEntry: false });
  return built !== undefined && built.mtimeMs > changedAt(...SOURCES, ...OTHERS);
}

async function build() {
  const begin = new Date();
  rmSync(STAMP, { force: true });
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc'], { stdio: 'inherit' });
  await bundle(join(OUTPUT, 'src/vendor'));
  // Clocks of files are coarse.
  removeOlder(OUTPUT, begin.getTime() - 1000);
  writeFileSync(STAMP, '');
  utimesSync(STAMP, begin, begin);
}

/** Removes the files of former sources. */
function removeOlder(directory, time) {
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    const stat = statSync(path);
    if (stat.isDirectory()) removeOlder(path, time);
    else if (stat.mtimeMs < time) rmSync(path);
  }
}

/**
 * Puts each package of src/vendor/ into one file. Read one by one, their 700 modules would take a third of the
 * time to start, and 20 MB.
 */
async function bundle(directory) {
  const esbuild = await import('esbuild');
  await esbuild.build({
    entryPoints: readdirSync('src/vendor').map((name) => join(directory, name.replace(/\.ts$/, '.js'))),
    outdir: directory,
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
}

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
    onLoad({ filter: /[\\/]node_modules[\\/](@fastify[\\/]swagger-ui|pino|thread-stream)[\\/].+\.js$/ }, load);
  },
};

async function load({ path }) {
  const [, module] = /.*[\\/]node_modules[\\/](.+)$/.exec(path);
  const code = await readFile(path, 'utf8');
  return { contents: code.replaceAll('__dirname', `directoryOf('${module.replaceAll('\\', '/')}')`) };
}

if (process.argv.includes('--check')) {
  process.exitCode = isCurrent() ? 0 : 1;
} else {
  await build().catch((error) => {
    // The compiler has said itself what is wrong.
    if (error.status === undefined) console.error(error);
    process.exitCode = 1;
  });
}
