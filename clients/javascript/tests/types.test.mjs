// playhead.d.mts: the compiler takes a player that is written with it, and it names what there is.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'node:test';

import { connect, VERSION } from '../playhead.mjs';
import { skip } from './skipped.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

test('a player in TypeScript', (t) => {
  const options = ['--noEmit', '--strict', '--target', 'es2022', '--module', 'node16'];
  const tsc = spawnSync('tsc', [...options, here('types.mts')], { encoding: 'utf8' });
  if (tsc.error?.code === 'ENOENT') {
    skip(t, 'tsc is not installed (Debian package node-typescript)');
    return;
  }
  assert.equal(tsc.status, 0, tsc.stdout);
});

test('the types name every member, and no other', async () => {
  const types = readFileSync(here('../playhead.d.mts'), 'utf8');
  const agent = await connect({ bus: 'unix:path=/nowhere' });
  const session = agent.open(0, { id: 'film' });
  for (const [name, object] of Object.entries({ Agent: agent, Session: session })) {
    const [, body] = new RegExp(`export interface ${name} \\{\\n(.*?)\\n\\}`, 's').exec(types);
    const typed = [...body.matchAll(/^ {2}(?:readonly )?(\w+)[(:]/gm)].map(([, member]) => member);
    const there = Object.getOwnPropertyNames(Object.getPrototypeOf(object)).filter(
      (member) => member !== 'constructor',
    );
    assert.deepEqual([...new Set(typed)].sort(), there.sort());
  }
  const question = agent.resumePoint('film');
  assert.equal(await agent.close(0), 1);
  assert.equal(await agent.close(), 1, 'it is over');
  assert.equal((await question).error.name, 'Disconnected');
  assert.equal((await agent.resumePoint('film')).error.name, 'Disconnected');
});

test('the version is that of the package', () => {
  assert.equal(VERSION, JSON.parse(readFileSync(here('../package.json'), 'utf8')).version);
});
