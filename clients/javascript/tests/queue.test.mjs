// What waits has bounds: 256 messages, 60 s. What is dropped then is what tells the least.

import assert from 'node:assert/strict';
import test from 'node:test';

import { AWAY, Box, SECOND, UNKNOWN } from './box.mjs';

/** A box whose agent went away while something was to be opened. */
function away() {
  const box = Box.connected();
  const film = box.open();
  box.answer(AWAY);
  return [box, film];
}

/** The agent is back; gives what it is told. */
function back(box) {
  while (box.calls.length > 0) box.answer(AWAY);
  box.sayings();
  box.do((rules, now) => rules.connected(now));
  box.answerAll();
  return box.sayings();
}

/** Time passes, and the agent is away all the while. */
function passAway(box, seconds) {
  for (let i = 0; i < seconds; i += 1) {
    while (box.calls.length > 0) box.answer(AWAY);
    box.pass(1);
  }
}

test('the position waits once, at the place of the newest', () => {
  const [box, film] = away();
  box.say(film, 'Playhead', 1);
  box.say(film, 'Play', 2);
  box.say(film, 'Playhead', 3);
  box.say(film, 'Playhead', 4);
  assert.equal(box.rules.pending, 3);
  assert.deepEqual(back(box), ['OpenSession 0', 'Play 2 session/1', 'Playhead 4 session/1']);
});

test('a position that is under way is not taken back', () => {
  const box = Box.connected();
  const film = box.open();
  box.answer(1);
  box.say(film, 'Playhead', 1);
  box.say(film, 'Playhead', 2);
  box.answer(UNKNOWN);
  box.answer(2);
  box.answer();
  box.answer();
  assert.deepEqual(box.sayings(), [
    'OpenSession 0',
    'Playhead 1 session/1',
    'OpenSession 1',
    'Playhead 1 session/2',
    'Playhead 2 session/2',
  ]);
});

test('what is under way is not dropped', () => {
  const box = Box.connected();
  const film = box.open();
  box.answer(1);
  box.say(film, 'Stall', 1);
  box.pass(100);
  assert.deepEqual([box.rules.pending, box.errors], [1, []]);
  box.answer();
  assert.equal(box.rules.pending, 0);
});

test('what stayed and was said is not counted when something else has to go', () => {
  const [box, film] = away();
  for (const event of ['Play', 'Pause', 'Play']) {
    box.say(film, event, 1);
    passAway(box, 62);
    back(box);
    box.say(film, 'Stall', 1);
    box.answer(AWAY);
  }
  assert.deepEqual(
    box.errors.map(({ event, dropped }) => `${event} ${dropped}`),
    ['Stall 1', 'Stall 1'],
  );
});

test('what opens a session anew is not counted, and does not push out what is newer', () => {
  const box = Box.connected();
  const film = box.open();
  box.say(film, 'Play', 1);
  box.answerAll();
  box.say(film, 'Stall', 5);
  for (let i = 1; i <= 300; i += 1) box.say(film, i % 2 ? 'Play' : 'Pause', i);
  box.sayings();
  box.answer(UNKNOWN);
  assert.equal(box.rules.pending, 256);
  assert.equal(
    box.errors.reduce((sum, { dropped }) => sum + dropped, 0),
    45 + 1,
    'the oldest, and the stall',
  );
  box.answerAll();
  assert.deepEqual(box.sayings().slice(0, 3), [
    'OpenSession 5',
    'Pause 46 session/2',
    'Play 47 session/2',
  ]);
});

test('after a minute the start, the newest state and the end are left', () => {
  const [box, film] = away();
  box.say(film, 'Play', 1);
  box.say(film, 'SeekStart', 2);
  box.say(film, 'SeekComplete', 3);
  box.say(film, 'Pause', 4);
  box.say(film, 'Play', 5);
  box.say(film, 'Playhead', 6);
  box.say(film, 'End', 7);
  passAway(box, 62);
  assert.equal(box.rules.pending, 3);
  assert.equal(
    box.errors.reduce((sum, { dropped }) => sum + dropped, 0),
    5,
  );
  assert.deepEqual(new Set(box.errors.map(({ name }) => name)), new Set(['Dropped']));
  const reported = box.errors.length;
  passAway(box, 600);
  assert.equal(box.errors.length, reported, 'a drop is reported once');
  assert.deepEqual(back(box), ['OpenSession 0', 'Play 5 session/1', 'End 7 session/1']);
});

test('what is younger than a minute is said beside what was kept', () => {
  const [box, film] = away();
  box.say(film, 'Play', 1);
  passAway(box, 50);
  box.say(film, 'SeekStart', 50);
  box.say(film, 'SeekComplete', 90);
  passAway(box, 15);
  assert.deepEqual(back(box), [
    'OpenSession 0',
    'Play 1 session/1',
    'SeekStart 50 session/1',
    'SeekComplete 90 session/1',
  ]);
  assert.deepEqual(box.errors, []);
});

test('a start that nothing needs any more goes with the minute', () => {
  const [box] = away();
  const other = box.open({ id: 'other' });
  box.say(other, 'Pause', 3);
  passAway(box, 62);
  assert.deepEqual(box.closed, ['Dropped']);
  assert.deepEqual(back(box), ['OpenSession 0', 'Pause 3 session/1']);
});

test('no more than 256 wait, and the oldest goes', () => {
  const [box, film] = away();
  box.say(film, 'Play', 0);
  for (let i = 1; i <= 300; i += 1) box.say(film, 'Qoe', i, { bitrate: i });
  assert.equal(box.rules.pending, 256);
  assert.equal(
    box.errors.reduce((sum, { dropped }) => sum + dropped, 0),
    302 - 256,
  );
  const said = back(box);
  assert.deepEqual(said.slice(0, 3), ['OpenSession 0', 'Play 0 session/1', 'Qoe 47 session/1']);
  assert.equal(said.at(-1), 'Qoe 300 session/1');
});

test('of states that are dropped the newest stays', () => {
  const [box, film] = away();
  for (let i = 1; i <= 300; i += 1) box.say(film, i % 2 ? 'Play' : 'Pause', i);
  assert.equal(box.rules.pending, 256);
  const said = back(box);
  assert.deepEqual(said.slice(0, 3), ['OpenSession 0', 'Pause 46 session/1', 'Play 47 session/1']);
});

test('an evening of zapping without an agent leaves the newest viewings, whole', () => {
  const box = Box.connected();
  for (let i = 0; i < 1000; i += 1) {
    const session = box.open({ id: `channel ${i}` });
    while (box.calls.length > 0) box.answer(AWAY);
    box.say(session, 'Play', 0);
    box.say(session, 'End', 10);
    box.pass(20);
    assert.ok(box.rules.pending <= 256);
  }
  const waiting = box.rules.pending;
  const said = back(box);
  assert.equal(said.length, waiting);
  assert.ok(waiting > 250);
  for (let i = 0; i < said.length; i += 3) {
    assert.deepEqual(
      said.slice(i, i + 3).map((line) => line.split(' ')[0]),
      ['OpenSession', 'Play', 'End'],
    );
  }
  assert.deepEqual(box.said, []);
  assert.equal(
    box.errors.reduce((sum, { dropped }) => sum + dropped, 0),
    3000 - waiting,
  );
});

test('players without number are bounded too', () => {
  const box = Box.connected();
  for (let i = 0; i < 1000; i += 1) box.open({ id: 'film', instance: `${i}` });
  assert.equal(box.rules.pending, 256);
  assert.equal(box.calls.length, 256);
});

test('whatever happens, nothing is said twice at a time, and in the end all is said', () => {
  for (let seed = 1; seed <= 100; seed += 1) anyEvening(seed);
});

function anyEvening(seed) {
  let state = seed;
  const random = (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const pick = (list) => list[random(list.length)];
  const box = Box.connected();
  let connected = true;
  let numbers = 0;
  let lastAt = 0;
  const sessions = [box.open()];
  const errors = [
    'tv.playhead.Error.NoSession',
    'tv.playhead.Error.NotAllowed',
    'tv.playhead.Error.LimitsExceeded',
    'tv.playhead.Error.NotConfigured',
    'tv.playhead.Error.Storage',
    'org.freedesktop.DBus.Error.UnknownObject',
    'org.freedesktop.DBus.Error.NoReply',
    'org.freedesktop.DBus.Error.ServiceUnknown',
  ];
  const acts = [
    () => sessions.push(box.open({ id: `m${random(3)}`, instance: `${random(2)}` }, random(100))),
    () =>
      box.say(
        pick(sessions),
        pick(['Play', 'Pause', 'Playhead', 'SeekStart', 'Qoe', 'End']),
        random(100) - 10,
      ),
    () => box.say(pick(sessions), pick(['Play', 'Pause', 'Playhead', 'Stall']), random(100)),
    () => box.playing(random(4) ? { id: `m${random(3)}` } : null, random(100), random(3)),
    () => box.pass(pick([0.01, 1, 7, 70])),
    () =>
      box.calls.length &&
      box.answer(
        pick([
          { path: `/tv/playhead/Agent1/session/${(numbers += 1)}` },
          {
            error: pick(errors),
            message: pick(['', 'as session 3']),
          },
        ]),
      ),
    () =>
      box.do((rules, now) =>
        rules.sessionClosed(
          `/tv/playhead/Agent1/session/${random(9)}`,
          pick(['idle', 'end', 'vanished', 'replaced', 'background']),
          now,
        ),
      ),
    () => box.do((rules, now) => rules.appeared(now)),
    () => connected && random(4) === 0 && (box.lost(), (connected = false)),
    () => !connected && (box.do((rules, now) => rules.connected(now)), (connected = true)),
  ];
  for (let i = 0; i < 400; i += 1) {
    pick(acts)();
    const under = new Set(box.calls.map(({ message }) => message.session.lane));
    assert.equal(under.size, box.calls.length, `seed ${seed}: one call of a lane`);
    assert.ok(box.rules.pending <= 256);
    assert.ok(box.rules.deadline() > box.now, `seed ${seed}: what was due is done`);
    for (const { info } of box.said) lastAt = Math.max(lastAt, info.at.value);
    assert.ok(lastAt <= box.now + SECOND, `seed ${seed}: nothing is said to happen in the future`);
    box.said = [];
  }
  if (!connected) box.do((rules, now) => rules.connected(now));
  for (let i = 0; box.rules.pending > 0; i += 1) {
    assert.ok(i < 1000, `seed ${seed}: all is said`);
    while (box.calls.length > 0)
      box.answer({ path: `/tv/playhead/Agent1/session/${(numbers += 1)}` });
    box.pass(10);
  }
}
