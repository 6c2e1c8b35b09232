import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';

// Builds into dist what has changed, file over file, as a running service may need what is there. With --check it
// only tells, by its exit code, whether dist is as the sources are.
const OUTPUT = 'dist';
const BUILT = join(OUTPUT, '.built');
const BUNDLED = join(OUTPUT, '.bundled');
const VENDOR = 'src/vendor';
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

/** Whether a step was done after some files and directories were changed. */
function isDone(stamp, ...paths) {
  const done = statSync(stamp, { throwIfNoEntry: false });
  return done !== undefined && done.mtimeMs > changedAt(...paths);
}

/** Does a step, and notes when it was begun. */
async function step(stamp, action) {
  const begin = new Date();
  rmSync(stamp, { force: true });
  await action();
  writeFileSync(stamp, '');
  utimesSync(stamp, begin, begin);
}

async function build() {
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc'], { stdio: 'inherit' });
  if (!isDone(BUNDLED, VENDOR, ...OTHERS)) await step(BUNDLED, () => bundle(join(OUTPUT, VENDOR)));
  removeStale(OUTPUT);
}

/** Removes what was built of sources that are gone. */
function removeStale(directory) {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    const source = relative(OUTPUT, path).replace(/(\.d\.ts|\.js|\.js\.map)$/, '.ts');
    if (entry.isDirectory()) removeStale(path);
    else if (source.endsWith('.ts') && !basename(path).startsWith('chunk-') && !existsSync(source)) rmSync(path);
  }
}

/**
 * Puts each package of src/vendor/ into one file. Read one by one, their 700 modules would take a third of the
 * time to start, and 20 MB.
 */
async function bundle(directory) {
  const esbuild = await import('esbuild');
  for (const name of readdirSync(directory)) if (name.startsWith('chunk-')) rmSync(join(directory, name));
  await esbuild.build({
    entryPoints: readdirSync(VENDOR).map((name) => join(VENDOR, name)),
    outdir: directory,
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

const isBuilt = isDone(BUILT, ...SOURCES, ...OTHERS);
if (process.argv.includes('--check')) {
  process.exitCode = isBuilt ? 0 : 1;
} else if (!isBuilt) {
  await step(BUILT, build).catch((error) => {
    // The compiler has said itself what is wrong.
    if (error.status === undefined) console.error(error);
    process.exitCode = 1;
  });
}
