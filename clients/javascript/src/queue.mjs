// What waits for the agent: in order, at most 256 messages, none older than a minute.
// Times are CLOCK_BOOTTIME in microseconds, and arguments. Nothing in this file does I/O.

import { CLOSING } from './vocabulary.mjs';

export const MOST_WAITING = 256;
/** How long the agent believes `at`, microseconds. */
export const OLDEST_US = 60_000_000;

export const OPEN = 'OpenSession';
/** What says whether the content moves. */
export const MOVING = new Set(['Play', 'Pause']);

/**
 * A message: `{session, event, playhead, info, at}`, and what became of it so far.
 *
 * - `flying`: it is said and not answered yet.
 * - `anew`: the session was opened anew for its sake, so that is not done again.
 */
export class Queue {
  #messages = [];

  get size() {
    return this.#messages.length;
  }

  /** What a lane has to say next. */
  head(lane) {
    return this.#messages.find((message) => message.session.lane === lane);
  }

  /** Adds a message at the end. The position waits once: a newer one takes an older one's part. */
  push(message) {
    if (message.event === 'Playhead') {
      const older = this.#messages.find(
        (other) => other.event === 'Playhead' && other.session === message.session && !other.flying,
      );
      if (older) this.remove(older);
    }
    this.#messages.push(message);
  }

  /** Adds messages just before another. */
  before(message, added) {
    this.#messages.splice(this.#messages.indexOf(message), 0, ...added);
  }

  remove(message) {
    const index = this.#messages.indexOf(message);
    if (index >= 0) this.#messages.splice(index, 1);
    if (message.session.kept === message) message.session.kept = null;
  }

  /** The connection is gone, and with it what was under way and every session. */
  land() {
    for (const message of this.#messages) {
      message.flying = false;
      message.anew = false;
    }
  }

  /** Removes what is too old or too much, and gives it. */
  bound(now) {
    const dropped = [];
    for (const message of this.#messages.filter((one) => isOld(one, now))) {
      this.#give(message, dropped);
    }
    while (this.size > MOST_WAITING) {
      const before = dropped.length;
      for (const message of [...this.#messages]) {
        this.#give(message, dropped);
        if (dropped.length > before) break;
      }
      if (dropped.length === before && !this.#giveSession(dropped)) break;
    }
    return dropped;
  }

  /** When the next message becomes too old. */
  deadline() {
    const mortal = this.#messages.filter((message) => !message.flying && !this.#stays(message));
    return Math.min(...mortal.map((message) => message.at + OLDEST_US));
  }

  /** Drops a message, or the one in whose place it stays. */
  #give(message, dropped) {
    if (message.flying || this.#stays(message)) return;
    if (!MOVING.has(message.event)) {
      this.#drop(message, dropped);
      return;
    }
    const { kept } = message.session;
    message.session.kept = message;
    if (kept && !kept.flying) this.#drop(kept, dropped);
  }

  /** What stays whatever its age: ends, starts that something depends on, and the newest state. */
  #stays(message) {
    const { session, event } = message;
    if (event === OPEN) return session.lane.newest === session || this.#waitsMoreOf(session);
    return CLOSING.has(event) || session.kept === message;
  }

  #waitsMoreOf(session) {
    return this.#messages.some((message) => message.session === session && message.event !== OPEN);
  }

  /** Nothing but starts, states and ends waits: the oldest viewing goes as a whole. */
  #giveSession(dropped) {
    const oldest = this.#messages.find((message) => !message.flying);
    const all = this.#messages.filter((one) => one.session === oldest?.session && !one.flying);
    for (const message of all) this.#drop(message, dropped);
    return all.length > 0;
  }

  #drop(message, dropped) {
    this.remove(message);
    dropped.push(message);
  }
}

function isOld(message, now) {
  return now - message.at >= OLDEST_US;
}
