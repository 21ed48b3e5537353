// What stands around the timeline: figures, findings, details, the legend and the table.

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? '' : value);
  }
  for (const child of children.flat()) if (child !== null && child !== undefined) made.append(child);
  return made;
}

function replace(id, ...children) {
  document.getElementById(id).replaceChildren(...children.flat());
}

function showFigures(app) {
  const { model, view } = app;
  const session = view.chosen;
  const title = session ? session.name || session.key : 'All sessions';
  const sub = session ? `${session.app} · ${session.label || 'no session'} · ${spoken(session)}` : model.saved || 'live';
  replace('figures-title', title, ' ', element('small', {}, sub));
  replace('figures', (session ? figureRows(session) : totalRows(model)).map(([name, value, what, kind]) =>
    element('div', { class: kind ? `figure ${kind}` : 'figure', title: what },
      element('dt', {}, name), element('dd', {}, value))));
}

const LEVELS = { wrong: 'Wrong', suspicious: 'Suspicious', note: 'Note' };
const MOST_FINDINGS = 200;

function showFindings(app) {
  const { model, view } = app;
  const all = findingsOf(model);
  view.worst = new Map();
  for (const { session, level } of all) if (!view.worst.has(session)) view.worst.set(session, level);
  const mine = view.chosen ? all.filter((one) => one.session === view.chosen) : all;
  const count = (level) => mine.filter((one) => one.level === level).length;
  replace('findings-count', mine.length ? `${count('wrong')} wrong · ${count('suspicious')} suspicious · ${count('note')} to know` : '');
  const list = mine.slice(0, MOST_FINDINGS).map((one) => element('li', { class: `finding ${one.level}` },
    element('button', { type: 'button', class: 'go', onclick: () => choose(app, one.session, one.hit) },
      element('strong', {}, LEVELS[one.level]), ' ', one.words,
      element('small', {}, `${one.session.name || one.session.key} · ${one.session.label || '–'} · ${clockTime(one.at)}`)),
    element('a', { href: `/bench/integrating-a-player#${one.link}`, target: '_blank', rel: 'noopener' }, one.level === 'note' ? 'in the guide' : 'the mistake, in the guide',
      element('span', { class: 'unseen' }, `: ${one.words}`))));
  if (!list.length) {
    list.push(element('li', { class: 'none' }, model.order.length ? 'Nothing is wrong or suspicious here.' : 'Nothing has come in yet.'));
  }
  replace('findings', list);
}

/** What happened, when, and how it was answered. */
function aboutHit(hit) {
  const { record } = hit;
  const late = (hit.at - hit.ts) / 1000;
  const answered = hit.status === null ? 'no answer' : String(hit.status);
  const why = record.fault ? ' (a fault rule, or nobody there)' : '';
  return [
    ['happened', clockTime(hit.ts, true)],
    ['arrived', `${clockTime(hit.at, true)}${late > 0.05 ? `, ${late < 10 ? `${late.toFixed(1)} s` : span(late)} later` : ''}`],
    ['answered', answered + why],
    ['playhead', `${position(hit.playhead)} (${hit.playhead} s)`],
    ['request', `${record.method} ${record.path}`],
  ];
}

function showDetails(app) {
  const { view } = app;
  const { hit, chosen } = view;
  if (!chosen) {
    replace('details-title', 'Details');
    replace('details', element('p', { class: 'none' }, 'Choose a session or a hit: click it, or use the keys ',
      element('kbd', {}, '↑'), ' ', element('kbd', {}, '↓'), ' and ', element('kbd', {}, 'p'), ' ', element('kbd', {}, 'n'), '.'));
    return;
  }
  const all = chosen.hits.length;
  const at = hit ? chosen.hits.indexOf(hit) : -1;
  const step = (by, words) => element('button', { type: 'button', onclick: () =>
    choose(app, chosen, chosen.hits[Math.min(Math.max(at + by, 0), all - 1)]) }, words);
  const steps = element('p', { class: 'steps' }, step(-1, '‹ hit before'), step(1, 'next hit ›'),
    element('span', {}, hit ? `${at + 1} of ${all}` : `${all} hits`));
  if (!hit) {
    replace('details-title', chosen.name || chosen.key);
    const rows = [['media', chosen.media || '–'], ['player', chosen.app || '–'], ['box', chosen.box || '–'],
      ['session', chosen.sid || '–'], ['collector', spoken(chosen)],
      ['began', clockTime(chosen.begin, true)], ['last hit', clockTime(chosen.end, true)],
      ['ended', endOf(chosen)], ['length', chosen.length ? position(chosen.length) : '–']];
    const jump = (session, words) => session && element('button', { type: 'button', onclick: () => choose(app, session, null) }, words);
    replace('details', steps, terms(rows), element('p', { class: 'steps' },
      jump(chosen.from, `‹ resumes ${chosen.from ? chosen.from.label : ''}`),
      jump(chosen.next, `resumed by ${chosen.next ? chosen.next.label : ''} ›`)));
    return;
  }
  replace('details-title', hit.type);
  replace('details', steps, hit.refused
    ? element('p', { class: 'refusal' }, element('strong', {}, `Refused (${hit.status}). `), hit.reason) : null,
  hit.late ? element('p', { class: 'lateness' }, element('strong', {}, 'Late. '), 'It waited until somebody was reached.') : null,
  terms(aboutHit(hit)), element('pre', { tabindex: '0', 'aria-label': 'the hit as JSON' }, JSON.stringify(sentAs(hit), null, 2) || ''));
}

/** How a session ended, or what it does now. */
function endOf(session) {
  if (session.over) return session.over;
  if (session.next) return `went on as ${session.next.label}`;
  return session.taken.length ? `open, ${WORDS[session.state] || session.state}` : 'never began';
}

function terms(rows) {
  return element('dl', { class: 'terms' }, rows.map(([name, value]) =>
    element('div', {}, element('dt', {}, name), element('dd', {}, value))));
}

/** The legend is drawn with the same colours, patterns and shapes. */
function showLegend(app) {
  const sample = (paint, words) => {
    const canvas = element('canvas', { width: 44, height: 26, 'aria-hidden': 'true' });
    const c = canvas.getContext('2d');
    c.scale(2, 2);
    paint(c, app.look);
    return element('li', {}, canvas, words);
  };
  const bars = STATES.map((state) => sample((c, look) => {
    c.fillStyle = look.fills[state] || look[state];
    c.fillRect(0, 1, 22, 11);
    c.strokeStyle = look.edge;
    c.strokeRect(0.5, 1.5, 21, 10);
  }, WORDS[state]));
  const marks = Object.entries(KINDS).map(([kind, words]) =>
    sample((c, look) => drawMark(c, look, kind, 11, 6.5), words));
  const others = [
    sample((c, look) => hatch(c, look, 0, 22, 1, 11, look.paper), 'gap'),
    sample((c, look) => { c.fillStyle = look.outage; c.fillRect(0, 0, 22, 13); c.fillStyle = look.outageLine; c.fillRect(0, 0, 22, 3); }, 'outage'),
    sample((c, look) => { c.fillStyle = look.chapter; c.fillRect(0, 3, 22, 2); }, 'chapter'),
    sample((c, look) => { c.fillStyle = look.break; c.fillRect(0, 6, 22, 4); }, 'ad break'),
    sample((c, look) => {
      c.strokeStyle = c.fillStyle = look.arrow; c.lineWidth = 1.6;
      c.beginPath(); c.moveTo(1, 6.5); c.lineTo(16, 6.5); c.stroke();
      c.beginPath(); c.moveTo(21, 6.5); c.lineTo(14, 2.5); c.lineTo(14, 10.5); c.fill();
    }, 'resumed'),
  ];
  replace('legend', bars, others, marks);
}

const MOST_ROWS = 1000;

/** The same data as tables: the sessions, and the hits of the chosen one. */
function showTable(app) {
  const { model, view } = app;
  const cell = (value) => element('td', {}, value);
  replace('sessions-body', view.lanes.map((session) => {
    const f = figuresOf(session);
    const chosen = session === view.chosen;
    const wrong = view.worst.get(session);
    return element('tr', { class: chosen ? 'chosen' : null },
      element('th', { scope: 'row' }, element('button', { type: 'button', 'aria-pressed': String(chosen),
        onclick: () => choose(app, chosen ? null : session, null) }, session.name || session.key)),
      [session.label || '–', spoken(session), session.app || '–', clockTime(session.begin), span((session.end - session.begin) / 1000),
        endOf(session),
        span(f.played), span(f.paused), String(f.stalls), String(f.seeks), String(f.ads), String(f.hits), String(f.late), String(f.refused),
        session.from ? `from ${session.from.label} at ${position(f.from || 0)}` : '–', wrong ? LEVELS[wrong] : '–'].map(cell));
  }));
  const hits = view.chosen ? view.chosen.hits : [];
  document.getElementById('hits-caption').textContent = view.chosen
    ? `Hits of ${view.chosen.name || view.chosen.key}${hits.length > MOST_ROWS ? ` (the newest ${MOST_ROWS} of ${hits.length})` : ''}`
    : 'Hits: choose a session above';
  replace('hits-body', hits.slice(-MOST_ROWS).map((hit) => element('tr', { class: kindOf(hit) },
    element('th', { scope: 'row' }, element('button', { type: 'button', 'aria-pressed': String(hit === view.hit),
      onclick: () => choose(app, hit.session, hit) }, hit.type)),
    [clockTime(hit.ts, true), clockTime(hit.at, true), position(hit.playhead), hit.status === null ? 'no answer' : String(hit.status),
      hit.refused ? `refused: ${hit.reason}` : hit.failed ? 'not taken' : hit.repeat ? 'came before' : hit.late ? 'late' : ''].map(cell))));
}

/** A line about what is pointed at. */
function words(found) {
  const { session, hit, part, gap } = found;
  if (!session) return '';
  if (hit) {
    const kind = kindOf(hit);
    const late = hit.at - hit.ts > 1000 ? `, arrived ${span((hit.at - hit.ts) / 1000)} later` : '';
    return `${hit.type} at ${position(hit.playhead)}, ${clockTime(hit.ts)}${late}${kind === 'refused' ? `, refused: ${hit.reason}`
      : kind === 'failed' ? ', not taken' : kind === 'repeat' ? ', came before' : ''}`;
  }
  if (gap) return `${gap.cause}, ${span((gap.to - gap.from) / 1000)}`;
  if (part) return `${WORDS[part.state]}${found.named ? ` (${found.named})` : ''} for ${span((part.to - part.from) / 1000)}, ${position(part.start)} to ${position(part.stop)}`;
  return `${session.name || session.key}, ${session.label || 'no session'}, ${session.hits.length} hits`;
}

function hover(app, found, event) {
  const tip = document.getElementById('tip');
  const said = words(found);
  tip.hidden = !said;
  if (!said) return;
  tip.textContent = said;
  const box = tip.parentElement.getBoundingClientRect();
  const x = event.clientX - box.left, y = event.clientY - box.top;
  tip.style.left = `${Math.min(x + 14, box.width - tip.offsetWidth - 4)}px`;
  tip.style.top = `${y + 18 + tip.offsetHeight > box.height ? y - tip.offsetHeight - 8 : y + 18}px`;
}
