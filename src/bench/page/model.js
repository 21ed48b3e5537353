// Hits become sessions: what was playing when, what the gaps are, who resumes whom. No DOM here.

const LATE_MS = 10000;
const STATES = ['starting', 'playing', 'paused', 'buffering', 'seeking', 'ad', 'background', 'idle'];
// A pause of this long ends a session as idle (idle.timeout_seconds is 1,800 by default).
const IDLE_MS = 25 * 60000;

/** A model of all records; `notes` are the lines of a timeline, if what the players did is known. */
function newModel() {
  return { records: [], notes: [], sessions: new Map(), order: [], outages: [], version: 0, saved: null,
    refused: 0, late: 0, dirty: new Set(), begin: Infinity, end: -Infinity };
}

function text(value, otherwise) {
  return typeof value === 'string' && value !== '' ? value : otherwise;
}

function number(value, otherwise) {
  return typeof value === 'number' && Number.isFinite(value) ? value : otherwise;
}

/** Takes one record of the collector: one hit, or several that were sent as a downloaded session. */
function takeRecord(model, record) {
  const index = model.records.push(record) - 1;
  const events = Array.isArray(record.body) ? record.body : [record.body];
  for (const event of events) {
    const hit = hitOf(record, event && typeof event === 'object' ? event : {}, index);
    const session = sessionOf(model, record, hit);
    hit.session = session;
    session.hits.push(hit);
    model.dirty.add(session);
    if (hit.refused) model.refused += 1;
    if (hit.late) model.late += 1;
    model.begin = Math.min(model.begin, hit.x);
    model.end = Math.max(model.end, hit.x);
  }
  model.version += 1;
}

function hitOf(record, event, index) {
  const time = event.playerTime || {};
  const at = number(record.at_ms, 0);
  const ts = number(time.ts, at);
  const status = typeof record.status === 'number' ? record.status : null;
  const refused = Boolean(record.refusal) || (status !== null && status >= 400 && status < 500);
  const failed = !record.counted && !refused;
  // A hit that nobody took is shown when it was tried; it comes again, and then it counts.
  const x = failed ? at : ts;
  return { index, at, ts, x, type: text(event.eventType, record.method || '?'), status, event, record,
    playhead: number(time.playhead, 0), refused, failed, late: !failed && at - ts > LATE_MS,
    reason: record.refusal || '', params: event.params || {}, session: null };
}

function sessionOf(model, record, hit) {
  const start = hit.type === 'sessionStart' ? hit.params : {};
  const key = record.sid || lost(record, hit);
  let session = model.sessions.get(key);
  if (!session) {
    session = { key, sid: record.sid || null, hits: [], box: '', app: '', media: '', name: '', length: 0,
      kind: '', resume: false, from: null, next: null, spans: [], track: [], gaps: [], begin: 0, end: 0,
      taken: [], over: null, state: '', last: null, player: null, findings: null, figures: null };
    model.sessions.set(key, session);
    model.order.push(session);
  }
  if (hit.type === 'sessionStart' && (record.counted || !session.media)) {
    session.box = text(start.appInstallationId, text(start['visitor.marketingCloudUserId'],
      text(start['analytics.visitorId'], text(start['analytics.aid'], ''))));
    session.app = text(start['media.playerName'], 'unknown player');
    session.media = text(start['media.id'], '');
    session.name = text(start['media.name'], session.media);
    session.length = number(start['media.length'], 0);
    session.kind = text(start['media.contentType'], '');
    session.resume = start['media.resume'] === true;
    if (record.counted && record.sid) absorb(model, session);
  }
  return session;
}

/** What was tried before a start was taken belongs to the session that it opened. */
function absorb(model, session) {
  const key = `no session: ${session.app} ${session.media}`;
  const tried = model.sessions.get(key);
  if (!tried || tried.hits.some((hit) => hit.refused)) return;
  for (const hit of tried.hits) hit.session = session;
  session.hits.push(...tried.hits);
  model.sessions.delete(key);
  model.order.splice(model.order.indexOf(tried), 1);
  model.dirty.delete(tried);
}

/** Hits without a session: a start that was not answered yet, or what is no hit at all. */
function lost(record, hit) {
  const params = hit.params;
  return hit.type === 'sessionStart'
    ? `no session: ${text(params['media.playerName'], 'unknown player')} ${text(params['media.id'], '')}`
    : 'no session';
}

/** Works out again what changed. True if something did. */
function settle(model) {
  if (!model.dirty.size) return false;
  for (const session of model.dirty) {
    session.hits.sort((a, b) => a.x - b.x || a.index - b.index);
    session.taken = session.hits.filter((hit) => !hit.refused && !hit.failed);
    const hits = session.taken.length ? session.taken : session.hits;
    session.begin = hits[0].x;
    session.end = hits[hits.length - 1].x;
    Object.assign(session, playback(session));
    session.findings = null;
    session.figures = null;
  }
  model.dirty.clear();
  link(model);
  matchPlayers(model);
  model.outages = outages(model);
  for (const session of model.order) session.gaps = gapsOf(model, session);
  return true;
}

const IN_BREAK = { adBreakStart: true, adStart: true };

/** The bars and the thin track (chapters, breaks, ads) of one session, from its hits. */
function playback(session) {
  const spans = [], track = [], open = {};
  let state = 'starting', under = 'starting', since = session.begin, at = 0, last = null;
  const change = (next, hit) => {
    if (next !== state) {
      if (hit.ts > since) spans.push({ state, from: since, to: hit.ts, start: at, stop: hit.playhead });
      state = next; since = hit.ts; at = hit.playhead;
    }
  };
  const begin = (what, hit, name) => { open[what] = { what, from: hit.ts, to: null, name, hit }; };
  const end = (what, hit) => {
    const part = open[what];
    if (part) { part.to = hit.ts; track.push(part); delete open[what]; }
  };
  for (const hit of session.taken) {
    const p = hit.params;
    switch (hit.type) {
      case 'sessionStart': since = hit.ts; at = hit.playhead; break;
      case 'play': under = 'playing'; change(open.ad ? 'ad' : 'playing', hit); break;
      case 'pauseStart': under = 'paused'; change('paused', hit); break;
      case 'bufferStart': under = 'buffering'; change('buffering', hit); break;
      case 'adBreakStart': begin('break', hit, text(p['media.ad.podFriendlyName'], 'ad break')); break;
      case 'adStart':
        begin('ad', hit, text(p['media.ad.name'], text(p['media.ad.id'], 'ad')));
        change('ad', hit);
        break;
      case 'adComplete': case 'adSkip': end('ad', hit); change(under, hit); break;
      case 'adBreakComplete': end('ad', hit); end('break', hit); change(under, hit); break;
      case 'chapterStart': begin('chapter', hit, text(p['media.chapter.friendlyName'], 'chapter')); break;
      case 'chapterComplete': case 'chapterSkip': end('chapter', hit); break;
      default: break;
    }
    last = hit;
  }
  const over = last && (last.type === 'sessionEnd' || last.type === 'sessionComplete');
  if (last && last.ts > since) {
    spans.push({ state, from: since, to: last.ts, start: at, stop: last.playhead });
  }
  for (const part of Object.values(open)) track.push({ ...part, to: last ? last.ts : part.from, open: true });
  for (const span of spans) guessSeek(session, span);
  return { spans, track, over: over ? last.type : null, state, last, openParts: open };
}

/** A position that moves during a pause was moved by a seek: on the wire a seek is a pause. */
function guessSeek(session, span) {
  if (span.state === 'paused' && Math.abs(span.stop - span.start) > 1.5) span.state = 'seeking';
}

/** Who resumes whom: the same media on the same box and in the same application. */
function link(model) {
  const latest = new Map();
  const before_ = model.order.map((session) => [session.from, session.next]);
  for (const session of model.order) { session.from = null; session.next = null; }
  for (const session of [...model.order].sort((a, b) => a.begin - b.begin)) {
    if (!session.media || !session.taken.length) continue;
    const key = `${session.box}\n${session.app}\n${session.media}`;
    const before = latest.get(key);
    if (session.resume && before) {
      session.from = before;
      before.next = session;
    }
    latest.set(key, session);
  }
  model.order.forEach((session, i) => {
    if (session.from !== before_[i][0] || session.next !== before_[i][1]) session.findings = session.figures = null;
  });
}

/** How far apart two hits may be: some pings. The interval is what most pings of the session have. */
function pingInterval(session) {
  const steps = [];
  for (let i = 1; i < session.taken.length; i += 1) {
    if (session.taken[i].type === 'ping' && session.taken[i - 1].type === 'ping') {
      steps.push(session.taken[i].ts - session.taken[i - 1].ts);
    }
  }
  steps.sort((a, b) => a - b);
  return steps.length ? steps[Math.floor(steps.length / 2)] : 10000;
}

function gapsOf(model, session) {
  const gaps = [];
  session.spans = session.spans.filter((span) => span.state !== 'idle');
  const most = Math.max(3000, pingInterval(session) * 2.5);
  const hits = session.taken;
  for (let i = 1; i < hits.length; i += 1) {
    const from = hits[i - 1].ts, to = hits[i].ts;
    if (to - from > most) gaps.push({ from, to, cause: causeOf(model, session, from, to) });
  }
  const next = session.next;
  if (next && hits.length && next.begin - session.end > 1500 && session.over !== 'sessionComplete') {
    const from = session.end, to = next.begin;
    const tail = session.spans[session.spans.length - 1];
    const idle = session.over && tail && tail.state === 'paused' && tail.to - tail.from >= IDLE_MS;
    if (idle) session.spans.push({ state: 'idle', from, to, start: tail.stop, stop: tail.stop });
    else gaps.push({ from, to, between: true, cause: session.over
      ? causeOf(model, session, from, to, 'ended by the player or the agent')
      : causeOf(model, session, from, to, 'agent away or box off') });
  }
  return gaps;
}

function causeOf(model, session, from, to, otherwise) {
  const known = model.causes ? model.causes.find((c) => c.from < to && c.to > from
    && (!c.player || !session.player || c.player === session.player)) : null;
  return known ? known.what : otherwise || 'no hits: agent away, box off, or lost';
}

/** When nothing arrived: from the first hit that came late to the moment when it came. */
function outages(model) {
  const named = (model.causes || []).filter((cause) => cause.what === 'outage');
  const found = named.map(({ from, to }) => ({ from, to, known: true }));
  if (!found.length) {
    const late = [];
    for (const s of model.order) for (const h of s.hits) if (h.late && !h.refused) late.push(h);
    late.sort((a, b) => a.ts - b.ts);
    for (const hit of late) {
      const last = found[found.length - 1];
      if (last && hit.ts <= last.to) last.to = Math.max(last.to, Math.min(hit.at, last.cap));
      else found.push({ from: hit.ts, to: hit.at, cap: hit.at, known: false });
    }
  }
  return found;
}
