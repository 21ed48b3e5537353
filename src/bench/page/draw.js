// The timeline on its canvas. Only what is in sight is drawn, and of hits only one in each column of pixels.

const RULER = 34, GROUP = 26, FONT = 'system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';

/** Rows from top to bottom: a group of box and player, then its sessions by their beginning. */
function layOut(model, view) {
  const groups = new Map();
  for (const session of model.order) {
    const key = session.sid ? `${streamOf(session)}\n${session.box}\n${session.app}` : '\u{10ffff}';
    if (!groups.has(key)) {
      groups.set(key, { box: session.box, app: session.app, spoken: spoken(session), none: !session.sid, sessions: [] });
    }
    groups.get(key).sessions.push(session);
  }
  const rows = [];
  let y = 0;
  const lane = view.narrow ? 62 : 54;
  const first = (group) => Math.min(...group.sessions.map((s) => s.begin));
  const sorted = [...groups.values()].sort((a, b) => a.none - b.none || first(a) - first(b));
  for (const group of sorted) {
    rows.push({ group, y, h: GROUP });
    y += GROUP;
    for (const session of group.sessions.sort((a, b) => a.begin - b.begin)) {
      session.row = { session, y, h: lane };
      rows.push(session.row);
      y += lane;
    }
  }
  view.rows = rows;
  view.height = y;
  view.lanes = rows.filter((row) => row.session).map((row) => row.session);
}

function xOf(view, ms) { return view.gutter + (ms - view.from) * view.scale; }
function msOf(view, x) { return view.from + (x - view.gutter) / view.scale; }

function draw(c, model, view, look) {
  const { width, tall } = view;
  c.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
  c.fillStyle = look.paper;
  c.fillRect(0, 0, width, tall);
  c.textBaseline = 'middle';
  c.save();
  c.beginPath(); c.rect(0, RULER, width, tall - RULER); c.clip();
  c.translate(0, RULER - view.top);
  const seen = view.rows.filter((row) => row.y + row.h > view.top && row.y < view.top + tall - RULER);
  for (const row of seen) background(c, row, view, look);
  grid(c, view, look, tall);
  clipLanes(c, view, tall, () => {
    for (const outage of model.outages) shade(c, outage, view, look, tall);
    for (const row of seen) if (row.session) lane(c, row.session, view, look);
    for (const session of view.lanes) if (session.from) arrow(c, session, view, look, tall);
  });
  for (const row of seen) label(c, row, view, look);
  c.restore();
  ruler(c, model, view, look);
}

function clipLanes(c, view, tall, paint) {
  c.save();
  c.beginPath(); c.rect(view.gutter, view.top, view.width - view.gutter, tall); c.clip();
  paint();
  c.restore();
}

function background(c, row, view, look) {
  if (row.group) {
    c.fillStyle = look.group;
  } else {
    c.fillStyle = row.session === view.chosen ? look.chosen : look.paper;
  }
  c.fillRect(0, row.y, view.width, row.h);
  c.fillStyle = look.line;
  c.fillRect(0, row.y + row.h - 1, view.width, 1);
}

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400];

function stepOf(view) {
  const enough = (s) => s * 1000 * view.scale >= 90;
  return (STEPS.find(enough) || 86400 * Math.ceil(90 / (86400000 * view.scale))) * 1000;
}

function times(view) {
  const step = stepOf(view), found = [];
  const offset = new Date(view.from).getTimezoneOffset() * 60000;
  let ms = Math.ceil((view.from - offset) / step) * step + offset;
  for (; ms <= msOf(view, view.width); ms += step) found.push(ms);
  return found;
}

function grid(c, view, look, tall) {
  c.fillStyle = look.line;
  for (const ms of times(view)) c.fillRect(Math.round(xOf(view, ms)), view.top, 1, tall);
}

function ruler(c, model, view, look) {
  c.fillStyle = look.group;
  c.fillRect(0, 0, view.width, RULER);
  c.fillStyle = look.line;
  c.fillRect(0, RULER - 1, view.width, 1);
  c.font = `11px ${FONT}`;
  c.save();
  c.beginPath(); c.rect(view.gutter, 0, view.width - view.gutter, RULER); c.clip();
  for (const ms of times(view)) {
    const x = Math.round(xOf(view, ms));
    c.fillStyle = look.soft;
    c.fillRect(x, RULER - 7, 1, 6);
    c.textAlign = 'left';
    c.fillText(stepOf(view) < 60000 ? clockTime(ms) : clockTime(ms).slice(0, 5), x + 4, RULER - 10);
  }
  for (const { from, to } of model.outages) {
    const a = Math.max(xOf(view, from), view.gutter), b = Math.min(xOf(view, to), view.width);
    if (b - a < 2) continue;
    c.fillStyle = look.outageLine;
    c.fillRect(a, 0, b - a, 3);
    const words = `outage ${span((to - from) / 1000)}`;
    c.font = `600 11px ${FONT}`;
    if (c.measureText(words).width < b - a - 8) c.fillText(words, a + 4, 11);
    c.font = `11px ${FONT}`;
  }
  c.restore();
  if (view.gutter) {
    c.fillStyle = look.soft;
    c.fillText(new Date(Math.max(view.from, 0)).toLocaleDateString(undefined, { dateStyle: 'medium' }), 14, RULER / 2);
  }
}

function shade(c, { from, to }, view, look, tall) {
  const a = xOf(view, from), b = xOf(view, to);
  if (b < view.gutter || a > view.width) return;
  c.fillStyle = look.outage;
  c.fillRect(a, view.top, b - a, tall);
}

/** Where things are in a lane. */
function places(row, view) {
  const y = row.y + (view.narrow ? 20 : 8);
  return { bar: y, barHeight: 18, track: y + 20, ticks: y + 33 };
}

function lane(c, session, view, look) {
  const at = places(session.row, view);
  const left = view.gutter, right = view.width;
  for (const gap of session.gaps) {
    const a = Math.max(xOf(view, gap.from), left), b = Math.min(xOf(view, gap.to), right);
    if (b - a < 1) continue;
    hatch(c, look, a, b - a, gap.between ? at.bar : at.bar - 3, gap.between ? at.barHeight : 2);
  }
  view.lastBar = null;
  for (const span_ of session.spans) bar(c, span_, view, look, at);
  for (const gap of session.gaps) {
    const a = Math.max(xOf(view, gap.from), left), b = Math.min(xOf(view, gap.to), right);
    if (b - a < 1) continue;
    if (!gap.between) hatch(c, look, a, b - a, at.bar, at.barHeight, look.paper);
    tag(c, gap.cause, a, b - a, at.bar + at.barHeight / 2, look);
  }
  for (const part of session.track) thin(c, part, view, look, at);
  ticks(c, session, view, look, at);
}

function hatch(c, look, x, w, y, h, back) {
  if (back) { c.fillStyle = back; c.fillRect(x, y, w, h); }
  c.fillStyle = look.fills.gap;
  c.fillRect(x, y, w, h);
  c.strokeStyle = look.hatch;
  c.strokeRect(x + 0.5, y + 0.5, Math.max(w - 1, 0), h - 1);
}

function tag(c, words, x, w, y, look) {
  c.font = `600 10px ${FONT}`;
  c.textAlign = 'left';
  const wide = c.measureText(words).width;
  if (wide > w - 10) return;
  c.fillStyle = look.paper;
  c.fillRect(x + (w - wide) / 2 - 4, y - 6, wide + 8, 12);
  c.fillStyle = look.ink;
  c.fillText(words, x + (w - wide) / 2, y + 0.5);
}

function bar(c, part, view, look, at) {
  const a = Math.max(xOf(view, part.from), view.gutter - 2), b = Math.min(xOf(view, part.to), view.width + 2);
  if (b < view.gutter || a > view.width) return;
  const w = Math.max(b - a, 1);
  // Of bars that are narrower than a pixel one is enough.
  if (b - a < 1 && Math.round(a) === view.lastBar) return;
  view.lastBar = Math.round(a);
  c.fillStyle = look.fills[part.state] || look[part.state];
  c.fillRect(a, at.bar, w, at.barHeight);
  if (w > 3) { c.fillStyle = look.edge; c.fillRect(a, at.bar, 1, at.barHeight); }
}

function thin(c, part, view, look, at) {
  if (part.what === 'ad') return;
  const a = Math.max(xOf(view, part.from), view.gutter), b = Math.min(xOf(view, part.to), view.width);
  if (b - a < 1) return;
  const w = Math.max(b - a - 1, 1);
  c.fillStyle = look[part.what];
  c.fillRect(a, at.track, w, part.what === 'break' ? 4 : 2);
}

/** The first hit from `ms` on. */
function lowerBound(hits, ms) {
  let low = 0, high = hits.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (hits[middle].x < ms) low = middle + 1; else high = middle;
  }
  return low;
}

function ticks(c, session, view, look, at) {
  const { hits } = session;
  const until = msOf(view, view.width + 6);
  const last = { ping: -9, hit: -9, late: -9, failed: -9, refused: -9, repeat: -9 };
  const special = [];
  c.beginPath();
  for (let i = lowerBound(hits, msOf(view, view.gutter - 6)); i < hits.length && hits[i].x <= until; i += 1) {
    const hit = hits[i], kind = kindOf(hit), x = Math.round(xOf(view, hit.x));
    const apart = kind === 'ping' || kind === 'hit' ? 1 : kind === 'refused' ? 3 : 5;
    if (x - last[kind] < apart) continue;
    last[kind] = x;
    if (kind === 'ping') c.rect(x, at.ticks - 1, 1, 5);
    else if (kind === 'hit') c.rect(x - 1, at.ticks - 5, 2, 10);
    else special.push([kind, x, hit.type === 'ping']);
  }
  c.fillStyle = look.tick;
  c.fill();
  // Marks that say something is wrong come on top of the others.
  const rank = { repeat: 0, failed: 1, late: 2, refused: 3 };
  special.sort((a, b) => rank[a[0]] - rank[b[0]]);
  for (const [kind, x, small] of special) drawMark(c, look, kind, x, at.ticks, small);
  if (view.hit && view.hit.session === session) {
    c.strokeStyle = look.focus;
    c.lineWidth = 2;
    c.strokeRect(xOf(view, view.hit.x) - 7, at.ticks - 8, 14, 16);
    c.lineWidth = 1;
  }
}

function arrow(c, session, view, look, tall) {
  const from = session.from;
  const a = places(from.row, view), b = places(session.row, view);
  const x1 = xOf(view, from.end), y1 = a.bar + a.barHeight, x2 = xOf(view, session.begin), y2 = b.bar + 9;
  const outside = Math.max(y1, y2) < view.top || Math.min(y1, y2) > view.top + tall;
  if (outside || Math.max(x1, x2) < view.gutter - 40 || Math.min(x1, x2) > view.width + 40) return;
  c.strokeStyle = c.fillStyle = look.arrow;
  c.lineWidth = 1.6;
  const back = Math.min(x1, x2) - 14, end = x2 - 6;
  c.beginPath();
  c.moveTo(x1, y1);
  if (x2 - x1 > 30) c.bezierCurveTo(x1, y2, x1, y2, end, y2);
  else c.bezierCurveTo(x1, y1 + 14, back, y2 - 20, end, y2);
  c.stroke();
  c.beginPath(); c.moveTo(x2, y2); c.lineTo(x2 - 7, y2 - 4); c.lineTo(x2 - 7, y2 + 4); c.fill();
  c.lineWidth = 1;
  c.font = `600 10px ${FONT}`;
  const words = `from ${position(session.hits[0].playhead)}`;
  const wide = c.measureText(words).width;
  const x = Math.max(view.gutter + 4, Math.min(x1, x2) - wide - 16);
  c.fillStyle = session === view.chosen ? look.chosen : look.paper;
  c.fillRect(x - 2, y2 - 7, wide + 4, 13);
  c.fillStyle = look.arrow;
  c.textAlign = 'left';
  c.fillText(words, x, y2 + 0.5);
}

function label(c, row, view, look) {
  c.textAlign = 'left';
  if (row.group) {
    const { app, box, none, spoken: how } = row.group;
    c.font = `600 12px ${FONT}`;
    c.fillStyle = look.ink;
    const words = none ? 'Without a session' : app;
    c.fillText(words, 14, row.y + GROUP / 2);
    const wide = c.measureText(words).width;
    c.font = `11px ${FONT}`;
    c.fillStyle = look.soft;
    const count = row.group.sessions.length;
    const rest = `${none ? '' : `box ${box.slice(0, 8) || 'unknown'} · ${how} · `}${count} ${count === 1 ? 'session' : 'sessions'}`;
    c.fillText(rest, 14 + wide + 10, row.y + GROUP / 2);
    return;
  }
  const { session } = row;
  const chosen = session === view.chosen;
  if (chosen) { c.fillStyle = look.focus; c.fillRect(0, row.y, 3, row.h - 1); }
  const worst = view.worst.get(session);
  const title = session.name || session.key;
  const under = `${session.label || 'refused'}${session.kind ? ` · ${session.kind}` : ''}${session.resume ? ' · resumed' : ''}`;
  if (view.narrow) {
    c.font = `600 12px ${FONT}`; c.fillStyle = look.ink;
    c.fillText(cut(c, title, view.width * 0.55), 14, row.y + 11);
    const wide = c.measureText(cut(c, title, view.width * 0.55)).width;
    c.font = `11px ${FONT}`; c.fillStyle = look.soft;
    c.fillText(under, 22 + wide, row.y + 11);
    if (worst) badge(c, worst, view.width - 16, row.y + 11, look);
    return;
  }
  c.fillStyle = chosen ? look.chosen : look.paper;
  c.fillRect(3, row.y, view.gutter - 3, row.h - 1);
  c.font = `600 12px ${FONT}`; c.fillStyle = look.ink;
  c.fillText(cut(c, title, view.gutter - 48), 14, row.y + 19);
  c.font = `11px ${FONT}`; c.fillStyle = look.soft;
  c.fillText(cut(c, under, view.gutter - 48), 14, row.y + 36);
  if (worst) badge(c, worst, view.gutter - 18, row.y + 27, look);
  c.fillStyle = look.line;
  c.fillRect(view.gutter - 1, row.y, 1, row.h);
}

function badge(c, level, x, y, look) {
  c.fillStyle = level === 'wrong' ? look.refused : level === 'suspicious' ? look.late : look.soft;
  c.beginPath();
  if (level === 'note') c.arc(x, y, 7, 0, 7);
  else { c.moveTo(x, y - 8); c.lineTo(x + 8.5, y + 7); c.lineTo(x - 8.5, y + 7); }
  c.fill();
  c.fillStyle = look.paper;
  c.font = `700 10px ${FONT}`;
  c.textAlign = 'center';
  c.fillText(level === 'note' ? 'i' : '!', x, y + (level === 'note' ? 0.5 : 2));
  c.textAlign = 'left';
}

function cut(c, words, wide) {
  if (c.measureText(words).width <= wide) return words;
  let short = words;
  while (short.length > 1 && c.measureText(`${short}…`).width > wide) short = short.slice(0, -1);
  return `${short}…`;
}
