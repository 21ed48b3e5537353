// Sessions that are gone, closed, replaced or of another connection.

import assert from 'node:assert/strict';
import test from 'node:test';

import { AWAY, Box, UNKNOWN, ours, path } from './box.mjs';

test('a session that is gone is opened anew where it was, as it was', () => {
  const box = Box.connected();
  const film = box.open();
  box.say(film, 'Play', 10, { rate: 1.5 });
  box.say(film, 'Playhead', 20);
  box.answer(1);
  box.answer();
  box.answer();
  box.say(film, 'StateStart', -1, { name: 'mute' });
  const at = box.calls[0].info.at.value;
  box.sayings();
  box.answer(UNKNOWN);
  const [anew] = box.calls;
  assert.equal(anew.info.at.value, at);
  assert.equal(anew.info.id.value, 'film');
  assert.deepEqual(anew.info.resume, { type: 'b', value: true });
  box.answer(9);
  const [state] = box.calls;
  assert.deepEqual(state.info.rate, { type: 'd', value: 1.5 });
  box.answer();
  const [event] = box.calls;
  box.answer();
  assert.deepEqual(box.sayings(), [
    'OpenSession 20',
    'Play 20 session/9',
    'StateStart -1 session/9',
  ]);
  assert.ok(at < state.info.at.value && state.info.at.value < event.info.at.value);
  assert.deepEqual(box.errors, []);
});

test('a state that is said needs no other, and the place of an event counts', () => {
  const box = Box.connected();
  const film = box.open();
  box.say(film, 'Play', 10);
  box.answerAll();
  box.say(film, 'Pause', 30);
  box.sayings();
  box.answer(ours('NoSession'));
  box.answer(2);
  box.answer();
  assert.deepEqual(box.sayings(), ['OpenSession 30', 'Pause 30 session/2']);
});

test('an object of another connection is not our session', () => {
  const box = Box.connected();
  const film = box.open();
  box.answerAll();
  box.say(film, 'Play', 5);
  box.answer(ours('AccessDenied'));
  assert.equal(box.calls[0].member, 'OpenSession');
});

test('a session is opened anew once for one event', () => {
  const box = Box.connected();
  const film = box.open();
  box.answerAll();
  box.say(film, 'Play', 5);
  box.answer(UNKNOWN);
  box.answer(2);
  box.answer(UNKNOWN);
  assert.deepEqual(
    box.errors.map(({ event, name }) => `${event} ${name}`),
    ['Play UnknownObject'],
  );
  box.sayings();
  box.say(film, 'Pause', 6);
  assert.deepEqual(box.sayings(), ['OpenSession 6'], 'and again for the next');
});

test('where nothing stays open, one event opens one session', () => {
  const box = Box.connected();
  const film = box.open();
  box.say(film, 'Play', 1);
  box.answerAll();
  box.say(film, 'Stall', 5);
  box.sayings();
  box.answer(UNKNOWN);
  box.answer(2);
  box.answer(UNKNOWN); // to Play, which was said again
  assert.deepEqual(box.sayings(), ['OpenSession 5', 'Play 5 session/2']);
  assert.deepEqual(
    box.errors.map(({ event, name }) => `${event} ${name}`),
    ['Play UnknownObject', 'Stall NoSession'],
  );
  assert.equal(box.rules.pending, 0);
});

test('a session that was to be ended and is gone is ended', () => {
  for (const event of ['End', 'Complete']) {
    const box = Box.connected();
    const film = box.open();
    box.answerAll();
    box.say(film, event, 5);
    box.answer(UNKNOWN);
    assert.deepEqual([box.rules.pending, box.errors, box.closed.length], [0, [], 1]);
  }
});

test('another connection is another player: what plays is opened anew when it speaks', () => {
  const box = Box.connected();
  const film = box.open();
  box.say(film, 'Play', 10);
  box.answerAll();
  box.say(film, 'Playhead', 40);
  box.lost(); // with the call under way
  assert.equal(box.connects, 1);
  box.pass(1.1);
  assert.equal(box.connects, 2);
  box.sayings();
  box.do((rules, now) => rules.connected(now));
  box.answerAll();
  assert.deepEqual(box.sayings(), ['OpenSession 40', 'Play 40 session/2', 'Playhead 40 session/2']);
  box.lost();
  box.pass(2);
  box.do((rules, now) => rules.connected(now));
  assert.deepEqual(box.sayings(), [], 'who says nothing is not opened');
  box.say(film, 'Playhead', 50);
  box.answer(3);
  box.answer();
  box.lost(); // with what was opened anew for this event
  box.pass(1.1);
  box.sayings();
  box.do((rules, now) => rules.connected(now));
  assert.deepEqual(box.sayings(), ['OpenSession 50']);
  assert.deepEqual(box.errors, []);
});

test('a bus that is away is tried after 1 s, 2 s and so on to 30 s', () => {
  const box = new Box();
  box.do(() => {});
  assert.equal(box.connects, 1);
  for (const [tries, wait] of [1, 2, 4, 8, 16, 30, 30].entries()) {
    box.lost();
    box.pass(wait - 0.1);
    assert.equal(box.connects, tries + 1);
    box.pass(0.1);
    assert.equal(box.connects, tries + 2);
  }
  box.do((rules, now) => rules.connected(now));
  box.lost();
  box.pass(1.1);
  assert.equal(box.connects, 9, 'and again after 1 s when there was one');
});

test('an answer that belongs to the connection before means nothing', () => {
  const box = Box.connected();
  box.open();
  const [{ message }] = box.calls;
  box.lost();
  box.do((rules, now) => rules.answered(message, { path: path(1) }, now));
  assert.equal(box.rules.pending, 1);
});

test('a second answer means nothing', () => {
  const box = Box.connected();
  const film = box.open();
  box.say(film, 'Play', 1);
  const [{ message }] = box.calls;
  box.answer(1);
  box.do((rules, now) => rules.answered(message, UNKNOWN, now));
  assert.equal(box.calls.length, 1);
  box.answer();
  assert.deepEqual([box.rules.pending, box.errors], [0, []]);
});

test('why a session closes decides what is said of it afterwards', () => {
  const over = ['NoSession'];
  const cases = {
    replaced: [[], over],
    complete: [[], over],
    end: [[], over],
    consent: [[], over],
    idle: [['Play 5 session/1'], []],
    background: [['Play 5 session/1'], []],
    vanished: [['OpenSession 5'], []],
    shutdown: [['OpenSession 5'], []],
  };
  for (const [reason, [said, errors]] of Object.entries(cases)) {
    const box = Box.connected();
    const film = box.open();
    box.answerAll();
    box.sayings();
    box.do((rules, now) => rules.sessionClosed(path(1), reason, now));
    box.do((rules, now) => rules.sessionClosed(path(7), 'end', now)); // of somebody else
    box.say(film, 'Play', 5);
    assert.deepEqual(box.closed, [reason]);
    assert.deepEqual(box.sayings(), said, reason);
    assert.deepEqual(
      box.errors.map(({ name }) => name),
      errors,
      reason,
    );
  }
});

test('an end is told once, whether the signal or the answer comes first', () => {
  for (const first of ['signal', 'answer']) {
    const box = Box.connected();
    const film = box.open();
    box.answerAll();
    box.say(film, 'End', 5);
    if (first === 'answer') box.answer();
    box.do((rules, now) => rules.sessionClosed(path(1), 'end', now));
    if (first === 'signal') box.answer();
    assert.deepEqual([box.closed, box.errors, box.rules.pending], [['end'], [], 0]);
  }
});

test('an end whose answer was lost is not said to a session that is closed', () => {
  const box = Box.connected();
  const film = box.open();
  box.answerAll();
  box.say(film, 'End', 5);
  box.do((rules, now) => rules.sessionClosed(path(1), 'end', now));
  box.answer(AWAY);
  box.do((rules, now) => rules.appeared(now));
  assert.deepEqual([box.calls, box.errors, box.rules.pending], [[], [], 0]);
});

test('what is played next replaces what was played before', () => {
  const box = Box.connected();
  const film = box.open();
  box.open({ id: 'other' });
  box.say(film, 'Play', 1); // too late: it is not this that plays
  box.answer(1);
  box.answer(2);
  assert.deepEqual(box.closed, ['replaced']);
  assert.deepEqual(
    box.errors.map(({ event, name }) => `${event} ${name}`),
    ['Play NoSession'],
  );
});

test('a session that came back to life can be replaced, one that did not is not told twice', () => {
  const ways = {
    idle: [[], ['idle']],
    'idle Play': [['Play'], ['idle', 'replaced']],
    vanished: [['Stall'], ['vanished', 'replaced']],
  };
  for (const [way, [events, closed]] of Object.entries(ways)) {
    const box = Box.connected();
    const film = box.open();
    box.answerAll();
    box.do((rules, now) => rules.sessionClosed(path(1), way.split(' ')[0], now));
    for (const event of events) box.say(film, event, 1);
    box.answerAll();
    box.open({ id: 'other' });
    box.answerAll();
    assert.deepEqual(box.closed, closed, way);
  }
});

test('a session that is open already is taken', () => {
  const box = Box.connected();
  const film = box.open();
  box.answer(
    ours('NotAllowed', 'this player has this media open as session 12; Play goes on with it'),
  );
  box.say(film, 'Play', 1);
  assert.equal(box.calls[0].path, path(12));
  assert.deepEqual(box.errors, []);
});
