// Node: a connection to the bus over its unix socket, in this file and wire.mjs. README.md says why
// there is no library.

import { readFileSync } from 'node:fs';
import net from 'node:net';

import { socketsOf } from './address.mjs';
import { BootClock } from './clock.mjs';
import { AGENT, SESSION } from './vocabulary.mjs';
import { CALL, Decoder, ERROR, RETURN, SIGNAL, encode } from './wire.mjs';

const BUS = 'org.freedesktop.DBus';
const BUS_PATH = '/org/freedesktop/DBus';
const CONNECT_LIMIT_MS = 5000;
const NO_REPLY_EXPECTED = 1;
// Before, libuv cut an abstract name or filled it up with zeros, which is another name.
const KNOWS_ABSTRACT = Number.parseInt(process.versions.node, 10) >= 22;

const clock = new BootClock(
  () => Number(process.hrtime.bigint() / 1000n),
  () => readFileSync('/proc/uptime', 'latin1'),
);

/** CLOCK_BOOTTIME, microseconds. */
export const now = () => clock.now();

export const env = (name) => process.env[name];

/** Calls back once. Gives what cancels it. */
export function timer(milliseconds, callback) {
  const id = setTimeout(callback, milliseconds);
  return () => clearTimeout(id);
}

/** Connects. Calls `ready` once or never, and `lost` once, unless it was closed before. */
export function dial(address, hears) {
  return new Connection(address, hears);
}

class Connection {
  #sockets;
  #socket = null;
  #hears;
  #closed = false;
  #stopDialling;
  #greeting = ''; // what the bus says before the first message
  #decoder = null;
  #serial = 0;
  #calls = new Map(); // serial -> {done, stop}
  #owner = null; // the agent's connection

  constructor(address, hears) {
    this.#hears = hears;
    this.#stopDialling = timer(CONNECT_LIMIT_MS, () => this.#lose('the bus does not answer'));
    try {
      this.#sockets = socketsOf(address);
    } catch {
      this.#sockets = []; // an escape that is none
    }
    this.#next(`no unix socket in the address ${address}`);
  }

  /** Tries the next socket of the address. */
  #next(why) {
    const path = this.#sockets.shift();
    if (path === undefined) {
      process.nextTick(() => this.#lose(why));
      return;
    }
    if (path.startsWith('\0') && !KNOWS_ABSTRACT) {
      this.#next('an abstract socket needs Node 22');
      return;
    }
    const socket = net.connect({ path });
    this.#socket = socket;
    let connected = false;
    let trouble = 'the bus has closed the connection';
    socket.on('connect', () => {
      connected = true;
      const user = Buffer.from(String(process.getuid())).toString('hex');
      socket.write(`\0AUTH EXTERNAL ${user}\r\n`);
    });
    socket.on('data', (bytes) => this.#take(bytes));
    socket.on('error', (error) => {
      trouble = error.message;
    });
    socket.on('close', () => {
      if (this.#closed) return;
      if (connected) this.#lose(trouble);
      else this.#next(trouble);
    });
  }

  #take(bytes) {
    try {
      const rest = this.#decoder ? bytes : this.#greet(bytes);
      if (!rest) return;
      for (const message of this.#decoder.push(rest)) this.#hear(message);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#lose(error.message);
    }
  }

  /** Reads the answer to the authentication. Gives the bytes behind it. */
  #greet(bytes) {
    this.#greeting += bytes.toString('latin1');
    const end = this.#greeting.indexOf('\r\n');
    if (end < 0 && this.#greeting.length < 4096) return null;
    if (!this.#greeting.startsWith('OK ')) throw new RangeError('the bus refuses this user');
    const rest = Buffer.from(this.#greeting.slice(end + 2), 'latin1');
    this.#decoder = new Decoder();
    this.#socket.write('BEGIN\r\n');
    this.#begin();
    return rest;
  }

  #begin() {
    const watch = [
      `type='signal',sender='${BUS}',interface='${BUS}',member='NameOwnerChanged',arg0='${AGENT}'`,
      `type='signal',sender='${AGENT}',interface='${SESSION}',member='Closed'`,
    ];
    // The bus answers in order: when the last answer comes, the others were good or the bus is odd.
    this.#ask('Hello', '', []);
    for (const rule of watch) this.#ask('AddMatch', 's', [rule]);
    this.#ask('GetNameOwner', 's', [AGENT], ({ body }) => {
      if (this.#closed) return;
      this.#owner = body?.[0] ?? null;
      this.#stopDialling();
      this.#hears.ready();
    });
  }

  #ask(
    member,
    signature,
    body,
    done = ({ error, message }) => {
      if (error) this.#lose(message);
    },
  ) {
    const call = { destination: BUS, path: BUS_PATH, interface: BUS, member, signature, body };
    this.#send(call, CONNECT_LIMIT_MS, done);
  }

  /** Calls the agent. `done` gets `{body}` or `{error, message}`, later. */
  call(path, on, member, signature, body, limitMs, done) {
    this.#send({ destination: AGENT, path, interface: on, member, signature, body }, limitMs, done);
  }

  #send(call, limitMs, done) {
    const serial = this.#write({ type: CALL, ...call });
    const stop = timer(limitMs, () => {
      this.#calls.delete(serial);
      done({ error: `${BUS}.Error.Timeout`, message: `no answer within ${limitMs} ms` });
    });
    this.#calls.set(serial, { done, stop });
  }

  #write(message) {
    this.#serial = (this.#serial % 0xffff_ffff) + 1;
    this.#socket.write(encode({ ...message, serial: this.#serial }));
    return this.#serial;
  }

  #hear(message) {
    if (this.#closed) return;
    if (message.type === RETURN || message.type === ERROR) {
      const call = this.#calls.get(message.replySerial);
      if (!call) return; // it came too late
      this.#calls.delete(message.replySerial);
      call.stop();
      const { errorName: error, body } = message;
      call.done(error ? { error, message: String(body[0] ?? '') } : { body });
    } else if (message.type === SIGNAL) {
      this.#signal(message);
    } else if (message.type === CALL && !(message.flags & NO_REPLY_EXPECTED)) {
      const answer = { destination: message.sender, replySerial: message.serial };
      const ping = message.interface === `${BUS}.Peer` && message.member === 'Ping';
      const error = { type: ERROR, errorName: `${BUS}.Error.UnknownMethod` };
      this.#write({ ...answer, ...(ping ? { type: RETURN } : error) });
    }
  }

  /** Whoever knows our name can send us a signal: the sender counts. */
  #signal({ sender, path, interface: on, member, body }) {
    if (sender === BUS && on === BUS && member === 'NameOwnerChanged' && body[0] === AGENT) {
      this.#owner = body[2] || null;
      if (this.#owner) this.#hears.appeared();
    } else if (sender === this.#owner && on === SESSION && member === 'Closed') {
      this.#hears.sessionClosed(path, String(body[0]));
    }
  }

  close() {
    if (this.#closed) return;
    this.#shut('the player has closed the connection');
    this.#socket?.end();
  }

  #lose(why) {
    if (this.#closed) return;
    this.#shut(why);
    this.#socket?.destroy();
    this.#hears.lost(why);
  }

  #shut(why) {
    this.#closed = true;
    this.#stopDialling();
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const { stop, done } of calls) {
      stop();
      done({ error: `${BUS}.Error.Disconnected`, message: why });
    }
  }
}
