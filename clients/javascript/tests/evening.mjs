// Says through the client what it reads on standard input: the driver of the evening that the
// clients of all languages play. Runs on both engines:
//
//     node tests/evening.mjs ADDRESS
//     gjs -m tests/evening.mjs ADDRESS
//
// A line is an operation, a playhead and words `key=value` with + for a blank. When the client has
// taken it, the answer is `ok LINE`; `error EVENT NAME SENTENCE` and `closed REASON` come when they
// come. At the end of the input it closes; the exit status is 0 when all was said.

import { connect } from '../playhead.mjs';

const NUMBERS = new Set([
  'length',
  'position',
  'start',
  'rate',
  'bitrate',
  'dropped_frames',
  'fps',
  'startup_ms',
  'ad_ping_seconds',
]);
const FLAGS = new Set(['resume', 'downloaded', 'background_playback', 'track']);
const EVENTS = {
  play: (session, at, { rate }) => session.play(at, rate),
  pause: (session, at) => session.pause(at),
  'buffer-start': (session, at) => session.bufferStart(at),
  'buffer-complete': (session, at) => session.bufferComplete(at),
  stall: (session, at) => session.stall(at),
  'seek-start': (session, at) => session.seekStart(at),
  'seek-complete': (session, at) => session.seekComplete(at),
  'ad-break-start': (session, at, keys) => session.adBreakStart(at, keys),
  'ad-break-complete': (session, at) => session.adBreakComplete(at),
  'ad-start': (session, at, keys) => session.adStart(at, keys),
  'ad-complete': (session, at) => session.adComplete(at),
  'ad-skip': (session, at) => session.adSkip(at),
  'chapter-start': (session, at, keys) => session.chapterStart(at, keys),
  'chapter-complete': (session, at) => session.chapterComplete(at),
  'chapter-skip': (session, at) => session.chapterSkip(at),
  'state-start': (session, at, { name }) => session.stateStart(at, name),
  'state-end': (session, at, { name }) => session.stateEnd(at, name),
  qoe: (session, at, keys) => session.qoe(at, keys),
  'bitrate-change': (session, at, keys) => session.bitrateChange(at, keys),
  error: (session, at, { id, source }) => session.error(at, id, source),
  playhead: (session, at) => session.playhead(at),
  complete: (session, at) => session.complete(at),
  end: (session, at) => session.end(at),
};

const onNode = globalThis.process?.versions?.node !== undefined;
const engine = onNode ? nodeEngine() : gjsEngine();
let session = null; // the current one

function perform(agent, line) {
  const [operation, place, ...words] = line.split(' ');
  const keys = keysOf(words);
  if (operation === 'open') {
    session = agent.open(Number(place), keys);
  } else if (operation === 'now') {
    const { rate, ...media } = keys;
    session = agent.now(media.id === undefined ? null : media, Number(place), rate);
  } else if (operation === 'pending') {
    engine.print(`pending ${agent.pending}`);
  } else if (operation === 'resume-point') {
    agent.resumePoint(place).then(({ point, error }) => {
      engine.print(`point ${error ? `error ${error.message}` : (point?.position ?? 'none')}`);
    });
  } else {
    EVENTS[operation](session, Number(place), keys);
  }
  engine.print(`ok ${line}`);
}

/** `metadata.media.show=The+Show` and so on as the client takes it. */
function keysOf(words) {
  const keys = {};
  for (const word of words) {
    const [key, text] = [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)];
    const value = text.replaceAll('+', ' ');
    const [outer, ...inner] = key.split('.');
    if (inner.length > 0) {
      keys[outer] ??= {};
      keys[outer][outer === 'identity' ? camel(inner.join('.')) : inner.join('.')] = value;
    } else {
      keys[camel(key)] = NUMBERS.has(key)
        ? Number(value)
        : FLAGS.has(key)
          ? value === 'true'
          : value;
    }
  }
  return keys;
}

function camel(key) {
  return key.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
}

connect({
  bus: engine.address,
  onError: ({ event, name, message }) => engine.print(`error ${event} ${name} ${message}`),
  onClosed: (reason) => engine.print(`closed ${reason}`),
}).then((agent) => {
  engine.read(
    (line) => perform(agent, line),
    () => agent.close().then((unsaid) => engine.exit(unsaid === 0 ? 0 : 1)),
  );
});
engine.run();

function nodeEngine() {
  const { stdin, stdout, argv } = globalThis.process;
  return {
    address: argv[2],
    print: (line) => stdout.write(`${line}\n`),
    read(each, end) {
      let rest = '';
      stdin.setEncoding('utf8');
      stdin.on('data', (text) => {
        const lines = (rest + text).split('\n');
        rest = lines.pop();
        lines.forEach(each);
      });
      stdin.on('end', end);
    },
    run() {},
    exit(status) {
      globalThis.process.exitCode = status;
    },
  };
}

function gjsEngine() {
  const { Gio, GLib } = globalThis.imports.gi;
  const loop = GLib.MainLoop.new(null, false);
  let status = 0;
  return {
    address: globalThis.ARGV[0],
    print: globalThis.print,
    read(each, end) {
      const base = new Gio.UnixInputStream({ fd: 0, close_fd: false });
      const input = new Gio.DataInputStream({ base_stream: base });
      const next = () =>
        input.read_line_async(GLib.PRIORITY_DEFAULT, null, (_, result) => {
          const [line] = input.read_line_finish_utf8(result);
          if (line === null) {
            end();
            return;
          }
          each(line);
          next();
        });
      next();
    },
    run() {
      loop.run();
      globalThis.imports.system.exit(status);
    },
    exit(code) {
      status = code;
      loop.quit();
    },
  };
}
