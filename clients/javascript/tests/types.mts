// For types.test.mjs: a player in TypeScript. The compiler has to take it, and to refuse the marked
// lines.

import { connect, VERSION } from '../playhead.mjs';
import type { Media, PlayheadError, Session } from '../playhead.mjs';

const film: Media = {
  id: 'film',
  name: 'A Film',
  length: Infinity,
  contentType: 'vod',
  streamType: 'video',
  app: 'tv.example',
  channel: 'one',
  playerName: 'p',
  appVersion: '1',
  resume: true,
  downloaded: false,
  backgroundPlayback: false,
  adPingSeconds: 1,
  track: true,
  instance: 'left',
  identity: {
    visitorId: 'v',
    marketingCloudUserId: 'm',
    customerIds: { crm: { id: '7', authenticated: 1 } },
  },
  metadata: { 'media.show': 'Show', season: 2, hd: true, nothing: undefined },
};

export async function evening(): Promise<number> {
  const errors: PlayheadError[] = [];
  const agent = await connect({
    bus: 'session',
    onError: (error, session: Session) => errors.push(error),
    onClosed: (reason) => {
      if (reason === 'replaced') errors.pop();
    },
  });
  const { point, error } = await agent.resumePoint('film');
  const start: number = point && !point.completed ? point.position : 0;
  const said: string | undefined = error?.message;
  const session = agent.open(start, film);
  session.play(start);
  session.play(start, 2);
  session.seekStart();
  session.adBreakStart(1, { name: 'pre', position: 1, start: 0 });
  session.adStart(1, {
    id: 'a',
    name: 'Ad',
    position: 1,
    length: 30,
    metadata: { 'media.ad.advertiser': 'x' },
  });
  session.chapterStart(1, { name: 'One', position: 1, start: 0, length: 600 });
  session.qoe(1, { bitrate: 5000, droppedFrames: 1, fps: 23.976, startupMs: 300 });
  session.error(1, 'E1', 'external');
  const same: Session = agent.now(film, 3, 0);
  const nothing: null = agent.now(null);
  void [same, nothing, said, VERSION, agent.pending];

  // @ts-expect-error: an id is required
  agent.open(0, { name: 'A Film' });
  // @ts-expect-error: names are those of JavaScript
  agent.open(0, { id: 'film', content_type: 'vod' });
  // @ts-expect-error: a position is required
  session.adBreakStart(1, { name: 'pre', start: 0 });
  // @ts-expect-error: a playhead is a number
  session.play('12');
  // @ts-expect-error: there is no such source
  session.error(1, 'E1', 'network');
  // @ts-expect-error: nothing may be known
  agent.resumePoint('film').then((answer) => answer.point.position);
  return agent.close(1);
}
