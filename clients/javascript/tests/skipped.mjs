// A test that cannot be carried out on this machine is skipped, and `make test` shows why at its
// end (as with tests/common/skipped.rs).

import { appendFileSync } from 'node:fs';

/** Skips a test. Appends a line to the file that `SKIPPED` names, if any. */
export function skip(t, why) {
  if (process.env.SKIPPED)
    appendFileSync(process.env.SKIPPED, `SKIP JavaScript, ${t.name}: ${why}\n`);
  t.skip(why);
}
