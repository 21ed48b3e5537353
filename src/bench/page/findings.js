// The validator's view: what is wrong or suspicious about a player, and what to do.
// Each finding: level (wrong, suspicious, note), words, session, the hit that shows it, and the mistake's place
// in docs/integrating-a-player.md.

/** All findings, the worst first, then by time. */
function findingsOf(model) {
  const found = [];
  for (const session of model.order) {
    if (!session.findings) session.findings = ofSession(model, session);
    found.push(...session.findings);
  }
  found.push(...manyStarts(model));
  const rank = { wrong: 0, suspicious: 1, note: 2 };
  return found.sort((a, b) => rank[a.level] - rank[b.level] || a.at - b.at);
}

const CHECKS = [refusals, movesInAd, adsWithoutBreak, seekWithoutEnd, movesInPause, standsStill,
  endedAtPause, units, noComplete, longBuffering, longBreak, startOnReturn, late];

function ofSession(model, session) {
  const found = [];
  for (const check of CHECKS) found.push(...check(session, model));
  for (const one of found) one.session = session;
  return found;
}

function finding(level, hit, words, link) {
  return { level, hit, at: hit.x, words, link };
}

function refusals(session) {
  const byReason = new Map();
  for (const hit of session.hits) {
    if (!hit.refused) continue;
    const reason = `${hit.type}: ${hit.reason || `status ${hit.status}`}`;
    byReason.set(reason, [...(byReason.get(reason) || []), hit]);
  }
  return [...byReason].map(([reason, hits]) => ({
    ...finding('wrong', hits[0], `${hits.length === 1 ? 'A hit was' : `${hits.length} hits were`} refused. ${reason}`),
    link: 'checklist' }));
}

function movesInAd(session) {
  let start = null;
  for (const hit of session.taken) {
    if (hit.type === 'adStart') start = hit;
    else if (start && Math.abs(hit.playhead - start.playhead) > 1) {
      const moved = `from ${position(start.playhead)} to ${position(hit.playhead)}`;
      return [{ ...finding('wrong', hit, `The playhead moves during an ad, ${moved}. Say the position of the `
        + 'content, which stands still.'), link: 'a-playhead-that-moves-during-ads' }];
    }
    if (['adComplete', 'adSkip', 'adBreakComplete'].includes(hit.type)) start = null;
  }
  return [];
}

function adsWithoutBreak(session, model) {
  let open = false;
  const text_ = 'AdStart without an AdBreakStart. A single ad needs a break too.';
  for (const hit of session.taken) {
    if (hit.type === 'adBreakStart') open = true;
    if (hit.type === 'adBreakComplete') open = false;
    if (hit.type === 'adStart' && !open) {
      return [{ ...finding('wrong', hit, text_), link: 'ads-without-a-break' }];
    }
  }
  open = false;
  for (const note of notesOf(model, session)) {
    if (note.event === 'AdBreakStart') open = true;
    if (note.event === 'AdBreakComplete') open = false;
    if (note.event === 'AdStart' && !open) {
      return [{ ...finding('wrong', hitNear(session, note.at_ms), text_), link: 'ads-without-a-break' }];
    }
  }
  return [];
}

function notesOf(model, session) {
  return session.player ? model.notes.filter((n) => text(n.from, 'p1') === session.player
    && n.at_ms >= session.begin && n.at_ms <= session.end) : [];
}

function hitNear(session, ms) {
  return session.hits.reduce((best, hit) => (Math.abs(hit.x - ms) < Math.abs(best.x - ms) ? hit : best));
}

const SEEK_MS = 30000;

function seekWithoutEnd(session, model) {
  const found = [];
  for (const part of session.spans) {
    if (part.state !== 'seeking' || part.to - part.from < SEEK_MS) continue;
    const said = part.said || notesOf(model, session).some((n) => n.event === 'SeekStart'
      && Math.abs(n.at_ms - part.from) < 1500);
    const long = span((part.to - part.from) / 1000);
    found.push({ ...finding('wrong', hitNear(session, part.from), said
      ? `SeekStart without an end for ${long}. What follows counts as a pause until SeekComplete or Play.`
      : `The position moves in a pause of ${long}: a SeekStart without SeekComplete or Play.`),
    link: 'seekstart-without-an-end' });
  }
  return found;
}

function movesInPause(session) {
  for (const part of session.spans) {
    if (part.state !== 'seeking' || part.to - part.from < SEEK_MS) continue;
    const inside = session.taken.filter((h) => h.ts > part.from && h.ts <= part.to);
    const moves = inside.filter((h, i) => i && h.playhead - inside[i - 1].playhead > 1).length;
    if (moves >= 3) {
      return [{ ...finding('suspicious', inside[0], 'The position goes on during a pause: the player plays and '
        + 'has not said Play, as after a return from the background.'), link: 'sessionstart-on-the-return-from-the-background' }];
    }
  }
  return [];
}

function standsStill(session) {
  for (const part of session.spans) {
    if (part.state !== 'playing' || session.kind === 'live') continue;
    const stopped = (h) => h.refused && (h.type === 'pauseStart' || h.type === 'bufferStart');
    if (session.hits.some((h) => stopped(h) && h.ts >= part.from && h.ts <= part.to)) continue;
    const inside = session.taken.filter((h) => h.ts >= part.from && h.ts <= part.to);
    for (let i = 0, from = 0; i < inside.length; i += 1) {
      if (Math.abs(inside[i].playhead - inside[from].playhead) > 0.5) from = i;
      if (inside[i].ts - inside[from].ts >= 15000) {
        return [{ ...finding('suspicious', inside[from], 'It plays, and the position stands still at '
          + `${position(inside[from].playhead)}. Say Pause, and no Play that nobody pressed.`),
        link: 'a-heartbeat-of-the-players-own' }];
      }
    }
  }
  return [];
}

function endedAtPause(session) {
  const next = session.next;
  if (!next || session.over !== 'sessionEnd' || next.begin - session.end > 300000) return [];
  if (Math.abs(next.hits[0].playhead - session.last.playhead) > 1.5 || session.state === 'paused') return [];
  return [{ ...finding('suspicious', session.last, `The session ends and goes on ${span((next.begin - session.end) / 1000)} `
    + 'later at the same position. If the viewer paused, say Pause and not End.'),
  link: 'ending-the-session-at-a-pause' }];
}

function units(session) {
  if (session.kind === 'live') return [];
  const first = session.taken[0];
  if (first && session.length > 86400) {
    return [{ ...finding('wrong', first, `The length is ${span(session.length)}. It is in seconds: were these `
      + 'milliseconds?'), link: 'milliseconds-for-seconds' }];
  }
  const beyond = session.taken.find((hit) => session.length > 0 && hit.playhead > session.length + 10);
  return beyond ? [{ ...finding('wrong', beyond, `The position ${position(beyond.playhead)} is beyond the end, `
    + `${position(session.length)}. It is in seconds.`), link: 'milliseconds-for-seconds' }] : [];
}

function noComplete(session) {
  const { last } = session;
  if (session.over !== 'sessionEnd' || session.kind === 'live' || !session.length) return [];
  if (last.playhead < session.length - 10) return [];
  return [{ ...finding('wrong', last, 'The content was seen to its end, and the player said no Complete: no '
    + 'completion is counted.'), link: 'no-complete' }];
}

function longBuffering(session) {
  const long = session.spans.find((part) => part.state === 'buffering' && part.to - part.from > 60000);
  return long ? [{ ...finding('suspicious', hitNear(session, long.from), `BufferStart without an end for `
    + `${span((long.to - long.from) / 1000)}. BufferComplete or Play ends it.`), link: 'checklist' }] : [];
}

function longBreak(session) {
  const long = session.track.find((part) => part.what === 'break' && part.to - part.from > 600000);
  return long ? [{ ...finding('suspicious', long.hit, 'An ad break is open for '
    + `${span((long.to - long.from) / 1000)}. What begins has an end: AdBreakComplete.`), link: 'checklist' }] : [];
}

function startOnReturn(session, model) {
  const again = notesOf(model, session).find((n) => n.event === 'SessionStart' && n.at_ms > session.begin + 2000
    && n.at_ms < session.end && n.info && n.info.id === session.media);
  return again ? [{ ...finding('wrong', hitNear(session, again.at_ms), 'SessionStart while the session is open: it '
    + 'is refused. Play goes on with it.'), link: 'sessionstart-on-the-return-from-the-background' }] : [];
}

function late(session) {
  const hits = session.hits.filter((hit) => hit.late);
  if (!hits.length) return [];
  const most = Math.max(...hits.map((hit) => hit.at - hit.ts)) / 1000;
  return [{ ...finding('note', hits[0], `${hits.length} ${hits.length === 1 ? 'hit' : 'hits'} arrived late, up to `
    + `${span(most)}: nobody was reached meanwhile. Nothing is lost.`), link: 'when-the-agent-goes-away' }];
}

/** Three starts of one film within a minute. */
function manyStarts(model) {
  const found = [], by = new Map();
  for (const session of model.order) {
    if (!session.media || !session.sid) continue;
    const key = viewingOf(session);
    by.set(key, [...(by.get(key) || []), session]);
  }
  for (const sessions of by.values()) {
    sessions.sort((a, b) => a.begin - b.begin);
    for (let i = 2; i < sessions.length; i += 1) {
      if (sessions[i].begin - sessions[i - 2].begin > 60000) continue;
      const one = finding('wrong', sessions[i].hits[0], 'Three SessionStart for one film in a minute. Open it '
        + 'once; Play goes on with it.');
      found.push({ ...one, link: 'ending-the-session-at-a-pause', session: sessions[i] });
      break;
    }
  }
  return found;
}
