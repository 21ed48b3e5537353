/** The client of playheadd for players on Node and GJS. */

export const VERSION: string;

/**
 * Connects to the agent. Resolves at once, whatever becomes of the bus and of the agent: both are
 * tried again in the background. Never rejects.
 */
export function connect(options?: ConnectOptions): Promise<Agent>;

export interface ConnectOptions {
  /** `system` (the default), `session`, or an address such as `unix:path=/run/bus`. */
  bus?: string;
  /** What could not be said, and why. Nothing of it has to be handled. */
  onError?: (error: PlayheadError, session: Session) => void;
  /** A session has closed. After `idle` and `background` Play revives it. */
  onClosed?: (reason: ClosedReason, session: Session) => void;
}

export interface PlayheadError {
  /** `OpenSession`, an event such as `AdStart`, or `GetResumePoint`. */
  event: string;
  /** `InvalidArgs`, `NotAllowed`, `AccessDenied`, `NoSession`, `Storage`, `Dropped` ... */
  name: string;
  /** A sentence, mostly the agent's, that says what was expected. */
  message: string;
  /** With `Dropped`: how many messages. */
  dropped?: number;
}

/** The reason of the signal, or the name of the error that closed the session. */
export type ClosedReason =
  | 'complete'
  | 'end'
  | 'replaced'
  | 'idle'
  | 'background'
  | 'vanished'
  | 'shutdown'
  | 'consent'
  | (string & {});

export interface Agent {
  /** Messages that wait for the agent or for its answer; 256 at most. */
  readonly pending: number;

  /** Where the viewer was. `app`: as in `media`; empty: this program. Never rejects. */
  resumePoint(mediaId: string, app?: string): Promise<ResumeAnswer>;

  /**
   * Opens a session and gives it at once. It ends what was open before (of the same
   * `media.instance`).
   *
   * @param playhead seconds; negative: "where I was"
   */
  open(playhead: number, media: Media): Session;

  /**
   * Tells what plays now, for a player that knows a status and no events: opens, ends, plays and
   * pauses as it is needed. May be called as often as one likes.
   *
   * @param media null: nothing plays
   * @param playhead seconds; negative: "work it out" (the default)
   * @param rate 0: it is paused; default 1
   */
  now(media: Media, playhead?: number, rate?: number): Session;
  now(media: null, playhead?: number): null;

  /**
   * Closes the connection when everything was said, at the latest after a limit (default 2 s). A
   * session that was not ended is then one whose player has vanished.
   *
   * @returns how many messages were not said
   */
  close(seconds?: number): Promise<number>;
}

/** `point` is null when nothing is known, and with an error. */
export interface ResumeAnswer {
  point: ResumePoint | null;
  error: PlayheadError | null;
}

export interface ResumePoint {
  /** Seconds. */
  position: number;
  /** Seconds; 0: unknown. */
  length: number;
  /** Milliseconds since 1970 UTC; null while nobody knows the time. */
  endedAt: number | null;
  /** Seen to its end: the next viewing begins at 0. */
  completed: boolean;
}

export interface Media {
  /** Stable id of the content. */
  id: string;
  /** Title; default: the id. */
  name?: string;
  /** Seconds; absent, 0, NaN or Infinity: unknown. */
  length?: number;
  /** `vod` (the default), `live`, `linear`, `radio`, `song`, `podcast` ... */
  contentType?: string;
  streamType?: 'video' | 'audio';
  /** Stable id of the application. */
  app?: string;
  channel?: string;
  playerName?: string;
  appVersion?: string;
  /** The player says that this goes on with an earlier viewing. */
  resume?: boolean;
  /** Played from local storage, reported when it has ended. */
  downloaded?: boolean;
  /** Goes on when the application is in the background. */
  backgroundPlayback?: boolean;
  /** 1 to 10. */
  adPingSeconds?: number;
  /** false: answered as ever, and nothing is kept or sent. */
  track?: boolean;
  identity?: Identity;
  /** Standard names such as `media.show`, the rest custom. */
  metadata?: Metadata;
  /** Tells the players of one process apart. */
  instance?: string;
}

export type Metadata = Record<string, string | number | boolean | null | undefined>;

/** Who watches, over the configuration. */
export interface Identity {
  marketingCloudUserId?: string;
  visitorId?: string;
  /** By namespace; authenticated: 0 unknown, 1 authenticated, 2 logged out. */
  customerIds?: Record<string, { id: string; authenticated?: 0 | 1 | 2 }>;
}

export interface AdBreak {
  name: string;
  /** Which break of the content, from 1. */
  position: number;
  /** Where in the content, seconds; 0: before it. */
  start: number;
}

export interface Ad {
  id: string;
  name: string;
  /** Which ad of the break, from 1. */
  position: number;
  /** Seconds. */
  length: number;
  /** `media.ad.*` keys are standard, the rest custom. */
  metadata?: Metadata;
}

export interface Chapter {
  name: string;
  /** Which chapter, from 1. */
  position: number;
  /** Where in the content, seconds. */
  start: number;
  /** Seconds. */
  length: number;
  metadata?: Metadata;
}

/** Any subset. */
export interface Quality {
  /** kbit/s. */
  bitrate?: number;
  /** In the session so far. */
  droppedFrames?: number;
  /** Frames per second. */
  fps?: number;
  /** From the viewer's action to the first frame, milliseconds. */
  startupMs?: number;
}

/**
 * A playback. Playheads are seconds of the content (live: second of the day); negative or absent:
 * "work it out". No method waits, none throws, and all may be called whether the agent is there or
 * not.
 */
export interface Session {
  play(playhead?: number, rate?: number): void;
  pause(playhead?: number): void;
  bufferStart(playhead?: number): void;
  bufferComplete(playhead?: number): void;
  /** The player stands still without having been told to. */
  stall(playhead?: number): void;
  /** The playhead is the place that is left. */
  seekStart(playhead?: number): void;
  /** The playhead is the new place. */
  seekComplete(playhead?: number): void;
  adBreakStart(playhead: number, adBreak: AdBreak): void;
  adBreakComplete(playhead?: number): void;
  adStart(playhead: number, ad: Ad): void;
  adComplete(playhead?: number): void;
  adSkip(playhead?: number): void;
  chapterStart(playhead: number, chapter: Chapter): void;
  chapterComplete(playhead?: number): void;
  chapterSkip(playhead?: number): void;
  /** Standard: fullscreen, mute, closedCaptioning, pictureInPicture, inFocus. */
  stateStart(playhead: number, name: string): void;
  stateEnd(playhead: number, name: string): void;
  qoe(playhead: number, quality: Quality): void;
  bitrateChange(playhead: number, quality: Quality): void;
  /**
   * Something went wrong; the session stays open. `id`: from a list of your own that does not
   * change.
   */
  error(playhead: number, id: string, source?: 'player' | 'external'): void;
  /** The position, now and then. */
  playhead(playhead: number): void;
  /** The content was played to its end. */
  complete(playhead?: number): void;
  /** The viewer left before the end. */
  end(playhead?: number): void;
}
