// Export and import.

/** Chrome Trace Event JSON, for Perfetto: a process a player, a thread a session; and what it was made of. */
function asTrace(model) {
  const events = [], players = new Map();
  model.order.forEach((session, index) => {
    const name = `${session.app || 'no session'} ${session.box.slice(0, 8)} (${spoken(session)})`;
    if (!players.has(name)) {
      players.set(name, players.size + 1);
      events.push({ ph: 'M', name: 'process_name', pid: players.get(name), tid: 0, args: { name } });
    }
    const pid = players.get(name), tid = index + 1;
    events.push({ ph: 'M', name: 'thread_name', pid, tid, args: { name: `${session.label || ''} ${session.name}` } });
    for (const part of session.spans) {
      events.push({ ph: 'X', cat: 'state', name: WORDS[part.state], pid, tid, ts: part.from * 1000,
        dur: (part.to - part.from) * 1000, args: { from: part.start, to: part.stop } });
    }
    for (const part of session.track) {
      events.push({ ph: 'b', cat: part.what, name: part.name, id: `${tid}-${part.from}`, pid, tid, ts: part.from * 1000 });
      events.push({ ph: 'e', cat: part.what, name: part.name, id: `${tid}-${part.from}`, pid, tid, ts: part.to * 1000 });
    }
    for (const hit of session.hits) {
      events.push({ ph: 'i', s: 't', cat: kindOf(hit), name: hit.type, pid, tid, ts: hit.x * 1000,
        args: { playhead: hit.playhead, arrived: hit.at, status: hit.status, refusal: hit.reason || undefined } });
    }
    if (session.from) {
      const from = session.from;
      events.push({ ph: 's', cat: 'resume', name: 'resume', id: tid, pid, tid: model.order.indexOf(from) + 1, ts: from.end * 1000 });
      events.push({ ph: 'f', bp: 'e', cat: 'resume', name: 'resume', id: tid, pid, tid, ts: session.begin * 1000 });
    }
  });
  return JSON.stringify({ displayTimeUnit: 'ms', traceEvents: events,
    playheadd: { hits: model.records.map(asCame), timeline: model.notes } });
}

/** A record without what the collector reads out of its body for this page. */
function asCame({ hits: _, protocol: __, ...record }) {
  return record;
}

function asHits(model) {
  return model.records.map((record) => `${JSON.stringify(asCame(record))}\n`).join('');
}

const SAID_AS = { play: 'Play', pauseStart: 'Pause', bufferStart: 'BufferStart', adBreakStart: 'AdBreakStart',
  adBreakComplete: 'AdBreakComplete', adStart: 'AdStart', adComplete: 'AdComplete', adSkip: 'AdSkip',
  chapterStart: 'ChapterStart', chapterComplete: 'ChapterComplete', chapterSkip: 'ChapterSkip',
  sessionComplete: 'Complete', sessionEnd: 'End' };

const INFO = {
  sessionStart: { id: 'media.id', name: 'media.name', length: 'media.length', player_name: 'media.playerName',
    channel: 'media.channel', content_type: 'media.contentType', stream_type: 'media.streamType', resume: 'media.resume' },
  adBreakStart: { name: 'media.ad.podFriendlyName', position: 'media.ad.podIndex', start: 'media.ad.podSecond' },
  adStart: { id: 'media.ad.id', name: 'media.ad.name', position: 'media.ad.podPosition', length: 'media.ad.length' },
  chapterStart: { name: 'media.chapter.friendlyName', position: 'media.chapter.index', start: 'media.chapter.offset',
    length: 'media.chapter.length' },
};

/** The timeline as `record` writes it: what was recorded, or else what the hits say of the players. */
function asTimeline(model) {
  const line = (value) => `${JSON.stringify(value)}\n`;
  if (model.notes.length) {
    return model.notes.map(({ at_ms: _, ...rest }) => line(rest)).join('');
  }
  const begin = Number.isFinite(model.begin) ? Math.floor(model.begin) : 0;
  const out = [line({ at: 0, event: 'Boot', unix_ms: begin, trusted: true })];
  const said = [], streams = new Map();
  model.order.forEach((session, index) => {
    // What a box tells a second collector are the same viewings. Its id has hyphens on Media Edge.
    const box = session.box.replaceAll('-', '').slice(0, 12);
    if (!streams.has(box)) streams.set(box, streamOf(session));
    if (streams.get(box) !== streamOf(session)) return;
    for (const hit of session.taken) {
      const event = hit.type === 'sessionStart' ? 'SessionStart' : SAID_AS[hit.type];
      if (!event) continue;
      const info = {};
      for (const [name, wire] of Object.entries(INFO[hit.type] || {})) {
        if (hit.params[wire] !== undefined) info[name] = hit.params[wire];
      }
      said.push({ at: (hit.ts - begin) / 1000, event, from: `p${index + 1}`, playhead: hit.playhead, info });
    }
  });
  said.sort((a, b) => a.at - b.at);
  return out.concat(said.map(line)).join('');
}

function save(name, kind, content) {
  const url = URL.createObjectURL(new Blob([content], { type: kind }));
  const link = element('a', { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

/** Reads a file that this page or the tools wrote: the collector knows them all. Errors: a sentence. */
async function readSaved(file) {
  const answer = await fetch('/bench/read', { method: 'POST', body: file });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}
