// What the players did, from the lines of a timeline: it tells apart what is a pause on the wire.

/** Takes the lines of a timeline, each with `at_ms`. */
function takeNotes(model, notes) {
  model.notes = notes.filter((note) => typeof note.at_ms === 'number' && typeof note.event === 'string');
  const causes = [], open = {};
  const begin = (what, note, player) => { open[what + (player || '')] = { what, from: note.at_ms, player }; };
  const end = (what, note, player) => {
    const cause = open[what + (player || '')];
    if (cause) { causes.push({ ...cause, to: note.at_ms }); delete open[what + (player || '')]; }
  };
  const lasts = (what, note, seconds) => causes.push({ what, from: note.at_ms, to: note.at_ms + seconds * 1000 });
  for (const note of model.notes) {
    const player = text(note.from, 'p1');
    switch (note.event) {
      case 'NetworkDown': begin('outage', note); break;
      case 'NetworkUp': end('outage', note); break;
      case 'Sleep': begin('box asleep', note); break;
      case 'Wake': end('box asleep', note); break;
      case 'AgentCrash': lasts('agent away', note, number(note.down_s, 0)); break;
      case 'PowerLoss': lasts('box off', note, number(note.down_s, 0)); break;
      case 'PlayerVanished': begin('player gone', note, player); break;
      case 'SessionStart': end('player gone', note, player); break;
      default: break;
    }
  }
  const last = model.notes[model.notes.length - 1];
  for (const cause of Object.values(open)) causes.push({ ...cause, to: last.at_ms });
  // What says most about a gap comes first.
  const rank = ['agent away', 'box off', 'box asleep', 'player gone', 'outage'];
  causes.sort((a, b) => rank.indexOf(a.what) - rank.indexOf(b.what));
  model.causes = causes;
  for (const session of model.order) model.dirty.add(session);
  model.version += 1;
}

/** Finds the player of each session by its start, and draws what that player did into the bars. */
function matchPlayers(model) {
  if (!model.notes.length) return;
  const starts = model.notes.filter((n) => n.event === 'SessionStart');
  for (const session of model.order) {
    const said = starts.find((n) => n.info && text(n.info.id, n.info.media_id) === session.media
      && Math.abs(n.at_ms - session.begin) < 2000);
    session.player = said ? text(said.from, 'p1') : session.from ? session.from.player : null;
    if (session.player && session.spans.every((span) => !span.said)) sayMore(model, session);
  }
}

function sayMore(model, session) {
  const { player } = session;
  const parts = [];
  let open = null;
  const app = (note) => text(note.app, '') === player;
  for (const note of model.notes) {
    if (note.at_ms > session.end) break;
    const own = text(note.from, note.app ? '' : 'p1') === player;
    if (note.event === 'SeekStart' && own) open = { state: 'seeking', from: note.at_ms };
    else if (note.event === 'Background' && app(note)) open = { state: 'background', from: note.at_ms };
    else if (open && ((own && ['SeekComplete', 'Play', 'End', 'Complete'].includes(note.event))
      || (own && open.state === 'seeking' && note.event === 'SessionStart'))) {
      parts.push({ ...open, to: note.at_ms });
      open = null;
    }
  }
  if (open) parts.push({ ...open, to: session.end });
  for (const part of parts) {
    for (const span of session.spans) {
      const inside = span.from >= part.from - 1000 && span.to <= part.to + 1000;
      if (inside && (span.state === 'paused' || span.state === 'seeking')) {
        span.state = part.state;
        span.said = true;
      }
    }
  }
}
