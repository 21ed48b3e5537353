// For real.test.mjs: a bus, the bench collector, the daemon and the driver, each a process.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { fileURLToPath } from 'node:url';

export const ENGINES = { node: [process.execPath], gjs: ['gjs', '-m'] };
const DRIVER = fileURLToPath(new URL('evening.mjs', import.meta.url));
const PATIENCE_MS = 60_000;

const BUS = (
  listen,
) => `<busconfig><type>session</type><listen>${listen}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/>
<allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>`;
const CONFIG = (url) => `[collector]
url = "${url}"
allow_plain_http = true
[analytics]
tracking_server = "metrics.example.com"
report_suite = "tests"
org_id = "TESTS@AdobeOrg"
[consent]
initial = "in"
[delivery]
reconnect_spread_seconds = 0
backlog_ratio = 0
max_rate = 0
`;

/** The daemon: `PLAYHEADD_BIN`, or the one that was built here; null: there is none. */
export function daemon() {
  const built = ['release', 'debug'].map((kind) => `../../../target/${kind}/playheadd`);
  const places = built.map((place) => fileURLToPath(new URL(place, import.meta.url)));
  return (
    [process.env.PLAYHEADD_BIN, ...places].find((place) => place && fs.existsSync(place)) ?? null
  );
}

/** Why an engine cannot be tested here; null: it can. */
export function missing(engine) {
  if (!daemon()) return 'there is no daemon (PLAYHEADD_BIN, or cargo build)';
  if (spawnSync('dbus-daemon', ['--version']).error) return 'dbus-daemon is not installed';
  if (spawnSync(ENGINES[engine][0], ['--version']).error) return `${engine} is not installed`;
  return null;
}

export class World {
  dir = fs.mkdtempSync(path.join(os.tmpdir(), 'playhead-js-'));
  hits = []; // of the collector: `S1 play 3`
  lines = []; // of the driver
  #changed = () => {};
  #times = new Set();

  static async start(listen) {
    const world = new World();
    await world.startBus(listen);
    const url = path.join(world.dir, 'url');
    world.collector = spawn(
      path.join(path.dirname(daemon()), 'playheadctl'),
      ['collector', '--listen', '127.0.0.1:0', '--json', '--url-file', url],
      { stdio: ['ignore', 'pipe', 'ignore'] },
    );
    world.#read(world.collector, (line) => {
      for (const { session, event_type: event, playhead, params, ts } of JSON.parse(line).hits) {
        const resumed = params?.['media.resume'] ? ' resumed' : '';
        const hit = `${session} ${event} ${Math.round(playhead)}${resumed}`;
        // What was under way when the daemon was killed may come again, alike to its time.
        if (event !== 'ping' && !world.#times.has(`${hit} ${ts}`)) world.hits.push(hit);
        world.#times.add(`${hit} ${ts}`);
      }
    });
    while (!fs.existsSync(url) || fs.readFileSync(url).length === 0)
      await new Promise(setImmediate);
    fs.writeFileSync(
      path.join(world.dir, 'playheadd.toml'),
      CONFIG(fs.readFileSync(url, 'utf8').trim()),
    );
    return world;
  }

  /** `DIR` in an address is a directory of this world. */
  async startBus(listen = 'unix:path=DIR/bus') {
    fs.rmSync(path.join(this.dir, 'bus'), { force: true });
    const config = path.join(this.dir, 'bus.conf');
    fs.writeFileSync(config, BUS(listen.replace('DIR', this.dir)));
    this.bus = spawn('dbus-daemon', ['--nofork', '--print-address', `--config-file=${config}`], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    [this.address] = await once(readline.createInterface(this.bus.stdout), 'line');
  }

  /** The daemon; waits until it has its name if `wait`. */
  async startAgent({ wait = true, forget = false } = {}) {
    const state = path.join(this.dir, 'state');
    if (forget) fs.rmSync(state, { recursive: true, force: true });
    this.agent = spawn(
      daemon(),
      [
        '--config',
        path.join(this.dir, 'playheadd.toml'),
        '--bus-address',
        this.address,
        '--state-dir',
        state,
      ],
      { stdio: 'ignore', env: { ...process.env, RUNTIME_DIRECTORY: this.dir } },
    );
    const limit = Date.now() + PATIENCE_MS;
    while (wait && !this.ask('NameHasOwner', 'string:tv.playhead.Agent1').includes('true')) {
      if (Date.now() > limit) throw new Error('the daemon does not take its name');
      await new Promise(setImmediate);
    }
  }

  /** The bus answers a question. */
  ask(method, ...args) {
    const to = [
      '--print-reply',
      '--dest=org.freedesktop.DBus',
      '/',
      `org.freedesktop.DBus.${method}`,
    ];
    return spawnSync('dbus-send', [`--bus=${this.address}`, ...to, ...args], { encoding: 'utf8' })
      .stdout;
  }

  async kill(process) {
    const gone = once(process, 'exit');
    process.kill('SIGKILL');
    await gone;
  }

  startPlayer(engine) {
    const [program, ...options] = ENGINES[engine];
    this.player = spawn(program, [...options, DRIVER, this.address], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#read(this.player, (line) => this.lines.push(line));
  }

  /** Says some lines to the driver, and waits until the client has taken each. */
  async say(...lines) {
    for (const line of lines) {
      const before = this.#count(`ok ${line}`);
      this.player.stdin.write(`${line}\n`);
      await this.until(`the answer to ${line}`, () => this.#count(`ok ${line}`) > before);
    }
  }

  #count(line) {
    return this.lines.filter((one) => one === line).length;
  }

  /** Waits until the agent has answered everything. */
  async drained() {
    const limit = Date.now() + PATIENCE_MS;
    for (;;) {
      await this.say('pending');
      const waiting = this.lines.filter((line) => line.startsWith('pending '));
      if (waiting[waiting.length - 1] === 'pending 0') return;
      if (Date.now() > limit) throw new Error(`something waits for ever\n${this.#seen()}`);
    }
  }

  /** What the driver said that is no answer to a line. */
  heard() {
    return this.lines.filter((line) => !line.startsWith('ok ') && !line.startsWith('pending '));
  }

  async until(what, condition) {
    const late = setTimeout(() => this.#changed(), PATIENCE_MS);
    const limit = Date.now() + PATIENCE_MS;
    while (!condition()) {
      if (Date.now() >= limit) throw new Error(`${what} did not come\n${this.#seen()}`);
      await new Promise((resolve) => {
        this.#changed = resolve;
      });
    }
    clearTimeout(late);
  }

  #seen() {
    return [...this.lines.slice(-40), ...this.hits].join('\n');
  }

  #read(process, each) {
    readline.createInterface(process.stdout).on('line', (line) => {
      each(line);
      this.#changed();
    });
  }

  /** The end of the input; gives the exit status of the driver. */
  async end() {
    const over = once(this.player, 'close');
    this.player.stdin.end();
    const [status] = await over;
    return status;
  }

  close() {
    for (const process of [this.player, this.agent, this.collector, this.bus])
      process?.kill('SIGKILL');
    fs.rmSync(this.dir, { recursive: true, force: true });
  }
}
