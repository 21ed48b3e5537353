// The client of playheadd for Node and GJS. README.md shows how a player uses it, playhead.d.mts
// has the types.

import { Rules } from './src/rules.mjs';
import { addressOf } from './src/address.mjs';
import { shortName } from './src/answers.mjs';
import { AGENT, AGENT_PATH, wellFormed } from './src/vocabulary.mjs';

export const VERSION = '1.0.0';

const CALL_LIMIT_MS = 5000;

/**
 * Connects to the agent. It is there when this is done, whatever becomes of the bus and of the
 * agent.
 */
export async function connect(options = {}) {
  const { bus = 'system', onError = () => {}, onClosed = () => {} } = options;
  const node = globalThis.process?.versions?.node !== undefined;
  const engine = await import(node ? './src/node.mjs' : './src/gjs.mjs');
  return new Agent(engine, addressOf(bus, engine.env), onError, onClosed);
}

class Agent {
  #engine;
  #address;
  #onError;
  #onClosed;
  #rules = new Rules();
  #connection = null;
  #attempt = null; // resolved when it is known whether there is a connection
  #settle = () => {};
  #ready = false;
  #why = '';
  #cancel = () => {};
  #sessions = new WeakMap(); // what the rules call a session -> Session
  #closing = null; // what close() gives
  #over = () => {};

  constructor(engine, address, onError, onClosed) {
    this.#engine = engine;
    this.#address = address;
    this.#onError = onError;
    this.#onClosed = onClosed;
    this.#run();
  }

  /** Messages that wait for the agent or for its answer. */
  get pending() {
    return this.#rules.pending;
  }

  /**
   * Where the viewer was. `{point, error}`: point is null when nothing is known, and with an error.
   */
  async resumePoint(mediaId, app = '') {
    await this.#attempt;
    const { error, message, body } = await new Promise((done) => {
      const args = [app, mediaId].map(wellFormed);
      if (!this.#ready) done({ error: 'Disconnected', message: this.#why });
      else
        this.#connection.call(AGENT_PATH, AGENT, 'GetResumePoint', 'ss', args, CALL_LIMIT_MS, done);
    });
    if (error)
      return { point: null, error: { event: 'GetResumePoint', name: shortName(error), message } };
    const [point = {}] = body;
    if (Object.keys(point).length === 0) return { point: null, error: null };
    const { position = 0, length = 0, ended_at: endedAt = null, completed = false } = point;
    return { point: { position, length, endedAt, completed }, error: null };
  }

  /** Opens a session at a playhead in seconds; negative: "where I was". It is there at once. */
  open(playhead, media) {
    return this.#hold(this.#do((now) => this.#rules.open(media, playhead, now)));
  }

  /**
   * What plays now, for a player that only knows a status. `media` null: nothing. Rate 0: it is
   * paused.
   */
  now(media, playhead = -1, rate = 1) {
    const session = this.#do((now) => this.#rules.playing(media, playhead, rate, now));
    return session && this.#hold(session);
  }

  /**
   * Closes the connection when what waits is said, at the latest after a limit. Gives what was not
   * said.
   */
  close(seconds = 2) {
    if (!this.#closing) {
      this.#closing = new Promise((resolve) => {
        this.#over = resolve;
      });
      this.#do((now) => this.#rules.close(seconds * 1e6, now));
    }
    return this.#closing;
  }

  #hold(session) {
    let held = this.#sessions.get(session);
    if (!held) {
      held = new Session((event, playhead, info) => {
        this.#do((now) => this.#rules.event(session, event, playhead, info, now));
      });
      this.#sessions.set(session, held);
    }
    return held;
  }

  #do(input) {
    const result = input(this.#engine.now());
    this.#run();
    return result;
  }

  #run() {
    for (const action of this.#rules.take()) this.#carryOut(action);
    this.#cancel();
    this.#cancel = () => {};
    const deadline = this.#rules.deadline();
    if (deadline === Infinity) return;
    const milliseconds = Math.max(0, Math.ceil((deadline - this.#engine.now()) / 1000));
    this.#cancel = this.#engine.timer(milliseconds, () => this.#do((now) => this.#rules.tick(now)));
  }

  #carryOut(action) {
    switch (action.do) {
      case 'connect':
        this.#dial();
        break;
      case 'call':
        this.#call(action);
        break;
      case 'error':
        this.#tell(this.#onError, action.error, this.#hold(action.session));
        break;
      case 'closed':
        this.#tell(this.#onClosed, action.reason, this.#hold(action.session));
        break;
      default:
        this.#ready = false;
        this.#why = 'the player has closed the connection';
        this.#connection.close();
        this.#settle();
        this.#over(action.pending);
    }
  }

  #dial() {
    this.#attempt = new Promise((resolve) => {
      this.#settle = resolve;
    });
    this.#connection = this.#engine.dial(this.#address, {
      ready: () => {
        this.#ready = true;
        this.#settle();
        this.#do((now) => this.#rules.connected(now));
      },
      lost: (why) => {
        this.#ready = false;
        this.#why = why;
        this.#settle();
        this.#do((now) => this.#rules.lost(now));
      },
      appeared: () => this.#do((now) => this.#rules.appeared(now)),
      sessionClosed: (path, reason) => {
        this.#do((now) => this.#rules.sessionClosed(path, reason, now));
      },
    });
  }

  #call({ message, path, interface: on, member, playhead, info }) {
    const connection = this.#connection;
    const done = ({ body, ...failure }) => {
      if (connection !== this.#connection) return;
      this.#do((now) => this.#rules.answered(message, body ? { path: body[0] } : failure, now));
    };
    try {
      connection.call(path, on, member, 'da{sv}', [playhead, info], CALL_LIMIT_MS, done);
    } catch (error) {
      // it cannot be written; the player has nothing to do with that
      Promise.resolve().then(() => done({ error: 'InvalidArgs', message: String(error) }));
    }
  }

  /** Not from inside a call of the player's, nor of ours: what it does is its own affair. */
  #tell(callback, ...what) {
    Promise.resolve().then(() => callback(...what));
  }
}

/**
 * A playback. Playheads are seconds of the content (live: second of the day), negative: "work it
 * out".
 */
class Session {
  #say;

  constructor(say) {
    this.#say = say;
  }

  play(playhead, rate = 1) {
    this.#say('Play', playhead, rate === 1 ? {} : { rate });
  }
  pause(playhead) {
    this.#say('Pause', playhead);
  }
  bufferStart(playhead) {
    this.#say('BufferStart', playhead);
  }
  bufferComplete(playhead) {
    this.#say('BufferComplete', playhead);
  }
  stall(playhead) {
    this.#say('Stall', playhead);
  }
  seekStart(playhead) {
    this.#say('SeekStart', playhead);
  }
  seekComplete(playhead) {
    this.#say('SeekComplete', playhead);
  }
  adBreakStart(playhead, adBreak) {
    this.#say('AdBreakStart', playhead, adBreak);
  }
  adBreakComplete(playhead) {
    this.#say('AdBreakComplete', playhead);
  }
  adStart(playhead, ad) {
    this.#say('AdStart', playhead, ad);
  }
  adComplete(playhead) {
    this.#say('AdComplete', playhead);
  }
  adSkip(playhead) {
    this.#say('AdSkip', playhead);
  }
  chapterStart(playhead, chapter) {
    this.#say('ChapterStart', playhead, chapter);
  }
  chapterComplete(playhead) {
    this.#say('ChapterComplete', playhead);
  }
  chapterSkip(playhead) {
    this.#say('ChapterSkip', playhead);
  }
  stateStart(playhead, name) {
    this.#say('StateStart', playhead, { name });
  }
  stateEnd(playhead, name) {
    this.#say('StateEnd', playhead, { name });
  }
  qoe(playhead, quality) {
    this.#say('Qoe', playhead, quality);
  }
  bitrateChange(playhead, quality) {
    this.#say('BitrateChange', playhead, quality);
  }
  error(playhead, id, source = 'player') {
    this.#say('Error', playhead, { id, source });
  }
  playhead(playhead) {
    this.#say('Playhead', playhead);
  }
  complete(playhead) {
    this.#say('Complete', playhead);
  }
  end(playhead) {
    this.#say('End', playhead);
  }
}
