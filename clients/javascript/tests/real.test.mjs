// The client on both engines, with a real bus and a real daemon that is killed.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test from 'node:test';

import { skip } from './skipped.mjs';
import { ENGINES, missing, World } from './world.mjs';

for (const engine of Object.keys(ENGINES)) {
  const lacking = missing(engine);
  const on = (name, run, listen) =>
    test(`${engine}: ${name}`, async (t) => {
      if (lacking) {
        skip(t, lacking);
        return;
      }
      const world = await World.start(listen);
      try {
        await run(world);
      } finally {
        world.close();
      }
    });

  on('an evening on which the agent comes late and is killed three times', async (world) => {
    world.startPlayer(engine);
    await world.say('open 0 id=film length=3600 name=The+Film', 'play 0', 'pause 5');
    await world.startAgent();
    await world.drained();

    await world.kill(world.agent);
    await world.say('play 6', 'seek-start 7', 'seek-complete 100', 'playhead 101', 'playhead 102');
    await world.startAgent();
    await world.drained();

    await world.kill(world.agent);
    await world.startAgent({ wait: false });
    await world.say('pause 103', 'ad-skip 103', 'play 104');
    await world.drained();
    await world.until('what is lost otherwise', () => world.hits.includes('S1 play 104'));

    await world.kill(world.agent);
    await world.startAgent({ forget: true });
    await world.say('state-start 200 name=mute', 'complete 3600');
    await world.drained();
    assert.equal(await world.end(), 0);
    await world.until('the end', () => world.hits.includes('S2 sessionComplete 3600'));
    assert.deepEqual(
      world.hits.filter((hit) => hit !== 'S1 play 0'),
      [
        'S1 sessionStart 0',
        'S1 pauseStart 5',
        'S1 play 6',
        'S1 pauseStart 7',
        'S1 play 100',
        'S1 pauseStart 103',
        'S1 play 104',
        'S2 sessionStart 200 resumed',
        'S2 play 200',
        'S2 stateStart 200',
        'S2 sessionComplete 3600',
      ],
    );
    assert.deepEqual(world.heard(), [
      'error AdSkip NotAllowed no ad break is open; AdBreakStart comes first',
      'closed complete',
    ]);
  });

  on('a bus that goes away comes back, and what played is opened anew', async (world) => {
    await world.startAgent();
    world.startPlayer(engine);
    await world.say('open 10 id=film length=3600', 'play 10');
    await world.drained();
    await world.kill(world.agent);
    await world.kill(world.bus);
    await world.say('pause 20');
    await world.startBus();
    await world.startAgent();
    await world.drained();
    await world.say('end 21');
    assert.equal(await world.end(), 0);
    await world.until('the end', () => world.hits.includes('S2 sessionEnd 21'));
    const second = world.hits.filter((hit) => hit.startsWith('S2'));
    assert.deepEqual(second, [
      'S2 sessionStart 20 resumed',
      'S2 pauseStart 20',
      'S2 sessionEnd 21',
    ]);
  });

  on('an agent that stands still stops nobody', async (world) => {
    await world.startAgent();
    world.startPlayer(engine);
    await world.say('open 0 id=film', 'play 0');
    await world.drained();
    world.agent.kill('SIGSTOP');
    await world.say('pause 1', 'play 2', 'playhead 3', 'pause 4', 'pending');
    assert.ok(world.lines.includes('pending 4'));
    world.agent.kill('SIGCONT');
    await world.drained();
    assert.equal(await world.end(), 0);
    assert.deepEqual(world.heard(), []);
  });

  on(
    'without an agent a question is answered at once, and what was not said is known',
    async (world) => {
      world.startPlayer(engine);
      await world.say('resume-point film');
      await world.until('the answer', () => world.heard().length > 0);
      assert.match(world.heard()[0], /^point error .*tv\.playhead\.Agent1/);
      await world.say('open 0 id=film');
      assert.equal(await world.end(), 1);
    },
  );

  on('a resume point is known', async (world) => {
    await world.startAgent();
    world.startPlayer(engine);
    await world.say('resume-point film');
    await world.until('the answer', () => world.heard().includes('point none'));
    await world.say('open 0 id=film length=100', 'play 0', 'end 33.5', 'resume-point film');
    await world.drained();
    await world.say('resume-point film');
    await world.until('the answer', () => world.heard().includes('point 33.5'));
    assert.equal(await world.end(), 0);
  });

  on('nobody else says that a session has closed', async (world) => {
    await world.startAgent();
    world.startPlayer(engine);
    await world.say('open 0 id=film', 'play 0');
    await world.drained();
    const names = world.ask('ListNames').match(/:1\.\d+/g);
    for (const name of names) {
      const signal = [
        '--type=signal',
        '/tv/playhead/Agent1/session/1',
        'tv.playhead.Session1.Closed',
        'string:end',
      ];
      spawnSync('dbus-send', [`--bus=${world.address}`, `--dest=${name}`, ...signal]);
    }
    await world.say('pause 1');
    await world.drained();
    assert.deepEqual(world.heard(), []);
  });

  const addresses = {
    'an abstract socket': `unix:abstract=playhead-js-${process.pid}-${engine}`,
    'an escaped path': 'unix:path=DIR/escaped%20path',
  };
  for (const [kind, listen] of Object.entries(addresses)) {
    on(
      `${kind} is an address`,
      async (world) => {
        world.startPlayer(engine);
        await world.say('resume-point film');
        await world.until('the answer', () => world.heard().length > 0);
        const can =
          engine !== 'node' ||
          !listen.includes('abstract') ||
          Number.parseInt(process.versions.node, 10) >= 22;
        // The bus answers that nobody is there.
        assert.match(
          world.heard()[0],
          can ? /tv\.playhead\.Agent1/ : /^point error an abstract socket needs Node 22$/,
        );
      },
      listen,
    );
  }
}
