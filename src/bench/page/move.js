// Where one looks: zoom and pan by mouse, touch and keyboard, and which session and hit are chosen.

function newView() {
  return { from: 0, scale: 0.001, top: 0, width: 800, tall: 400, height: 0, ratio: 1, gutter: 210, narrow: false,
    rows: [], lanes: [], chosen: null, hit: null, worst: new Map(), fitted: true };
}

/** All of it into the window; `session`: that one. */
function fit(model, view, session) {
  const begin = session ? session.begin : model.begin;
  const end = session ? session.end : Math.max(model.end, model.begin + 1);
  if (!Number.isFinite(begin)) return;
  const margin = Math.max((end - begin) * 0.03, 2000);
  view.from = begin - margin;
  view.scale = (view.width - view.gutter) / (end - begin + margin * 2);
  view.fitted = !session;
  if (!session) view.top = 0;
  keepInside(model, view);
}

function zoom(model, view, factor, x) {
  const at = x === undefined ? (view.gutter + view.width) / 2 : Math.max(x, view.gutter);
  const ms = msOf(view, at);
  view.scale = Math.min(Math.max(view.scale * factor, 1e-7), 5);
  view.from = ms - (at - view.gutter) / view.scale;
  view.fitted = false;
  keepInside(model, view);
}

function pan(model, view, dx, dy) {
  view.from += dx / view.scale;
  view.top += dy;
  if (dx) view.fitted = false;
  keepInside(model, view);
}

/** Something of the hits stays in sight. */
function keepInside(model, view) {
  view.top = Math.min(Math.max(view.top, 0), Math.max(view.height - view.tall + RULER, 0));
  if (!Number.isFinite(model.begin)) return;
  const wide = (view.width - view.gutter) / view.scale;
  view.from = Math.min(Math.max(view.from, model.begin - wide * 0.9), model.end - wide * 0.1);
}

/** Brings a session, and a hit of it, into sight. */
function show(model, view, session, hit) {
  const row = session.row;
  if (row) {
    const room = view.tall - RULER;
    if (row.y < view.top) view.top = row.y - GROUP;
    if (row.y + row.h > view.top + room) view.top = row.y + row.h - room;
  }
  const ms = hit ? hit.x : session.begin;
  const x = xOf(view, ms);
  if (x < view.gutter + 20 || x > view.width - 20) {
    view.from = ms - (view.width - view.gutter) / view.scale / 3;
    view.fitted = false;
  }
  keepInside(model, view);
}

/** What lies at a point of the canvas: a session, and the nearest hit of it within 8 pixels, or a bar. */
function under(view, x, y) {
  if (y < RULER) return {};
  const row = view.rows.find((r) => y - RULER + view.top >= r.y && y - RULER + view.top < r.y + r.h);
  if (!row || !row.session) return {};
  const { session } = row;
  let best = null, near = 8;
  for (let i = lowerBound(session.hits, msOf(view, x - 8)); i < session.hits.length; i += 1) {
    const hit = session.hits[i], far = Math.abs(xOf(view, hit.x) - x);
    if (hit.x > msOf(view, x + 8)) break;
    const better = far < near || (far <= near + 2 && best && best.type === 'ping' && hit.type !== 'ping');
    if (better) { best = hit; near = far; }
  }
  const ms = msOf(view, x);
  const part = session.spans.find((s) => ms >= s.from && ms < s.to);
  const gap = session.gaps.find((g) => ms >= g.from && ms < g.to);
  const named = session.track.filter((t) => ms >= t.from && ms < t.to).map((t) => t.name).join(', ');
  return { session, named, hit: x >= view.gutter ? best : null, part: x >= view.gutter ? part : null, gap };
}

/** The keys of the timeline. Returns true if the key meant something. */
function key(app, event) {
  const { model, view } = app;
  const step = (view.width - view.gutter) / 8;
  const lane = (by) => {
    const at = view.chosen ? view.lanes.indexOf(view.chosen) : by > 0 ? -1 : view.lanes.length;
    const next = view.lanes[Math.min(Math.max(at + by, 0), view.lanes.length - 1)];
    if (next) choose(app, next, null);
  };
  const hit = (by) => {
    const session = view.chosen || view.lanes[0];
    if (!session) return;
    const at = view.hit ? session.hits.indexOf(view.hit) : by > 0 ? -1 : session.hits.length;
    choose(app, session, session.hits[Math.min(Math.max(at + by, 0), session.hits.length - 1)]);
  };
  switch (event.key) {
    case 'a': case 'A': case 'ArrowLeft': pan(model, view, -step, 0); break;
    case 'd': case 'D': case 'ArrowRight': pan(model, view, step, 0); break;
    case 'w': case 'W': case '+': zoom(model, view, 1.4); break;
    case 's': case 'S': case '-': zoom(model, view, 1 / 1.4); break;
    case 'ArrowUp': lane(-1); break;
    case 'ArrowDown': lane(1); break;
    case 'PageUp': pan(model, view, 0, -view.tall * 0.8); break;
    case 'PageDown': pan(model, view, 0, view.tall * 0.8); break;
    case ',': case 'p': hit(-1); break;
    case '.': case 'n': hit(1); break;
    case 'Home': view.top = 0; view.from = model.begin; keepInside(model, view); break;
    case 'End': view.from = model.end - (view.width - view.gutter) / view.scale * 0.9; keepInside(model, view); break;
    case 'Enter': if (view.chosen) fit(model, view, view.chosen); break;
    case 'f': case 'F': fit(model, view); break;
    case 'Escape': choose(app, null, null); break;
    default: return false;
  }
  return true;
}

/** Mouse, touch and wheel on the canvas. */
function listen(app, canvas) {
  const { model, view } = app;
  const fingers = new Map();
  let moved = 0, apart = 0;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const spread = () => {
    const [a, b] = [...fingers.values()];
    return { far: Math.hypot(a.x - b.x, a.y - b.y), x: (a.x + b.x) / 2 };
  };
  canvas.addEventListener('pointerdown', (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, at(event));
    moved = 0;
    if (fingers.size === 2) apart = spread().far;
  });
  canvas.addEventListener('pointermove', (event) => {
    const now = at(event), before = fingers.get(event.pointerId);
    if (!before) { hover(app, under(view, now.x, now.y), event); return; }
    if (fingers.size === 1) pan(model, view, before.x - now.x, before.y - now.y);
    fingers.set(event.pointerId, now);
    if (fingers.size === 2) {
      const { far, x } = spread();
      if (apart > 0 && far > 0) zoom(model, view, far / apart, x);
      apart = far;
      moved += 10;
    }
    moved += Math.abs(before.x - now.x) + Math.abs(before.y - now.y);
    hover(app, {}, event);
    redraw(app);
  });
  const up = (event) => {
    const was = fingers.get(event.pointerId);
    fingers.delete(event.pointerId);
    if (was && moved < 5 && event.type === 'pointerup') {
      const found = under(view, was.x, was.y);
      choose(app, found.session || null, found.hit || null, true);
    }
  };
  canvas.addEventListener('pointerup', up);
  canvas.addEventListener('pointercancel', up);
  canvas.addEventListener('pointerleave', (event) => hover(app, {}, event));
  canvas.addEventListener('dblclick', (event) => {
    zoom(model, view, event.shiftKey ? 0.5 : 2, at(event).x);
    redraw(app);
  });
  canvas.addEventListener('wheel', (event) => {
    event.preventDefault();
    const unit = event.deltaMode === 1 ? 16 : 1;
    const dx = event.deltaX * unit, dy = event.deltaY * unit;
    if (event.ctrlKey || event.metaKey || at(event).y < RULER) zoom(model, view, Math.exp(-dy * 0.002), at(event).x);
    else if (event.shiftKey) pan(model, view, dy || dx, 0);
    else pan(model, view, dx, dy);
    redraw(app);
  }, { passive: false });
}
