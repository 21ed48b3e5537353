// What can be said to the agent: the events, their keys and the D-Bus types of these
// (docs/dbus.md). A value is `{type, value}` here; the transports know how to write it. Nothing in
// this file does I/O.

export const AGENT = 'tv.playhead.Agent1';
export const AGENT_PATH = '/tv/playhead/Agent1';
export const SESSION = 'tv.playhead.Session1';

/** Events that close a session. */
export const CLOSING = new Set(['End', 'Complete']);

/** A value that cannot be said. The message names the key and says what was expected. */
export class InvalidValue extends Error {}

const MEDIA = {
  id: ['id', text],
  name: ['name', text],
  length: ['length', seconds],
  contentType: ['content_type', text],
  streamType: ['stream_type', text],
  app: ['app', text],
  channel: ['channel', text],
  playerName: ['player_name', text],
  appVersion: ['app_version', text],
  resume: ['resume', flag],
  downloaded: ['downloaded', flag],
  backgroundPlayback: ['background_playback', flag],
  adPingSeconds: ['ad_ping_seconds', whole32],
  track: ['track', flag],
  identity: ['identity', identity],
  metadata: ['metadata', texts],
  instance: ['instance', text],
};

const IDENTITY = {
  marketingCloudUserId: ['marketing_cloud_user_id', text],
  visitorId: ['visitor_id', text],
  customerIds: ['customer_ids', customerIds],
};

const QUALITY = {
  bitrate: ['bitrate', whole64],
  droppedFrames: ['dropped_frames', whole64],
  fps: ['fps', whole64],
  startupMs: ['startup_ms', whole64],
};

/** Keys of each event that has any. */
const EVENTS = {
  Play: { rate: ['rate', number] },
  AdBreakStart: { name: ['name', text], position: ['position', whole32], start: ['start', number] },
  AdStart: {
    id: ['id', text],
    name: ['name', text],
    position: ['position', whole32],
    length: ['length', number],
    metadata: ['metadata', texts],
  },
  ChapterStart: {
    name: ['name', text],
    position: ['position', whole32],
    start: ['start', number],
    length: ['length', number],
    metadata: ['metadata', texts],
  },
  StateStart: { name: ['name', text] },
  StateEnd: { name: ['name', text] },
  Qoe: QUALITY,
  BitrateChange: QUALITY,
  Error: { id: ['id', text], source: ['source', text] },
};

const REQUIRED = {
  AdBreakStart: ['name', 'position', 'start'],
  AdStart: ['id', 'name', 'position', 'length'],
  ChapterStart: ['name', 'position', 'start', 'length'],
  StateStart: ['name'],
  StateEnd: ['name'],
  Error: ['id'],
};

/** Seconds of the content; whatever is no finite number means "work it out". */
export function playheadOf(value) {
  return Number.isFinite(value) ? value : -1;
}

/** The info of an event. Throws InvalidValue. */
export function eventInfo(event, given = {}) {
  return read(event, EVENTS[event] ?? {}, REQUIRED[event] ?? [], given);
}

/** The media of a session. Throws InvalidValue. */
export function mediaInfo(given) {
  const media = read('media', MEDIA, ['id'], given);
  if (media.id.value === '') throw new InvalidValue('media.id: expected a text that is not empty');
  return media;
}

function read(where, keys, required, given) {
  if (given === null || typeof given !== 'object') {
    throw new InvalidValue(`${where}: expected an object, got ${kind(given)}`);
  }
  const info = {};
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || value === null) continue;
    if (!Object.keys(keys).includes(name)) {
      throw new InvalidValue(`${where}.${name}: there is no such key; there are ${names(keys)}`);
    }
    const [key, type] = keys[name];
    const typed = type(value, `${where}.${name}`);
    if (typed) info[key] = typed;
  }
  for (const name of required) {
    if (!info[keys[name][0]]) throw new InvalidValue(`${where}.${name}: expected, and missing`);
  }
  return info;
}

function text(value, where) {
  if (typeof value === 'string') return { type: 's', value: wellFormed(value) };
  if (typeof value === 'number' && Number.isFinite(value))
    return { type: 's', value: String(value) };
  throw new InvalidValue(`${where}: expected a text, got ${kind(value)}`);
}

function number(value, where) {
  if (Number.isFinite(value)) return { type: 'd', value };
  throw new InvalidValue(`${where}: expected a finite number, got ${kind(value)}`);
}

/** A length: a media element says NaN before it knows it and Infinity of a live stream. */
function seconds(value, where) {
  if (typeof value === 'number' && !Number.isFinite(value)) return null;
  return number(value, where);
}

function flag(value, where) {
  if (typeof value === 'boolean') return { type: 'b', value };
  throw new InvalidValue(`${where}: expected true or false, got ${kind(value)}`);
}

function whole32(value, where) {
  const rounded = Math.round(number(value, where).value);
  if (Math.abs(rounded) < 2 ** 31) return { type: 'i', value: rounded };
  throw new InvalidValue(`${where}: expected a number of 32 bits, got ${value}`);
}

/** Frames per second may be 23.976: D-Bus has whole numbers there. */
function whole64(value, where) {
  const rounded = Math.round(number(value, where).value);
  if (Number.isSafeInteger(rounded)) return { type: 'x', value: rounded };
  throw new InvalidValue(`${where}: expected a number below 2^53, got ${value}`);
}

function texts(value, where) {
  const all = {};
  for (const [key, entry] of entries(value, where)) {
    if (entry === undefined || entry === null) continue;
    const plain = typeof entry === 'boolean' ? String(entry) : entry;
    all[wellFormed(key)] = text(plain, `${where}.${key}`).value;
  }
  return { type: 'a{ss}', value: all };
}

function identity(value, where) {
  return { type: 'a{sv}', value: read(where, IDENTITY, [], value) };
}

/** `{namespace: {id, authenticated}}`; authenticated: 0 unknown, 1 authenticated, 2 logged out. */
function customerIds(value, where) {
  const all = {};
  for (const [namespace, entry] of entries(value, where)) {
    if (!entry) continue;
    const id = text(entry.id, `${where}.${namespace}.id`).value;
    const state = whole32(entry.authenticated ?? 0, `${where}.${namespace}.authenticated`).value;
    all[wellFormed(namespace)] = [id, state];
  }
  return { type: 'a{s(si)}', value: all };
}

function entries(value, where) {
  if (value !== null && typeof value === 'object') return Object.entries(value);
  throw new InvalidValue(`${where}: expected an object, got ${kind(value)}`);
}

/** D-Bus has UTF-8 without NUL, and a bus closes the connection of who sends something else. */
export function wellFormed(value) {
  const odd = /\0|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g;
  return `${value}`.replace(odd, '\uFFFD');
}

function kind(value) {
  if (value === null) return 'null';
  return typeof value === 'number' ? String(value) : typeof value;
}

function names(keys) {
  return Object.keys(keys).join(', ') || 'none';
}
