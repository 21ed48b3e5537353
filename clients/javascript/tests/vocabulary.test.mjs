import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';

import { addressOf, socketsOf } from '../src/address.mjs';
import { meaningOf, pathIn, shortName } from '../src/answers.mjs';
import { eventInfo, InvalidValue, mediaInfo, playheadOf } from '../src/vocabulary.mjs';

test('media has every key of OpenSession, in its type', () => {
  const media = mediaInfo({
    id: 'film',
    name: 'The Film',
    length: 3600.5,
    contentType: 'vod',
    streamType: 'video',
    app: 'tv.example',
    channel: 'one',
    playerName: 'player',
    appVersion: '1.2',
    resume: true,
    downloaded: false,
    backgroundPlayback: true,
    adPingSeconds: 5,
    track: true,
    instance: 'left',
    identity: {
      marketingCloudUserId: 'm',
      visitorId: 'v',
      customerIds: { crm: { id: '7', authenticated: 1 }, other: { id: '8' } },
    },
    metadata: { 'media.show': 'Show', season: 2, hd: true, nothing: undefined },
  });
  const types = Object.fromEntries(Object.entries(media).map(([key, { type }]) => [key, type]));
  assert.deepEqual(media.metadata.value, { 'media.show': 'Show', season: '2', hd: 'true' });
  assert.deepEqual(media.identity.value.customer_ids.value, { crm: ['7', 1], other: ['8', 0] });
  // The contract: the page names each key and its type.
  const page = readFileSync(new URL('../../../docs/dbus.md', import.meta.url), 'utf8');
  const [, section] = page.split('#### `OpenSession(');
  const keys = section.split('####')[0].matchAll(/`(\w+)` \(([^),]+\)*)/g);
  const found = [...keys]
    .map(([, key, type]) => [key, type.replace(/\)$/, '')])
    .filter(([key]) => key in types);
  assert.deepEqual(Object.keys(types).sort(), [...new Set(found.map(([key]) => key))].sort());
  for (const [key, type] of found) assert.equal(types[key], type, key);
});

test('an event has every key of its method, in its type, and needs those that are required', () => {
  const page = readFileSync(new URL('../../../docs/dbus.md', import.meta.url), 'utf8');
  const [, methods] = page.split('## tv.playhead.Session1');
  const samples = { s: 'text', i: 3, d: 1.5, x: 4, 'a{ss}': { key: 'value' } };
  const camel = (key) => key.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
  let seen = 0;
  for (const section of methods.split('### Properties')[0].split('#### `').slice(1)) {
    const event = section.slice(0, section.indexOf('('));
    const keys = [...section.matchAll(/^- `(\w+)` \(([^,)]+)(, required)?/gm)];
    const given = Object.fromEntries(keys.map(([, key, type]) => [camel(key), samples[type]]));
    const types = Object.fromEntries(
      Object.entries(eventInfo(event, given)).map(([key, { type }]) => [key, type]),
    );
    assert.deepEqual(types, Object.fromEntries(keys.map(([, key, type]) => [key, type])), event);
    for (const [, key, , required] of keys) {
      const without = { ...given, [camel(key)]: undefined };
      if (required) assert.throws(() => eventInfo(event, without), InvalidValue, `${event} ${key}`);
      else eventInfo(event, without);
    }
    seen += 1;
  }
  assert.equal(seen, 23);
});

test('a media element may not know its length, and need not', () => {
  for (const length of [NaN, Infinity, undefined, null]) {
    assert.deepEqual(mediaInfo({ id: 'x', length }), { id: { type: 's', value: 'x' } });
  }
});

test('numbers of the wire are whole, and wrong ones are told', () => {
  assert.deepEqual(eventInfo('Qoe', { fps: 23.976, bitrate: 5000.5, droppedFrames: 0 }), {
    fps: { type: 'x', value: 24 },
    bitrate: { type: 'x', value: 5001 },
    dropped_frames: { type: 'x', value: 0 },
  });
  const wrong = [
    ['Qoe', { bitrate: 1e300 }],
    ['Qoe', { bitrate: '5000' }],
    ['Qoe', { dropped_frames: 1 }],
    ['ChapterStart', { name: 'One', position: 2 ** 31, start: 0, length: 1 }],
    ['StateStart', {}],
    ['StateStart', { name: ['mute'] }],
    ['Error', { source: 'player' }],
    ['Play', 2],
    ['Pause', { rate: 1 }],
  ];
  for (const [event, info] of wrong) assert.throws(() => eventInfo(event, info), InvalidValue);
});

test('a text is one that a bus carries', () => {
  const { value } = eventInfo('StateStart', { name: 'a\0b\ud800c\udc00d\u{1f3ac}' }).name;
  assert.equal(value, 'a\ufffdb\ufffdc\ufffdd\u{1f3ac}');
});

test('a playhead that is no number is to be worked out', () => {
  assert.deepEqual([0, 12.5, -3].map(playheadOf), [0, 12.5, -3]);
  for (const value of [undefined, null, NaN, Infinity, '12']) assert.equal(playheadOf(value), -1);
});

test('an address names sockets', () => {
  assert.deepEqual(
    socketsOf('unix:path=/run/a%20b,guid=0123;tcp:host=x,port=1;unix:abstract=/tmp/c'),
    ['/run/a b', '\0/tmp/c'],
  );
  assert.deepEqual(socketsOf('autolaunch:'), []);
  assert.deepEqual(socketsOf(''), []);
});

test('a bus is found as others find it', () => {
  const none = () => undefined;
  const env = (name) =>
    ({ DBUS_SYSTEM_BUS_ADDRESS: 'unix:path=/s', DBUS_SESSION_BUS_ADDRESS: 'unix:path=/u' })[name];
  assert.equal(addressOf('system', none), 'unix:path=/run/dbus/system_bus_socket');
  assert.equal(addressOf('system', env), 'unix:path=/s');
  assert.equal(addressOf('session', env), 'unix:path=/u');
  assert.equal(
    addressOf('session', (name) => name === 'XDG_RUNTIME_DIR' && '/run/user/7'),
    'unix:path=/run/user/7/bus',
  );
  assert.equal(addressOf('unix:path=/other', env), 'unix:path=/other');
});

test('an answer means what the manual says', () => {
  const meaning = (name, sentence = '', opens = false) => meaningOf(name, sentence, opens);
  const bus = 'org.freedesktop.DBus.Error.';
  const ours = 'tv.playhead.Error.';
  assert.equal(meaning(undefined), 'done');
  assert.equal(meaning(`${bus}Spawn.ServiceNotFound`), 'away');
  assert.equal(meaning(`${bus}UnknownMethod`, '', false), 'gone');
  assert.equal(meaning(`${bus}UnknownMethod`, '', true), 'away');
  assert.equal(meaning(`${ours}NoSession`, 'stopping', true), 'away');
  assert.equal(meaning(`${bus}AccessDenied`), 'refused');
  assert.equal(meaning(`${ours}AccessDenied`), 'gone');
  assert.equal(meaning(`${ours}AccessDenied`, '', true), 'refused');
  assert.equal(meaning(`${ours}NotAllowed`, 'open as session 7; Play goes on', true), 'known');
  assert.equal(meaning(`${ours}NotAllowed`, 'open as session 7', false), 'refused');
  assert.equal(meaning(`${ours}Storage`, 'no number', true), 'refused');
  assert.equal(meaning('com.example.Odd'), 'refused');
  assert.equal(pathIn('it is /tv/playhead/Agent1/session/12'), '/tv/playhead/Agent1/session/12');
  assert.equal(pathIn('nothing'), null);
  assert.equal(shortName(`${ours}NoSession`), 'NoSession');
});
