// The key figures of a session.

function figuresOf(session) {
  if (session.figures) return session.figures;
  const sum = (state) => session.spans.filter((span) => span.state === state)
    .reduce((ms, span) => ms + span.to - span.from, 0) / 1000;
  const hits = session.hits;
  const count = (type) => session.taken.filter((hit) => hit.type === type).length;
  const start = session.taken.find((hit) => hit.type === 'sessionStart');
  const moves = session.taken.find((hit) => hit.type === 'play' || hit.type === 'adStart');
  const reported = session.taken.map((hit) => hit.quality['media.qoe.timeToStart'])
    .find((ms) => typeof ms === 'number');
  const startup = typeof reported === 'number' ? reported / 1000
    : start && moves ? (moves.ts - start.ts) / 1000 : null;
  session.figures = {
    startup, played: sum('playing'), paused: sum('paused') + sum('background'), buffering: sum('buffering'),
    inAds: sum('ad'), stalls: count('bufferStart'),
    seeks: session.spans.filter((span) => span.state === 'seeking').length, ads: count('adStart'),
    pings: count('ping'), hits: hits.length, refused: hits.filter((hit) => hit.refused).length,
    late: hits.filter((hit) => hit.late).length,
    from: session.resume && start ? start.playhead : null,
    left: session.from && session.from.last ? session.from.last.playhead : null,
  };
  return session.figures;
}

/** Name, value and what it means, for one session. */
function figureRows(session) {
  const f = figuresOf(session);
  const rows = [
    ['startup', f.startup === null ? '–' : seconds(f.startup), 'from sessionStart to the first picture'],
    ['played', span(f.played), 'time in the content, without ads'],
    ['paused', span(f.paused), 'paused or in the background'],
    ['buffering', span(f.buffering), 'time in stalls'],
    ['stalls', String(f.stalls), 'bufferStart'],
    ['seeks', String(f.seeks), 'pauses in which the position moves'],
    ['ads', f.ads ? `${f.ads} · ${span(f.inAds)}` : '0', 'adStart, and the time in ads'],
    ['pings', String(f.pings), 'heartbeats'],
    ['late', String(f.late), 'hits sent more than 10 s after they happened', f.late ? 'late' : ''],
    ['refused', String(f.refused), 'hits that the collector did not take', f.refused ? 'refused' : ''],
  ];
  if (session.resume) {
    const left = f.left === null ? '' : `${position(f.left)} → `;
    rows.push(['resumed', left + position(f.from || 0), 'where the viewer stopped, and where it goes on']);
  }
  return rows;
}

/** The figures of everything, shown while no session is chosen. */
function totalRows(model) {
  const all = model.order.map(figuresOf);
  const sum = (key) => all.reduce((total, f) => total + (f[key] || 0), 0);
  const started = all.filter((f) => f.startup !== null).map((f) => f.startup).sort((a, b) => a - b);
  const median = started.length ? started[Math.floor(started.length / 2)] : null;
  const sessions = model.order.filter((session) => session.sid).length;
  return [
    ['sessions', String(sessions), 'that a sessionStart opened'],
    ['resumed', String(model.order.filter((s) => s.resume).length), 'of them with media.resume true'],
    ['startup', median === null ? '–' : seconds(median), 'median'],
    ['played', span(sum('played')), 'without ads'],
    ['paused', span(sum('paused')), 'paused or in the background'],
    ['stalls', String(sum('stalls')), `${span(sum('buffering'))} of buffering`],
    ['ads', String(sum('ads')), span(sum('inAds'))],
    ['hits', String(sum('hits')), `${sum('pings')} of them pings`],
    ['late', String(model.late), 'sent more than 10 s after they happened', model.late ? 'late' : ''],
    ['refused', String(model.refused), 'not taken by the collector', model.refused ? 'refused' : ''],
  ];
}

function seconds(value) {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} s`;
}

/** A length of time: 42 s, 12 min 05 s, 1 h 02 min. */
function span(value) {
  const s = Math.round(value);
  if (s < 60) return `${s} s`;
  const two = (n) => String(n).padStart(2, '0');
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  return `${Math.floor(s / 3600)} h ${two(Math.floor(s / 60) % 60)} min`;
}

/** A position in the content: 12:05 or 1:02:05. */
function position(value) {
  const s = Math.floor(value);
  const two = (n) => String(n).padStart(2, '0');
  const rest = `${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
  return s < 3600 ? `${Math.floor(s / 60)}:${two(s % 60)}` : `${Math.floor(s / 3600)}:${rest}`;
}

/** Time of day, local, with tenths where they matter. */
function clockTime(ms, fine) {
  const date = new Date(ms);
  const two = (n) => String(n).padStart(2, '0');
  const whole = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return fine ? `${whole}.${String(date.getMilliseconds()).padStart(3, '0')}` : whole;
}
