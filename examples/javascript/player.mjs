// A player of web technology: what happens to its media element is told to the agent.
//
//     node player.mjs [ADDRESS [MEDIA_ID [SECONDS]]]        gjs -m player.mjs ...
//
// `follow` is what a player needs. The media element below it stands for a <video> and moves as one
// does; so this runs where no engine draws. ADDRESS is `system` (the default), `session` or an
// address of a bus.

import { connect } from '../../clients/javascript/playhead.mjs';

/**
 * Tells the agent what a media element plays. Gives what is to be called when the viewer leaves.
 */
function follow(element, agent, media) {
  // The element knows its length now: NaN and Infinity, of a live stream, are "unknown".
  const session = agent.open(element.currentTime, { ...media, length: element.duration });
  let muted = false;
  const on = {
    // It moves: at the start, after a pause, after a wait for data, after a seek.
    playing: () => session.play(element.currentTime, element.playbackRate),
    ratechange: () => element.paused || session.play(element.currentTime, element.playbackRate),
    pause: () => element.ended || session.pause(element.currentTime),
    waiting: () => element.seeking || session.bufferStart(element.currentTime),
    stalled: () => element.paused || session.stall(element.currentTime),
    // The element is at the new place already; the agent knows the one that it leaves.
    seeking: () => session.seekStart(-1),
    seeked: () => session.seekComplete(element.currentTime),
    volumechange() {
      if (element.muted === muted) return;
      muted = element.muted;
      if (muted) session.stateStart(element.currentTime, 'mute');
      else session.stateEnd(element.currentTime, 'mute');
    },
    error: () => session.error(element.currentTime, `MEDIA_ERR_${element.error?.code}`),
    ended: () => session.complete(element.currentTime),
  };
  for (const [event, tell] of Object.entries(on)) element.addEventListener(event, tell);
  return () => {
    for (const [event, tell] of Object.entries(on)) element.removeEventListener(event, tell);
    if (!element.ended) session.end(element.currentTime);
  };
}

/** What of a media element `follow` looks at. */
class MediaElement {
  #listeners = [];
  #from = 0;
  #since = 0;
  paused = true;
  seeking = false;
  muted = false;
  playbackRate = 1;
  error = null;
  duration = NaN;

  load(duration) {
    this.duration = duration;
    this.#say('loadedmetadata');
  }

  get currentTime() {
    const moved = this.paused ? 0 : ((Date.now() - this.#since) / 1000) * this.playbackRate;
    return Math.min(this.#from + moved, this.duration || 0);
  }

  set currentTime(place) {
    this.#from = place;
    this.#since = Date.now();
    this.seeking = true;
    this.#say('seeking');
    this.seeking = false;
    this.#say('seeked');
  }

  get ended() {
    return this.currentTime >= this.duration;
  }

  play() {
    this.#since = Date.now();
    this.paused = false;
    this.#say('playing');
  }

  pause() {
    this.#from = this.currentTime;
    this.paused = true;
    this.#say('pause');
  }

  addEventListener(event, listener) {
    this.#listeners.push([event, listener]);
  }

  removeEventListener(event, listener) {
    this.#listeners = this.#listeners.filter(([name, one]) => name !== event || one !== listener);
  }

  #say(event) {
    for (const [name, listener] of this.#listeners) if (name === event) listener();
  }
}

const gjs = globalThis.imports?.gi;
const [bus = 'system', id = 'film-1', seconds = '3'] = gjs
  ? globalThis.ARGV
  : process.argv.slice(2);
const say = gjs ? globalThis.print : console.log;
const wait = (duration) =>
  new Promise((resolve) => {
    setTimeout(resolve, duration * 1000);
  });

async function evening() {
  const agent = await connect({
    bus,
    onError: ({ event, name, message }) => say(`${event}: ${name}: ${message}`), // the film goes on
  });
  const film = new MediaElement();
  film.load(600);
  const { point, error } = await agent.resumePoint(id, 'tv.example.player');
  if (error) say(`from the beginning: ${error.message}`);
  if (point && !point.completed) film.currentTime = point.position;
  const start = film.currentTime;
  const leave = follow(film, agent, { id, name: 'A Film', app: 'tv.example.player' });
  film.play();
  await wait(Number(seconds));
  film.pause();
  film.currentTime += 30;
  film.play();
  await wait(Number(seconds));
  leave();
  const unsaid = await agent.close();
  if (unsaid > 0) say(`${unsaid} messages were not said`);
  say(`played ${id} from ${start.toFixed(1)} to ${film.currentTime.toFixed(1)}`);
}

const loop = gjs?.GLib.MainLoop.new(null, false);
evening().finally(() => loop?.quit());
loop?.run();
