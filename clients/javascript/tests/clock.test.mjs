import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'node:test';

import { BootClock } from '../src/clock.mjs';
import { skip } from './skipped.mjs';

/** A box: time passes in microseconds, and while it sleeps only for CLOCK_BOOTTIME. */
class Clocks {
  boot = 100_000_000;
  monotonic = 100_000_000;
  clock = new BootClock(
    () => this.monotonic,
    () => `${(Math.floor(this.boot / 10_000) / 100).toFixed(2)} 12.34\n`,
  );

  pass(microseconds) {
    this.boot += microseconds;
    this.monotonic += microseconds;
  }
}

test('the time that the box sleeps counts, and no time is in the future', () => {
  const box = new Clocks();
  let last = 0;
  for (let i = 0; i < 1000; i += 1) {
    box.pass(3_333);
    if (i % 100 === 50) box.boot += 3_600_000_000;
    const now = box.clock.now();
    assert.ok(now <= box.boot && now > box.boot - 10_000, `${i}: ${now} for ${box.boot}`);
    assert.ok(now >= last);
    last = now;
  }
});

test('readings at other moments make it better than 10 ms', () => {
  const box = new Clocks();
  box.boot += 1_234_567;
  for (let i = 0; i < 100; i += 1) {
    box.pass(10_101);
    box.clock.now();
  }
  assert.ok(box.boot - box.clock.now() < 200);
});

test('without /proc, or with that of a container, it is CLOCK_MONOTONIC', () => {
  const nothing = () => {
    throw new Error('ENOENT');
  };
  assert.equal(new BootClock(() => 5_000_000.7, nothing).now(), 5_000_000);
  assert.equal(
    new BootClock(
      () => 5_000_000,
      () => '',
    ).now(),
    5_000_000,
  );
  assert.equal(
    new BootClock(
      () => 5_000_000,
      () => '1.00 1.00',
    ).now(),
    5_000_000,
  );
});

for (const [engine, ...options] of [['node'], ['gjs', '-m']]) {
  test(`the clock of ${engine} is CLOCK_BOOTTIME`, (t) => {
    const uptime = () => Number.parseFloat(readFileSync('/proc/uptime', 'latin1')) * 1e6;
    const program = fileURLToPath(new URL('now.mjs', import.meta.url));
    const before = uptime();
    const run = spawnSync(engine, [...options, program], { encoding: 'latin1' });
    const after = uptime() + 10_000;
    if (run.error?.code === 'ENOENT') {
      skip(t, `${engine} is not installed`);
      return;
    }
    const [first, second] = run.stdout.trim().split(' ').map(Number);
    assert.ok(
      before <= first && first <= second && second <= after,
      `${before} ${run.stdout} ${after} ${run.stderr}`,
    );
  });
}
