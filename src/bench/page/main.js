// The page: it listens to the collector, and redraws when there is something new.

const app = { model: newModel(), view: newView(), look: null, table: false, waiting: false, stale: true, source: null };

function redraw() {
  if (app.waiting) return;
  app.waiting = true;
  requestAnimationFrame(() => {
    app.waiting = false;
    if (app.stale) refresh();
    if (!app.table) paint();
  });
}

function paint() {
  const canvas = document.getElementById('canvas');
  draw(canvas.getContext('2d', { alpha: false }), app.model, app.view, app.look);
}

/** What follows from new hits or another choice; more rarely than frames while many hits come. */
function refresh() {
  const { model, view } = app;
  app.stale = false;
  if (settle(model)) {
    layOut(model, view);
    if (view.fitted) fit(model, view);
  }
  showFindings(app);
  showFigures(app);
  showDetails(app);
  if (app.table) showTable(app);
  document.getElementById('empty').hidden = model.order.length > 0;
}

let refreshing = 0;

function news() {
  if (refreshing) return;
  refreshing = setTimeout(() => { refreshing = 0; app.stale = true; redraw(); }, app.model.records.length > 5000 ? 400 : 60);
}

/** Chooses a session and a hit of it; `quiet`: it is in sight already. */
function choose(of, session, hit, quiet) {
  const { model, view } = of;
  view.chosen = session;
  view.hit = hit;
  if (session && !quiet) show(model, view, session, hit);
  const said = session ? words({ session, hit }) : 'nothing is chosen';
  document.getElementById('said').textContent = hit ? `${session.name}: ${said}` : said;
  app.stale = true;
  redraw();
}

function state(words_, kind) {
  const shown = document.getElementById('state');
  shown.textContent = words_;
  shown.className = kind;
}

function begin(notes, saved) {
  const { view } = app;
  Object.assign(app.model, newModel());
  Object.assign(view, { chosen: null, hit: null, fitted: true, rows: [], lanes: [], height: 0, top: 0, worst: new Map() });
  app.model.saved = saved ? saved.split('/').pop() : null;
  takeNotes(app.model, notes || []);
  news();
}

function connect() {
  const source = new EventSource('/bench/stream');
  app.source = source;
  source.addEventListener('begin', (event) => {
    const { timeline, saved } = JSON.parse(event.data);
    begin(timeline, saved);
    state(saved ? 'saved file' : 'live', saved ? 'saved' : 'live');
  });
  source.addEventListener('hits', (event) => {
    for (const record of JSON.parse(event.data)) takeRecord(app.model, record);
    news();
  });
  source.addEventListener('open', () => { if (!app.model.saved) state('live', 'live'); });
  source.addEventListener('error', () => {
    if (!app.model.saved) state('not connected; trying again', 'away');
  });
}

async function open(file) {
  try {
    const { hits, timeline: notes } = await readSaved(file);
    const onlyNotes = !hits.length && notes.length > 0;
    if (onlyNotes) {
      takeNotes(app.model, notes);
    } else {
      if (app.source) app.source.close();
      begin(notes, file.name);
      for (const record of hits) takeRecord(app.model, record);
      state('saved file', 'saved');
    }
    const count = hits.reduce((sum, record) => sum + Math.max(record.hits.length, 1), 0);
    message(onlyNotes ? `${file.name}: what the players did is shown with the hits.` : `${file.name}: ${count} hits.`);
    news();
  } catch (error) {
    message(`${file.name} cannot be shown. ${error.message}`);
  }
}

function message(words_) {
  document.getElementById('message').textContent = words_;
}

function size() {
  const { view } = app;
  const box = document.getElementById('stage').getBoundingClientRect();
  const canvas = document.getElementById('canvas');
  const narrow = box.width < 640;
  view.ratio = Math.min(window.devicePixelRatio || 1, 3);
  view.width = Math.max(Math.floor(box.width), 50);
  view.tall = Math.max(Math.floor(box.height), 100);
  view.gutter = narrow ? 0 : 210;
  canvas.width = view.width * view.ratio;
  canvas.height = view.tall * view.ratio;
  if (narrow !== view.narrow) { view.narrow = narrow; layOut(app.model, view); }
  if (view.fitted) fit(app.model, view); else keepInside(app.model, view);
  paint();
}

const darkened = window.matchMedia('(prefers-color-scheme: dark)');

function theme(next) {
  const chosen = document.getElementById('theme');
  if (next !== undefined) chosen.value = next;
  const dark = chosen.value === 'dark' || (chosen.value === 'auto' && darkened.matches);
  document.documentElement.dataset.theme = dark ? 'dark' : 'light';
  app.look = newLook(dark);
  showLegend(app);
  redraw();
}

function showAs(table) {
  app.table = table;
  document.getElementById('timeline-view').hidden = table;
  document.getElementById('table-view').hidden = !table;
  document.getElementById('as-timeline').setAttribute('aria-pressed', String(!table));
  document.getElementById('as-table').setAttribute('aria-pressed', String(table));
  app.stale = true;
  if (!table) size();
  redraw();
}

/** Goes to the next session or hit that has these words in it. */
function find(wanted) {
  const { model, view } = app;
  const word = wanted.trim().toLowerCase();
  if (!word) return;
  const places_ = [];
  for (const session of view.lanes) {
    const about = `${session.key} ${session.media} ${session.name} ${session.app} ${session.box} ${spoken(session)}`;
    if (about.toLowerCase().includes(word)) places_.push([session, null]);
    for (const hit of session.hits) {
      if (`${hit.type} ${hit.reason}`.toLowerCase().includes(word)) places_.push([session, hit]);
    }
  }
  const now = places_.findIndex(([session, hit]) => session === view.chosen && hit === view.hit);
  const next = places_[(now + 1) % places_.length];
  if (next) choose(app, ...next);
  message(next ? `${places_.indexOf(next) + 1} of ${places_.length} for “${wanted}”` : `nothing has “${wanted}” in it`);
}

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const where = event.target.closest('input, select, textarea, summary, a, pre, #table-view');
  const field = document.getElementById('find');
  if (event.key === 'Escape' && event.target === field) { field.blur(); document.getElementById('canvas').focus(); return; }
  if (where) return;
  if (event.target.closest('button') && (event.key === 'Enter' || event.key === ' ')) return;
  if (event.key === '/') { event.preventDefault(); field.focus(); field.select(); return; }
  if (event.key === 't' || event.key === 'T') { showAs(!app.table); return; }
  if (app.table) return;
  if (key(app, event)) { event.preventDefault(); redraw(); }
}

function wire() {
  const by = (id) => document.getElementById(id);
  listen(app, by('canvas'));
  document.addEventListener('keydown', keys);
  by('as-timeline').addEventListener('click', () => showAs(false));
  by('as-table').addEventListener('click', () => showAs(true));
  by('fit').addEventListener('click', () => { fit(app.model, app.view); redraw(); });
  by('in').addEventListener('click', () => { zoom(app.model, app.view, 1.5); redraw(); });
  by('out').addEventListener('click', () => { zoom(app.model, app.view, 1 / 1.5); redraw(); });
  by('find').addEventListener('keydown', (event) => { if (event.key === 'Enter') find(event.target.value); });
  by('theme').addEventListener('change', () => theme());
  darkened.addEventListener('change', () => theme());
  by('export-trace').addEventListener('click', () => save('playheadd-trace.json', 'application/json', asTrace(app.model)));
  by('export-timeline').addEventListener('click', () => save('playheadd-timeline.jsonl', 'application/x-ndjson', asTimeline(app.model)));
  by('export-hits').addEventListener('click', () => save('playheadd-hits.jsonl', 'application/x-ndjson', asHits(app.model)));
  by('import').addEventListener('change', (event) => { if (event.target.files[0]) open(event.target.files[0]); event.target.value = ''; });
  document.addEventListener('dragover', (event) => event.preventDefault());
  document.addEventListener('drop', (event) => { event.preventDefault(); if (event.dataTransfer.files[0]) open(event.dataTransfer.files[0]); });
  document.addEventListener('click', (event) => {
    for (const menu of document.querySelectorAll('details.menu[open]')) if (!menu.contains(event.target)) menu.open = false;
  });
  new ResizeObserver(size).observe(by('stage'));
}

wire();
theme();
connect();
