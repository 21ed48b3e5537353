// What is said to the agent, when, and what its answers mean. No I/O and no clock: what happens
// comes in with the time (CLOCK_BOOTTIME, microseconds), and what is to be done comes out of
// `take`.
//
// A lane is one player (`media.instance`; most programs have one). It says one thing at a time, in
// the order of the calls: a start waits for the end of what was played before. Lanes do not wait
// for each other.

import { MOVING, OLDEST_US, OPEN, Queue } from './queue.mjs';
import { AFTER_CLOSE, invalid, IS_OVER, meaningOf, pathIn, shortName } from './answers.mjs';
import { callOf, newLane, newSession, stateOf } from './session.mjs';
import { CLOSING, eventInfo, mediaInfo, playheadOf } from './vocabulary.mjs';

const SECOND_US = 1_000_000;
/** How often an agent that is away is tried, though nobody has said that it is back. */
const AWAY_US = 5 * SECOND_US;
const FIRST_WAIT_US = SECOND_US;
const LONGEST_WAIT_US = 30 * SECOND_US;
/** Between two calls of one handle; what opens a session anew is told in between. */
const STEP_US = 4;

/**
 * `take` gives these, in order:
 *
 * - `{do: 'connect'}`: connect to the bus; then say `connected` or `lost`.
 * - `{do: 'call', message, path, interface, member, playhead, info}`: call, then say `answered`.
 * - `{do: 'error', error: {event, name, message, dropped?}, session}`: tell the player.
 * - `{do: 'closed', session, reason}`: tell the player.
 * - `{do: 'disconnect', pending}`: close the connection; it is over.
 */
export class Rules {
  #queue = new Queue();
  #lanes = new Map();
  #actions = [{ do: 'connect' }];
  #connected = false;
  #reconnectWait = FIRST_WAIT_US;
  #reconnectAt = Infinity;
  #awayUntil = 0;
  #lastAt = 0;
  #playing = null;
  #closeBy = null;
  #closed = false;

  /** What is to be done now. */
  take() {
    const actions = this.#actions;
    this.#actions = [];
    return actions;
  }

  /** Messages that wait for the agent or for its answer. */
  get pending() {
    return this.#queue.size;
  }

  /** When `tick` is due; Infinity: never. */
  deadline() {
    if (this.#closed) return Infinity;
    const waits = [...this.#lanes.values()].filter(
      (lane) => this.#queue.head(lane) && !lane.flying,
    );
    const retries = this.#connected
      ? waits.map((lane) => Math.max(lane.waitUntil, this.#awayUntil))
      : [];
    const due = [this.#reconnectAt, this.#queue.deadline(), this.#closeBy ?? Infinity, ...retries];
    return Math.min(...due);
  }

  // What the player says

  /** Opens a session. It is there at once, and over at once if `media` cannot be said. */
  open(media, playhead, now) {
    const lane = this.#lane(media?.instance ?? '');
    const session = newSession(lane, media?.id);
    try {
      session.media = mediaInfo(media);
    } catch (error) {
      this.#refuse(session, OPEN, invalid(error));
      session.over = 'InvalidArgs';
      return session;
    }
    if (this.#closeBy !== null) {
      this.#refuse(session, OPEN, AFTER_CLOSE);
      session.over = 'NoSession';
      return session;
    }
    lane.newest = session;
    this.#say(session, OPEN, playhead, session.media, now);
    return session;
  }

  /** Says an event of a session. */
  event(session, event, playhead, given, now) {
    if (this.#closeBy !== null) return this.#refuse(session, event, AFTER_CLOSE);
    if (session.over || session.ended) return this.#refuse(session, event, IS_OVER);
    let info;
    try {
      info = eventInfo(event, given);
    } catch (error) {
      return this.#refuse(session, event, invalid(error));
    }
    if (CLOSING.has(event)) session.ended = true;
    if (MOVING.has(event)) session.told = stateOf(event, info);
    this.#say(session, event, playhead, info, now);
  }

  /**
   * What plays now, for a player that only knows a status. `media` null: nothing. Gives the
   * session, or null.
   */
  playing(media, playhead, rate, now) {
    const lane = this.#lane(media ? (media.instance ?? '') : (this.#playing?.id ?? ''));
    const former = lane.newest && !lane.newest.over && !lane.newest.ended ? lane.newest : null;
    if (!media) {
      if (former) this.event(former, 'End', playhead, {}, now);
      return null;
    }
    this.#playing = lane;
    const same = former !== null && former.id === media.id;
    // The playhead is a place in what plays now, not in what played before.
    if (former && !same) this.event(former, 'End', -1, {}, now);
    const session = same ? former : this.open(media, playhead, now);
    if (session.over) return session;
    const speed = Number.isFinite(rate) ? rate : 1;
    const state = speed === 0 ? stateOf('Pause', {}) : stateOf('Play', { rate: { value: speed } });
    if (session.told?.event === state.event && session.told.rate === state.rate) {
      this.event(session, 'Playhead', playhead, {}, now);
    } else {
      this.event(
        session,
        state.event,
        playhead,
        speed === 0 || speed === 1 ? {} : { rate: speed },
        now,
      );
    }
    return session;
  }

  /** What waits is said until `limit` microseconds from now, then it is over. */
  close(limit, now) {
    if (this.#closeBy !== null) return;
    this.#closeBy = now + limit;
    this.#awayUntil = 0;
    if (!this.#connected && this.#reconnectAt !== Infinity) this.#reconnectAt = now;
    for (const lane of this.#lanes.values()) lane.waitUntil = 0;
    this.tick(now);
  }

  // What the bus says

  connected(now) {
    this.#connected = true;
    this.#reconnectWait = FIRST_WAIT_US;
    this.#awayUntil = 0;
    this.tick(now);
  }

  /** There is no connection. For the agent, the player that it knew has vanished. */
  lost(now) {
    this.#connected = false;
    this.#reconnectAt = now + this.#reconnectWait;
    this.#reconnectWait = Math.min(2 * this.#reconnectWait, LONGEST_WAIT_US);
    this.#queue.land();
    for (const lane of this.#lanes.values()) {
      lane.flying = null;
      for (const session of lane.sessions) session.path = null;
    }
    this.tick(now);
  }

  /** Another process owns the name of the agent. */
  appeared(now) {
    this.#awayUntil = 0;
    this.tick(now);
  }

  /** The answer to a call: `{path}` of `OpenSession`, `{}` of an event, or `{error, message}`. */
  answered(message, answer, now) {
    const { lane } = message.session;
    if (lane.flying !== message) return; // of a connection that is gone
    lane.flying = null;
    message.flying = false;
    this.#judge(message, answer, now);
    this.tick(now);
  }

  /** The signal `Closed` of a session object. */
  sessionClosed(path, reason, now) {
    for (const session of this.#sessions().filter((one) => one.path === path && !one.over)) {
      this.#farewell(session, reason);
      if (reason === 'idle' || reason === 'background') {
        // The object stays, and stands still until Play revives it.
        session.told = stateOf('Pause', {});
        session.state = null;
      } else if (reason === 'vanished' || reason === 'shutdown') {
        session.path = null;
      } else {
        this.#end(session, reason);
      }
    }
    this.tick(now);
  }

  /** Does what is due. */
  tick(now) {
    if (this.#closed) return;
    if (now >= this.#reconnectAt) {
      this.#reconnectAt = Infinity;
      this.#actions.push({ do: 'connect' });
    }
    this.#bound(now);
    for (const lane of this.#lanes.values()) this.#step(lane, now);
    for (const [name, lane] of this.#lanes) {
      if (lane.sessions.size === 0 && !this.#queue.head(lane)) this.#lanes.delete(name);
    }
    if (this.#closeBy !== null && (this.pending === 0 || now >= this.#closeBy)) {
      this.#closed = true;
      this.#actions.push({ do: 'disconnect', pending: this.pending });
    }
  }

  // How it works

  #lane(instance) {
    const name = String(instance);
    if (!this.#lanes.has(name)) this.#lanes.set(name, newLane(name));
    return this.#lanes.get(name);
  }

  #sessions() {
    return [...this.#lanes.values()].flatMap((lane) => [...lane.sessions]);
  }

  #say(session, event, playhead, info, now) {
    this.#lastAt = Math.max(Math.floor(now), this.#lastAt + STEP_US);
    session.lane.sessions.add(session);
    this.#queue.push({ session, event, playhead: playheadOf(playhead), info, at: this.#lastAt });
    this.tick(now);
  }

  /** Says what a lane has to say next, if it may. */
  #step(lane, now) {
    while (this.#connected && !lane.flying && now >= lane.waitUntil && now >= this.#awayUntil) {
      const message = this.#queue.head(lane);
      if (!message) return;
      const { session, event } = message;
      if (session.over) {
        this.#queue.remove(message);
        if (!CLOSING.has(event)) this.#refuse(session, event, IS_OVER);
      } else if (event !== OPEN && !session.path) {
        if (!message.anew) this.#openAnew(message, now);
        else this.#giveUp(message, IS_OVER);
      } else {
        lane.flying = message;
        message.flying = true;
        this.#actions.push(callOf(message));
      }
    }
  }

  /** The session is gone, and is opened again where it was, for the sake of this message. */
  #openAnew(message, now) {
    const { session, event, at } = message;
    const playhead = message.playhead >= 0 ? message.playhead : session.position;
    const opens = { session, playhead, anew: true, ours: true };
    const media = { ...session.media, resume: { type: 'b', value: true } };
    const added = [{ ...opens, event: OPEN, info: media, at }];
    if (session.state && !MOVING.has(event)) added.push({ ...opens, ...session.state, at: at + 1 });
    message.anew = true;
    message.at = at + added.length;
    session.path = null;
    this.#queue.before(message, added);
    this.#bound(now);
  }

  #judge(message, answer, now) {
    const { session, event } = message;
    const { lane } = session;
    const meaning = meaningOf(answer.error, answer.message, event === OPEN);
    if (meaning !== 'busy') lane.wait = 0;
    switch (meaning) {
      case 'away':
        this.#awayUntil = now + AWAY_US;
        return;
      case 'busy':
        this.#waitLonger(message, answer, now);
        return;
      case 'gone':
        session.path = null;
        if (CLOSING.has(event)) this.#done(message);
        else if (message.anew) this.#giveUp(message, answer);
        return; // the next step opens it anew
      case 'done':
        if (event !== OPEN || pathIn(answer.path)) this.#done(message, pathIn(answer.path));
        else
          this.#giveUp(message, { error: 'InvalidAnswer', message: `no session: ${answer.path}` });
        return;
      case 'done, but':
        this.#refuse(session, event, answer);
        this.#done(message, pathIn(answer.message));
        return;
      case 'known':
        this.#done(message, pathIn(answer.message));
        return;
      default:
        this.#giveUp(message, answer);
    }
  }

  #done(message, path) {
    const { session, event, playhead } = message;
    this.#queue.remove(message);
    if (playhead >= 0) session.position = playhead;
    if (MOVING.has(event)) {
      session.state = { event, info: message.info };
      session.farewell = false; // Play revives
    }
    if (CLOSING.has(event)) {
      const reason = event === 'End' ? 'end' : 'complete';
      // The signal may come before the answer, or never.
      if (!session.over) this.#farewell(session, reason);
      this.#end(session, reason);
    }
    if (event !== OPEN) return;
    session.path = path;
    session.farewell = false;
    for (const other of session.lane.sessions) {
      if (other === session) break; // what was opened later is still to come
      if (!other.farewell) this.#farewell(other, 'replaced');
      this.#end(other, 'replaced');
    }
  }

  /** The message is over, and so is the session that it should have opened. */
  #giveUp(message, answer) {
    const { session, event } = message;
    this.#queue.remove(message);
    this.#refuse(session, event, answer);
    if (MOVING.has(event)) session.told = null;
    if (CLOSING.has(event)) session.ended = false;
    if (event !== OPEN) return;
    const reason = shortName(answer.error);
    this.#farewell(session, reason);
    this.#end(session, reason);
  }

  #farewell(session, reason) {
    session.farewell = true;
    this.#actions.push({ do: 'closed', session, reason });
  }

  #end(session, reason) {
    session.over = reason;
    session.path = null;
    session.lane.sessions.delete(session);
  }

  /** Too much for the agent, or it has no configuration: later, and not for ever. */
  #waitLonger(message, answer, now) {
    const { session, event, at } = message;
    const { lane } = session;
    if (lane.wait === 0) this.#refuse(session, event, answer);
    lane.wait = Math.min(Math.max(2 * lane.wait, FIRST_WAIT_US), LONGEST_WAIT_US);
    lane.waitUntil = now + lane.wait;
    // A start that is too large would hold up the lane for ever.
    if (shortName(answer.error) === 'LimitsExceeded' && now - at >= OLDEST_US) {
      lane.wait = 0;
      lane.waitUntil = 0;
      this.#giveUp(message, answer);
    }
  }

  #bound(now) {
    const all = this.#queue.bound(now);
    for (const message of all) {
      if (message.event === OPEN) this.#farewell(message.session, 'Dropped');
      if (message.event === OPEN || CLOSING.has(message.event))
        this.#end(message.session, 'Dropped');
    }
    const dropped = all.filter((message) => !message.ours);
    if (dropped.length === 0) return;
    const [{ session, event }] = dropped;
    const many = dropped.length === 1 ? 'one message was' : `${dropped.length} messages were`;
    const message = `${many} dropped, the first of them ${event}: the agent was away too long`;
    const error = { event, name: 'Dropped', message, dropped: dropped.length };
    this.#actions.push({ do: 'error', error, session });
  }

  #refuse(session, event, { error, message }) {
    const told = { event, name: shortName(error), message };
    this.#actions.push({ do: 'error', error: told, session });
  }
}
