// The bytes of Node's messages, against those of GIO where gjs is installed.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import test from 'node:test';

import { CALL, Decoder, ERROR, RETURN, SIGNAL, encode } from '../src/wire.mjs';
import { skip } from './skipped.mjs';

const MESSAGES = [
  {
    type: CALL,
    serial: 1,
    destination: 'org.freedesktop.DBus',
    path: '/org/freedesktop/DBus',
    interface: 'org.freedesktop.DBus',
    member: 'Hello',
  },
  {
    type: CALL,
    serial: 0xfffffffe,
    destination: 'a.b',
    path: '/',
    member: 'M',
    signature: 'ss',
    body: ['', 'Zürich 🎬'],
  },
  {
    type: CALL,
    serial: 3,
    path: '/x',
    interface: 'a.b',
    member: 'Everything',
    signature: 'da{sv}',
    body: [
      -0.5,
      {
        s: { type: 's', value: 'text' },
        d: { type: 'd', value: 1e300 },
        b: { type: 'b', value: true },
        i: { type: 'i', value: -7 },
        u: { type: 'u', value: 0xffffffff },
        x: { type: 'x', value: -1234567890123456 },
        o: { type: 'o', value: '/tv/playhead' },
        texts: { type: 'a{ss}', value: { 'media.show': 'A', k: '' } },
        none: { type: 'a{sv}', value: {} },
        ids: { type: 'a{s(si)}', value: { crm: ['7', 1], other: ['', 2] } },
        list: { type: 'as', value: ['a', 'bc'] },
        doubles: { type: 'ad', value: [] },
        inner: { type: 'a{sv}', value: { x: { type: 'x', value: 1 } } },
      },
    ],
  },
  {
    type: RETURN,
    serial: 4,
    replySerial: 9,
    destination: ':1.1',
    signature: 'o',
    body: ['/tv/playhead/Agent1/session/1'],
  },
  {
    type: ERROR,
    serial: 5,
    replySerial: 9,
    errorName: 'a.b.C',
    signature: 's',
    body: ['x'.repeat(70_000)],
  },
  {
    type: SIGNAL,
    serial: 6,
    path: '/a',
    interface: 'a.b',
    member: 'Closed',
    signature: 's',
    body: ['idle'],
  },
];

/** What is read of what was written: variants are their values. */
function plain(value) {
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== 'object') return value;
  if ('type' in value && 'value' in value) return plain(value.value);
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, plain(entry)]));
}

function bytesOf(messages) {
  return Uint8Array.from(messages.flatMap((message) => [...encode(message)]));
}

function isRead(read) {
  assert.equal(read.length, MESSAGES.length);
  for (const [i, message] of MESSAGES.entries()) {
    for (const key of [
      'type',
      'serial',
      'path',
      'interface',
      'member',
      'errorName',
      'replySerial',
      'signature',
    ]) {
      assert.deepEqual(read[i][key], message[key], key);
    }
    assert.deepEqual(read[i].body, plain(message.body ?? []));
  }
}

test('what is written is read, in whatever pieces it comes', () => {
  const bytes = bytesOf(MESSAGES);
  for (const size of [bytes.length, 1, 7, 4096]) {
    const decoder = new Decoder();
    const read = [];
    for (let at = 0; at < bytes.length; at += size)
      read.push(...decoder.push(bytes.subarray(at, at + size)));
    isRead(read);
  }
});

test('GIO reads what is written, and is read', (t) => {
  const helper = fileURLToPath(new URL('gio.mjs', import.meta.url));
  const input = MESSAGES.map(
    (message) => `${Buffer.from(encode(message)).toString('base64')}\n`,
  ).join('');
  const gjs = spawnSync('gjs', ['-m', helper], { input, encoding: 'latin1', maxBuffer: 1 << 24 });
  if (gjs.error?.code === 'ENOENT') {
    skip(t, 'gjs is not installed (Debian package gjs)');
    return;
  }
  assert.equal(gjs.status, 0, gjs.stderr);
  const [big, little] = ['BIG', 'LITTLE'].map((order) =>
    gjs.stdout
      .split('\n')
      .filter((line) => line.startsWith(`${order} `))
      .flatMap((line) =>
        new Decoder().push(Uint8Array.from(Buffer.from(line.slice(order.length + 1), 'base64'))),
      ),
  );
  for (const messages of [little, big]) {
    const [types] = messages.splice(0, 1);
    assert.deepEqual(types.body, [
      1,
      -2,
      65535,
      4,
      5,
      true,
      'as',
      [
        [9, 10],
        [11, 12],
      ],
      { 1: true },
      [1, 2],
    ]);
    isRead(messages);
  }
});

test('what is no message ends the connection, and takes no memory', () => {
  const good = encode(MESSAGES[2]);
  const refused = (change, bytes = Uint8Array.from(good)) => {
    change(bytes);
    assert.throws(() => new Decoder().push(bytes), RangeError);
  };
  refused((bytes) => {
    bytes[0] = 0x20;
  });
  refused((bytes) => {
    bytes[3] = 2;
  });
  refused((bytes) => {
    bytes[7] = 0x7f;
  }); // a body of 2 GiB
  refused((bytes) => {
    bytes[15] = 0x7f;
  }); // header fields of 2 GiB
  const signal = encode(MESSAGES[5]);
  signal[signal.length - 9] = 5; // the length of its text
  assert.throws(() => new Decoder().push(signal), RangeError);
  let value = { type: 'i', value: 1 };
  for (let i = 0; i < 100; i += 1) value = { type: 'v', value };
  const nested = encode({
    type: SIGNAL,
    serial: 1,
    path: '/',
    interface: 'a.b',
    member: 'C',
    signature: 'v',
    body: [value],
  });
  assert.throws(() => new Decoder().push(nested), /too deep/);
});

test('no bytes make it hang or fail otherwise', () => {
  let state = 1;
  const random = (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  let read = 0;
  for (let i = 0; i < 5000; i += 1) {
    const bytes = Uint8Array.from(encode(MESSAGES[random(4)]));
    for (let changes = 1 + random(4); changes > 0; changes -= 1)
      bytes[random(bytes.length)] = random(256);
    try {
      read += new Decoder().push(bytes).length;
    } catch (error) {
      assert.ok(error instanceof RangeError, error.stack);
    }
  }
  assert.ok(read > 500, 'and some are messages');
});
