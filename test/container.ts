import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import ignore from '@balena/dockerignore';
import { DockerfileParser, type Instruction, type JSONInstruction } from 'dockerfile-ast';
import { packagePath } from '../src/package.ts';
import { PASSWORD, send } from './helper.ts';
import { freePort } from './ports.ts';
import { startPostgresql } from './postgresql.ts';

/**
 * Does what the Dockerfile says, in its order, where there is no container engine: on the last commit, with
 * the Node of its base image, each stage in a directory that stands for its root. Then runs what was built.
 */

interface Stage {
  root: string;
  workdir: string;
  env: Record<string, string>;
  user: string;
  entrypoint: string[];
  cmd: string[];
  healthcheck: string[];
}

const dockerfile = DockerfileParser.parse(readFileSync(packagePath('Dockerfile'), 'utf8'));
const instructions = dockerfile.getInstructions();
// The paths of the image that are looked for in commands and settings.
const places = ['WORKDIR', 'VOLUME'].flatMap((keyword) => argumentsOf(keyword));

const directory = mkdtempSync(join(tmpdir(), 'todo-api-container-'));
process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
// The image's user must get to its files.
chmodSync(directory, 0o755);
const node = findNode();
const context = makeContext();
const image = build();
await tryImage();

function argumentsOf(keyword: string): string[] {
  const found = instructions.filter((instruction) => instruction.getKeyword() === keyword);
  return found.flatMap((instruction) => instruction.getExpandedArguments().map((argument) => argument.getValue()));
}

/** The directory with the Node of the base image: this process's, or one out of the registry. */
function findNode(): string {
  const images = new Set(instructions.filter((one) => one.getKeyword() === 'FROM').map(imageOf));
  const [, version] = /^node:(\d+\.\d+\.\d+)-slim$/.exec([...images].join()) ?? [];
  assert.ok(version, `One base image with an exact version of Node, not ${[...images]}`);
  console.log(`Node ${version}`);
  if (process.version === `v${version}`) return dirname(process.execPath);
  const name = `node-${process.platform}-${process.arch}`;
  const prefix = join(directory, 'node');
  execFileSync('npm', ['install', '--silent', '--prefix', prefix, `${name}@${version}`], { stdio: 'inherit' });
  return join(prefix, 'node_modules', name, 'bin');
}

function imageOf(from: Instruction): string | undefined {
  return from.getExpandedArguments()[0]?.getValue();
}

/** What the engine would be sent: the last commit, less what .dockerignore names. */
function makeContext(): string {
  const clone = join(directory, 'clone');
  const target = join(directory, 'context');
  execFileSync('git', ['clone', '--quiet', '--depth=1', `file://${packagePath('.')}`, clone]);
  const files = execFileSync('git', ['ls-files', '-z'], { cwd: clone, encoding: 'utf8' }).split('\0').filter(Boolean);
  const ignored = ignore.default().add(readFileSync(join(clone, '.dockerignore'), 'utf8'));
  for (const file of ignored.filter(files)) cpSync(join(clone, file), join(target, file));
  return target;
}

/** Carries the instructions out, and gives the last stage. */
function build(): Stage {
  const stages = new Map<string, Stage>();
  let stage: Stage | undefined;
  for (const instruction of instructions) {
    const keyword = instruction.getKeyword();
    const content = instruction.getArgumentsContent() ?? '';
    const words = instruction.getExpandedArguments().map((argument) => argument.getValue());
    const json = (instruction as Partial<JSONInstruction>).getJSONStrings?.().map((one) => one.getJSONValue()) ?? [];
    console.log(`${keyword} ${content}`);
    if (keyword === 'FROM') {
      const name = words[2] ?? `stage-${stages.size}`;
      const root = join(directory, name);
      mkdirSync(root);
      stage = { root, workdir: '/', env: {}, user: '', entrypoint: [], cmd: [], healthcheck: [] };
      stages.set(name, stage);
    } else if (stage) {
      carryOut(stage, stages, { keyword, content, words, json, flags: flagsOf(instruction) });
    } else {
      assert.equal(keyword, 'ARG');
    }
  }
  assert.ok(stage);
  return stage;
}

function flagsOf(instruction: Instruction): Record<string, string> {
  const { getFlags } = instruction as Partial<JSONInstruction>;
  const flags = getFlags?.call(instruction) ?? [];
  return Object.fromEntries(flags.map((flag) => [flag.getName(), flag.getValue() ?? '']));
}

interface Order {
  keyword: string;
  content: string;
  words: string[];
  json: string[];
  flags: Record<string, string>;
}

/** Carries one instruction out; one that is not known here ends the proof. */
function carryOut(stage: Stage, stages: Map<string, Stage>, { keyword, content, words, json, flags }: Order): void {
  const [first = ''] = words;
  switch (keyword) {
    case 'ENV':
      for (const word of words) stage.env[word.split('=')[0] as string] = word.slice(word.indexOf('=') + 1);
      return;
    case 'WORKDIR':
      stage.workdir = first;
      mkdirSync(join(stage.root, first), { recursive: true });
      return;
    case 'COPY': {
      const { from, ...others } = flags;
      assert.deepEqual(others, {});
      copy(
        words.slice(0, -1),
        from === undefined ? context : (stages.get(from) as Stage).root,
        words.at(-1) ?? '',
        stage,
      );
      return;
    }
    case 'RUN': {
      assert.deepEqual([flags, json], [{}, []]);
      const { status } = spawnSync('sh', ['-euc', inRoot(content, stage)], {
        cwd: join(stage.root, stage.workdir),
        env: { ...process.env, ...environmentOf(stage) },
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      assert.equal(status, 0, content);
      return;
    }
    case 'USER':
      stage.user = first;
      return;
    case 'HEALTHCHECK':
      stage.healthcheck = JSON.parse(content.slice(content.indexOf('[')));
      return;
    case 'ENTRYPOINT':
      stage.entrypoint = json;
      return;
    case 'CMD':
      stage.cmd = json;
      return;
    case 'VOLUME':
    case 'EXPOSE':
      return;
    default:
      assert.fail(`${keyword} is not known to this proof`);
  }
}

function copy(sources: string[], from: string, target: string, stage: Stage): void {
  const to = join(stage.root, resolve(stage.workdir, target));
  for (const source of sources) {
    const path = join(from, source);
    assert.ok(existsSync(path), `COPY ${source}: there is none`);
    const intoDirectory = statSync(path).isFile() && target.endsWith('/');
    cpSync(path, intoDirectory ? join(to, basename(path)) : to, { recursive: true, verbatimSymlinks: true });
  }
}

function inRoot(command: string, { root }: Stage): string {
  return command.replaceAll(new RegExp(`(?<![\\w.-])(${places.join('|')})(?![\\w-])`, 'g'), `${root}$1`);
}

function environmentOf(stage: Stage): Record<string, string> {
  const env = Object.entries(stage.env).map(([name, value]) => [name, inRoot(value, stage)]);
  return { ...Object.fromEntries(env), PATH: `${node}:${process.env.PATH}` };
}

interface Options {
  settings?: Record<string, string>;
  wrapper?: string[];
}

/** Starts a command in the image, as its user. */
function start(command: string[], { settings, wrapper = [] }: Options = {}): ChildProcess {
  const [uid = '', gid = ''] = image.user.split(':');
  const asUser = process.getuid?.() === 0 ? ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups'] : [];
  const [program = '', ...rest] = [...wrapper, ...asUser, ...command.map((word) => inRoot(word, image))];
  return spawn(program, rest, {
    cwd: join(image.root, image.workdir),
    env: { ...environmentOf(image), ...settings },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
}

/** Runs a command of the console in the image to its end, and gives what it prints. */
async function run(args: string[], settings: Record<string, string>, input = ''): Promise<string> {
  const child = start([...image.entrypoint, ...args], { settings });
  child.stdin?.end(input);
  const [[code], printed] = await Promise.all([once(child, 'close'), text(child.stdout as NodeJS.ReadableStream)]);
  assert.equal(code, 0, args.join(' '));
  return printed;
}

async function check(settings: Record<string, string>): Promise<number> {
  const [code] = await once(start(image.healthcheck, { settings }), 'exit');
  return code;
}

/** The service, as the first process of its own where that can be had, as it is in a container. */
async function serve(settings: Record<string, string>) {
  const isFirst = process.getuid?.() === 0;
  const wrapper = isFirst ? ['unshare', '--pid', '--fork', '--kill-child'] : [];
  const child = start([...image.entrypoint, ...image.cmd], { settings, wrapper });
  const exit = once(child, 'exit');
  child.stdout?.resume();
  while ((await check(settings)) !== 0) assert.equal(child.exitCode, null, 'the service ended');
  const children = isFirst ? readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8') : String(child.pid);
  const pid = Number(children);
  console.log(`serves as user ${statSync(`/proc/${pid}`).uid}${isFirst ? ', as process 1' : ''}`);
  return async () => {
    process.kill(pid, 'SIGTERM');
    assert.deepEqual(await exit, [0, null]);
    console.log('ended in order on SIGTERM');
  };
}

async function tryImage() {
  const size = execFileSync('du', ['-sm', image.root], { encoding: 'utf8' }).split('\t')[0];
  console.log(`\n${size} MB above the base image`);
  const { packages } = JSON.parse(readFileSync(packagePath('package-lock.json'), 'utf8'));
  const forDevelopment = Object.entries<{ dev?: boolean }>(packages).filter(([, { dev }]) => dev);
  const inImage = forDevelopment.filter(([path]) => existsSync(join(image.root, image.workdir, path)));
  assert.deepEqual(inImage, []);

  console.log('\nSQLite, in the volume');
  const port = String(await freePort());
  const origin = `http://127.0.0.1:${port}`;
  const settings = { PORT: port };
  let stop = await serve(settings);
  const user = ['--username', 'paul', '--email', 'paul@domain.com', '--password-stdin'];
  await run(['createsuperuser', ...user], settings, PASSWORD);
  const { body } = await send(origin, 'POST', '/api/token', { json: { username: 'paul', password: PASSWORD } });
  assert.match(await run(['createtoken', 'paul'], settings), new RegExp(body.token));
  const authorization = `Token ${body.token}`;
  const created = await send(origin, 'POST', '/api/v1/todo/', { authorization, json: { title: 'Stay' } });
  assert.equal(created.status, 201, created.text);
  assert.equal((await send(origin, 'GET', '/docs/')).status, 200);
  await stop();
  assert.equal(await check(settings), 1, 'the health check of a service that does not run');
  stop = await serve(settings);
  assert.deepEqual((await send(origin, 'GET', '/api/v1/todo/', { authorization })).body, [created.body]);
  await stop();

  console.log('\nPostgreSQL, migrated before');
  const server = await startPostgresql();
  try {
    const shared = { ...settings, DATABASE_URL: server.url, SECRET_KEY: randomBytes(32).toString('hex') };
    console.log((await run(['migrate'], shared)).trim());
    assert.equal(await run(['migrate'], shared), 'No migrations to apply.\n');
    stop = await serve(shared);
    assert.equal((await send(origin, 'POST', '/api/token', { json: {} })).status, 400);
    await stop();

    console.log('\nPostgreSQL, by a mounted .env');
    const lines = Object.entries(shared).map(([name, value]) => `${name}='${value}'\n`);
    writeFileSync(join(image.root, image.workdir, '.env'), lines.join(''));
    assert.equal(await run(['migrate'], {}), 'No migrations to apply.\n');
    stop = await serve({});
    assert.equal((await send(origin, 'POST', '/api/token', { json: {} })).status, 400);
    await stop();
  } finally {
    await server.remove();
  }
}
