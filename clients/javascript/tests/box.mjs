// What the tests of the rules share: a player, a bus and an agent without any of them, and a time
// that is set.

import { Rules } from '../src/rules.mjs';

export const SECOND = 1_000_000;
export const FILM = { id: 'film', length: 3600 };
const GONE = 'org.freedesktop.DBus.Error.UnknownObject';
export const AWAY = {
  error: 'org.freedesktop.DBus.Error.ServiceUnknown',
  message: 'nobody has the name',
};
export const UNKNOWN = { error: GONE, message: 'no such object' };

export const ours = (name, message = 'a sentence') => ({
  error: `tv.playhead.Error.${name}`,
  message,
});
export const path = (number) => `/tv/playhead/Agent1/session/${number}`;

export class Box {
  now = 1000 * SECOND;
  rules = new Rules();
  calls = []; // that were not answered
  said = []; // all calls, as `sayings` tells them
  errors = [];
  closed = [];
  connects = 0;
  over = null; // pending, once the connection was closed
  #sessions = 0;

  /** A box on which all is well. */
  static connected() {
    const box = new Box();
    box.do((rules, now) => rules.connected(now));
    return box;
  }

  do(what) {
    const result = what(this.rules, this.now);
    for (const action of this.rules.take()) this.#note(action);
    return result;
  }

  #note(action) {
    switch (action.do) {
      case 'connect':
        this.connects += 1;
        break;
      case 'call':
        this.calls.push(action);
        this.said.push(action);
        break;
      case 'error':
        this.errors.push(action.error);
        break;
      case 'closed':
        this.closed.push(action.reason);
        break;
      default:
        this.over = action.pending;
    }
  }

  /** Lets time pass, and has done what is due, when it is due. */
  pass(seconds) {
    const until = this.now + seconds * SECOND;
    while (this.rules.deadline() <= until) {
      this.now = Math.max(this.now, this.rules.deadline());
      this.do((rules, now) => rules.tick(now));
    }
    this.now = until;
  }

  open(media = FILM, playhead = 0) {
    this.now += 1000;
    return this.do((rules, now) => rules.open(media, playhead, now));
  }

  say(session, event, playhead = 0, info = {}) {
    this.now += 1000;
    this.do((rules, now) => rules.event(session, event, playhead, info, now));
  }

  playing(media, playhead, rate) {
    this.now += 1000;
    return this.do((rules, now) => rules.playing(media, playhead, rate, now));
  }

  /** Answers the oldest call. An answer that is a number is a new session of this number. */
  answer(answer = {}) {
    const { message } = this.calls.shift();
    const given = typeof answer === 'number' ? { path: path(answer) } : answer;
    this.do((rules, now) => rules.answered(message, given, now));
  }

  /** The agent takes everything that comes. */
  answerAll() {
    while (this.calls.length > 0) {
      this.answer(this.calls[0].member === 'OpenSession' ? (this.#sessions += 1) : {});
    }
  }

  lost() {
    this.calls = [];
    this.do((rules, now) => rules.lost(now));
  }

  /** What was said since the last time, as `Play 3 session/1`. */
  sayings() {
    const said = this.said.map(({ member, path: at, playhead }) => {
      const session = /session\/\d+/.exec(at);
      return `${member} ${playhead}${session ? ` ${session[0]}` : ''}`;
    });
    this.said = [];
    return said;
  }
}
