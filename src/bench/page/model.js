// Hits become sessions: what was playing when, what the gaps are, who resumes whom. No DOM here.

const LATE_MS = 10000;
const STATES = ['starting', 'playing', 'paused', 'buffering', 'seeking', 'ad', 'background', 'idle'];
// A pause of this long ends a session as idle (idle.timeout_seconds is 1,800 by default).
const IDLE_MS = 25 * 60000;

/** A model of all records; `notes` are the lines of a timeline, if what the players did is known. */
function newModel() {
  return { records: [], uids: new Set(), cadences: new Map(), notes: [], sessions: new Map(), order: [], outages: [], version: 0, saved: null,
    refused: 0, late: 0, dirty: new Set(), begin: Infinity, end: -Infinity };
}

function text(value, otherwise) {
  return typeof value === 'string' && value !== '' ? value : otherwise;
}

function number(value, otherwise) {
  return typeof value === 'number' && Number.isFinite(value) ? value : otherwise;
}

/** Takes one record of the collector with its hits, which have one shape whatever the protocol. */
function takeRecord(model, record) {
  const index = model.records.push(record) - 1;
  const gathered = gatheredFor(model, record);
  const reported = Array.isArray(record.hits) && record.hits.length ? record.hits : [{}];
  for (const one of reported) {
    const hit = hitOf(record, one, index, gathered);
    if (isRepeat(model, record, one)) { hit.repeat = true; hit.late = false; }
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

/** How long hits were gathered on purpose before they were sent, ms: OTLP may do so for seconds or minutes. */
function gatheredFor(model, record) {
  if (record.protocol !== 'otlp' || !record.counted) return 0;
  const key = streamOf(record), known = model.cadences.get(key);
  const cadence = known || { last: record.at_ms, steps: [] };
  model.cadences.set(key, cadence);
  if (known) cadence.steps.push(record.at_ms - cadence.last);
  if (cadence.steps.length > 49) cadence.steps.shift();
  cadence.last = record.at_ms;
  return median(cadence.steps, 0);
}

function median(numbers, otherwise) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted.length ? sorted[Math.floor(sorted.length / 2)] : otherwise;
}

/** A report that was taken before: its uid tells (OTLP). */
function isRepeat(model, record, { uid }) {
  if (!uid || !record.counted) return false;
  const key = `${streamOf(record)}\n${uid}`;
  const known = model.uids.has(key);
  model.uids.add(key);
  return known;
}

/** To whom is reported and how: what two collectors are told of one viewing are two streams. */
function streamOf(of) {
  return `${of.protocol || ''}\n${of.collector || ''}`;
}

function hitOf(record, reported, index, gathered) {
  const at = number(record.at_ms, 0);
  const ts = number(reported.ts, at);
  const status = typeof record.status === 'number' ? record.status : null;
  const refused = Boolean(record.refusal) || (status !== null && status >= 400 && status < 500);
  const failed = !record.counted && !refused;
  // A hit that nobody took is shown when it was tried; it comes again, and then it counts.
  const x = failed ? at : ts;
  return { index, at, ts, x, type: text(reported.event_type, record.method || '?'), status, record,
    pointer: reported.pointer || '', of: reported.session || null, previous: reported.previous || null,
    playhead: number(reported.playhead, 0), refused, failed, repeat: false, late: !failed && at - ts > LATE_MS + gathered,
    reason: record.refusal || '', params: reported.params || {}, quality: reported.qoeData || {}, session: null };
}

/** The part of the body that a hit was read from. */
function sentAs(hit) {
  return hit.pointer.split('/').slice(1).reduce((part, name) => (part ? part[name] : undefined), hit.record.body);
}

function sessionOf(model, record, hit) {
  const start = hit.type === 'sessionStart' ? hit.params : {};
  const name = hit.of || lost(hit), key = `${streamOf(record)}\n${name}`;
  let session = model.sessions.get(key);
  if (!session) {
    session = { key: name, sid: hit.of, label: labelOf(record, hit.of), protocol: record.protocol || '',
      collector: record.collector || '', previous: null, hits: [], box: '', app: '', media: '', name: '', length: 0,
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
    session.previous = hit.previous;
    if (record.counted && hit.of) absorb(model, session);
  }
  return session;
}

/** What was tried before a start was taken belongs to the session that it opened. */
function absorb(model, session) {
  const key = `${streamOf(session)}\nno session: ${session.app} ${session.media}`;
  const tried = model.sessions.get(key);
  if (!tried || tried.hits.some((hit) => hit.refused)) return;
  for (const hit of tried.hits) hit.session = session;
  session.hits.push(...tried.hits);
  model.sessions.delete(key);
  model.order.splice(model.order.indexOf(tried), 1);
  model.dirty.delete(tried);
}

/** Hits without a session: a start that was not answered yet, or what is no hit at all. */
function lost(hit) {
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
    session.taken = session.hits.filter((hit) => !hit.refused && !hit.failed && !hit.repeat);
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

/** How a session is called: ids of Media Edge have 64 characters, those of OTLP 36. */
function labelOf(record, sid) {
  return sid && sid.length > 12 && record.protocol !== 'media-collection' ? sid.slice(0, 8) : sid;
}

const PROTOCOLS = { 'media-collection': 'Media Collection', 'media-edge': 'Media Edge', otlp: 'OpenTelemetry' };

/** What a session speaks, and to which collector where that is known. */
function spoken(session) {
  const protocol = PROTOCOLS[session.protocol] || 'unknown protocol';
  return session.collector ? `${protocol} to ${session.collector}` : protocol;
}

/** The same media on the same box and in the same application, as one collector is told of it. */
function viewingOf(session) {
  return `${streamOf(session)}\n${session.box}\n${session.app}\n${session.media}`;
}

/** Who resumes whom: the one that it names, or the latest of the same viewing. */
function link(model) {
  const latest = new Map();
  const before_ = model.order.map((session) => [session.from, session.next]);
  for (const session of model.order) { session.from = null; session.next = null; }
  for (const session of [...model.order].sort((a, b) => a.begin - b.begin)) {
    if (!session.media || !session.taken.length) continue;
    const key = viewingOf(session);
    const named = session.previous && model.sessions.get(`${streamOf(session)}\n${session.previous}`);
    const before = named || latest.get(key);
    if (session.resume && before && before !== session) {
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
  return median(steps, 10000);
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
