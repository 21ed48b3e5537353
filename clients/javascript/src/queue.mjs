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
 * - `ours`: the player did not say it; it opens a session anew.
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
    const old = this.#messages.filter((message) => isOld(message, now));
    // A start may be needed by nothing any more when the others have gone.
    for (const starts of [false, true]) {
      const started = this.#started();
      for (const message of old.filter(({ event }) => (event === OPEN) === starts)) {
        this.#give(message, started, dropped);
      }
    }
    while (this.size > MOST_WAITING) {
      const before = dropped.length;
      const started = this.#started();
      for (const message of [...this.#messages]) {
        this.#give(message, started, dropped);
        if (dropped.length > before) break;
      }
      if (dropped.length === before && !this.#giveSession(dropped)) break;
    }
    return dropped;
  }

  /** When the next message becomes too old. */
  deadline() {
    const started = this.#started();
    const mortal = this.#messages.find((message) => !message.flying && !stays(message, started));
    return mortal ? mortal.at + OLDEST_US : Infinity;
  }

  /**
   * Drops a message. Of what says whether the content moves, the newest that would go stays
   * instead.
   */
  #give(message, started, dropped) {
    if (message.flying || stays(message, started)) return;
    if (!MOVING.has(message.event)) {
      this.#drop(message, dropped);
      return;
    }
    const { kept } = message.session;
    const later = !kept || this.#messages.indexOf(kept) < this.#messages.indexOf(message);
    if (later) message.session.kept = message;
    const worse = later ? kept : message;
    if (worse && !worse.flying) this.#drop(worse, dropped);
  }

  /** The sessions that something but a start waits for. */
  #started() {
    const waiting = this.#messages.filter((message) => message.event !== OPEN);
    return new Set(waiting.map((message) => message.session));
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

/** What stays whatever its age: ends, starts that something depends on, and the newest state. */
function stays(message, started) {
  const { session, event } = message;
  if (event === OPEN) return session.lane.newest === session || started.has(session);
  return CLOSING.has(event) || session.kept === message;
}

function isOld(message, now) {
  return now - message.at >= OLDEST_US;
}
