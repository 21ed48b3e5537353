// What the errors of the agent and of the bus mean for what was said
// (docs/integrating-a-player.md).

import { AGENT_PATH, InvalidValue } from './vocabulary.mjs';

const OURS = 'tv.playhead.Error.';
const AWAY = new Set([
  'ServiceUnknown',
  'NameHasNoOwner',
  'NoReply',
  'Disconnected',
  'Timeout',
  'TimedOut',
  'NoServer',
]);
const NO_OBJECT = new Set(['UnknownObject', 'UnknownMethod', 'UnknownInterface']);

/** `InvalidArgs` of `tv.playhead.Error.InvalidArgs`. */
export function shortName(error) {
  return error.slice(error.lastIndexOf('.') + 1);
}

/** The object of a session that a sentence of the agent names, or null. */
export function pathIn(sentence) {
  const number = /\bas session (\d+)|\/session\/(\d+)/.exec(sentence ?? '');
  return number ? `${AGENT_PATH}/session/${number[1] ?? number[2]}` : null;
}

/**
 * What is to be done about an answer:
 *
 * - `done`: it was taken.
 * - `done, but`: it was taken, and a power cut would undo it. To be reported.
 * - `known`: this connection has the session open already.
 * - `away`: nobody was there. It is said again when there is somebody.
 * - `busy`: it is said again after a while.
 * - `gone`: the session is not there any more.
 * - `refused`: it is over, and to be reported.
 */
export function meaningOf(error, sentence, opens) {
  if (!error) return 'done';
  const name = shortName(error);
  if (AWAY.has(name) || error.includes('.Spawn.')) return 'away';
  if (name === 'LimitsExceeded' || name === 'NotConfigured') return 'busy';
  if (name === 'Storage') return !opens || pathIn(sentence) ? 'done, but' : 'refused';
  if (opens) {
    // The agent has its name and not yet its object, or is stopping.
    if (NO_OBJECT.has(name) || name === 'NoSession') return 'away';
    return name === 'NotAllowed' && pathIn(sentence) ? 'known' : 'refused';
  }
  if (NO_OBJECT.has(name) || name === 'NoSession') return 'gone';
  // The object is another connection's: the store was lost, and numbers began anew.
  return error === `${OURS}AccessDenied` ? 'gone' : 'refused';
}

// What is answered without asking the agent.
export const IS_OVER = { error: 'NoSession', message: 'the session is over; open another' };
export const AFTER_CLOSE = {
  error: 'NoSession',
  message: 'the connection to the agent was closed by the player',
};

export function invalid(error) {
  const message = error instanceof InvalidValue ? error.message : `cannot be read: ${error}`;
  return { error: 'InvalidArgs', message };
}
