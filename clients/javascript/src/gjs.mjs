// GJS: the D-Bus of GIO, the clock and the timers of GLib.

import Gio from 'gi://Gio';
import GLib from 'gi://GLib';

import { BootClock } from './clock.mjs';
import { AGENT, SESSION } from './vocabulary.mjs';

const BUS = 'org.freedesktop.DBus';
const CONNECT_LIMIT_MS = 5000;

const decoder = new TextDecoder();
const clock = new BootClock(
  () => GLib.get_monotonic_time(),
  () => decoder.decode(GLib.file_get_contents('/proc/uptime')[1]),
);

/** CLOCK_BOOTTIME, microseconds. */
export const now = () => clock.now();

export const env = (name) => GLib.getenv(name) ?? undefined;

/** Calls back once. Gives what cancels it. */
export function timer(milliseconds, callback) {
  let id = GLib.timeout_add(GLib.PRIORITY_DEFAULT, milliseconds, () => {
    id = 0;
    callback();
    return GLib.SOURCE_REMOVE;
  });
  return () => {
    if (id) GLib.source_remove(id);
    id = 0;
  };
}

/** Connects. Calls `ready` once or never, and `lost` once, unless it was closed before. */
export function dial(address, hears) {
  return new Connection(address, hears);
}

class Connection {
  #bus = null;
  #hears;
  #closed = false;
  #cancellable = new Gio.Cancellable();

  constructor(address, hears) {
    this.#hears = hears;
    const stop = timer(CONNECT_LIMIT_MS, () => this.#cancellable.cancel());
    const flags =
      Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT |
      Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION;
    const finished = (_, result) => {
      stop();
      this.#opened(result);
    };
    // A connection of its own: the shared one of a process ends the process when the bus goes away.
    try {
      Gio.DBusConnection.new_for_address(address, flags, null, this.#cancellable, finished);
    } catch (error) {
      // no address at all
      stop();
      timer(0, () => this.#lose(error.message));
    }
  }

  #opened(result) {
    try {
      this.#bus = Gio.DBusConnection.new_for_address_finish(result);
    } catch (error) {
      this.#lose(error.message);
      return;
    }
    if (this.#closed) {
      this.#bus.close(null, null);
      return;
    }
    this.#bus.connect('closed', () => this.#lose('the bus has closed the connection'));
    const hear = (sender, on, member, argument, callback) =>
      this.#bus.signal_subscribe(
        sender,
        on,
        member,
        null,
        argument,
        Gio.DBusSignalFlags.NONE,
        (_bus, _sender, path, _on, _member, body) => callback(path, body.deepUnpack()),
      );
    hear(BUS, BUS, 'NameOwnerChanged', AGENT, (_, [, , owner]) => {
      if (owner && !this.#closed) this.#hears.appeared();
    });
    hear(AGENT, SESSION, 'Closed', null, (path, [reason]) => {
      if (!this.#closed) this.#hears.sessionClosed(path, reason);
    });
    this.#hears.ready();
  }

  /** Calls the agent. `done` gets `{body}` or `{error, message}`, later. */
  call(path, on, member, signature, args, limitMs, done) {
    const body = GLib.Variant.new_tuple(
      typesOf(signature).map((type, i) => variant(type, args[i])),
    );
    const flags = Gio.DBusCallFlags.NONE;
    this.#bus.call(AGENT, path, on, member, body, null, flags, limitMs, null, (_, result) => {
      done(answerOf(() => this.#bus.call_finish(result)));
    });
  }

  close() {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#bus)
      this.#bus.close(null, null); // what was sent is flushed first
    else this.#cancellable.cancel();
  }

  #lose(why) {
    if (this.#closed) return;
    this.#closed = true;
    this.#hears.lost(why);
  }
}

/** The signatures here have simple types and one dictionary. */
function typesOf(signature) {
  return signature.match(/a\{[^}]*\}|./g);
}

function variant(type, value) {
  if (type !== 'a{sv}') return new GLib.Variant(type, value);
  const entries = Object.entries(value).map(([key, typed]) => [
    key,
    variant(typed.type, typed.value),
  ]);
  return new GLib.Variant('a{sv}', Object.fromEntries(entries));
}

function answerOf(finish) {
  try {
    return { body: finish().recursiveUnpack() };
  } catch (error) {
    const name = Gio.DBusError.get_remote_error(error);
    if (name) {
      Gio.DBusError.strip_remote_error(error);
      return { error: name, message: error.message };
    }
    const late = error.matches?.(Gio.IOErrorEnum, Gio.IOErrorEnum.TIMED_OUT);
    return { error: `${BUS}.Error.${late ? 'Timeout' : 'Disconnected'}`, message: error.message };
  }
}
