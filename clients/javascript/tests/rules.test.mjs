// What is said and when, with an agent that answers what the test wants.

import assert from 'node:assert/strict';
import test from 'node:test';

import { AWAY, Box, FILM, SECOND, UNKNOWN, ours, path } from './box.mjs';

test('a session says one thing at a time, in order, and each later than the one before', () => {
  const box = Box.connected();
  const film = box.open(FILM, 7);
  box.do((rules, now) => rules.event(film, 'Play', 7, { rate: 2 }, now));
  box.do((rules, now) => rules.event(film, 'Pause', 8, {}, now)); // in the same microsecond
  assert.deepEqual(box.sayings(), ['OpenSession 7']);
  assert.equal(box.rules.pending, 3);
  const [open] = box.calls;
  assert.equal(open.path, '/tv/playhead/Agent1');
  assert.equal(open.interface, 'tv.playhead.Agent1');
  assert.deepEqual(open.info, {
    id: { type: 's', value: 'film' },
    length: { type: 'd', value: 3600 },
    at: { type: 'x', value: box.now },
  });
  box.answer(3);
  const [play] = box.calls;
  assert.equal(play.interface, 'tv.playhead.Session1');
  assert.deepEqual(play.info.rate, { type: 'd', value: 2 });
  assert.deepEqual(box.sayings(), ['Play 7 session/3']);
  box.answer();
  const [pause] = box.calls;
  assert.deepEqual(box.sayings(), ['Pause 8 session/3']);
  box.answer();
  assert.equal(box.rules.pending, 0);
  const times = [open, play, pause].map(({ info }) => info.at.value);
  assert.ok(times[0] < times[1] && times[1] < times[2], `${times}`);
  assert.ok(times[2] - times[0] < 100, 'and not much later');
  assert.equal(box.rules.deadline(), Infinity);
});

test('players of one process do not wait for each other, viewings of one player do', () => {
  const box = Box.connected();
  const first = box.open({ id: 'a', instance: 'left' });
  box.say(first, 'End', 1);
  box.open({ id: 'b', instance: 'left' });
  box.open({ id: 'c', instance: 'right' });
  assert.deepEqual(
    box.calls.map(({ info }) => info.id.value),
    ['a', 'c'],
  );
  box.answer(1);
  box.answer(2);
  assert.deepEqual(
    box.calls.map(({ member }) => member),
    ['End'],
  );
  box.answer();
  assert.deepEqual(
    box.calls.map(({ info }) => info.id.value),
    ['b'],
  );
});

test('what cannot be said while the agent is away is said when it is back', () => {
  const box = Box.connected();
  const film = box.open();
  const at = box.calls[0].info.at.value;
  box.answer(AWAY);
  box.say(film, 'Play', 1);
  assert.equal(box.calls.length, 0, 'nobody is asked');
  box.sayings();
  box.do((rules, now) => rules.appeared(now));
  assert.equal(box.calls[0].info.at.value, at, 'a repeat is known by its time');
  box.answerAll();
  assert.deepEqual(box.sayings(), ['OpenSession 0', 'Play 1 session/1']);
  assert.deepEqual(box.errors, []);
});

test('an agent that is away is tried every 5 s, for a call may start it', () => {
  const box = Box.connected();
  box.open();
  for (let tries = 1; tries < 10; tries += 1) {
    box.answer(AWAY);
    box.pass(4.9);
    assert.equal(box.said.length, tries);
    box.pass(0.2);
    assert.equal(box.said.length, tries + 1);
  }
});

test('every way of being away is one', () => {
  const bus = [
    'ServiceUnknown',
    'NameHasNoOwner',
    'NoReply',
    'Disconnected',
    'Timeout',
    'TimedOut',
    'Spawn.ExecFailed',
  ];
  for (const name of bus) {
    const box = Box.connected();
    const film = box.open();
    box.answer(1);
    box.say(film, 'Play', 1);
    box.answer({ error: `org.freedesktop.DBus.Error.${name}`, message: '' });
    assert.deepEqual([box.rules.pending, box.errors], [1, []], name);
    box.do((rules, now) => rules.appeared(now));
    box.answerAll();
    assert.deepEqual(
      box.sayings(),
      ['OpenSession 0', 'Play 1 session/1', 'Play 1 session/1'],
      name,
    );
  }
});

test('a reopening that is refused closes the session', () => {
  const box = Box.connected();
  const film = box.open();
  box.answerAll();
  box.say(film, 'Play', 5);
  box.say(film, 'Pause', 6);
  box.answer(UNKNOWN);
  box.answer(ours('AccessDenied', 'not you'));
  assert.deepEqual(
    box.errors.map(({ event, name }) => `${event} ${name}`),
    ['OpenSession AccessDenied', 'Play NoSession', 'Pause NoSession'],
  );
  assert.deepEqual(box.closed, ['AccessDenied']);
});

test('a full disk is reported, and nothing else', () => {
  const box = Box.connected();
  const film = box.open();
  box.answer(
    ours(
      'Storage',
      'the disk is full; open all the same as session 4, /tv/playhead/Agent1/session/4',
    ),
  );
  box.say(film, 'Play', 1);
  assert.equal(box.calls[0].path, path(4));
  box.say(film, 'End', 2);
  box.answer();
  box.answer(ours('Storage'));
  assert.deepEqual(
    box.errors.map(({ event, name }) => `${event} ${name}`),
    ['OpenSession Storage', 'End Storage'],
  );
  assert.equal(box.rules.pending, 0);
});

test('an event that is refused is reported, and the next one is said', () => {
  const box = Box.connected();
  const film = box.open();
  box.answerAll();
  box.say(film, 'AdSkip', 1);
  box.say(film, 'Play', 2);
  box.answer(ours('NotAllowed', 'no ad break is open'));
  assert.deepEqual(box.errors, [
    { event: 'AdSkip', name: 'NotAllowed', message: 'no ad break is open' },
  ]);
  assert.equal(box.calls[0].member, 'Play');
});

test('a session that may not be opened is closed with the reason', () => {
  const box = Box.connected();
  const film = box.open();
  box.say(film, 'Play', 1);
  box.answer({ error: 'org.freedesktop.DBus.Error.AccessDenied', message: 'the policy' });
  box.say(film, 'Pause', 2);
  assert.deepEqual(box.closed, ['AccessDenied']);
  assert.deepEqual(
    box.errors.map(({ event, name }) => `${event} ${name}`),
    ['OpenSession AccessDenied', 'Play NoSession', 'Pause NoSession'],
  );
  assert.equal(box.rules.pending, 0);
});

test('an agent that has enough is asked after 1 s, 2 s and so on; that is reported once', () => {
  const box = Box.connected();
  const film = box.open();
  box.answerAll();
  box.sayings();
  box.say(film, 'Play', 1);
  for (const wait of [1, 2, 4, 8, 16]) {
    box.answer(ours('LimitsExceeded', 'slow down'));
    box.pass(wait - 0.1);
    assert.equal(box.calls.length, 0);
    box.pass(0.1);
    assert.equal(box.calls.length, 1);
  }
  assert.deepEqual(box.errors, [{ event: 'Play', name: 'LimitsExceeded', message: 'slow down' }]);
  box.answer();
  box.say(film, 'Pause', 2);
  box.answer(ours('LimitsExceeded', 'slow down'));
  assert.equal(box.errors.length, 2, 'another row');
});

test('a start that the agent never takes does not hold up what is played next', () => {
  const box = Box.connected();
  box.open({ id: 'too large' });
  const other = box.open({ id: 'other' });
  for (let i = 0; box.calls[0]?.info.id.value === 'too large'; i += 1) {
    assert.ok(i < 20);
    box.answer(ours('LimitsExceeded', 'too large'));
    box.pass(30);
  }
  assert.deepEqual(box.closed.at(-1), 'LimitsExceeded');
  box.answerAll();
  box.say(other, 'Play', 1);
  assert.equal(box.calls.length, 1);
});

test('without a configuration the start waits for one', () => {
  const box = Box.connected();
  const film = box.open();
  for (let i = 0; i < 20; i += 1) {
    box.answer(ours('NotConfigured', 'no collector'));
    box.pass(30);
  }
  box.say(film, 'Pause', 300);
  box.answerAll();
  assert.deepEqual(
    box.errors.map(({ name }) => name),
    ['NotConfigured'],
  );
  assert.deepEqual(box.sayings().slice(-2), ['OpenSession 0', 'Pause 300 session/1']);
});

test('a player that knows a status is followed', () => {
  const box = Box.connected();
  const told = (media, playhead, rate) => {
    box.playing(media, playhead, rate);
    box.answerAll();
    return box.sayings();
  };
  assert.deepEqual(told(null, -1, 1), []);
  assert.deepEqual(told(FILM, 5, 1), ['OpenSession 5', 'Play 5 session/1']);
  assert.deepEqual(told(FILM, 6, 1), ['Playhead 6 session/1']);
  assert.deepEqual(told(FILM, 7, 2), ['Play 7 session/1']);
  assert.deepEqual(told(FILM, 8, 0), ['Pause 8 session/1']);
  assert.deepEqual(told(FILM, 8, 0), ['Playhead 8 session/1']);
  assert.deepEqual(told(FILM, 8, 1), ['Play 8 session/1']);
  box.do((rules, now) => rules.sessionClosed(path(1), 'idle', now));
  assert.deepEqual(told(FILM, 9, 1), ['Play 9 session/1'], 'Play revives');
  assert.deepEqual(told({ id: 'other', instance: '' }, 1, 1), [
    'End -1 session/1',
    'OpenSession 1',
    'Play 1 session/2',
  ]);
  box.do((rules, now) => rules.sessionClosed(path(2), 'complete', now));
  assert.deepEqual(told({ id: 'other' }, 0, 1), ['OpenSession 0', 'Play 0 session/3']);
  assert.deepEqual(told(null, 3, 1), ['End 3 session/3']);
  assert.deepEqual(told(null, 3, 1), []);
  assert.deepEqual(box.errors, []);
});

test('what a player opened itself goes on when it tells its status', () => {
  const box = Box.connected();
  box.say(box.open(), 'Play', 1);
  assert.equal(box.playing(FILM, 2, 1).id, 'film');
  box.answerAll();
  assert.deepEqual(box.sayings(), ['OpenSession 0', 'Play 1 session/1', 'Playhead 2 session/1']);
});

test('what cannot be said is reported and not said', () => {
  const box = Box.connected();
  const film = box.open();
  box.answerAll();
  box.sayings();
  box.say(film, 'AdStart', 1, { id: 'a', name: 'Ad', length: 30 });
  box.say(film, 'AdStart', 1, { id: 'a', name: 'Ad', length: 30, position: 'one' });
  box.say(film, 'Play', 1, { rate: NaN });
  box.say(film, 'AdBreakStart', 1, undefined);
  assert.equal(box.open({ name: 'no id' }).over, 'InvalidArgs');
  assert.equal(box.open({ id: 'x', content_type: 'live' }).over, 'InvalidArgs');
  assert.equal(box.open(null).over, 'InvalidArgs');
  assert.deepEqual(box.sayings(), []);
  assert.deepEqual(
    box.errors.map(({ name, message }) => `${name} ${message}`.slice(0, 60)),
    [
      'InvalidArgs AdStart.position: expected, and missing',
      'InvalidArgs AdStart.position: expected a finite number, got string'.slice(0, 60),
      'InvalidArgs Play.rate: expected a finite number, got NaN',
      'InvalidArgs AdBreakStart.name: expected, and missing',
      'InvalidArgs media.id: expected, and missing',
      'InvalidArgs media.content_type: there is no such key; there are id'.slice(0, 60),
      'InvalidArgs media: expected an object, got null',
    ],
  );
});

test('what was refused is told again', () => {
  const box = Box.connected();
  box.playing(FILM, 1, 1);
  box.answer(1);
  box.answer(ours('NotAllowed'));
  box.sayings();
  const film = box.playing(FILM, 2, 1);
  assert.deepEqual(box.sayings(), ['Play 2 session/1']);
  box.answer();
  box.say(film, 'End', 3);
  box.answer(ours('NotAllowed'));
  box.say(film, 'End', 4);
  box.answer();
  assert.deepEqual(box.sayings(), ['End 3 session/1', 'End 4 session/1']);
});

test('closing waits for what waits, for a while', () => {
  const at = (box) => box.do((rules, now) => rules.close(2 * SECOND, now));
  const idle = Box.connected();
  at(idle);
  assert.equal(idle.over, 0);

  const busy = Box.connected();
  busy.say(busy.open(), 'End', 1);
  at(busy);
  assert.equal(busy.over, null);
  busy.answerAll();
  assert.equal(busy.over, 0);

  const alone = Box.connected();
  const film = alone.open();
  alone.answer(AWAY);
  at(alone);
  assert.equal(alone.calls.length, 1, 'the last try');
  alone.answer(AWAY);
  alone.pass(1.9);
  assert.equal(alone.over, null);
  alone.say(film, 'Play', 1);
  assert.deepEqual(
    alone.errors.map(({ name }) => name),
    ['NoSession'],
  );
  alone.pass(0.2);
  assert.equal(alone.over, 1);
  assert.equal(alone.rules.deadline(), Infinity);

  const busless = new Box();
  busless.do(() => {});
  busless.lost();
  busless.open();
  at(busless);
  assert.equal(busless.connects, 2, 'the last try');
});
