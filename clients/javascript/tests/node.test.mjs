// The connection of Node, with a bus that does what no good bus does.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import test from 'node:test';

import { dial } from '../src/node.mjs';
import { CALL, Decoder, encode, ERROR, RETURN, SIGNAL } from '../src/wire.mjs';

/** Connects to a bus that `serve` plays. Gives what the connection tells, and the connection. */
async function connect(serve, address = (socket) => `unix:path=${socket}`) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'playhead-js-'));
  const bus = net.createServer((socket) => {
    socket.on('error', () => {});
    serve(socket);
  });
  bus.listen(path.join(dir, 'bus'));
  await once(bus, 'listening');
  const told = [];
  const close = () => {
    connection.close();
    bus.close();
    fs.rmSync(dir, { recursive: true, force: true });
  };
  let connection;
  const first = await new Promise((resolve) => {
    const hears = {};
    for (const name of ['ready', 'lost', 'appeared', 'sessionClosed']) {
      hears[name] = (...what) => {
        told.push([name, ...what]);
        resolve(told[0]);
      };
    }
    connection = dial(address(path.join(dir, 'bus')), hears);
  });
  return { first, told, connection, close };
}

/** Answers the greeting as a bus does, with `OK`, and gives each message to `each`. */
function greet(socket, each) {
  const decoder = new Decoder();
  let begun = false;
  socket.on('data', (bytes) => {
    const said = bytes.toString('latin1');
    if (said.startsWith('\0AUTH EXTERNAL ')) socket.write('OK 0123');
    if (said.startsWith('\0AUTH EXTERNAL ')) setImmediate(() => socket.write('4567\r\n'));
    const rest = begun ? bytes : bytes.subarray(said.indexOf('BEGIN\r\n') + 7);
    if (!begun && !said.includes('BEGIN\r\n')) return;
    begun = true;
    for (const message of decoder.push(rest)) each(message);
  });
}

/** A bus on which all is well, and on which `:1.7` owns the name of the agent. */
function goodBus(socket, each = () => {}) {
  greet(socket, (message) => {
    const { serial, member, interface: on } = message;
    if (on !== 'org.freedesktop.DBus') {
      each(message);
      return;
    }
    const body = { Hello: [':1.9'], GetNameOwner: [':1.7'] }[member] ?? [];
    const signature = body.length > 0 ? 's' : '';
    socket.write(encode({ type: RETURN, serial, replySerial: serial, signature, body }));
  });
}

const CASES = {
  'that refuses the user': [
    (socket) => socket.on('data', () => socket.write('REJECTED EXTERNAL\r\n')),
    /refuses this user/,
  ],
  'that goes away while it is greeted': [
    (socket) => socket.on('data', () => socket.end('OK')),
    /has closed the connection/,
  ],
  'that says no D-Bus': [
    (socket) => greet(socket, () => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')),
    /no D-Bus message/,
  ],
  'that never ends its greeting': [
    (socket) => socket.on('data', () => socket.write('x'.repeat(5000))),
    /refuses this user/,
  ],
  'that does not say hello': [
    (socket) =>
      greet(socket, ({ serial }) => {
        const body = ['too many connections'];
        const error = { type: ERROR, errorName: 'a.b.LimitsExceeded', signature: 's', body };
        socket.write(encode({ ...error, serial, replySerial: serial }));
      }),
    /too many connections/,
  ],
};
for (const [what, [serve, why]] of Object.entries(CASES)) {
  test(`a bus ${what} is none`, async () => {
    const { first, told, close } = await connect(serve);
    assert.equal(first[0], 'lost');
    assert.match(first[1], why);
    close();
    assert.equal(told.length, 1);
  });
}

test('an address has several sockets, and the first that is there counts', async () => {
  const address = (socket) => `tcp:host=x,port=1;unix:path=/nowhere;unix:path=${socket}`;
  const { first, close } = await connect((socket) => goodBus(socket), address);
  assert.deepEqual(first, ['ready']);
  close();
});

test('an address without a socket is told', async () => {
  for (const address of ['autolaunch:', 'unix:path=%zz', '']) {
    const { first, close } = await connect(
      () => {},
      () => address,
    );
    assert.match(first.join(' '), /^lost no unix socket/);
    close();
  }
});

test('what is under way ends with the connection', async () => {
  let socket;
  const { connection, told, close } = await connect((given) => {
    socket = given;
    goodBus(socket, () => socket.destroy());
  });
  const answer = await new Promise((done) => {
    connection.call('/', 'a.b', 'C', 's', ['x'], 60_000, done);
  });
  assert.equal(answer.error, 'org.freedesktop.DBus.Error.Disconnected');
  assert.deepEqual(
    told.map(([name]) => name),
    ['ready', 'lost'],
  );
  close();
});

test('who asks gets an answer, who lies is not believed', async () => {
  let socket;
  const answers = [];
  const { connection, told, close } = await connect((given) => {
    socket = given;
    goodBus(socket, (message) => {
      if (message.type === CALL) {
        socket.write(encode({ type: RETURN, serial: 99, replySerial: message.serial }));
      } else {
        answers.push(message.errorName ?? 'pong');
      }
    });
  });
  const closed = { type: SIGNAL, serial: 1, path: '/tv/playhead/Agent1/session/1', signature: 's' };
  const of = { interface: 'tv.playhead.Session1', member: 'Closed', body: ['end'] };
  const owner = { interface: 'org.freedesktop.DBus', member: 'NameOwnerChanged', signature: 'sss' };
  const changed = { ...closed, ...owner, path: '/', body: ['tv.playhead.Agent1', '', ':1.8'] };
  const ping = { type: CALL, serial: 3, path: '/', sender: ':1.5', member: 'Ping' };
  for (const message of [
    { ...closed, ...of, sender: ':1.6' },
    { ...changed, sender: ':1.6' },
    { ...closed, ...of, sender: ':1.7' },
    { ...changed, sender: 'org.freedesktop.DBus' },
    { ...closed, ...of, sender: ':1.7' },
    { ...ping, interface: 'org.freedesktop.DBus.Peer' },
    { ...ping, interface: 'a.b' },
    { ...ping, interface: 'a.b', flags: 1 },
    { type: RETURN, serial: 4, replySerial: 12345 },
  ]) {
    socket.write(encode(message));
  }
  await new Promise((done) => {
    connection.call('/', 'a.b', 'C', '', [], 60_000, done);
  });
  assert.deepEqual(told, [
    ['ready'],
    ['sessionClosed', '/tv/playhead/Agent1/session/1', 'end'],
    ['appeared'],
  ]);
  assert.deepEqual(answers, ['pong', 'org.freedesktop.DBus.Error.UnknownMethod']);
  close();
});
