// What the rules know of a player and of a viewing, and how a message becomes a call.

import { OPEN } from './queue.mjs';
import { AGENT, AGENT_PATH, SESSION } from './vocabulary.mjs';

/** One player of this program. It says one thing at a time. */
export function newLane(id) {
  return {
    id, // `media.instance`
    newest: null, // the session that was opened last
    sessions: new Set(), // that are not over, in the order in which they were opened
    flying: null, // the message that is not answered yet
    waitUntil: 0, // the agent has enough, microseconds
    wait: 0, // how long it was let alone, microseconds
  };
}

export function newSession(lane, id) {
  return {
    lane,
    id, // of the media
    media: {},
    path: null, // of its object, while there is one
    over: null, // why nothing more can be said
    ended: false, // End or Complete was said, or waits
    farewell: false, // the player was told that it is closed
    position: -1, // that the agent knows
    state: null, // Play or Pause, that the agent knows
    told: null, // Play or Pause, that the player said last
    kept: null, // the message that stands for states that were dropped (queue.mjs)
  };
}

/** Whether the content moves, and how fast, after Play or Pause. */
export function stateOf(event, info) {
  return { event, rate: event === 'Pause' ? 0 : (info.rate?.value ?? 1) };
}

/** The call that says a message. */
export function callOf(message) {
  const { session, event, playhead, at } = message;
  const [path, on] = event === OPEN ? [AGENT_PATH, AGENT] : [session.path, SESSION];
  const info = { ...message.info, at: { type: 'x', value: at } };
  return { do: 'call', message, path, interface: on, member: event, playhead, info };
}
