// Colours and patterns. The colours are those of Okabe and Ito, which people with colour blindness tell apart;
// each state has a pattern, each kind of hit a shape, so that no meaning hangs on a colour alone.

const WORDS = {
  starting: 'starting', playing: 'playing', paused: 'paused', buffering: 'buffering', seeking: 'seeking',
  ad: 'in an ad', background: 'in the background', idle: 'idle',
};

const LIGHT = {
  paper: '#ffffff', stripe: '#f6f7f9', line: '#e2e6eb', ink: '#17202b', soft: '#5a6675', group: '#eef1f5',
  chosen: '#e4effa', focus: '#0b5cad', tick: '#3c4858', late: '#c14f00', refused: '#b3122b', failed: '#8a5a00', repeat: '#5a6675',
  arrow: '#7a3fa0', hatch: '#9aa5b1', outage: 'rgba(193,79,0,0.07)', outageLine: '#c14f00', chapter: '#7d8b9b',
  break: '#a88a00',
  playing: '#0072b2', paused: '#a9b3be', buffering: '#e69f00', seeking: '#cc79a7', ad: '#f0e442',
  background: '#56b4e9', idle: '#dfe4ea', starting: '#009e73', mark: 'rgba(0,0,0,0.42)', edge: 'rgba(0,0,0,0.25)',
};

const DARK = {
  paper: '#12171d', stripe: '#161c24', line: '#27303b', ink: '#e8edf3', soft: '#9aa8b7', group: '#1c242d',
  chosen: '#1b2f45', focus: '#6cb6ff', tick: '#b4c0cd', late: '#ff9a4d', refused: '#ff6b7f', failed: '#d9a441', repeat: '#9aa8b7',
  arrow: '#c79be6', hatch: '#5f6c7a', outage: 'rgba(255,154,77,0.08)', outageLine: '#ff9a4d', chapter: '#8b99a8',
  break: '#d8c52f',
  playing: '#2b8fd0', paused: '#5b6775', buffering: '#e69f00', seeking: '#cc79a7', ad: '#e8dc4a',
  background: '#7cc7f2', idle: '#2c3642', starting: '#1fb58a', mark: 'rgba(0,0,0,0.5)', edge: 'rgba(0,0,0,0.4)',
};

const PATTERN = { buffering: 'slash', seeking: 'chevron', background: 'rows', idle: 'dots', starting: 'cross' };

/** What is drawn with: colours of the theme, and a pattern for each state that has one. */
function newLook(dark) {
  const look = { ...(dark ? DARK : LIGHT), dark, fills: {} };
  for (const [state, kind] of Object.entries(PATTERN)) look.fills[state] = tile(look[state], look.mark, kind);
  look.fills.gap = tile(null, look.hatch, 'slash');
  return look;
}

function tile(back, mark, kind) {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 8;
  const c = canvas.getContext('2d');
  if (back) { c.fillStyle = back; c.fillRect(0, 0, 8, 8); }
  c.strokeStyle = c.fillStyle = mark;
  c.lineWidth = 1.4;
  c.beginPath();
  if (kind === 'slash') {
    for (const x of [-8, 0, 8]) { c.moveTo(x, 8); c.lineTo(x + 8, 0); }
  } else if (kind === 'chevron') {
    c.moveTo(2, 0); c.lineTo(6, 4); c.lineTo(2, 8);
  } else if (kind === 'rows') {
    c.moveTo(0, 2); c.lineTo(8, 2); c.moveTo(0, 6); c.lineTo(8, 6);
  } else if (kind === 'cross') {
    c.moveTo(4, 1); c.lineTo(4, 7); c.moveTo(1, 4); c.lineTo(7, 4);
  } else {
    c.rect(1, 1, 2, 2); c.rect(5, 5, 2, 2);
  }
  if (kind === 'dots') c.fill(); else c.stroke();
  return canvas.getContext('2d').createPattern(canvas, 'repeat');
}

/** The kind of a hit decides its shape: a bar, a small bar, a triangle (late), a cross (refused), a ring, a square. */
function kindOf(hit) {
  if (hit.refused) return 'refused';
  if (hit.failed) return 'failed';
  if (hit.repeat) return 'repeat';
  if (hit.late) return 'late';
  return hit.type === 'ping' ? 'ping' : 'hit';
}

const KINDS = { hit: 'hit', ping: 'ping', late: 'late: sent over 10 s after it happened',
  refused: 'refused', failed: 'tried, not taken', repeat: 'came before (same uid)' };

function drawMark(c, look, kind, x, y, small) {
  c.fillStyle = c.strokeStyle = kind === 'hit' || kind === 'ping' ? look.tick : look[kind];
  if (kind === 'hit') c.fillRect(x - 1, y - 5, 2, 10);
  else if (kind === 'ping') c.fillRect(x - 0.5, y - 1, 1, 5);
  else if (kind === 'late') {
    const s = small ? 2.5 : 4.5;
    c.beginPath(); c.moveTo(x, y - s); c.lineTo(x + s, y + s); c.lineTo(x - s, y + s); c.fill();
  } else if (kind === 'refused') {
    c.lineWidth = 2.6;
    c.beginPath(); c.moveTo(x - 5, y - 5); c.lineTo(x + 5, y + 5); c.moveTo(x + 5, y - 5); c.lineTo(x - 5, y + 5);
    c.stroke(); c.lineWidth = 1;
  } else if (kind === 'repeat') c.strokeRect(x - 2.5, y - 2.5, 5, 5);
  else { c.lineWidth = 1.2; c.beginPath(); c.arc(x, y, 2.6, 0, 7); c.stroke(); c.lineWidth = 1; }
}
