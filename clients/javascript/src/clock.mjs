// CLOCK_BOOTTIME, which neither Node nor GJS can ask for. Both have CLOCK_MONOTONIC in nanoseconds
// or microseconds, and /proc/uptime is CLOCK_BOOTTIME cut to 10 ms.
//
// The two clocks differ by the time that the box has slept, which never shrinks. So every reading
// gives a lower bound of the difference, and the largest is the best one: it is at most 10 ms too
// small, and after some readings much less. A time that is given is never in the future.

export class BootClock {
  #monotonic;
  #uptime;
  #difference = 0;

  /**
   * @param {() => number} monotonic CLOCK_MONOTONIC, microseconds
   * @param {() => string} uptime the text of /proc/uptime; may throw
   */
  constructor(monotonic, uptime) {
    this.#monotonic = monotonic;
    this.#uptime = uptime;
  }

  /** Microseconds since the box was started, with the time that it slept. */
  now() {
    const booted = this.#readUptime();
    const monotonic = this.#monotonic();
    if (booted - monotonic > this.#difference) this.#difference = booted - monotonic;
    return Math.floor(monotonic + this.#difference);
  }

  #readUptime() {
    try {
      return Number.parseFloat(this.#uptime()) * 1e6;
    } catch {
      return Number.NaN;
    }
  }
}
